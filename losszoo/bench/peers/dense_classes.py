"""Losses of classes, labels and maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, logsigmoid

from losszoo.bench.peers.peer import Call, NoAnswerError, by_name


def bce(predictions: Tensor, targets: Tensor) -> Tensor:
    return -(targets * logsigmoid(predictions) + (1 - targets) * logsigmoid(-predictions)).mean()


def bce_probabilities(predictions: Tensor, targets: Tensor) -> Tensor:
    return -(targets * predictions.log() + (1 - targets) * (1 - predictions).log()).mean()


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return nll(log_softmax(logits, 1), targets)


def nll(logits: Tensor, targets: Tensor) -> Tensor:
    return -_own(logits, targets).mean()


def softmax_nll_eps(logits: Tensor, targets: Tensor, *, eps: float) -> Tensor:
    return -(_own(logits.softmax(1), targets) + eps).log().mean()


def topk_softmax(logits: Tensor, targets: Tensor, *, k: int) -> Tensor:
    kept = logits >= logits.topk(min(k, logits.shape[1]), 1).values[:, -1:]
    kept = kept.scatter(1, targets[:, None], True)
    return (logits.masked_fill(~kept, -torch.inf).logsumexp(1) - _own(logits, targets)).mean()


def sparsemax(logits: Tensor, targets: Tensor) -> Tensor:
    ordered = logits.sort(1, descending=True).values
    sums = ordered.cumsum(1)
    size = (1 + _places(logits) * ordered > sums).sum(1, keepdim=True)
    threshold = (sums.gather(1, size - 1) - 1) / size
    above = (logits.square() - threshold.square()) * (logits > threshold)
    return (above.sum(1) / 2 - _own(logits, targets) + 0.5).mean()


def entmax(*, alpha: float) -> Call:
    if alpha not in (1.5, 2):
        raise NoAnswerError(f"dense solves entmax by sorting, at alpha=1.5 and 2 alone, got {alpha}")
    return sparsemax if alpha == 2 else _entmax15


def _entmax15(logits: Tensor, targets: Tensor) -> Tensor:
    # p is the maximiser, so the gradient is p - q without the derivative of p.
    p = _maximiser15(logits.detach())
    entropy = (1 - p.pow(1.5).sum(1)) / 0.75
    return ((p * logits).sum(1) - _own(logits, targets) + entropy).mean()


def _maximiser15(logits: Tensor) -> Tensor:
    """Squares above a threshold: it solves a quadratic in mean and variance of the largest k."""
    halves = (logits - logits.amax(1, keepdim=True)) / 2
    ordered, k = halves.sort(1, descending=True).values, _places(logits)
    mean = ordered.cumsum(1) / k
    variance = ordered.square().cumsum(1) / k - mean.square()
    thresholds = mean - (1 / k - variance).relu().sqrt()
    size = (thresholds <= ordered).sum(1, keepdim=True)
    return (halves - thresholds.gather(1, size - 1)).relu().square()


def hinge(predictions: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    return (margin - (2 * targets - 1) * predictions).relu().mean()


def squared_hinge(predictions: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    return (margin - (2 * targets - 1) * predictions).relu().square().mean()


def multiclass_hinge(logits: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    rival = logits.scatter(1, targets[:, None], -torch.inf).amax(1)
    return (margin + rival - _own(logits, targets)).relu().mean()


def weston_watkins(logits: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    losses = (margin + logits - logits.gather(1, targets[:, None])).relu()
    return losses.scatter(1, targets[:, None], 0.0).sum(1).mean()


def focal(predictions: Tensor, targets: Tensor, *, gamma: float, alpha: float | None) -> Tensor:
    p = predictions.sigmoid()
    own = p * targets + (1 - p) * (1 - targets)
    losses = binary_cross_entropy_with_logits(predictions, targets, reduction="none") * (1 - own).pow(gamma)
    weighted = losses if alpha is None else (alpha * targets + (1 - alpha) * (1 - targets)) * losses
    return weighted.mean()


def softmax_focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    log_p = _own(log_softmax(logits, 1), targets)
    return -((1 - log_p.exp()).pow(gamma) * log_p).mean()


def dice(logits: Tensor, targets: Tensor, *, smooth: float) -> Tensor:
    p = logits.sigmoid()
    overlap, size = (p * targets).sum((2, 3)), p.sum((2, 3)) + targets.sum((2, 3))
    return (1 - (2 * overlap + smooth) / (size + smooth)).mean()


def smoothness(logits: Tensor, targets: Tensor, *, activation: str) -> Tensor:
    x = logits.sigmoid() if activation == "sigmoid" else logits
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., 1:] - x[..., :-1]).abs().mean()


def smooth_segmentation(
    logits: Tensor, targets: Tensor, *, bce_weight: float, smoothness_weight: float, activation: str
) -> Tensor:
    rough = smoothness(logits, targets, activation=activation)
    return bce_weight * binary_cross_entropy_with_logits(logits, targets) + smoothness_weight * rough


def _own(values: Tensor, targets: Tensor) -> Tensor:
    return values.gather(1, targets[:, None]).squeeze(1)


def _places(logits: Tensor) -> Tensor:
    return torch.arange(1, logits.shape[1] + 1, dtype=logits.dtype, device=logits.device)


CLASSES = {
    **by_name(bce, bce_probabilities, hinge, squared_hinge, focal),
    **by_name(cross_entropy, nll, softmax_nll_eps, topk_softmax, sparsemax),
    **by_name(multiclass_hinge, weston_watkins, softmax_focal),
    **by_name(dice, smoothness, smooth_segmentation),
}
CLASS_MAKERS: Mapping[str, Callable[..., Call]] = {"entmax": entmax}
