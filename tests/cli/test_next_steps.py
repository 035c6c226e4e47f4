"""What a person is told at the moments that matter: each command that is printed is run, as it is printed."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import losszoo
from losszoo.cli.main import main

FILES = """
import dataclasses, os, signal
import numpy as np
import torch
import losszoo

SPEC = losszoo.TaskSpec(name="mine", target="mine:Mine", kind="multiclass", summary="My rows.", metric="accuracy")

class Mine(losszoo.Task):
    spec = SPEC
    def __init__(self, *, path=None):
        self.path = path
    def splits(self, seed=0):
        if self.path:
            open(self.path)
        rows = np.random.default_rng(seed).normal(size=(90, 3)).astype("f")
        labels = (rows[:, 0] > 0).astype("int64")
        return losszoo.Splits(*(losszoo.Split(rows[i::3], labels[i::3]) for i in range(3)))
    def setup(self, signature):
        return losszoo.Setup(trunk="linear", model={"dim": 4}, recipe=losszoo.Recipe(epochs=4, batch_size=10))

class Needs(Mine):
    def __init__(self, path):
        self.path = path

class NoSpec(losszoo.Task):
    def splits(self, seed=0): ...
    def setup(self, signature): ...

class Bare:
    spec = SPEC

class OddKind(Mine):
    spec = dataclasses.replace(SPEC, kind="classification")

class Lazy(torch.utils.data.Dataset):
    def __len__(self):
        return 12
    def __getitem__(self, i):
        return torch.full((3,), float(i % 2)), i % 2

class FromDataset(Mine):
    def splits(self, seed=0):
        return losszoo.Splits(Lazy(), Lazy(), Lazy())

class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(())

class Endless(Mine):
    def splits(self, seed=0):
        return losszoo.Splits(Stream(), Lazy(), Lazy())

calls = []

def stops_itself(logits, targets):
    calls.append(1)
    if len(calls) == 3 and not os.path.exists("stopped"):
        open("stopped", "w").close()
        os.kill(os.getpid(), signal.SIGINT)
    return torch.nn.functional.cross_entropy(logits, targets)

def hungry(logits, targets):
    calls.append(1)
    if len(calls) == 3:
        bytearray(2**45)
    return torch.nn.functional.cross_entropy(logits, targets)

def hungry_in_torch(logits, targets):
    calls.append(1)
    if len(calls) == 3:
        torch.empty(2**50)
    return torch.nn.functional.cross_entropy(logits, targets)

class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, gradient):
        calls.append(1)
        if len(calls) == 3:
            torch.empty(2**50)
        return gradient

def hungry_backward(logits, targets):
    return torch.nn.functional.cross_entropy(Backward.apply(logits), targets)
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    (tmp_path / "mine.py").write_text(FILES)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["run", *arguments])


