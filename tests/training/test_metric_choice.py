"""Metrics of one's choice: scikit-learn's own scorers say what each must be."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import balanced_accuracy_score, get_scorer, get_scorer_names

import losszoo
from losszoo.errors import DataError, UsageError
from losszoo.registry.registry import installed
from losszoo.tasks.metric_choice import SCORERS, fitting_metrics, judged, metrics_of
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation.outputs import output_metrics

RANDOM = np.random.default_rng(0)
ROWS = 60
# Names of scikit-learn that judge a clustering, or a likelihood ratio, or need a newer version than the oldest we take.
LEFT_OUT = {
    *("adjusted_mutual_info_score", "adjusted_rand_score", "completeness_score", "fowlkes_mallows_score"),
    *("homogeneity_score", "mutual_info_score", "normalized_mutual_info_score", "rand_score", "v_measure_score"),
    *("positive_likelihood_ratio", "neg_negative_likelihood_ratio", "d2_brier_score"),
}


class Said(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose answers are these logits."""

    def __init__(self, logits: Any = None) -> None:
        self.logits = logits

    @property
    def classes_(self) -> Any:
        return np.arange(max(2, self.logits.shape[1]))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:  # noqa: N803
        one = self.logits.shape[1] == 1
        return (self.logits[:, 0] > 0).astype(int) if one else self.logits.argmax(1)

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        return self.logits[:, 0] if self.logits.shape[1] == 1 else self.logits

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        logits = np.hstack([0 * self.logits, self.logits]) if self.logits.shape[1] == 1 else self.logits
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)


class Numbers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor whose answers are these numbers."""

    def __init__(self, numbers: Any = None) -> None:
        self.numbers = numbers

    def predict(self, X: Any) -> Any:  # noqa: N803
        return self.numbers


def judged_by_us(kind: str, outputs: Any, targets: Any, name: str) -> float:
    """As a run does: logits as the loss gave them, and their probabilities where a metric asks for those."""
    classes = {"multiclass": 4, "binary": 2}.get(kind, 0)
    dtype = torch.int64 if classes else torch.float64
    part = Part(torch.zeros(len(targets), 1), torch.as_tensor(targets, dtype=dtype))
    unit = {"center": np.zeros(3), "scale": np.ones(3)} if kind == "multi-output" else {}
    data = Prepared(part, part, part, kind, classes, **unit)
    spec = losszoo.TaskSpec(name="t", target="x:y", kind=kind, summary="s", metric=name)
    asked = metrics_of(spec)
    logits = torch.as_tensor(outputs)
    expects = "logits"
    if asked[0].needs == "predict_proba":
        expects = "probabilities"
        logits = torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)
    return output_metrics(logits, part, data, expects, asked)[asked[0].name]


def names_for(kind: str) -> list[str]:
    """scikit-learn's own names of all that we say fits this kind."""
    types = {"multiclass": "multiclass", "binary": "binary", "regression": "continuous"}
    known = get_scorer_names()
    fits = [name for name, metric in SCORERS.items() if types[kind] in metric.fits]
    return [name if name in known else f"neg_{name}" for name in fits]


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_labels_are_judged_as_scikit_learn_judges_them(kind: str) -> None:
    targets = RANDOM.integers(0, 2 if kind == "binary" else 4, ROWS)
    logits = RANDOM.normal(size=(ROWS, 1 if kind == "binary" else 4))
    for name in names_for(kind):
        expected = get_scorer(name)(Said(logits), np.zeros((ROWS, 1)), targets)
        sign = -1 if name.startswith("neg_") else 1
        assert judged_by_us(kind, logits, targets, name) == pytest.approx(sign * expected, rel=1e-9), name


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("kind", ["multilabel", "multi-output"])
def test_several_targets_are_judged_as_scikit_learn_judges_them(kind: str) -> None:
    draws = np.random.default_rng(1)
    scores = draws.normal(size=(ROWS, 3)) if kind == "multilabel" else draws.gamma(2.0, size=(ROWS, 3))
    targets = draws.integers(0, 2, (ROWS, 3)) if kind == "multilabel" else draws.gamma(2.0, size=(ROWS, 3))
    predicted = (scores > 0).astype(int) if kind == "multilabel" else scores
    own = installed().kind(kind).metrics
    fitting = [name for name in fitting_metrics(installed().kinds[kind]) if name not in own]
    assert len(fitting) > 5
    for name in fitting:
        function = getattr(sklearn.metrics, str(SCORERS[name].function))
        given = scores if SCORERS[name].needs == "decision_function" else predicted
        expected = function(targets, given, **SCORERS[name].options)
        assert judged_by_us(kind, scores, targets, name) == pytest.approx(expected, rel=1e-9), name


