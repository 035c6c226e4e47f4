"""The literal attributes of a class, read from its source: nothing is imported, so listing stays free of torch."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
from typing import Any

from losszoo.errors import UsageError
from losszoo.registry.from_source.statements import TOO_MUCH, parsed


def class_attributes(target: str) -> dict[str, Any]:
    """Attributes of a class that are written as literals, with those of its bases in the same file.

    Args:
        target: "package.module:Class".

    Raises:
        UsageError: there is no such file or class, or it cannot be parsed.
    """
    name, classes = _class_in(target)
    return _attributes(name, classes, target)


def first_line(target: str) -> str:
    """The first line of the docstring of a class; empty where it has none. Raises as :func:`class_attributes`."""
    name, classes = _class_in(target)
    return (ast.get_docstring(classes[name]) or "").partition("\n")[0]


def _class_in(target: str) -> tuple[str, dict[str, ast.ClassDef]]:
    """Its name, and the classes at the top of its file."""
    module, _, name = target.partition(":")
    path = _source_of(module, target)
    try:
        classes = _classes_of(path, os.stat(path).st_mtime_ns)
    except (OSError, SyntaxError, ValueError, *TOO_MUCH) as error:
        raise UsageError(f"{target} must be Python source, got {path}: {error}") from error
    if name not in classes:
        raise UsageError(f"{target} must be a class at the top of its file, got none of that name in {path}")
    return name, classes


@functools.lru_cache(maxsize=64)
def _classes_of(path: str, changed: int) -> dict[str, ast.ClassDef]:
    """The classes at the top of a file. ``changed`` is its time: an edited file is read again."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        tree = parsed(_without_methods(text))
    except SyntaxError:
        tree = parsed(text)
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _without_methods(text: str) -> str:
    """Empty lines in place of methods and functions, which take most of the time of parsing.

    Where that leaves no Python, all of it is parsed; where it hides an attribute, the class that is loaded differs from
    what was read, and is refused.
    """
    kept, inside, function = [], False, False
    for line in text.split("\n"):
        bare = line.lstrip()
        indent = len(line) - len(bare)
        if bare and bare[0] != ")":  # which may end the head of a function
            declares = bare.startswith(("def ", "async def ", "@"))
            if indent == 0:
                inside = function = declares
            elif indent <= 4 and not function:
                inside = indent == 4 and declares
        kept.append("" if inside else line)
    return "\n".join(kept)


def _attributes(name: str, classes: dict[str, ast.ClassDef], target: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    node = classes[name]
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and base.id in classes and base.id != name:
            found |= _attributes(base.id, {k: v for k, v in classes.items() if k != name}, target)
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        for assigned in targets:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(assigned, ast.Name) and value:
                found[assigned.id] = _literal(value)
    return found


class NotLiteral:
    """Stands for a value that only running the source would give."""

    def __init__(self, line: int) -> None:
        self.line = line

    def __repr__(self) -> str:
        return f"an expression in line {self.line}, where a literal is needed"


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return NotLiteral(value.lineno)


def _source_of(module: str, target: str) -> str:
    """The file of a module, found without importing the packages that it is in."""
    root, *rest = module.split(".")
    spec = importlib.util.find_spec(root)
    if spec is None:
        raise UsageError(f"{target} must be installed, got no module {root!r}")
    if not rest:
        if spec.origin is None or not spec.origin.endswith(".py"):
            raise UsageError(f"{target} must be Python source, got {spec.origin}")
        return spec.origin
    for folder in spec.submodule_search_locations or ():
        base = os.path.join(folder, *rest)
        for path in (f"{base}.py", os.path.join(base, "__init__.py")):
            if os.path.isfile(path):
                return path
    raise UsageError(f"{target} must be installed, got no module {module!r}")
