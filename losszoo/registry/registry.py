"""From entry points to specs, one plugin at a time: an error of one is recorded and does not stop the others.

The signatures and kinds of all plugins are known before any loss or task is checked against them.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import NO_ALIASES, UnknownNameError, UsageError, suggest
from losszoo.losses.sums.words import KINDS, WORDS
from losszoo.registry import hookspecs
from losszoo.registry.discovery import FILE, Declared, declared, name_and_version
from losszoo.registry.faulty_specs import collecting, sound
from losszoo.registry.loaded_classes import loaded
from losszoo.registry.params import Param
from losszoo.registry.plugin import CLASS_HOOKS, SPEC_HOOKS, Failure, Origin, Plugin, origin_of
from losszoo.registry.signature_specs import KindSpec, SignatureSpec, spec_of
from losszoo.registry.slow_plugins import SlowPlugins
from losszoo.registry.specs import LossSpec, TaskSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Spec = TypeVar("Spec", LossSpec, TaskSpec, SignatureSpec, KindSpec)

OWN_DISTRIBUTION = "losszoo"
# Words with a meaning of their own in an expression.
RESERVED = frozenset({*KINDS, *WORDS})
# A loss and a task must not have one name: `losszoo info NAME` shows either.
_SHARE_NAMES = ("loss", "task")


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

    def shelf(self, what: str) -> dict[str, Any]:
        """The specs by name of every "loss", "task", "signature" or "kind"."""
        shelves: dict[str, dict[str, Any]]
        shelves = {"loss": self.losses, "task": self.tasks, "signature": self.signatures, "kind": self.kinds}
        return shelves[what]

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

    def loadable(self, what: str) -> list[str]:
        """Names of what can be loaded of every "signature" or "kind"; of each of the others a failure is recorded."""
        names = []
        for name, spec in self.shelf(what).items():
            try:
                self._made(what, spec)
            except UsageError as error:
                self._fail(self.origins[what, name], "target", f"{what} {name}: {error}")
            else:
                names.append(name)
        return names

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

    def load(self, entry_point: Declared | EntryPoint) -> Plugin | None:
        """Load one plugin and find its hooks; never raises for what the plugin does."""
        origin = origin_of(entry_point)
        self.plugins.append(origin)
        with collecting(), self._recorded(origin, "load"):
            offered = entry_point.load()
            with self._recorded(origin, "register"):
                return Plugin(origin, offered)
        return None

    def take(self, plugin: Plugin, hooks: tuple[str, ...]) -> None:
        """Take what these hooks of a plugin offer; never raises for what the plugin does."""
        with collecting():
            for hook in hooks:
                with self._recorded(plugin.origin, "call"):
                    for offered in plugin.offers(hook):
                        # Nothing of ours raises; a subclass may, whatever is looked at.
                        ours = type(offered) in (LossSpec, TaskSpec)
                        with contextlib.nullcontext() if ours else self._recorded(plugin.origin, "spec"):
                            self._take(offered, hook, plugin.origin)

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
                self._fail(plugin.origin, "offer", plugin.why_nothing())

    def settle_aliases(self) -> None:
        """Give each alias to its loss, once all names are known: a name wins, and of two losses the first."""
        for spec in self.losses.values():
            for alias in spec.aliases:
                if owner := self._owner_of_alias(alias):
                    reason = f"loss {spec.name}: its alias {alias} belongs to {owner}; leave it out"
                    self._fail(self.origins["loss", spec.name], "spec", reason)
                else:
                    self.aliases[alias] = spec.name

    def _owner_of_alias(self, alias: str) -> str:
        """What else has the name; empty where nothing has."""
        if alias in RESERVED:
            return "the expression grammar"
        for what in _SHARE_NAMES:
            if alias in self.shelf(what):
                return f"a {what} of {self.origins[what, alias]}"
        name = self.aliases.get(alias)
        return "" if name is None else f"loss {name} of {self.origins['loss', name]}, as an alias"

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

    def _take(self, offered: Any, hook: str, origin: Origin) -> None:
        """Check what a hook offers, and keep it by its name."""
        try:
            with collecting(False):
                what, spec = self._checked(offered, hook)
            self._check_free(what, spec.name)
        except UsageError as error:
            self._fail(origin, "spec", str(error))
        else:
            self.shelf(what)[spec.name] = spec
            self.origins[what, spec.name] = origin

    def _checked(self, offered: Any, hook: str) -> tuple[str, LossSpec | TaskSpec | SignatureSpec | KindSpec]:
        """What it is ("loss", "task", "signature" or "kind"), and its spec.

        Raises:
            UsageError: it is nothing that the hook may return, or not of its form.
        """
        if hook == "losszoo_signatures":
            return "signature", spec_of(offered, SignatureSpec)
        if hook == "losszoo_kinds":
            return "kind", spec_of(offered, KindSpec)
        if isinstance(offered, LossSpec):
            return "loss", self._complete(sound(offered, LossSpec))
        if not isinstance(offered, TaskSpec):
            raise UsageError(f"a hook must return LossSpec or TaskSpec objects, got {kind_name(offered)}")
        task = sound(offered, TaskSpec)
        if task.kind not in self.kinds:
            raise UsageError(f"{task.name}: kind {self._unknown('kind', task.kind)}")
        return "task", task

    def _complete(self, spec: LossSpec) -> LossSpec:
        """With the options of its signature, which every loss has beside its own parameters.

        Raises:
            UsageError: the signature is not installed, or does not know what the loss expects.
        """
        if spec.signature not in self.signatures:
            raise UsageError(f"{spec.name}: signature {self._unknown('signature', spec.signature)}")
        signature = self.signatures[spec.signature]
        if spec.expects not in signature.expects:
            rule = f"expects must be one of {', '.join(signature.expects)} for the signature {spec.signature}"
            raise UsageError(f"{spec.name}: {rule}, got {spec.expects!r}")
        options = [option for option in signature.option_params() if spec.param(option.name) is None]
        if not options and all(type(param) is Param for param in spec.params):
            return spec
        return replace(spec, params=(*(sound(param, Param) for param in spec.params), *options))

    def _check_free(self, what: str, name: str) -> None:
        """The name is neither a word of expressions nor that of another.

        Raises:
            UsageError: says whose it is.
        """
        if what in _SHARE_NAMES and name in RESERVED:
            raise UsageError(f"{what} {name}: the name is a word of the expression grammar; rename yours")
        for other in _SHARE_NAMES if what in _SHARE_NAMES else (what,):
            if name in self.shelf(other):
                owner = f"{'' if other == what else f'a {other} of '}{self.origins[other, name]}"
                raise UsageError(f"{what} {name}: the name belongs to {owner}; rename yours")

    def _unknown(self, what: str, name: str) -> str:
        known = list(self.shelf(what))
        return f"must be one of {', '.join(known) or 'none installed'}, got {name!r}; {suggest(name, known)}"


def _get(shelf: dict[str, Spec], kind: str, name: str, aliases: Mapping[str, str] = NO_ALIASES) -> Spec:
    if name not in shelf:
        listing = {"loss": " (losszoo list shows all)", "task": " (losszoo tasks shows all)"}.get(kind, "")
        near = in_a_file(name) or suggest(name, list(shelf), aliases)
        raise UnknownNameError(f"unknown {kind} {name!r}: {near}{listing}")
    return shelf[name]


def in_a_file(name: str) -> str:
    """A hint where a name is a file, a target, or the name of a file, but must be an installed name; else empty."""
    if name.endswith(".py"):
        return f"what is in the file must be named too, {name}:NAME"
    if ":" not in name:
        return _beside(name)
    return f"only an installed name is possible here: losszoo run takes {name}, and a plugin gives it a name"


def _beside(name: str) -> str:
    """A hint where a file of that name lies in the working directory: my_loss beside my_loss.py; else empty."""
    path = Path(f"{name.replace('-', '_')}.py")
    try:
        if not path.is_file():  # a pipe of that name would be read for ever
            return ""
        named = re.findall(r"^(?:def|class) ([A-Za-z]\w*)", path.read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return ""
    inside = path.stem if path.stem in named else next(iter(named), "NAME")
    return f"did you mean ./{path}:{inside}?"


def build(points: Iterable[Declared | EntryPoint]) -> Registry:
    """A registry of these entry points; our own distribution first, so that no plugin takes a built-in name."""
    unique = {(point.name, point.value, origin_of(point).distribution): point for point in points}
    own_first = sorted(unique, key=lambda key: (key[2] != OWN_DISTRIBUTION, key[2], key[0]))
    registry = Registry()
    with SlowPlugins() as slow:
        plugins = []
        for key in own_first:
            with slow.loading(origin_of(unique[key])):
                plugins += [plugin] if (plugin := registry.load(unique[key])) is not None else []
        for plugin in plugins:
            with slow.loading(plugin.origin):
                registry.take(plugin, CLASS_HOOKS)
        registry.check_kinds()
        for plugin in plugins:
            with slow.loading(plugin.origin):
                registry.take(plugin, SPEC_HOOKS)
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
