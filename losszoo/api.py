"""What is installed, asked from Python. Torch-free, except for loading a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from losszoo.errors import UsageError, suggest
from losszoo.registry.registry import installed
from losszoo.registry.specs import SIGNATURES, LossSpec, TaskSpec

if TYPE_CHECKING:
    from losszoo.harness.task import Task


def list_losses(signature: str | None = None, tag: str | None = None, plugin: str | None = None) -> list[LossSpec]:
    """The installed losses, in the order of their plugins.

    Args:
        signature: only those of this signature.
        tag: only those with this tag.
        plugin: only those of this distribution or entry point.

    Raises:
        UsageError: there is no such signature or plugin.

    Example:
        >>> [spec.name for spec in list_losses(signature="pair")]
        ['contrastive']
    """
    registry = installed()
    if signature is not None and signature not in SIGNATURES:
        raise UsageError(f"unknown signature {signature!r}: {suggest(signature, list(SIGNATURES))}")
    plugins = {name for origin in registry.plugins for name in (origin.distribution, origin.entry_point)}
    if plugin is not None and plugin not in plugins:
        raise UsageError(f"unknown plugin {plugin!r}: {suggest(plugin, sorted(plugins))}")
    return [
        spec
        for name, spec in registry.losses.items()
        if signature in (None, spec.signature)
        and (tag is None or tag in spec.tags)
        and plugin in (None, registry.origin("loss", name).distribution, registry.origin("loss", name).entry_point)
    ]


def list_tasks() -> list[TaskSpec]:
    """The installed tasks."""
    return list(installed().tasks.values())


def load_task(name: str, **options: Any) -> Task:
    """The task of that name, made with its own options (``digit=3``).

    Raises:
        UsageError: unknown task or option.

    Example:
        >>> load_task("diabetes").splits(seed=0).train.inputs.shape
        (282, 10)
    """
    from losszoo.harness.settings import make_task

    return make_task(name, options)
