"""``losszoo replay``: the step of a crash bundle again."""

from __future__ import annotations

from typing import Any

import click

from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_json
from losszoo.cli.threads import wait_politely
from losszoo.errors import UsageError


@make_command("replay")
@click.argument("bundle")
@click.option(
    "--step",
    metavar="FILE.PY:MAKE_STEP",
    help="For a bundle of losszoo.Guard: takes the bundle, and returns a function that computes the loss.",
)
@click.option("--trust", is_flag=True, help="Run the code that the bundle names: file.py:NAME, package.module:NAME.")
@click.option("--loss", metavar="TEXT", help="The loss that the bundle is to hold: trusts this one alone.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--no-doctor", is_flag=True, help="Do not hand the batch to the doctor.")
def command(
    bundle: str, step: str | None, trust: bool, loss: str | None, device: str, no_doctor: bool, as_json: bool
) -> None:
    """Repeat the step of a crash bundle, and say what broke.

    A bundle makes losses of the registry alone. A loss of your own is code: say --trust, or the same text as --loss.

    \b
    losszoo replay runs/abalone/nca-ratio/.../bundles/step-103.pt
    losszoo replay runs/digits/.../bundles/step-1.pt --loss ./my_loss.py:MyLoss
    losszoo replay bundles/step-7.pt --step train.py:make_step

    Exit codes: 1 it is reproduced; 0 it is not; 2 it cannot be replayed.
    """
    from rich.console import Console

    wait_politely()
    from losszoo.crash_replay.replay import replay

    examine = not no_doctor
    result = replay(bundle, step=_maker(step), loss=loss, device=device, examine=examine, trust=trust)
    if as_json:
        print_json(result.to_dict())

    from losszoo.cli.tables.replay_report import show

    show(result, Console(stderr=as_json, highlight=False))
    exit_with(1 if result.reproduced else 0)


def _maker(target: str | None) -> Any:
    """The function that a target names."""
    if target is None:
        return None
    from losszoo.registry.import_target import resolve

    found = resolve(target)
    if not callable(found):
        raise UsageError(
            f"--step must name a function that takes the bundle, however: {target} is of type {type(found).__name__}"
        )
    return found
