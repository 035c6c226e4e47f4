"""From "package.module:name" or "path/file.py:name" to the object it names."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError, suggest

if TYPE_CHECKING:
    from pathlib import Path


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
        package, dot, last = target.rpartition(".")
        hint = f"; write {package}:{last}" if dot and package and last.isidentifier() and last != "py" else ""
        raise UsageError(f"a target must be 'package.module:name' or 'file.py:name', got {target!r}{hint}")
    value: Any = _from_file(place, base) if place.endswith(".py") else _import(place, target)
    for part in name.split("."):
        value = _attribute(value, part, place)
    return value


def _attribute(owner: Any, name: str, place: str) -> Any:
    with foreign_code() as pressed:
        try:
            return getattr(owner, name)
        except AttributeError:
            public = [key for key in getattr(owner, "__dict__", ()) if not key.startswith("_")]
            near = suggest(name, public) if public else "it holds no public name"
            raise UsageError(f"{place} has no {name!r}: {near}") from None
        except BaseException as error:  # a lazy module imports here, and may call sys.exit()
            if pressed and isinstance(error, KeyboardInterrupt):
                raise
            raise UsageError(f"{place}:{name} cannot be loaded: {in_one_line(error)}") from error


def _import(name: str, target: str) -> ModuleType:
    with foreign_code() as pressed:
        try:
            return importlib.import_module(name)
        except BaseException as error:  # sys.exit() on import must not end the process
            if pressed and isinstance(error, KeyboardInterrupt):
                raise
            fault = error
    missing = isinstance(fault, ModuleNotFoundError) and fault.name == name.partition(".")[0]
    hint = "; it must be installed, or be named by its file: path/to/file.py:name" if missing else ""
    raise UsageError(f"{target} cannot be imported: {in_one_line(fault)}{hint}") from fault


def _from_file(place: str, base: Path | None) -> ModuleType:
    from pathlib import Path, PureWindowsPath  # here, since `losszoo list` loads no file

    start = base or Path.cwd()
    try:
        path = (start / Path(place).expanduser()).resolve()
        version = path.stat().st_mtime_ns if path.is_file() else None
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null character, no such ~user
        raise UsageError(f"{place!r} is no path of a file: {error}") from error
    if version is None:
        windows = "\\" in place or PureWindowsPath(place).drive
        hint = (
            "; this is a Windows path: here the parts of a path are joined by /" if windows and os.name != "nt" else ""
        )
        raise UsageError(f"there is no file {path} (target {place!r}); relative paths start in {start}{hint}")
    return _load_file(path, version)


class _FreshLoader(SourceFileLoader):
    """Reads the source every time: Python's cache takes an edit within the same second for the old file."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@functools.lru_cache(maxsize=64)
def _load_file(path: Path, version: int) -> ModuleType:
    """Run a file as a module of its own; an edited file is run again. It may import its neighbours."""
    import hashlib
    import importlib.util

    name = f"losszoo_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = ModuleSpec(name, _FreshLoader(name, str(path)), origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up here
    sys.path.append(str(path.parent))  # last, so that a file named random.py shadows nothing
    try:
        with foreign_code() as pressed:
            try:
                spec.loader.exec_module(module)  # type: ignore[union-attr]
            except BaseException as error:
                del sys.modules[name]
                if pressed and isinstance(error, KeyboardInterrupt):
                    raise
                raise UsageError(f"{path} cannot be imported: {in_one_line(error)}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module
