"""``--search KEY=LOW:HIGH[:log]`` and ``--search KEY=a,b,c``, checked against what is legal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from losszoo.common.text import listed
from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.registry.params import Param
from losszoo.training.settings import read_value
from losszoo.tuning.space import Dimension, Known

_STEPS = ("log", "linear")
# Not one of a list in brackets.
_COMMA = re.compile(r",(?![^\[]*\])")
_FORM = "KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=a,b,c"


def split_items(items: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """Keys and ranges as text, from ``["recipe.lr=1e-4:1e-2:log"]`` or ``{"recipe.lr": "1e-4:1e-2:log"}``.

    A list in a mapping holds choices: ``{"model.dim": [32, 64]}``.

    Raises:
        UsageError: an item without ``=``, or a key given twice.

    Example:
        >>> split_items(["model.dim=32,64"])
        {'model.dim': '32,64'}
    """
    if isinstance(items, Mapping):
        return {key: _as_text(value) for key, value in items.items()}
    found: dict[str, str] = {}
    for item in items:
        key, equals, text = item.partition("=")
        key = key.strip()
        if not equals or not key or not text.strip():
            raise UsageError(f"search must be {_FORM}, got {item!r}")
        if key in found:
            raise UsageError(f"search must name a key once, got {key} twice")
        found[key] = text.strip()
    return found


def _as_text(value: Any) -> str:
    choices = listed(value)
    return str(value) if choices is None else ",".join(map(str, choices))


def read_dimension(key: str, text: str, known: Mapping[str, Known], fixed: Iterable[str], own: bool) -> Dimension:
    """The dimension that the user asks for.

    Args:
        key: what is searched.
        text: ``LOW:HIGH``, ``LOW:HIGH:log``, ``LOW:HIGH:linear`` or ``a,b,c``.
        known: what may be searched.
        fixed: keys that are set.
        own: whether there is a custom loss, whose parameters are not known.

    Raises:
        UsageError: an unknown key, a range that is none, or one that leaves what is legal.
    """
    if key in fixed:
        raise UsageError(f"{key} must be either set or searched, got both; leave one out")
    if key.startswith("task."):
        raise UsageError(
            f"{key} must not be searched: other data give values that cannot be compared; set it with --set {key}=..."
        )
    found = known.get(key)
    if found is None and not (own and key.startswith("loss.")):
        raise UnknownNameError(f"there is no setting {key!r} to search: {suggest(key, list(known))}")
    param = found.param if found else None
    made = _range(key, text, param) if ":" in text else _choices(key, text, param)
    _check_legal(made, param)
    return made


def _range(key: str, text: str, param: Param | None) -> Dimension:
    ends, steps = text.split(":"), ""
    if len(ends) == 3:
        steps = ends.pop().strip()
    numbers = [read_value(end.strip()) for end in ends]
    if len(ends) != 2 or not all(map(_is_finite, numbers)) or steps not in ("", *_STEPS):
        raise UsageError(f"search of {key} must be {_FORM.replace('KEY', key)}, got {text}")
    low, high = numbers
    if not low < high:
        raise UsageError(f"search of {key} must have LOW < HIGH, got {text}")
    if param is not None and (param.choices or param.type not in ("float", "int")):
        some = (
            "a number or a list each, as 1,[1, 2]" if param.type == "floats" else f"out of {param.interval or 'a,b,c'}"
        )
        raise UsageError(f"search of {key} must be choices {some}, got {text}")
    whole = all(isinstance(end, int) for end in numbers) and (param is None or param.type == "int")
    if param is not None and param.type == "int" and not whole:
        raise UsageError(f"search of {key} must have whole numbers as LOW and HIGH, got {text}")
    # A weight or a parameter of an unknown loss is no count: 1:10 means every number between.
    whole = whole and param is not None
    if steps == "log" and low <= 0:
        raise UsageError(f"logarithmic search of {key} must have LOW > 0, got {text}")
    log = steps == "log" or (not steps and low > 0 and param is not None and param.log)
    return Dimension(key, low, high, log, whole)


def _choices(key: str, text: str, param: Param | None) -> Dimension:
    words = [word.strip() for word in _COMMA.split(text)]
    plain = param is not None and param.type == "str"
    values = tuple(word if plain else read_value(word) for word in words)
    if len(set(map(str, values))) < max(2, len(values)) or "" in words:
        raise UsageError(f"search of {key} must have two different choices or more, got {text}")
    return Dimension(key, choices=values)


def _check_legal(made: Dimension, param: Param | None) -> None:
    for value in made.choices or (_end(made, made.low), _end(made, made.high)):
        complaint = param.complaint(value) if param is not None else None
        if made.key.startswith("weight.") and not _is_finite(value):
            complaint = "must be a number"
        if complaint:
            raise UsageError(f"search of {made.key} {complaint}, got {value!r}")


def _end(made: Dimension, number: float) -> float:
    return int(number) if made.whole else number


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
