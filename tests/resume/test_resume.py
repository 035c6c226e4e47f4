"""A run that is killed at any moment goes on to the result of one that never was: to the bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forking
import pytest
import torch

import losszoo
from losszoo import RunResult, UsageError
from losszoo.common.files import read_json, write_json

Start = Callable[..., "subprocess.Popen[str]"]
# A loss whose steps take long enough to be killed in; it draws from every source of chance that there is.
LOSS = """
import random, time
import numpy, torch


def jittery(logits, targets):
    time.sleep(0.004)
    noise = random.random() + numpy.random.rand() + numpy.random.randn() + float(torch.rand(()))
    return (1 + 0.01 * noise) * torch.nn.functional.cross_entropy(logits, targets, reduction="none")
"""
# How many runs the sweep kills: few for the CI, twenty before a release.
KILLED = int(os.environ.get("LOSSZOO_KILLED", "5"))
DROPOUT = ["--set", "model.trunk=mlp", "--set", "model.dropout=0.5"]
RUNS = {
    "cross-entropy with dropout": ["--loss", "cross-entropy", *DROPOUT, "--clip", "auto"],
    "own loss": ["--loss", "./jittery.py:jittery", "--clip", "zscore(warmup=4)"],
    "rollback": ["--loss", "nca-ratio", "--on-nonfinite", "rollback", "--set", "recipe.lr=0.3", "--clip-norm", "1"],
    "learned weights": [
        "--loss",
        "uncertainty(cross-entropy, sup-con(learned_temperature=true))",
        "--accumulate",
        "2",
        "--set",
        "recipe.loss_lr=0.05",
    ],
    "pairs drawn": [
        "--loss",
        "linear(0, 1, epochs=3)*triplet + cosine(0, 1, steps=20)*cross-entropy",
        "--precision",
        "bf16",
    ],
}


@pytest.fixture
def start(tmp_path: Path) -> Start:
    (tmp_path / "jittery.py").write_text(LOSS)

    def started(*arguments: str, out: str = "runs") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "losszoo", "run", *arguments, "--checkpoint-seconds", "0", "--json"]
        if "--resume" in arguments:
            command += ["--trust"]
        else:
            command += ["--task", "digits", "--epochs", "4", "--out", out]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return forking.Popen(command, cwd=tmp_path, env=environment, **pipes)

    return started


def folder_of(out: Path) -> Path:
    """The run folder, once it is there."""
    until = time.monotonic() + 1800
    while time.monotonic() < until:
        found = list(out.glob("*/*/*/config.json"))
        if found:
            return found[0].parent
        time.sleep(0.005)
    raise AssertionError("no run folder")


def all_but_time(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves behind, without what the clock has said."""
    result = read_json(folder / "result.json")
    history = json.loads((folder / "history.json").read_text())
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    for timed in (result, state, *history, *state["history"]):
        timed.pop("seconds")
    result.pop("run_dir")
    if result["guard"]["first"] and result["guard"]["first"]["bundle"]:
        result["guard"]["first"]["bundle"] = Path(result["guard"]["first"]["bundle"]).name
    state["guard"]["first"] = None
    bundles = sorted(path.name for path in folder.glob("bundles/*.pt"))
    steps = read_json(folder / "steps.json")
    return {"result": result, "history": history, "state": state, "bundles": bundles, "steps": steps}


def assert_same(one: Any, other: Any, where: str = "") -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0)), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{number}]")
    else:
        assert one == other or (one != one and other != other), where


def kill_until_done(start: Start, tmp_path: Path, arguments: list[str], draw: random.Random, kills: int) -> int:
    """Kill the run and go on with it, again and again; how often it was really killed."""
    process, killed = start(*arguments, out="killed"), 0
    folder = folder_of(tmp_path / "killed")
    while True:
        if killed < kills:
            time.sleep(draw.uniform(0.0, 0.35))
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=1800)
        if process.returncode != -signal.SIGKILL:
            assert process.returncode in (0, 1), err
            assert json.loads(out)["run_dir"] == str(folder.relative_to(tmp_path))
            return killed
        killed += 1
        process = start("--resume", str(folder.relative_to(tmp_path)))
        if killed < kills:
            wait_for_a_new_checkpoint(folder, process)


def wait_for_a_new_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    """Else every kill would come while torch is being imported."""
    path = folder / "checkpoint.pt"
    before = path.stat().st_mtime_ns if path.exists() else 0
    until = time.monotonic() + 1800
    while process.poll() is None and time.monotonic() < until:
        if path.exists() and path.stat().st_mtime_ns != before:
            return
        time.sleep(0.002)


def check_kills(start: Start, tmp_path: Path, name: str, seed: int, kills: int) -> int:
    reference = start(*RUNS[name], out="never")
    _, err = reference.communicate(timeout=1800)
    assert reference.returncode in (0, 1), err
    killed = kill_until_done(start, tmp_path, RUNS[name], random.Random(seed), kills)
    whole, pieces = (all_but_time(folder_of(tmp_path / out)) for out in ("never", "killed"))
    assert_same(whole, pieces)
    return killed


