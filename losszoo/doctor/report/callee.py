"""How a loss is called in Python: by the name that it has in its file, and with what it was given beside its inputs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from losszoo.errors import UsageError
from losszoo.losses.loss import Loss
from losszoo.registry.expressions import parse
from losszoo.registry.import_target import resolve

# What an object without a name of its own is called.
_NAMELESS = "loss"


@dataclass(frozen=True)
class Callee:
    """What stands before the brackets, and the arguments that are always given.

    Args:
        text: an expression.
        placed: code of the arguments before the inputs.
        named: code of the arguments by name.
    """

    text: str
    placed: Sequence[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)


def callee_of(call: Callable[..., Any], target: str) -> Callee:
    """How a loss that a user named so is called.

    Args:
        call: the loss.
        target: "file.py:MyLoss(k=3)", the name of one in the zoo, or that of an object.
    """
    if isinstance(call, Loss):
        return Callee(f"losszoo.create({target!r})")
    place, _, own = target.rpartition(":")
    name, bracket, _ = own.partition("(")
    if not place:
        return _of_object(call)
    given = {key: repr(value) for key, value in parse(target)[0].call.arguments.items()} if bracket else {}
    if _is_class(f"{place}:{name}", name, call):
        return Callee(f"{name}({', '.join(f'{key}={text}' for key, text in given.items())})")
    return Callee(name, named=given)


def _is_class(target: str, name: str, call: Any) -> bool:
    try:
        return inspect.isclass(resolve(target))
    except UsageError:  # the file is not there any more
        return isinstance(call, nn.Module) and type(call).__name__ == name


def _of_object(call: Any) -> Callee:
    """Of what is no target: a function by its name; a partial by that of its function, with all that it holds."""
    if isinstance(call, functools.partial):
        values = [*call.args, *call.keywords.values()]
        name = _of_object(call.func).text
        if name == _NAMELESS or not all(map(_is_literal, values)):
            return Callee(_NAMELESS)
        return Callee(name, [repr(x) for x in call.args], {key: repr(x) for key, x in call.keywords.items()})
    name = getattr(call, "__name__", "")
    plain = inspect.isroutine(call) and not inspect.ismethod(call) and name.isidentifier()
    return Callee(name if plain else _NAMELESS)


def _is_literal(value: Any) -> bool:
    """Whether its text makes it again."""
    if isinstance(value, list | tuple):
        return all(map(_is_literal, value))
    return value is None or isinstance(value, bool | int | float | str | torch.dtype)