def test_numbers_are_judged_as_scikit_learn_judges_them() -> None:
    targets = RANDOM.gamma(2.0, size=ROWS)
    numbers = RANDOM.gamma(2.0, size=(ROWS, 1))
    for name in names_for("regression"):
        expected = get_scorer(name)(Numbers(numbers[:, 0]), np.zeros((ROWS, 1)), targets)
        sign = -1 if name.startswith("neg_") else 1
        assert judged_by_us("regression", numbers, targets, name) == pytest.approx(sign * expected, rel=1e-9), name


def test_every_name_of_scikit_learn_is_known_or_left_out_on_purpose() -> None:
    plain = {name.removeprefix("neg_") for name in get_scorer_names()}
    assert plain - set(SCORERS) == {name.removeprefix("neg_") for name in LEFT_OUT}
    assert set(SCORERS) <= plain


def test_less_is_better_where_scikit_learn_turns_the_sign() -> None:
    for name in get_scorer_names():
        metric = SCORERS.get(name.removeprefix("neg_"))
        assert metric is None or (metric.direction == "min") == name.startswith("neg_"), name


@pytest.mark.parametrize(
    ("kind", "said", "name", "direction"),
    [
        ("multiclass", "macro_f1", "f1_macro", "max"),
        ("multiclass", "neg_log_loss", "log_loss", "min"),
        ("multiclass", "Balanced-Accuracy", "balanced_accuracy", "max"),
        ("binary", "auc", "roc_auc", "max"),
        ("binary", "ap", "average_precision", "max"),
        ("regression", "neg_root_mean_squared_error", "rmse", "min"),
        ("regression", "mae", "mae", "min"),
        ("regression", "mse", "mean_squared_error", "min"),
        ("retrieval", "map_at_r", "map_at_r", "max"),
    ],
)
def test_names_of_the_field(kind: str, said: str, name: str, direction: str) -> None:
    # TaskSpec says "max" where nobody says more: of a known metric the metric itself knows better.
    spec = judged(losszoo.TaskSpec(name="t", target="x:y", kind=kind, summary="s", metric=said))
    assert (spec.metric, spec.direction) == (name, direction)


