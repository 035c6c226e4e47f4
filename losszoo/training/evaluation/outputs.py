"""How good the outputs of a model are, by the kind of its task and by metrics of one's choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UsageError
from losszoo.registry.registry import installed
from losszoo.tasks.metric_choice import PROBABILITIES, Metric
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation.scorers import Answers, UndefinedError, value_of

# Rows that stand for weighted ones, at least.
_FINEST = 10_000


@dataclass(frozen=True)
class Judged:
    """One part, judged.

    Args:
        metrics: by name; those that were asked for come first.
        answers: that were judged; empty where the kind has none, or nothing asks for them.
    """

    metrics: dict[str, float]
    answers: Answers = field(default_factory=dict)


def output_metrics(
    outputs: Tensor, part: Part, data: Prepared, expects: str, asked: Sequence[Metric] = ()
) -> dict[str, float]:
    """Metrics of outputs: see :func:`judge_outputs`."""
    return judge_outputs(outputs, part, data, expects, asked).metrics


def judge_outputs(
    outputs: Tensor,
    part: Part,
    data: Prepared,
    expects: str,
    asked: Sequence[Metric] = (),
    probabilities: Callable[[], Tensor] | None = None,
    answered: bool = False,
) -> Judged:
    """Outputs against the targets: (N, 1) or (N, C) scores, (N, 1) standardised numbers, (N, C, H, W) maps.

    Args:
        outputs: of the rows of the part.
        part: of the data.
        data: the prepared data.
        expects: what the outputs are.
        asked: metrics that come first, of the kind or of one's choice.
        probabilities: the same outputs as probabilities, where they can be had.
        answered: the answers too, whether or not a metric needs them.

    Raises:
        UsageError: the kind of the task raises, or gives something else; says whose it is.
    """
    kind, rows = installed().kind(data.kind), _counted(part)
    outputs, targets = outputs[rows], part.targets[rows]
    with _whose(kind.name, "score"):
        found = _as_floats(kind.score(outputs, targets, data, expects))
    further = [metric for metric in asked if metric.function is not None]
    if not further and not answered:
        return Judged(_in_order(found, asked))
    with _whose(kind.name, "answers"):
        answers = dict(kind.answers(outputs, targets, data, expects))
        lacking = any(metric.needs not in answers for metric in further if metric.needs == PROBABILITIES)
        if lacking and probabilities is not None:
            shares = kind.answers(probabilities()[rows], targets, data, "probabilities")
            answers[PROBABILITIES] = shares[PROBABILITIES]
    return Judged(_in_order(found | _values(further, answers), asked), answers)


def vote_metrics(votes: Tensor, part: Part, data: Prepared, asked: Sequence[Metric] = ()) -> dict[str, float]:
    """Metrics of votes of the training rows: see :func:`judge_votes`."""
    return judge_votes(votes, part, data, asked).metrics


def judge_votes(
    votes: Tensor, part: Part, data: Prepared, asked: Sequence[Metric] = (), answered: bool = False
) -> Judged:
    """Votes of the training rows: (N, C) shares, or (N, 1) standardised numbers; raises alike."""
    kind, rows = installed().kind(data.kind), _counted(part)
    votes, targets = votes[rows], part.targets[rows]
    with _whose(kind.name, "score_votes"):
        found = _as_floats(kind.score_votes(votes, targets, data))
    further = [metric for metric in asked if metric.function is not None]
    if not further and not answered:
        return Judged(_in_order(found, asked))
    with _whose(kind.name, "answers"):
        answers = kind.answers(votes, targets, data, "probabilities")
    return Judged(_in_order(found | _values(further, answers), asked), answers)


def _counted(part: Part) -> Tensor | slice:
    """Rows of a part, each as often as its weight says, so that any metric sees the weights."""
    return slice(None) if part.weights is None else repeated(part.weights)


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


def _values(metrics: Sequence[Metric], answers: Answers) -> dict[str, float]:
    """NaN where a metric has no value, as of an output that is not finite."""
    found = {}
    for metric in metrics:
        try:
            found[metric.name] = value_of(metric, answers)
        except UndefinedError:
            found[metric.name] = math.nan
    return found


def _in_order(found: dict[str, float], asked: Sequence[Metric]) -> dict[str, float]:
    first = {metric.name: found[metric.name] for metric in asked if metric.name in found}
    return {**first, **found}


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
