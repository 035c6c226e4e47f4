"""Whether everything that plugins offer can be loaded. Loads every target, so it imports torch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import LosszooError, UsageError, suggest
from losszoo.registry.import_target import resolve
from losszoo.registry.plugin import Failure
from losszoo.registry.registry import Registry
from losszoo.registry.specs import LossSpec, TaskSpec


def target_failures(registry: Registry) -> list[Failure]:
    """A failure for every target that cannot be loaded or called, every stable twin that is missing, and every
    signature and kind that cannot be made.

    Raises:
        LosszooError: torch itself cannot be imported; asking it again for every loss would crash Python.
    """
    try:
        importlib.import_module("torch")
    except Exception as error:
        raise LosszooError(f"nothing can be loaded: torch cannot be imported: {in_one_line(error)}") from error
    failures = [*_class_failures(registry)]
    specs: list[tuple[str, LossSpec | TaskSpec]] = [("loss", spec) for spec in registry.losses.values()]
    specs += [("task", spec) for spec in registry.tasks.values()]
    for kind, spec in specs:
        for stage, reason in (("target", _target_fault(spec)), ("spec", _twin_fault(registry, spec))):
            if reason:
                failures.append(Failure(registry.origin(kind, spec.name), stage, f"{kind} {spec.name}: {reason}"))
    return failures


def _class_failures(registry: Registry) -> Iterator[Failure]:
    """Of the signatures and kinds that cannot be made, which the registry records when they are used too."""
    before = list(registry.failures)
    registry.loadable("signature"), registry.loadable("kind")
    found = [failure for failure in registry.failures if failure not in before]
    registry.failures[:] = before
    yield from found


def _target_fault(spec: LossSpec | TaskSpec) -> str:
    try:
        found = resolve(spec.target)
    except UsageError as error:
        return str(error)
    if isinstance(spec, TaskSpec):
        return "" if callable(found) else f"a target must be callable, got {spec.target}, {kind_name(found)}"
    from losszoo.losses.introspection import check_is_loss  # imports torch

    try:
        check_is_loss(found, spec.target)
    except UsageError as error:
        return str(error)
    return ""


def _twin_fault(registry: Registry, spec: LossSpec | TaskSpec) -> str:
    twin = spec.stable_twin if isinstance(spec, LossSpec) else None
    if twin is None or twin in registry.losses:
        return ""
    near = suggest(twin, list(registry.losses))
    return f"its stable_twin must be an installed loss, got {twin!r}; {near}"
