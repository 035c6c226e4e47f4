"""The flags that make a task of a table or of images: the same for every command that takes a task."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from losszoo.common.text import printable
from losszoo.errors import UsageError

if TYPE_CHECKING:
    from losszoo.tasks.image_task import ImageTask
    from losszoo.tasks.tables.table_task import TableTask
    from losszoo.tasks.task import Task

    OwnData = TableTask | ImageTask

# Of what was noticed of a table; `losszoo info` shows all.
MOST_NOTES = 3

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
    click.option(
        "--positive",
        metavar="CLASS",
        help="Of a table of two classes: the one that precision, recall, F1 and average precision are of.",
    ),
    click.option("--size", type=int, metavar="PIXELS", help="Of a folder of images (--task photos/): their side."),
)
_NAMES = ("target", "kind", "split", "group", "time", "drop", "positive")


def task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags, for a command whose function hands its options to :func:`given_tasks`."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def given_tasks(tasks: tuple[str, ...], options: dict[str, Any]) -> list[str | OwnData]:
    """Each task as the user means it: its text, or the task of a table or folder. Takes the flags out of the options.

    Raises:
        UsageError: flags of a table or folder without one, or a table without its target.
    """
    of_table: Mapping[str, Any] = {name: options.pop(name) for name in _NAMES}
    size = options.pop("size")
    from losszoo.tasks.folder_path import is_image_folder
    from losszoo.tasks.tables.read_table import ENDINGS, is_table

    said = [f"--{name}" for name, value in of_table.items() if value]
    given = ", ".join(tasks) or "none"
    if said and not any(map(is_table, tasks)):
        raise UsageError(
            f"{' and '.join(said)} must go with a table, a file that ends with {', '.join(ENDINGS)}, got {given}"
        )
    if size is not None and not any(map(is_image_folder, tasks)):
        raise UsageError(f"--size must go with a folder of images, as photos/, got {given}")
    made: list[str | OwnData] = []
    for task in tasks:
        if is_table(task):
            made.append(_of_table(task, of_table))
        elif is_image_folder(task):
            from losszoo.tasks.image_task import make_image_task

            made.append(make_image_task(task, size=size))
        else:
            made.append(task)
    return made


def say_notes(tasks: Iterable[str | Task]) -> tuple[str, ...]:
    """Tell what was noticed of the user's data, in a few lines; all notes, which a run has no need to tell again."""
    told: list[str] = []
    for task in tasks:
        if isinstance(task, str):
            continue
        for note in task.notes[:MOST_NOTES]:
            click.echo(f"note: {printable(note)}", err=True)
        rest = len(task.notes) - MOST_NOTES
        if rest > 0:
            flags = task.flags()[1:]
            where = f"; {shlex.join(['losszoo', 'info', *flags])} shows all" if flags else ""
            click.echo(f"note: and {rest} more of the data{where}", err=True)
        told += task.notes
    return tuple(told)


def _of_table(path: str, options: Mapping[str, Any]) -> TableTask:
    from losszoo.tasks.tables.table_task import make_table_task

    if not options["target"]:
        raise UsageError(f"a table must be given with its target, got {path}; say --target COLUMN")
    return make_table_task(path, **options)
