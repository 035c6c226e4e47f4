"""Which forms are tried for which operations of a failing call, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.remedies.rewrites import REWRITES
from losszoo.doctor.remedies.spelling import SpelledTape
from losszoo.doctor.remedies.substituting import Key
from losszoo.doctor.remedies.table import (
    EXP_BOUNDS,
    FORMS,
    GRADIENT_KEPT,
    IN_FLOAT32,
    WITHOUT_NAN,
)
from losszoo.doctor.remedies.writing import Remedy
from losszoo.doctor.subject.subject import is_floating
from losszoo.tracing.culprit import EXPONENTIAL, Blame
from losszoo.tracing.tape import Record

# Where a logarithm or a quotient of it is taken, a better form may begin.
_USERS = ("log", "log2", "log10", "log1p", "div")
_MOST_USERS = 4
# So far back an exponential is looked for.
_MOST_BEFORE = 40


def proposals(failure: Failure, blame: Blame, tape: SpelledTape, bounded: bool) -> Iterator[tuple[Key, Remedy]]:
    """Forms for the operation that shows the fault, for the one to blame, and for those that use it.

    Args:
        failure: to be cured.
        blame: which operation is to blame.
        tape: of the same call, with the author's spelling.
        bounded: only bounds of the exponentials that it was made of.
    """
    for record, remedy in _bounds(blame) if bounded else _forms(failure, blame):
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
    # What chooses nothing is mended before what is done with nothing.
    own = (blame.record, blame.victim) if blame.why == "empty" else (blame.victim, blame.record)
    # Of an exponential a true form begins where it is used, at the logarithm if there is one: alone, it is bounded.
    outer = sorted(users, key=lambda r: r.site.op == "div") if blame.record.site.op in EXPONENTIAL else []
    for record in _each_once(*outer, *own, *users):
        rewrites, forms = REWRITES.get(record.site.op, ()), FORMS.get(record.site.op, ())
        # Of an operation that merely comes after, only what looks at how its operand was made can help.
        after = any(record is user for user in users) and record is not blame.victim
        yield from ((record, form) for form in (*rewrites, *(forms[:1] if after else forms)))


def _bounds(blame: Blame) -> Iterator[tuple[Record, Remedy]]:
    yield from ((record, form) for record in _exponentials(blame) for form in EXP_BOUNDS)


def _exponentials(blame: Blame) -> list[Record]:
    """What the operation at fault gets was made of these: an extreme number often comes of an exponential."""
    waiting = list(_each_once(blame.victim, blame.record))
    found = {record.index: record for record in waiting if record.site.op in ("exp", "exp2")}
    seen = {record.index for record in waiting}
    while waiting and len(seen) <= _MOST_BEFORE:
        record = waiting.pop(0)
        for tensor in record.inputs:
            maker = blame.tape.maker(tensor, before=record.index)
            if maker is not None and maker.index not in seen:
                seen.add(maker.index)
                waiting.append(maker)
                if maker.site.op in ("exp", "exp2"):
                    found[maker.index] = maker
    return [found[index] for index in sorted(found, reverse=True)][:_MOST_USERS]


def _each_once(*records: Record) -> list[Record]:
    return list({record.index: record for record in records}.values())
