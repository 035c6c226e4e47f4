"""Losses as people post them, examined without an example and without a signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import losszoo
from losszoo import UsageError

Loss = Callable[..., Any]


def examined(loss: Any, effort: int = 2500) -> losszoo.Examination:
    return losszoo.examine(loss, effort=effort, budget=600.0)


# Sick ones -----------------------------------------------------------------------------------------------------


class FocalLoss(nn.Module):
    def __init__(self, gamma: float = 2, alpha: float = 0.25) -> None:
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        p = torch.softmax(inputs, 1).gather(1, targets.view(-1, 1))
        return (-self.alpha * (1 - p) ** self.gamma * torch.log(p)).mean()


class DiceLoss(nn.Module):
    def forward(self, pred: Tensor, mask: Tensor) -> Tensor:
        p = torch.sigmoid(pred)
        return 1 - 2 * (p * mask).sum() / (p.sum() + mask.sum())


class Triplet(nn.Module):
    def __init__(self, margin: float = 0.3) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, emb_anchor: Tensor, emb_pos: Tensor, emb_neg: Tensor) -> Tensor:
        near = (emb_anchor - emb_pos).pow(2).sum(1).sqrt()
        far = (emb_anchor - emb_neg).pow(2).sum(1).sqrt()
        return F.relu(near - far + self.margin).mean()


def nt_xent(z_i: Tensor, z_j: Tensor, temperature: float) -> Tensor:
    z = torch.cat([z_i, z_j])
    z = z / z.norm(dim=1, keepdim=True)
    scores = torch.exp(z @ z.T / temperature)
    return -torch.log(scores.diagonal(len(z_i)) / scores[: len(z_i)].sum(1)).mean()


def rmse(yhat: Tensor, y: Tensor) -> Tensor:
    return torch.sqrt(((yhat - y) ** 2).mean())


def poisson(rates: Tensor, counts: Tensor) -> Tensor:
    return (rates - counts * torch.log(rates)).mean()


def entropy(probs: Tensor) -> Tensor:
    return -(probs * probs.log()).sum(1).mean()


def cox(risk: Tensor, durations: Tensor, events: Tensor) -> Tensor:
    order = durations.argsort(descending=True)
    log_sum = risk[order].exp().cumsum(0).log()
    return -((risk[order] - log_sum) * events[order]).sum() / events.sum()


def seq_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    picked = logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    return (-(picked * mask).sum(1) / mask.sum(1)).mean()


def distill(student_logits: Tensor, teacher_logits: Tensor, T: float) -> Tensor:  # noqa: N803
    wanted = F.softmax(teacher_logits / T, 1)
    return -(wanted * torch.log(F.softmax(student_logits / T, 1))).sum(1).mean() * T**2


def mse_with_log(recon_x: Tensor, x: Tensor, mu: Tensor, sigma: Tensor) -> dict[str, Tensor]:
    kl = -0.5 * (1 + 2 * torch.log(sigma) - mu**2 - sigma**2).sum(1).mean()
    return {"loss": F.binary_cross_entropy(recon_x, x) + kl, "kl": kl}


@pytest.mark.parametrize(
    ("loss", "op", "said"),
    [
        (FocalLoss, "softmax", "of 3 classes"),
        (DiceLoss, "div", "mask (8, 4) of 0 and 1"),
        (Triplet, "sqrt", "emb_anchor (8, 4)"),
        (nt_xent, "div", "temperature 0.5"),
        (rmse, "sqrt", "yhat"),
        (poisson, "log", "rates (8, 4) above 0"),
        (entropy, "log", "probs (8, 4) in [0, 1]"),
        (cox, "div", "durations (8,) above 0, events (8,) of 0 and 1"),
        (seq_loss, "div", "logits (4, 6, 5), labels (4, 6) of 5 classes, mask (4, 6) of 0 and 1"),
        (distill, "softmax", "teacher_logits (8, 4), T 0.5"),
        (mse_with_log, "log", "recon_x (8, 4) in [0, 1], x (8, 4) in [0, 1]"),
    ],
)
def test_what_is_posted_is_examined_without_a_word(loss: Any, op: str, said: str) -> None:
    found = examined(loss, 6000)
    assert op in {finding.op for finding in found.findings}
    (note,) = [note for note in found.notes if note.startswith("assumed: ")]
    assert said in note
    assert note.endswith("--example gives others")


# Healthy ones that a wrong guess would make sick -----------------------------------------------------------------


def dice_of_probabilities(pred: Tensor, target: Tensor) -> Tensor:
    overlap = (pred * target).sum()
    return 1 - (2 * overlap + 1) / (pred.sum() + target.sum() + 1)


def dice_per_channel(probs: Tensor, target: Tensor, smooth: float = 1e-5) -> Tensor:
    overlap = (probs * target).sum(0)
    return (1 - (2 * overlap + smooth) / (probs.pow(2).sum(0) + target.pow(2).sum(0) + smooth)).mean()


def bce_clamped(y_pred: Tensor, y_true: Tensor) -> Tensor:
    p = y_pred.clamp(1e-6, 1 - 1e-6)
    return -(y_true * p.log() + (1 - y_true) * (1 - p).log()).mean()


def bce(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy(output, target)


def nll_of_log_probabilities(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(output, target)


def msle(pred: Tensor, actual: Tensor) -> Tensor:
    return F.mse_loss(torch.log1p(pred.clamp(min=0)), torch.log1p(actual.clamp(min=0)))


def charbonnier(x: Tensor, y: Tensor) -> Tensor:
    return torch.sqrt((x - y) ** 2 + 1e-6).mean()


def quantile(preds: Tensor, target: Tensor) -> Tensor:
    error = target - preds
    return torch.max(0.9 * error, -0.1 * error).mean()


def vae(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    bce = F.binary_cross_entropy(recon_x.view(-1, 784), x.view(-1, 784), reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar.clamp(-20, 20) - mu.pow(2) - logvar.clamp(-20, 20).exp())


def hinge_gan(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def kd(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    return F.kl_div(
        F.log_softmax(student / temperature, 1), F.softmax(teacher / temperature, 1), reduction="batchmean"
    ) * (temperature**2)


def info_nce(query: Tensor, positive_key: Tensor, temperature: float = 0.1) -> Tensor:
    q, k = F.normalize(query, dim=-1), F.normalize(positive_key, dim=-1)
    return F.cross_entropy(q @ k.T / temperature, torch.arange(len(q)))


def contrastive(output1: Tensor, output2: Tensor, label: Tensor) -> Tensor:
    near = F.pairwise_distance(output1, output2)
    return (label * near.pow(2) + (1 - label) * F.relu(2 - near).pow(2)).mean()


def masked_mse(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return ((pred - target).pow(2) * mask).sum() / mask.sum().clamp(min=1)


def giou(pred_boxes: Tensor, target_boxes: Tensor) -> Tensor:
    low = torch.max(pred_boxes[:, :2], target_boxes[:, :2])
    high = torch.min(pred_boxes[:, 2:], target_boxes[:, 2:])
    overlap = (high - low).clamp(min=0).prod(1)
    areas = [(b[:, 2:] - b[:, :2]).clamp(min=0).prod(1) for b in (pred_boxes, target_boxes)]
    return (1 - overlap / (areas[0] + areas[1] - overlap + 1e-7)).mean()


def ordinal(logits: Tensor, labels: Tensor) -> Tensor:
    levels = (labels[:, None] > torch.arange(logits.shape[1])).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, levels)


def gaussian(mean: Tensor, log_var: Tensor, target: Tensor) -> Tensor:
    log_var = log_var.clamp(-10, 10)
    return (0.5 * (log_var + (target - mean) ** 2 / log_var.exp())).mean()


def ctc(log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, zero_infinity=True)


def warm_up(logits: Tensor, targets: Tensor, epoch: int) -> Tensor:
    return F.cross_entropy(logits, targets, label_smoothing=0.1 * min(1.0, epoch / 10))


def decorrelated(z1: Tensor, z2: Tensor) -> Tensor:
    a, b = ((z - z.mean(0)) / (z.var(0, unbiased=False) + 1e-4).sqrt() for z in (z1, z2))
    c = a.T @ b / len(a)
    return (c.diagonal() - 1).pow(2).sum() + 5e-3 * (c - torch.diag(c.diagonal())).pow(2).sum()


def total_variation(img: Tensor) -> Tensor:
    return (img[..., 1:] - img[..., :-1]).abs().mean() + (img[..., 1:, :] - img[..., :-1, :]).abs().mean()


def ppo(logp: Tensor, old_logp: Tensor, advantages: Tensor) -> Tensor:
    ratio = (logp - old_logp).clamp(-20, 20).exp()
    return -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


def gradient_penalty(critic: nn.Module, x: Tensor) -> Tensor:
    points = x.detach().clone().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return ((slopes.square().sum(1) + 1e-12).sqrt() - 1).square().mean()


class CenterLoss(nn.Module):
    def __init__(self, num_classes: int = 10, feat_dim: int = 2) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.centers = nn.Parameter(torch.randn(num_classes, feat_dim))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return (x - self.centers[labels]).pow(2).sum(1).mean()


class LabelSmoothing(nn.Module):
    def __init__(self, classes: int = 7, smoothing: float = 0.1) -> None:
        super().__init__()
        self.classes, self.smoothing = classes, smoothing

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        hot = torch.full_like(pred, self.smoothing / (self.classes - 1))
        hot.scatter_(1, target[:, None], 1 - self.smoothing)
        return -(hot * pred.log_softmax(-1)).sum(-1).mean()


HEALTHY = [
    *(dice_of_probabilities, dice_per_channel, bce_clamped, bce, nll_of_log_probabilities, msle, charbonnier, quantile),
    *(vae, hinge_gan, kd, info_nce, contrastive, masked_mse, giou, ordinal, gaussian, ctc, warm_up, decorrelated),
    *(total_variation, ppo, gradient_penalty, CenterLoss, LabelSmoothing),
    *(nn.CrossEntropyLoss(), nn.SmoothL1Loss(), nn.BCELoss(), nn.BCEWithLogitsLoss(), nn.NLLLoss(), nn.KLDivLoss()),
    *(nn.PoissonNLLLoss(), nn.GaussianNLLLoss(), nn.HingeEmbeddingLoss(), nn.MultiLabelMarginLoss(), nn.CTCLoss()),
    *(nn.TripletMarginLoss(), nn.CosineEmbeddingLoss(), nn.MarginRankingLoss()),
    *(
        nn.MultiMarginLoss(),
        nn.MultiLabelSoftMarginLoss(),
        nn.HuberLoss(),
        nn.L1Loss(),
        nn.TripletMarginWithDistanceLoss(),
    ),
]


@pytest.mark.parametrize("loss", HEALTHY, ids=lambda x: getattr(x, "__name__", type(x).__name__))
def test_a_guess_makes_no_healthy_loss_sick(loss: Any) -> None:
    found = examined(loss)
    assert not found.findings


# What is assumed ---------------------------------------------------------------------------------------------------


def test_the_same_is_assumed_again() -> None:
    assert examined(rmse, 50).notes == examined(rmse, 50).notes


def test_a_loss_that_takes_nothing_ordinary_is_refused_with_what_was_tried() -> None:
    def strange(cube: Tensor) -> Tensor:
        return cube.reshape(7, 11, 13).sum()

    with pytest.raises(UsageError, match=r"strange must accept an ordinary input, and on .* it raises .*--example"):
        examined(strange)


def test_a_refusal_of_the_author_is_told_in_his_words() -> None:
    def strict(pred: Tensor, target: Tensor) -> Tensor:
        raise ValueError("call me with a graph")

    with pytest.raises(UsageError, match="call me with a graph"):
        examined(strict)


def test_arguments_by_name_only_are_passed_by_name() -> None:
    def loss(*, scores: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
        return F.multi_margin_loss(scores, labels, margin=margin)

    found = examined(loss)
    assert any("scores (8, 4), labels (8,) of 4 classes" in note for note in found.notes)
    assert not found.findings


# What only an error tells -------------------------------------------------------------------------------------------


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shares", torch.linspace(1, 2, 11))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, weight=self.shares)


def six_columns(x: Tensor, target: Tensor) -> Tensor:
    hot = F.one_hot(target, 6).to(x.dtype)
    return F.binary_cross_entropy_with_logits(x, hot)


def policy(logits: Tensor, moves: Tensor, advantages: Tensor) -> Tensor:
    picked = logits.log_softmax(-1).gather(-1, moves.unsqueeze(-1)).squeeze(-1)
    return -(picked * advantages).mean()


def only_where(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, (pred - target).abs(), torch.zeros_like(pred)).mean()


def q_learning(q: Tensor, next_q: Tensor, moves: Tensor, rewards: Tensor, done: Tensor) -> Tensor:
    wanted = rewards + 0.9 * (1 - done) * next_q.amax(1)
    return F.smooth_l1_loss(q.gather(1, moves[:, None])[:, 0], wanted.detach())


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (q_learning, "next_q (8, 4), moves (8,) of 4 classes, rewards (8,), done (8,) of 0 and 1"),
        (Weighted, "logits (8, 11), labels (8,) of 8 classes"),
        (six_columns, "x (8, 6), target (8,) of 6 classes"),
        (policy, "moves (8,) of 4 classes, advantages (8,)"),
        (only_where, "mask (8, 4) of true and false"),
    ],
)
def test_what_an_error_asks_for_is_tried(loss: Any, said: str) -> None:
    found = examined(loss)
    assert any(said in note for note in found.notes)
    assert not found.findings


def test_a_fixed_number_of_classes_hides_no_fault() -> None:
    def entropy_of_five(logits: Tensor, labels: Tensor) -> Tensor:
        weight = torch.tensor([1.0, 2.0, 1.0, 3.0, 1.0], dtype=logits.dtype)
        hot = F.one_hot(labels, 5).to(logits.dtype)
        return -(weight * hot * torch.log(logits.softmax(1))).sum(1).mean()

    assert "softmax" in {finding.op for finding in examined(entropy_of_five).findings}
