"""From entry points to specs. One plugin at a time: whatever one of them does wrong is recorded and stops nobody."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.registry import hookspecs
from losszoo.registry.specs import LossSpec, TaskSpec

OWN_DISTRIBUTION = "losszoo"
# Words with a meaning of their own in an expression.
RESERVED = frozenset({"linear", "cosine", "step", "constant", "true", "false", "none"})
# A hook that yields for ever must not hang `losszoo list`.
_MOST_SPECS = 10_000


@dataclass(frozen=True)
class Origin:
    """Who offers something: the entry point and the distribution that declares it."""

    entry_point: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"plugin {self.entry_point}, {self.distribution} {self.version}".rstrip()


@dataclass(frozen=True)
class Failure:
    """Something a plugin did wrong: which stage ("load", "register", "call", "offer", "spec", "target"), and why."""

    origin: Origin
    stage: str
    reason: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"


@dataclass
class Registry:
    """All losses and tasks that are installed, with their origins, and everything that failed."""

    losses: dict[str, LossSpec] = field(default_factory=dict)
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    plugins: list[Origin] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def loss(self, name: str) -> LossSpec:
        """The loss of that name; an unknown name raises with the nearest ones."""
        return _get(self.losses, "loss", name)

    def task(self, name: str) -> TaskSpec:
        """The task of that name; an unknown name raises with the nearest ones."""
        return _get(self.tasks, "task", name)

    def origin(self, kind: str, name: str) -> Origin:
        """Who offers the ``kind`` ("loss" or "task") of that name."""
        return self.origins[kind, name]

    def add(self, entry_point: EntryPoint) -> None:
        """Load one plugin and take what it offers; never raises for what the plugin does."""
        origin = _origin(entry_point)
        self.plugins.append(origin)
        stage = "load"
        try:
            with _quiet_stdout():
                plugin = entry_point.load()
                stage = "register"
                manager = _register(plugin, origin)
                stage = "call"
                offers = _offers(manager, plugin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin that calls sys.exit() stops nobody either
            self.failures.append(Failure(origin, stage, describe(error)))
            return
        if not offers:
            self.failures.append(Failure(origin, "offer", "offers no loss and no task; is a hook misspelt or unmarked?"))
        for spec in offers:
            self._take(spec, origin)

    def _take(self, spec: Any, origin: Origin) -> None:
        if not isinstance(spec, LossSpec | TaskSpec):
            reason = f"a hook must return LossSpec or TaskSpec objects, however: it returned a {type(spec).__name__}"
            self.failures.append(Failure(origin, "spec", reason))
            return
        kind, shelf = ("loss", self.losses) if isinstance(spec, LossSpec) else ("task", self.tasks)
        if spec.name in RESERVED:
            self.failures.append(Failure(origin, "spec", f"{kind} {spec.name}: the name is a word of the expression grammar"))
        elif spec.name in shelf:
            owner = self.origins[kind, spec.name]
            self.failures.append(Failure(origin, "spec", f"{kind} {spec.name}: the name belongs to {owner}; rename yours"))
        else:
            shelf[spec.name] = spec  # type: ignore[assignment]
            self.origins[kind, spec.name] = origin


def _get(shelf: dict[str, Any], kind: str, name: str) -> Any:
    if name not in shelf:
        listing = "list" if kind == "loss" else "tasks"
        raise UnknownNameError(f"unknown {kind} {name!r}: {suggest(name, list(shelf))} (losszoo {listing} shows all)")
    return shelf[name]


def _register(plugin: Any, origin: Origin) -> pluggy.PluginManager:
    """A manager of its own for each plugin: a misspelt hook is then nobody else's, and one call reaches it alone."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=origin.entry_point)
    manager.check_pending()
    return manager


def _offers(manager: pluggy.PluginManager, plugin: Any) -> list[Any]:
    answers = [*manager.hook.losszoo_losses(), *manager.hook.losszoo_tasks()]
    return [spec for answer in answers for spec in itertools.islice(_iterable(answer), _MOST_SPECS)]


def _iterable(answer: Any) -> Iterable[Any]:
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise UsageError(f"a hook must return an iterable of specs, however: it returned a {type(answer).__name__}")
    return answer


@contextlib.contextmanager
def _quiet_stdout() -> Iterator[None]:
    """What a plugin prints while it loads goes to stderr: stdout may be one JSON document."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def describe(error: BaseException) -> str:
    """One line that says what was raised."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _origin(entry_point: EntryPoint) -> Origin:
    distribution = entry_point.dist
    name = distribution.name if distribution else "unknown distribution"
    return Origin(entry_point.name, name, distribution.version if distribution else "")


def build(points: Iterable[EntryPoint]) -> Registry:
    """A registry of these entry points; our own distribution first, so that nobody takes a built-in name."""
    unique = {(point.name, point.value, _origin(point).distribution): point for point in points}
    own_first = sorted(unique, key=lambda key: (key[2] != OWN_DISTRIBUTION, key[2], key[0]))
    registry = Registry()
    for key in own_first:
        registry.add(unique[key])
    return registry


@functools.cache
def installed() -> Registry:
    """The registry of everything installed, built once per process."""
    return build(entry_points(group=hookspecs.GROUP))
