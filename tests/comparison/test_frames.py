"""Results as pandas DataFrames, flat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import losszoo

pd = pytest.importorskip("pandas")


def test_a_comparison_is_one_row_a_cell_part_and_metric(tmp_path: Path) -> None:
    losses = ["cross-entropy", f"{Path(__file__).parent / 'bad_losses.py'}:raises"]
    found = losszoo.compare(losses, ["breast-cancer"], 2, epochs=1, metric=["f1", "log_loss"], out=tmp_path)
    frame = found.to_frame()
    assert list(frame.columns) == [
        *("task", "loss", "kind", "seed", "status", "part", "metric", "value", "seconds"),
    ]
    # Three parts, two seeds, and f1, log_loss, accuracy and average_precision.
    done = frame[frame.status == "done"]
    assert len(done) == 3 * 2 * 4
    row = found.tables["breast-cancer"][0]
    values = done[(done.part == "test") & (done.metric == "f1")].value
    assert (values.mean(), values.std()) == (pytest.approx(row.mean), pytest.approx(row.std))
    log_losses = done[(done.part == "test") & (done.metric == "log_loss")].value
    assert row.others == {"log_loss": pytest.approx(log_losses.mean())}
    assert row.per_class["malignant"]["support"] == 42
    failed = frame[frame.status == "failed"]
    assert len(failed) == 2
    assert failed[["value", "metric"]].isna().all(axis=None)


def test_a_run_is_one_row_a_part_and_metric(tmp_path: Path) -> None:
    result = losszoo.run("bce", "breast-cancer", epochs=1, out=tmp_path)
    frame = result.to_frame()
    assert list(frame.columns) == ["task", "loss", "seed", "status", "part", "metric", "value"]
    wide = frame.pivot(index="part", columns="metric", values="value")
    assert wide.loc["test", "accuracy"] == result.metrics["test"]["accuracy"]


def test_a_tuning_is_one_row_a_trial(tmp_path: Path) -> None:
    tuning = losszoo.tune("focal", "breast-cancer", trials=3, epochs=1, metric=["log_loss", "roc_auc"], out=tmp_path)
    frame = tuning.to_frame()
    assert list(frame.columns[:3]) == ["number", "state", "value"]
    assert len(frame) == 3
    assert "recipe.lr" in frame.columns
    # Less log-loss is better, and the study knows.
    assert (tuning.metric, tuning.direction) == ("log_loss", "min")
    assert tuning.best is not None
    assert tuning.best.value == frame.value.min()
    assert tuning.best.command is not None
    assert "--metric log_loss --metric roc_auc" in tuning.best.command
    with pytest.raises(losszoo.UsageError, match="metric: 'log_loss \\(min\\)' there, 'accuracy \\(max\\)' here"):
        losszoo.tune("focal", "breast-cancer", trials=3, epochs=1, metric="accuracy", out=tmp_path)


def test_without_pandas_the_command_that_installs_it_is_named() -> None:
    script = (
        "import sys; sys.modules['pandas'] = None\n"
        "from losszoo import RunResult\n"
        "RunResult('bce', 'x', 0, 'completed', {}, 1, 1, 0.0, {}, '').to_frame()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("to_frame needs pandas: pip install 'losszoo[tables]'")
