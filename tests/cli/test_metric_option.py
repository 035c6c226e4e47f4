"""``--metric`` and ``--per-class``: what run, compare and report show, keep and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from losszoo.cli.main import main

FEW = ("--loss", "cross-entropy", "--task", "breast-cancer", "--epochs", "1")


@pytest.fixture(autouse=True)
def in_a_narrow_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_many_metrics_and_the_classes_fit_a_terminal() -> None:
    names = ("macro_f1", "neg_log_loss", "roc_auc", "matthews_corrcoef")
    done = ask("run", *FEW, "--per-class", *(word for name in names for word in ("--metric", name)))
    assert done.exit_code == 0
    table = done.stdout.splitlines()
    headings = [line.split("  ")[0] for line in table[2:8]]
    assert headings == ["f1 macro", "log loss", "roc auc", "matthews corrcoef", "accuracy", "average precision"]
    start = next(i for i, line in enumerate(table) if line.startswith("test, by class"))
    assert table[start].split() == ["test,", "by", "class", "recall", "precision", "F1", "support"]
    assert [table[start + i].split()[0] for i in (1, 2)] == ["malignant", "benign"]
    assert [table[start + i].split()[-1] for i in (1, 2)] == ["42", "72"]
    assert all(len(line) <= 80 for line in table[:-1])  # the last one ends with a path


def test_a_regression_has_no_classes_to_show() -> None:
    done = ask("run", "--loss", "mse", "--task", "diabetes", "--epochs", "1", "--per-class", "--metric", "r2")
    assert done.exit_code == 0
    assert "no table by class: there are no classes" in done.stdout


def test_json_has_both_and_resume_keeps_them() -> None:
    done = ask("run", *FEW, "--metric", "log_loss", "--json")
    record = json.loads(done.stdout)
    assert list(record["metrics"]["test"]) == ["log_loss", "accuracy", "average_precision"]
    assert set(record["per_class"]["benign"]) == {"recall", "precision", "f1", "support"}
    again = ask("run", "--resume", record["run_dir"], "--json")
    assert json.loads(again.stdout) == record
    refused = ask("run", "--resume", record["run_dir"], "--metric", "accuracy")
    assert refused.exit_code == 2
    assert "--resume must stand alone" in refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--loss", "mse", "--task", "diabetes"),
        ("compare", "--loss", "mse", "--task", "diabetes"),
        ("tune", "--loss", "mse", "--task", "diabetes"),
    ],
)
def test_a_metric_of_another_kind_is_refused_by_every_command(command: tuple[str, ...]) -> None:
    refused = ask(*command, "--metric", "roc_auc")
    assert refused.exit_code == 2
    assert "metric of a regression task must be one of rmse, mae, r2, " in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_comparison_is_of_one_metric_and_the_report_ranks_by_any() -> None:
    grid = ("compare", *FEW, "--loss", "bce", "--seeds", "1")
    done = ask(*grid, "--metric", "log_loss", "--metric", "roc_auc", "--per-class", "--json")
    assert done.exit_code == 0
    document: dict[str, Any] = json.loads(done.stdout)
    rows = document["tables"]["breast-cancer"]
    # Less is better, so the first row has the smaller log-loss.
    assert rows[0]["mean"] < rows[1]["mean"]
    assert set(rows[0]["others"]) == {"roc_auc"}
    assert "test log_loss over 1 seed (smaller is better), best first" in done.stderr
    assert "leads on breast-cancer with log_loss" in done.stderr
    assert done.stderr.count("test, by class") == 2
    assert all(len(line) <= 80 for line in done.stderr.splitlines() if "results:" not in line)
    # The same by other names is the same; another metric is another comparison.
    assert ask(*grid, "--metric", "neg_log_loss", "--metric", "auc").exit_code == 0
    other = ask(*grid, "--metric", "accuracy")
    assert other.exit_code == 2
    assert "metric: ['log_loss', 'roc_auc'] -> ['accuracy']" in other.stderr
    pytest.importorskip("plotly")
    for metric, order in ((None, rows), ("macro_accuracy", None), ("auc", None)):
        page = ask("report", "comparisons", "--json", *(("--metric", metric) if metric else ()))
        if metric == "macro_accuracy":
            assert page.exit_code == 2
            assert "metric must be one that the runs on breast-cancer have, log_loss, roc_auc, " in page.stderr
        else:
            labels = json.loads(page.stdout)["tasks"]["breast-cancer"]
            assert order is None or labels == [row["loss"] for row in order]


def test_a_function_is_no_metric_of_a_comparison() -> None:
    from losszoo import UsageError, compare

    with pytest.raises(UsageError, match="metric of a comparison must be given by name, got the function max"):
        compare(["mse"], ["diabetes"], metric=max)