def test_a_task_of_ones_own_file_is_trained_stopped_and_resumed(ask: Callable[..., Result], tmp_path: Path) -> None:
    """Ctrl-C in the third step; the line that is printed goes on, and ends as the same run without Ctrl-C."""
    command = [sys.executable, "-m", "losszoo"]
    asked = ["run", "--loss", "mine.py:stops_itself", "--task", "mine.py:Mine"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    stopped = subprocess.run([*command, *asked], capture_output=True, text=True, check=False, env=env)
    assert stopped.returncode == 1, stopped.stderr
    before, line = stopped.stdout.splitlines()[-2:]
    assert before == "to resume:"
    words = shlex.split(line)
    assert words[:3] == ["losszoo", "run", "--resume"]
    assert words[4:] == ["--loss", "mine.py:stops_itself", "--task", "mine.py:Mine"]
    resumed = subprocess.run([*command, *words[1:]], capture_output=True, text=True, check=False, env=env)
    assert resumed.returncode == 0, resumed.stderr
    assert ": completed after 4 epochs" in resumed.stdout
    again = ask(*words[2:])
    assert again.exit_code == 0
    assert "note: this run had ended (completed); nothing was trained" in again.stderr
    without = ask("--resume", words[3])
    assert without.exit_code == 2
    assert "give it with --task file.py:NAME" in without.stderr


def test_a_folder_of_runs_names_those_inside_as_commands(ask: Callable[..., Result]) -> None:
    """With one run and with two, from each folder above them; each line is pasted."""
    Path("with.py").write_text(
        "import torch\ndef loss(logits, targets):\n    return torch.nn.functional.cross_entropy(logits, targets)\n"
    )
    losszoo.run("cross-entropy", "digits", epochs=1, out="my runs")
    alone = ask("--resume", "my runs").stderr
    assert "resume must be given the folder of a run, got my runs (it holds no config.json); inside it:\n" in alone
    assert alone.count("losszoo run --resume") == 1
    losszoo.run("with.py:loss", "digits", epochs=1, out="my runs", signature="multiclass")
    Path("my runs", "other").mkdir()
    Path("my runs", "other", "config.json").write_text('{"model_type": "bert"}')
    for parent in ("my runs", "my runs/digits"):
        answer = ask("--resume", parent)
        assert (answer.exit_code, answer.stdout) == (2, "")
        newest, oldest = answer.stderr.splitlines()[1:]
        assert newest.endswith(" --loss with.py:loss")
        for line in (newest, oldest):
            words = shlex.split(line)
            assert words[:3] == ["losszoo", "run", "--resume"]
            assert "this run had ended (completed)" in ask(*words[2:]).stderr
    assert "inside it" not in ask("--resume", "my runs/other").stderr
    for _ in range(5):
        losszoo.run("cross-entropy", "digits", epochs=1, out="my runs")
    lines = ask("--resume", "my runs").stderr.splitlines()
    assert (len(lines), lines[-1]) == (7, "and 2 more")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine.py:Mine", "--set", "task.path=/nope.csv"], "its data cannot be read: FileNotFoundError"),
        (["mine.py:Needs"], "must be given task.path; say --set task.path=VALUE"),
        (["mine.py:NoSpec"], "NoSpec.spec must be a losszoo.TaskSpec, got None; add to the class"),
        (["mine.py:SPEC"], "must be a name, a losszoo.Task or a subclass of it, got mine.py:SPEC, of type TaskSpec"),
        (["mine.py:Bare"], "got mine.py:Bare, a class without that base; write class Bare(losszoo.Task)"),
        (["mine.py:OddKind"], "task mine of your own: kind must be one of "),
        (["mine.py:Endless"], "task mine: train must be a Dataset with a length and an item for each index, got a"),
        (["digits", "--set", "model.trunk=nan"], "trunk must be one of linear, mlp, plr, conv, unet, a torch.nn"),
        (["digits", "--set", "model.dim=4611686018427387904"], "trunk conv must be one that fits into memory"),
        (["digits", "--device", "privateuseone"], "device must be one that this machine has, got 'privateuseone'"),
        (["digits", "--device", "meta"], "device must be one that computes, got 'meta'"),
    ],
)
def test_what_cannot_be_is_one_sentence(ask: Callable[..., Result], arguments: list[str], said: str) -> None:
    done = ask("--loss", "cross-entropy", "--epochs", "1", "--task", *arguments)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_dataset_is_a_part_of_a_task(ask: Callable[..., Result]) -> None:
    assert ask("--loss", "cross-entropy", "--epochs", "1", "--task", "mine.py:FromDataset").exit_code == 0


def test_half_of_what_torchrun_sets_is_told(ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(losszoo.UsageError, match="got no MASTER_ADDR, RANK, WORLD_SIZE, MASTER_PORT; unset"):
        losszoo.run("bce", "digits", epochs=1, out="runs")


def test_without_a_network_a_task_that_needs_no_file_is_named(tmp_path: Path) -> None:
    # A process of its own: one that has read the data before keeps them.
    nowhere = {"LOSSZOO_DATA": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {**os.environ, **nowhere, "HTTPS_PROXY": "http://127.0.0.1:1"}
    for loss, task, other in (("cross-entropy", "abalone", "digits"), ("mse", "abalone-age", "diabetes")):
        command = [sys.executable, "-m", "losszoo", "run", "--loss", loss, "--task", task, "--epochs", "1"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.rstrip().endswith(f"--task {other} needs no file")


@pytest.mark.parametrize("name", ["hungry", "hungry_in_torch", "hungry_backward"])
def test_memory_that_runs_out_in_training_leaves_what_was_written(ask: Callable[..., Result], name: str) -> None:
    """On the CPU torch says so by a RuntimeError."""
    done = ask("--loss", f"mine.py:{name}", "--task", "mine.py:Mine", "--checkpoint-seconds", "0")
    assert done.exit_code == 2
    assert "a training step takes more memory than there is" in done.stderr
    line = done.stderr.rstrip().rpartition("to resume it: ")[2]
    assert (Path(shlex.split(line)[3]) / "checkpoint.pt").stat().st_size > 0
    assert ask(*shlex.split(line)[2:]).exit_code == 0  # the memory suffices now


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_a_disk_that_takes_no_more_is_told(ask: Callable[..., Result], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "losszoo", "run", "--loss", "cross-entropy", "--task", "mine.py:Mine", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=_small_files, env={**os.environ}
    )
    assert done.returncode == 2, done.stderr
    message: Any = json.loads(done.stdout)["error"]["message"]
    assert message.startswith("the run folder must be writable, got ")
    assert "; to resume it: losszoo run --resume runs/mine/" in message
    assert done.stderr == f"error: {message}\n"
