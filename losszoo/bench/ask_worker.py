"""A cell asked of a process of its own, and what becomes of it: an answer, a signal, or no end."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from losszoo.common.child_process import ChildProcess, EndedError
from losszoo.common.text import in_one_line
from losszoo.errors import is_out_of_memory

JOB = "losszoo.bench.bench_worker:answers"


def ask(request: Mapping[str, Any], timeout: float, job: str = JOB) -> dict[str, Any]:
    """The answer of a fresh process, or a status that says how it ended.

    Args:
        request: as :func:`losszoo.bench.bench_worker.answer` takes it.
        timeout: seconds until it is killed, with all that it started.
        job: what the process does with it.

    Returns:
        "status": "ok", "raised", "memory", "killed" or "timeout", with "said" where it is not "ok".
    """
    threads = {"OMP_NUM_THREADS": str(request["threads"])} if request["threads"] else {}
    with ChildProcess("cell", {**os.environ, **threads}, keep_stderr=True) as process:
        try:
            answer: dict[str, Any] = process.ask(job, request, timeout, grace=0.0)
        except EndedError as ended:
            return _ending(ended, timeout)
        except Exception as error:  # what is raised outside the measurement, such as by an import
            return {"status": "memory" if is_out_of_memory(error) else "raised", "said": in_one_line(error)}
        return answer


def _ending(ended: EndedError, timeout: float) -> dict[str, Any]:
    if ended.code is None:
        return {"status": "timeout", "said": f"stopped after {timeout:g} s"}
    if ended.code == -signal.SIGKILL:
        return {"status": "killed", "said": "killed by the system, as where memory runs out"}
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    return {"status": "raised", "said": f"ended with {how}: {ended.last_line or 'it printed nothing'}"}
