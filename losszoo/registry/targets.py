"""From "package.module:name" or "path/file.py:name" to the object it names."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from losszoo.errors import UsageError, suggest


def resolve(target: str, base: Path | None = None) -> Any:
    """The object that a target names.

    Args:
        target: "package.module:name" or "path/to/file.py:name"; the name may have dots.
        base: folder that relative file paths start from; the working directory by default.

    Raises:
        UsageError: nothing is there, or its module cannot be imported; says which, with the line that failed.
    """
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise UsageError(f"a target must be 'package.module:name' or 'file.py:name', however: {target!r}")
    module = _from_file(place, base) if place.endswith(".py") else _import(place, target)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [key for key in vars(found) if not key.startswith("_")] if hasattr(found, "__dict__") else []
            raise UsageError(f"{place} has no {part!r}: {suggest(part, public)}")
        found = getattr(found, part)
    return found


def _import(name: str, target: str) -> ModuleType:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(f"{target} cannot be imported: {_where(error, None)}") from error


def _from_file(place: str, base: Path | None) -> ModuleType:
    path = Path(place).expanduser()
    path = (path if path.is_absolute() else (base or Path.cwd()) / path).resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {path} (target {place!r}); relative paths start in {base or Path.cwd()}")
    return _load_file(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _load_file(path: Path, version: int) -> ModuleType:
    """Run a file as a module of its own; an edited file is run again."""
    name = f"losszoo_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported: Python knows no loader for it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up here
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise UsageError(f"{path} cannot be imported: {_where(error, path)}") from error
    return module


def _where(error: BaseException, path: Path | None) -> str:
    """The error in one line, with the line of the user's file where it happened."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError):
        return f"{said} (line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is not None and Path(frame.filename) == path]
    return f"{said} (line {own[-1].lineno}: {own[-1].line})" if own else said