@pytest.mark.parametrize("name", ["own loss", "rollback"])
def test_killed_in_the_midst(start: Start, tmp_path: Path, name: str) -> None:
    assert check_kills(start, tmp_path, name, 0, kills=2) >= 1  # a quick machine may be done before the second


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(max(1, KILLED // len(RUNS))))
@pytest.mark.parametrize("name", RUNS)
def test_killed_at_random(start: Start, tmp_path: Path, name: str, seed: int) -> None:
    """Five runs, each killed up to four times; LOSSZOO_KILLED=20 makes it twenty."""
    assert check_kills(start, tmp_path, name, seed, kills=4) >= 1


def test_ctrl_c_and_on(start: Start, tmp_path: Path) -> None:
    arguments = RUNS["own loss"]
    start(*arguments, out="never").communicate(timeout=1800)
    process = start(*arguments, out="killed")
    folder = folder_of(tmp_path / "killed")
    wait_for_a_new_checkpoint(folder, process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=1800)
    assert json.loads(out)["status"] == "interrupted"
    out, _ = start("--resume", str(folder)).communicate(timeout=1800)
    assert json.loads(out)["status"] in ("completed", "stopped-early")
    assert_same(*(all_but_time(folder_of(tmp_path / out)) for out in ("never", "killed")))


@pytest.fixture
def done(tmp_path: Path) -> RunResult:
    return losszoo.run("cross-entropy", "digits", epochs=1, out=tmp_path / "runs")


def test_a_run_that_has_ended_gives_its_result(done: RunResult) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(done.run_dir).iterdir()}
    assert losszoo.run(resume=done.run_dir).to_dict() == done.to_dict()
    assert {path: path.stat().st_mtime_ns for path in Path(done.run_dir).iterdir()} == before


def test_a_run_without_a_checkpoint_begins_again(done: RunResult) -> None:
    for name in ("checkpoint.pt", "result.json"):
        Path(done.run_dir, name).unlink()
    again = losszoo.run(resume=done.run_dir)
    assert (again.metrics, again.run_dir, again.steps) == (done.metrics, done.run_dir, done.steps)


def test_an_object_has_to_be_given_again(tmp_path: Path) -> None:
    loss = torch.nn.CrossEntropyLoss()
    done = losszoo.run(loss, "digits", epochs=1, out=tmp_path)
    Path(done.run_dir, "result.json").unlink()
    with pytest.raises(
        UsageError, match=r"loss must be given again, .*an object, CrossEntropyLoss.*losszoo.run\(loss=..., resume="
    ):
        losszoo.run(resume=done.run_dir)
    assert losszoo.run(loss, resume=done.run_dir).metrics == done.metrics


def edit(folder: str, **changes: Any) -> None:
    path = Path(folder, "config.json")
    write_json(path, {**read_json(path), **changes})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"torch": "1.0"}, r"with the options of its start, got torch: '1.0' there, '.*' here"),
        (
            {"losszoo": "0.0.1", "world": 2},
            r"losszoo: '0.0.1' there.*world: 2 there, 1 here.*torchrun --nproc-per-node 2",
        ),
        ({"format": 1}, r"must be of format 4, got format 1 in"),
        (
            {"code": {"a.py": "0"}},
            r"the file a.py must be where it was, got none in .*; resume it in the folder",
        ),
    ],
)
def test_another_config_is_refused(done: RunResult, changes: dict[str, Any], match: str) -> None:
    Path(done.run_dir, "result.json").unlink()
    edit(done.run_dir, **changes)
    with pytest.raises(UsageError, match=match):
        losszoo.run(resume=done.run_dir)


def test_a_changed_loss_file_is_refused(start: Start, tmp_path: Path) -> None:
    start("--loss", "./jittery.py:jittery").communicate(timeout=1800)
    folder = folder_of(tmp_path / "runs")
    (folder / "result.json").unlink()
    (tmp_path / "jittery.py").write_text(LOSS + "\n# another one\n")
    process = start("--resume", str(folder))
    assert "got ./jittery.py has changed since" in process.communicate(timeout=1800)[1]
    assert process.returncode == 2


def test_what_is_no_run_folder(tmp_path: Path, done: RunResult) -> None:
    with pytest.raises(
        UsageError, match=r"resume must be given the folder of a run, got .* \(there is no such folder\)"
    ):
        losszoo.run(resume=tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"it holds no config\.json"):
        losszoo.run(resume=tmp_path)
    shutil.copytree(done.run_dir, tmp_path / "damaged")
    for name, text, match in (
        (
            "checkpoint.pt",
            "PK",
            "must be a whole checkpoint, got a file that is cut off.*no checksum; delete it to start the run again",
        ),
        ("config.json", "{", "must be a whole JSON file, got a file that is cut off or damaged: .*; start a new run"),
        ("config.json", "[" * 100_000, "JSON file, got a file that is nested more than 64 deep; start a new run"),
    ):
        (tmp_path / "damaged" / "result.json").unlink(missing_ok=True)
        (tmp_path / "damaged" / name).write_text(text)
        with pytest.raises(UsageError, match=match):
            losszoo.run(resume=tmp_path / "damaged")


