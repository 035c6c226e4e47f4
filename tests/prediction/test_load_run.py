"""A run that is loaded again predicts as it was scored: of every kind of task, and without its data."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score
from trained import NET, churn, of_part, run

import losszoo
from losszoo.cli.main import main
from losszoo.common.files import read_json, write_json


@pytest.mark.parametrize(
    ("loss", "task"),
    [
        ("bce", "breast-cancer"),
        ("cross-entropy + 0.001*l2", "breast-cancer"),
        ("focal", "digits"),
        ("mse", "digits"),
        ("triplet-batch-hard", "digits"),
        ("modern-nca", "digits"),
        ("sup-con(temperature=0.2)", "digits"),
        ("huber", "diabetes"),
        ("modern-nca", "diabetes"),
        ("bce", "digits-properties"),
        ("huber", "breast-cancer-worst"),
        ("nca-stable", "digits-retrieval"),
        ("info-nce", "digits-views"),
        ("dice", "digits-segmentation"),
        ("cross-entropy", "digits-semantic"),
    ],
)
def test_its_score_is_that_of_the_run(loss: str, task: str, tmp_path: Path) -> None:
    small = {"model.width": 4, "model.depth": 1} if "seg" in task or "semantic" in task else {}
    result = run(loss, task, tmp_path, epochs=1, set={**small, "recipe.batch_size": 256})
    test = losszoo.load_task(task).splits(seed=0).test
    trained = losszoo.load_run(result.run_dir)
    assert trained.score(test.inputs, test.targets) == result.metrics["test"]
    assert (trained.task, trained.loss) == (task, loss)
    if task in ("digits-retrieval", "digits-views"):
        with pytest.raises(
            losszoo.UsageError, match=f"sample_weight must be left out on {task}, a .* task, whose metrics"
        ):
            trained.score(test.inputs, test.targets, sample_weight=np.ones(len(test.targets)))


def test_predictions_are_those_that_the_run_was_scored_by(tmp_path: Path) -> None:
    """By scikit-learn's own metrics, on what ``predict`` gives."""
    result = run("triplet-batch-hard", "digits", tmp_path)
    trained = losszoo.load_run(result.run_dir)
    test = losszoo.load_task("digits").splits(seed=0).test
    predicted = trained.predict(torch.from_numpy(test.inputs))
    assert accuracy_score(test.targets, predicted) == result.metrics["test"]["accuracy"]
    votes = trained.predict_proba(test.inputs)
    np.testing.assert_allclose(votes.sum(1), 1)
    assert np.array_equal(votes.argmax(1), predicted)
    assert trained.embed(test.inputs).shape == (len(test.targets), 64)

    result = run("huber", "diabetes", tmp_path, set={"task.split": 3})
    test = losszoo.load_task("diabetes").splits(seed=3).test
    trained = losszoo.load_run(result.run_dir)
    # The run compares with targets that were standardised in float32, and so have seven digits.
    error = mean_absolute_error(test.targets, trained.predict(test.inputs))
    assert error == pytest.approx(result.metrics["test"]["mae"], rel=1e-6)


def test_the_best_epoch_predicts_and_not_the_last_one(tmp_path: Path) -> None:
    result = run("bce", "breast-cancer", tmp_path, epochs=12, set={"recipe.lr": 1.0})
    history = json.loads(Path(result.run_dir, "history.json").read_text("utf-8"))
    values = [line["val"]["accuracy"] for line in history]
    assert values[-1] < max(values)
    val = losszoo.load_task("breast-cancer").splits(seed=0).val
    assert losszoo.load_run(result.run_dir).score(val.inputs, val.targets)["accuracy"] == max(values)


