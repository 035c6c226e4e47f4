"""``losszoo info NAME``: everything that the spec of a loss or a task says."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Any

import click

from losszoo.cli.commands import list_command, tasks_command
from losszoo.cli.completion import all_names
from losszoo.cli.shared_options import columns, hanging, print_json, warn_of_failures, width
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.tables.measured_rows import measured_row
from losszoo.cli.tables.table_page import page
from losszoo.cli.task_options import given_tasks, task_options
from losszoo.cli.threads import wait_politely
from losszoo.common.text import printable
from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.registry.compatibility import COMBINER, fitting_tasks, losses_for, tasks_for
from losszoo.registry.from_source.static_class import first_line
from losszoo.registry.params import Param
from losszoo.registry.registry import Registry, in_a_file, installed
from losszoo.registry.specs import LossSpec, TaskSpec
from losszoo.tasks.measured import measured_losses, measured_on
from losszoo.tasks.metric_choice import fitting_metrics

# Text is read more easily in lines no longer than this.
_WIDEST = 100
# So many measured losses stand on the page of a task; --json has all.
_BEST = 5


@make_command("info")
@click.argument("name", shell_complete=all_names)
@task_options
def command(name: str, as_json: bool, **of_table: Any) -> None:
    """All about the loss or the task NAME. Loads neither.

    NAME may be a table of yours: its columns, and what is done with each; a folder of images; or a task of yours,
    file.py:MyTask, which is made.

    \b
    losszoo info focal
    losszoo info abalone
    losszoo info churn.csv --target churned
    losszoo info photos/
    """
    registry = installed()
    (given,) = given_tasks((name,), of_table)
    if not isinstance(given, str) or _is_own_task(given):
        _of_own_task(given, as_json)
        return
    if registry.own_name(name) in registry.losses:
        loss = registry.loss(name)
        fits, inputs = tasks_for(registry, loss.signature), _inputs(registry, loss)
        measured = [asdict(result) for result in measured_on(registry, loss.name)]
        document = {**list_command.describe(registry, loss), "inputs": inputs, "fits": fits, "measured": measured}
        print_json(document) if as_json else click.echo(loss_page(registry, loss))
    elif name in registry.tasks:
        task = registry.tasks[name]
        measured = [asdict(result) for result in measured_losses(registry, task)]
        document = {**tasks_command.describe(registry, task), "measured": measured}
        print_json(document) if as_json else click.echo(task_page(registry, task))
    elif name in registry.signatures or name in registry.kinds:
        raise UnknownNameError(_no_card(registry, name))
    else:
        near = in_a_file(name) or suggest(name, [*registry.losses, *registry.tasks], registry.aliases)
        raise UnknownNameError(f"unknown loss or task {name!r}: {near} (see losszoo list, losszoo tasks)")
    warn_of_failures(registry)


def _is_own_task(target: str) -> bool:
    """Whether a target names a task of the user; it is imported, as the user has written it."""
    file = target.rpartition(":")[0]
    if not file or (file.endswith(".py") and not os.path.isfile(file)):
        return False
    wait_politely()
    from losszoo.registry.import_target import resolve
    from losszoo.tasks.task import Task

    found = resolve(target)
    return isinstance(found, Task) or (isinstance(found, type) and issubclass(found, Task))


def _of_own_task(given: Any, as_json: bool) -> None:
    """The page, or the document, of a task that is not installed."""
    wait_politely()
    from losszoo.tasks.describe_task import describe
    from losszoo.tasks.make_task import task_of

    known, registry = describe(given), installed()
    metrics = fitting_metrics(registry.kinds[known["kind"]])
    fits = [("--metric", ", ".join(metrics)), ("losses", ", ".join(losses_for(registry, task_of(given)[0])))]
    if as_json:
        print_json({**known, "metrics": metrics})
        return
    lines = [*_wrapped("  ", known["summary"]), "", *page(known, _facts), "", *_facts(fits)]
    # Columns and classes have the names that their file gives them.
    click.echo("\n".join([click.style(printable(known["name"]), bold=True), *map(printable, lines)]))


def _no_card(registry: Registry, name: str) -> str:
    """What a signature or a kind of task is, and where to read on."""
    said = []
    if name in registry.signatures:
        line = _first_line(registry, name)
        said.append(
            f"{name} is a signature{f' ({line})' if line else ''}: losszoo list --signature {name} shows its losses"
        )
    if name in registry.kinds:
        tasks = [task.name for task in registry.tasks.values() if task.kind == name]
        said.append(f"{name} is a kind of task, that of {', '.join(tasks) or 'no task that is installed'}")
    return f"{'; '.join(said)}; docs/contract.md explains both. losszoo info takes the name of a loss or a task"


def loss_page(registry: Registry, spec: LossSpec) -> str:
    """The page of a loss, for people: formulas as a terminal shows them."""
    facts = [
        ("signature", spec.signature),
        *([("inputs", inputs)] if (inputs := _inputs(registry, spec)) else []),
        *([("expects", spec.expects)] if len(registry.signatures[spec.signature].expects) > 1 else []),
        ("fits", _fits(registry, spec)),
        *([("also called", ", ".join(spec.aliases))] if spec.aliases else []),
        ("tags", ", ".join(spec.tags) or "none"),
        ("target", spec.target),
        ("from", str(registry.origin("loss", spec.name))),
    ]
    if spec.stable_twin:
        facts.insert(0, ("exhibit", f"unstable on purpose; use {spec.stable_twin}"))
    parts = [*_title(spec), "", *_wrapped("  ", _readable(f"${spec.formula}$")), ""]
    if spec.description:
        parts += [*_wrapped("  ", _readable(spec.description)), ""]
    parts += _facts(facts)
    if spec.params:
        name_width = max(len(param.name) for param in spec.params)
        parts += _heading("Parameters")
        parts += [line for param in spec.params for line in _param(param, name_width)]
    results = list(measured_on(registry, spec.name))
    if results:
        parts += _heading("Measured, with defaults and the recipe of each task")
        parts += columns([measured_row(result, result.task, result.metric) for result in results])
    return "\n".join([*parts, *_heading("Reference"), *_wrapped("  ", spec.reference)])


def _inputs(registry: Registry, spec: LossSpec) -> str:
    """What its signature says of its inputs, in the first line of its docstring."""
    return _first_line(registry, spec.signature)


def _first_line(registry: Registry, signature: str) -> str:
    offered = registry.signatures[signature]
    try:
        line = first_line(offered.target)
    except UsageError:  # made at run time, so there is no source
        line = ("" if offered.made is None else offered.made.__doc__ or "").partition("\n")[0]
    return line.removesuffix(".")


def _fits(registry: Registry, spec: LossSpec) -> str:
    if COMBINER in spec.tags:
        return f"any task, around losses that fit it: {spec.name}(loss, another loss)"
    if registry.penalizes(spec.signature):
        return f"any task, inside a sum: cross-entropy + 1e-4*{spec.name}"
    return fitting_tasks(registry, spec.signature)


def _param(param: Param, name_width: int) -> list[str]:
    """``gamma  float in [0, inf), default 2.0: discount of easy examples``."""
    kind = param.type
    if param.choices or param.type == "bool":
        kind = f"one of {param.interval.replace('|', ', ')}"
    elif param.interval:
        kind = f"{param.type} in {param.interval}"
    default = str(param.default).lower() if param.default is None or param.type == "bool" else str(param.default)
    said = f": {_readable(param.summary)}" if param.summary else ""
    return _wrapped(f"  {param.name.ljust(name_width)}  ", f"{kind}; default {default}{said}")


def _readable(text: str) -> str:
    """Mathematics between dollars in Unicode, where the terminal can show it; else in LaTeX."""
    from losszoo.cli.formula import prose_in_unicode  # reads LaTeX, which only a page needs

    shown = prose_in_unicode(text)
    try:
        shown.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return text.strip("$")
    return shown


def task_page(registry: Registry, spec: TaskSpec) -> str:
    """The page of a task, for people."""
    facts = [
        ("kind", spec.kind),
        ("metric", f"{spec.metric} ({tasks_command.DIRECTIONS[spec.direction]})"),
        ("--metric", ", ".join(fitting_metrics(registry.kinds[spec.kind]))),
        ("losses", ", ".join(losses_for(registry, spec)) or "none installed"),
        ("target", spec.target),
        ("from", str(registry.origin("task", spec.name))),
    ]
    parts = [*_title(spec), "", *_facts(facts), *_published(spec)]
    results = measured_losses(registry, spec)
    if results:
        parts += _heading(f"Measured test {spec.metric}: the best of {len(results)} losses, with their defaults")
        parts += columns([measured_row(result, result.expression) for result in results[:_BEST]])
    return "\n".join([*parts, *_heading("Reference"), *_wrapped("  ", spec.reference or "none given")])


def _published(spec: TaskSpec) -> list[str]:
    """Results of others, the best first, each source named once below."""
    ranked = sorted(spec.published, key=lambda row: row[1], reverse=spec.direction == "max")
    sources = list(dict.fromkeys(source for *_, source in ranked))
    rows = [
        (
            method,
            f"{value:.4f}",
            "" if spread is None else f"+- {spread:.4f}",
            f"[{sources.index(source) + 1}]",
        )
        for method, value, spread, source in ranked
    ]
    notes = [line for i, source in enumerate(sources, 1) for line in _wrapped(f"  [{i}] ", source)]
    return [*_heading(f"Published test {spec.metric}"), *columns(rows), *notes] if rows else []


def _title(spec: LossSpec | TaskSpec) -> list[str]:
    return [click.style(spec.name, bold=True), *_wrapped("  ", spec.summary)]


def _heading(text: str) -> list[str]:
    return ["", click.style(text, bold=True)]


def _facts(facts: list[tuple[str, str]]) -> list[str]:
    wide = max(len(name) for name, _ in facts)
    return [line for name, text in facts for line in _wrapped(f"  {name.ljust(wide)}  ", text)]


def _wrapped(lead: str, text: str) -> list[str]:
    return hanging(lead, text, min(width() or _WIDEST, _WIDEST))
