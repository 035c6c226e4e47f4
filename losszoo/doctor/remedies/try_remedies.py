"""A remedy is substituted at the operation, and the loss is called again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import is_large, smallest_failing, symptom_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies.attempts import ANY, Attempt, Manner, attempt_of, cures, leads_as, unchanged_on
from losszoo.doctor.remedies.kin import Kin
from losszoo.doctor.remedies.proposals import proposals
from losszoo.doctor.remedies.substituting import Substituting
from losszoo.doctor.remedies.table import BOUNDS, QUOTIENT_GUARDS
from losszoo.doctor.subject.input_kinds import leaves_of
from losszoo.doctor.subject.subject import Leaves, evaluate
from losszoo.tracing.culprit import Blame
from losszoo.tracing.tape import Record

# A failing input may need more than one operation to be mended.
_MOST_TOGETHER = 4
# In this order: a true value is better than a bounded one, and what can be pasted better than what cannot.
_MANNERS = (Manner(pasteable=True), Manner(pasteable=True, bounded=True), ANY)
# Of a failing input: where an exponential overflows at 88, these pass a bound at 20 or 44.
_BEFORE = (0.9, 0.75, 0.6, 0.5, 0.3)
_STRICT = (Manner(pasteable=True), ANY)


@dataclass(frozen=True)
class Trial:
    """What was tried.

    Args:
        text: the words.
        verified: whether it cures.
        cures: whether the same code cures another failing input; None where nothing is verified, or it is not known.
        covers: whether the same code cures another failure of the loss, so that both have one cause, or merely makes
            its numbers finite; None likewise.
        root: the exponential whose bounded argument cures it: the cause, where another operation shows it.
        guarded: the quotient whose guard alone cures it, where another operation underflows before.
    """

    text: str
    verified: bool | None
    cures: Callable[[Leaves], bool] | None = None
    covers: Callable[[Failure, bool], bool] | None = None
    root: Record | None = None
    guarded: Record | None = None


def try_remedies(failure: Failure, clock: Effort) -> Trial:
    """The first forms that leave value and gradient of ordinary inputs as they are, and cure them on the failing one.

    A form that changes ordinary values, or was never made on an ordinary input, is not spoken of. What can be pasted
    over the author's lines comes first; what happens inside a library can only be told.
    """
    if failure.blame is None:
        return Trial(GENERAL, None)
    kin, best = _kin_of(failure, failure.blame), Trial(_ADVICE.get(failure.blame.why, GENERAL), None)
    for manner in _MANNERS if failure.accept is None else _STRICT:
        trial = _try(failure, failure.blame, kin, clock, manner)
        if trial.verified:
            return trial
        best = trial if best.verified is None and trial.verified is not None else best
    return best


def _kin_of(failure: Failure, blame: Blame) -> Kin:
    """A clamp that takes the gradient does so on some ordinary inputs too, where it may come back."""
    if blame.why == "clamped":
        return Kin(failure.subject, failure.dtype, failure.fails_on)
    return Kin(failure.subject, failure.dtype)


def _try(failure: Failure, blamed: Blame, kin: Kin, clock: Effort, manner: Manner) -> Trial:
    watch = Substituting({})
    evaluate(failure.subject, failure.leaves, failure.dtype, mode=watch, gradients=False)
    harmless = None
    for key, remedy in proposals(failure, blamed, watch, manner.bounded):
        if clock.over():
            break
        attempt = attempt_of(failure, {key: remedy}, manner)
        if attempt is None or not unchanged_on([kin.first], failure, attempt):
            continue
        cure = _cure(failure, kin, attempt, clock)
        if cure is not None:
            return _verified(failure, blamed, kin, _fewest(failure, kin, cure))
        if harmless is None and not cures(failure, kin, attempt) and unchanged_on(kin.all, failure, attempt):
            harmless = attempt.text
    return Trial("", None) if harmless is None else Trial(harmless, False)


def _verified(failure: Failure, blamed: Blame, kin: Kin, cure: Attempt) -> Trial:
    # An own measure of a cure holds for its own input alone.
    also = None if failure.accept is not None else partial(_cures_on, failure, kin, cure)
    root = None
    if cure.manner.bounded:
        sites = [(op, source) for op, source, _ in cure.remedies]
        root = next((r for r in blamed.tape.records if (r.site.op, r.site.source) in sites), None)
    guarded = blamed.victim if blamed.why == "underflow" and _is_guard(blamed.victim, cure) else None
    return Trial(cure.text, True, also, partial(_covers, failure, kin, cure), root, guarded)


def _is_guard(victim: Record, cure: Attempt) -> bool:
    """Whether it is the quotient alone that is mended, and kept as a quotient: 0 / 0 has no better form."""
    sites = {(op, source) for op, source, _ in cure.remedies}
    guards = all(remedy in QUOTIENT_GUARDS for remedy in cure.remedies.values())
    return sites == {(victim.site.op, victim.site.source)} and guards


def _cure(failure: Failure, kin: Kin, attempt: Attempt, clock: Effort) -> Attempt | None:
    """The attempt, or one with more forms, if it cures; else None."""
    if symptom_of(attempt.outcome) is None:
        return attempt if _is_cure(failure, kin, attempt) else None
    if len(attempt.remedies) >= _MOST_TOGETHER or clock.over():
        return None
    return _one_more(failure, kin, attempt, clock)


def _is_cure(failure: Failure, kin: Kin, attempt: Attempt) -> bool:
    whole = cures(failure, kin, attempt) and unchanged_on(kin.all, failure, attempt)
    return whole and _cures_where_known(failure, kin, attempt) and _leads_before(failure, kin, attempt)


def _leads_before(failure: Failure, kin: Kin, attempt: Attempt) -> bool:
    """Whether a bound leads where the truth does: on inputs that pass it and do not fail yet, and with other data."""
    if not any(remedy in BOUNDS for remedy in attempt.remedies.values()):
        return True
    for leaves in _beyond_a_bound(failure):
        truth = evaluate(failure.subject, leaves, torch.float64)
        found = evaluate(failure.subject, leaves, failure.dtype, mode=Substituting(attempt.remedies))
        known = found.error is None and symptom_of(truth) is None and symptom_of(found) is None
        if known and truth.values is not None and not leads_as(kin, truth, found):
            return False
    return True


def _beyond_a_bound(failure: Failure) -> Iterator[Leaves]:
    """The failing input and smaller ones, with its own data, and with other data of one argument."""
    trained = failure.subject.trained
    for leaves in (list(failure.leaves), *_with_other_data(failure)):
        for share in (1.0, *_BEFORE):
            yield [x * share if i in trained else x for i, x in enumerate(leaves)]


def _with_other_data(failure: Failure) -> Iterator[Leaves]:
    """That of other rows, the ordinary one, and both with the other sign where any is legal."""
    for leaf in leaves_of(failure.subject):
        x = failure.leaves[leaf.index]
        if leaf.index in failure.subject.trained or not leaf.floating:
            continue
        usual = [leaf.tensor] if leaf.tensor.shape == x.shape else []
        for other in (x.roll(1, 0) if x.ndim else x, *usual):
            for sign in (1, -1) if leaf.kind == "real" else (1,):
                leaves = list(failure.leaves)
                leaves[leaf.index] = sign * other
                yield leaves


def _cures_where_known(failure: Failure, kin: Kin, attempt: Attempt) -> bool:
    """Of numbers so large that float64 does not know the truth: whether it cures smaller ones, of which it does."""
    truth = evaluate(failure.subject, failure.leaves, torch.float64)
    symptom = symptom_of(evaluate(failure.subject, failure.leaves, failure.dtype))
    if failure.accept is not None or symptom is None or symptom_of(truth) is None or not is_large(failure.leaves):
        return True
    smaller = smallest_failing(failure.subject, failure.leaves, failure.dtype, symptom)
    known = symptom_of(evaluate(failure.subject, smaller, torch.float64)) is None
    other = attempt_of(replace(failure, leaves=smaller), attempt.remedies, attempt.manner) if known else attempt
    return other is not None and (not known or cures(replace(failure, leaves=smaller), kin, other))


def _fewest(failure: Failure, kin: Kin, cure: Attempt) -> Attempt:
    """Without the forms that a later one has made needless."""
    for key in list(cure.remedies) if len(cure.remedies) > 1 else ():
        less = attempt_of(failure, {k: remedy for k, remedy in cure.remedies.items() if k != key}, cure.manner)
        if len(cure.remedies) > 1 and less is not None and _is_cure(failure, kin, less):
            cure = less
    return cure


def _one_more(failure: Failure, kin: Kin, attempt: Attempt, clock: Effort) -> Attempt | None:
    """Mend what breaks next."""
    tape = Substituting(attempt.remedies)
    try:
        rest = blame(failure.subject, failure.leaves, failure.dtype, tape)
    except Exception:  # the mended loss may break in the middle of being watched
        return None
    if rest is None:
        return None
    for key, remedy in proposals(failure, rest, tape, attempt.manner.bounded):
        if key in attempt.remedies:
            continue
        more = attempt_of(failure, {**attempt.remedies, key: remedy}, attempt.manner)
        if more is not None and unchanged_on([kin.first], failure, more):
            cure = _cure(failure, kin, more, clock)
            if cure is not None:
                return cure
    return None


def _cures_on(failure: Failure, kin: Kin, cure: Attempt, leaves: Leaves) -> bool:
    """Whether other leaves, which fail too, are cured by the very code of the cure."""
    other = replace(failure, leaves=leaves)
    attempt = attempt_of(other, cure.remedies, cure.manner)
    return attempt is not None and attempt.codes == cure.codes and cures(other, kin, attempt)


def _covers(failure: Failure, kin: Kin, cure: Attempt, other: Failure, truly: bool) -> bool:
    """Whether the code of a cure ends another failure too.

    Of a cure of several parts, the first mends this failure's cause: a failure that needs only another part is one
    of its own, unless it stands on the same line.
    """
    ends = partial(_ends, kin, truly, other)
    attempt = attempt_of(other, cure.remedies, cure.manner)
    if attempt is None or attempt.codes != cure.codes or not ends(attempt):
        return False
    if len(cure.remedies) == 1 or (
        failure.blame and other.blame and failure.blame.site.place == other.blame.site.place
    ):
        return True
    without_first = attempt_of(other, dict(list(cure.remedies.items())[1:]), cure.manner)
    return without_first is None or not ends(without_first)


def _ends(kin: Kin, truly: bool, failure: Failure, attempt: Attempt) -> bool:
    if truly or failure.accept is not None:
        return cures(failure, kin, attempt)
    return symptom_of(attempt.outcome) is None


GENERAL = "look at this line on the input above; no stable form of this operation is known"
_ADVICE = {
    "cancellation": "rewrite the difference so that equal parts cancel on paper, or compute it in float64",
    "overflow": "work with logarithms, or keep what goes in small where it is made",
    "underflow": "work with logarithms, or scale before the product",
    "rounding": "use an epsilon that the dtype can hold beside the number: torch.finfo(x.dtype).eps",
}
