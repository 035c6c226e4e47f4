"""``losszoo doctor``: what it answers to a loss, to all of them, and to mistakes."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from losszoo import UsageError, list_losses
from losszoo.cli.main import main
from losszoo.cli.progress_bar import progress_bar, status_line
from losszoo.doctor import examine_all, in_child
from losszoo.doctor.report.examination import Examination, Finding, undecided

MY_LOSSES = """
import torch

def log_of_softmax(logits, targets):
    print("chatter")
    return -torch.log(torch.softmax(logits, 1))[torch.arange(len(targets)), targets].mean()

def log_softmax(logits, targets):
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")

def ordinary():
    return torch.randn(4, 3), torch.tensor([0, 1, 2, 0])

NUMBER = 3
"""
HEALTHY = Examination("bce", "binary", (), {"float32": float("inf")}, 0.5, probes=10)
FINDING = Finding("nan-loss", "float32", "zeros", "log", "x.py:3", "log of 0", "log_softmax", paste="f(0)")
USUAL = {"seed": 0, "effort": 15_000, "budget": 120.0}
Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in a folder of its own that holds my_losses.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "my_losses.py").write_text(MY_LOSSES)
    return lambda *arguments: CliRunner().invoke(main, arguments)


class Doctor(in_child.Examiner):
    """One who starts no process, knows that exhibits are sick, and notes what was asked."""

    calls: dict[str, dict[str, Any]]
    exhibits: set[str]
    answers: dict[str, Examination | Exception]

    def examine(self, target: str, options: Any, example: str | None = None) -> Examination:
        self.calls[target] = {"example": example, **options}
        findings = (FINDING,) if target in self.exhibits or "log_of_softmax" in target else ()
        answer = self.answers.get(target, replace(HEALTHY, target=target, findings=findings))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the doctor was asked."""
    Doctor.calls, Doctor.answers = {}, {}
    Doctor.exhibits = {spec.name for spec in list_losses() if spec.status == "exhibit"}
    monkeypatch.setattr(in_child, "Examiner", Doctor)
    monkeypatch.setattr(examine_all, "Examiner", Doctor)
    return Doctor.calls


MISTAKES = [
    ("", "doctor must have a TARGET or --all, got neither; losszoo list shows the names"),
    ("bce --all", "doctor must have a TARGET or --all, got both"),
    ("--all --signature binary", "--signature must go with a TARGET, got 'binary'"),
    ("--all --example x.py:f", "--example must go with a TARGET, got 'x.py:f'"),
    ("bce --plugin nca", "--plugin must go with --all, got 'nca'"),
    ("bce --jobs 3", "--jobs must go with --all, got 3"),
    ("--all --jobs 0", "0 is not in the range x>=1"),
    ("bce --budget 0", "budget must be a number of seconds > 0, got 0.0"),
    ("bce --budget inf", "budget must be a number of seconds > 0, got inf"),
    ("bce --effort 0", "0 is not in the range x>=1"),
    ("bce --budget soon", "'soon' is not a valid float"),
    ("bce --seed -1", "-1 is not in the range"),
    ("bce --dtype float8", "'float8' is not one of 'float32', 'bfloat16', 'float16', 'float64'"),
    ("bce --html no/page.html", "html must be a file.html in a folder that exists, got 'no/page.html'"),
    ("bce --html my_losses.py", "html must be a file.html in a folder that exists, got 'my_losses.py'"),
    ("focl", "unknown loss 'focl': did you mean focal?"),
    ("'focal(gama=1)'", "focal has no parameter 'gama': did you mean gamma"),
    ("'bce +'", "at position 6: expected a loss"),
    ("--all --plugin ncaa", "unknown plugin 'ncaa': did you mean nca?"),
]
# Told by the process that examines.
WRONG_EXAMPLES = [
    ("./my_losses.py:log_softmax --example ./no.py:f", "there is no file"),
    ("./my_losses.py:log_softmax --example ./my_losses.py:ordinry", "has no 'ordinry': did you mean ordinary?"),
    ("./my_losses.py:log_softmax --example ./my_losses.py:NUMBER", "example must be a function without arguments"),
    ("./my_losses.py:unknown", "has no 'unknown'"),
]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_told_and_exits_with_2(cli: Cli, line: str, said: str) -> None:
    done = cli("doctor", *shlex.split(line))
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    again = cli("doctor", *shlex.split(line), "--json")
    assert (again.exit_code, again.stderr) == (2, done.stderr)
    assert said in json.loads(again.stdout)["error"]["message"]