@pytest.mark.parametrize(
    ("kind", "said", "message"),
    [
        ("regression", "roc_auc", r"metric of a regression task must be one of rmse, mae, r2, .*, got 'roc_auc'$"),
        ("multiclass", "r2", r"metric of a multiclass task must be one of accuracy, balanced_accuracy, .*, got 'r2'$"),
        ("multiclass", "roc_auc", r"got 'roc_auc'; did you mean roc_auc_ovr"),
        ("binary", "f1_mcro", r"did you mean f1_micro or f1_macro"),
        ("retrieval", "accuracy", r"must be one of recall_at_1, map_at_r, got 'accuracy'"),
    ],
)
def test_a_metric_that_a_kind_lacks_is_refused_with_those_that_it_has(kind: str, said: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        judged(losszoo.TaskSpec(name="t", target="x:y", kind=kind, summary="s", metric=said))


def test_all_that_are_named_in_an_error_fit() -> None:
    for kind in installed().kinds.values():
        for name in fitting_metrics(kind):
            assert metrics_of(SimpleNamespace(kind=kind.name, metric=name, direction="max"))[0].name == name


class Rare(losszoo.Task):
    """Three labels, of which the last is rare."""

    spec = losszoo.TaskSpec(name="rare", target="x:Rare", kind="multiclass", summary="Three labels.", metric="macro_f1")
    class_names = ("low", "middle", "high")

    def splits(self, seed: int = 0) -> losszoo.Splits:
        draws = np.random.default_rng(seed)
        inputs = draws.normal(size=(300, 3)).astype("f")
        labels = (inputs[:, 0] > 0).astype("int64") + (inputs[:, 1] + inputs[:, 0] > 1.5)
        return losszoo.Splits(*(losszoo.Split(inputs[i::3], labels[i::3]) for i in range(3)))

    def setup(self, signature: str) -> losszoo.Setup:
        return losszoo.Setup(trunk="linear", model={"dim": 4}, recipe=losszoo.Recipe(epochs=6, lr=3e-2))


def history_of(result: losszoo.RunResult) -> Any:
    return json.loads(Path(result.run_dir, "history.json").read_text())


def test_a_run_is_judged_by_the_metric_of_its_own_task(tmp_path: Path) -> None:
    result = losszoo.run("cross-entropy", Rare, out=tmp_path)
    assert list(result.metrics["test"]) == ["f1_macro", "accuracy"]


def test_several_are_reported_and_the_first_decides(tmp_path: Path) -> None:
    result = losszoo.run("cross-entropy", Rare(), metric=["log_loss", "balanced_accuracy"], out=tmp_path)
    assert list(result.metrics["test"]) == ["log_loss", "balanced_accuracy", "accuracy"]
    # The state that is scored is the one of the epoch in which validation lost least.
    least = min(line["val"]["log_loss"] for line in history_of(result))
    assert result.metrics["val"]["log_loss"] == pytest.approx(least)
    assert json.loads(Path(result.run_dir, "config.json").read_text())["metric"] == ["log_loss", "balanced_accuracy"]
    assert losszoo.run(resume=result.run_dir).to_dict() == result.to_dict()
    assert losszoo.run(resume=result.run_dir, metric=("log_loss", "balanced_accuracy")).metrics == result.metrics
    with pytest.raises(UsageError, match="metric must be what the run was started with, log_loss, balanced_accuracy"):
        losszoo.run(resume=result.run_dir, metric="accuracy")


@pytest.mark.parametrize(("loss", "needs"), [("triplet", "votes"), ("modern-nca", "shares"), ("mse", "no shares")])
def test_losses_without_a_softmax(loss: str, needs: str, tmp_path: Path) -> None:
    if needs == "no shares":
        with pytest.raises(UsageError, match="log_loss must be given probabilities, got a loss of the"):
            losszoo.run(loss, Rare, metric="log_loss", out=tmp_path)
        return
    result = losszoo.run(loss, Rare, metric="log_loss", epochs=1, out=tmp_path)
    assert 0 < result.metrics["test"]["log_loss"] < 5


class OneClassAtTheEnd(Rare):
    """Validation or test rows of one class alone."""

    spec = losszoo.TaskSpec(name="one-class", target="x:y", kind="binary", summary="s", metric="roc_auc")
    class_names = ()

    def __init__(self, part: str = "val") -> None:
        self.part = part

    def splits(self, seed: int = 0) -> losszoo.Splits:
        parts = super().splits(seed)._asdict()
        parts = {name: part._replace(targets=(part.targets > 0).astype("int64")) for name, part in parts.items()}
        kept = parts[self.part].targets == 0
        parts[self.part] = losszoo.Split(parts[self.part].inputs[kept], parts[self.part].targets[kept])
        return losszoo.Splits(**parts)


def test_a_metric_without_a_value_never_decides_in_silence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="roc_auc, which decides, must have a value on the validation rows, got none"):
        losszoo.run("bce", OneClassAtTheEnd("val"), out=tmp_path)
    result = losszoo.run("bce", OneClassAtTheEnd("test"), out=tmp_path, epochs=1)
    assert math.isnan(result.metrics["test"]["roc_auc"])
    assert result.metrics["val"]["roc_auc"] > 0
    assert any(note.startswith("roc_auc has no value on the test rows: Only one class") for note in result.notes)
    # The metrics of a kind cannot be tried before; what came of them is said.
    result = losszoo.run("bce", OneClassAtTheEnd("val"), metric="average_precision", out=tmp_path, epochs=1)
    assert any("average_precision was no number on the validation rows" in note for note in result.notes)


