"""``losszoo replay``: the step of a crash bundle again."""

from __future__ import annotations

import math
from typing import Any

import click

from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_json
from losszoo.cli.threads import wait_politely
from losszoo.doctor.effort import SECONDS
from losszoo.errors import UsageError


@make_command("replay")
@click.argument("bundle")
@click.option(
    "--step",
    metavar="FILE.PY:MAKE_STEP",
    help="For a bundle of losszoo.Guard: a function that takes it, and returns a function that computes the loss.",
)
@click.option("--trust", is_flag=True, help="Run the code that the bundle names: file.py:NAME, package.module:NAME.")
@click.option("--loss", metavar="TEXT", help="The loss that the bundle names: trust this one only.")
@click.option("--task", metavar="FILE.PY:MYTASK", help="The task of the run, if it is one of your own.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option(
    "--budget",
    default=SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for the step, and again for the doctor.",
)
@click.option("--no-doctor", is_flag=True, help="Do not hand the batch to the doctor.")
def command(bundle: str, budget: float, no_doctor: bool, as_json: bool, **options: Any) -> None:
    """Repeat the step of a crash bundle, and say what broke.

    A bundle makes only registered losses. A loss of your own is code: give --trust, or the same text as --loss.
    All of it runs in a process of its own, with limits on memory and time.

    \b
    losszoo replay runs/abalone/nca-ratio/.../bundles/step-103.pt
    losszoo replay runs/digits/.../bundles/step-1.pt --loss ./my_loss.py:MyLoss
    losszoo replay bundles/step-7.pt --step train.py:make_step

    Exit codes: 1 the failure is reproduced; 0 it is not; 2 the step cannot be replayed.
    """
    from rich.console import Console

    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"budget must be a number of seconds > 0, got {budget}")
    wait_politely()
    from losszoo.crash_replay.replayed import replay_apart

    result = replay_apart(bundle, budget=budget, examine=not no_doctor, **options)
    if as_json:
        print_json(result.to_dict())

    from losszoo.cli.tables.replay_report import show

    show(result, Console(stderr=as_json, highlight=False))
    exit_with(1 if result.reproduced else 0)
