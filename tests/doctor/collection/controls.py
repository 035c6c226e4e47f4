"""Healthy losses: bounded, clamped, ill-conditioned or slightly random, but right."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Inputs, binary, classes, normal, simplex, uniform, unit


def sinkhorn_in_logs(cost: Tensor, epsilon: float = 0.05, steps: int = 20) -> Tensor:
    """Entropic transport between uniform weights; ill-conditioned by nature."""
    rows, columns = cost.shape
    log_kernel = -cost / epsilon
    left, right = cost.new_zeros(rows), cost.new_zeros(columns)
    for _ in range(steps):
        left = -torch.logsumexp(log_kernel + right, dim=1) - torch.tensor(float(rows)).log()
        right = -torch.logsumexp(log_kernel + left[:, None], dim=0) - torch.tensor(float(columns)).log()
    plan = (log_kernel + left[:, None] + right).exp()
    return (plan * cost).sum()


def clamped_binary_cross_entropy(probabilities: Tensor, targets: Tensor) -> Tensor:
    inside = probabilities.clamp(1e-6, 1 - 1e-6)
    return -(targets * inside.log() + (1 - targets) * (1 - inside).log()).mean()


class SoftDice(nn.Module):
    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        probabilities = logits.sigmoid()
        overlap = (probabilities * targets).flatten(1).sum(1)
        total = probabilities.flatten(1).sum(1) + targets.flatten(1).sum(1)
        return (1 - (2 * overlap + self.smooth) / (total + self.smooth)).mean()


def soft_iou(logits: Tensor, targets: Tensor, eps: float = 1e-3) -> Tensor:
    probabilities = logits.sigmoid()
    overlap = (probabilities * targets).sum()
    return 1 - (overlap + eps) / (probabilities.sum() + targets.sum() - overlap + eps)


def info_nce(queries: Tensor, keys: Tensor, temperature: float = 0.1) -> Tensor:
    similarities = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T / temperature
    return (torch.logsumexp(similarities, dim=1) - similarities.diagonal()).mean()


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    points = F.normalize(embeddings, dim=1)
    same = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool)
    similarities = (points @ points.T / temperature).masked_fill(itself, -1e4)
    log_probabilities = F.log_softmax(similarities, dim=1)
    positives = (same & ~itself).float()
    return -((positives * log_probabilities).sum(1) / positives.sum(1).clamp(min=1)).mean()


def masked_mean(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    errors = (predictions - targets).abs() * mask
    return errors.sum() / mask.sum().clamp(min=1)


def stable_log_cosh(predictions: Tensor, targets: Tensor) -> Tensor:
    size = (predictions - targets).abs()
    return (size + F.softplus(-2 * size) - torch.log(torch.tensor(2.0))).mean()


def stable_pearson(predictions: Tensor, targets: Tensor) -> Tensor:
    x, y = predictions - predictions.mean(), targets - targets.mean()
    return 1 - (x * y).sum() / (x.square().sum() * y.square().sum() + 1e-6).sqrt()


def arcface_with_clamp(
    embeddings: Tensor, weights: Tensor, labels: Tensor, margin: float = 0.3, scale: float = 16.0
) -> Tensor:
    cosines = F.linear(F.normalize(embeddings), F.normalize(weights)).clamp(-1 + 1e-4, 1 - 1e-4)
    angles = cosines.acos() + margin * F.one_hot(labels, len(weights))
    return F.cross_entropy(scale * angles.cos(), labels)


class CenterLoss(nn.Module):
    def __init__(self, count: int = 3, size: int = 5) -> None:
        super().__init__()
        self.centers = nn.Parameter(normal(count, size, seed=3))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return (embeddings - self.centers[labels]).square().sum(1).mean() / 2


def double_where_sqrt(left: Tensor, right: Tensor) -> Tensor:
    squares = (left - right).square().sum(1)
    apart = squares > 0
    return torch.where(apart, torch.where(apart, squares, 1.0).sqrt(), 0.0).mean()


def generalised_iou(boxes: Tensor, targets: Tensor, eps: float = 1e-7) -> Tensor:
    overlap = (torch.min(boxes[:, 2:], targets[:, 2:]) - torch.max(boxes[:, :2], targets[:, :2])).clamp(min=0).prod(1)
    hull = (torch.max(boxes[:, 2:], targets[:, 2:]) - torch.min(boxes[:, :2], targets[:, :2])).clamp(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (targets[:, 2:] - targets[:, :2]).prod(1)
    union = areas - overlap
    return (1 - overlap / (union + eps) + (hull - union) / (hull + eps)).mean()


def cox_in_logs(risks: Tensor, times: Tensor, events: Tensor) -> Tensor:
    order = times.argsort(descending=True)
    risks, events = risks[order], events[order]
    return -((risks - risks.logcumsumexp(0)) * events).sum() / events.sum().clamp(min=1)


def ordered_boxes(count: int, seed: int = 0) -> Tensor:
    corners = uniform(count, 2, seed=seed, low=0.0, high=4.0)
    return torch.cat([corners, corners + uniform(count, 2, seed=seed + 9, low=1.0, high=3.0)], dim=1)


def hinge(scores: Tensor, signs: Tensor) -> Tensor:
    return (1 - scores * signs).clamp(min=0).mean()


def savage(logits: Tensor, signs: Tensor) -> Tensor:
    """Bounded, so its gradient fades for hopeless samples by design."""
    return torch.sigmoid(-2 * logits * signs).square().mean()


def divergence(logits: Tensor, targets: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(1), targets, reduction="batchmean")


def absolute_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean absolute error of the true class: bounded, flat where the answer is hopeless."""
    return (1 - logits.softmax(1).gather(1, labels[:, None])).mean()


