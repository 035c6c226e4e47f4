"""The statement of a script that calls ``backward``, those before it, and what each reads, writes and does."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch import Tensor, nn

_BACKWARD = ("backward", "manual_backward")
# Statements that call these do more than compute.
_ACTING = (*_BACKWARD, "step", "zero_grad", "update", "all_reduce", "append", "next", "eval", "train")


def is_told(frame: FrameType, line: int) -> bool:
    """Whether a line calls ``backward`` itself, so that the statements before it can be read."""
    return backward_statement(frame, line) is not None


def backward_statement(frame: FrameType, line: int) -> tuple[list[ast.stmt], ast.stmt, ast.expr] | None:
    """The statements before the one that runs, that one, and what its ``backward`` is called on."""
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    path = _path_to(tree, line)
    if path is None:
        return None
    statement = path[-1][1]
    value = _of_backward(statement, frame)
    if value is None:
        return None
    return [s for block, at in path for s in block[: block.index(at)]], statement, value


def _path_to(tree: ast.AST, line: int) -> list[tuple[list[ast.stmt], ast.stmt]] | None:
    """The blocks of the innermost function, from the outermost to the one whose statement has the line."""
    path: list[tuple[list[ast.stmt], ast.stmt]] = []
    node: ast.AST = tree
    while True:
        blocks = [b for field in ("body", "orelse", "finalbody", "handlers") if (b := getattr(node, field, None))]
        inside = [
            (block, s)
            for block in blocks
            if isinstance(block, list)
            for s in block
            if s.lineno <= line <= (s.end_lineno or s.lineno)
        ]
        if not inside:
            return path or None
        block, statement = inside[0]
        if isinstance(statement, ast.ExceptHandler):
            node = statement
            continue
        path.append((block, statement))
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            path = []
        node = statement


def _of_backward(statement: ast.stmt, frame: FrameType) -> ast.expr | None:
    scope = {**frame.f_globals, **frame.f_locals}
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _BACKWARD:
            owner = node.func.value
            outside = isinstance(owner, ast.Name) and not isinstance(scope.get(owner.id), Tensor)
            outside = outside or (isinstance(owner, ast.Attribute) and ast.unparse(owner) == "torch.autograd")
            value = node.args[0] if outside and node.args else owner
            scaled = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
            if scaled and value.func.attr == "scale" and value.args:  # type: ignore[attr-defined]
                value = value.args[0]  # type: ignore[attr-defined]
            return value
    return None


def loaded(node: ast.AST) -> set[str]:
    """The names that it reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} | {
        n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }


def names_in_order(part: ast.AST) -> list[str]:
    """The names that it reads, as they stand there."""
    read = loaded(part)
    names = [n for n in ast.walk(part) if isinstance(n, ast.Name) and n.id in read]
    return list(dict.fromkeys(n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))))


def stored(statement: ast.stmt) -> set[str]:
    """The names that it binds; what a definition binds inside stays inside."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _called(node: ast.AST) -> Iterator[ast.expr]:
    return (n.func for n in ast.walk(node) if isinstance(n, ast.Call))


def acts(statement: ast.stmt) -> bool:
    """Whether it does more than compute."""
    names = [f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in _called(statement)]
    return any(name in _ACTING for name in names)


def acts_inside(call: ast.Call) -> bool:
    """Whether an argument of a call does more than compute."""
    return any(acts(ast.Expr(part)) for part in (*call.args, *(k.value for k in call.keywords)))


def calls_network(statement: ast.AST, scope: dict[str, Any]) -> bool:
    """Whether a module with parameters is called in it."""
    for function in _called(statement):
        names = [n.id for n in ast.walk(function) if isinstance(n, ast.Name)]
        owner = scope.get(names[0]) if names else None
        if isinstance(owner, nn.Module) and any(True for _ in owner.parameters()):
            return True
    return False
