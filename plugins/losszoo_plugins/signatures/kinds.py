"""Nine kinds of task: what their targets are, and the metrics that judge a prediction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from losszoo import DataError, Kind, metrics


class MulticlassTask(Kind):
    """A label of several for each row."""

    name = "multiclass"
    natural = "multiclass"
    metrics: tuple[str, ...] = ("accuracy",)
    target_type = "multiclass"
    baselines: tuple[str, ...] = ("logistic-regression", "knn", "gradient-boosting", "nca-knn")
    labels = True

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        labels = self.predict(outputs, data, expects).cpu().numpy()
        return {"accuracy": metrics.accuracy(targets.cpu().numpy(), labels)}

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.labels_of(outputs, expects)

    def probabilities(self, outputs: Tensor, data: Any) -> Tensor:
        return metrics.probabilities_of(outputs)

    def answers(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, Any]:
        return _answers_of_labels(outputs, targets, expects)


class BinaryTask(MulticlassTask):
    """Yes or no for each row; the rarer answer is often the one that counts."""

    name = "binary"
    natural = "binary"
    metrics = ("accuracy", "average_precision")
    target_type = "binary"
    classes = 2

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        positive = outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]
        scores = torch.nan_to_num(positive).cpu().numpy()
        found = super().score(outputs, targets, data, expects)
        return {**found, "average_precision": metrics.average_precision(targets.cpu().numpy(), scores)}


class RegressionTask(Kind):
    """A number for each row."""

    name = "regression"
    natural = "regression"
    metrics: tuple[str, ...] = ("rmse", "mae")
    smaller = ("rmse", "mae")
    target_type = "continuous"
    baselines: tuple[str, ...] = ("ridge", "knn", "gradient-boosting")
    standardised = True

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        numbers = self.predict(outputs, data, expects).cpu().numpy()
        wanted = metrics.numbers_of(targets, data).cpu().numpy()
        return {"rmse": metrics.rmse(wanted, numbers), "mae": metrics.mae(wanted, numbers)}

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.numbers_of(outputs, data)

    def answers(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, Any]:
        numbers = self.predict(outputs, data, expects).cpu().numpy()
        return {"targets": metrics.numbers_of(targets, data).cpu().numpy(), "predict": numbers}


class MultilabelTask(Kind):
    """Yes or no for each of several labels: a row may have all of them, or none."""

    name = "multilabel"
    natural = "binary"
    metrics = ("macro_f1", "micro_f1", "average_precision", "subset_accuracy")
    baselines = ("logistic-regression", "knn")
    target_type = "multilabel-indicator"
    target_shape = "(N, K)"
    target_dims = 2

    def check_targets(self, where: str, targets: Any) -> None:
        super().check_targets(where, targets)
        strange = targets[(targets != 0) & (targets != 1)]
        if strange.size and np.isfinite(strange[0]):
            _refuse(where, "be 0 or 1, whether the row has the label", f"{strange[0]}")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        """A label counts in the mean F1 if a row has or is given it, in the mean average precision if a row has it."""
        truth, scores = targets.cpu().numpy() > 0.5, outputs.cpu().numpy()
        predicted = self.predict(outputs, data, expects).cpu().numpy()
        return {
            "macro_f1": _mean_without_nan([metrics.f1(*label) for label in zip(truth.T, predicted.T, strict=True)]),
            "micro_f1": metrics.f1(truth, predicted),
            "average_precision": _mean_without_nan(
                [metrics.average_precision(*label) for label in zip(truth.T, scores.T, strict=True)]
            ),
            "subset_accuracy": metrics.subset_accuracy(truth, predicted),
        }

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.positives_of(outputs, expects)

    def probabilities(self, outputs: Tensor, data: Any) -> Tensor:
        """Of each label on its own: a row may have several."""
        return outputs.double()

    def answers(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, Any]:
        labels = {"targets": targets > 0.5, "predict": self.predict(outputs, data, expects)}
        scores = torch.nan_to_num(outputs.detach().double(), nan=torch.nan)
        found = {name: values.cpu().numpy().astype(np.int64) for name, values in labels.items()}
        return {**found, "decision_function": scores.cpu().numpy()}


class MultiOutputTask(RegressionTask):
    """Several numbers for each row, each in a unit of its own."""

    name = "multi-output"
    natural = "regression"
    metrics = ("r2", "rmse", "mae")
    baselines = ("ridge", "knn")
    target_type = "continuous-multioutput"
    target_shape = "(N, K)"
    target_dims = 2

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        """The mean over the outputs, each measured in its own unit; NaN where one of them is."""
        numbers = self.predict(outputs, data, expects).cpu().numpy()
        wanted = metrics.numbers_of(targets, data).cpu().numpy()
        measures = {"r2": metrics.r2, "rmse": metrics.rmse, "mae": metrics.mae}
        return {
            name: float(np.mean([measure(*output) for output in zip(wanted.T, numbers.T, strict=True)]))
            for name, measure in measures.items()
        }


class SegmentationTask(Kind):
    """Masks, one or several for each image: a yes or no, or a share, for each pixel."""

    name = "segmentation"
    natural = "segmentation"
    metrics = ("iou",)
    target_type = "binary"
    target_shape = "(N, C, ...)"
    target_dims = 3

    def check_targets(self, where: str, targets: Any) -> None:
        if targets.ndim < self.target_dims:
            _refuse(where, f"have shape {self.target_shape}", f"{targets.shape}")
        outside = targets[~((targets >= 0) & (targets <= 1))]
        if outside.size and np.isfinite(outside[0]):
            labels = "labels of pixels, (N, ...), are of the kind semantic-segmentation"
            _refuse(where, f"be in [0, 1] ({labels})", f"{outside[0]}")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        masks = self.predict(outputs, data, expects).cpu().numpy()
        return {"iou": metrics.iou(targets.cpu().numpy() > 0.5, masks)}

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.positives_of(outputs, expects)

    def probabilities(self, outputs: Tensor, data: Any) -> Tensor:
        """Of each mask on its own: a pixel may lie in several."""
        return outputs

    def answers(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, Any]:
        """Of all pixels of all masks together."""
        return _answers_of_labels(outputs.reshape(-1, 1), (targets > 0.5).long().reshape(-1), expects)


class SemanticSegmentationTask(Kind):
    """One label of several for each pixel; -100 where a pixel is ignored."""

    name = "semantic-segmentation"
    natural = "segmentation"
    metrics = ("mean_iou", "accuracy")
    target_type = "multiclass"
    labels = True
    ignored_label = -100
    target_shape = "(N, ...)"
    target_dims = 2

    def check_targets(self, where: str, targets: Any) -> None:
        if targets.ndim < self.target_dims:
            _refuse(where, f"be labels of pixels, {self.target_shape}", f"shape {targets.shape}")
        # The usual mark of an ignored pixel; as a class it would be one of 256.
        if (targets == 255).any() and not (targets == 254).any():
            _refuse(where, "be -100 where a pixel is ignored (np.where(targets == 255, -100, targets))", "255")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        counts = targets != self.ignored_label
        predicted = self.predict(outputs, data, expects)[counts].cpu().numpy()
        truth = targets[counts].cpu().numpy()
        return {"mean_iou": metrics.mean_iou(truth, predicted), "accuracy": metrics.accuracy(truth, predicted)}

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.labels_of(outputs, expects)

    def probabilities(self, outputs: Tensor, data: Any) -> Tensor:
        return metrics.probabilities_of(outputs)

    def answers(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, Any]:
        """Of all pixels that count, of all images together."""
        counts = targets != self.ignored_label
        return _answers_of_labels(outputs.movedim(1, -1)[counts], targets[counts], expects)


class RetrievalTask(MulticlassTask):
    """Rows of one label find each other; validation and test rows are of labels that training has not seen."""

    name = "retrieval"
    natural = "embedding"
    metrics = ("recall_at_1", "map_at_r")
    target_type = ""
    baselines = ("knn", "nca-knn")
    new_classes = True

    def score_features(self, features: Tensor, targets: Tensor) -> dict[str, float]:
        rows, truth = features.cpu().numpy(), targets.cpu().numpy()
        return {"recall_at_1": metrics.recall_at_1(rows, truth), "map_at_r": metrics.map_at_r(rows, truth)}


class ViewsTask(MulticlassTask):
    """Features learned without labels, judged by the labels of the nearest training rows and by a linear probe."""

    name = "views"
    natural = "views"
    metrics = ("knn_accuracy", "probe_accuracy")
    trained_without_labels = True
    baselines = ("knn",)
    probe = "probe_accuracy"

    def score_votes(self, votes: Tensor, targets: Tensor, data: Any) -> dict[str, float]:
        return {"knn_accuracy": self.score(votes, targets, data, "probabilities")["accuracy"]}


def _answers_of_labels(outputs: Tensor, targets: Tensor, expects: str) -> dict[str, Any]:
    """Labels, scores and, where the outputs are such, probabilities: (N, 1) or (N, C) outputs against (N,) labels."""
    given = outputs.detach().double()
    found = {"targets": targets, "predict": metrics.labels_of(outputs, expects)}
    scores = given[:, 0] if given.shape[1] == 1 else given[:, 1] - given[:, 0] if given.shape[1] == 2 else given
    # An order is all that counts, and scikit-learn takes no infinite score.
    found["decision_function"] = torch.nan_to_num(scores, nan=torch.nan)
    if expects != "logits":
        found["predict_proba"] = metrics.probabilities_of(given.exp() if expects == "log-probabilities" else given)
    return {name: values.cpu().numpy() for name, values in found.items()}


def _refuse(where: str, rule: str, came: str) -> None:
    raise DataError(f"task {where} targets must {rule}, got {came}")


def _mean_without_nan(values: list[float]) -> float:
    """The mean of the values that are not NaN; NaN where all are."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
