"""``--set`` and everything else that a user may choose, checked before anything is computed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.harness.task import Recipe, Setup, Task
from losszoo.harness.trunks import trunk_options
from losszoo.registry.registry import installed
from losszoo.registry.targets import resolve

GROUPS = ("model", "recipe", "loss", "task")
OPTIMIZERS = ("adamw", "adam", "sgd")
_RECIPE_RULES: Mapping[str, tuple[float, float, str]] = {
    "lr": (0, math.inf, "()"),
    "weight_decay": (0, math.inf, "[)"),
    "batch_size": (1, math.inf, "[)"),
    "epochs": (1, math.inf, "[)"),
    "patience": (0, math.inf, "[)"),
    "sample_rate": (0, 1, "(]"),
}


@dataclass(frozen=True)
class Overrides:
    """What the user set, by group."""

    model: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=dict)


def parse_overrides(items: Iterable[str] | Mapping[str, Any]) -> Overrides:
    """From ``["model.dim=64"]`` or ``{"model.dim": 64}`` to values by group.

    Raises:
        UsageError: an item without ``group.key=value``, or a group that does not exist.

    Example:
        >>> parse_overrides(["model.dim=64", "recipe.lr=1e-2"]).model
        {'dim': 64}
    """
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    pairs = items.items() if isinstance(items, Mapping) else [_split(item) for item in items]
    for key, value in pairs:
        group, dot, name = key.partition(".")
        if not dot or not name or group not in GROUPS:
            raise UsageError(
                f"a setting must start with {', '.join(f'{g}.' for g in GROUPS)}, however: {key}={value}"
            )
        groups[group][name] = value
    return Overrides(**groups)


def _split(item: str) -> tuple[str, Any]:
    key, equals, text = item.partition("=")
    if not equals:
        raise UsageError(f"a setting must be group.key=value (model.dim=64), however: {item!r}")
    return key.strip(), read_value(text.strip())


def read_value(text: str) -> Any:
    """A number, true, false or none where the text is one; else the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def make_task(name: str, options: Mapping[str, Any]) -> Task:
    """The task of that name with its options, its announcement attached."""
    spec = installed().task(name)
    origin = installed().origin("task", name)
    try:
        made = resolve(spec.target)
    except UsageError as error:
        raise UsageError(f"task {name} of {origin} cannot be loaded: {error}") from error
    known = list(inspect.signature(made).parameters)
    for key in options:
        if key not in known:
            raise UnknownNameError(f"task {name} has no option {key!r}: {suggest(key, ['split', *known])}")
    task = made(**options)
    if not isinstance(task, Task):
        raise UsageError(
            f"task {name} of {origin} must be a losszoo.Task, however: {spec.target} is a {type(task).__name__}"
        )
    task.spec = spec
    return task


def split_seed(value: Any) -> int:
    """The ``task.split`` key."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise UsageError(f"task.split must be a whole number in [0, 2^32), however: task.split={value!r}")
    return value


def apply(setup: Setup, overrides: Overrides) -> Setup:
    """The task's proposal with the user's changes.

    Raises:
        UsageError: a key that does not exist (with the right ones), or a value that is not legal.
    """
    model = dict(overrides.model)
    trunk = model.pop("trunk", setup.trunk)
    proposed = dict(setup.model) if trunk == setup.trunk else {}
    known = trunk_options(trunk)
    for key in model:
        if key not in known:
            raise UnknownNameError(
                f"trunk {trunk} has no option {key!r}: {suggest(key, ['trunk', *known])}; known: model.{', model.'.join(known)}"
            )
    return Setup(trunk=trunk, model={**proposed, **model}, recipe=_recipe(setup.recipe, overrides.recipe))


def _recipe(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    known = [f.name for f in fields(Recipe)]
    for key, value in changes.items():
        if key not in known:
            raise UnknownNameError(
                f"there is no recipe.{key}: {suggest(key, known)}; known: recipe.{', recipe.'.join(known)}"
            )
        if key == "optimizer":
            if value not in OPTIMIZERS:
                raise UsageError(
                    f"recipe.optimizer must be one of {', '.join(OPTIMIZERS)}, however: {value!r}"
                )
        else:
            _check_number(key, value, isinstance(getattr(recipe, key), int))
    return replace(recipe, **changes)


def _check_number(key: str, value: Any, whole: bool) -> None:
    low, high, bounds = _RECIPE_RULES[key]
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    inside = (
        number
        and (low <= value if bounds[0] == "[" else low < value)
        and (value <= high if bounds[1] == "]" else value < high)
    )
    if not inside:
        kind = "a whole number" if whole else "a number"
        left, right = bounds
        raise UsageError(
            f"recipe.{key} must be {kind} in {left}{low:g}, {high:g}{right}, however: recipe.{key}={value!r}"
        )
