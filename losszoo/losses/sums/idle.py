"""Terms of a sum with a weight of 0 at every epoch and step, or with a negative one. Torch-free."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from losszoo.common.foreign_code import level_of_user
from losszoo.common.text import counted
from losszoo.errors import UsageError
from losszoo.losses.sums.schedules import Schedule

# float32 rounds what is no larger to 0, and a float32 loss times it is 0.
_ROUNDED_TO_ZERO = 2.0**-150


def is_idle(term: Any, epochs: float = math.inf, steps: float = math.inf) -> bool:
    """Whether the weight of a term, of a sum or of an expression, is 0 at all epochs and steps before these."""
    by_epoch = [schedule for schedule in term.schedules if schedule.unit == "epochs"]
    by_step = [schedule for schedule in term.schedules if schedule.unit == "steps"]
    return _size([term.scale, _largest(by_epoch, epochs), _largest(by_step, steps)]) <= _ROUNDED_TO_ZERO


def _largest(schedules: Sequence[Schedule], end: float) -> float:
    """The size of a product of schedules before ``end``, as far as it tells whether that is 0 throughout.

    Between two ends of its schedules a product is 0 at single points, or everywhere: what lies beside each end tells.
    Only where set_epoch is called may the epoch lie between two.
    """
    ends = {0, *(int(schedule.length) for schedule in schedules)}
    steps = (-2, -1, 0, 1, 2) if end < math.inf else (-1, -0.5, 0, 0.5, 1)
    moments = {near + step for near in ends for step in steps if 0 <= near + step < end}
    return max(_size([schedule.at(now, int(now)) for schedule in schedules]) for now in moments)


def _size(factors: Sequence[float]) -> float:
    """A 0 wins over what overflows."""
    return 0.0 if 0 in factors else abs(math.prod(factors))


def _told(terms: Iterable[Any], epochs: float = math.inf, steps: float = math.inf) -> Iterator[tuple[Any, bool]]:
    """The terms, those inside a combiner too, each with whether it is idle."""
    for term in terms:
        inner = term.call.inner if hasattr(term, "call") else getattr(term.loss, "terms", ())
        idle = is_idle(term, epochs, steps)
        yield from [(term, idle)] if idle or not inner else _told(inner, epochs, steps)


def refuse_idle(terms: Iterable[Any]) -> None:
    """A loss that is written down trains something.

    Raises:
        UsageError: every weight of the expression is 0 for ever.
    """
    terms = tuple(terms)
    if all(idle for _, idle in _told(terms)):
        raise UsageError(
            f"at least one weight of a loss must differ from 0 at some epoch, got '{' + '.join(map(str, terms))}', "
            "which would train nothing; change the weight, or leave it out"
        )


def warn_of_idle(terms: Iterable[Any]) -> None:
    """The same of a sum that is made in Python, where ``0*loss`` may have been meant as a part of something."""
    terms = tuple(terms)
    if all(idle for _, idle in _told(terms)):
        warnings.warn(
            f"every weight of this losszoo loss, {' + '.join(map(str, terms))}, is 0 at all epochs: it trains nothing",
            stacklevel=level_of_user(),
        )


def idle_in_run(terms: Iterable[Any], epochs: int, steps: int) -> list[str]:
    """A note for each term that does nothing in a run of so many epochs and steps.

    Raises:
        UsageError: no loss of the data does anything.
    """
    terms = tuple(terms)
    run = f"the run of {counted(epochs, 'epoch')} ({counted(steps, 'step')})"
    told = list(_told(terms, epochs, steps))
    if all(idle or term.loss.rules.on_parameters for term, idle in told):
        raise UsageError(
            f"at least one loss of the data must have a weight other than 0 in {run}, got "
            f"'{' + '.join(map(str, terms))}', which would learn nothing from the data; change the weight, or train "
            "for longer"
        )
    return [f"the weight of {term.label} is 0 throughout {run}: it trains nothing" for term, idle in told if idle]


def negative_in_run(terms: Iterable[Any], epochs: int) -> list[str]:
    """A note for each loss of the data that training makes larger, as its weight is negative at some epoch."""
    return [
        f"the weight of {term.label} is negative: training makes that loss larger; leave the sign out if this is not "
        "meant"
        for term, _ in _told(terms)
        if not term.loss.rules.on_parameters and any(term.weight(epoch) < 0 for epoch in range(epochs))
    ]
