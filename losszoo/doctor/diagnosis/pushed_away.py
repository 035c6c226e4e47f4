"""Wrong answers of an example alone that lose their gradient to an epsilon, a clamp or a saturated unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure, failure_by
from losszoo.doctor.diagnosis.relaxed import Key, Relaxed, bounds_of
from losszoo.doctor.diagnosis.undone_clamps import FAR, clamps_undone
from losszoo.doctor.diagnosis.vanished_gradient import GONE, SHARE
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.wrong_answers import Push, pushed_answers
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.culprit import Blame
from losszoo.tracing.tape import Record, Tape

# Beside the usual gradient, a true one below this is small by design: a bounded loss gives up hopeless samples.
_PULLS = 1e-2
# Less than this share of the true gradient is left by an epsilon; the rest is lost to saturation.
_MOST = 0.5
# Without the bound that takes it there is so much more gradient; of a number beside which it is nothing, the same.
_MORE = 2.0
# An epsilon inside a logarithm makes a loss some times as large as it is ordinarily, not a hundred times.
_LOUD = 100.0
_WITH_LOGARITHM = ("log", "log2", "log10", "log1p", "binary_cross_entropy")
_SATURATING = ("sigmoid", "softmax", "tanh", "erf", "exp")


@dataclass(frozen=True)
class _Truth:
    """What the gradient is without some bounds.

    Args:
        relaxes: the operations that are passed over; None is all of them.
        undone: clamps of anything that are passed over too.
    """

    relaxes: frozenset[Key] | None
    undone: frozenset[Key] = frozenset()

    def of(self, subject: Subject, leaves: Leaves) -> tuple[Outcome, Relaxed]:
        mode = Relaxed(self.relaxes, more=self.undone)
        return evaluate(subject, leaves, torch.float64, mode=mode), mode


def vanished_when_pushed(
    subject: Subject, clock: Effort, note: Callable[[str], None], known: Collection[Key] = ()
) -> Iterator[Failure]:
    """Every pushed answer that is wrong and that nothing pulls back, as far as the effort allows.

    Args:
        subject: whose loss.
        clock: the effort that may be spent.
        note: takes what may be meant so.
        known: operations and lines of which more is said already.
    """
    try:
        tape, _ = record(subject, subject.leaves, torch.float32)
    except Exception:  # told where the loss is evaluated
        return
    every = _Truth(None, clamps_undone(tape))
    start, _ = every.of(subject, subject.leaves)
    blamed = set(known)
    for push in pushed_answers(subject):
        if clock.over(SHARE) or start.error is not None:
            return
        truth, mode = every.of(subject, push.probe.leaves)
        if not _is_worse(start, truth) or not bool(_lost(subject, push, truth).any()):
            continue
        failure = _explained(subject, push, every, mode, note, known)
        if failure is not None and failure.blame is not None and failure.blame.key not in blamed:
            blamed.add(failure.blame.key)
            yield failure


def _is_worse(start: Outcome, pushed: Outcome) -> bool:
    return pushed.error is None and pushed.total > start.total


def _lost(subject: Subject, push: Push, truth: Outcome, found: Outcome | None = None) -> Tensor:
    """The pushed elements that descent would lead back, and that have next to no gradient."""
    found = found or evaluate(subject, push.probe.leaves, torch.float32)
    true, narrow = (_gradient(subject, push.leaf.index, outcome) for outcome in (truth, found))
    if true is None or narrow is None:
        return torch.zeros(1, dtype=torch.bool)
    back = true * push.step.sign()
    return _is_gone(back, narrow, push.usual)


def _is_gone(true: Tensor, found: Tensor, usual: float) -> Tensor:
    """Where there should be a gradient, and there is next to none beside it and beside the usual one."""
    gone = (true > _PULLS * usual) & (found.abs() < GONE * true.clamp(max=usual))
    return gone & true.isfinite() & found.isfinite()


def _gradient(subject: Subject, index: int, outcome: Outcome) -> Tensor | None:
    if outcome.error is not None:
        return None
    gradient = outcome.gradients[subject.trained.index(index)]
    return None if gradient is None else gradient.double()


def _explained(
    subject: Subject, push: Push, every: _Truth, mode: Relaxed, note: Callable[[str], None], known: Collection[Key]
) -> Failure | None:
    """What takes the gradient: the fewest bounds without which it is there, or else the unit that saturates."""
    tape, _ = record(subject, push.probe.leaves, torch.float32)
    plain = _Truth(frozenset())
    full, bare = (truth.of(subject, push.probe.leaves)[0] for truth in (every, plain))
    lost = _lost(subject, push, full)
    kept = _lost(subject, push, bare) & (_back(subject, push, bare) > _MOST * _back(subject, push, full))
    if bool((lost & kept).any()):
        return _failure(subject, push, _saturated(tape), plain)
    for keys in _sets(subject, push, every, mode, bare):
        truth = replace(every, relaxes=keys)
        why = mode.relaxed[next(iter(keys))]
        made = _of_answer(tape, keys)
        if made is None or not _restores(subject, push, truth, bare):
            continue
        if why == "swallowed" and _is_loud(subject, push):
            continue
        if why == "clamped" and not _is_near(made) and not keys <= every.undone:
            if not keys <= set(known):
                note(_said_of_clamp(push, made))
            return None
        return _failure(subject, push, Blame(made, _user(tape, made), why, True, tape), truth)
    return None


def _restores(subject: Subject, push: Push, truth: _Truth, bare: Outcome) -> bool:
    """Whether there is a gradient back without some bounds, and a multiple of what there is with all of them."""
    outcome, _ = truth.of(subject, push.probe.leaves)
    more = _back(subject, push, outcome) > _MORE * _back(subject, push, bare)
    return bool((_lost(subject, push, outcome) & more).any())


def _sets(subject: Subject, push: Push, every: _Truth, mode: Relaxed, bare: Outcome) -> Iterator[frozenset[Key]]:
    """Each bound alone; then the fewest epsilons that only together take the gradient."""
    yield from (frozenset([key]) for key in mode.relaxed)
    together = frozenset(key for key, why in mode.relaxed.items() if why == "swallowed")
    if len(together) < 2 or not _restores(subject, push, replace(every, relaxes=together), bare):
        return
    for key in sorted(together, key=str):
        fewer = together - {key}
        if fewer and _restores(subject, push, replace(every, relaxes=fewer), bare):
            together = fewer
    yield together


def _of_answer(tape: Tape, keys: frozenset[Key]) -> Record | None:
    """The last of some bounds that what is trained goes through: that of a label is none of the answer's."""
    made = [r for r in tape.records if (r.site.op, r.site.source) in keys]
    through = [r for r in made if any(x.requires_grad for x in r.inputs)]
    return next(iter((through or made)[::-1] if len(keys) > 1 else made), None)


