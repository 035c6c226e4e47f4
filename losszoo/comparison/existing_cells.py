"""What lies in the folder of a comparison already: what is kept, done anew, or refused."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from losszoo.common.files import DamagedError
from losszoo.common.text import some_of
from losszoo.comparison.cell import Cell
from losszoo.errors import UsageError


def done_already(cells: Iterable[Cell], out: Path, fresh: bool, notes: list[str]) -> dict[Cell, dict[str, Any]]:
    """The cells that need not be computed, with their records.

    Args:
        cells: of the grid.
        out: the folder, to name it.
        fresh: compute anew what was made with another config, instead of refusing it.
        notes: of damaged records, which count as missing.

    Raises:
        UsageError: cells that are done with another config; lists what differs.
    """
    done: dict[Cell, dict[str, Any]] = {}
    other: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        try:
            record = cell.read()
        except DamagedError as error:
            notes.append(f"{error}: the cell counts as missing, and is computed anew")
            continue
        if record is None or record["status"] != "done":
            continue
        differences = tuple(cell.differences(record))
        if differences:
            other.setdefault(differences, []).append(cell)
        else:
            done[cell] = record
    if other and not fresh:
        raise _refusal(other, out)
    return done


def _refusal(other: dict[tuple[str, ...], list[Cell]], out: Path) -> UsageError:
    lines = []
    for differences, cells in other.items():
        names: dict[str, list[int]] = {}
        for cell in cells:
            names.setdefault(f"{cell.loss} on {cell.task}", []).append(cell.seed)
        who = "; ".join(f"{name}, seed {some_of(seeds)}" for name, seeds in names.items())
        lines += [f"\n  - {who}", *(f"\n      {difference}" for difference in differences)]
    return UsageError(
        f"out must hold results of the same config, got {out}, which was made with another one (there -> here):"
        f"{''.join(lines)}\nchoose another --out, or compute these cells anew with --fresh"
    )
