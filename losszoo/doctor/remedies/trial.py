"""A remedy is substituted at the operation, and the loss is called again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.blame import Blame, blame
from losszoo.doctor.judge import symptom_of
from losszoo.doctor.remedies.forms import FORMS, IN_FLOAT32, WITHOUT_NAN
from losszoo.doctor.remedies.remedy import Make, Remedy
from losszoo.doctor.remedies.rewrites import REWRITES
from losszoo.doctor.search import Clock, Failure
from losszoo.doctor.subject import Leaves, Outcome, Subject, evaluate
from losszoo.doctor.tape import Record, Site, Tape, author, is_in_place, operation

Key = tuple[str, str | None]
# Where, what, and in which words.
Proposal = tuple[Key, Remedy, str]
# A failing input may need more than one operation to be mended.
_MOST_TOGETHER = 4
_SAME = 1e-2
# Where a logarithm or a quotient of it is taken, a better form may begin.
_USERS = ("log", "log2", "log10", "log1p", "div")
_MOST_USERS = 4


@dataclass(frozen=True)
class Trial:
    """What was tried: the words, and whether it cures."""

    text: str
    verified: bool | None


class Substituting(Tape):
    """Computes the operations of some lines in another form."""

    def __init__(self, replacements: Mapping[Key, Make]) -> None:
        super().__init__()
        self.replacements = replacements
        self.applied: set[Key] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = operation(func)
        if name and not is_in_place(func):
            source, code = author()
            make = self.replacements.get((name, source))
            if make is not None:
                record = Record(len(self.records), Site(name, source, code), func, tuple(args), kwargs or {}, None)
                result = make(record, self)
                if result is not None:
                    self.applied.add((name, source))
                    self._write(name, func, args, kwargs or {}, result)
                    return result
        return super().__torch_function__(func, types, args, kwargs)


def try_remedies(failure: Failure, clock: Clock) -> Trial:
    """The first form that cures value and gradient on the failing input and changes nothing on ordinary ones."""
    if failure.blame is None:
        return Trial(GENERAL, None)
    tried = []
    for key, remedy, text in _proposals(failure, failure.blame):
        if clock.over():
            break
        if not _applies(failure, key, remedy):
            continue
        tried.append(text)
        cure = _together(failure, {key: remedy}, [text], clock)
        if cure is not None:
            return Trial("; then ".join(dict.fromkeys(cure)), True)
    if tried:
        return Trial(tried[0], False)
    return Trial(_advice(failure.blame), None)


def _applies(failure: Failure, key: Key, remedy: Remedy) -> bool:
    """Whether the form has anything to replace."""
    inputs = [failure.leaves, failure.subject.leaves] if remedy.usual else [failure.leaves]
    for leaves in inputs:
        mode = Substituting({key: remedy.make})
        evaluate(failure.subject, leaves, failure.dtype, mode=mode, gradients=False)
        if key not in mode.applied:
            return False
    return True


def _proposals(failure: Failure, found: Blame) -> list[Proposal]:
    """Forms for the operation that shows the fault, for the one to blame, and for those that use it."""
    proposals: list[tuple[Record, Remedy]] = []
    nan = next((r for r in found.tape.records if any(bool(x.isnan().any()) for x in r.inputs)), None)
    if nan is not None and _holds_nan(failure.leaves):
        proposals.append((nan, WITHOUT_NAN))
    if failure.dtype.itemsize < 4:
        proposals += [(record, IN_FLOAT32) for record in (found.record, found.victim)]
    users = [r for r in found.tape.records[found.record.index + 1 :] if r.site.op in _USERS][:_MOST_USERS]
    for record in (found.victim, found.record, *users):
        rewrites, forms = REWRITES.get(record.site.op, ()), FORMS.get(record.site.op, ())
        # Of an operation that merely comes after, only what looks at how its operand was made can help.
        after = any(record is user for user in users) and record is not found.victim
        proposals += [(record, form) for form in (*rewrites, *(forms[:1] if after else forms))]
    return [(_key(record), form, form.said_of(record, found.tape)) for record, form in proposals]


def _key(record: Record) -> Key:
    return record.site.op, record.site.source


def _holds_nan(leaves: Leaves) -> bool:
    return any(isinstance(x, Tensor) and x.is_floating_point() and bool(x.isnan().any()) for x in leaves)


def _together(failure: Failure, remedies: dict[Key, Remedy], texts: list[str], clock: Clock) -> list[str] | None:
    """The words of a remedy, or of it and of what it needs besides, if they cure; else None."""
    makes = {key: remedy.make for key, remedy in remedies.items()}
    outcome = _with(failure.subject, failure.leaves, failure.dtype, makes)
    if outcome.error is not None or not _unchanged(failure.subject, failure.dtype, makes):
        return None
    if symptom_of(outcome) is None:
        return texts if _right(failure, outcome) else None
    if len(remedies) >= _MOST_TOGETHER or clock.over():
        return None
    return _one_more(failure, remedies, texts, clock)


def _one_more(failure: Failure, remedies: dict[Key, Remedy], texts: list[str], clock: Clock) -> list[str] | None:
    """Mend what breaks next."""
    makes = {key: remedy.make for key, remedy in remedies.items()}
    try:
        rest = blame(failure.subject, failure.leaves, failure.dtype, Substituting(makes))
    except Exception:  # the mended loss may break in the middle of being watched
        return None
    if rest is None:
        return None
    for key, remedy, text in _proposals(failure, rest):
        if key not in remedies:
            outcome = _together(failure, {**remedies, key: remedy}, [*texts, f"{key[0]}: {text}"], clock)
            if outcome is not None:
                return outcome
    return None


def _with(subject: Subject, leaves: Leaves, dtype: torch.dtype, makes: Mapping[Key, Make]) -> Outcome:
    return evaluate(subject, leaves, dtype, mode=Substituting(makes))


def _unchanged(subject: Subject, dtype: torch.dtype, makes: Mapping[Key, Make]) -> bool:
    """Whether the ordinary input gives what it gave."""
    before = evaluate(subject, subject.leaves, dtype)
    after = _with(subject, subject.leaves, dtype, makes)
    return after.error is None and alike(before, after, _SAME if dtype.itemsize >= 4 else 5 * _SAME)


def _right(failure: Failure, outcome: Outcome) -> bool:
    """Whether the cured value is the true one, where float64 knows it."""
    if failure.accept is not None:
        return failure.accept(outcome)
    truth = evaluate(failure.subject, failure.leaves, torch.float64)
    if truth.values is None or symptom_of(truth) is not None:
        return True
    usual = evaluate(failure.subject, failure.subject.leaves, torch.float64, gradients=False)
    slack = _SAME * abs(usual.total) if usual.values is not None else 0.0
    return alike(truth, outcome, 0.1, slack=slack)


def alike(one: Outcome, other: Outcome, tolerance: float, gradients: bool = True, slack: float = 0.0) -> bool:
    """Whether two outcomes are the same up to a relative difference, or up to a small slack for each value."""
    if one.values is None or other.values is None:
        return False
    pairs: list[tuple[Tensor | None, Tensor | None]] = [(one.values, other.values)]
    if gradients:
        pairs += list(zip(one.gradients, other.gradients, strict=True))
    return all(_alike(a, b, tolerance, slack) for a, b in pairs)


def _alike(a: Tensor | None, b: Tensor | None, tolerance: float, slack: float) -> bool:
    """A gradient that is not there is one of 0."""
    present = [x for x in (a, b) if x is not None]
    if len(present) == 2:
        return _close(present[0], present[1], tolerance, slack)
    return all(bool((x == 0).all()) for x in present)


def _close(a: Tensor, b: Tensor, tolerance: float, slack: float) -> bool:
    if a.shape != b.shape or not bool(torch.isfinite(a).all() and torch.isfinite(b).all()):
        return False
    a, b = a.double(), b.double()
    # What cancels to 0 in one form leaves the last digits in another.
    room = slack * a.numel() ** 0.5 + 1e-7
    return bool(((a - b).norm() <= tolerance * torch.maximum(a.norm(), b.norm()) + room).all())


def _advice(found: Blame) -> str:
    return _WORDS.get(found.why, GENERAL)


GENERAL = "look at this line on the input above; no form of this operation is known that does not break"
_WORDS = {
    "cancellation": "rewrite the difference so that equal parts cancel on paper, or compute it in float64",
    "overflow": "bound the argument, or work with logarithms",
    "underflow": "work with logarithms, or scale before the product",
    "rounding": "use an epsilon that the dtype can hold beside the number: torch.finfo(x.dtype).eps",
}
