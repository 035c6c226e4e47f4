"""``losszoo run``: train a loss on a task, and show the result beside the published ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from losszoo.cli.common import command as make_command
from losszoo.cli.common import exit_with, print_json, warn_of_failures
from losszoo.cli.threads import wait_politely
from losszoo.errors import UsageError
from losszoo.registry.expressions import Weighted, parse
from losszoo.registry.fit import check_fit, leaves
from losszoo.registry.registry import installed

EXIT_CODES = {"completed": 0, "stopped-early": 0, "stopped-by-guard": 1, "interrupted": 1}


@make_command("run")
@click.option("--loss", required=True, help="Name, expression (0.7*bce + 0.3*smoothness) or target (file.py:MyLoss).")
@click.option("--task", required=True, help="Name of a task; losszoo tasks lists them.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Of weights, batches and draws."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="model., recipe., loss. or task. keys: model.dim=64.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Short for --set recipe.epochs=N.")
@click.option("--clip-norm", type=float, help="Largest gradient norm.")
@click.option("--clip-value", type=float, help="Largest absolute gradient entry.")
@click.option(
    "--on-nonfinite",
    default="raise",
    show_default=True,
    type=click.Choice(["raise", "skip", "rollback"]),
    help="Stop, leave the step out, or go back to the last good state at half the rate.",
)
@click.option("--out", default="runs", show_default=True, help="Folder of the run folders.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--signature", help="Of a loss of your own, where its argument names do not say.")
@click.option("--expects", help="Of a loss of your own: logits, probabilities or log-probabilities.")
def command(loss: str, task: str, settings: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Train a loss on a task, guarded, and score it.

    \b
    losszoo run --loss nca-stable --task abalone
    losszoo run --loss "0.7*focal(gamma=2) + 1e-4*l2" --task digits-rare
    losszoo run --loss ./my_loss.py:MyLoss --task digits
    losszoo run --loss nca-ratio --task abalone --on-nonfinite skip
    """
    check_options(settings, **options)
    registry = installed()
    spec = registry.task(task)
    terms = parse(loss)
    check_fit(registry, terms, spec)  # before torch is imported: a wrong name is answered at once
    warn_of_exhibits(terms)
    warn_of_failures(registry)

    from rich.console import Console

    from losszoo.cli.result_table import show

    wait_politely()
    from losszoo.harness.train import run

    with epoch_display(loss, task, options["epochs"]) as on_epoch:
        result = run(loss, task, set=settings, on_epoch=on_epoch, raise_interrupt=False, **options)
    if as_json:
        print_json(result.to_dict())
    show(result, spec, Console(stderr=as_json, highlight=False), twins_of(terms))
    exit_with(EXIT_CODES[result.status])


def check_options(settings: tuple[str, ...], epochs: int | None, out: str, **_: Any) -> None:
    """What can be refused without any loss or task."""
    if not out.strip():
        raise UsageError(f"out must be the path of a folder, however: out={out!r}")
    again = [item for item in settings if item.partition("=")[0].strip() == "recipe.epochs"]
    if epochs is not None and again:
        raise UsageError(f"epochs is given twice: say one of --epochs {epochs} and --set {again[-1]}")


def twins_of(terms: tuple[Weighted, ...]) -> dict[str, str]:
    """The exhibits in an expression, each with its stable form."""
    specs = [installed().losses.get(call.name) for call in leaves(installed(), terms)]
    return {spec.name: spec.stable_twin for spec in specs if spec is not None and spec.stable_twin}


def warn_of_exhibits(terms: tuple[Weighted, ...]) -> None:
    """An exhibit is unstable on purpose; it is said before it starts."""
    for name, twin in twins_of(terms).items():
        click.echo(f"note: {name} is an exhibit, unstable on purpose; {twin} is its stable form", err=True)


class epoch_display:  # noqa: N801 (used as a context manager, like a function)
    """A progress bar on a terminal, nothing in a pipe."""

    def __init__(self, loss: str, task: str, epochs: int | None = None) -> None:
        self.title = f"{loss} on {task}"
        self.epochs = epochs
        self.bar: Any = None
        self.bar_task: Any = None

    def __enter__(self) -> Callable[[Mapping[str, Any]], None]:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.markup import escape
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[line]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self.bar_task = self.bar.add_task(escape(self.title), total=self.epochs, line="")
            self.bar.start()
        return self.show

    def show(self, line: Mapping[str, Any]) -> None:
        """One epoch has ended."""
        if self.bar is not None:
            metrics = "  ".join(f"val {name} {value:.4f}" for name, value in line["val"].items())
            bad = f"  bad steps {line['bad_steps']}" if line["bad_steps"] else ""
            self.bar.update(
                self.bar_task,
                total=line["epochs"],
                completed=line["epoch"] + 1,
                line=f"loss {line['loss']:.4f}  {metrics}{bad}",
            )

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()
