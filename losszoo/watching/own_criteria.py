"""The user's own functions that make a loss which a framework calls ``backward`` on: their calls are kept too."""

from __future__ import annotations

import dis
import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

from torch import nn

from losszoo.watching.criteria import Call
from losszoo.watching.script_lines import place_in

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


@dataclass(frozen=True)
class Maker:
    """What made a scalar: a function, and one call of it.

    Args:
        origin: the function, where its name can be bound to another.
        call: of it, where its arguments are still as they were given.
    """

    origin: Origin | None
    call: Call | None


def maker_of(frame: FrameType | None, result: Any) -> Maker:
    """The function that runs in a frame, and its arguments."""
    origin = origin_of(frame)
    if origin is None or frame is None or not _keeps_arguments(frame.f_code):
        return Maker(origin, None)
    told = inspect.getargvalues(frame)
    args = (*(told.locals[name] for name in told.args), *(told.locals[told.varargs] if told.varargs else ()))
    positional = frame.f_code.co_argcount
    only = frame.f_code.co_varnames[positional : positional + frame.f_code.co_kwonlyargcount]
    kwargs = {name: told.locals[name] for name in only} | (told.locals[told.keywords] if told.keywords else {})
    function, given = _bound(origin, args)
    return Maker(origin, Call(origin.name, function, given, kwargs, place_in(frame), result, own=True))


@functools.lru_cache(256)
def _keeps_arguments(code: CodeType) -> bool:
    """Whether no statement binds an argument anew: the frame then holds what was given."""
    count = code.co_argcount + code.co_kwonlyargcount
    flags = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = set(code.co_varnames[: count + flags])
    # One instruction of newer versions writes two names.
    return not any(
        names & set(i.argval if isinstance(i.argval, tuple) else (i.argval,))
        for i in dis.get_instructions(code)
        if i.opname.startswith(("STORE_FAST", "STORE_DEREF", "DELETE_FAST"))
    )


def maker_under(node: Any, makers: dict[Any, Maker]) -> Maker | None:
    """The function that has made a loss, seen through what a framework did to it, as a division."""
    for _ in range(_MOST_HOPS):
        if node is None:
            break
        maker = makers.get(node)
        if maker is not None and maker.origin is not None:
            return maker
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