def test_resume_stands_alone(done: RunResult) -> None:
    with pytest.raises(
        UsageError, match=r"resume must stand alone, or with loss, .* task of your own, .* got task, epochs"
    ):
        losszoo.run("bce", "digits", resume=done.run_dir, epochs=3)
    with pytest.raises(UsageError, match="run must be given a loss and a task, or resume="):
        losszoo.run("bce")


def test_resume_stands_alone_on_the_command_line(start: Start, done: RunResult) -> None:
    _, err = start("--resume", done.run_dir, "--seed", "0", "--set", "model.dim=3").communicate(timeout=1800)
    assert (
        "--resume must stand alone, or with --loss, --trust, --checkpoint-seconds, --tensorboard, --mlflow and a "
        "--task of your own, as the run folder holds every setting, got --set and --seed"
    ) in " ".join(err.split())


def test_a_run_that_is_under_way_is_left_alone(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # From the second step on it waits until the test has looked, however busy the machine is.
    wait = "    while pathlib.Path('seen').exists() and not pathlib.Path('go on').exists(): time.sleep(0.01)\n"
    head = "import pathlib, time, torch\ndef waits(logits, targets):\n"
    tail = "    pathlib.Path('seen').touch()\n    return torch.nn.functional.cross_entropy(logits, targets)\n"
    Path("waits.py").write_text(head + wait + tail)
    process = start("--loss", "waits.py:waits", "--signature", "multiclass")
    folder = folder_of(tmp_path / "runs")
    wait_for_a_new_checkpoint(folder, process)
    with pytest.raises(UsageError, match="must be trained by one process, got a second one: another is at work in"):
        losszoo.run(resume=folder, trust=True)
    Path("go on").touch()
    out, err = process.communicate(timeout=1800)
    assert json.loads(out)["status"] in ("completed", "stopped-early"), err


def test_a_folder_that_holds_a_run_takes_no_other(done: RunResult) -> None:
    with pytest.raises(UsageError, match=r"run_dir must be a folder without a run, got .*; resume= resumes"):
        losszoo.run("bce", "digits", run_dir=done.run_dir)


def test_a_checkpoint_of_another_run_is_refused(done: RunResult, tmp_path: Path) -> None:
    other = losszoo.run("cross-entropy", "digits", epochs=1, seed=5, run_dir=tmp_path / "other")
    Path(other.run_dir, "result.json").unlink()
    shutil.copy(Path(done.run_dir, "checkpoint.pt"), Path(other.run_dir, "checkpoint.pt"))
    with pytest.raises(UsageError, match=r"must belong to the run of config\.json, got the checkpoint of another"):
        losszoo.run(resume=other.run_dir)


def test_buffers_outside_the_state_dict_go_on_too(tmp_path: Path) -> None:
    """A running mean that is registered with ``persistent=False``."""

    class Running(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()), persistent=False)

        def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            self.seen += 1
            return torch.nn.functional.cross_entropy(logits, targets) / self.seen

    how: dict[str, Any] = {"epochs": 4, "signature": "multiclass", "checkpoint_seconds": 0}
    whole = losszoo.run(Running(), "digits", out=tmp_path, **how)

    class StopError(Exception):
        pass

    def stop(line: Any) -> None:
        if line["epoch"] == 2:
            raise StopError

    with pytest.raises(StopError):
        losszoo.run(Running(), "digits", run_dir=tmp_path / "half", on_epoch=stop, **how)
    rest = losszoo.run(Running(), resume=tmp_path / "half")
    assert_same(*(all_but_time(Path(result.run_dir)) for result in (whole, rest)))


def test_the_step_that_ends_a_run_is_among_its_steps(tmp_path: Path) -> None:
    result = losszoo.run("nca-ratio", "digits", set={"recipe.lr": 0.3}, epochs=20, out=tmp_path)
    steps = json.loads(Path(result.run_dir, "steps.json").read_text())
    assert result.status == "stopped-by-guard"
    assert (steps["bad"][-1], steps["step"][-1]) == (1, result.steps)


def test_only_the_parts_that_are_asked_for_are_scored(tmp_path: Path) -> None:
    result = losszoo.run("nca", "digits", epochs=1, out=tmp_path, parts=("train", "val"))
    assert sorted(result.metrics) == ["train", "val"]
    assert not Path(result.run_dir, "embedding.json").exists()
    with pytest.raises(UsageError, match="parts must be some of train, val, test, got 'val'"):
        losszoo.run("nca", "digits", epochs=1, out=tmp_path, parts="val")
