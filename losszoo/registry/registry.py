"""From entry points to specs, one plugin at a time: an error of one is recorded and does not stop the others.

The signatures and kinds of all plugins are known before any loss or task is checked against them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line, kind_name, printable
from losszoo.errors import NO_ALIASES, UnknownNameError, UsageError, suggest
from losszoo.losses.sums.words import KINDS, WORDS
from losszoo.registry import hookspecs
from losszoo.registry.discovery import FILE, Declared, declared, name_and_version, owner_of
from losszoo.registry.faulty_specs import collecting, fault_of
from losszoo.registry.loaded_classes import loaded
from losszoo.registry.params import Param
from losszoo.registry.signature_specs import KindSpec, SignatureSpec, spec_of
from losszoo.registry.slow_plugins import SlowPlugins
from losszoo.registry.specs import LossSpec, TaskSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Spec = TypeVar("Spec", LossSpec, TaskSpec, SignatureSpec, KindSpec)

OWN_DISTRIBUTION = "losszoo"
# Words with a meaning of their own in an expression.
RESERVED = frozenset({*KINDS, *WORDS})
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


@dataclass(frozen=True)
class Plugin:
    """A plugin that could be loaded: where it comes from, what it is, and its hooks."""

    origin: Origin
    plugin: Any
    hooks: Any


@dataclass
class Registry:
    """Everything that is installed, with its origin, and everything that failed."""

    losses: dict[str, LossSpec] = field(default_factory=dict)
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    signatures: dict[str, SignatureSpec] = field(default_factory=dict)
    kinds: dict[str, KindSpec] = field(default_factory=dict)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    plugins: list[Origin] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    _objects: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def loss(self, name: str) -> LossSpec:
        """The loss of that name or alias; an unknown name raises with the nearest ones."""
        return _get(self.losses, "loss", self.own_name(name), self.aliases)

    def task(self, name: str) -> TaskSpec:
        """The task of that name; an unknown name raises with the nearest ones."""
        return _get(self.tasks, "task", name)

    def own_name(self, name: str) -> str:
        """The loss's own name, where this is an alias of it; else the same."""
        return self.aliases.get(name, name)

    def origin(self, kind: str, name: str) -> Origin:
        """The plugin that offers the ``kind`` ("loss", "task", "signature" or "kind") of that name."""
        return self.origins[kind, name]

    def signature(self, name: str) -> Any:
        """The :class:`losszoo.Signature` of that name, loaded.

        Raises:
            UnknownNameError: there is none of that name.
            UsageError: it cannot be loaded; says whose it is.
        """
        return self._named("signature", _get(self.signatures, "signature", name))

    def kind(self, name: str) -> Any:
        """The :class:`losszoo.Kind` of that name, loaded; raises as :meth:`signature`."""
        return self._named("kind", _get(self.kinds, "kind", name))

    def loadable_signatures(self) -> list[str]:
        """Names of the signatures that can be loaded; for each of the others a failure is recorded."""
        return self._loadable("signature", list(self.signatures.values()))

    def loadable_kinds(self) -> list[str]:
        """The same of the kinds of task."""
        return self._loadable("kind", list(self.kinds.values()))

    def fits(self, signature: str, kind: str) -> bool:
        """Whether a loss of that signature can be trained by itself on a task of that kind."""
        return signature in self.taken_by(kind)

    def taken_by(self, kind: str) -> tuple[str, ...]:
        """The signatures that fit a kind of task, its natural one first."""
        spec = self.kinds[kind]
        fitting = [name for name, one in self.signatures.items() if kind in one.fits or name in spec.takes]
        return tuple(sorted(fitting, key=lambda name: name != spec.natural))

    def penalizes(self, signature: str) -> bool:
        """Whether losses of that signature are penalties on parameters, which join any loss of the data."""
        return signature in self.signatures and self.signatures[signature].on_parameters

    def _named(self, kind: str, spec: SignatureSpec | KindSpec) -> Any:
        """The object; an error says whose it is."""
        try:
            return self._made(kind, spec)
        except UsageError as error:
            raise UsageError(f"{kind} {spec.name} of {self.origins[kind, spec.name]}: {error}") from error

    def _made(self, kind: str, spec: SignatureSpec | KindSpec) -> Any:
        key = kind, spec.name
        if key not in self._objects:
            self._objects[key] = loaded(spec)
        return self._objects[key]

    def _loadable(self, kind: str, specs: Iterable[SignatureSpec | KindSpec]) -> list[str]:
        names = []
        for spec in specs:
            try:
                self._made(kind, spec)
            except UsageError as error:
                self._fail(self.origins[kind, spec.name], "target", f"{kind} {spec.name}: {error}")
            else:
                names.append(spec.name)
        return names

    def load(self, entry_point: Declared | EntryPoint) -> Plugin | None:
        """Load one plugin and find its hooks; never raises for what the plugin does."""
        origin = _origin(entry_point)
        self.plugins.append(origin)
        with collecting(), self._recorded(origin, "load"):
            plugin = entry_point.load()
            with self._recorded(origin, "register"):
                return Plugin(origin, plugin, _register(plugin, origin))
        return None

    def take(self, plugin: Plugin, hooks: tuple[str, ...]) -> None:
        """Take what these hooks of a plugin offer; never raises for what the plugin does."""
        with collecting():
            for name in hooks:
                with self._recorded(plugin.origin, "call"):
                    for offered in _offers(getattr(plugin.hooks, name)):
                        # Nothing of ours raises; a subclass may, whatever is looked at.
                        ours = type(offered) in (LossSpec, TaskSpec)
                        with contextlib.nullcontext() if ours else self._recorded(plugin.origin, "spec"):
                            self._take(offered, name, plugin.origin)

    def check_kinds(self) -> None:
        """Leave out every kind whose natural signature is not installed."""
        for name, spec in list(self.kinds.items()):
            if spec.natural not in self.signatures:
                origin = self.origins.pop(("kind", name))
                del self.kinds[name]
                self._fail(origin, "spec", f"kind {name}: natural {self._unknown('signature', spec.natural)}")

    def check_offers(self, plugin: Plugin) -> None:
        """Record a possible reason for a plugin that offers nothing and has not failed."""
        failed = any(failure.origin == plugin.origin for failure in self.failures)
        if not failed and plugin.origin not in self.origins.values():
            with self._recorded(plugin.origin, "offer"):
                self._fail(plugin.origin, "offer", why_nothing(plugin.plugin, plugin.hooks))

    def settle_aliases(self) -> None:
        """Give each alias to its loss, once all names are known: a name wins, and of two losses the first."""
        for spec in self.losses.values():
            for alias in spec.aliases:
                if alias in RESERVED:
                    self._refuse_alias(spec, alias, "the expression grammar")
                elif alias in self.losses:
                    self._refuse_alias(spec, alias, f"a loss of {self.origins['loss', alias]}")
                elif alias in self.tasks:
                    self._refuse_alias(spec, alias, f"a task of {self.origins['task', alias]}")
                elif alias in self.aliases:
                    owner = self.aliases[alias]
                    self._refuse_alias(spec, alias, f"loss {owner} of {self.origins['loss', owner]}, as an alias")
                else:
                    self.aliases[alias] = spec.name

    def _refuse_alias(self, spec: LossSpec, alias: str, owner: str) -> None:
        reason = f"loss {spec.name}: its alias {alias} belongs to {owner}; leave it out"
        self._fail(self.origins["loss", spec.name], "spec", reason)

    @contextlib.contextmanager
    def _recorded(self, origin: Origin, stage: str) -> Iterator[None]:
        """An exception becomes a failure; only a pressed Ctrl-C is raised again."""
        with foreign_code() as pressed:
            try:
                yield
            except BaseException as error:  # a plugin that calls sys.exit() must not end the process
                if pressed and isinstance(error, KeyboardInterrupt):
                    raise
                self._fail(origin, stage, in_one_line(error))

    def _fail(self, origin: Origin, stage: str, reason: str) -> None:
        failure = Failure(origin, stage, reason)
        if failure not in self.failures:  # a hook that repeats a fault without end tells it once
            self.failures.append(failure)

    def _take(self, spec: Any, hook: str, origin: Origin) -> None:
        if hook in _CLASSES:
            self._take_class(spec, hook, origin)
            return
        if not isinstance(spec, LossSpec | TaskSpec):
            reason = f"a hook must return LossSpec or TaskSpec objects, got {kind_name(spec)}"
            self._fail(origin, "spec", reason)
            return
        if (fault := fault_of(spec)) is not None:
            self._fail(origin, "spec", fault)
            return
        try:
            with collecting(False):
                spec = _checked(spec)
            self._check_known(spec)
            if isinstance(spec, LossSpec):
                spec = self._with_options(spec)
        except UsageError as error:
            self._fail(origin, "spec", str(error))
            return
        loss, task = ("loss", self.losses), ("task", self.tasks)
        (kind, shelf), (other, others) = (loss, task) if isinstance(spec, LossSpec) else (task, loss)
        if spec.name in RESERVED:
            self._fail(
                origin,
                "spec",
                f"{kind} {spec.name}: the name is a word of the expression grammar; rename yours",
            )
        elif spec.name in shelf:
            owner = self.origins[kind, spec.name]
            self._fail(origin, "spec", f"{kind} {spec.name}: the name belongs to {owner}; rename yours")
        elif spec.name in others:
            owner = self.origins[other, spec.name]
            reason = f"{kind} {spec.name}: the name belongs to a {other} of {owner}; rename yours"
            self._fail(origin, "spec", reason)
        else:
            shelf[spec.name] = spec
            self.origins[kind, spec.name] = origin

    def _take_class(self, offered: Any, hook: str, origin: Origin) -> None:
        """A signature or a kind."""
        what, kind = _CLASSES[hook]
        if (fault := fault_of(offered) if isinstance(offered, kind) else None) is not None:
            self._fail(origin, "spec", fault)
            return
        try:
            with collecting(False):
                spec = spec_of(offered, kind)
        except UsageError as error:
            self._fail(origin, "spec", str(error))
            return
        shelf: dict[str, Any] = self.signatures if what == "signature" else self.kinds
        if spec.name in shelf:
            owner = self.origins[what, spec.name]
            self._fail(origin, "spec", f"{what} {spec.name}: the name belongs to {owner}; rename yours")
        else:
            shelf[spec.name] = spec
            self.origins[what, spec.name] = origin

    def _check_known(self, spec: LossSpec | TaskSpec) -> None:
        """Its signature, or its kind, is installed, and the loss may expect what it does.

        Raises:
            UsageError: names the rule, the value and the nearest name.
        """
        if isinstance(spec, TaskSpec):
            if spec.kind not in self.kinds:
                raise UsageError(f"{spec.name}: kind {self._unknown('kind', spec.kind)}")
            return
        if spec.signature not in self.signatures:
            raise UsageError(f"{spec.name}: signature {self._unknown('signature', spec.signature)}")
        allowed = self.signatures[spec.signature].expects
        if spec.expects not in allowed:
            rule = f"expects must be one of {', '.join(allowed)} for the signature {spec.signature}"
            raise UsageError(f"{spec.name}: {rule}, got {spec.expects!r}")

    def _with_options(self, spec: LossSpec) -> LossSpec:
        """With the options of its signature, which every loss has beside its own parameters."""
        options = self.signatures[spec.signature].option_params()
        beside = [option for option in options if spec.param(option.name) is None]
        return replace(spec, params=(*spec.params, *beside)) if beside else spec

    def _unknown(self, what: str, name: str) -> str:
        known = list(self.signatures if what == "signature" else self.kinds)
        return f"must be one of {', '.join(known) or 'none installed'}, got {name!r}; {suggest(name, known)}"


