"""``losszoo run``: train a loss on a task, and show the result beside the published ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from losszoo.cli.completion import loss_names, task_names
from losszoo.cli.option_groups import GroupedCommand
from losszoo.cli.progress_bar import Update, progress_bar
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_json, warn_of_failures
from losszoo.cli.task_options import given_tasks, say_notes, task_options
from losszoo.cli.threads import is_first, wait_politely
from losszoo.common.text import printable
from losszoo.errors import UsageError
from losszoo.registry.compatibility import check_fit, leaves, own_names
from losszoo.registry.expressions import Weighted, parse
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.metric_choice import judged
from losszoo.tasks.tables.read_table import is_table
from losszoo.training.result_options import ResultOptions

if TYPE_CHECKING:
    from losszoo.tasks.task import Task
    from losszoo.training.run_result import RunResult

EXIT_CODES = {"completed": 0, "stopped-early": 0, "stopped-by-guard": 1, "interrupted": 1}


@make_command("run", GroupedCommand)
@click.option(
    "--loss",
    shell_complete=loss_names,
    help="Name, expression (0.7*bce + 0.3*smoothness) or target (file.py:MyLoss).",
)
@click.option(
    "--task",
    shell_complete=task_names,
    help="Name of a task (losszoo tasks lists them), a target (file.py:MyTask), a table (churn.csv), or a folder of "
    "images (photos/).",
)
@task_options
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of the weights, batches and random draws.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="model., recipe., loss. or task. keys: model.dim=64.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="The same as --set recipe.epochs=N.")
@click.option(
    "--class-weight",
    metavar="balanced|CLASS=W",
    help="How often the rows of each class count in the loss; the same as --set recipe.class_weight.",
)
@click.option("--model", metavar="FILE.PY:NET", help="A network of your own under the loss: a torch.nn.Module.")
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    help="Metric by which the best epoch is chosen, by its name in scikit-learn: f1_macro, roc_auc, log_loss. More of "
    "them are reported too.",
)
@click.option("--per-class", is_flag=True, help="Show recall, precision, F1 and support of each class too.")
@click.option("--clip-norm", default=ResultOptions.clip_norm, type=float, help="Largest gradient norm.")
@click.option(
    "--clip-value", default=ResultOptions.clip_value, type=float, help="Largest absolute value of a gradient entry."
)
@click.option(
    "--clip",
    default=ResultOptions.clip,
    metavar="auto|zscore",
    help="Adaptive bound of the norm: auto(percentile=90), zscore(threshold=3).",
)
@click.option(
    "--on-nonfinite",
    default=ResultOptions.on_nonfinite,
    show_default=True,
    type=click.Choice(["raise", "skip", "rollback"]),
    help="Stop, skip the step, or roll back to the last good state with half the learning rate.",
)
@click.option(
    "--accumulate",
    default=ResultOptions.accumulate,
    show_default=True,
    type=click.IntRange(min=1),
    help="Batches that make one step.",
)
@click.option(
    "--precision",
    default=ResultOptions.precision,
    show_default=True,
    type=click.Choice(["fp32", "bf16", "fp16"]),
    help="Precision of the model's forward pass.",
)
@click.option("--compile", is_flag=True, help="Compile the model with torch.compile.")
@click.option("--tensorboard", is_flag=True, help="Write scalars and gradient histograms into the run folder.")
@click.option("--mlflow", is_flag=True, help="Log a run of MLflow too, where MLFLOW_TRACKING_URI says.")
@click.option("--out", default="runs", show_default=True, help="Folder of the run folders.")
@click.option("--device", default=ResultOptions.device, show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--signature", help="Signature of your own loss, if its argument names do not show it.")
@click.option("--expects", help="What your own loss takes: logits, probabilities or log-probabilities.")
@click.option(
    "--resume", metavar="RUN_DIR", help="Resume a run that was killed or interrupted; it takes no other settings."
)
@click.option("--trust", is_flag=True, help="With --resume: run the code that the folder names, file.py:NAME.")
@click.option(
    "--checkpoint-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Save a checkpoint after this number of seconds.",
)
def command(
    loss: str | None,
    task: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    resume: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Train a loss on a task, guarded, and score it.

    A run on a loss of your own (file.py:NAME) is resumed with --trust, or with the same --loss once more: a folder
    alone runs no code.

    \b
    losszoo run --loss nca-stable --task abalone
    losszoo run --loss "0.7*focal(gamma=2) + 1e-4*l2" --task digits-rare
    losszoo run --loss ./my_loss.py:MyLoss --task digits
    losszoo run --loss nca-ratio --task abalone --on-nonfinite skip
    losszoo run --resume runs/abalone/nca-stable/20261121-111753-seed0-ugvyz4ej
    losszoo run --resume runs/digits/my-loss.py-MyLoss/... --trust
    torchrun --nproc-per-node 2 -m losszoo run --loss sup-con --task digits
    """
    given = given_tasks((task,) if task else (), options)
    if resume is not None:
        if not resume.strip():
            raise UsageError(f"--resume must be the folder of a run, got {resume!r}")
        resume_run(resume, loss, task, trust, as_json, options)
    elif trust:
        raise UsageError("--trust must go with --resume, got --trust alone: a loss that you name is trusted already")
    elif loss is None or task is None:
        raise UsageError("run needs --loss and --task, or --resume RUN_DIR; losszoo list and losszoo tasks show them")
    else:
        start_run(loss, given[0], settings, as_json, options)