@pytest.mark.parametrize("loss", ["focal", "nca-stable"])
def test_a_table_that_is_gone_predicts_on_another_machine(loss: str, tmp_path: Path) -> None:
    """With words, gaps, further columns in another order; the folder alone has been copied."""
    pandas = pytest.importorskip("pandas")
    table = churn(tmp_path)
    task = losszoo.Task.from_table(table, target="churned", split="part")
    result = run(loss, task, tmp_path)
    test = of_part(table, "test")
    moved = shutil.copytree(result.run_dir, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "runs")
    table.unlink()
    trained = losszoo.load_run(moved)
    assert trained.score(test) == result.metrics["test"]
    frame = pandas.read_csv(test, dtype={"age": float})  # numbers, and NaN for a gap, where the file had texts
    predicted = trained.predict(frame.drop(columns="churned"))
    assert accuracy_score(frame["churned"], predicted) == result.metrics["test"]["accuracy"]
    assert (trained.class_names, trained.target) == (("gone", "stays"), "churned")
    if loss == "focal":
        areas = trained.predict_proba(frame)[:, 1]
        logits = trained.model(torch.from_numpy(trained.inputs(frame)))[:, 0]
        np.testing.assert_allclose(areas, torch.sigmoid(logits.double()), atol=1e-6)
        assert roc_auc_score(frame["churned"] == "stays", areas) > 0.6


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["Yes", "No"], ["No", "Yes"]),
        (["true", "false"], [False, True]),
        (["7", "12"], [7, 12]),
        (["1.5", "2", "0.25"], [0.25, 1.5, 2.0]),
    ],
)
def test_predictions_are_what_the_target_holds(cells: list[str], classes: list[Any], tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = [f"{place + row / 100},{cell}" for row in range(20) for place, cell in enumerate(cells)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["x,y", *rows]), encoding="utf-8")
    kind = "multiclass" if len(cells) > 2 else None
    task = losszoo.Task.from_table(path, target="y", kind=kind)
    trained = losszoo.load_run(run("cross-entropy", task, tmp_path, epochs=1).run_dir)
    assert trained.classes is not None
    assert trained.classes.tolist() == classes
    assert set(trained.predict(path)) <= set(classes)
    read = pandas.read_csv(path)
    known = trained.score(path)
    assert known["accuracy"] == (trained.predict(read) == read["y"]).mean()
    assert trained.score(read.drop(columns="y"), read["y"]) == known
    done = CliRunner().invoke(main, ["predict", str(trained.folder), str(path), "--out", str(tmp_path / "out.csv")])
    assert done.exit_code == 0, done.output
    assert set(pandas.read_csv(tmp_path / "out.csv")["prediction"]) <= set(classes)


HALF = np.arange(60) % 2
ROWS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) + HALF[:, None]


@pytest.mark.parametrize(
    ("targets", "options", "classes"),
    [
        (np.where(HALF, "up", "down"), {}, ["down", "up"]),
        (np.where(HALF, b"up", b"down"), {"class_names": ["up", "down"]}, ["up", "down"]),
        (HALF > 0, {}, [False, True]),
        (HALF > 0, {"class_names": ["low", "high"]}, [False, True]),
        (HALF + 1, {}, [1, 2]),
        (np.where(HALF, 0.5, -1.0), {}, [-1.0, 0.5]),
        (HALF, {"class_names": ["low", "high"]}, [0, 1]),
        (HALF + 3, {"class_names": ["low", "high"]}, [3, 4]),
    ],
)
def test_predictions_are_what_the_arrays_held(
    targets: Any, options: dict[str, Any], classes: list[Any], tmp_path: Path
) -> None:
    task = losszoo.Task.from_arrays(ROWS, targets, test=(ROWS, targets), **options)
    result = run("cross-entropy", task, tmp_path, epochs=1)
    trained = losszoo.load_run(result.run_dir)
    assert trained.classes is not None
    assert trained.classes.tolist() == classes
    held = targets.astype(str) if targets.dtype.kind == "S" else targets
    predicted = trained.predict(ROWS)
    assert set(predicted.tolist()) <= set(classes)
    assert (predicted == held).mean() == result.metrics["test"]["accuracy"]
    assert trained.score(ROWS, targets) == trained.score(ROWS, list(targets)) == result.metrics["test"]
    strange = np.array([*targets[1:], "sideways"], object)
    with pytest.raises(losszoo.DataError, match=r"must be among the classes of training, .*, got 'sideways'"):
        trained.score(ROWS, strange)


