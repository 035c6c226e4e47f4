"""How good the outputs of a model are, by the kind of its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UsageError
from losszoo.registry.registry import installed
from losszoo.training.data.prepared_data import Part, Prepared

# Rows that stand for weighted ones, at least.
_FINEST = 10_000


def output_metrics(outputs: Tensor, part: Part, data: Prepared, expects: str) -> dict[str, float]:
    """Metrics of outputs: (N, 1) or (N, C) scores, (N, 1) standardised numbers, (N, C, H, W) maps.

    Raises:
        UsageError: the kind of the task raises, or gives something else; says whose it is.
    """
    kind = installed().kind(data.kind)
    with _whose(kind.name, "score"):
        return _as_floats(kind.score(*_counted(outputs, part), data, expects))


def vote_metrics(votes: Tensor, part: Part, data: Prepared) -> dict[str, float]:
    """Metrics of votes of the training rows: (N, C) shares, or (N, 1) standardised numbers; raises alike."""
    kind = installed().kind(data.kind)
    with _whose(kind.name, "score_votes"):
        return _as_floats(kind.score_votes(*_counted(votes, part), data))


def _counted(outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
    """Outputs and targets of rows that each stand there as often as their weight says, so that any metric sees it."""
    if part.weights is None:
        return outputs, part.targets
    rows = repeated(part.weights)
    return outputs[rows], part.targets[rows]


def repeated(weights: Tensor) -> Tensor:
    """Indices of rows, as often as their weights say: exactly for small whole numbers, else to one row in 10,000.

    Example:
        >>> repeated(torch.tensor([1.0, 0.0, 2.0]))
        tensor([0, 2, 2])
    """
    ends = weights.double().cumsum(0)
    total, finest = float(ends[-1]), max(_FINEST, 10 * len(weights))
    whole = bool((weights == weights.round()).all()) and total <= finest
    count = int(total) if whole else finest
    places = (torch.arange(count, dtype=torch.float64, device=weights.device) + 0.5) * (total / count)
    return torch.searchsorted(ends, places)


def _as_floats(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items()}


@contextmanager
def _whose(kind: str, method: str) -> Iterator[None]:
    """A block that says, of what a method of a kind raises, whose kind it is."""
    try:
        yield
    except (LosszooError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        owner = installed().origin("kind", kind)
        raise UsageError(f"kind {kind} of {owner}: {method} raised {in_one_line(error)}") from error
