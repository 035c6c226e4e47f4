"""A remedy is substituted at the operation, and the loss is called again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.diagnosis.search import Failure
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies.kin import Kin, Known
from losszoo.doctor.remedies.rewrites import REWRITES
from losszoo.doctor.remedies.spelling import SpelledTape, Spelling, spelling_of
from losszoo.doctor.remedies.table import FORMS, GRADIENT_KEPT, IN_FLOAT32, WITHOUT_NAN
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.subject import Leaves, Outcome, evaluate, is_floating
from losszoo.tracing.authors import place_of
from losszoo.tracing.culprit import Blame
from losszoo.tracing.operations import operation, written_by
from losszoo.tracing.tape import Record, Site

# Operation, line, and its text there.
Key = tuple[str, str | None, str | None]
# A failing input may need more than one operation to be mended.
_MOST_TOGETHER = 4
# Of the values and gradients of ordinary inputs: the last digits of float32, more of half precision, none of float64.
_SAME = 1e-3
_SAME_IN_HALF = 5e-2
_SAME_IN_FLOAT64 = 1e-4
# Of an ordinary value: so much is nothing beside it.
_SLACK = 1e-2
# Where a logarithm or a quotient of it is taken, a better form may begin.
_USERS = ("log", "log2", "log10", "log1p", "div")
_MOST_USERS = 4


@dataclass(frozen=True)
class Trial:
    """What was tried.

    Args:
        text: the words.
        verified: whether it cures.
        cures: whether the same code cures another failing input; None where nothing is verified, or it is not known.
        covers: whether the same code ends another failure of the loss, so that both have one cause; None likewise.
    """

    text: str
    verified: bool | None
    cures: Callable[[Leaves], bool] | None = None
    covers: Callable[[Failure], bool] | None = None


class Substituting(SpelledTape):
    """Computes some operations in another form, and keeps account of it.

    Args:
        remedies: for each operation, the form to compute it in.
    """

    def __init__(self, remedies: Mapping[Key, Remedy]) -> None:
        super().__init__()
        self.remedies = remedies
        self._operations = {op for op, _, _ in remedies}
        self.codes: dict[Key, set[str | None]] = {}
        self.words: dict[Key, str | None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = operation(func)
        if name in self._operations and written_by(func, args, kwargs) is None:
            spelling = spelling_of(self.author_frame(), name, func, args, kwargs)
            site = Site(name, place_of(self.author_frame()))
            remedy = self.remedies.get((name, site.source, spelling.text))
            if remedy is not None:
                record = Record(len(self.records), site, func, tuple(args), kwargs, None)
                written, result = self._replace(record, spelling, remedy)
                if written is not None:
                    self._write(name, func, args, kwargs, result)
                    return result
        return super().__torch_function__(func, types, args, kwargs)

    def _replace(self, record: Record, spelling: Spelling, remedy: Remedy) -> tuple[str | None, Any]:
        """Run the remedy's code on the operands; None where it has none for them."""
        key = record.site.op, record.site.source, spelling.text
        writing = Writing(record, spelling, self, self.author_frame())
        code = remedy.make(writing)
        self.codes.setdefault(key, set()).add(None if code is None else writing.text(code))
        if code is None:
            return None, None
        self.words.setdefault(key, writing.words(code))
        return code, writing.compute(code)

    def applied(self) -> dict[Key, str] | None:
        """The code of each form; None unless each was made wherever its operation was met, by one and the same code."""
        found = {key: next(iter(codes)) for key, codes in self.codes.items() if len(codes) == 1}
        whole = found.keys() == self.remedies.keys()
        return {k: c for k, c in found.items() if c is not None} if whole and None not in found.values() else None


@dataclass(frozen=True)
class _Attempt:
    """Some forms on the failing input: the code that was run, its words, and what came of it."""

    remedies: dict[Key, Remedy]
    codes: dict[Key, str]
    words: dict[Key, str]
    outcome: Outcome

    @property
    def text(self) -> str:
        """The words of all, line by line; what stands around another replacement comes before it."""
        lines = list(dict.fromkeys(source for _, source, _ in self.remedies))
        keys = sorted(self.remedies, key=lambda key: (lines.index(key[1]), -len(key[2] or "")))
        return "; then ".join(dict.fromkeys(self.words[key] for key in keys))