def _is_loud(subject: Subject, push: Push) -> bool:
    """Whether the loss is so large there that nobody overlooks it: the floor of a variance, not of a probability."""
    usual, found = (
        abs(evaluate(subject, leaves, torch.float32, gradients=False).total)
        for leaves in (subject.leaves, push.probe.leaves)
    )
    return found > _LOUD * max(usual, 1.0)


def _back(subject: Subject, push: Push, outcome: Outcome) -> Tensor:
    gradient = _gradient(subject, push.leaf.index, outcome)
    return torch.zeros(()) if gradient is None else gradient * push.step.sign()


def _saturated(tape: Tape) -> Blame | None:
    """The unit whose result is rounded to its bound in float32."""
    for made in tape.records:
        if made.site.op in _SATURATING and made.outputs and _is_full(made):
            return Blame(made, _user(tape, made), "saturated", True, tape)
    return None


def _user(tape: Tape, made: Record) -> Record:
    """The logarithm, or the loss with one inside, that a bounded number is used in: a better form begins there."""
    return next((later for later in tape.records[made.index + 1 :] if later.site.op in _WITH_LOGARITHM), made)


def _is_full(made: Record) -> bool:
    """Whether a result is exactly 0 or 1, of a finite number."""
    x, y = made.inputs[0].detach(), made.outputs[0].detach()
    full = (y == 0) | ((y.abs() == 1) & (made.site.op != "exp"))
    return bool((full & x.isfinite() & (x != 0)).any()) if x.shape == y.shape else False


def _is_near(made: Record) -> bool:
    """Whether a clamp cuts off numbers that occur in training; of a bound of 0 alone it is a rectifier."""
    ends = [end for end in bounds_of(made) if end is not None]
    return bool(ends) and ends != [0.0] and min(abs(end) for end in ends) < FAR


def _said_of_clamp(push: Push, made: Record) -> str:
    low, high = bounds_of(made)
    outside = " or ".join(
        filter(None, (f"below {low:g}" if low is not None else "", f"above {high:g}" if high is not None else ""))
    )
    return (
        f"{made.site.op} at {made.site.source} has no gradient {outside}: {push.leaf.name} is not corrected there, "
        "which may be meant"
    )


def _failure(subject: Subject, push: Push, culprit: Blame | None, truth: _Truth) -> Failure | None:
    if culprit is None:
        return None
    fails = partial(_is_lost, subject, push, truth)
    return failure_by(fails, subject, push.probe, "vanished-gradient", culprit)


def _is_lost(subject: Subject, push: Push, truth: _Truth, leaves: Leaves, outcome: Outcome | None = None) -> bool:
    """Whether other leaves have elements without the gradient that they should have."""
    true, _ = truth.of(subject, leaves)
    found = outcome or evaluate(subject, leaves, torch.float32)
    a, b = (_gradient(subject, push.leaf.index, each) for each in (true, found))
    if a is None or b is None or a.shape != b.shape:
        return False
    return bool(_is_gone(a.abs(), b, push.usual).any())
