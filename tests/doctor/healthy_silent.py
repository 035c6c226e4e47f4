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


def critic(fake: Tensor, real: Tensor) -> Tensor:
    return fake.mean() - real.mean()


def critic_by_labels(scores: Tensor, labels: Tensor) -> Tensor:
    return -(scores * (2 * labels - 1)).mean()


def generator_by_labels(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores * (2 * labels - 1)).mean()


def similarity(predictions: Tensor, targets: Tensor) -> Tensor:
    return -(predictions * targets).sum(-1).mean()


def negative_cosine(predictions: Tensor, targets: Tensor) -> Tensor:
    return -F.cosine_similarity(predictions, targets).mean()


def poisson(log_rates: Tensor, targets: Tensor) -> Tensor:
    return (log_rates.exp() - targets * log_rates).mean()


def policy_gradient(logprobs: Tensor, returns: Tensor) -> Tensor:
    return -(logprobs * returns).mean()


def energy_gap(first: Tensor, second: Tensor) -> Tensor:
    return first.square().mean() - second.square().mean()


def linear_exponential(predictions: Tensor, targets: Tensor) -> Tensor:
    gap = (predictions - targets) / 1e5
    return (gap.exp() - gap - 1).mean()


def expectile(predictions: Tensor, targets: Tensor) -> Tensor:
    gap = targets - predictions
    return (torch.where(gap > 0, 0.9, 0.1) * gap.square()).mean()


def bias(predictions: Tensor, targets: Tensor) -> Tensor:
    """A straight line: it may be one term of several."""
    return (predictions - targets).mean()


def negative_log_density(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions - targets).square() / 0.02 + torch.tensor(0.1).log()).mean() - 5


def signal_to_noise(predictions: Tensor, targets: Tensor) -> Tensor:
    return -10 * torch.log10(targets.square().sum() / (predictions - targets).square().sum())


def correlation(predictions: Tensor, targets: Tensor) -> Tensor:
    return -torch.corrcoef(torch.stack([predictions, targets]))[0, 1]


def wrapped_angle(predictions: Tensor, targets: Tensor) -> Tensor:
    distance = (predictions - targets).abs() % 360
    return torch.minimum(distance, 360 - distance).mean()


def perceptron(scores: Tensor, targets: Tensor) -> Tensor:
    return F.relu(-scores * (2 * targets - 1)).mean()


def log_likelihood_ratio(logits: Tensor, targets: Tensor) -> Tensor:
    logs = F.log_softmax(logits, 1).gather(1, targets[:, None])
    return F.softplus(1 - logs).mean() - 10


def log_of_error(predictions: Tensor, targets: Tensor) -> Tensor:
    return torch.log((predictions - targets).square().mean() + 1e-6)


def spread_of_classes(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Apart is better, without end: the first five features are no classes."""
    same = labels[:, None] == labels
    distances = (embeddings[:, None] - embeddings).square().sum(-1)
    return (distances * same).mean() - (distances * ~same).mean()


def divergence_from(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    return F.kl_div(log_probabilities, targets, reduction="batchmean")


def relative_error(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions - targets).abs() / targets.abs().clamp_min(1e-8)).mean()


def normalised(predictions: Tensor, targets: Tensor) -> Tensor:
    unit_targets = targets / targets.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    return (predictions - unit_targets).square().mean()


def relative_to_positive(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions - targets).abs() / torch.clamp(targets, min=1e-6)).mean()


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
_ROWS: Inputs = lambda: (normal(8, 5), normal(8, 5, seed=1))  # noqa: E731
_SCORES: Inputs = lambda: (normal(12), binary(12))  # noqa: E731
_RATES: Inputs = lambda: (normal(12), classes(12, 4).float())  # noqa: E731

# Below 0, without an end on purpose, or with one.
UNBOUNDED: list[tuple[str, Callable[..., Tensor], Inputs]] = [
    ("critic", critic, _PAIR),
    ("critic-by-labels", critic_by_labels, _SCORES),
    ("generator-by-labels", generator_by_labels, _SCORES),
    ("similarity", similarity, _ROWS),
    ("negative-cosine", negative_cosine, _ROWS),
    ("poisson", poisson, _RATES),
    ("poisson-of-any-numbers", poisson, _PAIR),
    ("soft-targets-of-any-size", F.binary_cross_entropy_with_logits, _PAIR),
    ("policy-gradient", policy_gradient, _PAIR),
    ("energy-gap", energy_gap, _PAIR),
    ("linear-exponential", linear_exponential, _PAIR),
    ("expectile", expectile, _PAIR),
    ("bias", bias, _PAIR),
    ("negative-log-density", negative_log_density, _PAIR),
    ("signal-to-noise", signal_to_noise, _PAIR),
    ("correlation", correlation, _PAIR),
    ("wrapped-angle", wrapped_angle, lambda: (360 * uniform(12), 360 * uniform(12, seed=1))),
    ("perceptron", perceptron, _SCORES),
    ("log-likelihood-ratio", log_likelihood_ratio, _PICK),
    ("log-of-error", log_of_error, _PAIR),
    ("spread-of-classes", spread_of_classes, _PICK),
    ("divergence-from", divergence_from, lambda: (normal(8, 5), simplex(8, 5))),
    ("hinge-embedding", F.hinge_embedding_loss, lambda: (normal(12), 2 * binary(12) - 1)),
    ("soft-margin", F.soft_margin_loss, lambda: (normal(12), 2 * binary(12) - 1)),
]
# A floor that takes no sign.
FLOORS: list[tuple[str, Callable[..., Tensor], Inputs]] = [
    ("relative-error", relative_error, _PAIR),
    ("normalised", normalised, _ROWS),
    ("relative-to-positive", relative_to_positive, lambda: (uniform(12), uniform(12, seed=1))),
]
HEALTHY = [*VANISHING, *UNBOUNDED, *FLOORS]
