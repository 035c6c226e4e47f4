"""Who watches the operations asks losses over pairs for all of them: the whole matrix, and no closed form of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

WHOLE: ContextVar[bool] = ContextVar("whole", default=False)


@contextmanager
def whole_matrix() -> Iterator[None]:
    """Losses over pairs called inside form the whole matrix, so that who watches the operations sees each of them.

    Example:
        >>> with whole_matrix():
        ...     whole_matrix_wanted()
        True
    """
    token = WHOLE.set(True)
    try:
        yield
    finally:
        WHOLE.reset(token)


def whole_matrix_wanted() -> bool:
    """Whether somebody watches. A compiler forms the whole matrix anyway, and can look at no context."""
    return not torch.compiler.is_compiling() and WHOLE.get()
