"""What can be read off a callable before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters by name; none for a builtin that does not say them.

    Example:
        >>> list(parameters_of(lambda logits, *, gamma=2.0: 0))
        ['logits', 'gamma']
    """
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}