def cost(targets: Any, predicted: Any) -> float:
    """A function of the user: what a missed "high" costs is five times the rest."""
    return -float(np.where(targets == 2, 5, 1)[targets != predicted].sum())


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    result = losszoo.run("cross-entropy", Rare, metric=cost, epochs=2, out=tmp_path)
    assert result.metrics["test"]["cost"] <= 0
    best = max(line["val"]["cost"] for line in history_of(result))
    assert result.metrics["val"]["cost"] == best
    for wrong, message in (
        (lambda t, p: "good", "metric <lambda> must return a number, got a str"),
        (lambda t, p: t[10_000], "metric <lambda> raised IndexError"),
        (7, "metric must be a name, a function of targets and predictions, or a list of such, got an int"),
    ):
        with pytest.raises(UsageError, match=message):
            losszoo.run("cross-entropy", Rare, metric=wrong, out=tmp_path)
    Path(result.run_dir, "result.json").unlink()
    with pytest.raises(UsageError, match="metric must be given again, as this run was started with a function, cost"):
        losszoo.run(resume=result.run_dir, task=Rare)
    assert losszoo.run(resume=result.run_dir, task=Rare, metric=cost).metrics == result.metrics


def test_a_run_scores_what_it_predicts(tmp_path: Path) -> None:
    """The same answers judged twice: by the name, and by scikit-learn's own function."""
    seen: list[float] = []

    def watched(targets: Any, predicted: Any) -> float:
        seen.append(balanced_accuracy_score(targets, predicted))
        return seen[-1]

    result = losszoo.run("cross-entropy", Rare, metric=["balanced_accuracy", watched], epochs=2, out=tmp_path)
    for part in result.metrics.values():
        assert part["balanced_accuracy"] == part["watched"]
    assert set(seen) >= {part["watched"] for part in result.metrics.values()}


def test_a_class_that_validation_lacks_leaves_the_log_loss_defined() -> None:
    targets, logits = np.array([0, 1, 2, 0]), RANDOM.normal(size=(4, 4))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = judged_by_us("multiclass", logits, targets, "log_loss")
    assert found == pytest.approx(-np.log(shares[np.arange(4), targets]).mean())


def test_maps_are_judged_pixel_by_pixel() -> None:
    targets = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    maps = torch.tensor([[[[-1.0, 1.0], [-1.0, 1.0]]]])
    part = Part(torch.zeros(1, 1, 2, 2), targets)
    data = Prepared(part, part, part, "segmentation", 0)
    spec = losszoo.TaskSpec(name="t", target="x:y", kind="segmentation", summary="s", metric="f1")
    # One of two pixels is found, and one of two that are found is right.
    assert output_metrics(maps, part, data, "logits", metrics_of(spec)) == {"f1": 0.5, "iou": pytest.approx(1 / 3)}


def test_per_class_of_the_test_part_by_the_names_of_the_classes(tmp_path: Path) -> None:
    result = losszoo.run("cross-entropy", Rare, out=tmp_path)
    assert list(result.per_class) == ["low", "middle", "high"]
    assert sum(row["support"] for row in result.per_class.values()) == 100
    assert np.mean([row["f1"] for row in result.per_class.values()]) == pytest.approx(
        result.metrics["test"]["f1_macro"]
    )
    assert losszoo.RunResult.from_dict(result.to_dict()).per_class == result.per_class
