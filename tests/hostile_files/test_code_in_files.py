"""A file from a stranger runs nothing: bundles, run folders, comparisons and studies that name code are refused.

Every form would leave a mark on the disk if any of its code were run, be it only imported. The checksums fit: whoever
changes a file can write them too.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_forms import FORMS, LOSSES, POPEN, TASK, Cli, form, hostile_bundle, hostile_run, opened, refused, tune

import losszoo
from losszoo import UsageError
from losszoo.common.files import write_json
from losszoo.reporting import replay_bundles
from losszoo.tuning.seal import SEAL, _digest

# What a replay of this loss does not look at.
NOT_REPLAYED = ("split",)


def test_the_forms_do_mark(cli: Cli) -> None:
    """Else this file would prove nothing: each text is one that used to run, or is code where it is trusted."""
    for text in (POPEN, "./evil.py:Loss", "evil:Loss"):
        run = [sys.executable, "-c", f"import losszoo; losszoo.create({text!r}, signature='regression')"]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        # What a person writes is imported; a class that is no loss is not even then constructed.
        assert (Path("marked").exists(), done.returncode) == (text != POPEN, int(text == POPEN)), done.stderr
        Path("marked").unlink(missing_ok=True)


@pytest.mark.parametrize("name", FORMS)
def test_replay(cli: Cli, honest: Path, name: str) -> None:
    bundle = hostile_bundle(honest, "b.pt", form(name))
    if name in NOT_REPLAYED:
        assert cli("replay", bundle, "--no-doctor").exit_code == 1
        return
    refused(cli("replay", bundle))
    answer = cli("replay", bundle, "--no-doctor", "--json")
    assert (answer.exit_code, set(json.loads(answer.stdout))) == (2, {"error"})


@pytest.mark.parametrize("name", FORMS)
def test_resume(cli: Cli, honest: Path, name: str) -> None:
    folder = hostile_run(honest, "run", form(name))
    said = refused(cli("run", "--resume", folder))
    if ":" in str(FORMS[name].get("loss")) and name not in ("no text", "object"):
        assert "a loss that a file names must be registered, got" in said
    with pytest.raises(UsageError):
        losszoo.run(resume=folder)


def test_report(cli: Cli, honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly")
    for limit in ("PATIENCE", "SECONDS"):  # of a machine that has time
        monkeypatch.setattr(replay_bundles, limit, 600.0)
    names = ["class", "file", "as a combiner"]
    for name in names:
        folder = Path(hostile_run(honest, f"runs/{name}", form(name)))
        bundle = hostile_bundle(honest, str(next(folder.glob("bundles/*.pt"))), form(name))
        first = {"step": 1, "epoch": 0, "where": "loss", "op": "log", "source": "x.py:1", "bundle": bundle}
        guard = {"nonfinite": 1, "skipped": 0, "rollbacks": 0, "clipped": 0, "first": first}
        metrics = {part: {"accuracy": 0.5} for part in ("train", "val", "test")}
        result = {"loss": form(name)["loss"], "task": TASK, "seed": 0, "status": "stopped-by-guard", "epochs": 1}
        result |= {"steps": 1, "seconds": 1.0, "run_dir": str(folder), "guard": guard, "metrics": metrics}
        write_json(folder / "result.json", result)
    answer = cli("report", "runs")
    assert answer.exit_code == 0, answer.output
    page = Path("runs/report.html").read_text("utf-8")
    assert page.count("a loss that a file names must be registered, got") == len(names)


def test_compare(cli: Cli, honest: Path) -> None:
    """Every seed of a comparison that is to be gone on with has a run folder of another form."""
    arguments = ["compare", "--task", TASK, "--loss", "bce", "--epochs", "1", "--out", "out", "--json"]
    arguments += ["--seeds", str(len(FORMS))]
    first = json.loads(cli(*arguments).stdout)
    for name, cell in zip(FORMS, first["cells"], strict=True):
        folder = Path(cell["folder"])
        record = json.loads((folder / "cell.json").read_text())
        write_json(folder / "cell.json", {**record, "status": "missing"})
        (folder / "run" / "result.json").unlink()
        config = json.loads((folder / "run" / "config.json").read_text())
        write_json(folder / "run" / "config.json", {**config, **form(name)})
    again = cli(*arguments)
    document = json.loads(again.stdout)
    failed = [cell["error"]["message"] for cell in document["cells"] if cell["status"] != "done"]
    assert (failed, again.exit_code) == ([], 0)
    assert document["tables"][TASK][0]["mean"] == first["tables"][TASK][0]["mean"]
    for changes in ({"loss": POPEN}, {"config": {**record["config"], "loss": POPEN}}):
        write_json(folder / "cell.json", {**record, **changes})
        answer = cli(*arguments)
        assert (answer.exit_code == 2, "config" in changes) in ((True, True), (False, False))


def test_tune(cli: Cli, study: Any) -> None:
    identity = study.user_attrs["losszoo"]
    for name in FORMS:
        changes = {key.replace("_", " "): value for key, value in form(name).items()}
        study.set_user_attr("losszoo", {**identity, **changes})
        refused(tune(cli))
    study.set_user_attr("losszoo", identity)


def test_what_a_study_says_of_its_trials(cli: Cli, study: Any) -> None:
    """The command that is printed, to be pasted, comes from the values; a value that is none is no trial."""
    (trial,) = study.get_trials()
    for name, value in (("loss", POPEN), ("settings", {"model.trunk": POPEN}), ("threads", "1; touch marked;")):
        _set_attribute(study, trial._trial_id, name, value)
    (changed,) = opened(study.study_name).get_trials()
    _set_attribute(study, trial._trial_id, SEAL, _digest(changed, changed.state, changed.value))
    for name in LOSSES:
        study.enqueue_trial({"loss.gamma": form(name)["loss"], "recipe.lr": form(name)["loss"]})
    answer = tune(cli)
    assert answer.exit_code == 0, answer.output
    best = json.loads(answer.stdout)["best"]
    assert best["loss"] == "focal"
    words = shlex.split(best["command"])
    assert words[:5] == ["OMP_NUM_THREADS=1; touch marked;", "losszoo", "run", "--loss", "focal"]
    assert not any("Popen" in word for word in words)


def _set_attribute(study: Any, trial: int, name: str, value: Any) -> None:
    """Of a trial that has ended, which Optuna itself would not change."""
    import sqlite3

    (database,) = Path("tunings").glob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = ? AND key = ?",
            (json.dumps(value), trial, name),
        )
    connection.close()
