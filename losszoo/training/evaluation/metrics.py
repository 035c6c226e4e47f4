"""What a trained model is judged by: functions of arrays to one float, NaN where nothing can be said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
_ROWS = 512  # rows of the distance matrix that exist at once


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


def recall_at_1(embeddings: Array, labels: Array) -> float:
    """Share of rows whose nearest other row has their label; rows alone with their label do not count.

    >>> recall_at_1(np.array([[0.0], [1.0], [5.0], [7.0]]), np.array([0, 0, 1, 0]))
    0.6666666666666666
    """
    return _mean([float(hits[0]) for hits in _retrieved(embeddings, labels)])


def map_at_r(embeddings: Array, labels: Array) -> float:
    r"""Mean average precision at R: each row retrieves as many others as share its label.

    .. math:: \frac{1}{R} \sum_{i=1}^{R} P(i) \, [\text{i-th nearest is relevant}]

    Unlike recall at 1 it tells apart embeddings that all have the right nearest neighbour.

    Args:
        embeddings: (N, D), compared by Euclidean distance; of equally near rows the lower index comes first.
        labels: (N,). Rows alone with their label do not count.

    Returns:
        In [0, 1]; NaN where no two rows share a label.

    Example:
        >>> map_at_r(np.array([[0.0], [1.0], [5.0]]), np.array([0, 0, 0]))
        1.0

    Reference:
        Musgrave, Belongie, Lim, "A Metric Learning Reality Check", ECCV 2020, arXiv:2003.08505.
    """
    return _mean([_average_precision_at_r(hits) for hits in _retrieved(embeddings, labels)])


def _average_precision_at_r(hits: Array) -> float:
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(np.sum(precision * hits) / len(hits))


def _retrieved(embeddings: Array, labels: Array) -> Iterator[Array]:
    """For each row with R > 0 others of its label: which of its R nearest others are such, nearest first."""
    points = torch.as_tensor(np.array(embeddings, dtype=np.float64))
    labels = np.asarray(labels)
    for start in range(0, len(labels), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(labels)))
        # Differences one by one: exact ties stay ties, which they do not in the expanded square.
        distances = torch.cdist(points[rows], points, compute_mode="donot_use_mm_for_euclid_dist").numpy()
        distances[rows - start, rows] = np.nan  # sorted behind everything else, infinities included
        order = np.argsort(distances, axis=1, kind="stable")
        same = labels[rows, None] == labels
        for row, count in enumerate(same.sum(1) - 1):
            if count:
                yield same[row, order[row, :count]]


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
    return torch.where(total > 0, shares / total, 1 / shares.shape[1])


def numbers_of(outputs: torch.Tensor, data: Any) -> torch.Tensor:
    """(N,) numbers in the unit of the targets, in float64, of (N, 1) or (N,) standardised ones.

    Args:
        outputs: standardised numbers.
        data: the prepared data, for ``center`` and ``scale`` of the training targets.
    """
    numbers: torch.Tensor = outputs.reshape(len(outputs)).double() * data.scale + data.center
    return numbers
