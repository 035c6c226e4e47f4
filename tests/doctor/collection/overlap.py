"""Overlap of masks: what dice, Tversky and their kin do with an empty mask and with a perfect one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .case import Case, binary, put, uniform


class Dice(nn.Module):
    def forward(self, probabilities: Tensor, masks: Tensor) -> Tensor:
        overlap = (probabilities * masks).sum(dim=(1, 2))
        total = probabilities.sum(dim=(1, 2)) + masks.sum(dim=(1, 2))
        return (1 - 2 * overlap / total).mean()


def dice_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    overlap = (probabilities * masks).sum(dim=(1, 2))
    total = probabilities.sum(dim=(1, 2)) + masks.sum(dim=(1, 2))
    return (1 - (2 * overlap + 1e-5) / (total + 1e-5)).mean()


def jaccard(probabilities: Tensor, masks: Tensor) -> Tensor:
    scores = []
    for channel in range(masks.shape[1]):
        p, y = probabilities[:, channel], masks[:, channel]
        overlap = torch.sum(p * y)
        scores.append(overlap / (p.sum() + y.sum() - overlap))
    return 1 - torch.stack(scores).mean()


def jaccard_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    overlap = (probabilities * masks).sum((0, 2))
    union = probabilities.sum((0, 2)) + masks.sum((0, 2)) - overlap
    return (1 - (overlap + 1e-5) / (union + 1e-5)).mean()


class GeneralisedDice(nn.Module):
    """Every class weighs by the inverse square of its size."""

    def forward(self, probabilities: Tensor, masks: Tensor) -> Tensor:
        weights = 1.0 / masks.sum(dim=(0, 2)).pow(2)
        overlap = (weights * (probabilities * masks).sum(dim=(0, 2))).sum()
        total = (weights * (probabilities + masks).sum(dim=(0, 2))).sum()
        return 1 - 2 * overlap / total


def generalised_dice_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    sizes = masks.sum((0, 2))
    weights = torch.where(sizes > 0, sizes.clamp(min=1).pow(-2), 0.0)
    overlap = (weights * (probabilities * masks).sum((0, 2))).sum()
    return 1 - 2 * overlap / (weights * (probabilities + masks).sum((0, 2))).sum().clamp(min=1e-6)


def tversky_index(probabilities: Tensor, masks: Tensor, alpha: float, eps: float) -> Tensor:
    hit = (probabilities * masks).sum(-1)
    false_alarm = (probabilities * (1 - masks)).sum(-1)
    missed = ((1 - probabilities) * masks).sum(-1)
    return (hit + eps) / (hit + alpha * false_alarm + (1 - alpha) * missed + eps)


def tversky(probabilities: Tensor, masks: Tensor, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    hit = (probabilities * masks).sum(-1)
    false_alarm = (probabilities * (1 - masks)).sum(-1)
    missed = ((1 - probabilities) * masks).sum(-1)
    index = hit / (hit + alpha * false_alarm + beta * missed)
    return torch.mean(1 - index)


def focal_tversky(probabilities: Tensor, masks: Tensor, gamma: float = 0.75, smooth: float = 1.0) -> Tensor:
    index = tversky_index(probabilities, masks, alpha=0.3, eps=smooth)
    return torch.pow(1 - index, gamma).mean()


def focal_tversky_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    index = tversky_index(probabilities, masks, alpha=0.3, eps=1.0)
    return (1 - index).clamp(min=1e-7).pow(0.75).mean()


class ExponentialLogDice(nn.Module):
    def __init__(self, gamma: float = 0.3, smooth: float = 1.0) -> None:
        super().__init__()
        self.gamma, self.smooth = gamma, smooth

    def forward(self, probabilities: Tensor, masks: Tensor) -> Tensor:
        overlap = (probabilities * masks).sum(-1)
        dice = (2 * overlap + self.smooth) / (probabilities.sum(-1) + masks.sum(-1) + self.smooth)
        return (-torch.log(dice)).pow(self.gamma).mean()


def exponential_log_dice_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    overlap = (probabilities * masks).sum(-1)
    dice = (2 * overlap + 1) / (probabilities.sum(-1) + masks.sum(-1) + 1)
    return (-dice.log()).clamp(min=1e-7).pow(0.3).mean()


def sensitivity_specificity(probabilities: Tensor, masks: Tensor, balance: float = 0.5) -> Tensor:
    squares = (masks - probabilities) ** 2
    sensitivity = (squares * masks).sum() / masks.sum()
    specificity = (squares * (1 - masks)).sum() / (1 - masks).sum()
    return balance * sensitivity + (1 - balance) * specificity


def sensitivity_specificity_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    squares, rest = (masks - probabilities) ** 2, 1 - masks
    return 0.5 * ((squares * masks).sum() / masks.sum().clamp(min=1) + (squares * rest).sum() / rest.sum().clamp(min=1))


def matthews(probabilities: Tensor, masks: Tensor) -> Tensor:
    tp = (probabilities * masks).sum()
    tn = ((1 - probabilities) * (1 - masks)).sum()
    fp = (probabilities * (1 - masks)).sum()
    fn = ((1 - probabilities) * masks).sum()
    return 1 - (tp * tn - fp * fn) / torch.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def matthews_twin(probabilities: Tensor, masks: Tensor) -> Tensor:
    tp, fp = (probabilities * masks).sum(), (probabilities * (1 - masks)).sum()
    fn, tn = ((1 - probabilities) * masks).sum(), ((1 - probabilities) * (1 - masks)).sum()
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return 1 - (tp * tn - fp * fn) / (product + 1e-6).sqrt()


def predictions_and_masks() -> tuple[Tensor, Tensor]:
    return uniform(4, 6, 6), binary(4, 6, 6)


def nothing_there() -> tuple[Tensor, Tensor]:
    """One image without foreground, rightly predicted so."""
    return put(uniform(4, 6, 6), 1, 0.0), put(binary(4, 6, 6), 1, 0.0)


def class_absent() -> tuple[Tensor, Tensor]:
    return uniform(4, 6, 6), put(binary(4, 6, 6), (slice(None), 2), 0.0)


def class_unseen() -> tuple[Tensor, Tensor]:
    column = (slice(None), 2)
    return put(uniform(4, 6, 6), column, 0.0), put(binary(4, 6, 6), column, 0.0)


def perfect() -> tuple[Tensor, Tensor]:
    return binary(4, 6, 6), binary(4, 6, 6)


def no_foreground() -> tuple[Tensor, Tensor]:
    return uniform(4, 6, 6), torch.zeros(4, 6, 6)


CASES = [
    Case(
        "dice-without-smoothing",
        Dice(),
        predictions_and_masks,
        nothing_there,
        ("div",),
        "nan-loss",
        dice_twin,
        about="0 / 0 for an image without foreground",
    ),
    Case(
        "jaccard-class-unseen",
        jaccard,
        predictions_and_masks,
        class_unseen,
        ("div",),
        "nan-loss",
        jaccard_twin,
        about="0 / 0 for a class that neither the mask nor the prediction holds",
    ),
    Case(
        "generalised-dice-absent-class",
        GeneralisedDice(),
        predictions_and_masks,
        class_absent,
        ("div", "reciprocal"),
        "nan-loss",
        generalised_dice_twin,
        about="1 / 0 as weight of an absent class",
    ),
    Case(
        "tversky-without-smoothing",
        tversky,
        predictions_and_masks,
        nothing_there,
        ("div",),
        "nan-loss",
        lambda p, y: (1 - tversky_index(p, y, 0.3, 1e-5)).mean(),
        about="0 / 0 for a row without foreground",
    ),
    Case(
        "focal-tversky",
        focal_tversky,
        predictions_and_masks,
        perfect,
        ("pow",),
        "nan-gradient",
        focal_tversky_twin,
        about="0 ** 0.75 has an infinite slope where the overlap is perfect",
    ),
    Case(
        "exponential-log-dice",
        ExponentialLogDice(),
        predictions_and_masks,
        perfect,
        ("pow",),
        "nan-gradient",
        exponential_log_dice_twin,
        about="(-log 1) ** 0.3 has an infinite slope",
    ),
    Case(
        "sensitivity-specificity",
        sensitivity_specificity,
        predictions_and_masks,
        no_foreground,
        ("div",),
        "nan-loss",
        sensitivity_specificity_twin,
        about="no positive pixel: 0 / 0",
    ),
    Case(
        "matthews-correlation",
        matthews,
        predictions_and_masks,
        no_foreground,
        ("div", "sqrt"),
        "nan-loss",
        matthews_twin,
        about="a factor under the root is 0 without foreground",
    ),
]
