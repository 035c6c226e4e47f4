"""Whether a loaded loss is what its card says: the card is read from the source, where nothing is run."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from losszoo.common.text import in_one_line, shown
from losszoo.errors import UsageError
from losszoo.losses.declare import Floats, Range, declared
from losszoo.registry.from_source.docstring import read_docstring
from losszoo.registry.from_source.source import TYPES, limits, losses_in, marked_in
from losszoo.registry.import_target import resolve
from losszoo.registry.params import Param
from losszoo.registry.specs import LossSpec
from losszoo.testing.checks.made_options import keywords_of

_DECLARED = ("signature", "tags", "aliases", "status", "stable_twin", "expects")
_DOCUMENTED = ("summary", "formula", "description", "reference")
_MARK = "__losszoo_loss__"


def card_faults(specs: Mapping[str, LossSpec]) -> Iterator[tuple[str, str]]:
    """What differs between source and loaded module: the name of a loss, and what is wrong, with file and line.

    Of a :class:`LossSpec` that was written by hand nothing is said here; the conformance suite compares it.
    """
    seen: dict[str, dict[str, str]] = {}
    for spec in specs.values():
        module, _, function = spec.target.partition(":")
        first = module not in seen
        places = seen.setdefault(module, marked_in(module))
        try:
            loaded = resolve(spec.target)
        except UsageError:  # which is a fault of its own
            continue
        if function in places and _is_read(spec, module):
            try:
                faults = [*_differences(spec, loaded)]
            except Exception as error:  # of a plugin's own objects, as a default whose repr raises
                faults = [f"its card must be comparable to what is loaded, got the error {in_one_line(error)}"]
            yield from ((spec.name, f"{fault} ({places[function]})") for fault in faults)
        for name in _unread(sys.modules[module], places) if first else ():
            rule = "must be marked by a decorator, @losszoo.loss(...), at the top of its file"
            yield spec.name, f"{module}:{name} {rule}, got the mark in another way: it is listed nowhere"


def _is_read(spec: LossSpec, module: str) -> bool:
    """Whether a spec is that of the source, and not one that was written by hand for a function that is marked."""
    try:
        return spec in losses_in(module)
    except UsageError:  # another loss of the module cannot be read
        return True


def _differences(spec: LossSpec, loaded: Any) -> Iterator[str]:
    declaration = declared(loaded)
    if declaration is None:
        yield f"{spec.target} must be what the source marks with @losszoo.loss, got something else under its name"
        return
    said: dict[str, tuple[Any, Any]] = {name: (getattr(spec, name), getattr(declaration, name)) for name in _DECLARED}
    if sys.flags.optimize < 2:  # python -OO has no docstrings
        doc = read_docstring(inspect.getdoc(loaded) or "")
        said |= {name: (getattr(spec, name), getattr(doc, name)) for name in _DOCUMENTED}
    announced, taken = {param.name: param.default for param in spec.params}, keywords_of(spec)
    said |= {f"default of {name}": (announced[name], taken[name]) for name in announced.keys() & taken.keys()}
    said["parameters"] = sorted(announced), sorted(taken)
    for param in spec.params:
        hint = _hint(loaded, param.name)
        said |= {} if hint is None else {f"{what} of {param.name}": pair for what, pair in _typed(param, hint).items()}
    for name, pair in said.items():
        read, found = (shown(tuple(value) if isinstance(value, list) else value) for value in pair)
        if read != found:  # texts: what a plugin makes may not be comparable
            yield f"{name} must be the same in the source and when it is loaded, got {read} and {found}"


def _hint(loaded: Any, name: str) -> Any:
    """The type of a parameter, evaluated; None where it has none, or where that needs names of a type checker."""
    function = inspect.unwrap(loaded.__init__ if inspect.isclass(loaded) else loaded)
    written = getattr(function, "__annotations__", {})
    if name not in written:
        return None
    bearer = types.SimpleNamespace(__annotations__={name: written[name]})
    try:
        return typing.get_type_hints(bearer, getattr(function, "__globals__", {}), include_extras=True)[name]
    except Exception:
        return None


def _typed(param: Param, hint: Any) -> dict[str, tuple[Any, Any]]:
    """Type, choices and range as read and as evaluated."""
    bounds = next((part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Range)), None)
    fields = {"range": None} if bounds is None else limits(**vars(bounds))
    said = {name: (getattr(param, name), value) for name, value in fields.items()}
    plain = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    members = {*(typing.get_args(plain) or (plain,))} if typing.get_origin(plain) is not typing.Literal else {plain}
    members -= {type(None)}
    if members == {*typing.get_args(Floats)}:
        return said | {"type": (param.type, "floats")}
    choices = [typing.get_args(member) for member in members if typing.get_origin(member) is typing.Literal]
    if choices:
        return said | {"choices": (param.choices, choices[0])}
    kind = TYPES.get(frozenset(getattr(member, "__name__", "") for member in members))
    return said | {"type": (param.type, kind)}


def _unread(module: types.ModuleType, places: Mapping[str, str]) -> Iterator[str]:
    """Names of what a module itself makes and marks, but not where the source shows it."""
    shown = [getattr(module, name, None) for name in places]
    for name, value in vars(module).items():
        makes = inspect.isfunction(value) or inspect.isclass(value)
        ours = makes and _MARK in vars(value) and value.__module__ == module.__name__
        if ours and not hasattr(value, "__wrapped__") and not any(value is other for other in shown):
            yield name
