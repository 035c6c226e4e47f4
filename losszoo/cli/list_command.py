"""``losszoo list``: every installed loss, by family."""

from __future__ import annotations

import itertools

import click

from losszoo.api import list_losses
from losszoo.cli.common import columns, print_json, warn_of_failures
from losszoo.cli.common import command as make_command
from losszoo.registry.registry import Registry, installed
from losszoo.registry.specs import LossSpec


@make_command("list")
@click.option("--signature", help="Only losses of this signature.")
@click.option("--tag", help="Only losses with this tag.")
@click.option("--plugin", help="Only losses of this distribution or entry point.")
def command(signature: str | None, tag: str | None, plugin: str | None, as_json: bool) -> None:
    """Every installed loss. Loads none of them."""
    specs = list_losses(signature=signature, tag=tag, plugin=plugin)
    registry = installed()
    if as_json:
        print_json([describe(registry, spec) for spec in specs])
    else:
        for line in lines(registry, specs):
            click.echo(line)
    warn_of_failures(registry)


def describe(registry: Registry, spec: LossSpec) -> dict[str, object]:
    """The announcement of a loss with who offers it."""
    origin = registry.origin("loss", spec.name)
    return {**spec.to_dict(), "plugin": origin.entry_point, "distribution": origin.distribution, "version": origin.version}


def lines(registry: Registry, specs: list[LossSpec]) -> list[str]:
    """The table, one block a plugin, all columns in line."""
    rows = [(s.name, s.signature, s.summary + ("  [exhibit: unstable on purpose]" if s.status == "exhibit" else "")) for s in specs]
    shown = iter(columns(rows))
    out: list[str] = []
    for origin, group in itertools.groupby(specs, lambda spec: registry.origin("loss", spec.name)):
        heading = origin.entry_point if origin.distribution == "losszoo" else f"{origin.entry_point} ({origin.distribution} {origin.version})"
        out += [*([""] if out else []), click.style(heading, bold=True), *itertools.islice(shown, len(list(group)))]
    return [*out, "", f"{len(specs)} loss{'' if len(specs) == 1 else 'es'}. losszoo info NAME tells more."]