def try_remedies(failure: Failure, clock: Effort) -> Trial:
    """The first forms that leave value and gradient of ordinary inputs as they are, and cure them on the failing one.

    A form that changes ordinary values, or was never made on an ordinary input, is not spoken of.
    """
    if failure.blame is None:
        return Trial(GENERAL, None)
    advice = Trial(_ADVICE.get(failure.blame.why, GENERAL), None)
    watch = Substituting({})
    evaluate(failure.subject, failure.leaves, failure.dtype, mode=watch, gradients=False)
    kin = _kin_of(failure, failure.blame)
    harmless = None
    for key, remedy in _proposals(failure, failure.blame, watch):
        if clock.over():
            break
        attempt = _attempt(failure, {key: remedy})
        if attempt is None or not _unchanged_on([kin.first], failure, attempt):
            continue
        cure = _cure(failure, kin, attempt, clock)
        if cure is not None:
            cure = _fewest(failure, kin, cure)
            # An own measure of a cure holds for its own input alone.
            cures = None if failure.accept is not None else partial(_cures_on, failure, kin, cure)
            return Trial(cure.text, True, cures, partial(_covers, failure, cure))
        if harmless is None and not _cures(failure, kin, attempt) and _unchanged_on(kin.all, failure, attempt):
            harmless = attempt.text
    return advice if harmless is None else Trial(harmless, False)


def _kin_of(failure: Failure, blame: Blame) -> Kin:
    """A clamp that takes the gradient does so on some ordinary inputs too, where it may come back."""
    if blame.why == "clamped":
        return Kin(failure.subject, failure.dtype, failure.fails_on)
    return Kin(failure.subject, failure.dtype)


def _proposals(failure: Failure, blame: Blame, tape: SpelledTape) -> Iterator[tuple[Key, Remedy]]:
    """Forms for the operation that shows the fault, for the one to blame, and for those that use it.

    Args:
        failure: to be cured.
        blame: which operation is to blame.
        tape: of the same call, with the author's spelling.
    """
    for record, remedy in _forms(failure, blame):
        if record.index < len(tape.records):
            yield (record.site.op, record.site.source, tape.spellings[record.index].text), remedy


def _forms(failure: Failure, blame: Blame) -> Iterator[tuple[Record, Remedy]]:
    if blame.why == "clamped":
        yield blame.record, GRADIENT_KEPT
        return
    nan = next((r for r in blame.tape.records if any(bool(x.isnan().any()) for x in r.inputs)), None)
    if nan is not None and any(bool(x.isnan().any()) for x in failure.leaves if is_floating(x)):
        yield from ((nan, form) for form in WITHOUT_NAN)
    if failure.dtype.itemsize < 4:
        yield from ((record, IN_FLOAT32) for record in _each_once(blame.record, blame.victim))
    users = [r for r in blame.tape.records[blame.record.index + 1 :] if r.site.op in _USERS][:_MOST_USERS]
    for record in _each_once(blame.victim, blame.record, *users):
        rewrites, forms = REWRITES.get(record.site.op, ()), FORMS.get(record.site.op, ())
        # Of an operation that merely comes after, only what looks at how its operand was made can help.
        after = any(record is user for user in users) and record is not blame.victim
        yield from ((record, form) for form in (*rewrites, *(forms[:1] if after else forms)))


def _each_once(*records: Record) -> list[Record]:
    return list({record.index: record for record in records}.values())


def _attempt(failure: Failure, remedies: dict[Key, Remedy]) -> _Attempt | None:
    """What becomes of the failing input; None where the forms have nothing to replace there, or no short words."""
    mode = Substituting(remedies)
    outcome = evaluate(failure.subject, failure.leaves, failure.dtype, mode=mode)
    codes = mode.applied()
    words = {key: text for key, text in mode.words.items() if text is not None}
    if outcome.error is not None or codes is None or words.keys() != remedies.keys():
        return None
    return _Attempt(remedies, codes, words, outcome)


