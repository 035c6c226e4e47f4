"""Healthy losses that look like silent faults: bounded, clipped, clamped or unbounded by design."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal, simplex, uniform, unit
from torch import Tensor, nn


def tukey(predictions: Tensor, targets: Tensor, c: float = 4.685) -> Tensor:
    inside = 1 - ((predictions - targets) / c).square().clamp(max=1)
    return (c**2 / 6 * (1 - inside**3)).mean()


def welsch(predictions: Tensor, targets: Tensor) -> Tensor:
    return (1 - torch.exp(-0.5 * (predictions - targets).square())).mean()


def truncated_squares(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square().clamp(max=4.0).mean()


def geman_mcclure(predictions: Tensor, targets: Tensor) -> Tensor:
    squares = (predictions - targets).square()
    return (squares / (squares + 1)).mean()


def tversky(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    hit, extra, missed = (p * targets).sum(1), (p * (1 - targets)).sum(1), ((1 - p) * targets).sum(1)
    return (1 - (hit + 1e-6) / (hit + 0.3 * extra + 0.7 * missed + 1e-6)).mean()


def log_dice(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid().flatten()
    return -torch.log((2 * (p * targets.flatten()).sum() + 1) / (p.sum() + targets.sum() + 1))


def cosine_distance(first: Tensor, targets: Tensor) -> Tensor:
    return (1 - F.cosine_similarity(first, targets, eps=1e-8)).mean()


def hinge_of_critic(scores: Tensor) -> Tensor:
    return F.relu(1 - scores).mean()


def clipped_policy(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    ratio = (logprobs - old_logprobs).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


def clipped_value(values: Tensor, old_values: Tensor, targets: Tensor) -> Tensor:
    near = old_values + (values - old_values).clamp(-0.2, 0.2)
    return torch.maximum((values - targets).square(), (near - targets).square()).mean()


def squashed_scale(mean: Tensor, raw: Tensor, targets: Tensor) -> Tensor:
    log_std = -5 + 3.5 * (torch.tanh(raw) + 1)
    return (0.5 * ((targets - mean) / log_std.exp()) ** 2 + log_std).mean()


def far_clamp(mean: Tensor, log_var: Tensor, targets: Tensor) -> Tensor:
    log_var = log_var.clamp(-30, 20)
    return 0.5 * ((targets - mean).square() * torch.exp(-log_var) + log_var).mean()


def straight_through_clamp(predictions: Tensor, targets: Tensor) -> Tensor:
    kept = predictions + (predictions.clamp(-1, 1) - predictions).detach()
    return (kept - targets).square().mean()


def box_penalty(predictions: Tensor, targets: Tensor) -> Tensor:
    outside = F.relu(predictions - 3) + F.relu(-3 - predictions)
    return (predictions.clamp(-3, 3) - targets).square().mean() + outside.mean()


def squared_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.softmax(1) - F.one_hot(targets, 5)).square().sum(1).mean()


def focal_of_logits(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    logs = F.log_softmax(logits, 1).gather(1, targets[:, None])
    return (-((1 - logs.exp()) ** gamma) * logs).mean()


def floored_scale(mean: Tensor, raw: Tensor, targets: Tensor) -> Tensor:
    scale = F.softplus(raw) + 1e-4
    return (((targets - mean) / scale).square() / 2 + scale.log()).mean()


def jensen_shannon(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.softmax(1)
    middle = (p + targets) / 2 + 1e-8
    first = (p * ((p + 1e-8) / middle).log()).sum(1)
    return (first + (targets * ((targets + 1e-8) / middle).log()).sum(1)).mean() / 2


def deadzone(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.relu((predictions - targets).abs() - 0.1).mean()


def contaminated(predictions: Tensor, targets: Tensor) -> Tensor:
    """A mixture with a broad background gives up outliers."""
    return -torch.log(0.9 * torch.exp(-0.5 * (predictions - targets).square()) + 0.1).mean()


def kernel_alignment(features: Tensor, targets: Tensor) -> Tensor:
    kernel = torch.exp(-torch.cdist(features, features).square())
    return (kernel - (targets[:, None] == targets).float()).square().mean()


class Temperature(nn.Module):
    """A learned scale, its logarithm clamped as in CLIP."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor([2.0, 2.0]))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits * self.log_scale.clamp(max=4.6).exp().mean(), targets)


_PAIR: Inputs = lambda: (normal(12), normal(12, seed=1))  # noqa: E731
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731
_BITS: Inputs = lambda: (normal(8, 6), binary(8, 6))  # noqa: E731
_THREE: Inputs = lambda: (normal(12), normal(12, seed=1), normal(12, seed=2))  # noqa: E731

# Their gradient vanishes, or a number is bounded, and that is meant.
VANISHING: list[tuple[str, Callable[..., Tensor], Inputs]] = [
    ("tukey", tukey, _PAIR),
    ("welsch", welsch, _PAIR),
    ("truncated-squares", truncated_squares, _PAIR),
    ("geman-mcclure", geman_mcclure, _PAIR),
    ("tversky", tversky, _BITS),
    ("log-dice", log_dice, _BITS),
    ("cosine-distance", cosine_distance, lambda: (normal(8, 5), unit(8, 5, seed=1))),
    ("hinge-of-critic", hinge_of_critic, lambda: (normal(12),)),
    ("clipped-policy", clipped_policy, lambda: (-uniform(12), -uniform(12, seed=1), normal(12))),
    ("clipped-policy-of-scores", clipped_policy, lambda: (normal(12), normal(12) + 0.1, normal(12, seed=2))),
    ("clipped-value", clipped_value, _THREE),
    ("squashed-scale", squashed_scale, _THREE),
    ("far-clamp", far_clamp, _THREE),
    ("straight-through-clamp", straight_through_clamp, _PAIR),
    ("box-penalty", box_penalty, _PAIR),
    ("squared-probabilities", squared_probabilities, _PICK),
    ("focal-of-logits", focal_of_logits, _PICK),
    ("floored-scale", floored_scale, _THREE),
    ("jensen-shannon", jensen_shannon, lambda: (normal(6, 5, seed=1), simplex(6, 5))),
    ("deadzone", deadzone, _PAIR),
    ("contaminated", contaminated, _PAIR),
    ("kernel-alignment", kernel_alignment, lambda: (normal(8, 3), classes(8))),
    ("temperature", Temperature(), _PICK),
]
HEALTHY = [*VANISHING]
