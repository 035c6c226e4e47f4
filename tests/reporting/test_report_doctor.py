"""Crash bundles on the page: replayed in a process of their own, once, and never in the way of the report."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_runs import EVENT, cell, comparison, result, run_folder, write

import losszoo
from losszoo.reporting import replay_bundles
from losszoo.reporting.find_runs import search
from losszoo.reporting.leaderboard_data import boards
from losszoo.reporting.replay_bundles import CACHE, ask_doctor, bundle_of, replayed
from losszoo.reporting.report import report

pytest.importorskip("plotly")

OWN = """
def ratio(predictions, targets):
    gap = (predictions - targets) * 0
    return gap / gap
"""
FINDING = {
    "symptom": "nan-gradient",
    "dtype": "float32",
    "probe": "the failing batch",
    "op": "log",
    "source": "my_loss.py:7",
    "code": "return <torch.log(x)>",
    "cause": "the slope overflows",
    "remedy": "take log_softmax.",
    "verified": True,
}
ANSWER = {"findings": [FINDING], "notes": ["a note"]}


def with_bundle(root: Path) -> Path:
    """A comparison whose second loss has a bundle, of nothing."""
    comparison(root)
    (run,) = [run for run in search(root).runs if run.guard.get("first")]
    return write(run.folder / "bundles" / "step-3.pt", "no bundle")


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[str]:
    """Replays answer at once; gives the bundles that were replayed."""
    called: list[str] = []

    def replay_apart(path: str, **_: Any) -> SimpleNamespace:
        called.append(path)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(to_dict=lambda: answer)

    monkeypatch.setattr(replay_bundles, "replay_apart", replay_apart)
    return called


def test_a_real_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replay_bundles, "SECONDS", 600.0)
    losszoo.run("nca-ratio", "breast-cancer", epochs=30, set={"recipe.lr": 3.0}, out="runs")
    page = report("runs").read_text("utf-8")
    assert "The doctor on" in page
    assert "at exhibits.py:" in page
    assert "probabilities = " in page
    monkeypatch.setattr(replay_bundles, "replay_apart", None)
    again = report("runs").read_text("utf-8")  # from memory
    assert again.count("at exhibits.py:") == page.count("at exhibits.py:")


def test_a_loss_of_ones_own_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be a stranger's; the page says how to ask the doctor all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replay_bundles, "SECONDS", 600.0)
    Path("own.py").write_text(OWN)
    first = losszoo.run("own.py:ratio", "breast-cancer", epochs=1, signature="binary", out="runs").guard["first"]
    Path("own.py").write_text("open('ran', 'w')\n" + OWN)
    page = report("runs").read_text("utf-8")
    assert "must be registered, got own.py:ratio" in page
    assert f"losszoo replay {tmp_path / first['bundle']} --trust" in page
    assert not Path("ran").exists()


def test_a_finding_is_shown_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_bundle(tmp_path)
    called = answering(monkeypatch, ANSWER)
    page = report(tmp_path).read_text("utf-8")
    assert called == [str(path)]
    for said in (
        "NaN gradient in float32",
        "log at my_loss.py:7",
        "return &lt;torch.log(x)&gt;",
        "the slope overflows",
    ):
        assert said in page
    assert "take log_softmax <" in page
    assert "tried, verified" in page
    assert report(tmp_path).read_text("utf-8").count("the slope overflows") == 1
    assert len(called) == 1
    path.write_text("another bundle")
    report(tmp_path)
    assert len(called) == 2
    assert "The doctor on" not in report(tmp_path, doctor=False).read_text("utf-8")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (OSError("no more processes"), "OSError: no more processes"),
        (losszoo.UsageError("no <bundle>"), "no &lt;bundle&gt;"),
        ([], "the doctor finds nothing in the loss by itself"),
        ({"findings": [{"symptom": "odd"}, 3], "notes": [3]}, "the doctor finds nothing in the loss by itself"),
    ],
)
def test_an_answer_that_fails_does_not_stop_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, said: str
) -> None:
    with_bundle(tmp_path)
    answering(monkeypatch, answer)
    assert said in report(tmp_path).read_text("utf-8")


def test_a_real_process_says_what_is_no_bundle(tmp_path: Path) -> None:
    path = write(tmp_path / "step-3.pt", "no bundle")
    assert "bundle" in replayed(path, "step-3.pt", 600).error


@pytest.mark.parametrize("memory", ["{", "[]", '{"format": 7}', '{"format": 1, "replays": {"x": 3}}', None])
def test_a_damaged_memory_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str | None) -> None:
    with_bundle(tmp_path)
    if memory is None:
        (tmp_path / CACHE).mkdir()  # that cannot be written either
    else:
        (tmp_path / CACHE).write_text(memory)
    answering(monkeypatch, ANSWER)
    assert "the slope overflows" in report(tmp_path).read_text("utf-8")
    if memory is not None:
        assert json.loads((tmp_path / CACHE).read_text())["format"] == 1


def test_the_doctor_has_so_much_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_bundle(tmp_path)
    answering(monkeypatch, ANSWER)
    monkeypatch.setattr(replay_bundles, "PATIENCE", -1.0)
    assert "not examined for lack of time" in report(tmp_path).read_text("utf-8")
    assert not (tmp_path / CACHE).exists() or "slope" not in (tmp_path / CACHE).read_text()


def test_the_losses_with_most_events_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(4):
        guard = {"nonfinite": i + 1, "skipped": 1, "rollbacks": 0, "clipped": 0, "first": EVENT}
        folder = cell(
            tmp_path, "digits", f"loss-{i}", 0, 0.5, result=result("digits", f"loss-{i}", 0, 0.5, guard=guard)
        )
        write(folder / "run" / "bundles" / "step-3.pt", "")
    monkeypatch.setattr(replay_bundles, "MOST", 2)
    answering(monkeypatch, ANSWER)
    asked: list[str] = []
    told = ask_doctor(boards(search(tmp_path)), tmp_path, on_bundle=asked.append)
    assert len(told) == len(asked) == 2
    assert {run.loss for run in search(tmp_path).runs if bundle_of(run) in told} == {"loss-2", "loss-3"}


@pytest.mark.parametrize("bundle", ["../../../etc/passwd", "", None, "bundles\\..\\config.json", "link.pt", "."])
def test_a_bundle_lies_in_its_run(tmp_path: Path, bundle: Any) -> None:
    guard = {"nonfinite": 1, "first": {**EVENT, "bundle": bundle}}
    folder = run_folder(tmp_path / "run", "digits", "bce", 0, guard=guard)
    (folder / "bundles").mkdir()
    (folder / "bundles" / "link.pt").symlink_to(folder / "config.json")
    (run,) = search(tmp_path).runs
    assert bundle_of(run) is None
