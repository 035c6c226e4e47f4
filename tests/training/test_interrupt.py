"""Real signals to a real process: what was trained stays, and the run says that it was interrupted."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import losszoo
from losszoo.cli.main import main
from losszoo.common.files import read_json
from losszoo.common.interrupt import Interrupt, remember_interrupts
from losszoo.sklearn import LossClassifier
from losszoo.tuning.trial import Running

# A run of minutes; its loss tells when the steps have begun.
LOSS = """
import sys
from pathlib import Path

import torch

TOLD = Path(__file__).with_name("steps")


def slow(logits, targets):
    with TOLD.open("a") as file:
        file.write("step\\n")
    return torch.nn.functional.cross_entropy(logits, targets)


def stuck(logits, targets):
    import signal
    import time

    if len(logits) <= 8:  # the rows that show what the loss takes: training has not begun
        return torch.nn.functional.cross_entropy(logits, targets)
    signal.raise_signal(signal.SIGINT)  # asked: the step goes on
    TOLD.write_text("asked")
    signal.raise_signal(signal.SIGINT)
    time.sleep(100_000)
"""
STEPS_BEFORE = 15  # more than the nine of the first epoch


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    (tmp_path / "my_loss.py").write_text(LOSS)
    started: list[subprocess.Popen[str]] = []

    def run(loss: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "losszoo", "run", "--loss", f"./my_loss.py:{loss}", "--task", "digits"]
        process = subprocess.Popen(
            [*command, "--epochs", "5000", "--set", "recipe.patience=0", "--json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        wait_for_steps(tmp_path / "steps", process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_steps(told: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 1800
    while not told.exists() or len(told.read_text().splitlines()) < STEPS_BEFORE:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise AssertionError(process.communicate())
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_trained_stays(start: object, tmp_path: Path, number: signal.Signals) -> None:
    process = start("slow")  # type: ignore[operator]
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=1800)
    assert process.returncode == 1
    result = json.loads(stdout)
    assert (result["status"], result["stop_reason"]) == ("interrupted", "interrupted by the user")
    assert result["epochs"] >= 1
    assert result["metrics"]["test"]["accuracy"] > 0.5
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    folder = tmp_path / result["run_dir"]
    assert read_json(folder / "result.json") == result
    assert len(json.loads((folder / "history.json").read_text())) == result["epochs"]
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert state["epoch"] == result["epochs"]
    assert state["guard"]["counts"]["steps"] == result["steps"] > STEPS_BEFORE - 2


def test_a_second_one_does_not_wait_for_the_step(tmp_path: Path) -> None:
    (tmp_path / "my_loss.py").write_text(LOSS)
    command = [sys.executable, "-m", "losszoo", "run", "--loss", "./my_loss.py:stuck", "--task", "digits"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False)
    assert (tmp_path / "steps").read_text() == "asked"
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "interrupted at once; to resume it: losszoo run --resume runs/digits/" in done.stderr


def test_from_python_an_interrupted_run_interrupts_its_caller(tmp_path: Path) -> None:
    def interrupt(line: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="interrupted; checkpoint and partial result are in"):
        losszoo.run("bce", "breast-cancer", out=tmp_path, on_epoch=interrupt)
    (written,) = tmp_path.glob("*/*/*/result.json")
    assert json.loads(written.read_text())["status"] == "interrupted"
    result = losszoo.run("bce", "breast-cancer", out=tmp_path, on_epoch=interrupt, raise_interrupt=False)
    assert (result.status, result.epochs, result.steps) == ("interrupted", 1, 7)  # six, and the one that ran


def interrupt_in_the_last_epoch(line: Mapping[str, Any]) -> None:
    if line["epoch"] + 1 == line["epochs"]:
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_after_the_last_step_is_not_lost(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 2, "out": tmp_path}
    with pytest.raises(KeyboardInterrupt, match="to resume it: losszoo run --resume"):
        losszoo.run("bce", "breast-cancer", on_epoch=interrupt_in_the_last_epoch, **options)
    (folder,) = tmp_path.glob("*/*/*")
    resumed = losszoo.run(resume=folder)
    whole = losszoo.run("bce", "breast-cancer", **options)
    assert (resumed.status, resumed.epochs, resumed.metrics) == ("completed", 2, whole.metrics)


def test_a_tuning_ends_by_a_signal_after_the_last_step_of_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Running._watcher

    def interrupting(running: Running) -> Callable[[Mapping[str, Any]], None]:
        watch = watcher(running)

        def both(line: Mapping[str, Any]) -> None:
            watch(line)
            interrupt_in_the_last_epoch(line)

        return both

    monkeypatch.setattr(Running, "_watcher", interrupting)
    tuning = losszoo.tune("bce", "breast-cancer", trials=3, epochs=2, out=tmp_path, raise_interrupt=False)
    assert (tuning.status, tuning.counts.ended) == ("interrupted", 0)


def test_an_estimator_interrupts_its_caller_after_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(io.StringIO):
        def write(self, text: str) -> int:
            if "epoch 2/2" in text:
                os.kill(os.getpid(), signal.SIGINT)
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Interrupting())
    generator = np.random.default_rng(0)
    rows, labels = generator.normal(size=(64, 3)), generator.integers(0, 2, 64)
    with pytest.raises(KeyboardInterrupt):
        LossClassifier(loss="cross-entropy", epochs=2, verbose=True).fit(rows, labels)


def test_a_request_reaches_the_blocks_inside() -> None:
    asked = []

    def nested() -> None:
        with Interrupt():
            os.kill(os.getpid(), signal.SIGINT)
            with Interrupt() as inner:
                asked.append(inner.asked)
                inner.heeded = True

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert asked == [True]


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.asked
        os.kill(os.getpid(), signal.SIGTERM)  # asked twice is asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        interrupt.heeded = True
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def inside() -> None:
        with Interrupt() as interrupt:
            seen.append((signal.getsignal(signal.SIGINT), interrupt.asked))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


@pytest.fixture
def remembered() -> Iterator[None]:
    """As in a process of the command line."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a test before has left
    remember_interrupts()
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("remembered")
def test_a_command_says_its_own_error_after_one_that_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / "my_loss.py").write_text("import signal\n\nsignal.raise_signal(signal.SIGINT)\n")
    interrupted = CliRunner().invoke(main, ["info", f"{tmp_path}/my_loss.py:any"])
    assert (interrupted.exit_code, "interrupted" in interrupted.stderr) == (1, True), interrupted.output
    unknown = CliRunner().invoke(main, ["info", "no-such-loss"])
    assert (unknown.exit_code, "no-such-loss" in unknown.stderr) == (2, True), unknown.output
