"""Starting the process of a cell, and what becomes of it: an answer, a signal, or no end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

# What is asked and answered is JSON. What a loss prints goes to stderr; where modules are found is the parent's.
_CODE = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
request = json.load(sys.stdin)
sys.path[:] = request["path"]
from losszoo.bench.bench_worker import answer
json.dump(answer(request), answers)
answers.close()
os._exit(0)
"""
_LAST_WORDS = 300


def ask(request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """The answer of a fresh process, or a status that says how it ended.

    Args:
        request: as :func:`losszoo.bench.bench_worker.answer` takes it.
        timeout: seconds until it is killed, with all that it started.

    Returns:
        "status": "ok", "raised", "memory", "killed" or "timeout", with "said" where it is not "ok".
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=_environment(request["threads"]),
    )
    text = json.dumps({**request, "path": sys.path}).encode()
    try:
        said, noise = process.communicate(text, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"status": "timeout", "said": f"stopped after {timeout:g} s"}
    finally:
        _end(process)
    return _read(process.returncode, said, noise.decode(errors="replace"))


def _environment(threads: int | None) -> dict[str, str]:
    return {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and its own children, however it was left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def _read(code: int, said: bytes, noise: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        last = (noise.strip().splitlines() or ["it said nothing"])[-1][-_LAST_WORDS:]
        if code == -signal.SIGKILL:
            return {"status": "killed", "said": "killed by the system, as where memory runs out"}
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return {"status": "memory" if "MemoryError" in last else "raised", "said": f"ended with {how}: {last}"}
    return answer
