"""What a trained model is judged by: functions of arrays to one float, NaN where nothing can be said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from losszoo.training.evaluation.retrieval import knn_accuracy as knn_accuracy
from losszoo.training.evaluation.retrieval import map_at_r as map_at_r
from losszoo.training.evaluation.retrieval import nmi as nmi
from losszoo.training.evaluation.retrieval import precision_at_1 as precision_at_1
from losszoo.training.evaluation.retrieval import r_precision as r_precision
from losszoo.training.evaluation.retrieval import recall_at_1 as recall_at_1
from losszoo.training.evaluation.retrieval import recall_at_k as recall_at_k

Array = npt.NDArray[Any]


def accuracy(labels: Array, predicted: Array) -> float:
    """Share of equal labels.

    >>> accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]))
    0.75
    """
    from sklearn.metrics import accuracy_score  # type: ignore[import-untyped, unused-ignore]

    labels, predicted = np.asarray(labels), np.asarray(predicted)
    return float(accuracy_score(labels.ravel(), predicted.ravel())) if labels.size else math.nan


def rmse(targets: Array, predicted: Array) -> float:
    """Square root of the mean squared difference.

    >>> rmse(np.array([0.0, 0.0]), np.array([3.0, -3.0]))
    3.0
    """
    return math.sqrt(_mean(_difference(targets, predicted) ** 2))


def mae(targets: Array, predicted: Array) -> float:
    """Mean absolute difference.

    >>> mae(np.array([0.0, 0.0]), np.array([3.0, -1.0]))
    2.0
    """
    return _mean(np.abs(_difference(targets, predicted)))


def r2(targets: Array, predicted: Array) -> float:
    r"""Share of the variance of the targets that the predictions explain.

    .. math:: R^2 = 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - \bar y)^2}

    Args:
        targets: (N,).
        predicted: (N,).

    Returns:
        At most 1; of targets that are all alike 1 where each prediction is right, else 0, as in scikit-learn. NaN for
        fewer than two rows, and where a prediction is not finite.

    Example:
        >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
        0.5
    """
    from sklearn.metrics import r2_score

    targets, predicted = np.asarray(targets, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    told = len(targets) >= 2 and bool(np.isfinite(predicted).all())
    return float(r2_score(targets, predicted)) if told else math.nan


def f1(labels: Array, predicted: Array) -> float:
    r"""Harmonic mean of precision and recall, of all entries together.

    .. math:: F_1 = \frac{2 \, \mathrm{TP}}{2 \, \mathrm{TP} + \mathrm{FP} + \mathrm{FN}}

    Args:
        labels: any shape, in {0, 1}.
        predicted: same shape, in {0, 1} (or boolean): thresholded already.

    Returns:
        In [0, 1]; NaN where neither has a positive.

    Example:
        >>> f1(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]))
        0.6666666666666666
    """
    labels, predicted = np.asarray(labels).astype(bool), np.asarray(predicted).astype(bool)
    positives = np.count_nonzero(labels) + np.count_nonzero(predicted)
    return float(2 * np.count_nonzero(labels & predicted) / positives) if positives else math.nan


def subset_accuracy(labels: Array, predicted: Array) -> float:
    """Share of rows (N, K) all of whose labels are right.

    >>> subset_accuracy(np.array([[0, 1], [1, 1]]), np.array([[0, 1], [1, 0]]))
    0.5
    """
    return _mean((np.asarray(labels) == np.asarray(predicted)).all(1))


def average_precision(labels: Array, scores: Array) -> float:
    r"""Area under the steps of precision over recall; equal scores are one step.

    .. math:: \sum_n (R_n - R_{n-1}) P_n

    Args:
        labels: (N,) in {0, 1}.
        scores: (N,), larger means more positive; NaN means less than anything else.

    Returns:
        In [0, 1]; NaN without a positive.

    Example:
        >>> average_precision(np.array([1, 0, 1]), np.array([0.9, 0.8, 0.7]))
        0.8333333333333333
    """
    from sklearn.metrics import average_precision_score

    labels, scores = np.asarray(labels).astype(bool), np.asarray(scores)
    if not labels.any():
        return math.nan
    # The order is all that counts, and ranks are finite where scores are not.
    _, order = np.unique(np.where(np.isnan(scores), -np.inf, scores), return_inverse=True)
    return float(average_precision_score(labels, order))


def iou(masks: Array, predicted: Array) -> float:
    """Intersection over union of the foreground, over all pixels of all images together.

    Args:
        masks: any shape, in {0, 1}.
        predicted: same shape, in {0, 1} (or boolean): thresholded already.

    Returns:
        In [0, 1]; 1 where neither has any foreground.

    Example:
        >>> iou(np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]))
        0.3333333333333333
    """
    masks, predicted = np.asarray(masks).astype(bool), np.asarray(predicted).astype(bool)
    union = np.count_nonzero(masks | predicted)
    return float(np.count_nonzero(masks & predicted) / union) if union else 1.0


def mean_iou(labels: Array, predicted: Array) -> float:
    """Intersection over union of each class, over all pixels of all images together, and their mean.

    Args:
        labels: any shape, whole numbers.
        predicted: same shape.

    Returns:
        In [0, 1]; a class that is in neither does not count. NaN without a pixel.

    Example:
        >>> round(mean_iou(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])), 4)
        0.5833
    """
    from sklearn.metrics import jaccard_score

    labels, predicted = np.asarray(labels).ravel(), np.asarray(predicted).ravel()
    return float(jaccard_score(labels, predicted, average="macro")) if labels.size else math.nan


def _difference(targets: Array, predicted: Array) -> Array:
    return np.asarray(targets, dtype=np.float64) - np.asarray(predicted, dtype=np.float64)


def _mean(values: Any) -> float:
    values = np.asarray(values, dtype=np.float64)
    return float(values.mean()) if values.size else math.nan


# Above it a single output says yes.
_THRESHOLDS = {"logits": 0.0, "probabilities": 0.5, "log-probabilities": math.log(0.5)}


def positives_of(outputs: torch.Tensor, expects: str) -> torch.Tensor:
    """Boolean: where a single output says yes.

    Args:
        outputs: scores of any shape.
        expects: what they are: "logits", "probabilities" or "log-probabilities".
    """
    above: torch.Tensor = outputs > _THRESHOLDS[expects]
    return above


def labels_of(outputs: torch.Tensor, expects: str) -> torch.Tensor:
    """(N, ...) labels of (N, 1, ...) or (N, C, ...) scores; arguments as of :func:`positives_of`."""
    one = outputs.shape[1] == 1
    labels: torch.Tensor = positives_of(outputs[:, 0], expects).long() if one else outputs.argmax(1)
    return labels


def probabilities_of(shares: torch.Tensor) -> torch.Tensor:
    """(N, C, ...) float64 probabilities that sum to 1, of (N, C, ...), or of (N, 1, ...) of the second class alone.

    Shares of one class against the rest are divided by their sum; a row that every class refuses is shared out alike.

    Args:
        shares: in [0, 1].

    Example:
        >>> probabilities_of(torch.tensor([[0.25]])).tolist(), probabilities_of(torch.tensor([[0.25, 0.25]])).tolist()
        ([[0.75, 0.25]], [[0.5, 0.5]])
    """
    shares = shares.double()
    if shares.shape[1] == 1:
        shares = torch.cat([1 - shares, shares], 1)
    total = shares.sum(1, keepdim=True)
    return torch.where(total == 0, 1 / shares.shape[1], shares / total)  # NaN stays NaN


def numbers_of(outputs: torch.Tensor, data: Any) -> torch.Tensor:
    """Numbers in the unit of the targets, in float64, of standardised ones.

    Args:
        outputs: standardised numbers, (N, 1) or (N,), or (N, K) of several outputs.
        data: the prepared data, for ``center`` and ``scale`` of the training targets.

    Returns:
        (N,), or (N, K) of several outputs.
    """
    center, scale = (torch.as_tensor(x, dtype=torch.float64, device=outputs.device) for x in (data.center, data.scale))
    return outputs.reshape(len(outputs), *center.shape).double() * scale + center