PROBE = """
import sys
from losszoo.cli.main import main
for line in ("doctor --help", "doctor", "doctor focl", "doctor bce --jobs 2", "doctor --all --plugin ncaa"):
    try:
        main(line.split())
    except SystemExit:
        print(*sorted({"torch", "rich", "numpy", "sklearn", "joblib"} & set(sys.modules)), "end", file=sys.stderr)
"""


def test_refusing_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=1800, check=True)
    assert [line for line in done.stderr.splitlines() if line.endswith("end")] == ["end"] * 5


def test_options_reach_the_doctor(cli: Cli, asked: dict[str, dict[str, Any]]) -> None:
    target = "./my_losses.py:log_of_softmax"
    line = "--signature multiclass --expects logits --example ./my_losses.py:ordinary --seed 3 --effort 70 --budget 2.5"
    dtypes = [word for dtype in ("float16", "float32", "float16") for word in ("--dtype", dtype)]
    done = cli("doctor", target, *line.split(), *dtypes)
    assert done.exit_code == 1
    assert asked[target] == {
        "example": "./my_losses.py:ordinary",
        "signature": "multiclass",
        "expects": "logits",
        "seed": 3,
        "effort": 70,
        "budget": 2.5,
        "dtypes": ("float16", "float32"),
    }
    assert cli("doctor", "bce").exit_code == 0
    assert asked["bce"] == {"signature": None, "expects": None, "example": None, **USUAL}


