"""What a plugin says about its losses and tasks. Frozen and torch-free, so that listing them costs nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from losszoo.errors import UsageError

SIGNATURES = (
    "binary",
    "multiclass",
    "regression",
    "segmentation",
    "embedding",
    "pair",
    "triplet",
    "views",
    "neighbors",
    "penalty",
)
EXPECTS = ("logits", "probabilities", "log-probabilities")
STATUSES = ("stable", "exhibit")
PARAM_TYPES = ("float", "int", "bool", "str", "floats")
KINDS = ("multiclass", "binary", "regression", "segmentation", "retrieval", "views")

# Which signatures can be joined to which kind of task; a penalty joins any of them, but only inside a sum.
FITS: Mapping[str, tuple[str, ...]] = {
    "multiclass": ("multiclass", "binary", "regression", "embedding", "pair", "triplet", "views", "neighbors"),
    "binary": ("binary", "multiclass", "regression", "embedding", "pair", "triplet", "views", "neighbors"),
    "regression": ("regression", "neighbors"),
    "segmentation": ("segmentation", "binary"),
    "retrieval": ("embedding", "pair", "triplet", "views", "neighbors"),
    "views": ("views",),
}

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True, kw_only=True)
class Param:
    """One hyperparameter of a loss.

    Args:
        name: the keyword of the function.
        type: one of "float", "int", "bool", "str", "floats" (a sequence of numbers, or a tensor).
        default: value used when none is given. ``None`` makes the parameter optional.
        range: legal (low, high); ``math.inf`` for no bound. None means unbounded.
        bounds: which ends are legal, in interval notation: "[]", "()", "[)", "(]".
        log: True where a search should step in the logarithm.
        choices: the legal strings of a "str".
        search: (low, high) that a tuner explores; the legal range where that is finite.
        summary: one line for ``losszoo info``.
    """

    name: str
    type: str = "float"
    default: Any = None
    range: tuple[float, float] | None = None
    bounds: str = "[]"
    log: bool = False
    choices: tuple[str, ...] = ()
    search: tuple[float, float] | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        if self.type not in PARAM_TYPES:
            raise UsageError(f"type of a Param must be one of {PARAM_TYPES}, however: type={self.type!r}")
        if self.bounds not in ("[]", "()", "[)", "(]"):
            raise UsageError(f"bounds must be [], (), [) or (], however: bounds={self.bounds!r}")

    @property
    def interval(self) -> str:
        """The legal values in words: ``[0, inf)``, ``a|b``, ``true|false``; empty where everything is legal."""
        if self.choices:
            return "|".join(self.choices)
        if self.type == "bool":
            return "true|false"
        if self.range is None:
            return ""
        low, high = self.range
        left = "(" if math.isinf(low) else self.bounds[0]
        right = ")" if math.isinf(high) else self.bounds[1]
        return f"{left}{low:g}, {high:g}{right}"

    def complaint(self, value: Any) -> str | None:
        """Why ``value`` is not legal here, or None when it is."""
        if value is None and self.default is None:
            return None
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        expected = _TYPE_WORDS[self.type]
        if not _is_a(value, self.type):
            return f"must be {expected}"
        if self.range is None or self.type not in ("float", "int"):
            return None
        low, high = self.range
        above = value >= low if self.bounds[0] == "[" else value > low
        below = value <= high if self.bounds[1] == "]" else value < high
        return None if above and below else f"must be in {self.interval}"


_TYPE_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a string",
    "floats": "a number or a sequence of numbers",
}


def _is_a(value: Any, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    return not isinstance(value, str | bool)


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    r"""A loss as its plugin announces it.

    Args:
        name: kebab-case, unique in the zoo.
        target: "package.module:name" of a pure function, a row function or an ``nn.Module`` class.
        signature: one of :data:`SIGNATURES`.
        summary: one line.
        formula: LaTeX.
        reference: author, title, year, link.
        params: the hyperparameters, in the order in which they are shown.
        expects: what the predictions are: "logits", "probabilities" or "log-probabilities".
        tags: free words to filter by.
        status: "stable", or "exhibit" for a known-unstable form that is kept to teach.
        stable_twin: for an exhibit, the loss to use instead.
    """

    name: str
    target: str
    signature: str
    summary: str
    formula: str
    reference: str
    params: tuple[Param, ...] = ()
    expects: str = "logits"
    tags: tuple[str, ...] = ()
    status: str = "stable"
    stable_twin: str | None = None

    def __post_init__(self) -> None:
        _check_announcement(self, "loss")
        object.__setattr__(self, "params", tuple(self.params))
        object.__setattr__(self, "tags", tuple(self.tags))
        _one_of(self, "signature", SIGNATURES)
        _one_of(self, "expects", EXPECTS)
        _one_of(self, "status", STATUSES)
        if (self.status == "exhibit") != (self.stable_twin is not None):
            raise UsageError(
                f"loss {self.name}: an exhibit, and nothing else, names its stable_twin, however: "
                f"status={self.status!r}, stable_twin={self.stable_twin!r}"
            )

    def param(self, name: str) -> Param | None:
        """The parameter of that name, or None."""
        return next((p for p in self.params if p.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return _plain(asdict(self))


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A task as its plugin announces it.

    Args:
        name: kebab-case, unique in the zoo.
        target: "package.module:name" of a :class:`losszoo.Task` subclass.
        kind: one of :data:`KINDS`; it decides which losses fit (see :data:`FITS`).
        summary: one line.
        metric: name of the metric that decides, as it appears in the result.
        direction: "max" or "min".
        published: results of others, as (method, value, spread or None, source).
        reference: where the data come from.
    """

    name: str
    target: str
    kind: str
    summary: str
    metric: str
    direction: str = "max"
    published: tuple[tuple[str, float, float | None, str], ...] = ()
    reference: str = ""
    tags: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        _check_announcement(self, "task")
        object.__setattr__(self, "published", tuple(tuple(row) for row in self.published))
        object.__setattr__(self, "tags", tuple(self.tags))
        _one_of(self, "kind", KINDS)
        _one_of(self, "direction", ("max", "min"))

    def fits(self, signature: str) -> bool:
        """Whether a loss of that signature can be trained on this task by itself."""
        return signature in FITS[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return _plain(asdict(self))


def _check_announcement(spec: Any, what: str) -> None:
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        raise UsageError(f"name of a {what} must be kebab-case (a-z, 0-9, -), however: name={spec.name!r}")
    if not isinstance(spec.target, str) or not _TARGET.fullmatch(spec.target):
        raise UsageError(f"{what} {spec.name}: target must be 'package.module:name', however: target={spec.target!r}")
    if not isinstance(spec.summary, str) or not spec.summary or "\n" in spec.summary:
        raise UsageError(f"{what} {spec.name}: summary must be one line of text, however: summary={spec.summary!r}")


def _one_of(spec: Any, field_name: str, allowed: tuple[str, ...]) -> None:
    value = getattr(spec, field_name)
    if value not in allowed:
        raise UsageError(f"{spec.name}: {field_name} must be one of {', '.join(allowed)}, however: {field_name}={value!r}")


def _plain(value: Any) -> Any:
    """Tuples to lists, and infinities to None, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