def start_run(loss: str, task: str | Task, settings: tuple[str, ...], as_json: bool, options: dict[str, Any]) -> None:
    """A new run."""
    per_class = options.pop("per_class")
    check_options(settings, **options)
    registry = installed()
    spec = judged(announced(task), options["metric"])
    loss = told_own_names(loss)
    terms = parse(loss)
    check_fit(registry, terms, spec)  # before torch is imported: a wrong name is answered at once
    told: Collection[str] = ()
    if is_first():
        warn_of_exhibits(terms)
        warn_of_failures(registry)
        told = say_notes([task])
    wait_politely()
    with progress_bar(f"{loss} on {spec.name}", options["epochs"], "loading torch") as update:
        from losszoo.training.run import run

        result = run(loss, task, set=settings, raise_interrupt=False, **options, **hooks(update, told))
    answer(result, spec, twins_of(terms), as_json, target_of(task), per_class)


def announced(task: str | Task) -> TaskSpec:
    """The spec of an installed task, of one in a file, or of one that is made."""
    if isinstance(task, str) and ":" not in task and not is_table(task):
        return installed().task(task)
    wait_politely()
    from losszoo.tasks.make_task import task_of

    return task_of(task)[0]


def target_of(task: str | Task) -> str:
    """What has to be given again to resume a run, as it names code."""
    return task if isinstance(task, str) and ":" in task else ""


