"""``losszoo tasks``: every installed task and which losses fit it."""

from __future__ import annotations

import click

from losszoo.cli.shared_options import columns, counted, hanging, print_json, warn_of_failures
from losszoo.cli.shared_options import command as make_command
from losszoo.registry.compatibility import losses_for
from losszoo.registry.registry import Registry, installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.metric_choice import fitting_metrics

DIRECTIONS = {"max": "higher is better", "min": "lower is better"}


@make_command("tasks")
def command(as_json: bool) -> None:
    """Every installed task, its metric, and which losses fit it."""
    registry = installed()
    if as_json:
        print_json([describe(registry, task) for task in registry.tasks.values()])
    else:
        for task in registry.tasks.values():
            click.echo("\n".join(lines(registry, task)) + "\n")
        click.echo("losszoo info TASK lists the losses that fit a task, and its published results.")
    warn_of_failures(registry)


def describe(registry: Registry, task: TaskSpec) -> dict[str, object]:
    """The spec of a task with its origin, and the losses that fit."""
    origin = registry.origin("task", task.name)
    return {
        **task.to_dict(),
        "signatures": list(registry.taken_by(task.kind)),
        "losses": losses_for(registry, task),
        "metrics": fitting_metrics(registry.kinds[task.kind]),
        "plugin": origin.entry_point,
        "distribution": origin.distribution,
        "version": origin.version,
    }


def lines(registry: Registry, task: TaskSpec) -> list[str]:
    """A task in four lines."""
    fitting = counted(len(losses_for(registry, task)), "loss")
    facts = [
        ("kind", task.kind),
        ("metric", f"{task.metric} ({DIRECTIONS[task.direction]})"),
        ("takes", f"{', '.join(registry.taken_by(task.kind))}: {fitting}"),
    ]
    return [click.style(task.name, bold=True), *hanging("  ", task.summary), *columns(facts)]
