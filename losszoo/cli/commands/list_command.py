"""``losszoo list``: every installed loss, by family."""

from __future__ import annotations

import itertools

import click

from losszoo.api import list_losses
from losszoo.cli.shared_options import columns, counted, print_json, warn_of_failures
from losszoo.cli.shared_options import command as make_command
from losszoo.errors import suggest
from losszoo.registry.registry import OWN_DISTRIBUTION, Registry, installed
from losszoo.registry.specs import LossSpec


@make_command("list")
@click.argument("search", required=False)
@click.option("--signature", help="Only losses of this signature.")
@click.option("--tag", help="Only losses with this tag.")
@click.option("--plugin", help="Only losses of this distribution or entry point.")
def command(search: str | None, signature: str | None, tag: str | None, plugin: str | None, as_json: bool) -> None:
    """Every installed loss, or those that SEARCH finds.

    Looks in names, aliases, tags, summaries, signatures and names of plugins. Loads none of the losses.
    """
    specs = list_losses(signature=signature, tag=tag, plugin=plugin, search=search)
    registry = installed()
    if as_json:
        print_json([describe(registry, spec) for spec in specs])
    else:
        for line in lines(registry, specs) if specs else [_none(registry, search)]:
            click.echo(line)
    warn_of_failures(registry)


def describe(registry: Registry, spec: LossSpec) -> dict[str, object]:
    """The spec of a loss with its origin."""
    origin = registry.origin("loss", spec.name)
    return {
        **spec.to_dict(),
        "plugin": origin.entry_point,
        "distribution": origin.distribution,
        "version": origin.version,
    }


def lines(registry: Registry, specs: list[LossSpec]) -> list[str]:
    """The table, one block a plugin, all columns in line."""
    shown = iter(columns([(s.name, s.signature, s.summary + _mark(s)) for s in specs]))
    out: list[str] = []
    for origin, group in itertools.groupby(specs, lambda spec: registry.origin("loss", spec.name)):
        own = origin.distribution == OWN_DISTRIBUTION
        heading = origin.entry_point + ("" if own else f" ({origin.distribution} {origin.version})")
        out += [click.style(heading, bold=True), *itertools.islice(shown, len(list(group))), ""]
    legend = ["[exhibit]: unstable on purpose; losszoo info NAME says what to use instead."]
    out += legend if any(map(_mark, specs)) else []
    return [*out, f"{counted(len(specs), 'loss')}. losszoo info NAME tells more."]


def _none(registry: Registry, search: str | None) -> str:
    """What is said in place of a table: the names near what was searched, and where all of them are."""
    near = f": {suggest(search, list(registry.losses), registry.aliases)}" if search else ""
    return f"0 losses{near} (losszoo list shows all)"


def _mark(spec: LossSpec) -> str:
    return "  [exhibit]" if spec.status == "exhibit" else ""
