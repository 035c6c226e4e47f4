"""Who wrote the line that runs: the author of a loss, and not torch, Python or the core."""

from __future__ import annotations

import functools
import linecache
import os
import re
import sys
import traceback
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from torch.autograd import Function

# What Python, IPython, IDLE and doctest call code that was typed.
_SESSIONS = ("<stdin", "<console", "<python-input", "<ipython-input", "<pyshell", "<doctest", "<timed")
_CORE = __name__.partition(".")[0]
# They look at the calls of others, and stand between an operation and its author.
_WATCHING = (f"{_CORE}.tracing", f"{_CORE}.doctor")
# Of Python itself, such as functools, whose lines only hand on; packages may be installed in a folder below.
_STDLIB = os.path.dirname(os.__file__) + os.sep
_INSTALLED = tuple(os.path.join(_STDLIB, name) + os.sep for name in ("site-packages", "dist-packages"))
_DUMPED = re.compile(r'^ +File "(.*)", line (\d+) in ', re.MULTILINE)
_APPLY = getattr(Function.apply, "__func__", Function.apply).__code__


class Place(NamedTuple):
    """A line of code.

    Args:
        path: of the file, as Python knows it.
        line: its number, from 1.
    """

    path: str
    line: int

    def __str__(self) -> str:
        """As a person knows it: ``file.py:12``; of what was typed the session, ``<stdin>:3``, or cell, ``In[3]:2``."""
        return f"{_name_of(self.path)}:{self.line}"

    @property
    def text(self) -> str | None:
        """What is written there."""
        return linecache.getline(self.path, self.line).strip() or None


def author_frame(outer: FrameType | None) -> FrameType | None:
    """The innermost frame that is neither torch's, Python's nor the core's; where only the core computes, its own.

    Args:
        outer: where the watched call was made; only what runs inside of it counts.
    """
    return _innermost(sys._getframe(1), outer)


def applying_frame(outer: FrameType | None) -> FrameType | None:
    """The author's frame that calls the custom ``autograd.Function`` whose ``forward`` is running, if one is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not outer:
        if frame.f_code is _APPLY:
            return _innermost(frame.f_back, outer)
        frame = frame.f_back
    return None


def place_of(frame: FrameType | None) -> Place | None:
    """The line that a frame runs."""
    return Place(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def raised_at(error: BaseException) -> Place | None:
    """The author's line from which an error came; None where it came from the core."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_authors(frame)]
    return Place(frames[-1][0].f_code.co_filename, frames[-1][1]) if frames else None


def innermost_written(dump: str) -> Place | None:
    """The innermost line of an author in what :mod:`faulthandler` has written; None where there is none."""
    places = [Place(path, int(line)) for path, line in _DUMPED.findall(dump)]
    others = tuple(os.path.dirname(sys.modules[name].__file__ or "") + os.sep for name in (_CORE, "torch"))
    return next((place for place in places if _is_written(place.path) and not place.path.startswith(others)), None)


def _innermost(frame: FrameType | None, outer: FrameType | None) -> FrameType | None:
    core: FrameType | None = None
    while frame is not None and frame is not outer:
        if _is_authors(frame):
            return frame
        if core is None and _is_computing(frame.f_globals.get("__name__", "")):
            core = frame
        frame = frame.f_back
    return core


def joins(cls: type) -> None:
    """Methods of this class join a loss to its task; a line of theirs is never the author's of the loss."""
    _JOINING.add(cls)


_JOINING: set[type] = set()


def _is_authors(frame: FrameType) -> bool:
    if not _is_of_author(frame.f_globals.get("__name__", ""), frame.f_code.co_filename):
        return False
    # A look at the variables of a frame copies them all.
    return not (_JOINING and _has_self(frame.f_code)) or type(frame.f_locals.get("self")) not in _JOINING


# A frame is looked at for each operation, and there are few modules.
@functools.lru_cache(maxsize=4096)
def _is_of_author(module: str, path: str) -> bool:
    return not _is_of(module, _CORE, "torch") and _is_written(path)


@functools.lru_cache(maxsize=4096)
def _is_computing(module: str) -> bool:
    """Whether a module of the core computes, and does not only look on."""
    return _is_of(module, _CORE) and not _is_of(module, *_WATCHING)


@functools.lru_cache(maxsize=4096)
def _has_self(code: CodeType) -> bool:
    return "self" in (*code.co_varnames, *code.co_cellvars, *code.co_freevars)


def _is_of(module: str, *packages: str) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def _is_written(path: str) -> bool:
    """Whether it was written in a file or a session; generated code has a name in brackets too."""
    if path.startswith(_STDLIB) and not path.startswith(_INSTALLED):
        return False
    if path == "<string>":  # of ``python -c``, and of what exec() makes
        return not hasattr(sys.modules.get("__main__"), "__file__")
    return not path.startswith("<") or path.startswith(_SESSIONS)


def _name_of(path: str) -> str:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cell = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(path)
    if cell is not None:
        return str(cell[1])
    return path if path.startswith("<") else Path(path).name