def _cure(failure: Failure, kin: Kin, attempt: _Attempt, clock: Effort) -> _Attempt | None:
    """The attempt, or one with more forms, if it cures; else None."""
    if symptom_of(attempt.outcome) is None:
        return attempt if _is_cure(failure, kin, attempt) else None
    if len(attempt.remedies) >= _MOST_TOGETHER or clock.over():
        return None
    return _one_more(failure, kin, attempt, clock)


def _is_cure(failure: Failure, kin: Kin, attempt: _Attempt) -> bool:
    return _cures(failure, kin, attempt) and _unchanged_on(kin.all, failure, attempt)


def _fewest(failure: Failure, kin: Kin, cure: _Attempt) -> _Attempt:
    """Without the forms that a later one has made needless."""
    for key in list(cure.remedies) if len(cure.remedies) > 1 else ():
        less = _attempt(failure, {k: remedy for k, remedy in cure.remedies.items() if k != key})
        if len(cure.remedies) > 1 and less is not None and _is_cure(failure, kin, less):
            cure = less
    return cure


def _one_more(failure: Failure, kin: Kin, attempt: _Attempt, clock: Effort) -> _Attempt | None:
    """Mend what breaks next."""
    tape = Substituting(attempt.remedies)
    try:
        rest = blame(failure.subject, failure.leaves, failure.dtype, tape)
    except Exception:  # the mended loss may break in the middle of being watched
        return None
    if rest is None:
        return None
    for key, remedy in _proposals(failure, rest, tape):
        more = None if key in attempt.remedies else _attempt(failure, {**attempt.remedies, key: remedy})
        if more is not None and _unchanged_on([kin.first], failure, more):
            cure = _cure(failure, kin, more, clock)
            if cure is not None:
                return cure
    return None


def _unchanged_on(ordinary: Sequence[Known | None], failure: Failure, attempt: _Attempt) -> bool:
    """Whether value and gradient of ordinary inputs stay; not where there is none."""
    return all(known is not None and _unchanged(failure, known, attempt) for known in ordinary)


def _unchanged(failure: Failure, known: Known, attempt: _Attempt) -> bool:
    """Whether an ordinary input gives what it gave, by the same code, in the failure's dtype and in float64."""
    after = _with(failure, known.leaves, failure.dtype, attempt)
    same = _SAME if failure.dtype.itemsize >= 4 else _SAME_IN_HALF
    # Where the loss as it is has lost digits, the truth is what it must give.
    noise = _noise(failure, known)
    if after is None or not any(alike(before, after, same, noise) for before in (known.narrow, known.wide)):
        return False
    wide = _with(failure, known.leaves, torch.float64, attempt)
    return wide is not None and alike(known.wide, wide, _SAME_IN_FLOAT64)


def _noise(failure: Failure, known: Known) -> list[float]:
    """Last digits: none of a value; of a gradient those of the value over the size of the input."""
    digits = 8 * torch.finfo(failure.dtype).eps * abs(known.wide.total)
    trained = [known.leaves[index].double() for index in failure.subject.trained]
    sizes = [float(x.square().mean().sqrt()) if x.numel() else 1.0 for x in trained]
    return [0.0, *(digits / max(size, torch.finfo(failure.dtype).tiny) for size in sizes)]


def _with(failure: Failure, leaves: Leaves, dtype: torch.dtype, attempt: _Attempt) -> Outcome | None:
    """What the mended loss gives; None where the code of the attempt was not what was run."""
    mode = Substituting(attempt.remedies)
    outcome = evaluate(failure.subject, leaves, dtype, mode=mode)
    return outcome if outcome.error is None and mode.applied() == attempt.codes else None


