"""What a plugin says of a hyperparameter: type, default, legal range."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from losszoo.errors import UsageError
from losszoo.registry.faulty_specs import keeps_fault

PARAM_TYPES = ("float", "int", "bool", "str", "floats")
BOUNDS = ("[]", "()", "[)", "(]")


@keeps_fault
@dataclass(frozen=True, kw_only=True)
class Param:
    """One hyperparameter of a loss.

    Args:
        name: the keyword of the function.
        type: one of "float", "int", "bool", "str", "floats" (a finite number, a flat sequence, or an array or
            tensor of them).
        default: value used when none is given. ``None`` makes the parameter optional.
        range: legal (low, high), of every entry; ``math.inf`` for no bound. None means unbounded.
        bounds: which ends are legal, in interval notation: "[]", "()", "[)", "(]"; an infinite end never is.
        log: True where a search should step in the logarithm.
        choices: the legal strings of a "str".
        search: (low, high) that a tuner explores; the legal range where that is finite.
        summary: one line for ``losszoo info``.

    Raises:
        UsageError: a field that is not of this form, or a default that is not legal itself.
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
        require(isinstance(self.name, str) and self.name.isidentifier(), self, "name", "a Python name")
        require(self.type in PARAM_TYPES, self, "type", f"one of {', '.join(PARAM_TYPES)}")
        require(self.bounds in BOUNDS, self, "bounds", f"one of {', '.join(BOUNDS)}")
        require(is_strings(self.choices), self, "choices", "a tuple of strings")
        require(_is_interval(self.range), self, "range", "(low, high) or None")
        require(_is_interval(self.search), self, "search", "(low, high) or None")
        written = self.type != "floats" or _is_written(self.default)
        require(written, self, "default", "None, a number or a tuple of numbers")
        for name in ("choices", "range", "search"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        complaint = self.complaint(self.default)
        if complaint:
            raise UsageError(f"{self.name}: default {complaint}, got {self.default!r}")

    @property
    def interval(self) -> str:
        """The legal values: ``[0, inf)``, ``a|b``, ``true|false``; empty where everything is legal."""
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
        """Why ``value`` is not legal here, or None when it is.

        Example:
            >>> Param(name="gamma", default=2.0, range=(0.0, math.inf)).complaint(-1)
            'must be in [0, inf)'
        """
        if value is None and self.default is None:
            return None
        if self.choices:
            chosen = isinstance(value, str) and value in self.choices
            return None if chosen else f"must be one of {', '.join(self.choices)}"
        if _is_long(value) and self.type in ("float", "int"):
            return f"must be {_SIZE_WORDS[self.type]}"
        if not is_a(value, self.type):
            return f"must be {_TYPE_WORDS[self.type]}"
        if not _fits(value, self.type):
            return f"must be {_SIZE_WORDS[self.type]}"
        if self.range is None or self.type not in ("float", "int", "floats"):
            return None
        if self.type == "floats":
            inside = all(map(self._inside, entries(value) or ()))
            return None if inside else f"must be in {self.interval}, every entry"
        if not self._inside(value):
            return f"must be in {self.interval}"
        # Past an open end at 0 stands what a loss divides by, or what switches it off.
        beyond_zero = 0 in self.range and self.bounds[self.range.index(0)] in "()"
        near = beyond_zero and abs(value) < SMALLEST
        return f"must be in {self.interval}, and not below {SMALLEST:.2g}, float32's smallest" if near else None

    def _inside(self, value: float) -> bool:
        low, high = self.range or (-math.inf, math.inf)
        on_end = (value == low and self.bounds[0] == "[") or (value == high and self.bounds[1] == "]")
        return low < value < high or (on_end and math.isfinite(value))


_TYPE_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a string",
    "floats": "a finite number, a flat sequence or a tensor of finite numbers",
}


# Losses compute in float32: what is larger is infinite there, and the inverse of what is smaller is.
LARGEST, SMALLEST = (2 - 2.0**-23) * 2.0**127, 2.0**-126
_SIZE_WORDS = {
    "float": f"a number of at most {LARGEST:.2g} in size, as float32 holds, and a whole one must fit 64 bits",
    "int": "a whole number that fits 64 bits",
    "floats": f"a finite number, a flat sequence or a tensor of numbers that are 0 or {SMALLEST:.2g} to {LARGEST:.2g} "
    "in size, as float32 holds",
}


def _is_long(value: Any) -> bool:
    """A whole number that torch does not take."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _fits(value: Any, kind: str) -> bool:
    """Whether float32 holds a number, or each of several."""
    if kind == "float":
        return abs(value) <= LARGEST or math.isinf(value)
    return kind != "floats" or all(x == 0 or SMALLEST <= abs(x) <= LARGEST for x in entries(value) or ())


def require(holds: bool, spec: Any, field_name: str, rule: str) -> None:
    """The one sentence for every spec that is not of its form."""
    if not holds:
        value = getattr(spec, field_name)
        raise UsageError(f"{spec.name}: {field_name} must be {rule}, got {value!r}")


def is_strings(value: Any) -> bool:
    """Whether this is a tuple of strings; one string alone is a forgotten comma."""
    return isinstance(value, tuple | list) and all(isinstance(item, str) for item in value)


def is_a(value: Any, kind: str) -> bool:
    """Whether a value is of a type of :data:`PARAM_TYPES`."""
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        # A whole number may be too large for a float; math.isnan would raise.
        held = isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)
        return held and not isinstance(value, bool) and not math.isnan(value)
    numbers = entries(value)
    return numbers is not None and all(is_a(number, "float") and math.isfinite(number) for number in numbers)


def entries(value: Any) -> list[Any] | None:
    """What a value of type "floats" consists of: a number, a sequence, an array or a tensor; None for another."""
    if callable(getattr(value, "tolist", None)):
        flat = value.reshape(-1) if callable(getattr(value, "reshape", None)) else value
        try:
            value = flat.tolist()
        except (NotImplementedError, RuntimeError):  # a tensor of no numbers, as on the meta device
            return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return None if value is None or isinstance(value, str | bool) else [value]


def _is_interval(value: Any) -> bool:
    if value is None:
        return True
    pair = isinstance(value, tuple | list) and len(value) == 2 and all(is_a(end, "float") for end in value)
    return pair and value[0] <= value[1]


def _is_written(value: Any) -> bool:
    """Whether a default of type "floats" can be written down, as a tensor cannot."""
    numbers = value if isinstance(value, tuple | list) else () if value is None else (value,)
    return all(is_a(number, "float") for number in numbers)
