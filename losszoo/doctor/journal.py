"""What an examination has found so far, in files: it outlives the process that a loss takes down."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from losszoo.doctor.report.examination import Finding
from losszoo.tracing.authors import Place, innermost_written

# A look at what runs takes so long at most.
_WIDTH = 600
_FINDINGS, _TRYING, _WHERE = "findings", "trying", "where"
Rank = tuple[int, int]


class Journal:
    """Written by the process that examines.

    Args:
        folder: of the files; None writes nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        flags = os.O_CREAT | os.O_WRONLY
        self._findings = os.open(folder / _FINDINGS, flags | os.O_APPEND) if folder else None
        self._trying = os.open(folder / _TRYING, flags) if folder else None

    def trying(self, label: str) -> None:
        """What is tried from now on: "on: ...", "after: ..." or "while ..."."""
        if self._trying is not None:
            os.pwrite(self._trying, label.encode()[:_WIDTH].ljust(_WIDTH), 0)

    def found(self, rank: Rank, make: Callable[[], Finding]) -> None:
        """A finding, without what takes time."""
        if self._findings is not None:
            os.write(self._findings, pickle.dumps((rank, make())))

    def close(self) -> None:
        for file in (self._findings, self._trying):
            if file is not None:
                os.close(file)


_CURRENT: ContextVar[Journal | None] = ContextVar("journal", default=None)


def journal() -> Journal:
    """The one that is kept; else one that writes nothing."""
    return _CURRENT.get() or Journal()


@contextmanager
def keeping(folder: str) -> Iterator[None]:
    """Keep a journal inside the block, with the line at which the process ends, or hangs."""
    kept = Journal(Path(folder))
    with (Path(folder) / _WHERE).open("w") as where, _telling(where):
        token = _CURRENT.set(kept)
        try:
            yield
        finally:
            _CURRENT.reset(token)
            kept.close()


@contextmanager
def _telling(where: IO[str]) -> Iterator[None]:
    """A crash, an exit, and the parent's question are answered with the lines that run, by C alone."""
    leave = os._exit

    def tell_and_leave(code: int) -> Any:
        faulthandler.dump_traceback(where, all_threads=False)
        leave(code)

    faulthandler.enable(where, all_threads=False)
    if hasattr(faulthandler, "register"):  # not Windows
        faulthandler.register(signal.SIGUSR2, where, all_threads=False)
    os._exit = tell_and_leave  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave
        faulthandler.disable()


@dataclass(frozen=True)
class LastWords:
    """What a journal holds.

    Args:
        findings: without remedies that were tried, the most telling one first.
        trying: what was tried last; "" where nothing was.
        place: the author's line that ran last, where it is known.
    """

    findings: tuple[Finding, ...] = ()
    trying: str = ""
    place: Place | None = None

    def said(self, how: str) -> str:
        """How it ended, where, and on what."""
        at = f", at {self.place}" if self.place is not None else ""
        return f"{how}{at}{f', {self.trying}' if self.trying else ''}"


@contextmanager
def new_folder() -> Iterator[str]:
    """A folder for a journal."""
    with tempfile.TemporaryDirectory(prefix="losszoo-doctor-", ignore_cleanup_errors=True) as folder:
        yield folder


def last_words(folder: str) -> LastWords:
    """What the journal of a process that has ended holds."""
    found: list[tuple[Rank, Finding]] = []
    with suppress(OSError, EOFError, pickle.UnpicklingError), (Path(folder) / _FINDINGS).open("rb") as file:
        while True:
            found.append(pickle.load(file))
    findings = tuple(finding for _, finding in sorted(found, key=lambda pair: pair[0]))
    return LastWords(findings, _text(folder, _TRYING), innermost_written(_text(folder, _WHERE)))


def _text(folder: str, name: str) -> str:
    with suppress(OSError):
        return (Path(folder) / name).read_text(errors="replace").strip()
    return ""
