"""A recorder asks losses over pairs for every operation: the whole matrix, and no closed form of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

WHOLE: ContextVar[bool] = ContextVar("whole", default=False)


@contextmanager
def whole_matrix() -> Iterator[None]:
    """Losses over pairs called inside form the whole matrix, so that a recorder sees each operation.

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
    """Whether a recorder is at work. A compiler forms the whole matrix anyway, and can look at no context."""
    return not torch.compiler.is_compiling() and WHOLE.get()
