"""The command line: what it prints where, what it answers to mistakes, and its exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import losszoo
from losszoo import list_losses, list_tasks
from losszoo.cli.commands import run_command
from losszoo.cli.main import COMMANDS, main
from losszoo.cli.option_groups import HEADINGS
from losszoo.common.files import read_json
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed
from losszoo.training.result_options import RESULT_OPTIONS, ResultOptions

MY_LOSSES = '''
from torch import nn

class Mine(nn.Module):
    """Ten lines of somebody's own."""
    def forward(self, outputs, labels):
        print("chatter")
        return nn.functional.cross_entropy(outputs, labels)

class NotANumber(nn.Module):
    def forward(self, outputs, labels):
        return nn.functional.cross_entropy(outputs, labels) * float("nan")

class Raises(nn.Module):
    def forward(self, outputs, labels):
        raise RuntimeError("no luck")
'''
Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in a folder of its own that holds my_losses.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "my_losses.py").write_text(MY_LOSSES)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def shell(*arguments: str, code: str | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    """A real process."""
    how = ["-c", code] if code else ["-m", "losszoo", *arguments]
    return subprocess.run([sys.executable, *how], capture_output=True, text=True, timeout=1800, check=False, **more)


def test_list_shows_every_loss_on_a_line(cli: Cli) -> None:
    done = cli("list")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for spec in list_losses():
        line = next(line for line in lines if line.startswith(f"  {spec.name} "))
        assert spec.signature in line
        assert spec.summary in line
        assert ("[exhibit]" in line) == (spec.status == "exhibit")
    assert lines[-1] == f"{len(list_losses())} losses. losszoo info NAME tells more."


@pytest.mark.parametrize(
    ("filters", "keep"),
    [
        (("--signature", "views"), lambda s: s["signature"] == "views"),
        (("--tag", "sparse"), lambda s: "sparse" in s["tags"]),
        (("--plugin", "nca"), lambda s: s["plugin"] == "nca"),
        (("--plugin", "losszoo", "--signature", "binary"), lambda s: s["signature"] == "binary"),
    ],
)
def test_list_filters(cli: Cli, filters: tuple[str, ...], keep: Callable[[Any], bool]) -> None:
    everything, some = (json.loads(cli("list", "--json", *f).stdout) for f in ((), filters))
    assert [spec["name"] for spec in some] == [
        spec["name"] for spec in everything if keep(spec) and spec["distribution"] == "losszoo"
    ]
    assert 0 < len(some) < len(everything)


def test_plugins_says_that_nothing_is_broken(cli: Cli) -> None:
    total = f"{len(list_losses())} losses and {len(list_tasks())} tasks"
    assert cli("plugins").stdout.endswith(f"\n\n{total}: nothing is broken\n")


def test_pages(cli: Cli) -> None:
    tasks = cli("tasks").stdout
    for task in list_tasks():
        assert f"{task.name}\n  {task.summary}\n" in tasks
        page = cli("info", task.name).stdout
        assert page.startswith(f"{task.name}\n  {task.summary}")
        assert all(method in page for method, *_ in task.published)
    for loss in list_losses():
        page = cli("info", loss.name).stdout
        assert " ".join(page.split()).startswith(f"{loss.name} {loss.summary}")  # a long one is wrapped
        assert all(f"\n  {param.name} " in page for param in loss.params)
        assert not loss.stable_twin or f"unstable on purpose; use {loss.stable_twin}" in page
    assert "gamma  float in [0, inf); default 2.0: " in cli("info", "focal").stdout
    page = " ".join(cli("info", "dice").stdout.split())
    assert "inputs Logits (N, C, ...) against maps in [0, 1] of the same shape, or against labels (N, ...)" in page
    assert "weight floats in [0, inf); default none" in page
    assert "uncertainty(loss, another loss)" in cli("info", "uncertainty").stdout
    assert "inside a sum: cross-entropy + 1e-4*l1" in cli("info", "l1").stdout


@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_is_wider_than_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = [spec.name for spec in (*list_losses(), *list_tasks())]
    text = "".join(cli(*c).stdout for c in (["list"], ["tasks"], ["plugins"], *(["info", name] for name in names)))
    wide = [line for line in text.splitlines() if len(line) > width and len(line.split()) > 1]
    assert [line for line in wide if "https://" not in line and "://" not in line] == []


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["list"], {"name", "signature", "params", "plugin", "distribution", "version"}),
        (["tasks"], {"name", "kind", "metric", "signatures", "losses", "plugin"}),
        (["info", "nca-stable"], {"name", "formula", "inputs", "fits", "distribution"}),
        (["info", "digits"], {"name", "losses", "distribution"}),
        (["plugins"], {"plugins", "failures"}),
    ],
)
def test_json_is_one_document(cli: Cli, arguments: list[str], keys: set[str]) -> None:
    done = cli(*arguments, "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert keys <= set(document[0] if isinstance(document, list) else document)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("focl", "0 losses: did you mean focal? (losszoo list shows all)\n"),
        ("nothing-like-it", "known names is near (losszoo list shows all)\n"),
    ],
)
def test_a_search_without_a_result_says_what_is_near(cli: Cli, search: str, said: str) -> None:
    done = cli("list", search)
    assert done.exit_code == 0
    assert done.stdout.endswith(said)
    assert json.loads(cli("list", search, "--json").stdout) == []


def test_a_search_looks_at_signatures_and_plugins_too(cli: Cli) -> None:
    listed = json.loads(cli("list", "segmentation", "--json").stdout)
    assert [row["name"] for row in listed] == [spec.name for spec in list_losses(signature="segmentation")]
    names = {row["name"] for row in json.loads(cli("list", "penalties", "--json").stdout)}
    assert {"l1", "l2"} <= names


MISTAKES = [
    ("info ./mine.py:loss", "unknown loss or task './mine.py:loss': only an installed name is possible here"),
    ("tune --loss bce --task mine.py:Mine", "there is no file"),
    ("compare --loss bce --task mine.py:Mine", "there is no file"),
    ("run --loss bce --task mine.py", "unknown task 'mine.py': what is in the file must be named too, mine.py:NAME"),
    ("info focl", "unknown loss or task 'focl': did you mean focal? (see losszoo list, losszoo tasks)"),
    ("info nothing-like-it", "known names is near"),
    (
        "info binary",
        "binary is a signature (Predictions of yes or no against targets in [0, 1], of any shape): losszoo list",
    ),
    ("info retrieval", "retrieval is a kind of task, that of digits-retrieval; docs/contract.md explains both"),
    ("run --loss my_losses --task digits", "unknown loss 'my_losses': did you mean ./my_losses.py:Mine? (losszoo list"),
    ("info my-losses", "unknown loss or task 'my-losses': did you mean ./my_losses.py:Mine? (see losszoo list"),
    ("list --signature bianry", "unknown signature 'bianry': did you mean binary?"),
    ("list --tag spase", "unknown tag 'spase': did you mean sparse"),
    ("list --plugin ncaa", "unknown plugin 'ncaa': did you mean nca?"),
    ("lsit", "unknown command 'lsit': did you mean list?"),
    ("list --signatur x", "No such option"),
    ("run", "run needs --loss and --task, or --resume RUN_DIR"),
    ("run --loss focl --task digits", "unknown loss 'focl': did you mean focal?"),
    ("run --loss crossentropy --task digits", "did you mean cross-entropy"),
    ("run --loss bce --task digit", "unknown task 'digit': did you mean digits"),
    ("run --loss dice --task diabetes", "it fits digits-segmentation"),
    ("run --loss 'bce +' --task digits", "at position 6: expected a loss"),
    ("run --loss l2 --task digits", "a penalty must stand in a sum"),
    ("run --loss bce --task digits --epochs 0", "0 is not in the range x>=1"),
    ("run --loss bce --task digits --on-nonfinite hope", "'raise', 'skip', 'rollback'"),
    ("run --loss 'focal(gama=1)' --task digits-rare", "focal has no parameter 'gama': did you mean gamma"),
    ("run --loss 'focal(gamma=-1)' --task digits-rare", "gamma must be in [0, inf), got -1"),
    (
        "run --loss bce --task digits --set recipe.lrr=1",
        "did you mean lr?; known: recipe.optimizer, recipe.lr",
    ),
    ("run --loss bce --task digits --set model.widht=1", "did you mean width?; known: model."),
    ("run --loss bce --task digits --set task.digt=1", "task digits has no option 'digt': known: split"),
    ("run --loss focal --task digits-rare --set loss.gama=1", "did you mean gamma"),
    (
        "run --loss bce --task digits --set lr=1",
        "must start with model., recipe., loss., task., got lr=1",
    ),
    (
        "run --loss bce --task digits --set model.xyzzy=1",
        "trunk conv has no option 'xyzzy': known: model.trunk, model.dim, model.width\n",
    ),
    (
        "doctor ./my_losses.py:Mine --expects xyzzy",
        "expects must be one of logits, probabilities, log-probabilities, got 'xyzzy'\n",
    ),
    ("run --loss bce --task digits --set recipe.lr", "a setting must be group.key=value"),
    ("run --loss bce --task digits --device abacus", "device must be one that this machine has"),
    ("run --loss ./no.py:Mine --task digits", "no.py (target './no.py'); relative paths start in"),
    ("run --loss ./my_losses.py:Mien --task digits", "has no 'Mien': did you mean Mine?"),
    (
        "run --loss bce --task digits --epochs 3 --set recipe.epochs=4",
        "epochs must be given once, got --epochs 3 and --set recipe.epochs=4",
    ),
    ("run --loss bce --task digits --out ''", "out must be the path of a folder, got ''"),
    ("run --loss bce --task digits --out my_losses.py/runs", "Not a directory"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_told_and_exits_with_2(cli: Cli, line: str, said: str) -> None:
    done = cli(*shlex.split(line))
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    again = cli(*shlex.split(line), "--json")
    assert (again.exit_code, again.stderr) == (2, done.stderr)
    assert said in f"{json.loads(again.stdout)['error']['message']}\n"


def test_a_traceback_is_for_those_who_ask(cli: Cli) -> None:
    run = ("run", "--loss", "./my_losses.py:Raises", "--task", "digits", "--epochs", "1")
    plain, debug = cli(*run), cli(*run, "--debug", "--json")
    assert (plain.exit_code, plain.stdout, debug.exit_code) == (2, "", 2)
    assert "step 1 of ./my_losses.py:Raises on digits raised RuntimeError: no luck (my_losses.py:16)" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback (most recent call last)" in debug.stderr
    assert 'raise RuntimeError("no luck")' in debug.stderr
    assert json.loads(debug.stdout)["error"]["type"] == "UsageError"
    usage = cli("info", "focl", "--debug")
    assert (usage.exit_code, "Traceback (most recent call last)" in usage.stderr) == (2, True)


def test_a_loss_of_ones_own_runs(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "--loss", "./my_losses.py:Mine", "--task", "digits", "--epochs", "2", "--json")
    result = json.loads(done.stdout)
    assert (done.exit_code, result["status"], result["epochs"]) == (0, "completed", 2)
    assert result["metrics"]["test"]["accuracy"] > 0.5
    assert "chatter" in done.stderr
    assert "./my_losses.py:Mine on digits, seed 0: completed after 2 epochs" in done.stderr
    assert read_json(tmp_path / result["run_dir"] / "result.json") == result


def test_a_run_that_its_guard_stops_exits_with_1(cli: Cli) -> None:
    run = ("run", "--loss", "./my_losses.py:NotANumber", "--task", "digits", "--epochs", "1")
    done = cli(*run)
    assert done.exit_code == 1
    assert "stopped-by-guard after 0 epochs, 1 step" in done.stdout
    assert "mul at my_losses.py:12" in done.stdout
    *_, advice, before, last = done.stdout.splitlines()
    assert advice == "next: --on-nonfinite skip or rollback continues past a few such steps"
    assert before == "to repeat the failed step, and see why it failed:"
    assert last.startswith("losszoo replay runs")
    assert cli(*shlex.split(last)[1:]).exit_code == 1  # as it is said: pasted, it reproduces the step
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    assert json.loads(cli(*run, "--json").stdout)["status"] == "stopped-by-guard"
    assert cli(*run, "--on-nonfinite", "skip").exit_code == 1


def test_an_exhibit_is_announced(cli: Cli) -> None:
    done = cli("run", "--loss", "uncertainty(nca-ratio, bce)", "--task", "digits", "--epochs", "1")
    assert done.stderr.startswith("note: nca-ratio is an exhibit, unstable on purpose; nca-stable is its stable form\n")
    assert "run folder: runs" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Cli, name: str) -> None:
    done = cli(name, "--help")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[-3:]] == [
        "--json",
        "--debug",
        "-h,",
    ] or name == "run"
    assert "One JSON document on stdout." in done.stdout
    assert done.stdout.startswith(f"Usage: main {name} [OPTIONS]")
    assert name in cli("-h").stdout


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_help_is_whole_in_a_narrow_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli(*name.split(), "--help").stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert not [line for line in lines[1:] if line.endswith("...") and not line.endswith("//...")]  # but a URL's


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_in_a_help_names_what_there_is(cli: Cli, name: str) -> None:
    known = {**installed().losses, **installed().tasks}
    for line in cli(name, "--help").stdout.splitlines():
        words = shlex.split(line) if line.startswith("  losszoo ") else []
        asked = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word in ("--loss", "--task")}
        calls = [term.call.name for term in parse(asked["--loss"])] if "--loss" in asked else []
        assert [call for call in [*calls, asked.get("--task", "bce")] if ":" not in call and call not in known] == []


def test_version_and_nothing(cli: Cli) -> None:
    assert cli("--version").stdout == f"losszoo, version {losszoo.__version__}\n"
    assert cli().exit_code == 2
    assert "Commands:" in cli().output


PROBE = """
import sys
from losszoo.cli.main import main
def call(*arguments):
    try:
        main(arguments)
    except SystemExit as end:
        print(end.code, file=sys.stderr)
    print(*sorted({"torch", "rich", "numpy", "sklearn"} & set(sys.modules)), file=sys.stderr)
for line in ("list", "list --json", "tasks", "info nca", "--help", "run --help"):
    call(*line.split())
call("run", "--loss", "dice", "--task", "diabetes")
call("run", "--loss", "bce +", "--task", "digits")
"""


def test_listing_and_refusing_import_nothing_heavy() -> None:
    done = shell(code=PROBE)
    answers = [line for line in done.stderr.splitlines() if line in ("0", "2", "") or "torch" in line or "rich" in line]
    assert answers == ["0", ""] * 6 + ["2", ""] * 2, done.stderr


def test_a_pipe_that_closes_is_no_error() -> None:
    command = [sys.executable, "-m", "losszoo", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(1800) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("line", ["list", "list --json", "info focl --json", "--help", "info bce"])
@pytest.mark.parametrize(
    ("where", "said"), [("/dev/full", "cannot be written to stdout: No space left"), ("&-", "stdout is closed")]
)
def test_a_stdout_that_takes_nothing_is_told(line: str, where: str, said: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m losszoo {line} >{where}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_an_early_ctrl_c_is_an_answer(cli: Cli, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_command, "wait_politely", pressed)
    done = cli("run", "--loss", "bce", "--task", "digits", *(["--json"] if as_json else []))
    assert (done.exit_code, done.stderr) == (1, "error: interrupted\n")
    if as_json:
        assert json.loads(done.stdout) == {"error": {"type": "KeyboardInterrupt", "message": "interrupted"}}
    else:
        assert done.stdout == ""


def test_the_console_script_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "losszoo"
    done = subprocess.run([script, "info", "bce"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == shell("info", "bce", cwd=tmp_path).stdout
    assert shell("inof", cwd=tmp_path).returncode == 2


def test_a_run_has_the_same_defaults_from_python_and_from_the_command_line() -> None:
    params = run_command.command.make_context("run", []).params
    assert {name: params[name] for name in RESULT_OPTIONS} == asdict(ResultOptions())


@pytest.mark.parametrize("name", ["run", "compare", "tune"])
def test_every_option_stands_under_one_heading(name: str) -> None:
    """About forty in one list are found by nobody; a new one must be given a place."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    named = [option for names in HEADINGS.values() for option in names]
    assert len(named) == len(set(named))
    assert {param.name for param in command.params} <= set(named)
    said = CliRunner().invoke(main, [name, "--help"]).stdout
    places = [said.index(f"\n{heading}:\n") for heading in HEADINGS if heading != "Resume"]
    assert places == sorted(places)
    for param in command.params:
        assert len(re.findall(rf"^  (-h, )?{param.opts[0]}(?![-a-z])", said, re.MULTILINE)) == 1, param.name
