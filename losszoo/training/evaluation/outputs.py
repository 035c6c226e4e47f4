"""What the outputs of a model say: labels, numbers, and how good they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation import metrics

# Above it a single output says yes.
_THRESHOLDS = {"logits": 0.0, "probabilities": 0.5, "log-probabilities": math.log(0.5)}


def labels_of(outputs: Tensor, expects: str) -> Tensor:
    """(N,) labels of (N, 1) or (N, C) scores.

    Args:
        outputs: scores.
        expects: what they are: "logits", "probabilities" or "log-probabilities".
    """
    return (outputs[:, 0] > _THRESHOLDS[expects]).long() if outputs.shape[1] == 1 else outputs.argmax(1)


def numbers_of(outputs: Tensor, data: Prepared) -> Tensor:
    """(N,) numbers in the unit of the targets, in float64, of (N, 1) or (N,) standardised ones."""
    return outputs.reshape(len(outputs)).double() * data.scale + data.center


def output_metrics(outputs: Tensor, part: Part, data: Prepared, expects: str) -> dict[str, float]:
    """Metrics of outputs: (N, 1) or (N, C) scores, (N, 1) standardised numbers, (N, C, H, W) maps."""
    if data.kind == "regression":
        numbers, wanted = (numbers_of(x, data).cpu().numpy() for x in (outputs, part.targets))
        return {"rmse": metrics.rmse(wanted, numbers), "mae": metrics.mae(wanted, numbers)}
    truth = part.targets.cpu().numpy()
    if data.kind == "segmentation":
        return {"iou": metrics.iou(truth > 0.5, (outputs > _THRESHOLDS[expects]).cpu().numpy())}
    found = {"accuracy": metrics.accuracy(truth, labels_of(outputs, expects).cpu().numpy())}
    if data.kind == "binary":
        positive = outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]
        scores = torch.nan_to_num(positive).cpu().numpy()
        found["average_precision"] = metrics.average_precision(truth, scores)
    return found
