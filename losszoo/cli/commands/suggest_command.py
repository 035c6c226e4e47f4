"""``losszoo suggest TASK``: what its training rows show, and which losses are worth a comparison."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from losszoo.cli.completion import task_names
from losszoo.cli.shared_options import columns, counted, hanging, print_json, warn_of_failures, width
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.task_options import MOST_NOTES, given_tasks, task_options
from losszoo.cli.threads import wait_politely
from losszoo.common.text import printable
from losszoo.registry.registry import installed

if TYPE_CHECKING:
    from losszoo.suggestion.suggestion import Suggestion

_MOST_CLASSES = 6


@make_command("suggest")
@click.argument("task", shell_complete=task_names)
@task_options
def command(task: str, as_json: bool, **of_table: Any) -> None:
    """Suggest losses for TASK, and the command that compares them.

    It says what the training rows show, and which losses are made for that, by their tags; those of plugins too. TASK
    is the name of a task, a target (file.py:MyTask), a table of yours (churn.csv), or a folder of images (photos/). The
    share of wrong labels is an estimate, by cross-validation of a model of scikit-learn, from which the rows of one
    --group are held out together. Which loss is best, the comparison tells.

    \b
    losszoo suggest churn.csv --target churned --group customer
    losszoo suggest digits-rare
    losszoo suggest my_task.py:MyTask --json
    """
    (given,) = given_tasks((task,), of_table)
    warn_of_failures(installed())
    wait_politely()
    from losszoo.suggestion.suggest import suggest

    found = suggest(given)
    print_json(found.to_dict()) if as_json else click.echo("\n".join(map(printable, page(found))))


def page(found: Suggestion) -> list[str]:
    """The lines for people."""
    better = "higher" if found.direction == "max" else "lower"
    facts = [
        ("kind", f"{found.kind}, judged by {found.metric} ({better} is better)"),
        ("rows", ", ".join(f"{part} {count}" for part, count in found.rows.items())),
        ("inputs", " x ".join(map(str, found.inputs))),
        *([("classes", _classes(found))] if found.classes else []),
    ]
    lines = [found.task, *hanging("  ", found.summary), *_lines(columns(facts))]
    told = list(found.data_notes[:MOST_NOTES])
    if len(told) < len(found.data_notes):
        told.append(f"and {len(found.data_notes) - len(told)} more of the data; losszoo info shows all")
    for note in told:
        lines += hanging("  note: ", note)
    seen = [(trait.name, trait.text) for trait in found.traits if trait.present]
    absent = [(trait.name, trait.text) for trait in found.traits if not trait.present]
    for title, rows in (("What the training rows show", seen), ("What they do not show", absent)):
        lines += ["", title, *_lines(columns(rows))] if rows else []
    fits = [(loss.name, f"{loss.why}{_tag(loss.why, loss.tag)}: {loss.summary}") for loss in found.losses]
    lines += ["", "Losses to compare", *_lines(columns(fits))]
    for note in found.notes:
        lines += hanging("  note: ", note)
    asked = folded(found.command) if found.command else [f"  {found.call}"]
    return [*lines, "", f"To settle it ({counted(len(found.losses), 'loss')}):", *asked]


def _tag(why: str, tag: str) -> str:
    return f" (tag {tag})" if tag and tag != why else ""


def _lines(blocks: list[str]) -> list[str]:
    return [line for block in blocks for line in block.split("\n")]


def _classes(found: Suggestion) -> str:
    total = max(sum(found.classes.values()), 1)
    shown = [f"{name} {100 * count / total:.1f} %" for name, count in list(found.classes.items())[:_MOST_CLASSES]]
    more = [f"and {len(found.classes) - len(shown)} more"] if len(shown) < len(found.classes) else []
    return ", ".join([*shown, *more])


def folded(command: str) -> list[str]:
    """A command in lines that fit the terminal, and can be copied as they are."""
    room, words = width(), shlex.split(command)
    parts = [shlex.join(words[:2])]
    for word in words[2:]:
        if word.startswith("--"):
            parts.append(shlex.quote(word))
        else:  # an option stays with its value
            parts[-1] += f" {shlex.quote(word)}"
    lines = [f"  {parts[0]}"]
    for part in parts[1:]:
        if room is not None and len(lines[-1]) + len(part) + 3 > room:
            lines[-1] += " \\"
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}"
    return lines
