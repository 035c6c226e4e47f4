"""Where a step first stopped being finite: it is repeated after it has failed, so a healthy one pays nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from losszoo.tracing.culprit import culprit, is_broken
from losszoo.tracing.finite_check import spoilt
from losszoo.tracing.tape import Site, Tape
from losszoo.tracing.whole_matrix import whole_matrix
from losszoo.tracing.widen import Widened

Step = Callable[[], Tensor]


def first_non_finite(step: Step) -> Site | None:
    """Repeat a step and name the operation where it broke, in the forward pass or else in the backward pass.

    Args:
        step: computes the loss again, from the same batch and random state.

    Example:
        >>> x = torch.zeros(2, requires_grad=True)
        >>> first_non_finite(lambda: torch.log(x).sum()).op
        'log'
        >>> first_non_finite(lambda: torch.sqrt(x).sum()).op
        'sqrt'
    """
    return first_non_finite_of(lambda: step)


def first_non_finite_of(make: Callable[[], Step]) -> Site | None:
    """As :func:`first_non_finite`, of a step that is made anew for each repetition; the making is not looked at."""
    step, tape = make(), Tape()
    with torch.enable_grad():
        loss = _recorded(step, tape)
        found = culprit(tape, loss, loss.backward, lambda: _in_float64(make))
    if found is None:
        # Loss and gradient are finite: an operation may have spoilt a buffer, or what the loss does not show.
        return next((r.site for r in tape.records if any(spoilt(r.statistics)) or is_broken(r)), None)
    # What was broken before the step's own operations saw it is the fault of none of them.
    return found.site if found.backward or is_broken(found.victim) else None


def _recorded(step: Step, tape: Tape) -> Tensor:
    # Every operation is to be seen, not a closed form of many.
    with whole_matrix(), tape:
        return step()


def _in_float64(make: Callable[[], Step]) -> Tape | None:
    step, tape = make(), Tape()
    try:
        with Widened(torch.float64):
            _recorded(step, tape)
    except (Exception, SystemExit):  # code that insists on a dtype: it is blamed without its shadow
        return None
    return tape
