"""What several of our signatures have in common: certain predictions, and places where a distance has no gradient."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Floats, Source, UsageError, checks


def alike(predictions: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Predictions in the dtype that is computed in, and targets of their shape and dtype."""
    # What is in order is looked at once, here; anything else is converted, or refused, below.
    if not isinstance(predictions, Tensor) or predictions.dtype not in checks.COMPUTED:
        predictions = checks.floating("predictions", predictions)
    if not isinstance(targets, Tensor) or targets.dtype != predictions.dtype or targets.shape != predictions.shape:
        targets = checks.like("targets", targets, predictions, "predictions")
    return predictions, targets


def in_one_dtype(*rows: Tensor) -> tuple[Tensor, ...]:
    """All in the widest dtype among them: a product of matrices, unlike a difference, does not widen by itself."""
    wanted = functools.reduce(torch.promote_types, (x.dtype for x in rows))
    return tuple(x.to(wanted) for x in rows)


def sure(targets: Tensor, expects: str) -> Iterator[tuple[str, Tensor, bool]]:
    """Predictions that are certain, right and wrong."""
    sizes = (20.0, 30.0, 89.0, 104.0, 1e4) if expects == "logits" else (torch.inf,)
    for size in sizes:
        right = torch.where(targets > 0.5, size, -size)
        for label, logits in (("right", right), ("wrong", -right)):
            yield f"saturated, {label}, by {size:g}", _expected(logits, expects), label == "wrong"


def _expected(logits: Tensor, expects: str) -> Tensor:
    if expects == "logits":
        return logits
    probabilities = (logits > 0).to(logits.dtype)
    return probabilities if expects == "probabilities" else torch.where(logits > 0, 0.0, -1e4)


def geometry(rows: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Places where distances and angles have no derivative, or no value."""
    yield "identical rows", rows[:1].expand_as(rows).clone()
    yield "a duplicated row", torch.cat([rows[:1], rows[:1], rows[2:]])
    yield "zero rows", torch.zeros_like(rows)
    yield "a zero row", torch.cat([torch.zeros_like(rows[:1]), rows[1:]])
    for size in (1e-20, 1e-4, 1e3, 1e4):
        yield f"rows times {size:g}", rows * size
    yield "rows far from the origin", rows + 1e3


def contrast(scores: Tensor, mine: Tensor) -> Tensor:
    """Mean score of the own class minus the mean of the others."""
    return scores[mine].mean() - scores[~mine].mean()


def nearness(first: Tensor, second: Tensor, same: Tensor, other: Tensor) -> Tensor:
    """How near pairs of one kind are, in units of the distance of the others."""
    distances = torch.cdist(first, second)
    return -distances[same].mean() / distances[other].mean()


def embedded(source: Source) -> Tensor:
    """Embeddings of every row."""
    return source.normal(source.rows, source.dim)


def wrong_numbers(
    inputs: tuple[Any, ...], name: str, place: int, cases: tuple[tuple[str, float], ...]
) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """The inputs with one argument full of a number that is out of range."""
    for what, value in cases:
        yield name, what, (*inputs[:place], torch.full_like(inputs[place], value), *inputs[place + 1 :])


def cases(first: str, of: Iterator[tuple[str, Tensor]], *rest: Any) -> Iterator[EdgeCase]:
    """Edge cases of the first argument, beside the others as they are."""
    for label, changed in of:
        yield EdgeCase(f"{first}{label}", (changed, *rest))


def pixel_head(width: int, channels: int, dimensions: int) -> nn.Module:
    """The same linear layer at each pixel of features (N, width, ...) with one to three spatial dimensions."""
    layers = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    if dimensions not in layers:
        raise UsageError(f"targets of a task must have one to three spatial dimensions, got {dimensions}")
    return layers[dimensions](width, channels, kernel_size=1)


def class_weights(weight: Floats, logits: Tensor) -> Tensor:
    """One number per class of logits (N, C, ...), as (C,); a single one is that of all classes.

    Raises:
        UsageError: another number of them than of classes.
    """
    classes = logits.shape[1]
    given = torch.as_tensor(weight, dtype=logits.dtype, device=logits.device)
    if given.shape not in ((), (1,), (classes,)):
        came = f"{given.shape[0]} of them" if given.ndim == 1 else f"shape {tuple(given.shape)}"
        raise UsageError(f"weight must have one entry per class, C={classes}, got {came}")
    return given.expand(classes)


def check_class_weights(weight: Any) -> None:
    """Some class counts. What is no number is that of a loss that takes a weight of another kind itself.

    Raises:
        UsageError: a number below 0, one that is not finite, or none above 0.
    """
    try:
        numbers = torch.as_tensor(() if weight is None else weight, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):
        return
    legal = (numbers >= 0).all() & numbers.isfinite().all() & (numbers > 0).any()
    if weight is not None and not bool(legal):
        raise UsageError(f"weight must be finite and >= 0, with at least one number above 0, got {numbers.tolist()}")


def refuse_ignored(label: int | None, logits: Tensor, targets: str) -> None:
    """A class to ignore would do nothing where there are no labels. What is no class, as 255, ignores nothing there."""
    if label is not None and 0 <= label < max(2, logits.shape[1]):
        raise UsageError(
            f"ignore_index must be no class where targets are {targets}, which have no labels, got {label}; leave "
            "elements out by mask"
        )


def of_channels(weight: Tensor, logits: Tensor) -> Tensor:
    """(C,) as (N, C, 1, ...), beside logits (N, C, ...)."""
    return weight.view(1, -1, *[1] * (logits.ndim - 2)).expand(len(logits), -1, *[1] * (logits.ndim - 2))
