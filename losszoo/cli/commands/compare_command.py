"""``losszoo compare``: many losses on many tasks with many seeds, side by side, and nothing lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from losszoo.cli.commands.run_command import check_options, warn_of_exhibits
from losszoo.cli.commands.run_command import command as run_command
from losszoo.cli.completion import loss_names, task_names
from losszoo.cli.option_groups import GroupedCommand
from losszoo.cli.progress_bar import is_shown, progress_bar
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_error, print_json, say_error, warn_of_failures
from losszoo.cli.task_options import given_tasks, say_notes, task_options
from losszoo.cli.threads import wait_politely
from losszoo.comparison.compare_options import DECIDING, FREE, parse_seeds
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed

if TYPE_CHECKING:
    from losszoo.comparison.compare_progress import Standing
    from losszoo.comparison.comparison import Comparison
    from losszoo.comparison.grid import Grid

_MOST_SHOWN = 4


@make_command("compare", GroupedCommand)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    required=True,
    shell_complete=task_names,
    help="Name of a task, a target (file.py:MyTask), a table (churn.csv), or images (photos/); may be repeated.",
)
@task_options
@click.option(
    "--loss",
    "losses",
    multiple=True,
    required=True,
    shell_complete=loss_names,
    help="Name, expression or target; may be repeated.",
)
@click.option(
    "--seeds",
    default="5",
    show_default=True,
    metavar="N|A,B,...",
    help="Number of seeds (5: 0 to 4), or a list of seeds.",
)
@click.option("--baselines", is_flag=True, help="Also train baselines of scikit-learn on the same rows.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs at the same time; by default 1, with Ray the CPUs of the cluster."
)
@click.option("--backend", default="local", show_default=True, type=click.Choice(["local", "ray"]))
@click.option(
    "--address", metavar="HOST:PORT", help="Address of a Ray cluster; by default one is started on this machine."
)
@click.option("--timeout", type=float, metavar="SECONDS", help="Time limit of a run.")
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Threads of torch in every run."
)
@click.option(
    "--out", default="comparisons", show_default=True, help="Folder of the results; a second call continues there."
)
@click.option("--per-class", is_flag=True, help="Show recall, precision, F1 and support of each class too.")
@click.option("--fresh", is_flag=True, help="Compute cells again that have another config.")
def command(
    tasks: tuple[str, ...],
    losses: tuple[str, ...],
    seeds: str,
    settings: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Compare losses on tasks, over seeds.

    Every loss is trained on every task with every seed; the table compares their test metrics.
    Every run is a cell of a grid with a file of its own. The same command again computes only what is missing or has
    failed. Exit code 0: all cells are done; 1: some are not; 2: wrong usage, and nothing was started.

    \b
    losszoo compare --task abalone --loss nca-stable --loss cross-entropy --jobs 2
    losszoo compare --task digits --task abalone --loss modern-nca --baselines
    losszoo compare --task digits --loss ./my_loss.py:MyLoss --loss cross-entropy
    losszoo compare --task digits --loss bce --seeds 3,7,11 --timeout 60
    losszoo compare --task abalone --loss nca --backend ray --address head:6379
    """
    by_class = options.pop("per_class")
    check_options(settings, options["epochs"], options["out"])
    how_many = parse_seeds(seeds)
    given = given_tasks(tasks, options)
    warn_of_failures(installed())
    say_notes(given)
    wait_politely()
    try:
        comparison = _compared(losses, given, how_many, settings, options)
    except KeyboardInterrupt as error:
        message = str(error) or "interrupted"
        if as_json:
            print_error("KeyboardInterrupt", message)
        say_error(message)
        exit_with(1)
        return
    from rich.console import Console

    from losszoo.cli.tables.compare_table import show

    if as_json:
        print_json(comparison.to_dict())
    show(comparison, Console(stderr=as_json, highlight=False), by_class)
    exit_with(1 if comparison.failures else 0)


# Before --json and --debug, the last of every command.
command.params[-2:-2] = [param for param in run_command.params if param.name in ("settings", *DECIDING, *FREE)]


def _compared(
    losses: Sequence[str],
    tasks: Sequence[Any],
    seeds: int | Sequence[int],
    settings: Sequence[str],
    options: Mapping[str, Any],
) -> Comparison:
    from losszoo.comparison.compare import compare

    with progress_bar("cells", None, "checking the grid") as update:

        def on_progress(standing: Standing) -> None:
            more = len(standing.running) - _MOST_SHOWN
            running = "; ".join(standing.running[:_MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            update(total=standing.total, completed=standing.ended, line=running)

        watch = on_progress if is_shown() else None
        return compare(losses, tasks, seeds, set=settings, on_progress=watch, on_grid=_announce, **options)


def _announce(grid: Grid) -> None:
    for loss in grid.members.losses:
        warn_of_exhibits(parse(loss))
