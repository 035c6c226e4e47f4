"""``losszoo tasks``: every installed task and which losses fit it."""

from __future__ import annotations

import click

from losszoo.cli.common import columns, print_json, warn_of_failures
from losszoo.cli.common import command as make_command
from losszoo.registry.fit import losses_for
from losszoo.registry.registry import installed
from losszoo.registry.specs import FITS


@make_command("tasks")
def command(as_json: bool) -> None:
    """Every installed task, its metric, and which losses fit it."""
    registry = installed()
    if as_json:
        print_json(
            [
                {**task.to_dict(), "signatures": list(FITS[task.kind]), "losses": losses_for(registry, task)}
                for task in registry.tasks.values()
            ]
        )
    else:
        arrow = {"max": "higher is better", "min": "lower is better"}
        for task in registry.tasks.values():
            click.echo(f"{click.style(task.name, bold=True)}  {task.summary}")
            facts = [
                ("kind", task.kind),
                ("metric", f"{task.metric} ({arrow[task.direction]})"),
                ("takes", f"{', '.join(FITS[task.kind])}  ({len(losses_for(registry, task))} losses)"),
            ]
            click.echo("\n".join(columns(facts)) + "\n")
        click.echo("losszoo info TASK lists the losses that fit a task, and its published results.")
    warn_of_failures(registry)
