"""What a plugin says of its signatures and kinds of task: frozen and free of torch, as listing needs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from losszoo.errors import UsageError
from losszoo.registry.faulty_specs import keeps_fault, sound
from losszoo.registry.from_source.static_class import NotLiteral, class_attributes
from losszoo.registry.params import Param, is_strings
from losszoo.registry.specs import EXPECTS, NAME, TARGET

Spec = TypeVar("Spec", "SignatureSpec", "KindSpec")

# Keywords of a call and of losszoo.create, where a parameter of that name would never arrive.
_TAKEN = (
    "mask",
    "denominator",
    "older",
    "reduction",
    "empty",
    "validate",
    "signature",
    "expects",
    "streaming",
    "relation",
)


@keeps_fault
@dataclass(frozen=True, kw_only=True)
class SignatureSpec:
    """A signature as its plugin offers it; the attributes are those of :class:`losszoo.Signature`.

    Args:
        name: kebab-case, unique in the zoo.
        target: "package.module:Class" of a :class:`losszoo.Signature`.
        arguments: in the order of a call.
        optional: arguments that may be left out.
        given: arguments that come from the data.
        fits: kinds of task that it can be trained on.
        expects: what its losses may expect their predictions to be.
        on_parameters: a penalty on parameters.
        against: the signature in which its row functions meet other candidates.
        options: fields of a :class:`Param` by name, of the parameters that every loss of the signature has.
        made: the class or object itself, where the plugin has imported it.
    """

    name: str
    target: str
    arguments: tuple[str, ...]
    optional: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()
    expects: tuple[str, ...] = ("logits",)
    on_parameters: bool = False
    against: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    made: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self, "signature", ("arguments", "optional", "given", "fits", "expects"))
        _require(bool(self.arguments), self, "signature", "arguments", "at least one name")
        names = (*self.arguments, *self.optional)
        _require(len(set(names)) == len(names), self, "signature", "arguments", "names that differ")
        _require(all(x.isidentifier() for x in names), self, "signature", "arguments", "Python names")
        _require(set(self.given) <= set(names), self, "signature", "given", f"among {', '.join(names)}")
        known = bool(self.expects) and set(self.expects) <= set(EXPECTS)
        _require(known, self, "signature", "expects", f"among {', '.join(EXPECTS)}")
        _require(isinstance(self.on_parameters, bool), self, "signature", "on_parameters", "True or False")
        _require(isinstance(self.against, str), self, "signature", "against", "a name")
        written = isinstance(self.options, Mapping) and all(isinstance(x, Mapping) for x in self.options.values())
        _require(written, self, "signature", "options", "a dict of dicts, the fields of losszoo.Param by name")
        clash = [name for name in self.options if name in (*names, *_TAKEN)]
        if clash:
            taken = ", ".join((*names, *_TAKEN))
            raise UsageError(f"signature {self.name}: options must have other names than {taken}, got {clash[0]}")
        self.option_params()

    def option_params(self) -> tuple[Param, ...]:
        """The options as parameters; None as an end of a range is no bound."""
        return tuple(_option(self.name, name, dict(fields)) for name, fields in self.options.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return _plain(self)


@keeps_fault
@dataclass(frozen=True, kw_only=True)
class KindSpec:
    """A kind of task as its plugin offers it; the attributes are those of :class:`losszoo.Kind`.

    Args:
        name: kebab-case, unique in the zoo.
        target: "package.module:Class" of a :class:`losszoo.Kind`.
        natural: the signature that its tasks naturally feed a loss.
        metrics: what is measured.
        smaller: those of them of which less is better.
        target_type: in scikit-learn's words; says which of its scorers fit.
        takes: further signatures that can be trained on it, beside those that say so themselves.
        baselines: of those that ``compare`` computes, the ones that fit.
        made: the class or object itself, where the plugin has imported it.
    """

    name: str
    target: str
    natural: str
    metrics: tuple[str, ...]
    smaller: tuple[str, ...] = ()
    target_type: str = ""
    takes: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    made: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self, "kind", ("metrics", "smaller", "takes", "baselines"))
        _require(isinstance(self.target_type, str), self, "kind", "target_type", "a text")
        _require(isinstance(self.natural, str) and bool(self.natural), self, "kind", "natural", "a signature's name")
        _require(bool(self.metrics), self, "kind", "metrics", "at least one name")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return _plain(self)


def _option(owner: str, name: str, values: dict[str, Any]) -> Param:
    ends = values.get("range")
    if isinstance(ends, tuple | list) and len(ends) == 2:
        low, high = ends
        values["range"] = (-math.inf if low is None else low, math.inf if high is None else high)
    try:
        return Param(name=name, **values)
    except TypeError as error:
        rule = f"option {name} must have fields of losszoo.Param"
        raise UsageError(f"signature {owner}: {rule}, got the error {error}") from None


def spec_of(offered: Any, kind: type[Spec]) -> Spec:
    """What a hook has returned, as a spec.

    Args:
        offered: a spec; "package.module:Class", whose attributes are read from its source; a class, or an object.
        kind: :class:`SignatureSpec` or :class:`KindSpec`.

    Raises:
        UsageError: it is something else, or not of its form.
    """
    if isinstance(offered, kind):
        return sound(offered, kind)
    names = [entry.name for entry in fields(kind) if entry.name not in ("target", "made")]
    if isinstance(offered, str):
        if not TARGET.fullmatch(offered):
            raise UsageError(f"a hook must return targets such as 'package.module:Class', got {offered!r}")
        written = class_attributes(offered)
        for name in names:
            if isinstance(written.get(name), NotLiteral):
                raise UsageError(f"{offered}: {name} must be a literal, got {written[name]!r}")
        values = {name: written[name] for name in names if name in written}
        return _complete(kind, values, target=offered)
    made = offered if isinstance(offered, type) else type(offered)
    values = {name: getattr(offered, name) for name in names if getattr(offered, name, None) is not None}
    if "name" not in values:
        raise UsageError(f"a hook must return a class with a name, its target or a spec, got {offered!r}")
    return _complete(kind, values, target=f"{made.__module__}:{made.__qualname__}", made=offered)


def _complete(kind: type[Spec], values: dict[str, Any], **rest: Any) -> Spec:
    required = ("name", "arguments") if kind is SignatureSpec else ("name", "natural", "metrics")
    lacking = [name for name in required if name not in values]
    if lacking:
        raise UsageError(f"{rest['target']} must have the attributes {', '.join(required)}, got no {lacking[0]}")
    return kind(**values, **rest)


def _check(spec: Any, what: str, tuples: tuple[str, ...]) -> None:
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        raise UsageError(f"name of a {what} must be kebab-case (a-z, 0-9, -), got {spec.name!r}")
    for name in tuples:
        _require(is_strings(getattr(spec, name)), spec, what, name, "a tuple of strings")
        object.__setattr__(spec, name, tuple(getattr(spec, name)))


def _require(holds: bool, spec: Any, what: str, name: str, rule: str) -> None:
    if not holds:
        raise UsageError(f"{what} {spec.name}: {name} must be {rule}, got {getattr(spec, name)!r}")


def _plain(spec: Any) -> dict[str, Any]:
    values = asdict(spec) if spec.made is None else {e.name: getattr(spec, e.name) for e in fields(spec)}
    values.pop("made")
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
