"""The flags that make a task of a table: the same for every command that takes a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from losszoo.errors import UsageError

if TYPE_CHECKING:
    from losszoo.tasks.tables.table_task import TableTask

_FLAGS = (
    click.option(
        "--target",
        metavar="COLUMN",
        multiple=True,
        help="Of a table (--task churn.csv): the column that is predicted; may be repeated.",
    ),
    click.option(
        "--kind",
        metavar="KIND",
        help="Of a table: binary, multiclass or regression, of several targets multilabel or multi-output, where it "
        "is not plain.",
    ),
    click.option("--split", metavar="COLUMN", help="Of a table: the column that says train, val or test."),
    click.option("--group", metavar="COLUMN", help="Of a table: rows of one value of this column stay together."),
    click.option("--time", metavar="COLUMN", help="Of a table: the newest rows by this column are the test part."),
    click.option("--drop", metavar="COLUMN", multiple=True, help="Of a table: leave a column out; may be repeated."),
)
_NAMES = ("target", "kind", "split", "group", "time", "drop")


def task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags, for a command whose function hands its options to :func:`given_tasks`."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def given_tasks(tasks: tuple[str, ...], options: dict[str, Any]) -> list[str | TableTask]:
    """Each task as the user means it: its text, or the task of a table. Takes the flags out of the options.

    Raises:
        UsageError: flags of a table without one, or a table without its target.
    """
    of_table: Mapping[str, Any] = {name: options.pop(name) for name in _NAMES}
    from losszoo.tasks.tables.read_table import is_table

    said = [f"--{name}" for name, value in of_table.items() if value]
    if said and not any(map(is_table, tasks)):
        raise UsageError(f"{' and '.join(said)} must go with a table, as churn.csv, got {', '.join(tasks) or 'none'}")
    return [_of_table(task, of_table) if is_table(task) else task for task in tasks]


def _of_table(path: str, options: Mapping[str, Any]) -> TableTask:
    from losszoo.tasks.tables.table_task import make_table_task

    if not options["target"]:
        raise UsageError(f"a table must be given with its target, got {path}; say --target COLUMN")
    return make_table_task(path, **options)
