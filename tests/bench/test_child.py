"""What a measuring process answers, asked without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from losszoo.bench import bench_worker
from losszoo.bench.ask_worker import ask
from losszoo.bench.workload import Workload
from losszoo.common.child_process import ChildProcess, EndedError

MINE = str(Path(__file__).parent / "mine.py")
LIMITS = {"threads": None, "memory_limit": 10**9, "timeout": 60.0, "budget": 0.01, "repeats": 2}


@pytest.fixture(autouse=True)
def _unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is for a process that ends; here it would be that of the tests."""
    monkeypatch.setattr(bench_worker, "bound_memory", lambda limit, device: False)


def answer(what: str, *sides: str, loss: str = "mse", **given: Any) -> dict[str, Any]:
    signature = "embedding" if loss == "nca" else "multiclass" if loss == "entmax" else "regression"
    workload = Workload(loss=loss, signature=signature, first=12, second=5, params=given, given=given)
    return bench_worker.answer({"what": what, "workload": workload.to_dict(), "sides": sides, **LIMITS})


def test_a_time() -> None:
    told = answer("time", "losszoo", f"{MINE}:right")
    assert told["status"] == "ok"
    assert told["agreement"]["agrees"]
    assert told["ratio"]["samples"] == told["seconds"]["losszoo"]["samples"] == 2


def test_half_a_gradient_is_another_loss() -> None:
    """Equal values, and 1 of the gradient's norm apart: |g - g/2| / |g/2|."""
    told = answer("time", "losszoo", f"{MINE}:wrong_gradient")
    assert told["agreement"]["gradient"] == pytest.approx(1.0)
    assert not told["agreement"]["agrees"]
    assert "seconds" not in told


def test_a_memory() -> None:
    told = answer("memory", "losszoo", loss="nca", temperature=2.0)
    assert told["status"] == "ok"
    assert told["extra_bytes"] >= 0
    assert told["by"] in ("VmHWM", "ru_maxrss")


@pytest.mark.parametrize(
    ("side", "status", "said"),
    [
        (f"{MINE}:raises", "raised", "RuntimeError: no luck"),
        (f"{MINE}:exits", "raised", "SystemExit: 3"),
        (f"{MINE}:not_callable", "raised", "a peer must be callable"),
        ("pml", "no-answer", "pml has no mse"),
    ],
)
def test_what_goes_wrong_is_told_with_its_side(side: str, status: str, said: str) -> None:
    told = answer("time", "losszoo", side)
    assert (told["status"], told["side"]) == (status, side)
    assert said in told["said"]


def test_a_peer_may_refuse_a_value() -> None:
    told = answer("memory", "dense", loss="entmax", alpha=1.3)
    assert told["status"] == "no-answer"
    assert "got 1.3" in told["said"]


@pytest.mark.parametrize(
    ("job", "status", "said"),
    [
        ("killed", "killed", "killed by the system"),
        ("leaves", "raised", "ended with exit code 3: some last words"),
        ("starved", "memory", "MemoryError"),
        ("hangs", "timeout", "stopped after 2 s"),
        ("prints", "ok", "much"),
    ],
)
def test_what_becomes_of_a_process(job: str, status: str, said: str) -> None:
    """A signal, as from the system where memory runs out, an end of its own, none, and more noise than a pipe holds."""
    told = ask({"threads": 1}, timeout=2 if job == "hangs" else 1800, job=f"child_jobs:{job}")
    assert told["status"] == status
    assert said in told["said"]


def test_bytes_between_the_answers_are_no_answer() -> None:
    """Code that writes into every open file: the parent must not wait for ever, nor fail in a thread."""
    with ChildProcess("cell") as child, pytest.raises(EndedError, match="the cell has written into the pipe of its"):
        child.ask("child_jobs:writes_between", {}, seconds=None)


def test_an_interrupted_process_prints_no_traceback() -> None:
    with ChildProcess("cell", keep_stderr=True) as child, pytest.raises(EndedError, match="ended by SIGINT") as ended:
        child.ask("child_jobs:interrupted", {}, seconds=None)
    assert (ended.value.code, ended.value.last_line) == (-2, "")