def _cures(failure: Failure, kin: Kin, attempt: _Attempt) -> bool:
    """Whether the failing input gives finite numbers now, and the true ones, where float64 knows them."""
    if symptom_of(attempt.outcome) is not None:
        return False
    if failure.accept is not None:
        return failure.accept(attempt.outcome)
    truth = evaluate(failure.subject, failure.leaves, torch.float64)
    if truth.values is None or not bool(torch.isfinite(truth.values).all()):
        return True  # 0 / 0 has no true value: a convention is chosen
    if symptom_of(truth) is not None:
        truth, attempt = replace(truth, gradients=()), replace(attempt, outcome=replace(attempt.outcome, gradients=()))
    slack = _SLACK * abs(kin.first.wide.total) if kin.first is not None else 0.0
    return alike(truth, attempt.outcome, 0.1, slack=slack)


def _cures_on(failure: Failure, kin: Kin, cure: _Attempt, leaves: Leaves) -> bool:
    """Whether other leaves, which fail too, are cured by the very code of the cure."""
    other = replace(failure, leaves=leaves)
    attempt = _attempt(other, cure.remedies)
    return attempt is not None and attempt.codes == cure.codes and _cures(other, kin, attempt)


def _covers(failure: Failure, cure: _Attempt, other: Failure) -> bool:
    """Whether the code of a cure ends another failure too.

    Of a cure of several parts, the first mends this failure's cause: a failure that needs only another part is one
    of its own, unless it stands on the same line.
    """
    if not _ends(cure, other):
        return False
    if len(cure.remedies) == 1 or (
        failure.blame and other.blame and failure.blame.site.place == other.blame.site.place
    ):
        return True
    without_first = _attempt(other, dict(list(cure.remedies.items())[1:]))
    return without_first is None or not _is_ended(other, without_first.outcome)


def _ends(cure: _Attempt, other: Failure) -> bool:
    attempt = _attempt(other, cure.remedies)
    return attempt is not None and attempt.codes == cure.codes and _is_ended(other, attempt.outcome)


def _is_ended(failure: Failure, outcome: Outcome) -> bool:
    return failure.accept(outcome) if failure.accept is not None else symptom_of(outcome) is None


def alike(one: Outcome, other: Outcome, tolerance: float, slack: float | Sequence[float] = 0.0) -> bool:
    """Whether two outcomes are the same up to a relative difference, or up to a small slack for each number.

    Args:
        one: outcome.
        other: outcome.
        tolerance: of the norm of the values, and of that of each gradient.
        slack: for all numbers, or for the values and each gradient in turn.
    """
    if one.values is None or other.values is None:
        return False
    pairs: list[tuple[Tensor | None, Tensor | None]] = [(one.values, other.values)]
    pairs += list(zip(one.gradients, other.gradients, strict=True))
    room = [slack] * len(pairs) if isinstance(slack, float) else [*slack, *[0.0] * (len(pairs) - len(slack))]
    return all(_close(a, b, tolerance, more) for (a, b), more in zip(pairs, room, strict=True))


def _close(a: Tensor | None, b: Tensor | None, tolerance: float, slack: float) -> bool:
    if a is None or b is None:  # a gradient that is not there is one of 0
        return all(bool((x == 0).all()) for x in (a, b) if x is not None)
    if a.shape != b.shape or not bool(torch.isfinite(a).all() and torch.isfinite(b).all()):
        return False
    a, b = a.double(), b.double()
    # What cancels to 0 in one form leaves the last digits in another.
    room = slack * a.numel() ** 0.5 + 1e-7
    return bool(((a - b).norm() <= tolerance * torch.maximum(a.norm(), b.norm()) + room).all())


GENERAL = "look at this line on the input above; no stable form of this operation is known"
_ADVICE = {
    "cancellation": "rewrite the difference so that equal parts cancel on paper, or compute it in float64",
    "overflow": "bound the argument, or work with logarithms",
    "underflow": "work with logarithms, or scale before the product",
    "rounding": "use an epsilon that the dtype can hold beside the number: torch.finfo(x.dtype).eps",
}
