"""What a task of the user holds, as a page: rows, classes, columns, and what is done with each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from losszoo.cli.shared_options import columns, counted, hanging

_MOST_CLASSES = 12
_OF_POSITIVE = "precision, recall, f1 and average_precision are of this class"


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
            *([("target", targets)] if (targets := _targets(known, sum(rows.values()))) else []),
            *([("positive", f"{known['positive']}: {_OF_POSITIVE}")] if "positive" in known else []),
        ]
    )
    described = known.get("columns", ())
    table = [(c["name"], c["holds"], str(c["gaps"] or "-"), _values(c), _becomes(c)) for c in described]
    if table:
        lines += ["", *columns([("column", "holds", "gaps", "values", "becomes"), *table]), ""]
        lines += [line for text in _legend(described) for line in hanging("  ", text)]
    if known["notes"]:
        lines += ["", *(line for note in known["notes"] for line in hanging("  note: ", note))]
    return lines


def _becomes(column: Mapping[str, Any]) -> str:
    """A word or two; :func:`_legend` says the rest once."""
    if column["holds"] == "words":
        gaps = " (one for gaps)" if column["gaps"] and column["inputs"] > column["different"] else ""
        return counted(column["inputs"], "input") + gaps
    return f"scaled, a gap {column['filled_with']:g}" if "filled_with" in column else "scaled"


def _legend(described: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands in the last column, in words, as far as it does."""
    said = []
    if any(column["holds"] != "words" for column in described):
        said.append("scaled: to mean 0 and deviation 1 of the training rows.")
    if any("filled_with" in column for column in described):
        said.append("a gap: becomes the median of the training rows, and a second input marks it.")
    if any(column["holds"] == "words" for column in described):
        said.append("inputs: one of 0 and 1 for each word; the rare ones of many words share one.")
    return said


def _inputs(known: Mapping[str, Any]) -> str:
    if "columns" in known:
        return f"{known['inputs']}, of {len(known['columns'])} columns"
    if len(known["shape"]) != 3:
        return f"of shape ({', '.join(map(str, known['shape']))}{',' * (len(known['shape']) == 1)})"
    channels, height, width = known["shape"]
    return f"images of {height} x {width} pixels, {counted(channels, 'channel')}"


def _targets(known: Mapping[str, Any], rows: int) -> str:
    """How many of the rows, or pixels, have each label; of numbers, from where to where they go."""
    if "range" in known:
        return _span(*known["range"])
    classes = known["classes"]
    total = rows if known["kind"] == "multilabel" else sum(classes.values())
    said = [f"{name} {_span(*span)}" for name, span in known.get("ranges", {}).items()]
    said += [f"{name} {count} ({100 * count / total:.1f} %)" for name, count in classes.items()]
    more = [f"and {len(said) - _MOST_CLASSES} more"] if len(said) > _MOST_CLASSES else []
    return ", ".join([*said[:_MOST_CLASSES], *more])


def _span(low: float, high: float) -> str:
    return f"from {low:g} to {high:g}"


def _quoted(word: str) -> str:
    """Quoted where it would look like two, or not like a word."""
    return repr(word) if re.search(r"[,\s'\"]", word) else word


def _values(column: Mapping[str, Any]) -> str:
    if column["holds"] == "words":
        more = column["different"] - len(column["words"])
        return ", ".join(map(_quoted, column["words"])) + (f" and {more} more" if more else "")
    if column["holds"] == "yes-no" or "low" not in column:
        return ""
    return f"{column['low']:g} to {column['high']:g}"
