"""What is installed, asked from Python. Torch-free, except for loading a task."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from losszoo.errors import UnknownNameError, suggest
from losszoo.registry.registry import installed
from losszoo.registry.signature_specs import KindSpec, SignatureSpec
from losszoo.registry.specs import LossSpec, TaskSpec

if TYPE_CHECKING:
    from losszoo.tasks.task import Task


def list_losses(
    signature: str | None = None, tag: str | None = None, plugin: str | None = None, *, search: str | None = None
) -> list[LossSpec]:
    """The installed losses, in the order of their plugins.

    Args:
        signature: only those of this signature.
        tag: only those with this tag.
        plugin: only those of this distribution or entry point.
        search: only those with this text in a name, an alias, a tag, the summary, the signature or the plugin's name.

    Raises:
        UsageError: there is no such signature, tag or plugin.

    Example:
        >>> [spec.name for spec in list_losses(signature="pair")]
        ['contrastive', 'cosine-embedding', 'cosent']
        >>> [spec.name for spec in list_losses(search="pinball")]
        ['multi-quantile', 'quantile']
    """
    registry = installed()
    _known("signature", signature, registry.signatures)
    _known("tag", tag, {word for spec in registry.losses.values() for word in spec.tags})
    _known("plugin", plugin, {name for o in registry.plugins for name in (o.distribution, o.entry_point)})
    return [
        spec
        for name, spec in registry.losses.items()
        if signature in (None, spec.signature)
        and (tag is None or tag in spec.tags)
        and (search is None or _holds(spec, search, registry.origin("loss", name).entry_point))
        and plugin in (None, registry.origin("loss", name).distribution, registry.origin("loss", name).entry_point)
    ]


def _holds(spec: LossSpec, text: str, family: str) -> bool:
    words = (spec.name, *spec.aliases, *spec.tags, spec.summary, spec.signature, family)
    return any(text.strip().lower() in word.lower() for word in words)


def _known(what: str, name: str | None, names: Collection[str]) -> None:
    if name is not None and name not in names:
        raise UnknownNameError(f"unknown {what} {name!r}: {suggest(name, sorted(names))}")


def list_signatures() -> list[SignatureSpec]:
    """The installed signatures: what losses are called with, and the kinds of task that they fit.

    Example:
        >>> [spec.arguments for spec in list_signatures() if spec.name == "triplet"]
        [('anchors', 'positives', 'negatives')]
    """
    return list(installed().signatures.values())


def list_kinds() -> list[KindSpec]:
    """The installed kinds of task: what they naturally feed a loss, and the metrics that judge them.

    Example:
        >>> [spec.metrics for spec in list_kinds() if spec.name == "regression"]
        [('rmse', 'mae')]
    """
    return list(installed().kinds.values())


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
    from losszoo.tasks.make_task import make_task

    return make_task(name, options)
