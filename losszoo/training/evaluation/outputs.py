"""How good the outputs of a model are, by the kind of its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UsageError
from losszoo.registry.registry import installed
from losszoo.training.data.prepared_data import Part, Prepared


def output_metrics(outputs: Tensor, part: Part, data: Prepared, expects: str) -> dict[str, float]:
    """Metrics of outputs: (N, 1) or (N, C) scores, (N, 1) standardised numbers, (N, C, H, W) maps.

    Raises:
        UsageError: the kind of the task raises, or gives something else; says whose it is.
    """
    kind = installed().kind(data.kind)
    with _whose(kind.name, "score"):
        return _as_floats(kind.score(outputs, part.targets, data, expects))


def vote_metrics(votes: Tensor, part: Part, data: Prepared) -> dict[str, float]:
    """Metrics of votes of the training rows: (N, C) shares, or (N, 1) standardised numbers; raises alike."""
    kind = installed().kind(data.kind)
    with _whose(kind.name, "score_votes"):
        return _as_floats(kind.score_votes(votes, part.targets, data))


def predictions_of(outputs: Tensor, data: Prepared, expects: str) -> Tensor:
    """What a task of that kind predicts: labels, numbers in the unit of the targets, masks; raises alike."""
    kind = installed().kind(data.kind)
    with _whose(kind.name, "predict"):
        return kind.predict(outputs, data, expects)  # type: ignore[no-any-return]


def probabilities_of(outputs: Tensor, data: Prepared) -> Tensor | None:
    """Probabilities from outputs that are some; None where the kind has none; raises alike."""
    kind = installed().kind(data.kind)
    with _whose(kind.name, "probabilities"):
        return kind.probabilities(outputs, data)  # type: ignore[no-any-return]


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