# Hook, what it offers, and its spec.
_CLASSES: dict[str, tuple[str, Any]] = {
    "losszoo_signatures": ("signature", SignatureSpec),
    "losszoo_kinds": ("kind", KindSpec),
}
_SPECS = ("losszoo_losses", "losszoo_tasks")


def _get(shelf: dict[str, Spec], kind: str, name: str, aliases: Mapping[str, str] = NO_ALIASES) -> Spec:
    if name not in shelf:
        listing = {"loss": " (losszoo list shows all)", "task": " (losszoo tasks shows all)"}.get(kind, "")
        near = in_a_file(name) or suggest(name, list(shelf), aliases)
        raise UnknownNameError(f"unknown {kind} {name!r}: {near}{listing}")
    return shelf[name]


def in_a_file(name: str) -> str:
    """A hint where a name is a file or a target, but must be an installed name; else empty."""
    if name.endswith(".py"):
        return f"what is in the file must be named too, {name}:NAME"
    if ":" not in name:
        return ""
    return f"only an installed name is possible here: losszoo run takes {name}, and a plugin gives it a name"


def _checked(spec: LossSpec | TaskSpec) -> LossSpec | TaskSpec:
    """The spec made anew where it is of a subclass, which can leave out the checks."""
    if type(spec) is TaskSpec or (type(spec) is LossSpec and all(type(param) is Param for param in spec.params)):
        return spec
    if isinstance(spec, TaskSpec):
        return TaskSpec(**_values(spec, TaskSpec))
    values = _values(spec, LossSpec)
    params = values["params"]
    if isinstance(params, tuple | list):
        values["params"] = tuple(Param(**_values(p, Param)) if isinstance(p, Param) else p for p in params)
    return LossSpec(**values)


