"""Recall, precision, F1 and support of each class of the test part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text

from losszoo.cli.console import Column, fitted

_COLUMNS = (
    Column("test, by class", left=True),
    Column("recall"),
    Column("precision"),
    Column("F1"),
    Column("support"),
)


def class_table(
    classes: Mapping[str, Mapping[str, float | None]], room: int | None, loss: str = ""
) -> Iterator[RenderableType]:
    """A line for each class, in the order of the task.

    Args:
        classes: of :attr:`losszoo.RunResult.per_class`; a number that is missing is None.
        room: columns of the terminal; None in a pipe.
        loss: whose it is, where there are several.
    """
    if loss:
        yield Text(loss, style="bold")
    if not classes:
        yield Text("no table by class: there are no classes, or no test rows of them", style="dim")
        return
    keys = ("recall", "precision", "f1")
    lines = [((name, *(_number(row[key]) for key in keys), f"{row['support']:g}"), "") for name, row in classes.items()]
    yield fitted(_COLUMNS, lines, room)[0]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
