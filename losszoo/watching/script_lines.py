"""Which line of the script runs: of code that the user has written, before that of installed packages."""

from __future__ import annotations

import os
from types import FrameType
from typing import Any

from losszoo.tracing.authors import Place

_STDLIB = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_KINDS: dict[Any, str] = {}
_CORE = __name__.partition(".")[0]
# What Python and IPython call code that was typed.
_TYPED = ("<stdin", "<console", "<python-input", "<ipython-input", "<doctest", "<string", "<timed")


def script_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the user's own code; else of an installed package that is neither torch nor losszoo."""
    installed: FrameType | None = None
    while frame is not None:
        key = frame.f_code.co_filename, frame.f_globals.get("__name__")
        kind = _KINDS.get(key) or _KINDS.setdefault(key, _kind(frame))
        if kind == "own":
            return frame
        if kind == "installed" and installed is None:
            installed = frame
        frame = frame.f_back
    return installed


def place_in(frame: FrameType | None) -> Place | None:
    """The line of the user's own code that runs in a frame, or has called what runs in it."""
    own = script_frame(frame)
    return Place(own.f_code.co_filename, own.f_lineno) if own is not None else None


def _kind(frame: FrameType) -> str:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    path = frame.f_code.co_filename
    if package in ("torch", _CORE):
        return "torch"
    if any(part in path for part in _INSTALLED):
        return "installed"
    if path.startswith(_STDLIB) or (path.startswith("<") and not path.startswith(_TYPED)):
        return "python"
    return "own"
