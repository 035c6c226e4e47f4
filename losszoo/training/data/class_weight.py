"""How much the rows of each class count: ``recipe.class_weight``, as a weight of every training row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from losszoo.common.text import shown
from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.training.data.prepared_data import Prepared

BALANCED = "balanced"
_RULE = "class_weight must be balanced or a weight for classes by their names, as yes=3,no=1"


def as_text(given: Any) -> str | None:
    """A class weight as a recipe holds it.

    Args:
        given: "balanced", text, weights by class, or None, as text too.

    Raises:
        UsageError: anything else.

    Example:
        >>> as_text({"yes": 3, "no": 0.5})
        'yes=3,no=0.5'
    """
    if given is None or isinstance(given, str):
        return None if given is None or given.strip().lower() == "none" else given
    if not isinstance(given, Mapping) or not given:
        raise UsageError(f"{_RULE}, got {shown(given)}")
    return ",".join(f"{name}={weight}" for name, weight in given.items())


def class_weights(text: str, counts: Sequence[float], names: Sequence[str]) -> list[float]:
    """The weight of each class.

    Args:
        text: "balanced", for n / (C * count) of C classes with n rows, as in scikit-learn; or weights by name, where a
            class that is not named has 1.
        counts: rows of each class in training.
        names: of the classes.

    Raises:
        UsageError: a class that there is not, or weights that are not finite, below 0, or 0 for all rows.

    Example:
        >>> class_weights("balanced", [1, 3], ["no", "yes"]), class_weights("no=2", [1, 3], ["no", "yes"])
        ([2.0, 0.6666666666666666], [2.0, 1.0])
    """
    if text.strip() == BALANCED:
        present = [count for count in counts if count]
        return [sum(present) / (len(present) * count) if count else 1.0 for count in counts]
    weights = dict.fromkeys(names, 1.0) | _by_name(text, names)
    if not any(weight * count for weight, count in zip(weights.values(), counts, strict=True)):
        raise UsageError(f"class_weight must be above 0 for a class that training has, got {text!r}")
    return list(weights.values())


def _by_name(text: str, names: Sequence[str]) -> dict[str, float]:
    """The weights that are written out; a name may hold a comma or an equals sign itself."""
    found: dict[str, float] = {}
    pending = ""
    for piece in text.split(","):
        pending += piece
        name, equals, number = (part.strip() for part in pending.rpartition("="))
        if equals and name in names:
            found[name] = _weight(name, number)
            pending = ""
        else:
            pending += ","
    if pending:
        name, equals, _ = (part.strip() for part in pending.removesuffix(",").rpartition("="))
        if not equals:
            raise UsageError(f"{_RULE}, got {text!r}")
        raise UnknownNameError(f"class_weight has no class {name!r}: {suggest(name, list(names))}")
    return found


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"class_weight of {name} must be a number >= 0, got {text!r}")
    return weight


def with_class_weight(data: Prepared, text: str | None, spec: TaskSpec, names: Sequence[str]) -> Prepared:
    """The data with the weight of each class in training.

    Args:
        data: of the task.
        text: of the recipe; None leaves all as it is.
        spec: of the task, for an error.
        names: of the classes; without any they are 0, 1, ...

    Raises:
        UsageError: the rows have no label each, or none that training may look at, or :func:`class_weights` refuses.
    """
    if text is None:
        return data
    if installed().kind(spec.kind).trained_without_labels:
        raise UsageError(
            f"class_weight must be left out on {spec.name}, a {spec.kind} task, which is trained without labels, got "
            f"{text}"
        )
    if not data.classes:
        raise UsageError(
            f"class_weight must be left out on {spec.name}, a {spec.kind} task, whose targets are no labels, got {text}"
        )
    weights = class_weights(text, data.class_counts, list(names) or [str(label) for label in range(data.classes)])
    if data.train.targets.ndim > 1:
        option = f"weight=[{', '.join(f'{weight:.4g}' for weight in weights)}]"
        raise UsageError(
            f"class_weight must be left out on {spec.name}, a {spec.kind} task with a label for each pixel, "
            f"got {text}; give it to the loss as its option {option}"
        )
    return replace(data, class_weights=torch.tensor(weights, device=data.train.targets.device))
