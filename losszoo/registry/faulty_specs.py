"""Specs that are made while a registry collects them: a spec that is not of its form keeps its fault.

A hook returns a list of specs. If a spec raised where it is made, as it does elsewhere, the list would never
come to be, and one typing error would cost a plugin all its losses.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import fields
from types import TracebackType
from typing import Any, TypeVar

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError

T = TypeVar("T")
_COLLECTING: ContextVar[bool] = ContextVar("collecting", default=False)
_FAULT = "_fault"


@contextlib.contextmanager
def collecting(on: bool = True) -> Iterator[None]:
    """Specs and params made in here keep their fault, for :func:`fault_of`; everywhere else they raise it."""
    token = _COLLECTING.set(on)
    try:
        yield
    finally:
        _COLLECTING.reset(token)


def fault_of(spec: Any) -> str | None:
    """What was wrong when it was made, and where; None where nothing was."""
    fault: str | None = spec.__dict__.get(_FAULT)
    return fault


def sound(spec: T, kind: type[T]) -> T:
    """The spec itself; one of a subclass, which can leave out the checks, made anew.

    Raises:
        UsageError: what was wrong when it was made, and where.
    """
    if (fault := fault_of(spec)) is not None:
        raise UsageError(fault)
    return spec if type(spec) is kind else kind(**{entry.name: getattr(spec, entry.name) for entry in fields(kind)})  # type: ignore[arg-type]


def faulty(kind: type[T], reason: str) -> T:
    """A spec that could not be made, with the reason; outside of :func:`collecting` it is raised."""
    if not _COLLECTING.get():
        raise UsageError(reason)
    spec = object.__new__(kind)
    spec.__dict__[_FAULT] = reason
    return spec


def keeps_fault(kind: type[T]) -> type[T]:
    """A dataclass whose instances can keep their fault."""
    init: Callable[..., None] = kind.__init__

    @functools.wraps(init)
    def made(self: T, *args: Any, **fields: Any) -> None:
        if not _COLLECTING.get():
            init(self, *args, **fields)
            return
        with foreign_code() as pressed:
            try:
                init(self, *args, **fields)
            except BaseException as error:  # the repr of a value, shown in the fault, may raise anything
                if pressed and isinstance(error, KeyboardInterrupt):
                    raise
                caller = sys._getframe(1)  # whose line it is: the traceback begins here
                error.__traceback__ = TracebackType(error.__traceback__, caller, caller.f_lasti, caller.f_lineno)
                self.__dict__[_FAULT] = in_one_line(error)

    setattr(kind, "__init__", made)  # noqa: B010 (mypy takes no assignment to a method)
    return kind