def resume_run(
    folder: str, loss: str | None, task: str | None, trust: bool, as_json: bool, options: dict[str, Any]
) -> None:
    """The rest of a run.

    Args:
        folder: of the run.
        loss: the text that the folder is to hold.
        task: given again, where it is of your own.
        trust: let the folder name code outside the registry.
        as_json: whether stdout is for the document.
        options: of the command line.
    """
    context = click.get_current_context()
    given = [
        f"--{name.replace('_', '-')}"
        for name in ("settings", *options)
        if name not in ("checkpoint_seconds", "tensorboard", "mlflow", "model", "per_class")
        and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    given += ["--task"] if task is not None and ":" not in task else []
    if given:
        named = " and ".join(given).replace("--settings", "--set")
        raise UsageError(
            "--resume must stand alone, or with --loss, --trust, --checkpoint-seconds, --tensorboard, --mlflow and a "
            f"--task of your own, as the run folder holds every setting, got {named}"
        )
    wait_politely()
    with progress_bar(f"resuming {folder}", None, "loading torch") as update:
        from losszoo.training.run import run
        from losszoo.training.run_folder.resume import read_run

        kept = read_run(Path(folder))
        again = kept.task_of(task)
        by_name = () if kept.config.get("metric_is_object") else kept.config.get("metric", ())
        spec = judged(announced(again), by_name)
        beside = {name: options[name] for name in ("checkpoint_seconds", "tensorboard", "mlflow", "model")}
        told = say_notes([again]) if kept.result is None and is_first() else ()
        result = run(loss, task, resume=folder, trust=trust, raise_interrupt=False, **beside, **hooks(update, told))
    if kept.result is not None and is_first():
        click.echo(f"note: this run had ended ({kept.result.status}); nothing was trained", err=True)
    answer(result, spec, twins_of(parse(result.loss)), as_json, target_of(again), options["per_class"])


def answer(
    result: RunResult, spec: TaskSpec, twins: Mapping[str, str], as_json: bool, target: str, by_class: bool
) -> None:
    """The result, once: of several ranks the first one speaks.

    Args:
        result: of the run.
        spec: of its task.
        twins: the exhibits in the loss, each with its stable form.
        as_json: whether stdout is for the document.
        target: of the task, where it is code of the user.
        by_class: show a table of the classes too.
    """
    if is_first():
        from rich.console import Console

        from losszoo.cli.tables.result_table import show

        if as_json:
            print_json(result.to_dict())
        show(result, spec, Console(stderr=as_json, highlight=False), twins, target, by_class)
    exit_with(EXIT_CODES[result.status])


def check_options(settings: tuple[str, ...], epochs: int | None, out: str, **_: Any) -> None:
    """What can be refused without any loss or task."""
    if not out.strip():
        raise UsageError(f"out must be the path of a folder, got {out!r}")
    again = [item for item in settings if item.partition("=")[0].strip() == "recipe.epochs"]
    if epochs is not None and again:
        raise UsageError(f"epochs must be given once, got --epochs {epochs} and --set {again[-1]}; leave one out")


def told_own_names(loss: str) -> str:
    """The expression with own names; that a name of the field stands for another one is said."""
    own = own_names(loss)
    if own != loss:
        click.echo(f"note: {loss} is {own} here; losszoo info tells how it differs from others of that name", err=True)
    return own


def twins_of(terms: tuple[Weighted, ...]) -> dict[str, str]:
    """The exhibits in an expression, each with its stable form."""
    specs = [installed().losses.get(installed().own_name(call.name)) for call in leaves(installed(), terms)]
    return {spec.name: spec.stable_twin for spec in specs if spec is not None and spec.stable_twin}


def warn_of_exhibits(terms: tuple[Weighted, ...]) -> None:
    """An exhibit is unstable on purpose; it is said before it starts."""
    for name, twin in twins_of(terms).items():
        click.echo(f"note: {name} is an exhibit, unstable on purpose; {twin} is its stable form", err=True)


def hooks(update: Update, told: Collection[str] = ()) -> dict[str, Any]:
    """What a run calls: a stage and an epoch change the bar; a note that is not told yet is told before the first."""

    def on_epoch(line: Mapping[str, Any]) -> None:
        first, *others = [f"val {name} {value:.4f}" for name, value in line["val"].items()] or [""]
        bad = [f"bad steps {line['bad_steps']}"] if line["bad_steps"] else []
        parts = [first, f"loss {line['loss']:.4f}", *bad, *others]
        update(total=line["epochs"], completed=line["epoch"] + 1, line=[part for part in parts if part])

    def on_note(note: str) -> None:
        if note not in told:
            click.echo(f"note: {printable(note)}", err=True)

    return {
        "on_epoch": on_epoch,
        "on_stage": lambda stage: update(line=stage),
        "on_note": on_note,
    }