def test_a_folder_that_does_not_tell_what_its_targets_held_predicts_as_before(tmp_path: Path) -> None:
    result = run("cross-entropy", losszoo.Task.from_arrays(ROWS, np.where(HALF, "up", "down")), tmp_path, epochs=1)
    path = Path(result.run_dir, "trained.json")
    told = read_json(path)
    del told["task"]["class_values"]
    write_json(path, told)
    trained = losszoo.load_run(result.run_dir)
    assert trained.predict(ROWS[:2]).dtype.kind == "i"
    assert 0 <= trained.score(ROWS, HALF)["accuracy"] <= 1


def test_a_network_of_ones_own_runs_only_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_net.py").write_text(NET + "\nopen('was-run', 'w').close()\n", encoding="utf-8")
    result = run("cross-entropy", "breast-cancer", tmp_path, model="my_net.py:Net", set={"model.width": 8})
    Path("was-run").unlink()
    test = losszoo.load_task("breast-cancer").splits(seed=0).test
    with pytest.raises(losszoo.UsageError, match=r"network that a file names must be given again.*--trust"):
        losszoo.load_run(result.run_dir)
    assert not Path("was-run").exists()
    Path("moved").mkdir()
    shutil.copy("my_net.py", "moved/net.py")
    for how in ({"model": "my_net.py:Net"}, {"trust": True}, {"model": "moved/net.py:Net"}):
        assert losszoo.load_run(result.run_dir, **how).score(*test) == result.metrics["test"]  # type: ignore[arg-type]
    with Path("my_net.py").open("a", encoding="utf-8") as file:
        file.write("# another content\n")
    with pytest.raises(losszoo.UsageError, match="must be the file that the run was trained with, got another content"):
        losszoo.load_run(result.run_dir, trust=True)


def test_a_network_that_was_an_object_is_copied(tmp_path: Path) -> None:
    def net() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(30, 1))

    result = run("bce", "breast-cancer", tmp_path, model=net())
    test = losszoo.load_task("breast-cancer").splits(seed=0).test
    given = net()
    before = given[1].weight.clone()
    assert losszoo.load_run(result.run_dir, model=given).score(*test) == result.metrics["test"]
    assert torch.equal(given[1].weight, before)
    with pytest.raises(losszoo.UsageError, match="model must be given again, as this run was trained with an object"):
        losszoo.load_run(result.run_dir)
    with pytest.raises(losszoo.UsageError, match=r"must take the weights in .*; give the network that was trained"):
        losszoo.load_run(result.run_dir, model=torch.nn.Linear(30, 1))


