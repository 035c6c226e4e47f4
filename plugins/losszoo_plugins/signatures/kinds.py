"""Seven kinds of task: what their targets are, and the metrics that judge a prediction."""

from __future__ import annotations

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
    baselines: tuple[str, ...] = ("logistic-regression", "knn", "gradient-boosting", "nca-knn")
    labels = True

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        labels = self.predict(outputs, data, expects).cpu().numpy()
        return {"accuracy": metrics.accuracy(targets.cpu().numpy(), labels)}

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.labels_of(outputs, expects)

    def probabilities(self, outputs: Tensor, data: Any) -> Tensor:
        return metrics.probabilities_of(outputs)


class BinaryTask(MulticlassTask):
    """Yes or no for each row; the rarer answer is often the one that counts."""

    name = "binary"
    natural = "binary"
    metrics = ("accuracy", "average_precision")
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
    metrics = ("rmse", "mae")
    baselines = ("ridge", "knn", "gradient-boosting")
    standardised = True

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        numbers = self.predict(outputs, data, expects).cpu().numpy()
        wanted = metrics.numbers_of(targets, data).cpu().numpy()
        return {"rmse": metrics.rmse(wanted, numbers), "mae": metrics.mae(wanted, numbers)}

    def predict(self, outputs: Tensor, data: Any, expects: str) -> Tensor:
        return metrics.numbers_of(outputs, data)


class SegmentationTask(Kind):
    """Masks, one or several for each image: a yes or no, or a share, for each pixel."""

    name = "segmentation"
    natural = "segmentation"
    metrics = ("iou",)
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


class SemanticSegmentationTask(Kind):
    """One label of several for each pixel; -100 where a pixel is ignored."""

    name = "semantic-segmentation"
    natural = "segmentation"
    metrics = ("mean_iou", "accuracy")
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


class RetrievalTask(MulticlassTask):
    """Rows of one label find each other; validation and test rows are of labels that training has not seen."""

    name = "retrieval"
    natural = "embedding"
    metrics = ("recall_at_1", "map_at_r")
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
    baselines = ("knn",)
    probe = "probe_accuracy"

    def score_votes(self, votes: Tensor, targets: Tensor, data: Any) -> dict[str, float]:
        return {"knn_accuracy": self.score(votes, targets, data, "probabilities")["accuracy"]}


def _refuse(where: str, rule: str, came: str) -> None:
    raise DataError(f"task {where} targets must {rule}, got {came}")
