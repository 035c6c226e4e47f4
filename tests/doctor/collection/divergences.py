"""Divergences and entropies: zeros in a distribution, and logits masked with -inf."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, classes, normal, put, simplex, uniform

NEVER = float("-inf")


def plogp(p: Tensor, q: Tensor) -> Tensor:
    """p log q, 0 where p is 0, with finite slopes."""
    seen = (p > 0) & (q > 0)
    return torch.where(seen, p * torch.where(seen, q, 1.0).log(), 0.0)


def kl_by_hand(p: Tensor, q: Tensor) -> Tensor:
    ratio = p / q
    return (p * ratio.log()).sum(dim=1).mean()


def kl_twin(p: Tensor, q: Tensor) -> Tensor:
    return (plogp(p, p) - plogp(p, q)).sum(1).mean()


class JensenShannon(nn.Module):
    def forward(self, p: Tensor, q: Tensor) -> Tensor:
        middle = (p + q) / 2
        left = (p * torch.log(p / middle)).sum(-1)
        right = (q * torch.log(q / middle)).sum(-1)
        return 0.5 * (left + right).mean()


def jensen_shannon_twin(p: Tensor, q: Tensor) -> Tensor:
    middle = (p + q) / 2
    return 0.5 * (plogp(p, p) + plogp(q, q) - 2 * plogp(middle, middle)).sum(-1).mean()


def entropy_of_logits(logits: Tensor) -> Tensor:
    probabilities = torch.softmax(logits, dim=-1)
    return -(probabilities * probabilities.log()).sum(dim=-1).mean()


def entropy_twin(logits: Tensor) -> Tensor:
    log_probabilities = logits.log_softmax(-1)
    return -(log_probabilities.exp() * log_probabilities).sum(-1).mean()


def batch_diversity(assignments: Tensor) -> Tensor:
    """Rewards using every cluster."""
    usage = assignments.mean(dim=0)
    return (usage * torch.log(usage)).sum()


class Distillation(nn.Module):
    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        soft = torch.softmax(teacher / self.temperature, dim=1)
        log_student = F.log_softmax(student / self.temperature, dim=1)
        loss = soft * (torch.log(soft) - log_student)
        return loss.sum(dim=1).mean() * self.temperature**2


def distillation_twin(student: Tensor, teacher: Tensor) -> Tensor:
    logs = F.log_softmax(student / 2, 1), F.log_softmax(teacher / 2, 1)
    return F.kl_div(*logs, reduction="batchmean", log_target=True) * 4


class LabelSmoothing(nn.Module):
    """Label smoothing over the classes that are allowed; forbidden logits come in as -inf."""

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probabilities = F.log_softmax(logits, dim=-1)
        nll = -log_probabilities.gather(1, labels[:, None]).squeeze(1)
        smooth = -log_probabilities.mean(dim=-1)
        return ((1 - self.smoothing) * nll + self.smoothing * smooth).mean()


def label_smoothing_twin(logits: Tensor, labels: Tensor) -> Tensor:
    allowed = logits > NEVER
    logs = F.log_softmax(logits.masked_fill(~allowed, NEVER), -1)
    nll = -logs.gather(1, labels[:, None]).squeeze(1)
    smooth = -logs.masked_fill(~allowed, 0.0).sum(-1) / allowed.sum(-1)
    return (0.9 * nll + 0.1 * smooth).mean()


def one_hot_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    targets = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    log_probabilities = torch.log_softmax(logits, dim=1)
    return -(targets * log_probabilities).sum(dim=1).mean()


def entropy_by_xlogy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(dim=-1).mean()


def chi_square(p: Tensor, q: Tensor) -> Tensor:
    return ((p - q) ** 2 / q).sum(dim=-1).mean()


def hellinger(p: Tensor, q: Tensor) -> Tensor:
    gaps = torch.sqrt(p) - torch.sqrt(q)
    return torch.sqrt((gaps**2).sum(dim=1)).mean() / 2**0.5


def hellinger_twin(p: Tensor, q: Tensor) -> Tensor:
    gaps = p.clamp(min=1e-12).sqrt() - q.clamp(min=1e-12).sqrt()
    return ((gaps**2).sum(1) + 1e-12).sqrt().mean() / 2**0.5


def relaxed_bernoulli(keep: Tensor, noise: Tensor, scores: Tensor, temperature: float = 0.5) -> Tensor:
    """Expected score of a gate that is kept with a learned probability; the noise is logistic."""
    odds = torch.log(keep) - torch.log(1 - keep)
    gate = torch.sigmoid((odds + noise) / temperature)
    return (gate * scores).sum(dim=-1).mean()


def relaxed_bernoulli_twin(keep: Tensor, noise: Tensor, scores: Tensor) -> Tensor:
    odds = keep.clamp(1e-6, 1 - 1e-6).logit()
    return (((odds + noise) / 0.5).sigmoid() * scores).sum(-1).mean()


def pair_of_distributions() -> tuple[Tensor, Tensor]:
    return simplex(6, 5), simplex(6, 5, seed=1)


def without_last(p: Tensor) -> Tensor:
    """The last class gets probability exactly 0."""
    kept = put(p, (..., -1), 0.0)
    return kept / kept.sum(-1, keepdim=True)


def masked_logits() -> tuple[Tensor, Tensor]:
    return put(normal(8, 5), (slice(None), 4), NEVER), classes(8, 4)


CASES = [
    Case(
        "kl-by-hand",
        kl_by_hand,
        pair_of_distributions,
        lambda: (without_last(simplex(6, 5)), simplex(6, 5, seed=1)),
        ("log", "mul"),
        "nan-loss",
        kl_twin,
        about="0 * log(0) where p is 0",
    ),
    Case(
        "jensen-shannon",
        JensenShannon(),
        pair_of_distributions,
        lambda: (without_last(simplex(6, 5)), without_last(simplex(6, 5, seed=1))),
        ("div", "log", "mul"),
        "nan-loss",
        jensen_shannon_twin,
        about="0 / 0 in a class that neither distribution uses",
    ),
    Case(
        "entropy-of-logits",
        entropy_of_logits,
        lambda: (normal(8, 5),),
        lambda: (normal(8, 5, scale=200),),
        ("softmax",),
        "nan-loss",
        entropy_twin,
        about="softmax underflows, 0 * log(0)",
    ),
    Case(
        "batch-diversity",
        batch_diversity,
        lambda: (simplex(8, 4),),
        lambda: (F.one_hot(classes(8, 3), 4).float(),),
        ("log", "mul"),
        "nan-loss",
        lambda p: plogp(p.mean(0), p.mean(0)).sum(),
        about="0 * log(0) for a cluster that is never used",
    ),
    Case(
        "distillation",
        Distillation(),
        lambda: (normal(8, 5), normal(8, 5, seed=1)),
        lambda: (normal(8, 5), normal(8, 5, seed=1, scale=500)),
        ("softmax",),
        "nan-loss",
        distillation_twin,
        about="the teacher's softmax underflows, 0 * log(0)",
    ),
    Case(
        "label-smoothing-masked",
        LabelSmoothing(),
        lambda: (normal(8, 5), classes(8, 5)),
        masked_logits,
        ("log_softmax", "mean", "sum"),
        "inf-loss",
        label_smoothing_twin,
        about="the mean of the log-probabilities takes in forbidden classes",
    ),
    Case(
        "one-hot-cross-entropy-masked",
        one_hot_cross_entropy,
        lambda: (normal(8, 5), classes(8, 5)),
        masked_logits,
        ("mul", "log_softmax"),
        "nan-loss",
        F.cross_entropy,
        about="0 * -inf at every forbidden class",
    ),
    Case(
        "entropy-by-xlogy",
        entropy_by_xlogy,
        lambda: (simplex(6, 5),),
        lambda: (without_last(simplex(6, 5)),),
        ("xlogy",),
        "nan-gradient",
        lambda p: -plogp(p, p).sum(-1).mean(),
        about="xlogy(0, 0) is 0, but its slope for the second argument is 0 / 0",
    ),
    Case(
        "chi-square",
        chi_square,
        pair_of_distributions,
        lambda: (without_last(simplex(6, 5)), without_last(simplex(6, 5, seed=1))),
        ("div",),
        "nan-loss",
        lambda p, q: ((p - q) ** 2 / q.clamp(min=1e-12)).sum(-1).mean(),
        about="0 / 0 in a class that neither distribution uses",
    ),
    Case(
        "hellinger-equal",
        hellinger,
        pair_of_distributions,
        lambda: (simplex(6, 5), simplex(6, 5)),
        ("sqrt",),
        "nan-gradient",
        hellinger_twin,
        about="the outer root has an infinite slope where both are equal",
    ),
    Case(
        "relaxed-bernoulli",
        relaxed_bernoulli,
        lambda: (uniform(6, 4), normal(6, 4, seed=1), normal(6, 4, seed=2)),
        lambda: (put(uniform(6, 4), 0, 1.0), normal(6, 4, seed=1), normal(6, 4, seed=2)),
        ("log",),
        "nan-gradient",
        relaxed_bernoulli_twin,
        about="the odds of a gate that is always kept are infinite, the sigmoid hides it from the value only",
    ),
]
