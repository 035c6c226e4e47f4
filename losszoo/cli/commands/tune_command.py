"""``losszoo tune``: search the settings of a loss and its training on the validation rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from losszoo.cli.commands.run_command import announced, check_options, told_own_names, warn_of_exhibits
from losszoo.cli.commands.run_command import command as run_command
from losszoo.cli.completion import loss_names, task_names
from losszoo.cli.option_groups import GroupedCommand
from losszoo.cli.progress_bar import progress_bar
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import counted, exit_with, print_json, warn_of_failures
from losszoo.cli.task_options import given_tasks, say_notes, task_options
from losszoo.cli.threads import wait_politely
from losszoo.common.text import printable
from losszoo.registry.compatibility import check_fit
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed
from losszoo.tasks.metric_choice import judged
from losszoo.training.result_options import RESULT_OPTIONS

if TYPE_CHECKING:
    from losszoo.tuning.study import Counts
    from losszoo.tuning.tuning_result import Tuning

_AT_LEAST_ONE = click.IntRange(min=1)
# So many parameters explain nearly everything.
_MOST_IMPORTANT = 5
# So many reasons show what is wrong; the study holds all of them.
_MOST_FAILURES = 3
# A timeout is an end that was asked for.
_DONE = ("completed", "timeout")


@make_command("tune", GroupedCommand)
@click.option(
    "--loss",
    required=True,
    shell_complete=loss_names,
    help="Name, expression (0.7*bce + 0.3*smoothness) or target (file.py:MyLoss).",
)
@click.option(
    "--task",
    required=True,
    shell_complete=task_names,
    help="Name of a task, a target (file.py:MyTask), a table (churn.csv), or images (photos/).",
)
@task_options
@click.option(
    "--trials",
    default=50,
    show_default=True,
    type=_AT_LEAST_ONE,
    help="Number of trials, with those of earlier calls and of other machines.",
)
@click.option(
    "--storage", metavar="URL", help="Database: an SQLite file in --out by default; postgresql://..., mysql://..."
)
@click.option("--study", metavar="NAME", help="Name of the study; made from task and loss by default.")
@click.option(
    "--seeds", default=1, show_default=True, type=_AT_LEAST_ONE, help="Runs of a trial; its value is their mean."
)
@click.option(
    "--splits", default=1, show_default=True, type=_AT_LEAST_ONE, help="Splits of the data for each of these runs."
)
@click.option("--jobs", default=1, show_default=True, type=_AT_LEAST_ONE, help="Processes, with one thread each.")
@click.option("--epochs", type=_AT_LEAST_ONE, help="The same as --set recipe.epochs=N.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a key, which is then not searched: model.dim=64."
)
@click.option(
    "--search",
    multiple=True,
    metavar="KEY=RANGE",
    help="Range to search: LOW:HIGH, LOW:HIGH:log or a,b,c; may be repeated.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Seed of the sampler.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Start no trial after this time.")
@click.option("--threads", type=_AT_LEAST_ONE, help="Threads of torch in each process.")
@click.option("--out", default="tunings", show_default=True, help="Folder of the SQLite file and the run folders.")
@click.option("--keep", is_flag=True, help="Keep the run folders of all trials, not only of the best one.")
def command(
    loss: str, task: str, settings: tuple[str, ...], search: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Search the settings that are best on the validation rows.

    The test rows are never scored.
    The first trial is what task and loss propose. The same command again continues the study, on any
    machine that reaches the storage. Exit code 1: no trial was completed, Ctrl-C, or trials that are missing.

    \b
    losszoo tune --loss modern-nca --task abalone --trials 50
    losszoo tune --loss "bce + l2" --task digits --search weight.l2=1e-5:1e-2:log
    losszoo tune --loss nca --task abalone --search recipe.lr=1e-4:1e-2:log
    losszoo tune --loss nca --task abalone --storage postgresql://me@host/studies
    """
    check_options(settings, **options)
    registry = installed()
    loss = told_own_names(loss)
    terms = parse(loss)
    (given,) = given_tasks((task,), options)
    spec = judged(announced(given), options["metric"])
    check_fit(registry, terms, spec)  # before torch is imported: a wrong name is answered at once
    warn_of_exhibits(terms)
    warn_of_failures(registry)
    say_notes([given])
    wait_politely()
    from losszoo.tuning.storage import require_optuna

    require_optuna()
    from losszoo.tuning.tune import search as run_search
    from losszoo.tuning.tuning_options import TuneOptions
    from losszoo.tuning.tuning_plan import make_study_plan

    plan = make_study_plan(loss, given, TuneOptions(set=settings, search=search, **options))
    with progress_bar(f"{loss} on {spec.name}", options["trials"], "first trial") as update:

        def on_trial(counts: Counts, best: float | None) -> None:
            line = "" if best is None else f"best val {plan.metric} {best:.4f}"
            line += f"  pruned {counts.pruned}" if counts.pruned else ""
            line += f"  failed {counts.failed}" if counts.failed else ""
            update(completed=counts.ended, line=line)

        tuning = run_search(plan, on_trial)
    if as_json:
        print_json(tuning.to_dict())
    for line in lines_of(tuning, options["trials"]):
        click.echo(line, err=as_json)
    exit_with(0 if tuning.best is not None and tuning.status in _DONE else 1)


