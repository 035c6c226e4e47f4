"""A run that was judged by metrics of one's choice, with weights, or on several targets is scored alike afterwards."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score, log_loss, mean_absolute_error
from trained import run

import losszoo
from losszoo.cli.main import main

ASKED = ["f1_macro", "log_loss"]


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("cross-entropy", {}),
        ("bce", {}),  # a logit of each class against the rest
        ("focal", {"class_weight": "balanced"}),
        ("triplet-batch-hard", {"class_weight": "balanced"}),  # votes that weigh by their class
        ("modern-nca", {"class_weight": "3=5,7=0.5"}),
        ("modern-nca(learned_temperature=true)", {}),
    ],
)
def test_the_metrics_of_the_run_are_those_of_its_predictions(loss: str, options: Any, tmp_path: Path) -> None:
    """Of scikit-learn, on what ``predict`` and ``predict_proba`` give."""
    result = run(loss, "digits", tmp_path, metric=ASKED, set={"recipe.batch_size": 256}, **options)
    test = losszoo.load_task("digits").splits(seed=0).test
    trained = losszoo.load_run(result.run_dir)
    told = result.metrics["test"]
    assert (trained.score(test.inputs, test.targets), trained.metric, trained.notes) == (told, "f1_macro", ())
    weights = np.arange(len(test.targets)) % 3
    weighted = f1_score(test.targets, trained.predict(test.inputs), average="macro", sample_weight=weights)
    found = trained.score(test.inputs, test.targets, sample_weight=weights)
    assert found["f1_macro"] == pytest.approx(weighted)
    for wrong, said in (
        (weights[1:], r"sample_weight must have shape \(360,\), got \(359,\)"),
        (-weights, "sample_weight must be finite and >= 0"),
    ):
        with pytest.raises(losszoo.DataError, match=said):
            trained.score(test.inputs, test.targets, sample_weight=wrong)
    assert f1_score(test.targets, trained.predict(test.inputs), average="macro") == pytest.approx(told["f1_macro"])
    likely = trained.predict_proba(test.inputs)
    assert log_loss(test.targets, likely) == pytest.approx(told["log_loss"], rel=1e-12)


def misses(targets: Any, predicted: Any) -> int:
    return int((targets != predicted).sum())


def test_a_metric_that_is_a_function_is_given_again(tmp_path: Path) -> None:
    result = run("cross-entropy", "digits", tmp_path, epochs=1, metric=[misses, "log_loss"])
    test = losszoo.load_task("digits").splits(seed=0).test
    trained = losszoo.load_run(result.run_dir)
    assert "misses is not measured" in trained.notes[0]
    told = {name: value for name, value in result.metrics["test"].items() if name != "misses"}
    assert trained.score(*test) == told
    again = losszoo.load_run(result.run_dir, metric=[misses, "log_loss"])
    assert (again.score(*test), again.notes) == (result.metrics["test"], ())
    with pytest.raises(losszoo.UsageError, match="metric must be what the run was started with, misses, log_loss, got"):
        losszoo.load_run(result.run_dir, metric="accuracy")


def test_several_targets_of_arrays_that_cannot_be_scored(tmp_path: Path) -> None:
    test = losszoo.load_task("digits-properties").splits(seed=0).test
    trained = losszoo.load_run(run("bce", "digits-properties", tmp_path, epochs=1).run_dir)
    count = test.targets.shape[1]
    for targets, said in {
        "fewer": (test.targets[:, 1:], rf"must have shape \(N, {count}\), as in training, got"),
        "one": (test.targets[:, 0], r"must have shape \(N, K\), got"),
        "strange": (test.targets * 2, "must be 0 or 1, whether the row has the label, got 2"),
        "gaps": (np.where(test.targets, np.nan, 0.0), "must be finite"),
    }.values():
        with pytest.raises(losszoo.DataError, match=said):
            trained.score(test.inputs, targets)


def weather(folder: Path) -> Path:
    """Two columns of yes and no or 0 and 1, two of numbers in units of their own; a fifth of the rows is for test."""
    draws = np.random.default_rng(0)
    path = folder / "weather.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "wet", "late", "rain", "wind", "part"])
        for row in range(150):
            a, b = draws.normal(size=2)
            part = ("train", "train", "train", "val", "test")[row % 5]
            writer.writerow([a, b, "yes" if a > 0 else "no", int(a + b > 0), 1000 + 20 * a, a - b, part])
    return path


@pytest.fixture
def table(tmp_path: Path) -> Any:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(weather(tmp_path))
    test = frame[frame["part"] == "test"].drop(columns="part")
    test.to_csv(tmp_path / "test.csv", index=False)
    return test


def trained_on(folder: Path, loss: str, targets: list[str], drop: list[str], **options: Any) -> Any:
    task = losszoo.Task.from_table(folder / "weather.csv", target=targets, split="part", drop=drop)
    result = run(loss, task, folder, epochs=5, **options)
    (folder / "weather.csv").unlink()
    return result, losszoo.load_run(result.run_dir)


def predicted_by_command(folder: Path, result: losszoo.RunResult, *words: str) -> tuple[Any, list[dict[str, str]]]:
    paths = [result.run_dir, str(folder / "test.csv"), "--out", str(folder / "out.csv")]
    done = CliRunner().invoke(main, ["predict", *paths, "--json", *words])
    assert done.exit_code == 0, done.output
    with (folder / "out.csv").open(encoding="utf-8") as file:
        return json.loads(done.stdout), list(csv.DictReader(file))


@pytest.mark.parametrize("loss", ["bce", "focal + 0.001*l2"])
def test_several_labels(loss: str, table: Any, tmp_path: Path) -> None:
    result, trained = trained_on(tmp_path, loss, ["wet", "late"], ["rain", "wind"], metric=["f1_macro", "roc_auc"])
    assert trained.score(table) == result.metrics["test"]
    assert (trained.kind, trained.class_names, trained.target) == ("multilabel", ("wet", "late"), "wet, late")
    truth = np.stack([table["wet"] == "yes", table["late"] == 1], 1)
    predicted, likely = trained.predict(table.drop(columns=["wet", "late"])), trained.predict_proba(table)
    assert f1_score(truth, predicted, average="macro") == pytest.approx(result.metrics["test"]["macro_f1"])
    assert np.array_equal(predicted, likely > 0.5)
    told, rows = predicted_by_command(tmp_path, result, "--proba")
    assert (told["metrics"], told["scored"], told["classes"]) == (result.metrics["test"], 30, ["wet", "late"])
    assert [row["prediction_late"] for row in rows] == [str(label) for label in predicted[:, 1]]
    np.testing.assert_allclose([float(row["probability_wet"]) for row in rows], likely[:, 0])


def test_several_numbers(table: Any, tmp_path: Path) -> None:
    """Each in its own unit, with and without a metric of one's choice; the exported program gives them too."""
    torch = pytest.importorskip("torch")
    asked = ["median_absolute_error"]
    result, trained = trained_on(tmp_path, "huber", ["rain", "wind"], ["wet", "late"], metric=asked)
    assert trained.score(table) == result.metrics["test"]
    predicted = trained.predict(table.drop(columns=["rain", "wind"]))
    # The run compares with targets that were standardised in float32, and so have seven digits.
    error = mean_absolute_error(table[["rain", "wind"]], predicted)
    assert error == pytest.approx(result.metrics["test"]["mae"], rel=1e-5)
    told, rows = predicted_by_command(tmp_path, result)
    assert told["metrics"] == result.metrics["test"]
    np.testing.assert_allclose([[float(row[f"prediction_{n}"]) for n in ("rain", "wind")] for row in rows], predicted)
    program = torch.export.load(trained.export(tmp_path / "model.pt2")).module()
    np.testing.assert_allclose(program(torch.from_numpy(trained.inputs(table))), predicted, rtol=1e-5, atol=1e-5)
    with pytest.raises(losszoo.UsageError, match="probabilities must come from"):
        trained.predict_proba(table)


def test_rows_without_one_of_several_targets_are_not_scored(table: Any, tmp_path: Path) -> None:
    _, trained = trained_on(tmp_path, "bce", ["wet", "late"], ["rain", "wind"])
    expected = trained.score(table.iloc[2:])
    gaps = table.assign(wet=["", *table["wet"][1:]], late=[0, None, *table["late"][2:]])
    with pytest.warns(UserWarning, match="2 rows with no wet or no late: not scored"):
        assert trained.score(gaps) == expected
    with pytest.raises(losszoo.UsageError, match="y must be given, as the rows of weather have no wet, late"):
        trained.score(table.drop(columns="late"))
    with pytest.raises(losszoo.DataError, match="weather: new targets must be 0 or 1, whether the row has the label"):
        trained.score(table.assign(late=2))
