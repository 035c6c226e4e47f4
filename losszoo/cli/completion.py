"""What a shell completes: names of losses and tasks from the registry, which loads no torch; else files."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from losszoo.registry.registry import installed


def loss_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The losses that begin so, by their aliases too; or files."""
    return _beginning(incomplete, _losses())


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tasks that begin so, or files."""
    return _beginning(incomplete, _tasks())


def all_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The losses and tasks that begin so, or files."""
    return _beginning(incomplete, _losses() | _tasks())


def _losses() -> dict[str, str]:
    """What each is, by name and alias."""
    registry = installed()
    return {name: registry.loss(name).summary for name in (*registry.losses, *registry.aliases)}


def _tasks() -> dict[str, str]:
    return {name: spec.summary for name, spec in installed().tasks.items()}


def _beginning(incomplete: str, known: dict[str, str]) -> list[CompletionItem]:
    found = [CompletionItem(name, help=text) for name, text in known.items() if name.startswith(incomplete)]
    # The shell itself completes a path, as of my_loss.py or churn.csv.
    return found or [CompletionItem(incomplete, type="file")]
