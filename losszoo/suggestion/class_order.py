"""Whether classes have an order, as their names tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence

# From the least to the most; "|" between words of one place.
_SCALES = tuple(
    tuple(frozenset(place.split("|")) for place in scale.split(" < "))
    for scale in (
        "none|no|absent < very low|lowest < low < medium|mid|middle|moderate|normal|average < high < very high|highest",
        "xxs < xs|extra small|tiny < s|small < m|medium|mid < l|large|big < xl|extra large|huge < xxl < xxxl",
        "none|absent < minimal|trace < mild|slight < moderate < severe < very severe|critical",
        "never < rarely|seldom < sometimes|occasionally < often|frequently < usually < always",
        "very poor|terrible|awful < poor|bad < fair|average|ok|okay|neutral < good < very good|great < excellent",
        "very unsatisfied < unsatisfied|dissatisfied < neutral < satisfied < very satisfied",
        "strongly disagree < disagree < neutral|undecided < agree < strongly agree",
        "very negative < negative < neutral < positive < very positive",
        "very unlikely < unlikely < possible|neutral < likely < very likely",
        "beginner|novice < intermediate < advanced < expert",
        "child < teenager|adolescent < adult < senior",
        "worst < worse < same < better < best",
        "first|1st < second|2nd < third|3rd < fourth|4th < fifth|5th",
        "i < ii < iii < iv < v < vi",
        "bronze < silver < gold < platinum",
        "cold < cool < warm < hot",
        "slow < medium|normal < fast",
        "young < middle|middle-aged < old",
        "weak < moderate|medium < strong",
    )
)
_FEWEST = 3
_RANGE = re.compile(r"(<=?|>=?|under |over |below |above )?\s*\d+(\.\d+)?(\s*(-|to)\s*\d+(\.\d+)?)?(\s*\+)?( [a-z]+)?")


def order_of(names: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """The classes in their order, and what tells it: "words", "ranges" or "numbers"; None where nothing tells one.

    Two classes have no order that matters. Numbers may be names too, as those of digits are.

    Example:
        >>> order_of(["high", "low", "medium"])
        (('low', 'medium', 'high'), 'words')
        >>> order_of(["red", "green", "blue"])
    """
    if len(names) < _FEWEST:
        return None
    plain = [re.sub(r"[\s_-]+", " ", name.strip().lower()) for name in names]
    for scale in _SCALES:
        places = [next((i for i, words in enumerate(scale) if word in words), -1) for word in plain]
        if min(places) >= 0 and len(set(places)) == len(places):
            return tuple(name for _, name in sorted(zip(places, names, strict=True))), "words"
    if all(re.fullmatch(r"[+-]?\d+", name.strip()) for name in names):
        return tuple(sorted(names, key=int)), "numbers"
    if all(_RANGE.fullmatch(name.strip().lower()) for name in names):
        return tuple(sorted(names, key=_start)), "ranges"
    return None


def _start(name: str) -> tuple[float, bool]:
    """Where a range begins: "<= 8 rings" before "9-10 rings", and "> 10" after "10"."""
    number = float(re.findall(r"\d+(?:\.\d+)?", name)[0])
    text = name.strip().lower()
    if text.startswith(("<", "under", "below")):
        return -1.0, False
    return number, text.startswith((">", "over", "above"))
