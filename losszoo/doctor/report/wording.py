"""What the terminal and the page say alike: symptoms, states, verdicts and reach in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from losszoo.doctor.report.examination import Examination, Finding, Strip

SYMPTOMS = {
    "nan-loss": "NaN loss",
    "inf-loss": "infinite loss",
    "nan-gradient": "NaN gradient",
    "inf-gradient": "infinite gradient",
    "no-gradient": "no gradient",
    "wrong-gradient": "wrong gradient",
    "broadcast": "pairing lost by broadcasting",
    "misuse": "misuse",
    "vanished-gradient": "vanished gradient",
    "inaccurate": "inaccurate value or gradient",
    "raises": "raises an error",
}
TRIED = {True: "tried, verified", False: "does not cure it", None: "not tried"}
# What does not cure it is no remedy.
ADVICE = {True: "remedy", False: "tried", None: "remedy"}


@dataclass(frozen=True)
class State:
    """What a cell of the heat strip shows.

    Args:
        mark: one letter, which tells it without colour too.
        words: what it means.
        rank: a cell that stands for several scales shows the highest.
    """

    mark: str
    words: str
    rank: int


STATES = {
    "finite": State(".", "finite", 0),
    "beyond": State("^", "true value beyond the dtype", 1),
    "vanished": State("0", "gradient vanished", 2),
    "inaccurate": State("~", "inaccurate", 3),
    "out-of-memory": State("M", "memory ran out", 4),
    "raises": State("!", "raises an error", 5),
    "non-finite": State("X", "NaN or infinite", 6),
}
# Where no scale gives a number.
_EVERYWHERE = {"out-of-memory": "memory runs out at every", "raises": "raises an error at every"}


def outcome(examination: Examination) -> str:
    """The verdict with the number of findings: ``sick, 2 findings``."""
    count = len(examination.findings)
    found = f", {count} finding{'' if count == 1 else 's'}" if count else ""
    return f"{examination.verdict}{found}{' so far' if found and not examination.complete else ''}"


def effort(examination: Examination) -> str:
    """What the verdict rests on."""
    inputs = "1 input" if examination.probes == 1 else f"{examination.probes} inputs"
    ended = "" if examination.complete else "; others were not tried"
    return f"{inputs} tried in {examination.seconds:.1f} s{ended}"


def headline(finding: Finding) -> str:
    """A finding in a few words: ``Infinite loss in float32``."""
    said = f"{SYMPTOMS[finding.symptom]} in {finding.dtype}"
    return said[0].upper() + said[1:]


def place(finding: Finding) -> str:
    """Operation and line, as far as they are known: ``log at my_loss.py:12``."""
    return " at ".join(filter(None, (finding.op, finding.source)))


def brief(finding: Finding) -> str:
    """A finding in one line of a table."""
    return ": ".join(filter(None, (f"{SYMPTOMS[finding.symptom]} in {finding.dtype}", place(finding))))


def remedy(finding: Finding) -> str:
    """The remedy as a sentence of its own, without the full stop that a status follows."""
    return finding.remedy.rstrip(". ")


def reach(examination: Examination) -> Iterator[str]:
    """How far the loss goes, a sentence for each dtype."""
    strips = [strip for strip in examination.strips if strip.scales]
    drawn = {strip.dtype for strip in strips}
    yield from dict.fromkeys(map(strip_reach, strips))
    for dtype, limit in examination.range.items():
        if dtype not in drawn and limit > 0:
            yield f"finite up to {number(limit)} in {dtype}" if math.isfinite(limit) else f"finite in {dtype}"


def shortest(examination: Examination) -> str:
    """How far a loss goes in float32, in a word."""
    drawn = [strip.limit for strip in examination.strips if strip.dtype == "float32"]
    told = [examination.range["float32"]] if "float32" in examination.range else []
    ends = [limit for limit in drawn or told if limit is not None and math.isfinite(limit)]
    return number(min(ends)) if ends else "all" if drawn or told else ""


def strip_reach(strip: Strip) -> str:
    """``finite up to |logits| = 88.7 in float32``."""
    if strip.floor is not None and not nowhere(strip):
        end = "up" if strip.limit is None else f"to {number(strip.limit)}"
        return f"finite from {strip.what} = {number(strip.floor)} {end} in {strip.dtype}"
    if strip.limit is None:
        return f"finite at every {strip.what} tried, up to {number(strip.scales[-1])}, in {strip.dtype}"
    if nowhere(strip):
        said = _EVERYWHERE.get("".join(set(strip.states)), "not finite at any")
        return f"{said} {strip.what} tried in {strip.dtype}"
    return f"finite up to {strip.what} = {number(strip.limit)} in {strip.dtype}"


def nowhere(strip: Strip) -> bool:
    """Whether even the smallest scale is not finite."""
    return strip.limit is not None and strip.limit < strip.scales[0]


def unexplained_marks(strips: Iterable[Strip], findings: Iterable[Finding], examined: Iterable[str]) -> Iterator[str]:
    """A sentence for each strip that has a mark where there is no finding; one for the dtypes that were not asked for.

    Args:
        strips: of an examination.
        findings: of it.
        examined: the dtypes in which faults were looked for.
    """
    told, examined = {finding.dtype for finding in findings}, dict.fromkeys(examined)
    others: dict[str, None] = {}
    for strip in strips:
        marked = _marks(strip)
        if not marked or strip.dtype in told:
            continue
        if strip.dtype not in examined:
            others[strip.dtype] = None
            continue
        ends = dict.fromkeys(number(scale) for scale in (min(marked), max(marked)))
        yield (
            f"the strip of {strip.dtype} shows {STATES[worst(list(marked.values()))].words!r} at {strip.what} = "
            f"{' to '.join(ends)}, which is no finding: training meets no such sizes"
        )
    if others:
        asked = " and ".join(examined)
        yield f"marks of {' and '.join(others)} are no findings: faults were looked for in {asked} only"


def _marks(strip: Strip) -> dict[float, str]:
    """The states by scale that are not as they should be."""
    pairs = zip(strip.scales, strip.states, strict=True)
    return {scale: state for scale, state in pairs if state not in ("finite", "beyond")}


def number(value: float) -> str:
    """Three digits, powers without padding.

    Example:
        >>> number(88.7228), number(1e4), number(3.4e38), number(0.001), number(0.0001)
        ('88.7', '1e4', '3.4e38', '0.001', '1e-4')
    """
    text = f"{value:.2e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}"
    digits, _, power = text.partition("e")
    return f"{float(digits):g}e{int(power)}" if power else digits


def worst(states: list[str]) -> str:
    """The state that a cell for all of these shows."""
    return max(states, key=lambda state: STATES[state].rank)


def blocks(examination: Examination) -> list[list[Strip]]:
    """The strips that stand under one axis; a dtype that comes again is of another term of a sum."""
    found: list[list[Strip]] = []
    for strip in examination.strips:
        shared = found and found[-1][0].what == strip.what and strip.dtype not in {s.dtype for s in found[-1]}
        if strip.scales and shared:
            found[-1].append(strip)
        elif strip.scales:
            found.append([strip])
    return found


def scales_of(strips: Iterable[Strip]) -> list[float]:
    """All scales that occur, ascending: a column each, since they stand closer where more is to see."""
    return sorted({scale for strip in strips for scale in strip.scales})


def labelled(places: Mapping[float, float], letter: float) -> list[float]:
    """Which scales get a label: all, or every second, third, ... so that none touch; 1 among them where it occurs.

    Args:
        places: of the scales, in their order.
        letter: how wide one is.
    """
    scales = list(places)
    origin = scales.index(1.0) if 1.0 in scales else 0
    tried = (scales[origin % step :: step] for step in itertools.count(1))
    return next(chosen for chosen in tried if all(_apart(a, b, places, letter) for a, b in itertools.pairwise(chosen)))


def _apart(first: float, second: float, places: Mapping[float, float], letter: float) -> bool:
    widest = max(len(number(first)), len(number(second)))
    return places[second] - places[first] >= letter * (widest + 1)


def legend(examination: Examination) -> list[str]:
    """The states that occur, in their order."""
    seen = {state for strip in examination.strips for state in strip.states}
    return [state for state in STATES if state in seen]
