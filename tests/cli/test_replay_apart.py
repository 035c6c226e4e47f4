"""``losszoo replay`` on losses that hang, die or take all memory, in the step or under the doctor: real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from waiting import wait_for

import losszoo
from losszoo import Guard
from losszoo.registry.import_target import resolve

# The step runs five times: twice as it was, beside that in float64, then in float32 and in float64. What comes after is
# the doctor's.
STEP = """
import os, time
import torch
import losszoo

calls = 0


def core(predictions, targets):
    global calls
    calls += 1
    {body}
    return torch.log(predictions * 0)


def make_step(bundle):
    model, loss = torch.nn.Linear(2, 1), losszoo.create("./step.py:core", signature="regression")
    model.load_state_dict(bundle["model"])
    return lambda: loss(model(bundle["batch"])[:, 0], torch.zeros(3))
"""
# A loop in C, in which Python hears no signal.
IN_C = "sum(range(10**15))"
LATE = "stopped after 3 s, the time limit (--budget)"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    model, rows = nn.Linear(2, 1), torch.ones(3, 2)
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip", bundles=tmp_path / "bundles")
    guard.step(torch.log(model(rows) * 0).sum(), batch=rows)
    return "bundles/step-1.pt"


def command(bundle: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "losszoo", "replay", bundle, "--step", "step.py:make_step", *options]


def replayed(folder: Path, bundle: str, body: str, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, document and stderr."""
    (folder / "step.py").write_text(STEP.format(body=body))
    words = command(bundle, "--json", *options)
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_what_breaks_is_told_as_in_one_process(tmp_path: Path, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, document, _ = replayed(tmp_path, bundle, "print('chatter')")
    monkeypatch.chdir(tmp_path)
    here = losszoo.replay(bundle, step=resolve("step.py:make_step")).to_dict()
    assert code == 1
    assert [finding["op"] for finding in document["findings"]] == ["log"]
    assert document == json.loads(json.dumps(here))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("if calls > 5: time.sleep(1e6)", "stopped after 15 s, the time limit (--budget)"),
        (
            f"if calls > 5: {IN_C}",
            "stopped after 15 s, the time limit (--budget), within a call that does not return",
        ),
        ("if calls > 5: os.abort()", "the process that the step ran in was ended by SIGABRT"),
        ("if calls > 5: os._exit(0)", "the step has ended the process that it ran in, with exit code 0"),
    ],
    ids=["hangs", "hangs in C", "aborts", "leaves"],
)
def test_a_doctor_that_is_ended_leaves_what_the_step_has_shown(
    tmp_path: Path, bundle: str, body: str, said: str
) -> None:
    code, document, stderr = replayed(tmp_path, bundle, body, "--budget", "15")
    assert (code, document["reproduced"], document["op"], document["findings"]) == (1, True, "log", [])
    assert f"the doctor gave no answer: {said}" in document["notes"]
    assert said in " ".join(stderr.split())


@pytest.mark.parametrize("asks", ["bytearray(10**11)", "torch.ones(25 * 10**9)"], ids=["outside torch", "torch"])
def test_memory_is_refused_to_a_loss_under_the_doctor(tmp_path: Path, bundle: str, asks: str) -> None:
    """A hundred gigabytes."""
    code, document, _ = replayed(tmp_path, bundle, f"if calls > 5: {asks}")
    assert (code, document["op"], document["findings"]) == (1, "log", [])
    assert document["notes"][0].startswith("./step.py:core is not examined: by itself it raises ")
    assert any(words in document["notes"][0] for words in ("MemoryError", "allocate memory"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process may write into")
@pytest.mark.parametrize("asks", ["bytearray(2 * 10**9)", "torch.ones(5 * 10**8)"], ids=["outside torch", "torch"])
def test_the_doctor_has_less_memory_than_the_machine(tmp_path: Path, bundle: str, asks: str) -> None:
    """Two gigabytes: most machines have them, and an examination may not."""
    _, document, _ = replayed(tmp_path, bundle, f"if calls > 6: {asks}")
    assert document["findings"] == []
    assert document["notes"][0].startswith("the doctor could not examine ./step.py:core: ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("time.sleep(1e6)", "must end within 3 s, the time limit, and it did not; --budget SECONDS gives it more"),
        (IN_C, f"cannot be repeated: {LATE}, within a call"),
        ("os.abort()", "cannot be repeated: the process that the step ran in was ended by SIGABRT"),
        ("bytearray(10**12)", "cannot be repeated: MemoryError"),
        ("torch.ones(25 * 10**10)", "cannot be repeated: RuntimeError"),
    ],
    ids=["hangs", "hangs in C", "aborts", "memory outside torch", "memory"],
)
def test_a_step_that_is_ended_cannot_be_replayed(tmp_path: Path, bundle: str, body: str, said: str) -> None:
    code, document, stderr = replayed(tmp_path, bundle, body, "--budget", "3")
    assert (code, list(document)) == (2, ["error"])
    assert document["error"]["message"].startswith(f"the step of {bundle} ")
    assert said in document["error"]["message"]
    assert "Traceback" not in stderr


def test_a_file_that_hangs_while_it_is_imported_is_late_and_not_broken(tmp_path: Path, bundle: str) -> None:
    (tmp_path / "step.py").write_text("import time\ntime.sleep(1e6)\n")
    done = subprocess.run(command(bundle, "--budget", "2"), capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the step of {bundle} must end within 2 s, the time limit" in done.stderr


def test_a_budget_that_is_none(tmp_path: Path, bundle: str) -> None:
    code, document, _ = replayed(tmp_path, bundle, "pass", "--budget", "0")
    assert (code, document["error"]["message"]) == (2, "budget must be a number of seconds > 0, got 0.0")


def test_the_traceback_of_a_fault_comes_from_the_process_where_it_was(tmp_path: Path, bundle: str) -> None:
    code, _, stderr = replayed(tmp_path, bundle, "raise OSError('no such lake')", "--debug")
    assert code == 2
    assert 'step.py", line' in stderr
    assert "no such lake" in stderr


def started(folder: Path, bundle: str, body: str) -> tuple[subprocess.Popen[str], int]:
    """A replay whose step has begun and does not end, and the process that the step runs in."""
    (folder / "step.py").write_text(STEP.format(body=f"open('pid', 'w').write(f'{{os.getpid()}}.'); {body}"))
    process = subprocess.Popen(command(bundle, "--json"), stdout=subprocess.PIPE, text=True, cwd=folder)
    told = folder / "pid"
    wait_for(lambda: process.poll() is not None or (told.exists() and told.read_text().endswith(".")))
    assert process.poll() is None
    return process, int((folder / "pid").read_text()[:-1])


def is_gone(pid: int) -> bool:
    """Whether no such process runs; what nobody has collected yet is gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("body", ["time.sleep(1e6)", IN_C], ids=["in Python", "in C"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_command(tmp_path: Path, bundle: str, body: str, number: signal.Signals) -> None:
    process, child = started(tmp_path, bundle, body)
    assert child != process.pid
    process.send_signal(number)
    document = process.communicate()[0]
    wait_for(lambda: is_gone(child))
    if number == signal.SIGINT:
        assert process.returncode == 1
        assert json.loads(document) == {"error": {"type": "KeyboardInterrupt", "message": "interrupted"}}
