"""What sizes will cost that were not measured, for each side that has measurements enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from losszoo.bench.bench_result import LEAST_BYTES, Cell, Row
from losszoo.bench.cost_model import FEWEST, Forecast, Point, check, fit
from losszoo.bench.subjects import is_wide

# What is predicted, from which field, and below which cost it is noise. The fastest sample: another program makes a
# size slower by a factor, which a model would take for growth.
_WHATS = {"seconds": ("fastest", 0.0), "extra_bytes": ("extra_bytes", float(LEAST_BYTES))}


def forecasts_of(rows: Sequence[Row], wanted: Sequence[int], notes: list[str]) -> list[Forecast]:
    """Predictions of seconds and bytes for every loss and side; where a side has too few sizes, a note says so.

    Args:
        rows: what was measured.
        wanted: numbers of rows to predict.
        notes: what cannot be predicted is added.
    """
    found: list[Forecast] = []
    for loss in dict.fromkeys(row.loss for row in rows) if wanted else ():
        own = [row for row in rows if row.loss == loss]
        for side, cells in _sides(own).items():
            for what, (field, least) in _WHATS.items():
                points = _points(cells, field)
                if len({point.rows for point in points}) < FEWEST:
                    notes.append(f"{loss}, {side}: {what} cannot be predicted from fewer than {FEWEST} sizes")
                    continue
                found += _forecasts(loss, side, what, points, least, wanted)
    return found


def _sides(rows: Iterable[Row]) -> dict[str, list[tuple[Row, Cell]]]:
    sides: dict[str, list[tuple[Row, Cell]]] = {}
    for row in rows:
        for cell in (row.zoo, row.peer):
            if cell is not None and cell.status == "ok":
                sides.setdefault(cell.name, []).append((row, cell))
    return sides


def _points(cells: Iterable[tuple[Row, Cell]], field: str) -> list[Point]:
    """The least cost of each size and width; a width is 1 where there is none, and a second number multiplies rows."""
    points: dict[tuple[int, int], float] = {}
    for row, cell in cells:
        cost = getattr(cell, field)
        if cost is not None:
            place = row.first if is_wide(row.signature) else row.first * (row.second or 1), row.dim or 1
            points[place] = min(cost, points.get(place, cost))
    return [Point(rows, dim, cost) for (rows, dim), cost in points.items()]


def _forecasts(
    loss: str, side: str, what: str, points: list[Point], least: float, wanted: Sequence[int]
) -> list[Forecast]:
    model, checked = fit(points, least), check(points, least)
    dims = sorted({point.dim for point in points})
    return [
        Forecast(loss, side, what, rows, dim, model.at(rows, dim), model, checked) for rows in wanted for dim in dims
    ]
