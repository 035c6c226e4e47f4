"""What a file holds that could be a loss, where a target names no loss of it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

from torch import nn

from losszoo.errors import UsageError, nearest, suggest
from losszoo.losses.introspection import positional_names
from losszoo.registry.import_target import resolve


def check_names_a_loss(target: str) -> None:
    """Refuse a file without a name, and a name that a file does not have; say which names it has, and what to type.

    Raises:
        UsageError: the file is there, and the name is missing or not in it.
    """
    place, _, name = target.rpartition(":") if not target.endswith(".py") else (target, "", "")
    if not place.endswith(".py") or not os.path.isfile(os.path.expanduser(place)):
        return
    holds = resolve(f"{place}:__dict__")
    first = name.partition(".")[0]
    if first in holds or (first and "__getattr__" in holds):
        return
    losses = losses_among(holds)
    if not losses:
        said = "it holds no public name" if not any(not key.startswith("_") for key in holds) else "it holds no loss"
        raise UsageError(f"{place} has no {name!r}: {said}" if name else f"{place} holds no function with an argument")
    near = nearest(first, losses) if first else []
    best = next(iter(near or sorted(losses, key=lambda key: _count(holds[key]) < 2)))
    meant = f"{suggest(first, losses)} " if near else ""
    start = f"{place} has no {name!r}: {meant}" if name else f"{place} must be followed by the name of a loss: "
    raise UsageError(f"{start}it has {', '.join(losses)}; next: losszoo doctor {place}:{best}")


def losses_among(holds: Mapping[str, Any]) -> list[str]:
    """The public names of what can be called with an argument and is made in the file, in its order.

    Args:
        holds: everything in a module, by name.
    """
    own = holds.get("__name__")
    return [name for name, value in holds.items() if not name.startswith("_") and _is_own(value, own) and _count(value)]


def _is_own(value: Any, module: str | None) -> bool:
    return isinstance(value, nn.Module) or (callable(value) and getattr(value, "__module__", None) == module)


def _count(value: Any) -> int:
    """How many arguments a call takes by place; 0 where it cannot be called, or takes none."""
    called = value
    if inspect.isclass(value):
        made = [name for kind in value.__mro__[:-1] for name in ("forward", "__call__") if name in vars(kind)]
        if not made:
            return 0
        called = getattr(value, "forward" if "forward" in made else "__call__")
    try:
        return len(positional_names(called))
    except (TypeError, ValueError):
        return 0