def test_a_task_and_a_loss_of_ones_own_need_not_be_given_again(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(90, 3)).astype("f")
    labels = (rows[:, 0] > 0).astype("int64")

    class Mine(losszoo.Task):
        spec = losszoo.TaskSpec(name="mine", target="m:Mine", kind="binary", summary="Mine.", metric="accuracy")

        def splits(self, seed: int = 0) -> losszoo.Splits:
            return losszoo.Splits(*(losszoo.Split(rows[i::3], labels[i::3]) for i in range(3)))

        def setup(self, signature: str) -> losszoo.Setup:
            return losszoo.Setup(trunk="linear", model={"dim": 4})

    def mine(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(predictions, targets, reduction="none")

    result = run(losszoo.create(mine, signature="binary"), Mine(), tmp_path)
    assert losszoo.load_run(result.run_dir).score(rows[2::3], labels[2::3]) == result.metrics["test"]


def test_random_states_of_the_caller_stay(tmp_path: Path) -> None:
    result = run("bce", "breast-cancer", tmp_path, epochs=1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    losszoo.load_run(result.run_dir)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("loss", "task", "ending"),
    [
        ("cross-entropy", "digits", ".pt2"),
        ("sup-con", "breast-cancer", ".pt2"),
        ("huber", "diabetes", ".pt2"),
        ("huber", "diabetes", ".onnx"),
        # Fifteen columns a row, of which the signature predicts one number.
        ("mixture-nll", "diabetes", ".pt2"),
        ("nca-ratio(similarity='cosine')", "breast-cancer", ".onnx"),
    ],
)
def test_an_exported_program_needs_no_losszoo(loss: str, task: str, ending: str, tmp_path: Path) -> None:
    """Raw inputs in, for any number of rows; read by torch and by ONNX's own evaluator."""
    trained = losszoo.load_run(run(loss, task, tmp_path, epochs=1).run_dir)
    rows = trained.inputs(losszoo.load_task(task).splits(seed=0).test.inputs[:5])
    path = tmp_path / f"model{ending}"
    if ending == ".onnx":
        pytest.importorskip("onnxscript")
        reference = pytest.importorskip("onnx.reference")
        trained.export(path)
        (outputs,) = reference.ReferenceEvaluator(str(path)).run(None, {"inputs": rows})
    else:
        trained.export(path)
        outputs = torch.export.load(path).module()(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(outputs, trained.model(torch.from_numpy(rows)).numpy(), rtol=1e-4, atol=1e-5)
    if task == "diabetes":
        np.testing.assert_allclose(outputs, trained.predict(rows), rtol=1e-5)


def test_an_export_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = losszoo.load_run(run("bce", "breast-cancer", tmp_path, epochs=1).run_dir)
    with pytest.raises(losszoo.UsageError, match=r"must end with \.pt2 or \.onnx, got model\.pth"):
        trained.export("model.pth")
    with pytest.raises(losszoo.UsageError, match="must be one that can be written"):
        trained.export(tmp_path / "nowhere" / "model.pt2")
    monkeypatch.setattr("losszoo.prediction.export.find_spec", lambda name: None)
    with pytest.raises(losszoo.UsageError, match=r"pip install 'losszoo\[onnx\]'"):
        trained.export("model.onnx")
    (tmp_path / "model.pt2").write_text("mine")
    with pytest.raises(losszoo.UsageError, match=r"must be a file that is not there yet, got .*; overwrite=True"):
        trained.export(tmp_path / "model.pt2")
    assert (tmp_path / "model.pt2").read_text() == "mine"
    assert trained.export(tmp_path / "model.pt2", overwrite=True).stat().st_size > 4


def test_the_best_trial_of_a_tuning_is_loaded_alike(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    tuning = losszoo.tune("bce", "breast-cancer", trials=2, epochs=1, out=tmp_path, search=["recipe.lr=1e-4:1e-2"])
    assert tuning.best is not None
    assert tuning.best.run_dir is not None
    val = losszoo.load_task("breast-cancer").splits(seed=0).val
    assert losszoo.load_run(tuning.best.run_dir).score(*val)["accuracy"] == tuning.best.value


def test_an_interrupted_run_predicts_by_its_best_epoch_so_far(tmp_path: Path) -> None:
    """And after it has been resumed, by the best of all."""

    def stop(line: Mapping[str, Any]) -> None:
        if line["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    folder = {"run_dir": tmp_path / "run", "on_epoch": stop, "raise_interrupt": False}
    assert run("bce", "breast-cancer", tmp_path, epochs=6, **folder).status == "interrupted"
    half = losszoo.load_run(tmp_path / "run")
    assert "interrupted after 3 epochs" in half.notes[0]
    test = losszoo.load_task("breast-cancer").splits(seed=0).test
    told = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))["metrics"]["test"]
    assert half.score(*test) == told
    whole = losszoo.run(resume=tmp_path / "run")
    assert losszoo.load_run(tmp_path / "run").notes == ()
    assert losszoo.load_run(tmp_path / "run").score(*test) == whole.metrics["test"]
