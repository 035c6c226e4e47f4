"""``losszoo replay``: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from rich.console import Console
from torch import nn

import losszoo
from losszoo import Guard
from losszoo.cli.commands.replay_command import command
from losszoo.cli.tables.replay_report import show
from losszoo.crash_replay.replay import Replay
from losszoo.doctor.report.examination import Finding

OWN = """
def ratio(predictions, targets):
    gap = (predictions - targets) * 0
    return gap / gap
"""
STEP = """
import torch

def make_step(bundle):
    model = torch.nn.Linear(2, 1)
    model.load_state_dict(bundle["model"])
    print("chatter")
    return lambda: torch.log(model(bundle["batch"]) * 0).sum()

def healthy(bundle):
    model = torch.nn.Linear(2, 1)
    return lambda: model(bundle["batch"]).sum()

NUMBER = 3
"""
DOCUMENT = {
    *("bundle", "format", "reproduced", "where", "op", "source", "kind", "term"),
    *("event", "versions", "findings", "notes"),
}
Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in a folder of its own that holds own.py and step.py."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    Path("step.py").write_text(STEP)
    return lambda *arguments: CliRunner().invoke(command, arguments)


@pytest.fixture
def of_a_run(cli: Cli) -> str:
    result = losszoo.run("own.py:ratio", "breast-cancer", epochs=1, signature="binary", out="runs")
    return str(result.guard["first"]["bundle"])


@pytest.fixture
def of_a_guard(cli: Cli) -> str:
    model, rows = nn.Linear(2, 1), torch.ones(3, 2)
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip", bundles="bundles")
    return str(guard.step(torch.log(model(rows) * 0).sum(), batch=rows).event.bundle)  # type: ignore[union-attr]


def test_a_run_for_people(cli: Cli, of_a_run: str) -> None:
    answer = cli(of_a_run, "--no-doctor", "--trust")
    assert answer.exit_code == 1
    lines = answer.stdout.splitlines()
    assert lines[0] == f"{of_a_run}: reproduced"
    assert lines[1:5] == [
        "  then        non-finite loss in step 1, epoch 0, first in div at own.py:4",
        "  now         non-finite loss, first in div at own.py:4",
        "  kind        structural: the same step is not finite in float64 either",
        "  term        own.py:ratio",
    ]
    assert lines[5].startswith(f"  written by  losszoo {losszoo.__version__}, torch {torch.__version__}, python 3.")


def test_a_run_for_programs(cli: Cli, of_a_run: str) -> None:
    answer = cli(of_a_run, "--json", "--no-doctor", "--loss", "own.py:ratio")
    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert set(document) == DOCUMENT
    assert (document["bundle"], document["reproduced"], document["op"]) == (of_a_run, True, "div")
    assert document["event"]["terms"] == {"own.py:ratio": None}
    assert document["findings"] == []
    assert f"{of_a_run}: reproduced" in answer.stderr


def test_a_guard_needs_a_step(cli: Cli, of_a_guard: str) -> None:
    answer = cli(of_a_guard)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert (
        "--step file.py:make_step). The bundle holds bundle['batch']: Tensor of (3, 2) torch.float32" in answer.stderr
    )
    answer = cli(of_a_guard, "--step", "step.py:make_step", "--json")
    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert (document["op"], document["source"], document["kind"]) == ("log", "step.py:8", "structural")
    answer = cli(of_a_guard, "--step", "step.py:healthy")
    assert answer.exit_code == 0
    assert answer.stdout.startswith(f"{of_a_guard}: not reproduced\n  then        non-finite loss in step 1\n")
    assert "note: what a loss or model keeps outside its state_dict" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.pt"], "there is no file nowhere.pt"),
        (["."], "must be a crash bundle of losszoo, got a folder; pass a file"),
        (["own.py"], "must be a crash bundle of losszoo, got no file of torch; pass a file"),
        (["{bundle}", "--step", "step.py:NUMBER"], "--step must name a function that takes the bundle, got "),
        (["{bundle}", "--step", "step.py:make_stp"], "step.py has no 'make_stp': did you mean make_step?"),
        (["{bundle}", "--step", "nowhere.py:make_step"], "there is no file"),
        (["{bundle}", "--device", "cuda:99"], "device must be one that this machine has"),
        ([], "Missing argument 'BUNDLE'"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(cli: Cli, of_a_guard: str, arguments: list[str], said: str) -> None:
    answer = cli(*(argument.replace("{bundle}", of_a_guard) for argument in arguments))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_loss_that_is_gone(cli: Cli, of_a_run: str) -> None:
    Path("own.py").unlink()
    answer = cli(of_a_run, "--json", "--trust")
    assert answer.exit_code == 2
    assert "own.py" in json.loads(answer.stdout)["error"]["message"]


@pytest.mark.needs_abalone
def test_the_whole_way_in_a_process_of_its_own(cli: Cli) -> None:
    """Another process, which has drawn and loaded nothing, meets the same operation on the same line."""
    first = losszoo.run("nca-ratio", "abalone", out="runs").guard["first"]
    words = [sys.executable, "-W", "error", "-m", "losszoo", "replay", first["bundle"], "--json", "--no-doctor"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 1, answer.stderr
    document = json.loads(answer.stdout)
    assert {key: document[key] for key in ("where", "op", "source")} == {
        key: first[key] for key in ("where", "op", "source")
    }
    assert document["kind"] == "float32-overflow"


def test_findings_are_shown() -> None:
    finding = Finding(
        symptom="nan-loss",
        dtype="float32",
        probe="the batch",
        op="log",
        source="own.py:3",
        cause="log of 0",
        remedy="use log_softmax.",
        verified=True,
        paste="loss(zeros(1))",
        code="    return log(p)",
    )
    long: dict[str, Any] = {**finding.__dict__, "paste": "x" * 5000, "code": None}
    event = {"step": 3, "epoch": None, "where": "loss"}
    found = Replay("b.pt", 2, True, "loss", None, None, None, None, event, {}, (finding, Finding(**long)), ("so\x1b",))
    written = StringIO()
    show(found, Console(file=written, width=60))
    lines = written.getvalue().splitlines()
    assert lines[2:4] == ["  now         non-finite loss", "  kind        not known"]
    assert "doctor: 2 findings" in lines
    at = lines.index("  NaN loss in float32: log at own.py:3")
    assert lines[at + 1 : at + 5] == [
        "    line    return log(p)",
        "    cause   log of 0",
        "    input   loss(zeros(1))",  # above the remedy, which may speak of "the input above", as in the doctor
        "    remedy  use log_softmax (tried, verified)",
    ]
    assert "    input   long; --json holds it" in lines
    assert lines[-1] == "note: so?"


def test_the_doctor_s_words_hang_in_a_terminal_and_stay_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    paste = "loss(" + ", ".join(["torch.zeros(1)"] * 8) + ")"
    finding = Finding(
        symptom="nan-loss",
        dtype="float32",
        probe="the batch",
        op="log",
        source="own.py:3",
        cause="cause " * 40,
        remedy="remedy " * 40,
        verified=True,
        paste=paste,
        code="log(p)",
    )
    path = "runs/" + "x" * 90 + ".pt"
    event = {"step": 3, "epoch": None, "where": "loss", "op": "log", "source": f"{'y' * 50}.py:3"}
    found = Replay(path, 2, True, "loss", None, None, None, None, event, {}, (finding,), ("so " * 60,))

    def lines() -> list[str]:
        written = StringIO()
        show(found, Console(file=written, width=80))
        return written.getvalue().splitlines()

    monkeypatch.delenv("COLUMNS", raising=False)
    whole = lines()
    assert f"    input   {paste}" in whole
    monkeypatch.setenv("COLUMNS", "80")
    broken = lines()
    assert broken[0] == f"{path}: reproduced"  # a path can be copied
    assert max(map(len, broken[1:])) <= 80
    assert "".join("".join(broken).split()) == "".join("".join(whole).split())