# Before --json and --debug, the last of every command.
_OF_RUN = (*RESULT_OPTIONS, "class_weight", "model", "metric")
command.params[-2:-2] = [param for param in run_command.params if param.name in _OF_RUN]


def lines_of(tuning: Tuning, asked: int) -> Iterator[str]:
    """The result as a person reads it; the command line stands on a line of its own, ready to be pasted."""
    counts, best = tuning.counts, tuning.best
    said = f"{counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed"
    ending = "" if tuning.status == "completed" else f"; {tuning.status}"
    ended = f"{counts.ended} of {counted(asked, 'trial')} ({said})"
    yield f"{tuning.loss} on {tuning.task}: {ended} in {tuning.seconds:.0f} s{ending}"
    yield f"study {tuning.study} in {tuning.storage}"
    yield from _rest_of(tuning, asked)
    for number, reason in list(tuning.failures.items())[:_MOST_FAILURES]:
        yield f"trial {number} failed: {printable(reason)}"
    if best is None:
        yield "no trial was completed"
        return
    yield ""
    name = f"validation {tuning.metric.replace('_', ' ')}"
    yield f"{name}: best {best.value:.4f} (trial {best.number}), default {_number(tuning.default)}"
    for note in best.notes:
        yield f"note: {printable(note)}"
    if len(best.values) > 1:
        yield f"  the mean of {', '.join(f'{value:.4f}' for value in best.values)}"
    ranked = sorted(tuning.importance.items(), key=lambda item: -item[1])[:_MOST_IMPORTANT]
    if ranked:
        yield f"what mattered: {', '.join(f'{key} {100 * share:.0f} %' for key, share in ranked)}"
    first_of = "" if len(best.values) == 1 else f", its first training ({best.values[0]:.4f})"
    if best.command:
        yield f"the best again{first_of}:"
        yield best.command
    from losszoo.prediction.load_run import predict_command

    predicting = predict_command(best.run_dir) if best.run_dir else ""
    if predicting:
        yield f"to predict new rows by it{first_of}:"
        yield predicting


def _rest_of(tuning: Tuning, asked: int) -> Iterator[str]:
    """What is missing, and who has it."""
    from losszoo.tuning.heartbeat import SILENT_SECONDS

    if tuning.counts.running:
        where = f"on {', '.join(tuning.elsewhere)}" if tuning.elsewhere else "in another process"
        yield f"still running {where}: {counted(tuning.counts.running, 'trial')}"
    if tuning.status == "waiting":
        yield f"a trial without a mark for {SILENT_SECONDS / 60:.0f} minutes is given up and run again"
    if tuning.status == "stalled":
        yield "several processes died in a trial; check the memory and the code of the loss"
    if tuning.counts.ended < asked:
        yield "repeat the command to continue"


def _number(value: float | None) -> str:
    return "has no value" if value is None else f"{value:.4f}"
