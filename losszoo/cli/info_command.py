"""``losszoo info NAME``: everything that is announced of a loss or a task."""

from __future__ import annotations

import textwrap

import click

from losszoo.cli.common import columns, print_json
from losszoo.cli.common import command as make_command
from losszoo.cli.list_command import describe
from losszoo.errors import UnknownNameError, suggest
from losszoo.registry.fit import losses_for, tasks_for
from losszoo.registry.registry import Registry, installed
from losszoo.registry.specs import FITS, LossSpec, Param, TaskSpec


@make_command("info")
@click.argument("name")
def command(name: str, as_json: bool) -> None:
    """All about the loss or the task NAME. Loads neither."""
    registry = installed()
    if name in registry.losses:
        loss = registry.losses[name]
        document = {**describe(registry, loss), "fits": tasks_for(registry, loss.signature)}
        print_json(document) if as_json else click.echo(loss_page(registry, loss))
    elif name in registry.tasks:
        task = registry.tasks[name]
        document = {**task.to_dict(), "signatures": list(FITS[task.kind]), "losses": losses_for(registry, task)}
        print_json(document) if as_json else click.echo(task_page(registry, task))
    else:
        known = [*registry.losses, *registry.tasks]
        raise UnknownNameError(f"unknown loss or task {name!r}: {suggest(name, known)} (see losszoo list, losszoo tasks)")


def loss_page(registry: Registry, spec: LossSpec) -> str:
    """The page of a loss, for people."""
    fits = ", ".join(tasks_for(registry, spec.signature)) or "any task, inside a sum (cross-entropy + 1e-4*l2)"
    facts = [("signature", spec.signature), ("expects", spec.expects), ("fits", fits), ("tags", ", ".join(spec.tags) or "none")]
    facts += [("target", spec.target), ("from", str(registry.origin("loss", spec.name)))]
    if spec.stable_twin:
        facts.insert(0, ("exhibit", f"unstable on purpose; use {spec.stable_twin}"))
    parts = [f"{click.style(spec.name, bold=True)}  {spec.summary}", "", *_wrapped("  ", spec.formula), "", *_facts(facts)]
    if spec.params:
        parts += ["", click.style("Parameters", bold=True), *columns([_param_row(p) for p in spec.params])]
    return "\n".join([*parts, "", click.style("Reference", bold=True), *_wrapped("  ", spec.reference)])


def _param_row(param: Param) -> tuple[str, ...]:
    default = "none" if param.default is None else str(param.default).lower() if param.type == "bool" else str(param.default)
    return param.name, param.type, param.interval or "any", f"default {default}", param.summary


def task_page(registry: Registry, spec: TaskSpec) -> str:
    """The page of a task, for people."""
    facts = [("kind", spec.kind), ("metric", f"{spec.metric} ({spec.direction})"), ("losses", ", ".join(losses_for(registry, spec)))]
    facts += [("target", spec.target), ("from", str(registry.origin("task", spec.name)))]
    parts = [f"{click.style(spec.name, bold=True)}  {spec.summary}", "", *_facts(facts)]
    if spec.published:
        rows = [(method, f"{value:.4f}", f"+- {spread:.4f}" if spread is not None else "", source) for method, value, spread, source in spec.published]
        parts += ["", click.style(f"Published {spec.metric}", bold=True), *columns(rows)]
    return "\n".join([*parts, "", click.style("Reference", bold=True), *_wrapped("  ", spec.reference)])


def _facts(facts: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in facts)
    return [line for name, text in facts for line in _wrapped(f"  {name.ljust(width)}  ", text)]


def _wrapped(lead: str, text: str) -> list[str]:
    """Text in lines of at most 100 characters, hanging under its start; words are never broken."""
    return textwrap.wrap(
        text, 100, initial_indent=lead, subsequent_indent=" " * len(lead), break_long_words=False, break_on_hyphens=False
    ) or [lead.rstrip()]
