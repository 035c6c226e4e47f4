"""What becomes of a loss with some of its operations in another form: cured, and unchanged where it was right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import largest_held, symptom_of
from losszoo.doctor.remedies.kin import Kin, Known
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.writing import Remedy
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, evaluate

# Of the values and gradients of ordinary inputs: the last digits of float32, more of half precision, none of float64.
_SAME = 1e-3
_SAME_IN_HALF = 5e-2
_SAME_IN_FLOAT64 = 1e-4
# Of an ordinary value: so much is nothing beside it.
_SLACK = 1e-2
# Of the largest ordinary gradient of an input: less is small by design, and far less is none.
_PULLS = 1e-2
_GONE = 1e-4


class Manner(NamedTuple):
    """What counts as a cure.

    Args:
        pasteable: only code that stands as it is in the author's own lines.
        bounded: the argument of an exponential is bounded, so that what does not fit the dtype never occurs; of such
            numbers there is no true value to come back to: a finite one is enough, and a gradient of the true sign.
    """

    pasteable: bool = False
    bounded: bool = False


ANY = Manner()


@dataclass(frozen=True)
class Attempt:
    """Some forms on the failing input: the code that was run, its words, and what came of it."""

    remedies: dict[Key, Remedy]
    codes: dict[Key, str]
    words: dict[Key, str]
    outcome: Outcome
    manner: Manner

    @property
    def text(self) -> str:
        """The words of all, line by line; what stands around another replacement comes before it."""
        lines = list(dict.fromkeys(source for _, source, _ in self.remedies))
        keys = sorted(self.remedies, key=lambda key: (lines.index(key[1]), -len(key[2] or "")))
        return "; then ".join(dict.fromkeys(self.words[key] for key in keys))


def attempt_of(failure: Failure, remedies: dict[Key, Remedy], manner: Manner = ANY) -> Attempt | None:
    """What becomes of the failing input; None where the forms have nothing to replace there, or no short words.

    Args:
        failure: to be cured.
        remedies: a form for each operation.
        manner: what is taken.
    """
    mode = Substituting(remedies)
    outcome = evaluate(failure.subject, failure.leaves, failure.dtype, mode=mode)
    codes = mode.applied()
    words = {key: text for key, text in mode.words.items() if text is not None}
    if outcome.error is not None or codes is None or words.keys() != remedies.keys():
        return None
    if manner.pasteable and not mode.pasteable:
        return None
    return Attempt(remedies, codes, words, outcome, manner)


def unchanged_on(ordinary: Sequence[Known | None], failure: Failure, attempt: Attempt) -> bool:
    """Whether value and gradient of ordinary inputs stay; not where there is none."""
    return all(known is not None and _unchanged(failure, known, attempt) for known in ordinary)


def _unchanged(failure: Failure, known: Known, attempt: Attempt) -> bool:
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


def _with(failure: Failure, leaves: Leaves, dtype: torch.dtype, attempt: Attempt) -> Outcome | None:
    """What the mended loss gives; None where the code of the attempt was not what was run."""
    mode = Substituting(attempt.remedies)
    outcome = evaluate(failure.subject, leaves, dtype, mode=mode)
    return outcome if outcome.error is None and mode.applied() == attempt.codes else None


def cures(failure: Failure, kin: Kin, attempt: Attempt) -> bool:
    """Whether the failing input gives finite numbers now, and the true ones, where float64 knows them."""
    if symptom_of(attempt.outcome) is not None:
        return False
    if failure.accept is not None:
        return failure.accept(attempt.outcome)
    truth = evaluate(failure.subject, failure.leaves, torch.float64)
    found = attempt.outcome
    if attempt.manner.bounded and truth.values is not None:
        if not leads_as(kin, truth, found):
            return False
        truth, found = _held(truth, found, failure.dtype)
    if truth.values is None or not bool(torch.isfinite(truth.values).all()):
        return True  # 0 / 0 has no true value: a convention is chosen
    if symptom_of(truth) is not None:
        truth, found = replace(truth, gradients=()), replace(found, gradients=())
    usual = abs(kin.first.wide.total) if kin.first is not None else 0.0
    same = _SAME if failure.dtype.itemsize >= 4 else _SAME_IN_HALF
    return alike(truth, found, same, slack=[_SLACK * usual + digits for digits in _last_digits(failure, truth)])


def _last_digits(failure: Failure, truth: Outcome) -> list[float]:
    """How far the true numbers move where the last digit of the inputs does: what cancels leaves no more of them."""
    step = 4 * torch.finfo(failure.dtype).eps
    leaves = [*failure.leaves]
    for index in failure.subject.trained:
        x = leaves[index]
        x = x.to(torch.complex128) if x.is_complex() else x.double()
        # Towards 0, by more and less: a probability stays one, and not all differences stay as they are.
        uneven = torch.arange(x.numel(), dtype=torch.float64).cos().square().reshape(x.shape)
        leaves[index] = x * (1 - step * uneven)
    moved = evaluate(failure.subject, leaves, torch.float64)
    if moved.values is None:
        return [0.0] * (1 + len(truth.gradients))
    pairs = [(moved.values, truth.values), *zip(moved.gradients, truth.gradients, strict=False)]
    rest = [0.0] * (1 + len(truth.gradients) - len(pairs))
    return [_moved(a, b) for a, b in pairs] + rest


def _moved(a: Tensor | None, b: Tensor | None) -> float:
    """The mean square difference's root; none where one has no number."""
    if a is None or b is None or a.shape != b.shape or not a.numel():
        return 0.0
    distance = float((a - b).abs().square().mean().sqrt())
    return distance if math.isfinite(distance) else 0.0


def leads_as(kin: Kin, truth: Outcome, found: Outcome) -> bool:
    """Whether descent goes where the true gradient leads: a number beyond a bound that gets none never comes back."""
    usual = kin.first.wide.gradients if kin.first is not None else (None,) * len(truth.gradients)
    for true, own, ordinary in zip(truth.gradients, found.gradients, usual, strict=True):
        if true is None or true.is_complex():
            continue
        size = float(ordinary.abs().max()) if ordinary is not None and ordinary.numel() else 0.0
        counts = true.abs() > _PULLS * size
        least = _GONE * true.abs().clamp(max=size)
        along = torch.zeros_like(true) if own is None else own.double() * true.sign()
        if bool((counts & (along <= least)).any()):
            return False
    return True


def _held(truth: Outcome, found: Outcome, dtype: torch.dtype) -> tuple[Outcome, Outcome]:
    """Both without the numbers that the dtype does not hold: a bound may give anything finite for them."""

    def fits(x: Tensor | None) -> bool:
        return x is None or bool((x.abs() < largest_held(dtype)).all())

    pairs = [(t, f) for t, f in zip(truth.gradients, found.gradients, strict=True) if fits(t)]
    gradients, others = tuple(t for t, _ in pairs), tuple(f for _, f in pairs)
    if fits(truth.values):
        return replace(truth, gradients=gradients), replace(found, gradients=others)
    nothing = torch.zeros(0, dtype=torch.float64)
    return Outcome(nothing, gradients), Outcome(nothing, others)


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
