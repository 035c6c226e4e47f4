"""What a table of the user holds, as a page: rows, classes, columns, and what is done with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from losszoo.cli.shared_options import columns, hanging

_MOST_CLASSES = 12


def page(known: Mapping[str, Any], facts: Callable[[list[tuple[str, str]]], list[str]]) -> list[str]:
    """The lines of the page.

    Args:
        known: of :meth:`losszoo.tasks.tables.table_task.TableTask.describe`.
        facts: writes names and texts below each other.
    """
    rows = known["rows"]
    lines = facts(
        [
            ("kind", known["kind"]),
            ("metric", f"{known['metric']} ({'higher' if known['direction'] == 'max' else 'lower'} is better)"),
            ("rows", ", ".join(f"{part} {count}" for part, count in rows.items())),
            ("inputs", f"{known['inputs']}, of {len(known['columns'])} columns"),
            ("target", _targets(known, sum(rows.values()))),
        ]
    )
    table = [(c["name"], c["holds"], str(c["gaps"] or "-"), _values(c), c["done"]) for c in known["columns"]]
    lines += ["", *columns([("column", "holds", "gaps", "values", "what is done with it"), *table])]
    if known["notes"]:
        lines += ["", *(line for note in known["notes"] for line in hanging("  note: ", note))]
    return lines


def _targets(known: Mapping[str, Any], rows: int) -> str:
    """Of labels, how many of the rows have each; of numbers, from where to where they go."""
    if "range" in known:
        return _span(*known["range"])
    said = [f"{name} {_span(*span)}" for name, span in known.get("ranges", {}).items()]
    said += [f"{name} {count} ({count / rows:.1%})" for name, count in known["classes"].items()]
    more = [f"and {len(said) - _MOST_CLASSES} more"] if len(said) > _MOST_CLASSES else []
    return ", ".join([*said[:_MOST_CLASSES], *more])


def _span(low: float, high: float) -> str:
    return f"from {low:g} to {high:g}"


def _values(column: Mapping[str, Any]) -> str:
    if column["holds"] == "words":
        more = column["different"] - len(column["words"])
        return ", ".join(column["words"]) + (f" and {more} more" if more else "")
    if column["holds"] == "yes-no" or "low" not in column:
        return ""
    return f"{column['low']:g} to {column['high']:g}"
