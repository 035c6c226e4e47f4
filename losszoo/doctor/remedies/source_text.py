"""Operations and their arguments as Python source."""

from __future__ import annotations

import ast
from typing import Any

import torch

from losszoo.tracing.tape import Record

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@"}


def written(record: Record, operands: list[str]) -> str:
    """An operation on other operands, as Python.

    Args:
        record: the operation.
        operands: texts of its positional arguments.
    """
    sign = _SIGNS.get(record.site.op)
    if sign is not None and len(operands) == 2:
        a, b = operands[::-1] if record.is_reversed else operands
        return f"{a} {sign} {b}"
    return f"{callee(record)}({', '.join(operands)})"


def callee(record: Record) -> str:
    """An operation as a function of torch."""
    raw = getattr(record.func, "__name__", "").strip("_")
    for home, prefix in (("torch.linalg", "linalg_"), ("torch.special", "special_")):
        if raw.startswith(prefix):
            return f"{home}.{raw.removeprefix(prefix)}"
    homes = (("torch", torch), ("torch.nn.functional", torch.nn.functional))
    # Of two by one name the one that was called: they may take other arguments.
    for home, module in (*(pair for pair in homes if getattr(pair[1], raw, None) is record.func), *homes):
        if hasattr(module, raw):
            return f"{home}.{raw}"
    return f"torch.Tensor.{raw}"


def is_plain(value: Any) -> bool:
    """Whether its repr is its source."""
    if isinstance(value, tuple | list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def is_short(text: str) -> bool:
    """Whether it may stand there more than once."""
    return isinstance(ast.parse(text, mode="eval").body, ast.Name | ast.Attribute | ast.Constant)


def unparsed(text: str) -> str:
    """Without needless brackets."""
    return ast.unparse(ast.parse(text, mode="eval").body)


def as_index(value: Any) -> str | None:
    """A part of an index that is no tensor."""
    if isinstance(value, slice):
        ends = (value.start, value.stop, value.step)
        if not all(end is None or isinstance(end, int) for end in ends):
            return None
        return ":".join("" if end is None else repr(end) for end in ends[: 3 if value.step is not None else 2])
    return "..." if value is ... else repr(value) if value is None or isinstance(value, int) else None


def elsewhere(record: Record, text: str | None) -> str:
    """Where an operand is that has no name at the line."""
    at = f" at {record.site.source}" if record.site.source else ""
    return f"{text}{at}" if text else f"what {record.site.op} gets{at}"


def in_its_place(code: str, text: str | None) -> str:
    """In brackets, where what stands around it could take it apart."""
    node = ast.parse(code, mode="eval").body
    if isinstance(node, ast.Name | ast.Attribute | ast.Constant | ast.Call | ast.Subscript):
        return code
    there = ast.parse(f"({text})", mode="eval").body if text else node
    alike = isinstance(node, ast.BinOp) and isinstance(there, ast.BinOp) and type(node.op) is type(there.op)
    return code if alike else f"({code})"
