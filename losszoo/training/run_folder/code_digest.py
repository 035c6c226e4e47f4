"""The SHA-256 of a Python file and of what it imports from its own folder, told without running any of it."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path


def digest_of_code(path: Path) -> str:
    """The SHA-256 of a file; of it and its neighbours where it imports some, they theirs, and so on.

    A module that is imported by a name that is computed is not seen.

    Args:
        path: of a file whose folder is searched for what it imports, as when it is loaded by its path.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "net.py").write_text("from layers import Block")
        >>> _ = (folder / "layers.py").write_text("Block = 1")
        >>> before = digest_of_code(folder / "net.py")
        >>> _ = (folder / "layers.py").write_text("Block = 2")
        >>> digest_of_code(folder / "net.py") == before
        False
    """
    path = path.resolve()
    contents = {path: path.read_bytes()}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for file in _imported(here, contents[here], path.parent):
            if file not in contents:
                contents[file] = file.read_bytes()
                waiting.append(file)
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    if len(digests) == 1:
        return digests[path]
    named = sorted((file.relative_to(path.parent).as_posix(), one) for file, one in digests.items() if file != path)
    return hashlib.sha256(repr((digests[path], named)).encode()).hexdigest()


def _imported(file: Path, content: bytes, folder: Path) -> Iterator[Path]:
    """The files inside a folder that a file imports."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError):  # it cannot be imported either, which is said where it is loaded
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(folder, folder, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            start = file.parents[node.level - 1] if 0 < node.level <= len(file.parents) else folder
            module = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from _files_of(start, folder, [*module, alias.name])


def _files_of(start: Path, folder: Path, parts: list[str]) -> Iterator[Path]:
    """What is run to import ``parts`` from a folder: each package on the way, and the module."""
    if start == folder and parts[0] in (*sys.stdlib_module_names, __name__.partition(".")[0]):
        return
    if not start.is_relative_to(folder):
        return
    for part in parts:
        if (start / part / "__init__.py").is_file():
            yield start / part / "__init__.py"
        elif (start / f"{part}.py").is_file():
            yield start / f"{part}.py"
            return
        start /= part
