"""Losses as they stand in many repositories, each with an ordinary input and one on which it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sick_losses import failure_of, normal, uniform
from torch import Tensor, nn
from torch.nn import functional as F

from losszoo.doctor.diagnosis.failure import Failure

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
BITS = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
NOWHERE = torch.full((8,), -200.0)
NONE = torch.zeros(8)


def gaussian_likelihood(mean: Tensor, var: Tensor, y: Tensor) -> Tensor:
    return (0.5 * torch.log(var) + 0.5 * (y - mean) ** 2 / var).mean()


def laplace_likelihood(mean: Tensor, scale: Tensor, y: Tensor) -> Tensor:
    return (torch.log(2 * scale) + (y - mean).abs() / scale).mean()


def dice(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return 1 - 2 * (p * targets).sum() / (p.sum() + targets.sum())


def tversky(logits: Tensor, targets: Tensor, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    p = torch.sigmoid(logits)
    tp = (p * targets).sum()
    fp = (p * (1 - targets)).sum()
    fn = ((1 - p) * targets).sum()
    return 1 - tp / (tp + alpha * fp + beta * fn)


def soft_iou(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    intersection = (p * targets).sum()
    union = (p + targets - p * targets).sum()
    return 1 - intersection / union


def info_nce(queries: Tensor, keys: Tensor, temperature: float = 0.1) -> Tensor:
    scores = torch.exp(queries @ keys.T / temperature)
    return -torch.log(scores.diag() / scores.sum(1)).mean()


def attention(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    similarities = first @ second.T / temperature
    shares = similarities.exp() / similarities.exp().sum(dim=1, keepdim=True)
    return (1 - shares.diag()).mean()


class Focal(nn.Module):
    """With a module's parameter in the exponent."""

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        p = torch.softmax(logits, dim=-1)
        pt = p.gather(1, targets.unsqueeze(1)).squeeze(1)
        return (-((1 - pt) ** self.gamma) * torch.log(pt)).mean()


def binary_focal(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    positive = targets * (1 - p) ** 2 * torch.log(p)
    negative = (1 - targets) * p**2 * torch.log(1 - p)
    return -(positive + negative).mean()


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p.log() - q.log())).sum(1).mean()


def log_cosh(predictions: Tensor, targets: Tensor) -> Tensor:
    return torch.log(torch.cosh(predictions - targets)).mean()


def mape(predictions: Tensor, targets: Tensor) -> Tensor:
    return 100 * torch.mean(torch.abs((targets - predictions) / targets))


def smape(predictions: Tensor, targets: Tensor) -> Tensor:
    return (2 * (predictions - targets).abs() / (predictions.abs() + targets.abs())).mean()


def rmsle(predictions: Tensor, targets: Tensor) -> Tensor:
    return torch.sqrt(((torch.log1p(predictions) - torch.log1p(targets)) ** 2).mean())


def cosine(first: Tensor, second: Tensor) -> Tensor:
    return 1 - ((first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))).mean()


def wasserstein(p: Tensor, q: Tensor) -> Tensor:
    gaps = (p.cumsum(1) - q.cumsum(1)) ** 2
    return gaps.sum(1).sqrt().mean()


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    return (losses * mask).sum() / mask.sum()


def entropy(logits: Tensor) -> Tensor:
    p = logits.softmax(1)
    return -(p * p.log()).sum(1).mean()


def triplet(anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    near = torch.sqrt(((anchors - positives) ** 2).sum(1))
    far = torch.sqrt(((anchors - negatives) ** 2).sum(1))
    return F.relu(near - far + 1.0).mean()


def charbonnier_edge(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions - targets).abs() ** 0.5).mean()


def angular(first: Tensor, second: Tensor) -> Tensor:
    a, b = F.normalize(first, dim=1), F.normalize(second, dim=1)
    return torch.acos((a * b).sum(1)).mean()


def normalised_mse(predictions: Tensor, targets: Tensor) -> Tensor:
    centred = (predictions - predictions.mean()) / predictions.std()
    return ((centred - targets) ** 2).mean()


def softplus_by_hand(logits: Tensor, targets: Tensor) -> Tensor:
    return (torch.log(1 + torch.exp(logits)) - logits * targets).mean()


@dataclass(frozen=True)
class Popular:
    """One loss, an ordinary input and one on which it breaks."""

    loss: Callable[..., Any]
    ordinary: tuple[Any, ...]
    failing: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Of its function or class."""
        return getattr(self.loss, "__name__", type(self.loss).__name__)

    def failure(self) -> Failure:
        """As the search would have found it."""
        return failure_of(self.loss, self.ordinary, self.failing)


_ROWS = normal(8, 3)
_OTHERS = normal(8, 3, seed=1)
_FAR = torch.tensor([[0.0, 300.0, 0.0]]).repeat(8, 1)
_SURE = F.one_hot(LABELS, 3).float()

POPULAR = [
    Popular(gaussian_likelihood, (normal(8), uniform(8), normal(8, seed=1)), (normal(8), NONE, normal(8, seed=1))),
    Popular(laplace_likelihood, (normal(8), uniform(8), normal(8, seed=1)), (normal(8), NONE, normal(8, seed=1))),
    Popular(dice, (normal(8), BITS), (NOWHERE, NONE)),
    Popular(tversky, (normal(8), BITS), (NOWHERE, NONE)),
    Popular(soft_iou, (normal(8), BITS), (NOWHERE, NONE)),
    Popular(info_nce, (_ROWS, _OTHERS), (_ROWS * 8, _OTHERS * 8)),
    Popular(attention, (_ROWS, _OTHERS), (_ROWS * 40, _OTHERS)),
    Popular(Focal(), (_ROWS, LABELS), (_FAR, LABELS * 0)),
    Popular(binary_focal, (normal(8), BITS), (NOWHERE, BITS * 0 + 1)),
    Popular(kl_divergence, (_ROWS.softmax(1), _OTHERS.softmax(1)), (_SURE, _OTHERS.softmax(1))),
    Popular(log_cosh, (normal(8), normal(8, seed=1)), (normal(8) + 200, normal(8, seed=1))),
    Popular(mape, (normal(8), normal(8, seed=1)), (normal(8), NONE)),
    Popular(smape, (normal(8), normal(8, seed=1)), (NONE, NONE)),
    Popular(rmsle, (uniform(8), uniform(8, seed=1)), (uniform(8), uniform(8))),
    Popular(cosine, (_ROWS, _OTHERS), (_ROWS * 0, _OTHERS)),
    Popular(wasserstein, (_ROWS.softmax(1), _OTHERS.softmax(1)), (_ROWS.softmax(1), _ROWS.softmax(1))),
    Popular(masked_mean, (normal(8), BITS), (normal(8), NONE)),
    Popular(entropy, (_ROWS,), (_FAR,)),
    Popular(triplet, (_ROWS, _OTHERS, normal(8, 3, seed=2)), (_ROWS, _ROWS, _OTHERS)),
    Popular(charbonnier_edge, (normal(8), normal(8, seed=1)), (normal(8), normal(8))),
    Popular(angular, (_ROWS, _OTHERS), (torch.eye(3), torch.eye(3))),
    Popular(normalised_mse, (normal(8), normal(8, seed=1)), (NONE + 1, normal(8))),
    Popular(softplus_by_hand, (normal(8), BITS), (NONE + 200, BITS)),
]
