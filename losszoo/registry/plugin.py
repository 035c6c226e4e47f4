"""One plugin: where it comes from, what it did wrong, its hooks and what they return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from losszoo.common.text import kind_name, printable
from losszoo.errors import UsageError
from losszoo.registry import hookspecs
from losszoo.registry.discovery import Declared, owner_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# Signatures and kinds of all plugins are known before any loss or task is checked against them.
CLASS_HOOKS = ("losszoo_signatures", "losszoo_kinds")
SPEC_HOOKS = ("losszoo_losses", "losszoo_tasks")
_HOOKS = (*SPEC_HOOKS, *CLASS_HOOKS)
# A hook that yields for ever must not hang `losszoo list`.
_MOST_SPECS = 10_000


@dataclass(frozen=True)
class Origin:
    """The plugin that offers something: the entry point and the distribution that declares it."""

    entry_point: str
    distribution: str
    version: str

    def __post_init__(self) -> None:
        for name in ("entry_point", "distribution", "version"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        return f"plugin {self.entry_point}, {self.distribution} {self.version}".rstrip()


@dataclass(frozen=True)
class Failure:
    """Something a plugin did wrong: at which stage ("metadata", "load", "register", "call", "offer",
    "spec", "target", "check"), and why."""

    origin: Origin
    stage: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", printable(self.reason))

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"


class Plugin:
    """A plugin that has been loaded, with a manager of its own: a misspelt hook is its own, and a call reaches only it.

    Raises:
        UsageError: a hook that is unknown, or takes arguments.
    """

    def __init__(self, origin: Origin, plugin: Any) -> None:
        self.origin = origin
        self._plugin = plugin
        manager = pluggy.PluginManager(hookspecs.GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(plugin, name=origin.entry_point)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            names = ", ".join(f"{name}()" for name in _HOOKS)
            raise UsageError(f"{error}; the hooks are {names}, without arguments") from error
        self._hooks = manager.hook

    def offers(self, hook: str) -> Iterator[Any]:
        """What a hook returns, one by one: what came before an error is kept."""
        for answer in getattr(self._hooks, hook)():
            if isinstance(answer, str) or not isinstance(answer, Iterable):
                raise UsageError(f"{hook} must return an iterable of specs, got {kind_name(answer)}")
            for count, spec in enumerate(answer):
                if count == _MOST_SPECS:
                    raise UsageError(f"{hook} must return at most {_MOST_SPECS} specs, got more")
                yield spec

    def why_nothing(self) -> str:
        """What is wrong with a plugin that loads, raises nothing, and offers nothing."""
        called = [name for name in _HOOKS if getattr(self._hooks, name).get_hookimpls()]
        if called:
            return f"offers no loss and no task: {' and '.join(called)} returned no spec"
        unmarked = [name for name in _HOOKS if hasattr(self._plugin, name)]
        if unmarked:
            return f"offers no loss and no task: {' and '.join(unmarked)} must be marked with @losszoo.hookimpl"
        names = [name for name in dir(self._plugin) if name.startswith("losszoo_")]
        misspelt = [name for name in names if callable(getattr(self._plugin, name))]
        wrong = f"{' and '.join(misspelt)} is no hook; " if misspelt else ""
        right = "define losszoo_losses() or losszoo_tasks(), marked with @losszoo.hookimpl"
        return f"offers no loss and no task: {wrong}{right}"


def origin_of(entry_point: Declared | EntryPoint) -> Origin:
    """The plugin that an entry point names."""
    return Origin(entry_point.name, *owner_of(entry_point))
