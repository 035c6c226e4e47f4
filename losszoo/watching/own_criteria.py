"""The user's own functions that make a loss which a framework calls ``backward`` on: their calls are kept too."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, FunctionType, MethodType
from typing import Any

from torch import nn

_MOST_HOPS = 6


@dataclass(frozen=True)
class Origin:
    """A function, and where its name stands.

    Args:
        owner: a class, or the globals of a module.
        name: in it.
        function: as it was.
    """

    owner: Any
    name: str
    function: FunctionType


def origin_of(frame: FrameType | None) -> Origin | None:
    """The function that runs in a frame, where its name can be bound to another; None elsewhere."""
    if frame is None:
        return None
    code, name = frame.f_code, frame.f_code.co_name
    function = frame.f_globals.get(name)
    if isinstance(function, FunctionType) and function.__code__ is code:
        return Origin(frame.f_globals, name, function)
    for cls in type(frame.f_locals.get("self")).__mro__:
        function = vars(cls).get(name)
        if isinstance(function, FunctionType) and function.__code__ is code:
            return Origin(cls, name, function)
    return None


def origin_under(node: Any, makers: dict[Any, Origin | None]) -> Origin | None:
    """The function that has made a loss, seen through what a framework did to it, as a division."""
    for _ in range(_MOST_HOPS):
        if node is None:
            break
        if makers.get(node) is not None:
            return makers[node]
        node = node.next_functions[0][0] if node.next_functions else None
    return None


def keep_calls(origin: Origin, keep: Callable[..., None]) -> Callable[[], None]:
    """Bind the name to a function that does the same, and tells of each call; gives what takes it back.

    Args:
        origin: what is called.
        keep: gets name, callable, arguments, the calling frame and the result.
    """
    own = origin.function

    @functools.wraps(own)
    def kept(*args: Any, **kwargs: Any) -> Any:
        result = own(*args, **kwargs)
        function, given = _bound(origin, args)
        keep(origin.name, function, given, kwargs, sys._getframe(1), result)
        return result

    def bind(value: Any) -> None:
        if isinstance(origin.owner, dict):
            origin.owner[origin.name] = value
        else:
            setattr(origin.owner, origin.name, value)

    bind(kept)
    return lambda: bind(own)


def _bound(origin: Origin, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The callable without its ``self``, which is no input; a module is called as one."""
    if isinstance(origin.owner, dict) or not args:
        return origin.function, args
    this = args[0]
    if isinstance(this, nn.Module) and origin.name == "forward":
        return this, args[1:]
    return MethodType(origin.function, this), args[1:]
