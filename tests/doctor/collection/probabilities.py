"""Cross-entropies that go through probabilities: softmax and sigmoid saturate before the logarithm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, binary, classes, normal, put, uniform


def log_of_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    probabilities = torch.softmax(logits, dim=1)
    picked = probabilities[torch.arange(len(labels)), labels]
    return -torch.log(picked).mean()


def softmax_by_hand(logits: Tensor, labels: Tensor) -> Tensor:
    powers = torch.exp(logits)
    probabilities = powers / powers.sum(dim=1, keepdim=True)
    return -probabilities.gather(1, labels[:, None]).log().mean()


def bayesian_ranking(positive: Tensor, negative: Tensor) -> Tensor:
    return -torch.log(torch.sigmoid(positive - negative)).mean()


class SkipGram(nn.Module):
    """Negative sampling with the logistic function spelled out."""

    def forward(self, centre: Tensor, context: Tensor, noise: Tensor) -> Tensor:
        seen = (centre * context).sum(1)
        unseen = (centre[:, None] * noise).sum(-1)
        right = torch.log(1 / (1 + torch.exp(-seen)))
        wrong = torch.log(1 / (1 + torch.exp(unseen))).sum(1)
        return -(right + wrong).mean()


def skip_gram_twin(centre: Tensor, context: Tensor, noise: Tensor) -> Tensor:
    seen = (centre * context).sum(1)
    unseen = (centre[:, None] * noise).sum(-1)
    return -(F.logsigmoid(seen) + F.logsigmoid(-unseen).sum(1)).mean()


def saturating_generator(fake_logits: Tensor) -> Tensor:
    verdict = torch.sigmoid(fake_logits)
    return torch.log(1 - verdict).mean()


class BinaryCrossEntropy(nn.Module):
    def forward(self, probabilities: Tensor, targets: Tensor) -> Tensor:
        positive = targets * torch.log(probabilities)
        negative = (1 - targets) * torch.log(1 - probabilities)
        return -(positive + negative).mean()


def binary_twin(probabilities: Tensor, targets: Tensor) -> Tensor:
    inside = probabilities.clamp(1e-7, 1 - 1e-7)
    return -(targets * inside.log() + (1 - targets) * torch.log1p(-inside)).mean()


def focal_on_probabilities(probabilities: Tensor, targets: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    positive = alpha * (1 - probabilities) ** gamma * targets * torch.log(probabilities)
    negative = (1 - alpha) * probabilities**gamma * (1 - targets) * torch.log(1 - probabilities)
    return -(positive + negative).sum() / targets.numel()


def focal_twin(probabilities: Tensor, targets: Tensor) -> Tensor:
    inside = probabilities.clamp(1e-7, 1 - 1e-7)
    positive = 0.25 * (1 - inside) ** 2 * targets * inside.log()
    negative = 0.75 * inside**2 * (1 - targets) * torch.log1p(-inside)
    return -(positive + negative).mean()


class GentleFocal(nn.Module):
    """Focal loss with a focusing exponent below one."""

    def __init__(self, gamma: float = 0.5) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        entropy = F.cross_entropy(logits, labels, reduction="none")
        truth = torch.exp(-entropy)
        return ((1 - truth) ** self.gamma * entropy).mean()


def gentle_focal_twin(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits, labels, reduction="none")
    return ((-torch.expm1(-entropy)).clamp(min=1e-12) ** 0.5 * entropy).mean()


def generalised_cross_entropy(logits: Tensor, labels: Tensor, q: float = 0.7) -> Tensor:
    truth = F.softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
    return ((1 - truth**q) / q).mean()


def generalised_twin(logits: Tensor, labels: Tensor) -> Tensor:
    log_truth = -F.cross_entropy(logits, labels, reduction="none")
    return (-torch.expm1(0.7 * log_truth) / 0.7).mean()


def negative_learning(logits: Tensor, wrong_labels: Tensor) -> Tensor:
    probabilities = logits.softmax(dim=1)
    complement = 1 - probabilities.gather(1, wrong_labels.unsqueeze(1))
    return -complement.log().mean()


def negative_learning_twin(logits: Tensor, wrong_labels: Tensor) -> Tensor:
    others = logits.masked_fill(F.one_hot(wrong_labels, logits.shape[1]).bool(), float("-inf"))
    return (logits.logsumexp(1) - others.logsumexp(1)).mean()


def candidate_labels(logits: Tensor, candidates: Tensor) -> Tensor:
    probabilities = torch.softmax(logits, dim=-1)
    mass = (probabilities * candidates).sum(dim=-1)
    return -mass.log().mean()


def candidate_twin(logits: Tensor, candidates: Tensor) -> Tensor:
    kept = logits.masked_fill(candidates == 0, float("-inf"))
    return (logits.logsumexp(-1) - kept.logsumexp(-1)).mean()


def noisy_or(instances: Tensor, bags: Tensor) -> Tensor:
    bag = 1 - torch.prod(1 - instances, dim=1)
    return -(bags * torch.log(bag) + (1 - bags) * torch.log(1 - bag)).mean()


def noisy_or_twin(instances: Tensor, bags: Tensor) -> Tensor:
    none = torch.log1p(-instances.clamp(max=1 - 1e-6)).sum(1)
    return -(bags * torch.log(-torch.expm1(none)) + (1 - bags) * none).mean()


def two_level(coarse: Tensor, fine: Tensor) -> Tensor:
    joint = torch.sigmoid(coarse) * torch.sigmoid(fine)
    return -torch.log(joint).mean()


def logits_and_labels() -> tuple[Tensor, Tensor]:
    return normal(8, 5), classes(8, 5)


def sure(sign: float, size: float) -> tuple[Tensor, Tensor]:
    """Logits that bet everything on the label (or, with sign -1, against it)."""
    labels = classes(8, 5)
    return sign * size * F.one_hot(labels, 5).float(), labels


def candidates() -> Tensor:
    return F.one_hot(classes(8, 5), 5).float().roll(1, 1) + F.one_hot(classes(8, 5), 5).float()


CASES = [
    Case(
        "log-of-softmax",
        log_of_softmax,
        logits_and_labels,
        lambda: sure(-1, 200.0),
        ("softmax",),
        "inf-loss",
        F.cross_entropy,
        about="softmax underflows to 0 for the true class, log makes it -inf",
    ),
    Case(
        "softmax-by-hand",
        softmax_by_hand,
        logits_and_labels,
        lambda: sure(1, 100.0),
        ("exp",),
        "nan-loss",
        F.cross_entropy,
        about="exp overflows past 88.7, inf / inf",
    ),
    Case(
        "bayesian-ranking",
        bayesian_ranking,
        lambda: (normal(16), normal(16, seed=1)),
        lambda: (normal(16, shift=-150), normal(16, seed=1)),
        ("sigmoid",),
        "inf-loss",
        lambda positive, negative: -F.logsigmoid(positive - negative).mean(),
        about="sigmoid underflows where the order is badly wrong",
    ),
    Case(
        "skip-gram-by-hand",
        SkipGram(),
        lambda: (normal(6, 8), normal(6, 8, seed=1), normal(6, 4, 8, seed=2)),
        lambda: (normal(6, 8, scale=20), normal(6, 8, seed=1, scale=20), normal(6, 4, 8, seed=2)),
        ("exp",),
        "inf-loss",
        skip_gram_twin,
        about="exp overflows, its reciprocal is 0",
    ),
    Case(
        "saturating-generator",
        saturating_generator,
        lambda: (normal(12),),
        lambda: (normal(12, shift=60),),
        ("sub",),
        "inf-loss",
        lambda logits: -F.softplus(logits).mean(),
        about="1 - sigmoid cancels to 0",
    ),
    Case(
        "binary-cross-entropy-by-hand",
        BinaryCrossEntropy(),
        lambda: (uniform(8, 4), binary(8, 4)),
        lambda: (binary(8, 4), binary(8, 4)),
        ("log", "mul"),
        "nan-loss",
        binary_twin,
        about="0 * log(0) where the prediction is perfect",
    ),
    Case(
        "focal-on-probabilities",
        focal_on_probabilities,
        lambda: (uniform(6, 6), binary(6, 6)),
        lambda: (put(uniform(6, 6), 0, 1.0), put(binary(6, 6), 0, 1.0)),
        ("log", "mul"),
        "nan-loss",
        focal_twin,
        about="the term of the other class is 0 * log(0)",
    ),
    Case(
        "gentle-focal",
        GentleFocal(),
        logits_and_labels,
        lambda: sure(1, 60.0),
        ("pow",),
        "nan-gradient",
        gentle_focal_twin,
        about="0 ** 0.5 has an infinite slope where the answer is sure and right",
    ),
    Case(
        "generalised-cross-entropy",
        generalised_cross_entropy,
        logits_and_labels,
        lambda: sure(-1, 200.0),
        ("pow", "softmax"),
        "nan-gradient",
        generalised_twin,
        about="0 ** 0.7 has an infinite slope",
    ),
    Case(
        "negative-learning",
        negative_learning,
        logits_and_labels,
        lambda: sure(1, 40.0),
        ("sub",),
        "inf-loss",
        negative_learning_twin,
        about="1 - p cancels to 0 where the wrong label is sure",
    ),
    Case(
        "candidate-labels",
        candidate_labels,
        lambda: (normal(8, 5), candidates()),
        lambda: (put(normal(8, 5), 0, 300 * (1 - candidates()[0])), candidates()),
        ("softmax",),
        "inf-loss",
        candidate_twin,
        about="softmax underflows on every candidate",
    ),
    Case(
        "noisy-or",
        noisy_or,
        lambda: (uniform(6, 5), binary(6)),
        lambda: (put(uniform(6, 5), 0, 1e-9), put(binary(6), 0, 1.0)),
        ("sub",),
        "inf-loss",
        noisy_or_twin,
        about="1 - 1e-9 is 1: the bag loses its small probabilities",
    ),
    Case(
        "two-level-sigmoid",
        two_level,
        lambda: (normal(10), normal(10, seed=1)),
        lambda: (normal(10, shift=-60), normal(10, seed=1, shift=-60)),
        ("mul",),
        "inf-loss",
        lambda coarse, fine: -(F.logsigmoid(coarse) + F.logsigmoid(fine)).mean(),
        about="the product of two small probabilities underflows",
    ),
]
