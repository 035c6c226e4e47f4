"""One run on two processes, under a real torchrun: the curve of one process, and nobody waits for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rank_runs
import torch

import losszoo

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "3000"}

Seen = list[dict[str, Any]]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def seen(out: Path) -> Seen:
    """What the two ranks have written down."""
    command = [*TORCHRUN, str(HERE / "rank_runs.py"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((out / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same runs by one process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("alone")
    before = Path.cwd()
    os.chdir(out)
    try:
        return {"runs": rank_runs.runs(out), "bad": rank_runs.bad_steps(out)}
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)


@pytest.mark.parametrize("loss", [loss for loss in rank_runs.RUNS if "noisy" not in loss])  # which draws on its own
def test_two_ranks_have_the_curve_of_one_process(loss: str, seen: Seen, alone: dict[str, Any]) -> None:
    one, two = alone["runs"][loss], seen[0]["runs"][loss]
    assert len(one["history"]) == len(two["history"]) == 2
    for epoch, (mine, theirs) in enumerate(zip(one["history"], two["history"], strict=True)):
        # Weights that are changed in their last bit take one process as far from itself within two epochs of nca.
        near = 1e-3 if loss == "nca" and epoch else 1e-5
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=near, rel=near)
        assert theirs["grad_norm"] == pytest.approx(mine["grad_norm"], rel=1e-3)
        assert (theirs["steps"], theirs["clipped"]) == (mine["steps"], mine["clipped"])


@pytest.mark.parametrize("loss", rank_runs.RUNS)
def test_all_ranks_return_what_the_first_one_wrote(loss: str, seen: Seen) -> None:
    one, two = (ranks["runs"][loss] for ranks in seen)
    assert one == two  # the parameters of each among it, to the bit
    assert json.loads(Path(one["dir"], "result.json").read_text())["metrics"] == one["metrics"]


def test_only_the_first_rank_writes(out: Path, seen: Seen) -> None:
    folders = {Path(run["dir"]) for run in seen[0]["runs"].values()}
    written = {path.parent for path in (out / "runs").glob("*/*/*/config.json")}
    assert folders <= written
    assert len(written) == len(rank_runs.RUNS) + 3
    assert not (out / "never").exists()


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_guards_act_together(policy: str, seen: Seen, alone: dict[str, Any]) -> None:
    one, two = (ranks["bad"][policy] for ranks in seen)
    assert one == two
    assert one["guard"]["nonfinite"] >= 1
    if policy == "raise":
        assert one["status"] == "stopped-by-guard"
        assert one["guard"]["first"]["op"] is not None
        assert one["guard"]["first"]["step"] == alone["bad"]["raise"]["guard"]["first"]["step"]


def test_a_step_that_is_bad_on_one_rank_is_taken_by_none(seen: Seen) -> None:
    for policy in ("skip", "rollback"):
        one, two = (ranks["loop"][policy] for ranks in seen)
        assert one == two
        assert one["said"] == [[True, None, None], [False, "loss", "rank 1: not finite"], *[[True, None, None]] * 2]
    assert "non-finite loss in step 2: rank 1: not finite" in seen[0]["loop"]["raise"]["said"][1]
    assert seen[0]["loop"]["raise"] == seen[1]["loop"]["raise"]


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_a_step_that_overflows_on_one_rank_is_undone_by_all(policy: str, seen: Seen) -> None:
    one, two = (ranks["overflows"][policy] for ranks in seen)
    assert one == two
    assert [applied for applied, _ in one["said"]] == [True, False, True, False, True]
    assert one["said"][1][1].startswith("non-finite weights or optimizer (rank 1")
    assert one["said"][3][1].startswith("non-finite buffer (rank 1")
    assert one["finite"]


def test_ranks_that_disagree_are_told_about_what(seen: Seen) -> None:
    for ranks in seen:
        told = ranks["disagreement"]
        assert told["seed"] == "all ranks must have the same settings, got seed: rank 0: 0; rank 1: 1"
        assert told["epochs"] == "all ranks must have the same settings, got recipe.epochs: rank 0: 1; rank 1: 2"
        assert "bcee" in told["loss"]
        assert "did you mean bce" in told["loss"]
    assert seen[0]["disagreement"]["loss"].startswith("every rank must be able to train, got an error on rank 1: ")


@pytest.fixture
def slow_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of minutes on two processes."""
    command = [*TORCHRUN, "-m", "losszoo", "run", "--loss", "cross-entropy", "--task", "digits", "--epochs", "3000"]
    command += ["--set", "recipe.patience=0", "--checkpoint-seconds", "0.2", "--out", "runs", "--json"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, start_new_session=True, **pipes)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes of the ranks, in no order."""
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in listed.split()]


def test_a_signal_to_one_rank_ends_all_of_them(slow_run: subprocess.Popen[str], tmp_path: Path) -> None:
    until = time.monotonic() + 1800
    while not list(tmp_path.glob("runs/*/*/*/checkpoint.pt")):
        assert slow_run.poll() is None, slow_run.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(max(children(slow_run)), signal.SIGINT)
    out, err = slow_run.communicate(timeout=1800)
    result = json.loads(out)
    assert result["status"] == "interrupted", err
    with pytest.raises(
        losszoo.UsageError, match=r"world: 2 there, 1 here .*; start it with torchrun --nproc-per-node 2"
    ):
        losszoo.run(resume=tmp_path / result["run_dir"])


@pytest.mark.sweep
def test_two_ranks_that_are_killed_go_on(tmp_path: Path) -> None:
    """To the bits of two ranks that never were; dropout draws on each rank, and the loss draws pairs."""
    arguments = ["--loss", "triplet", "--task", "digits", "--epochs", "6", "--set", "model.trunk=mlp"]
    arguments += ["--set", "model.dropout=0.3", "--json", "--checkpoint-seconds", "0"]

    def start(*given: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [*TORCHRUN, "-m", "losszoo", "run", *given]
        return subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, start_new_session=True, **pipes)

    never = start(*arguments, "--out", "never")
    out, err = never.communicate(timeout=1800)
    assert never.returncode == 0, err
    killed = start(*arguments, "--out", "killed")
    until = time.monotonic() + 1800
    while not list(tmp_path.glob("killed/*/*/*/checkpoint.pt")):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)
    for child in [*children(killed), killed.pid]:
        os.kill(child, signal.SIGKILL)
    killed.communicate()
    folder = next(tmp_path.glob("killed/*/*/*/checkpoint.pt")).parent
    assert not (folder / "result.json").exists()
    resumed = start("--resume", str(folder), "--json")
    again, err = resumed.communicate(timeout=1800)
    assert resumed.returncode == 0, err
    states = [
        torch.load(path / "checkpoint.pt", weights_only=True)["model"]
        for path in (tmp_path / json.loads(out)["run_dir"], folder)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert json.loads(again)["metrics"] == json.loads(out)["metrics"]
