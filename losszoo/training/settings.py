"""``--set`` and everything else that a user may choose, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from losszoo.common.text import plain_list, shown
from losszoo.errors import UnknownNameError, UsageError, nearest, suggest
from losszoo.registry.params import Param
from losszoo.tasks.task import Setup
from losszoo.training.data.class_weight import as_text
from losszoo.training.models.own_network import is_own, name_of_network, network_options
from losszoo.training.models.trunks import trunk_options

GROUPS = ("model", "recipe", "loss", "task")
# What a field of a recipe may be; the defaults are the task's.
LEGAL = {
    param.name: param
    for param in (
        Param(name="optimizer", type="str", default="adamw", choices=("adamw", "adam", "sgd")),
        Param(name="lr", default=1e-3, range=(0, math.inf), bounds="()", search=(1e-4, 3e-2), log=True),
        Param(name="weight_decay", default=1e-4, range=(0, math.inf), search=(1e-5, 1.0), log=True),
        Param(name="batch_size", type="int", default=128, range=(1, math.inf), search=(16, 4096), log=True),
        Param(name="epochs", type="int", default=50, range=(1, math.inf)),
        Param(name="patience", type="int", default=10, range=(0, math.inf)),
        Param(name="sample_rate", default=0.5, range=(0, 1), bounds="(]", search=(0.02, 1.0), log=True),
        Param(name="class_weight", type="str"),
        Param(name="sampler", type="str", choices=("random", "weighted", "m-per-class")),
        Param(name="per_class", type="int", range=(1, math.inf)),
        Param(name="loss_lr", default=None, range=(0, math.inf), bounds="()", log=True),
    )
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
        UsageError: an item without ``group.key=value``, or a group that does not exist; a text alone.

    Example:
        >>> parse_overrides(["model.dim=64", "recipe.lr=1e-2"]).model
        {'dim': 64}
    """
    if isinstance(items, str):  # an iterable too, of letters
        raise UsageError(f"set must be a list such as ['model.dim=64'] or a mapping, got {items!r}; write [{items!r}]")
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    pairs = items.items() if isinstance(items, Mapping) else [_split(item) for item in items]
    for key, value in pairs:
        group, dot, name = key.partition(".")
        if not dot or not name or group not in GROUPS:
            raise UsageError(f"a setting must start with {', '.join(f'{g}.' for g in GROUPS)}, got {key}={value}")
        groups[group][name] = as_text(value) if key == "recipe.class_weight" else plain_list(value)
    return Overrides(**groups)


def _split(item: str) -> tuple[str, Any]:
    key, equals, text = item.partition("=")
    if not equals:
        raise UsageError(f"a setting must be group.key=value (model.dim=64), got {item!r}")
    return key.strip(), read_value(text.strip())


def read_value(text: str) -> Any:
    """A number, true, false, none or a list of numbers in brackets where the text is one; else the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text.startswith("[") and text.endswith("]"):
        read = [read_value(part.strip()) for part in text[1:-1].split(",")]
        numbers = all(isinstance(number, int | float) and not isinstance(number, bool) for number in read)
        return read if numbers else text
    return text


def split_seed(value: Any) -> int:
    """The ``task.split`` key."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise UsageError(f"task.split must be a whole number in [0, 2^32), got {value!r}")
    return value


def apply(setup: Setup, overrides: Overrides) -> Setup:
    """The task's proposal with the user's changes.

    Raises:
        UsageError: a key that does not exist (with the right ones), or a value that is not legal.
    """
    model = dict(overrides.model)
    trunk = model.pop("trunk", setup.trunk)
    own = is_own(trunk)
    proposed = dict(setup.model) if trunk is setup.trunk or (not own and trunk == setup.trunk) else {}
    known = network_options(trunk) if own else trunk_options(trunk)
    for key in model:
        if key not in known:
            trunk = name_of_network(trunk)
            raise UnknownNameError(f"trunk {trunk} has no option {key!r}: {_legal('model', key, ['trunk', *known])}")
    for key, value in overrides.recipe.items():
        if key not in LEGAL:
            raise UnknownNameError(f"there is no recipe.{key}: {_legal('recipe', key, list(LEGAL))}")
        complaint = LEGAL[key].complaint(value)
        if complaint:
            raise UsageError(f"recipe.{key} {complaint}, got {shown(value)}")
    # As text, which a run folder gives back as it was.
    proposal = {"class_weight": as_text(setup.recipe.class_weight)}
    recipe = replace(setup.recipe, **{**proposal, **overrides.recipe})
    return Setup(trunk=trunk, model={**proposed, **model}, recipe=recipe)


def _legal(group: str, key: str, known: list[str]) -> str:
    """The nearest keys where any is near, and all as they are written."""
    near = f"{suggest(key, known)}; " if nearest(key, known) else ""
    return f"{near}known: {', '.join(f'{group}.{name}' for name in known)}"
