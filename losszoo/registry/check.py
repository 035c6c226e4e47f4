"""Whether everything that plugins announce can be loaded. Loads every target, so it imports torch."""

from __future__ import annotations

from losszoo.errors import UsageError
from losszoo.registry.registry import Failure, Registry
from losszoo.registry.targets import resolve


def target_failures(registry: Registry) -> list[Failure]:
    """A failure for every loss or task whose target cannot be loaded or is not callable."""
    failures = []
    announced = [("loss", spec) for spec in registry.losses.values()] + [("task", spec) for spec in registry.tasks.values()]
    for kind, spec in announced:
        try:
            reason = "" if callable(resolve(spec.target)) else f"{spec.target} is not callable"
        except UsageError as error:
            reason = str(error)
        if reason:
            failures.append(Failure(registry.origin(kind, spec.name), "target", f"{kind} {spec.name}: {reason}"))
    return failures
