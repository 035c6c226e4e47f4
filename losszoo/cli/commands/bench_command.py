"""``losszoo bench``: time and memory of a loss beside its peers."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from losszoo.cli.commands.run_command import warn_of_exhibits
from losszoo.cli.completion import loss_names
from losszoo.cli.progress_bar import status_line
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_json, warn_of_failures
from losszoo.cli.threads import wait_politely
from losszoo.errors import UsageError
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed

if TYPE_CHECKING:
    from losszoo.bench.measure import Settings
    from losszoo.bench.subjects import Subject

EXIT_CODES = {"agrees": 0, "not-compared": 0, "differs": 1, "failed": 1}
_PICTURES = (".html", ".png", ".svg")
_AT_LEAST_ONE = click.IntRange(min=1)


@make_command("bench")
@click.argument("names", metavar="NAME...", nargs=-1, shell_complete=loss_names)
@click.option("--family", help="Every loss of a family, such as nca, instead of names.")
@click.option("--sizes", metavar="N,...", help="Rows or elements: 1024,8192; or rows x classes: 512x1000.")
@click.option("--dim", "dims", default="64", show_default=True, metavar="D,...", help="Widths of embeddings.")
@click.option("--classes", type=_AT_LEAST_ONE, help="Number of classes of labels (10 by default) or logits (1000).")
@click.option("--against", metavar="PEER,...", help="dense, torch, pml, entmax, ..., or your own FILE.PY:FUNCTION.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float64"]))
@click.option("--repeats", type=_AT_LEAST_ONE, help="Samples of a cell; by default as many as the budget allows.")
@click.option("--budget", default=4.0, show_default=True, metavar="SECONDS", help="Seconds for the samples of a cell.")
@click.option("--threads", type=_AT_LEAST_ONE, help="Threads of torch.")
@click.option(
    "--memory-limit", metavar="SIZE", help="Memory limit of a cell: 4GB, or a share of the free memory; 0.7 by default."
)
@click.option("--timeout", default=300.0, show_default=True, metavar="SECONDS", help="Time limit of a cell.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Seed of the inputs.")
@click.option("--predict", metavar="N,...", help="Predict the cost of N rows from four sizes or more.")
@click.option("--plot", metavar="FILE", help="Write a plot over N: out.html, out.png or out.svg.")
@click.option("--signature", help="Signature of your own loss, if its argument names do not show it.")
@click.option("--expects", help="What your own loss takes: logits, probabilities or log-probabilities.")
def command(names: tuple[str, ...], family: str | None, plot: str | None, as_json: bool, **given: Any) -> None:
    """Time and peak memory of losses beside other implementations.

    Forward and backward are measured, beside other implementations of the same.
    NAME is a name, a call, or a loss of your own (file.py:MyLoss). Values and gradients are compared before anything
    is timed. Exit code 0: fine; 1: a value disagrees, or a loss gives none.

    \b
    losszoo bench nca --sizes 1024,8192 --against dense,pml
    losszoo bench "focal(gamma=1)" --sizes 800000 --plot focal.png
    losszoo bench sparsemax --sizes 512x1000 --against entmax,entmax-k100
    losszoo bench ./my_loss.py:MyLoss --signature embedding --sizes 65536
    losszoo bench --family nca --sizes 1024,2048,4096,8192 --predict 1000000
    """
    check_options(names, family, plot, given["budget"], given["timeout"])
    wait_politely()
    from losszoo.bench.subjects import subject_of, subjects_of_family

    described = given.pop("signature"), given.pop("expects")
    subjects = subjects_of_family(family) if family else [subject_of(name, *described) for name in names]
    announce(subjects)
    settings = settings_of(**given)
    _run(subjects, settings, plot, as_json)


def check_options(names: tuple[str, ...], family: str | None, plot: str | None, budget: float, timeout: float) -> None:
    """What can be refused without any loss."""
    if bool(names) == bool(family):
        came = "both" if names else "neither"
        raise UsageError(f"bench must have a NAME or --family, got {came}; losszoo list shows the names")
    for name, value in (("budget", budget), ("timeout", timeout)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} must be a number of seconds > 0, got {value}")
    if plot is not None and (Path(plot).suffix not in _PICTURES or not Path(plot).absolute().parent.is_dir()):
        kinds = ", ".join(f"file{kind}" for kind in _PICTURES)
        raise UsageError(f"plot must be one of {kinds} in a folder that exists, got {plot!r}")


def announce(subjects: Iterable[Subject]) -> None:
    """An exhibit is said before it starts; so is a plugin that is broken."""
    for subject in subjects:
        warn_of_exhibits(parse(subject.text))
    warn_of_failures(installed())


def settings_of(
    sizes: str | None,
    dims: str,
    against: str | None,
    memory_limit: str | None,
    predict: str | None,
    device: str,
    **rest: Any,
) -> Settings:
    """The options as the measurement takes them."""
    from losszoo.bench.measure import Settings
    from losszoo.bench.step_memory import limit_of
    from losszoo.bench.workload import parse_numbers
    from losszoo.training.build_loss import device_of

    device_of(device)
    return Settings(
        sizes=sizes,
        dims=parse_numbers("dim", dims),
        against=None if against is None else tuple(dict.fromkeys(name.strip() for name in against.split(","))),
        memory_limit=limit_of(memory_limit, device),
        predict=() if predict is None else parse_numbers("predict", predict),
        device=device,
        **rest,
    )


def _run(subjects: list[Subject], settings: Settings, plot: str | None, as_json: bool) -> None:
    from rich.console import Console

    from losszoo.bench.measure import bench
    from losszoo.cli.tables.bench_table import machine_line, show
    from losszoo.common.files import jsonable

    if plot is not None:
        from losszoo.bench.plot import check_plotting

        check_plotting()
    with status_line("measuring") as on_cell:
        report = bench(subjects, settings, on_cell)
    if as_json:
        print_json(jsonable({"command": _typed(), **report.to_dict()}))
    console = Console(stderr=as_json, highlight=False)
    show(report, console)
    if plot is not None:
        from losszoo.bench.plot import draw

        draw(report, plot, _typed(), machine_line(report.machine))
        console.print(f"picture: {plot}", markup=False)
    exit_with(EXIT_CODES[report.verdict])


def _typed() -> str:
    """The command line, as it can be typed again."""
    import shlex

    return shlex.join(["losszoo", *sys.argv[1:]])
