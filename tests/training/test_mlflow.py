"""What MLflow itself reads of a run that was logged: in a folder, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import losszoo
from losszoo.training.run_folder.mlflow_run import MLflowRun


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return mlflow.MlflowClient()


def the_run(client: Any, experiment: str = "losszoo") -> Any:
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return run


def test_a_run_is_logged_and_a_resumed_one_goes_on_with_it(client: Any, tmp_path: Path) -> None:
    def stop(line: Any) -> None:
        if line["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="to resume it: losszoo run --resume"):
        losszoo.run("0.5*softmax-focal(gamma=1) + nll", "digits", epochs=3, mlflow=True, on_epoch=stop)
    (folder,) = {path.parent for path in (tmp_path / "runs").rglob("config.json")}
    assert the_run(client).info.status == "KILLED"
    result = losszoo.run(resume=folder, mlflow=True)
    run = the_run(client)
    assert run.info.status == "FINISHED"
    assert run.data.tags["losszoo.run_dir"] == str(folder)
    assert run.data.tags["losszoo.status"] == result.status
    assert run.data.params["recipe.epochs"] == "3"
    assert run.data.params["loss"] == result.loss
    assert run.data.metrics["test/best/accuracy"] == result.metrics["test"]["accuracy"]
    history = client.get_metric_history(run.info.run_id, "val/accuracy")
    assert {line.step for line in history} == {0, 1, 2}
    assert {name for name in run.data.metrics if name.startswith("terms/")} == {
        "terms/softmax-focal_gamma_1_",
        "terms/nll",
    }


def test_a_run_that_its_guard_stops_has_failed(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "exhibits")
    Path("bad.py").write_text("import torch\n\ndef bad(logits, targets):\n    return logits.sum(1) * torch.nan\n")
    result = losszoo.run("bad.py:bad", "digits", epochs=1, mlflow=True, signature="multiclass")
    run = the_run(client, "exhibits")
    assert (result.status, run.info.status) == ("stopped-by-guard", "FAILED")
    assert run.data.metrics["guard/nonfinite"] == 1


def test_a_store_that_is_lost_ends_no_training(client: Any, tmp_path: Path) -> None:
    run = MLflowRun({"loss": "a", "task": "b", "seed": 0, "recipe": {"lr": 0.1}}, tmp_path)
    client.delete_run(the_run(client).info.run_id)
    with pytest.warns(RuntimeWarning, match="MLflow takes nothing more of this run"):
        run.epoch({"epoch": 0, "loss": 1.0})
    run.epoch({"epoch": 1, "loss": 1.0})


def test_a_store_that_cannot_be_used_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gopher://nowhere")
    with pytest.raises(
        losszoo.UsageError, match=r"store of MLflow must be one that can be written, got gopher://nowhere"
    ):
        MLflowRun({"loss": "a", "task": "b", "seed": 0}, tmp_path)


def test_without_mlflow_its_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(losszoo.UsageError, match=r"MLflow is not installed: pip install \"losszoo\[integrations\]\""):
        MLflowRun({}, tmp_path)
