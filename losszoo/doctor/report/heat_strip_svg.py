"""The heat strip as inline SVG: where everything stands; ``strip.svg.jinja`` draws it."""

from __future__ import annotations

from collections.abc import Sequence

from losszoo.common.html import template
from losszoo.doctor.report.examination import Examination, Strip
from losszoo.doctor.report.wording import STATES, blocks, labelled, legend, nowhere, number, scales_of, strip_reach

_HERE = __name__.rpartition(".")[0]
# In units of the drawing, which is as wide as the page.
_WIDTH, _LEFT, _RIGHT = 760, 84, 72
_TOP, _ROW, _GAP = 4, 26, 6
_AXIS = 46
_WIDEST = 44
# A letter needs this much room; a cell without one still has its colour and its tooltip.
_LETTER = 9
_DIGIT = 6.6


def drawings(examination: Examination) -> str:
    """One drawing for each thing that is scaled."""
    return "".join(map(_drawing, blocks(examination)))


def _drawing(strips: Sequence[Strip]) -> str:
    scales = scales_of(strips)
    wide = min((_WIDTH - _LEFT - _RIGHT) / len(scales), _WIDEST)
    left = {scale: _LEFT + i * wide for i, scale in enumerate(scales)}
    return template(_HERE, "strip.svg.jinja").render(
        strips=strips,
        label="; ".join(map(strip_reach, strips)),
        width=_WIDTH,
        start=_LEFT,
        end=_LEFT + len(scales) * wide,
        top=_TOP,
        row=_ROW,
        gap=_GAP,
        axis=_AXIS,
        axis_top=_TOP + len(strips) * (_ROW + _GAP),
        left=left,
        wide=wide,
        lettered=wide >= _LETTER,
        ticks=labelled({scale: place + wide / 2 for scale, place in left.items()}, _DIGIT),
        cells=lambda strip: zip(strip.scales, strip.states, strict=True),
        reached=_reached,
        number=number,
        states=STATES,
    )


def _reached(strip: Strip) -> str:
    if strip.limit is None:
        return ""
    return "nowhere" if nowhere(strip) else f"≤ {number(strip.limit)}"


def key(examination: Examination) -> str:
    """The states that occur, as items of a list."""
    return template(_HERE, "legend.html.jinja").render(legend=legend(examination), states=STATES)