def truncated_generalised(logits: Tensor, labels: Tensor, q: float = 0.7) -> Tensor:
    log_truth = -F.cross_entropy(logits, labels, reduction="none")
    return (-torch.expm1(q * log_truth) / q).mean()


def focal(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    miss = torch.sigmoid(logits + targets * -2 * logits)
    return (miss**gamma * entropy).mean()


def charbonnier(predictions: Tensor, targets: Tensor, eps: float = 1e-3) -> Tensor:
    return ((predictions - targets).square() + eps**2).sqrt().mean()


def stable_concordance(predictions: Tensor, targets: Tensor, eps: float = 1e-4) -> Tensor:
    x, y = predictions - predictions.mean(), targets - targets.mean()
    gap = (predictions.mean() - targets.mean()).square()
    return 1 - 2 * (x * y).mean() / (x.square().mean() + y.square().mean() + gap + eps)


def quantile(predictions: Tensor, targets: Tensor, level: float = 0.9) -> Tensor:
    gap = targets - predictions
    return torch.maximum(level * gap, (level - 1) * gap).mean()


def wing(predictions: Tensor, targets: Tensor, width: float = 5.0, curve: float = 0.5) -> Tensor:
    size = (predictions - targets).abs()
    shift = width - width * torch.log1p(torch.tensor(width / curve))
    return torch.where(size < width, width * torch.log1p(size / curve), size - shift).mean()


def quaternion_with_clamp(predictions: Tensor, targets: Tensor) -> Tensor:
    dots = (F.normalize(predictions, dim=-1) * targets).sum(-1).abs()
    return 2 * dots.clamp(max=1 - 1e-5).acos().mean()


def total_variation(images: Tensor) -> Tensor:
    return images.diff(dim=1).abs().mean() + images.diff(dim=2).abs().mean()


def soft_argmax(heatmaps: Tensor, positions: Tensor) -> Tensor:
    places = torch.arange(heatmaps.shape[1], dtype=heatmaps.dtype)
    return F.smooth_l1_loss((heatmaps.softmax(1) * places).sum(1), positions)


def kernel_discrepancy(left: Tensor, right: Tensor, bandwidth: float = 2.0) -> Tensor:
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-(a[:, None] - b[None]).square().sum(-1) / (2 * bandwidth**2)).mean()

    return kernel(left, left) + kernel(right, right) - 2 * kernel(left, right)


class NoisyConsistency(nn.Module):
    """Two passes with different noise should agree; never the same value twice."""

    def forward(self, features: Tensor) -> Tensor:
        first, second = (F.dropout(features, 0.1) for _ in range(2))
        return (first - second).square().mean() + features.square().mean()


