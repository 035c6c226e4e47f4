"""``losszoo plugins``: what is installed, and what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from losszoo.cli.shared_options import columns, counted, exit_with, hanging, print_json
from losszoo.cli.shared_options import command as make_command
from losszoo.registry.plugin import Failure, Origin
from losszoo.registry.plugin_check import target_failures
from losszoo.registry.registry import Registry, installed

_OFFERS = {"losses": "loss", "tasks": "task", "signatures": "signature", "kinds": "kind"}


@make_command("plugins")
@click.option(
    "--check",
    is_flag=True,
    help="Try the rules of every signature and card too, and exit with 1 where anything is broken.",
)
def command(check: bool, as_json: bool) -> None:
    """Every plugin, what it offers, and every failure. Loads every target to try it."""
    registry = installed()
    failures = [*registry.failures, *target_failures(registry), *(_broken_rules(registry) if check else ())]
    if as_json:
        print_json(
            {
                "plugins": [_plugin(registry, o) for o in registry.plugins],
                "failures": [_failure(f) for f in failures],
            }
        )
    else:
        rows = [(o.entry_point, f"{o.distribution} {o.version}", _offer(registry, o)) for o in registry.plugins]
        click.echo("\n".join(columns(rows, indent="")))
        if failures:
            click.echo("\n" + click.style(f"{counted(len(failures), 'failure')}:", fg="red", bold=True))
            for failure in failures:
                click.echo("\n".join([f"  {failure.origin}", *hanging("    ", failure.reason)]))
        else:
            total = counted(len(registry.losses), "loss"), counted(len(registry.tasks), "task")
            click.echo(f"\n{' and '.join(total)}: nothing is broken")
    if check and failures:
        exit_with(1)


def _broken_rules(registry: Registry) -> Iterator[Failure]:
    """Cards that say something else than the code; of the signatures a wrong example, illegal edge cases, and so on."""
    from losszoo.testing.card_checks import card_faults  # imports torch
    from losszoo.testing.signature_checks import signature_faults

    for name, fault in card_faults(registry.losses):
        yield Failure(registry.origin("loss", name), "check", f"loss {name}: {fault}")
    for name in registry.loadable("signature"):
        for fault in signature_faults(name):
            yield Failure(registry.origin("signature", name), "check", f"signature {name}: {fault}")


def _plugin(registry: Registry, origin: Origin) -> dict[str, Any]:
    offered = {
        plural: [name for name in registry.shelf(what) if registry.origin(what, name) == origin]
        for plural, what in _OFFERS.items()
    }
    return {**asdict(origin), **offered}


def _offer(registry: Registry, origin: Origin) -> str:
    plugin = _plugin(registry, origin)
    counts = [(len(plugin[plural]), what) for plural, what in _OFFERS.items()]
    return ", ".join(counted(count, what) for count, what in counts if count) or "nothing"


def _failure(failure: Failure) -> dict[str, str]:
    return {**asdict(failure.origin), "stage": failure.stage, "reason": failure.reason}
