"""``losszoo doctor``: where a loss breaks, why, on which smallest input, and what cures it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from losszoo.api import list_losses
from losszoo.cli.commands.run_command import warn_of_exhibits
from losszoo.cli.completion import loss_names
from losszoo.cli.progress_bar import progress_bar, status_line
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_json, say_error, warn_of_failures
from losszoo.cli.threads import wait_politely
from losszoo.doctor.effort import EFFORT, SECONDS
from losszoo.errors import UsageError
from losszoo.registry.compatibility import COMBINER, check_params, leaves
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed

if TYPE_CHECKING:
    pass

DTYPES = ("float32", "bfloat16", "float16", "float64")
EXIT_CODES = {"healthy": 0, "sick": 1, "undecided": 1}
# The doctor itself has failed: of the loss nothing is said.
_OF_ITS_OWN = 2
_JOBS = 2
# Each option goes with one of the two ways to call the command.
_OF_TARGET = ("signature", "expects", "example")
_OF_ALL = ("plugin", "jobs")


@make_command("doctor")
@click.argument("target", required=False, shell_complete=loss_names)
@click.option("--all", "everything", is_flag=True, help="Examine every installed loss; an exhibit should be sick.")
@click.option("--signature", help="Signature of your own loss, if its argument names do not show it.")
@click.option("--expects", help="What your own loss takes: logits, probabilities or log-probabilities.")
@click.option("--example", metavar="FILE:NAME", help="Function that returns one ordinary tuple of inputs.")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(DTYPES),
    metavar="DTYPE",
    help=f"{', '.join(DTYPES)}; may be repeated.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Seed of all random draws."
)
@click.option(
    "--effort",
    default=EFFORT,
    show_default=True,
    type=click.IntRange(min=1),
    help="Evaluations for each loss; it decides which inputs are tried.",
)
@click.option(
    "--budget",
    default=SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Seconds of computing for each loss; at most ten times as many pass. Only for emergencies.",
)
@click.option("--plugin", help="With --all: only losses of this distribution or entry point.")
@click.option("--jobs", type=click.IntRange(min=1), help=f"With --all: processes; {_JOBS} by default.")
@click.option("--html", metavar="FILE", help="Write a page with plots as well: report.html.")
def command(target: str | None, everything: bool, as_json: bool, **given: Any) -> None:
    """Examine a loss: where it breaks, why, and the remedy.

    TARGET is a name, an expression, or a loss of your own (file.py:MyLoss, package.module:my_loss).
    It is examined in a process of its own, with limits on memory and time.
    Exit code 0: healthy; 1: sick, or undecided, as where the time limit ended it; 2: wrong usage, or the doctor failed.

    \b
    losszoo doctor nca-ratio
    losszoo doctor ./my_loss.py:MyLoss --signature multiclass --dtype float16
    losszoo doctor ./my_loss.py:my_loss --example ./my_loss.py:make_inputs
    losszoo doctor --all
    """
    check_options(target, everything, **given)
    options = {name: given[name] for name in ("seed", "effort", "budget")}
    options |= {"dtypes": tuple(dict.fromkeys(given["dtypes"]))} if given["dtypes"] else {}
    if target is not None:
        if not _is_file(target):  # the process that examines says what is in it
            announce(target)
        more = {name: given[name] for name in ("signature", "expects")}
        code = _one(target, options | more, given["example"], given["html"], as_json)
    else:
        code = _all(options, given["plugin"], given["jobs"] or _JOBS, given["html"], as_json)
    exit_with(code)


def check_options(target: str | None, everything: bool, budget: float, html: str | None, **given: Any) -> None:
    """What can be refused without any loss."""
    if everything == (target is not None):
        both = "both" if everything else "neither"
        raise UsageError(f"doctor must have a TARGET or --all, got {both}; losszoo list shows the names")
    for name in _OF_TARGET if everything else _OF_ALL:
        if given[name] is not None:
            which = "a TARGET" if everything else "--all"
            raise UsageError(f"--{name} must go with {which}, got {given[name]!r}; leave it out")
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"budget must be a number of seconds > 0, got {budget}")
    if html is not None and (Path(html).suffix not in (".html", ".htm") or not Path(html).absolute().parent.is_dir()):
        raise UsageError(f"html must be a file.html in a folder that exists, got {html!r}")


def _is_file(target: str) -> bool:
    return target.endswith(".py") and Path(target).expanduser().is_file()


def announce(target: str) -> None:
    """Refuse an unknown name before torch is imported; an exhibit is said before it starts."""
    registry = installed()
    terms = parse(target)
    calls = [call for call in leaves(registry, terms, alone=True) if ":" not in call.name]
    for call in calls:
        check_params(registry.loss(call.name), call.arguments, str(registry.origin("loss", call.name)))
    if not any(COMBINER in registry.loss(call.name).tags for call in calls):  # one that stands alone is no sum to train
        warn_of_exhibits(terms)
    warn_of_failures(registry)


def _one(target: str, options: dict[str, Any], example: str | None, html: str | None, as_json: bool) -> int:
    wait_politely()
    from rich.console import Console

    from losszoo.cli.tables.diagnosis import show
    from losszoo.doctor.in_child import Examiner

    with status_line(f"examining {target}"), Examiner() as examiner:
        examination = examiner.examine(target, options, example)
    console = Console(stderr=as_json, highlight=False)
    if as_json:
        _answer(examination.to_dict())
    show(examination, console)
    if html:
        _page([examination], html, target, console)
    if examination.error:
        say_error(f"{examination.error}; please report it, with the loss")
        return _OF_ITS_OWN
    return EXIT_CODES[examination.verdict]


def _all(options: dict[str, Any], plugin: str | None, jobs: int, html: str | None, as_json: bool) -> int:
    specs = list_losses(plugin=plugin)
    warn_of_failures(installed())
    wait_politely()
    from rich.console import Console

    from losszoo.cli.tables.doctor_all_table import show_all
    from losszoo.doctor.examine_all import examine_all

    with progress_bar("examining", len(specs), "") as update:
        answer = examine_all(specs, options, jobs, lambda one: update(advance=1, line=f"{one.name}: {one.verdict}"))
    console = Console(stderr=as_json, highlight=False)
    if as_json:
        _answer(answer.to_dict())
    show_all(answer.losses, console)
    if html:
        _page(answer.losses, html, f"losses of {plugin}" if plugin else "every installed loss", console)
    return EXIT_CODES[answer.verdict]


def _answer(document: dict[str, Any]) -> None:
    """The document; a number that JSON cannot say is null."""
    from losszoo.common.files import jsonable

    print_json(jsonable(document))


def _page(examinations: Any, html: str, title: str, console: Any) -> None:
    from rich.text import Text

    from losszoo.cli.tables.styled import write
    from losszoo.doctor.report.doctor_page import write_page

    write_page(examinations, html, title)
    write([Text(f"page: {html}")], console)