class ScaledContrast(nn.Module):
    """Contrast of two views under a learned temperature, its logarithm kept in bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        scale = self.log_scale.clamp(max=4.6).exp()
        logits = scale * F.normalize(left, dim=1) @ F.normalize(right, dim=1).T
        places = torch.arange(len(left))
        return (F.cross_entropy(logits, places) + F.cross_entropy(logits.T, places)) / 2


def divergence_by_xlogy(logits: Tensor, targets: Tensor) -> Tensor:
    """The targets are data: xlogy is asked for no slope at 0."""
    targets = targets.detach()
    return (torch.xlogy(targets, targets) - targets * logits.log_softmax(1)).sum(1).mean()


def pairwise_ranking(scores: Tensor, relevance: Tensor) -> Tensor:
    above = (relevance[:, None] > relevance[None]).to(scores.dtype)
    losses = F.softplus(scores[None] - scores[:, None])
    return (losses * above).sum() / above.sum().clamp(min=1)


def distillation(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    logs = F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1)
    return F.kl_div(*logs, reduction="batchmean", log_target=True) * temperature**2


def connectionist(logits: Tensor, targets: Tensor) -> Tensor:
    steps, batch = logits.shape[:2]
    lengths = torch.full((batch,), steps), torch.full((batch,), targets.shape[1])
    return F.ctc_loss(logits.log_softmax(-1), targets, *lengths, zero_infinity=True)


def variance_covariance(embeddings: Tensor) -> Tensor:
    """Every feature varies, and no two together."""
    centred = embeddings - embeddings.mean(0)
    deviations = (centred.square().mean(0) + 1e-4).sqrt()
    covariance = centred.T @ centred / len(embeddings)
    apart = covariance.square().sum() - covariance.diagonal().square().sum()
    return F.relu(1 - deviations).mean() + apart / embeddings.shape[1]


CONTROLS: list[tuple[str, Callable[..., Tensor], Inputs]] = [
    ("cross-entropy", F.cross_entropy, lambda: (normal(8, 5), classes(8, 5))),
    ("bce-with-logits", F.binary_cross_entropy_with_logits, lambda: (normal(8, 4), binary(8, 4))),
    ("sinkhorn-in-logs", sinkhorn_in_logs, lambda: (uniform(5, 5),)),
    ("clamped-binary-cross-entropy", clamped_binary_cross_entropy, lambda: (uniform(8, 4), binary(8, 4))),
    ("soft-dice", SoftDice(), lambda: (normal(4, 6, 6), binary(4, 6, 6))),
    ("soft-iou", soft_iou, lambda: (normal(6, 6), binary(6, 6))),
    ("info-nce", info_nce, lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("supervised-contrastive", supervised_contrastive, lambda: (normal(9, 5), classes(9))),
    ("masked-mean", masked_mean, lambda: (normal(8, 5), normal(8, 5, seed=1), binary(8, 5))),
    ("stable-log-cosh", stable_log_cosh, lambda: (normal(16), normal(16, seed=1))),
    ("stable-pearson", stable_pearson, lambda: (normal(16), normal(16, seed=1))),
    ("arcface-with-clamp", arcface_with_clamp, lambda: (normal(9, 5), normal(3, 5, seed=1), classes(9))),
    ("center-loss", CenterLoss(), lambda: (normal(9, 5), classes(9))),
    ("double-where-sqrt", double_where_sqrt, lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("generalised-iou", generalised_iou, lambda: (ordered_boxes(6), ordered_boxes(6, seed=1))),
    ("cox-in-logs", cox_in_logs, lambda: (normal(10), uniform(10), binary(10))),
    ("hinge", hinge, lambda: (normal(12), 2 * binary(12) - 1)),
    ("savage", savage, lambda: (normal(12), 2 * binary(12) - 1)),
    ("kl-div", divergence, lambda: (normal(6, 5), simplex(6, 5))),
    ("cosine-embedding", F.cosine_embedding_loss, lambda: (unit(8, 5), unit(8, 5, seed=1), 2 * binary(8) - 1)),
    ("smooth-l1", F.smooth_l1_loss, lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("huber", F.huber_loss, lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("gaussian-nll", F.gaussian_nll_loss, lambda: (normal(12), normal(12, seed=1), uniform(12))),
    ("poisson-nll", F.poisson_nll_loss, lambda: (normal(12), classes(12, 4).float())),
    ("triplet-margin", F.triplet_margin_loss, lambda: tuple(normal(8, 5, seed=seed) for seed in range(3))),
    ("multi-margin", F.multi_margin_loss, lambda: (normal(8, 5), classes(8, 5))),
    ("connectionist", connectionist, lambda: (normal(10, 3, 5), classes(9, 4).reshape(3, 3) + 1)),
    ("absolute-probabilities", absolute_probabilities, lambda: (normal(8, 5), classes(8, 5))),
    ("truncated-generalised", truncated_generalised, lambda: (normal(8, 5), classes(8, 5))),
    ("focal", focal, lambda: (normal(8, 4), binary(8, 4))),
    ("charbonnier", charbonnier, lambda: (normal(12), normal(12, seed=1))),
    ("stable-concordance", stable_concordance, lambda: (normal(16), normal(16, seed=1))),
    ("quantile", quantile, lambda: (normal(12), normal(12, seed=1))),
    ("wing", wing, lambda: (normal(12, scale=4), normal(12, seed=1))),
    ("quaternion-with-clamp", quaternion_with_clamp, lambda: (normal(6, 4), unit(6, 4, seed=1))),
    ("total-variation", total_variation, lambda: (normal(2, 6, 6),)),
    ("soft-argmax", soft_argmax, lambda: (normal(6, 8), uniform(6, high=7.0))),
    ("kernel-discrepancy", kernel_discrepancy, lambda: (normal(6, 3), normal(6, 3, seed=1))),
    ("noisy-consistency", NoisyConsistency(), lambda: (normal(8, 5),)),
    ("scaled-contrast", ScaledContrast(), lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("divergence-by-xlogy", divergence_by_xlogy, lambda: (normal(6, 5), simplex(6, 5))),
    ("pairwise-ranking", pairwise_ranking, lambda: (normal(8), classes(8, 4).float())),
    ("stable-distillation", distillation, lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("variance-covariance", variance_covariance, lambda: (normal(8, 5),)),
]
