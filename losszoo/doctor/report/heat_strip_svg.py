"""The heat strip as inline SVG: a row for each dtype, a cell for each scale, with a tooltip each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from losszoo.doctor.report.examination import Examination, Strip
from losszoo.doctor.report.wording import STATES, blocks, labelled, legend, nowhere, number, scales_of, strip_reach

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
    height = _TOP + len(strips) * (_ROW + _GAP) + _AXIS
    rows = "".join(_row(strip, left, wide, _TOP + i * (_ROW + _GAP)) for i, strip in enumerate(strips))
    said = escape("; ".join(map(strip_reach, strips)))
    return (
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{said}">'
        f"{rows}{_axis(strips[0].what, scales, wide, height - _AXIS)}</svg>"
    )


def _row(strip: Strip, left: dict[float, float], wide: float, top: float) -> str:
    middle, end = top + _ROW / 2, max(left.values()) + wide
    reached = "" if strip.limit is None else "nowhere" if nowhere(strip) else f"&#8804; {number(strip.limit)}"
    return (
        f'<g><text class="dtype" x="{_LEFT - 10}" y="{middle}">{escape(strip.dtype)}</text>'
        f"{''.join(_cells(strip, left, wide, top))}"
        f'<text class="limit" x="{end + 10:.1f}" y="{middle}">{reached}</text></g>'
    )


def _cells(strip: Strip, left: dict[float, float], wide: float, top: float) -> Iterator[str]:
    for scale, state in zip(strip.scales, strip.states, strict=True):
        said = escape(f"{strip.what} = {number(scale)} in {strip.dtype}: {STATES[state].words}")
        letter = STATES[state].mark if wide >= _LETTER and state != "finite" else ""
        yield (
            f'<g class="cell {state}"><title>{said}</title>'
            f'<rect x="{left[scale] + 0.5:.1f}" y="{top}" width="{max(wide - 1, 0.5):.1f}" height="{_ROW}" rx="2"/>'
            f'<text x="{left[scale] + wide / 2:.1f}" y="{top + _ROW / 2}">{letter}</text></g>'
        )


def _axis(what: str, scales: Sequence[float], wide: float, top: float) -> str:
    """Scales below their cells, as many as there is room for, and what is scaled."""
    places = {scale: _LEFT + (i + 0.5) * wide for i, scale in enumerate(scales)}
    ticks = "".join(
        f'<path d="M{places[s]:.1f} {top}v5"/><text class="tick" x="{places[s]:.1f}" y="{top + 18}">{number(s)}</text>'
        for s in labelled(places, _DIGIT)
    )
    middle = _LEFT + len(scales) * wide / 2
    return f'<g class="axis">{ticks}<text x="{middle:.1f}" y="{top + 36}">{escape(what)}</text></g>'


def key(examination: Examination) -> str:
    """The states that occur, as items of a list."""
    return "".join(
        f'<li><svg class="cell {state}" viewBox="0 0 14 14" aria-hidden="true"><rect width="14" height="14" rx="2"/>'
        f'<text x="7" y="7.5">{"" if state == "finite" else STATES[state].mark}</text></svg>{STATES[state].words}</li>'
        for state in legend(examination)
    )