def test_the_answer_for_people_and_for_programs(cli: Cli, asked: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    line = ("doctor", "./my_losses.py:log_of_softmax", "--html", "page.html")
    people, programs = cli(*line), cli(*line, "--json")
    assert (people.exit_code, people.stderr, programs.exit_code) == (1, "", 1)
    shown = people.stdout
    assert shown.startswith("./my_losses.py:log_of_softmax, binary: sick, 1 finding\n")
    assert shown.endswith("page: page.html\n")
    assert "   input   f(0)\n" in shown
    assert programs.stderr == shown
    document = json.loads(programs.stdout)
    assert document["verdict"] == "sick"
    assert document["findings"][0]["source"] == "x.py:3"
    assert document["range"] == {"float32": None}  # JSON has no infinity
    assert "<title>./my_losses.py:log_of_softmax: losszoo doctor</title>" in (tmp_path / "page.html").read_text()


@pytest.mark.usefixtures("asked")
def test_an_exhibit_is_announced(cli: Cli) -> None:
    done = cli("doctor", "nca-ratio")
    assert done.stderr.startswith("note: nca-ratio is an exhibit, unstable on purpose; nca-stable is its stable form\n")
    assert done.exit_code == 1
    assert cli("doctor", "uncertainty").exit_code == cli("doctor", "0.5*bce + 1e-4*l2").exit_code == 0


def test_all_are_well_when_exhibits_are_sick(cli: Cli, asked: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    done = cli("doctor", "--all", "--jobs", "1", "--json", "--html", "all.html", "--seed", "5")
    document = json.loads(done.stdout)
    names = [spec.name for spec in list_losses()]
    assert (done.exit_code, document["verdict"]) == (0, "healthy")
    assert [loss["target"] for loss in document["losses"]] == names == list(asked)
    assert all(options == {"example": None, **USUAL, "seed": 5} for options in asked.values())
    sick = {loss["target"] for loss in document["losses"] if loss["verdict"] == "sick"}
    assert sick == {spec.name for spec in list_losses() if spec.status == "exhibit"}
    assert all(loss["expected"] for loss in document["losses"])
    assert {loss["status"] for loss in document["losses"]} == {"stable", "exhibit"}
    assert "all as expected: stable ones healthy, exhibits sick." in done.stderr
    assert (tmp_path / "all.html").read_text().count('<section class="loss"') == len(names)


def test_some_of_all(cli: Cli, asked: dict[str, dict[str, Any]]) -> None:
    done = cli("doctor", "--all", "--plugin", "nca", "--jobs", "1")
    assert done.exit_code == 0
    assert list(asked) == [spec.name for spec in list_losses(plugin="nca")]


@pytest.mark.parametrize("broken", ["bce", "nca-ratio", "focal", "dice"])
@pytest.mark.usefixtures("asked")
def test_what_is_not_as_expected_is_told(cli: Cli, broken: str) -> None:
    Doctor.answers["bce"] = replace(HEALTHY, target="bce", findings=(FINDING,))
    Doctor.answers["nca-ratio"] = replace(HEALTHY, target="nca-ratio")
    Doctor.answers["focal"] = UsageError("focal cannot be loaded: no such thing")
    Doctor.answers["dice"] = undecided("dice", "broken off", 1.0)
    Doctor.answers = {broken: Doctor.answers[broken]}
    done = cli("doctor", "--all", "--jobs", "1", "--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["verdict"]) == (1, "sick")
    assert [loss["target"] for loss in document["losses"] if not loss["expected"]] == [broken]
    assert done.stderr.endswith(f"not as expected: {broken}.\n")
    if broken == "focal":
        loss = next(loss for loss in document["losses"] if loss["target"] == "focal")
        assert (loss["verdict"], loss["error"]) == ("failed", "focal cannot be loaded: no such thing")


@pytest.mark.parametrize(("line", "said"), WRONG_EXAMPLES, ids=[line for line, _ in WRONG_EXAMPLES])
def test_a_mistake_that_only_the_examining_process_sees(cli: Cli, line: str, said: str) -> None:
    done = cli("doctor", *line.split(), "--json")
    assert done.exit_code == 2
    assert said in json.loads(done.stdout)["error"]["message"]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_that_something_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Screen())
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress_bar("examining", 2, "") as update:
        update(advance=1, line="[bce]: healthy")
    with status_line("examining ./[my].py:loss"):
        pass
    said = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "[bce]: healthy" in said
    assert "1/2" in said
    assert "examining ./[my].py:loss" in said


def test_a_pipe_sees_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("examining", 2, "") as update, status_line("examining bce") as say:
        update(advance=1, line="bce: healthy")
        say("examining focal")
    assert capsys.readouterr() == ("", "")


def doctor(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real one, in a process of its own; what readline has put into the C library's environment stays here."""
    command = [sys.executable, "-m", "losszoo", "doctor", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=1800, check=False, cwd=cwd, env=dict(os.environ)
    )


@pytest.mark.usefixtures("cli")
def test_a_file_of_ones_own_is_diagnosed(tmp_path: Path) -> None:
    how = ("--example", "./my_losses.py:ordinary", "--html", "page.html", "--json")
    done = doctor("./my_losses.py:log_of_softmax", *how, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"]) == (1, "sick"), done.stderr
    sick = [finding for finding in document["findings"] if finding["op"] == "softmax"]
    assert sick[0]["source"] == "my_losses.py:6"
    assert sick[0]["verified"] is True
    assert sick[0]["paste"].startswith("log_of_softmax(torch.tensor(")
    assert sick[0]["paste"] in done.stderr
    assert "finite up to |logits| = " in done.stderr
    assert (tmp_path / "page.html").exists()


@pytest.mark.usefixtures("cli")
def test_a_healthy_file_is_healthy(tmp_path: Path) -> None:
    done = doctor("./my_losses.py:log_softmax", "--signature", "multiclass", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("./my_losses.py:log_softmax, multiclass: healthy")


FEW = {"seed": 0, "effort": 300, "budget": 600.0}


def test_processes_examine_side_by_side() -> None:
    specs = [spec for spec in list_losses() if spec.name in ("nca-ratio", "mae")]
    found: list[str] = []
    answer = examine_all.examine_all(specs, {**FEW, "effort": 3000}, 2, lambda loss: found.append(loss.name))
    assert {loss.name: loss.verdict for loss in answer.losses} == {"nca-ratio": "sick", "mae": "healthy"}
    assert sorted(found) == ["mae", "nca-ratio"]
    assert answer.verdict == "healthy"


def test_a_loss_that_ends_its_process_does_not_end_those_after_it(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import os\nos._exit(3)\n")
    deadly: Any = SimpleNamespace(name=f"{tmp_path}/ends.py:loss", status="stable")
    specs = [deadly, *(spec for spec in list_losses() if spec.name == "mae")]
    first, second = examine_all.examine_all(specs, {**FEW, "effort": 3000}, 1).losses
    assert (first.verdict, first.expected) == ("undecided", False)
    assert first.remark == "the loss has ended the process that it ran in, with exit code 3, at ends.py:2"
    assert second.verdict == "healthy"
