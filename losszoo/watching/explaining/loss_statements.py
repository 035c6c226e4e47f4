"""The statements of a script that have made a loss, as a function that computes it again."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import FrameType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.losses.introspection import positional_names
from losszoo.tracing.authors import Place
from losszoo.tracing.finite_check import spoilt
from losszoo.watching.explaining.script_statements import (
    acts,
    acts_inside,
    backward_statement,
    calls_network,
    loaded,
    names_in_order,
    stored,
)

_NAME = "loss"


@dataclass(frozen=True)
class Again:
    """A loss that can be computed again.

    Args:
        function: of the tensors.
        inputs: as they are in the script.
        names: of them.
        place: the line that has computed it.
        target: what to call it.
    """

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    place: Place | None = None
    target: str = "loss"

    def named(self) -> dict[str, Any]:
        """The inputs by name."""
        return dict(zip(self.names, self.inputs, strict=False))


def loss_again(
    frame: FrameType, line: int, through_network: bool = False, whole: bool = False, direct: bool = False
) -> Again | None:
    """The loss that a line calls ``backward`` on; None where its statements cannot be told.

    Args:
        frame: of the user's code.
        line: of it, with ``backward``.
        through_network: begin before the network, where its output is not finite.
        whole: take in statements that have made finite values too.
        direct: take in the statement that makes the loss itself, though it calls the network.
    """
    found = backward_statement(frame, line)
    if found is None:
        return None
    before, statement, value = found
    scope = {**frame.f_globals, **frame.f_locals}
    chosen = _slice(before, value, scope, through_network, whole, direct)
    return _function(frame, chosen, statement, value, scope) if chosen is not None else None


def ranks_wait() -> bool:
    """Whether other processes take part in a call of the network, which one alone cannot repeat."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def call_again(frame: FrameType, line: int) -> Again | None:
    """The user's own criterion that has made the loss in one call, on its arguments as they are computed again."""
    found = backward_statement(frame, line)
    if found is None:
        return None
    before, statement, value = found
    scope = {**frame.f_globals, **frame.f_locals}
    if isinstance(value, ast.Name):
        makers = [s for s in before if value.id in stored(s)]
        statement = makers[-1] if makers else statement
        value = getattr(statement, "value", value)
    if not isinstance(value, ast.Call) or any(isinstance(a, ast.Starred) for a in value.args) or acts_inside(value):
        return None
    later = (
        {name for s in before[before.index(statement) + 1 :] for name in stored(s)} if statement in before else set()
    )
    parts = [value.func, *value.args, *(k.value for k in value.keywords)]
    if any(k.arg is None for k in value.keywords) or any(loaded(part) & later for part in parts):
        return None
    if ranks_wait() and any(calls_network(part, scope) for part in (*value.args, *(k.value for k in value.keywords))):
        return None
    function, *given = (_evaluated(part, frame, scope) for part in parts)
    if not isinstance(function, FunctionType | MethodType | nn.Module):
        return None
    args, named = (
        given[: len(value.args)],
        dict(zip([str(k.arg) for k in value.keywords], given[len(value.args) :], strict=True)),
    )
    names = argument_names(function, len(args))
    if named:
        return Again(partial(function, **named), tuple(args), names, Place(frame.f_code.co_filename, statement.lineno))
    place = Place(frame.f_code.co_filename, statement.lineno)
    return Again(function, tuple(args), names, place, ast.unparse(value.func))


def _evaluated(part: ast.expr, frame: FrameType, scope: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(part), frame.f_code.co_filename, "eval"), scope)  # noqa: S307


def argument_names(function: Any, count: int) -> tuple[str, ...]:
    """So many names of arguments, made up where the function does not tell them."""
    try:
        names = list(positional_names(function))
    except (TypeError, ValueError):
        names = []
    return tuple((names + [f"input{i}" for i in range(len(names), count)])[:count])


def _slice(
    before: Sequence[ast.stmt], value: ast.expr, scope: dict[str, Any], through: bool, whole: bool, direct: bool
) -> list[ast.stmt] | None:
    """Those of the statements before that have made what is not finite, in their order."""
    wanted = {name for name in loaded(value) if _is_wanted(scope.get(name), whole)}
    chosen: list[ast.stmt] = []
    later: set[str] = set()  # what statements after the one that is looked at write
    for statement in reversed(before):
        written, read = stored(statement), loaded(statement)
        if written & wanted:
            if calls_network(statement, scope) and not through and not (direct and not chosen and not later):
                wanted -= written
            elif acts(statement) or any(isinstance(scope.get(name), Tensor) for name in read & later):
                return None
            else:
                chosen.insert(0, statement)
                wanted = (wanted - written) | {name for name in read if _is_wanted(scope.get(name), whole)}
        later |= written
    return chosen


def _is_wanted(value: Any, whole: bool) -> bool:
    return isinstance(value, Tensor) and (any(spoilt(value)) or (whole and value.grad_fn is not None))


def _function(
    frame: FrameType, chosen: Sequence[ast.stmt], statement: ast.stmt, value: ast.expr, scope: dict[str, Any]
) -> Again | None:
    made: set[str] = set()
    free: dict[str, Any] = {}
    for part in (*chosen, value):
        for name in names_in_order(part):
            if name not in made and isinstance(scope.get(name), Tensor):
                free[name] = scope[name]
        made |= stored(part) if isinstance(part, ast.stmt) else set()
    if ranks_wait() and any(calls_network(part, scope) for part in (*chosen, value)):
        return None
    returned = ast.copy_location(ast.Return(value), statement)
    arguments = ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, [])
    body = [*chosen, returned]
    function = ast.FunctionDef(_NAME, arguments, body, [], None)
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(function, body[0])], []))
    namespace = dict(scope)
    try:
        exec(compile(module, frame.f_code.co_filename, "exec"), namespace)
    except (SyntaxError, ValueError):  # as of an await
        return None
    place = Place(frame.f_code.co_filename, (chosen[-1] if chosen else statement).lineno)
    alone = _only_call(chosen, value, free)
    if alone is not None and isinstance(scope.get(alone), FunctionType):
        return Again(scope[alone], tuple(free.values()), tuple(free), place, alone)
    return Again(namespace[_NAME], tuple(free.values()), tuple(free), place)


def _only_call(chosen: Sequence[ast.stmt], value: ast.expr, free: Mapping[str, Any]) -> str | None:
    """The name of the function, where all of it is one call with these tensors by place."""
    call = value if not chosen else getattr(chosen[0], "value", None)
    plain = len(chosen) <= 1 and (not chosen or isinstance(value, ast.Name))
    if not (plain and isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.keywords):
        return None
    names = [a.id for a in call.args if isinstance(a, ast.Name)]
    return call.func.id if len(names) == len(call.args) and names == list(free) else None