def _values(spec: Any, kind: type[Any]) -> dict[str, Any]:
    return {entry.name: getattr(spec, entry.name) for entry in fields(kind)}


def _register(plugin: Any, origin: Origin) -> Any:
    """The hooks of one plugin with its own manager: a misspelt hook is its own, and a call reaches only it."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=origin.entry_point)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        names = ", ".join(f"{name}()" for name in (*_SPECS, *_CLASSES))
        raise UsageError(f"{error}; the hooks are {names}, without arguments") from error
    return manager.hook


def _offers(hook: Any) -> Iterator[Any]:
    """What a hook returns, one by one: what came before an error is kept."""
    for answer in hook():
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            raise UsageError(f"{hook.name} must return an iterable of specs, got {kind_name(answer)}")
        for count, spec in enumerate(answer):
            if count == _MOST_SPECS:
                raise UsageError(f"{hook.name} must return at most {_MOST_SPECS} specs, got more")
            yield spec


def why_nothing(plugin: Any, hooks: Any) -> str:
    """What is wrong with a plugin that loads, raises nothing, and offers nothing."""
    names = (*_SPECS, *_CLASSES)
    called = [name for name in names if getattr(hooks, name).get_hookimpls()]
    if called:
        return f"offers no loss and no task: {' and '.join(called)} returned no spec"
    unmarked = [name for name in names if hasattr(plugin, name)]
    if unmarked:
        return f"offers no loss and no task: {' and '.join(unmarked)} must be marked with @losszoo.hookimpl"
    misspelt = [name for name in dir(plugin) if name.startswith("losszoo_") and callable(getattr(plugin, name))]
    wrong = f"{' and '.join(misspelt)} is no hook; " if misspelt else ""
    right = "define losszoo_losses() or losszoo_tasks(), marked with @losszoo.hookimpl"
    return f"offers no loss and no task: {wrong}{right}"


def _origin(entry_point: Declared | EntryPoint) -> Origin:
    return Origin(entry_point.name, *owner_of(entry_point))


def build(points: Iterable[Declared | EntryPoint]) -> Registry:
    """A registry of these entry points; our own distribution first, so that no plugin takes a built-in name."""
    unique = {(point.name, point.value, _origin(point).distribution): point for point in points}
    own_first = sorted(unique, key=lambda key: (key[2] != OWN_DISTRIBUTION, key[2], key[0]))
    registry = Registry()
    with SlowPlugins() as slow:
        plugins = []
        for key in own_first:
            with slow.loading(_origin(unique[key])):
                plugins += [plugin] if (plugin := registry.load(unique[key])) is not None else []
        for plugin in plugins:
            with slow.loading(plugin.origin):
                registry.take(plugin, tuple(_CLASSES))
        registry.check_kinds()
        for plugin in plugins:
            with slow.loading(plugin.origin):
                registry.take(plugin, _SPECS)
                registry.check_offers(plugin)
    registry.settle_aliases()
    return registry


@functools.cache
def installed() -> Registry:
    """The registry of everything installed, built once per process."""
    points, broken = declared(hookspecs.GROUP)
    registry = build(points)
    for distribution, error in broken:
        origin = Origin(FILE, *name_and_version(distribution))
        registry.failures.append(Failure(origin, "metadata", f"cannot be read: {in_one_line(error)}"))
    return registry
