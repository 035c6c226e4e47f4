"""A script in a process of its own, and what that process tells while it runs. Torch is not loaded here."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from losszoo.errors import UsageError

_CODE = "import sys; from losszoo.watching.process.script_child import main; main()"
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2) if sys.platform != "win32" else ()
_BAD = 1


@dataclass
class Watched:
    """What has become of a script.

    Args:
        script: path as given.
        arguments: of it.
        code: its exit code, 128 + n where a signal ended it.
        ended: "ended", "exit", "raised", "stopped", "interrupted", or "died": the process has gone without a word.
        faults: records of what was found.
        notes: what is worth knowing.
        numbers: steps, backwards, seconds.
    """

    script: str
    arguments: tuple[str, ...]
    code: int = 0
    ended: str = "died"
    faults: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """That of the script, where it is not 0; else 1 where something was found."""
        return self.code or (_BAD if self.faults else 0)

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo watch --json``."""
        return {
            "script": self.script,
            "arguments": list(self.arguments),
            "verdict": "faulty" if self.faults else "fine",
            "ended": self.ended,
            "script_exit_code": self.code,
            "exit_code": self.exit_code,
            "faults": self.faults,
            "notes": self.notes,
            **{name: self.numbers.get(name) for name in ("steps", "backwards", "skipped", "seconds", "rank")},
        }


def check_script(script: str) -> None:
    """Refuse what is no script.

    Raises:
        UsageError: there is none, or it is a folder.
    """
    path = Path(script)
    try:
        if path.is_dir():
            raise UsageError(f"SCRIPT must be a file, got the folder {script}; name the script in it")
        if not path.exists():
            raise UsageError(f"SCRIPT must be a file that exists, got {script}; there is none in {Path.cwd()}")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"SCRIPT cannot be read: {script} ({getattr(error, 'strerror', None) or error})") from error


def run_script(
    script: str,
    arguments: Sequence[str],
    settings: dict[str, str],
    told: Callable[[dict[str, Any]], None],
    to_stderr: bool = False,
) -> Watched:
    """Run a script under a watcher, and answer when it has ended.

    Args:
        script: path of it.
        arguments: for it.
        settings: ``on_nonfinite`` and ``out``.
        told: gets a record, ``{"fault": ...}`` or ``{"note": ...}``, while the script waits.
        to_stderr: its stdout is led there.

    Raises:
        UsageError: there is no such script.
    """
    check_script(script)
    watched = Watched(script, tuple(arguments))
    ours, theirs = socket.socketpair()
    asked = {"script": script, "arguments": list(arguments), "channel": theirs.fileno(), "to_stderr": to_stderr}
    command = [sys.executable, "-c", _CODE, json.dumps(asked | settings)]
    with ours:
        with theirs:
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        reader = threading.Thread(target=_read, args=(ours, watched, told), daemon=True)
        reader.start()
        with _forwarding(process):
            code = _wait(process)
        # A process of the script that lives on may hold the channel.
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
        reader.join(timeout=1.0 if watched.ended == "died" else 10.0)
    watched.code = 128 - code if code < 0 else code
    return watched


def _read(channel: socket.socket, watched: Watched, told: Callable[[dict[str, Any]], None]) -> None:
    with contextlib.suppress(OSError), channel.makefile("rb") as lines:
        for line in lines:
            record = json.loads(line)
            if "fault" in record:
                watched.faults.append(record["fault"])
            elif "note" in record:
                watched.notes.append(record["note"])
            else:
                watched.numbers, watched.ended = record["end"], record["end"]["ended"]
            try:
                if "end" not in record:
                    told(record)
            finally:
                channel.sendall(b".")


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. Ctrl-C reaches the script too, which decides what it means."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


@contextlib.contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals that end this process are the script's to answer."""
    before = {number: signal.signal(number, lambda n, _: process.send_signal(n)) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
