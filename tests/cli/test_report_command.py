"""``losszoo report``: what it writes and prints where, and its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from losszoo.cli.commands.report_command import command
from losszoo.common.files import jsonable
from losszoo.reporting.report import report

pytest.importorskip("plotly")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, one of which has no result."""
    monkeypatch.chdir(tmp_path)
    for loss, value in (("bce", 0.5), ("hinge", 0.75)):
        folder = tmp_path / "runs" / loss
        folder.mkdir(parents=True)
        metrics = {"test": {"accuracy": value}}
        (folder / "config.json").write_text(json.dumps({"loss": loss, "task": "breast-cancer", "seed": 0}))
        (folder / "history.json").write_text("[]")
        record = {"loss": loss, "task": "breast-cancer", "seed": 0, "metrics": metrics, "seconds": 1.0}
        (folder / "result.json").write_text(json.dumps(jsonable(record)))
    (tmp_path / "runs" / "bce" / "result.json").unlink()
    (tmp_path / "runs" / "hinge" / "history.json").write_text("[")
    return tmp_path / "runs"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_for_people(runs: Path) -> None:
    answer = call("runs")
    assert answer.exit_code == 0
    assert answer.stdout.splitlines() == [
        "2 runs on breast-cancer, 1 without a result",
        "page: runs/report.html",
    ]
    assert answer.stderr == "1 file unread or left out: see the end of the page\n"
    page = (runs / "report.html").read_text("utf-8")
    assert "<h1>runs</h1>" in page
    assert "hinge/history.json: damaged" in page


def test_for_programs(runs: Path) -> None:
    answer = call("runs", "--html", "page.html", "--title", "All of <them>", "--no-doctor", "--json")
    assert answer.exit_code == 0
    document = json.loads(answer.stdout)
    assert {name: document[name] for name in ("html", "tasks", "runs", "failed")} == {
        "html": "page.html",
        "tasks": {"breast-cancer": ["hinge", "bce"]},
        "runs": 2,
        "failed": 1,
    }
    assert document["notes"][0].startswith("hinge/history.json: damaged: ")
    assert "page: page.html" in answer.stderr
    assert "<h1>All of &lt;them&gt;</h1>" in Path("page.html").read_text("utf-8")
    assert not (runs / "report.html").exists()


@pytest.mark.parametrize(("code", "said"), [(0, False), (1, True)])
def test_open(runs: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: bool) -> None:
    opened: list[str] = []

    def launch(url: str) -> int:
        opened.append(url)
        return code

    monkeypatch.setattr(click, "launch", launch)
    answer = call("runs", "--open")
    assert opened == [str(runs / "report.html")]
    assert ("no browser could be started" in answer.stderr) is said
    assert answer.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "DIR must be a folder, got nowhere (no such folder)"),
        (("empty",), "DIR must be a comparison folder (losszoo compare)"),
        (("runs", "--html", "page.pdf"), "html must be a file.html in a folder that exists, got 'page.pdf'"),
        (("runs", "--html", "no/page.html"), "html must be a file.html in a folder that exists"),
        (
            ("runs", "--html", "folder.html"),
            "the page must go to a file that can be written, got folder.html (Is a directory); choose another",
        ),
    ],
)
def test_what_is_refused(runs: Path, arguments: tuple[str, ...], said: str) -> None:
    Path("empty").mkdir()
    Path("folder.html").mkdir()
    answer = call(*arguments)
    assert answer.exit_code == 2
    assert said in answer.stderr
    with_json = call(*arguments, "--json")
    assert said in json.loads(with_json.stdout)["error"]["message"]
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "folder.html", "runs"]


def test_a_missing_extra(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = util.find_spec
    monkeypatch.setattr("losszoo.reporting.report.find_spec", lambda name: None if name == "plotly" else real(name))
    answer = call("runs")
    assert answer.exit_code == 2
    assert 'plotly is not installed: pip install "losszoo[report]"' in answer.stderr


def test_from_python_quietly(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(runs, runs / "mine.HTML", title="mine") == runs / "mine.HTML"
    assert capfd.readouterr() == ("", "")


def test_help_loads_neither_torch_nor_plotly() -> None:
    code = "import sys, losszoo.cli.commands.report_command, losszoo.reporting.report\n"
    code += "print({'torch', 'plotly'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_run_that_was_run_again_is_left_out_and_not_called_unread(runs: Path) -> None:
    (runs / "hinge" / "history.json").write_text("[]")
    shutil.copytree(runs / "hinge", runs / "hinge-again")
    answer = call("runs", "--no-doctor")
    assert answer.stderr == "1 file unread or left out: see the end of the page\n"
    assert "was run again later" in (runs / "report.html").read_text("utf-8")
