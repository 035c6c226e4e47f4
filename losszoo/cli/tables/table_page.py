"""What a task of the user holds, as a page: rows, classes, columns, and what is done with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from losszoo.cli.shared_options import columns, counted, hanging

_MOST_CLASSES = 12


def page(known: Mapping[str, Any], facts: Callable[[list[tuple[str, str]]], list[str]]) -> list[str]:
    """The lines of the page.

    Args:
        known: of :func:`losszoo.tasks.describe_task.describe`.
        facts: writes names and texts below each other.
    """
    rows = known["rows"]
    lines = facts(
        [
            ("kind", known["kind"]),
            ("metric", f"{known['metric']} ({'higher' if known['direction'] == 'max' else 'lower'} is better)"),
            ("rows", ", ".join(f"{part} {count}" for part, count in rows.items())),
            ("inputs", _inputs(known)),
            *([("target", _classes(known["classes"]))] if known["classes"] else []),
            *([("target", f"from {known['range'][0]:g} to {known['range'][1]:g}")] if "range" in known else []),
        ]
    )
    table = [(c["name"], c["holds"], str(c["gaps"] or "-"), _values(c), c["done"]) for c in known.get("columns", ())]
    if table:
        lines += ["", *columns([("column", "holds", "gaps", "values", "what is done with it"), *table])]
    if known["notes"]:
        lines += ["", *(line for note in known["notes"] for line in hanging("  note: ", note))]
    return lines


def _inputs(known: Mapping[str, Any]) -> str:
    if "columns" in known:
        return f"{known['inputs']}, of {len(known['columns'])} columns"
    if len(known["shape"]) != 3:
        return f"of shape ({', '.join(map(str, known['shape']))}{',' * (len(known['shape']) == 1)})"
    channels, height, width = known["shape"]
    return f"images of {height} x {width} pixels, {counted(channels, 'channel')}"


def _classes(classes: Mapping[str, int]) -> str:
    total = sum(classes.values())
    shown = [f"{name} {count} ({count / total:.1%})" for name, count in list(classes.items())[:_MOST_CLASSES]]
    more = [f"and {len(classes) - len(shown)} more"] if len(shown) < len(classes) else []
    return ", ".join([*shown, *more])


def _values(column: Mapping[str, Any]) -> str:
    if column["holds"] == "words":
        more = column["different"] - len(column["words"])
        return ", ".join(column["words"]) + (f" and {more} more" if more else "")
    if column["holds"] == "yes-no" or "low" not in column:
        return ""
    return f"{column['low']:g} to {column['high']:g}"
