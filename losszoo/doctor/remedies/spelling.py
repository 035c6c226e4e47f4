"""How the author wrote an operation: its text in the source, and the texts of what it was given."""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType, ModuleType
from typing import Any

from torch import Tensor

from losszoo.tracing.operations import standard_name
from losszoo.tracing.tape import Tape

_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}

_COMPARED: dict[type[ast.cmpop], str] = {ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le"}


@dataclass(frozen=True)
class Spelling:
    """An operation as the source has it.

    Args:
        text: of the whole operation; None where the line is not known, or calls something larger.
        operands: texts of the positional arguments, in the order in which torch gets them.
        named: texts of the keyword arguments.
        scope: what the names in these texts stood for.
    """

    text: str | None = None
    operands: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    scope: Mapping[str, Any] = field(default_factory=dict)

    def of(self, position: int | str) -> str | None:
        """The text of one argument."""
        if isinstance(position, str):
            return self.named.get(position)
        return self.operands[position] if position < len(self.operands) else None

    def stands_in(self, frame: FrameType, text: str) -> bool:
        """Whether a text of this operation means the same where another line is being run."""
        return all(name in self.scope and _value_of(frame, name) is self.scope[name] for name in names_in(text))


class SpelledTape(Tape):
    """Writes down how the author wrote every operation, too."""

    def __init__(self) -> None:
        super().__init__()
        self.spellings: list[Spelling] = []

    def _write(self, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        super()._write(name, func, args, kwargs, result)
        if len(self.records) > len(self.spellings):
            self.spellings.append(spelling_of(self.author_frame(), name, func, args, kwargs))


def spelling_of(frame: FrameType | None, name: str, func: Any, args: Any, kwargs: Any) -> Spelling:
    """The operation that a frame is running, as it stands in the source."""
    written = _expression(frame.f_code, frame.f_lasti) if frame is not None else None
    if frame is None or written is None:
        return Spelling()
    text, node = written
    operands, named = _operands(frame, node, name)
    args = _flat(args) if name == "getitem" else args
    given = [*zip(operands, args, strict=False), *((n, kwargs[k]) for k, n in named.items() if k in kwargs)]
    if getattr(func, "__name__", "").startswith("__r") or (given and _is_swapped(*given[0])):
        operands = operands[::-1]
        given = list(zip(operands, args, strict=False))
    if not operands or any(isinstance(n, ast.Name) and _value_of(frame, n.id) is not value for n, value in given):
        return Spelling()
    scope = {key: _value_of(frame, key) for key in _names(node)}
    return Spelling(text, tuple(map(_text, operands)), {key: _text(n) for key, n in named.items()}, scope)


def _flat(args: Any) -> tuple[Any, ...]:
    """A tensor and what it is indexed with, one by one."""
    return (args[0], *(args[1] if isinstance(args[1], tuple) else [args[1]]))


def _is_swapped(node: ast.expr, value: Any) -> bool:
    """``2 * x`` reaches torch as ``x.mul(2)``."""
    return isinstance(node, ast.Constant) and isinstance(value, Tensor)


# Syntax is cached for each instruction, so that its nodes are the same ones at every call.
_text = functools.lru_cache(maxsize=4096)(ast.unparse)


@functools.lru_cache(maxsize=4096)
def _names(node: ast.AST) -> frozenset[str]:
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name))


@functools.lru_cache(maxsize=4096)
def names_in(text: str) -> frozenset[str]:
    """The names that an expression reads."""
    return frozenset(n.id for n in ast.walk(ast.parse(f"({text})", mode="eval")) if isinstance(n, ast.Name))


_NOWHERE = object()


def _value_of(frame: FrameType, name: str) -> Any:
    for names in (frame.f_locals, frame.f_globals, vars(builtins)):
        if name in names:
            return names[name]
    return _NOWHERE


@functools.lru_cache(maxsize=4096)
def _expression(code: CodeType, instruction: int) -> tuple[str, ast.expr] | None:
    """Text and syntax of what an instruction computes."""
    positions = list(code.co_positions())
    first, last, start, end = positions[instruction // 2]
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    text = " ".join(b"".join(lines).decode(errors="replace").split())
    try:
        return text, ast.parse(f"({text})", mode="eval").body
    except SyntaxError:  # the file has changed since, or a comment stands between the lines
        return None


def _operands(frame: FrameType, node: ast.expr, name: str) -> tuple[list[ast.expr], dict[str, ast.expr]]:
    """The arguments in the source, where the expression is that very operation; else none."""
    if isinstance(node, ast.BinOp) and _SIGNS.get(type(node.op)) == name:
        return [node.left, node.right], {}
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and _COMPARED.get(type(node.ops[0])) == name:
        return [node.left, node.comparators[0]], {}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and name == "neg":
        return [node.operand], {}
    if isinstance(node, ast.Subscript) and name == "getitem":
        return [node.value, *(node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice])], {}
    if isinstance(node, ast.Attribute) and name == "transpose":
        return [node.value], {}
    plain = isinstance(node, ast.Call) and not any(isinstance(n, ast.Starred) for n in node.args)
    if not plain or not isinstance(node, ast.Call) or standard_name(_last_name(node.func)) != name:
        return [], {}
    named = {k.arg: k.value for k in node.keywords if k.arg is not None}
    own = [node.func.value] if isinstance(node.func, ast.Attribute) and _is_method(frame, node.func.value) else []
    return [*own, *node.args], named


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_method(frame: FrameType, owner: ast.expr) -> bool:
    """Whether ``owner.log(...)`` is a method of a tensor, and not a function of a module or an object."""
    root = owner
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return True
    value = _value_of(frame, root.id)
    return isinstance(value, Tensor) if root is owner else not isinstance(value, ModuleType)
