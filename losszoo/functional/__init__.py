"""Every installed loss as a function: ``losszoo.functional.focal(logits, targets, gamma=1.0)``.

The names are those of the losses, with underscores. What a plugin adds is here too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from losszoo.functional.forms import function_of, names


def __getattr__(name: str) -> Callable[..., Any]:
    if name == "__all__":
        return names()  # type: ignore[return-value]
    return function_of(name)


def __dir__() -> list[str]:
    return names()
