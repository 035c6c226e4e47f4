"""A remedy pasted: its words applied to the source of a loss, as a person would apply them."""

from __future__ import annotations

import ast
import inspect
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_EDIT = re.compile(
    r"write (?P<code>.+?) instead of (?P<old>.+?) at (?P<file>\S+?\.py):(?P<line>\d+)(?:, where (?P<where>.+))?$"
)


@dataclass(frozen=True)
class Edit:
    """One replacement, as the words say it."""

    code: str
    old: str
    file: str
    line: int


def is_pasteable(remedy: str) -> bool:
    """Whether every name in its code is either the author's or defined by an expression."""
    return re.search(r"(?:, where|,) \w+ is ", remedy) is None


def edits_of(remedy: str) -> list[Edit]:
    """The replacements of a remedy, in their order; definitions become arguments of a function that is called."""
    found = []
    for text in remedy.split("; then "):
        match = _EDIT.match(text)
        assert match is not None, text
        code = f"({match['code']})"
        for definition in re.split(r", (?=\w+ (?:=|is) )", match["where"] or "")[: None if match["where"] else 0]:
            name, _, value = definition.partition(" = ")
            assert value, f"nothing to paste: {definition}"
            code = f"(lambda {name}: {code})({value})"
        found.append(Edit(code, match["old"], match["file"], int(match["line"])))
    return found


def pasted(remedy: str, source: str) -> str:
    """The text of a file after the remedy."""
    for edit in edits_of(remedy):
        places = list(_places(source, edit))
        assert places, f"{edit.old!r} does not stand in line {edit.line}"
        for start, end in sorted(places, reverse=True):
            source = source[:start] + edit.code + source[end:]
    return source


def _places(source: str, edit: Edit) -> Iterator[tuple[int, int]]:
    """Where the replaced expression stands in its line."""
    old = ast.unparse(ast.parse(edit.old))
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.expr) and node.lineno <= edit.line <= (node.end_lineno or 0):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            if ast.unparse(node) == old:
                yield start, end


def module_after(remedy: str, thing: Any) -> ModuleType:
    """The module in which a loss is written, with the remedy pasted into it."""
    owner = thing if inspect.isfunction(thing) or inspect.isclass(thing) else type(thing)
    module = sys.modules[owner.__module__]
    path = Path(str(module.__file__))
    assert all(edit.file == path.name for edit in edits_of(remedy)), remedy
    name = f"{module.__name__}_mended"
    mended = ModuleType(name)
    mended.__dict__.update(__package__=module.__package__, torch=torch, math=math)
    sys.modules[name] = mended
    exec(compile(pasted(remedy, path.read_text(encoding="utf-8")), f"<mended {path.name}>", "exec"), mended.__dict__)
    return mended
