"""How good an embedding is: its rows look for each other, or for the rows of a gallery."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from losszoo.common.text import shown
from losszoo.errors import UsageError

Array = npt.NDArray[Any]
# Of the matrix of distances so many rows exist at once, and of a large gallery fewer.
_ROWS = 512
_ENTRIES = 1 << 24
_TRIES_OF_KMEANS = 10


def recall_at_1(embeddings: Any, labels: Any) -> float:
    """Share of rows whose nearest other row has their label; rows alone with their label do not count.

    The same as :func:`recall_at_k` with k = 1, and as the precision at 1.

    >>> recall_at_1(np.array([[0.0], [1.0], [5.0], [7.0]]), np.array([0, 0, 1, 0]))
    0.6666666666666666
    """
    return _mean([float(hits[0]) for hits, _ in _retrieved(embeddings, labels, None, None, 1)])


def precision_at_1(embeddings: Any, labels: Any, *, gallery: Any = None, gallery_labels: Any = None) -> float:
    """Share of rows whose nearest row has their label: see :func:`recall_at_k`, with k = 1.

    >>> precision_at_1(np.array([[0.0], [1.0], [5.0]]), np.array([0, 0, 0]))
    1.0
    """
    return recall_at_k(embeddings, labels, 1, gallery=gallery, gallery_labels=gallery_labels)


def recall_at_k(embeddings: Any, labels: Any, k: int = 1, *, gallery: Any = None, gallery_labels: Any = None) -> float:
    """Share of rows that find their label among the k nearest rows.

    As metric learning counts it: one hit is enough, no matter how many rows share the label.

    Args:
        embeddings: (N, D), an array or a tensor, compared by Euclidean distance; of equally near rows the one with the
            lower index comes first. For cosine similarity divide each row by its length first.
        labels: (N,). Rows whose label no other row has do not count.
        k: how many of the nearest rows are looked at, >= 1, at most as many as there are.
        gallery: (M, D), the rows that are looked for; None: the other rows of ``embeddings``.
        gallery_labels: (M,), of the gallery.

    Returns:
        In [0, 1]; NaN where no row counts, and where a row is not finite.

    Raises:
        UsageError: shapes that do not go together, or fewer than k rows to look among.

    Example:
        >>> points, labels = np.array([[0.0], [1.0], [5.0], [7.0]]), np.array([0, 1, 0, 1])
        >>> [recall_at_k(points, labels, k) for k in (1, 2, 3)]
        [0.0, 0.5, 1.0]
    """
    return _mean([float(hits[:k].any()) for hits, _ in _retrieved(embeddings, labels, gallery, gallery_labels, k)])


def r_precision(embeddings: Any, labels: Any, *, gallery: Any = None, gallery_labels: Any = None) -> float:
    """Share of relevant rows among the R nearest, where R is how many share the row's label; the mean over the rows.

    Arguments, return value and errors are those of :func:`recall_at_k`.

    >>> r_precision(np.array([[0.0], [1.0], [5.0], [7.0]]), np.array([0, 0, 1, 0]))
    0.5
    """
    found = _retrieved(embeddings, labels, gallery, gallery_labels, 1)
    return _mean([float(hits[:relevant].mean()) for hits, relevant in found])


def map_at_r(embeddings: Any, labels: Any, *, gallery: Any = None, gallery_labels: Any = None) -> float:
    r"""Mean average precision at R: each row retrieves as many others as share its label.

    .. math:: \frac{1}{R} \sum_{i=1}^{R} P(i) \, [\text{i-th nearest is relevant}]

    Unlike recall at 1 it tells apart embeddings that all have the right nearest neighbour.

    Args:
        embeddings: (N, D), compared by Euclidean distance; of equally near rows the lower index comes first.
        labels: (N,). Rows alone with their label do not count.
        gallery: (M, D), the rows that are looked for; None: the other rows of ``embeddings``.
        gallery_labels: (M,), of the gallery.

    Returns:
        In [0, 1]; NaN where no two rows share a label, and where a row is not finite.

    Raises:
        UsageError: shapes that do not go together.

    Example:
        >>> map_at_r(np.array([[0.0], [1.0], [5.0]]), np.array([0, 0, 0]))
        1.0

    Reference:
        Musgrave, Belongie, Lim, "A Metric Learning Reality Check", ECCV 2020, arXiv:2003.08505.
    """
    found = _retrieved(embeddings, labels, gallery, gallery_labels, 1)
    return _mean([_average_precision_at_r(hits[:relevant]) for hits, relevant in found])


def knn_accuracy(embeddings: Any, labels: Any, k: int = 5, *, gallery: Any = None, gallery_labels: Any = None) -> float:
    """Share of rows whose label wins the vote of the k nearest rows.

    A tie falls to the label, among those with most votes, that has the nearest row.

    Arguments, return value and errors are those of :func:`recall_at_k`; a row whose label no other row has counts as
    wrong.

    >>> knn_accuracy(np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([0, 0, 0, 1]), k=3)
    0.75
    """
    right = [_winner(near[:k]) == label for near, label in _nearest(embeddings, labels, gallery, gallery_labels, k)]
    return _mean(right)


def nmi(embeddings: Any, labels: Any, *, seed: int = 0) -> float:
    """Normalised mutual information of the labels and of as many clusters of k-means.

    Args:
        embeddings: (N, D).
        labels: (N,).
        seed: of k-means, whose best of ten starts counts.

    Returns:
        In [0, 1]; NaN without a row, and where a row is not finite.

    Raises:
        UsageError: shapes that do not go together.

    Example:
        >>> nmi(np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([0, 0, 1, 1]))
        1.0
    """
    from sklearn.cluster import KMeans  # type: ignore[import-untyped, unused-ignore]
    from sklearn.metrics import normalized_mutual_info_score

    points, names = _checked("embeddings", embeddings, "labels", labels)
    if not len(names) or not _finite(points):
        return math.nan
    clusters = KMeans(len(np.unique(names)), n_init=_TRIES_OF_KMEANS, random_state=seed).fit_predict(points.numpy())
    return float(normalized_mutual_info_score(names, clusters))


def _average_precision_at_r(hits: Array) -> float:
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(np.sum(precision * hits) / len(hits))


def _winner(labels: Array) -> Any:
    """The label with most votes, nearest first; of several the one that comes first."""
    values, first, counts = np.unique(labels, return_index=True, return_counts=True)
    return values[np.lexsort((first, -counts))[0]]


def _retrieved(embeddings: Any, labels: Any, gallery: Any, names: Any, k: int) -> Iterator[tuple[Array, int]]:
    """For each row with R > 0 rows of its label: which of the others, nearest first, are such, and R."""
    for near, label in _nearest(embeddings, labels, gallery, names, k):
        hits = near == label
        relevant = int(hits.sum())
        if relevant:
            yield hits, relevant


def _nearest(embeddings: Any, labels: Any, gallery: Any, names: Any, k: int) -> Iterator[tuple[Array, Any]]:
    """The labels of all other rows, nearest first, beside the label of each row; nothing where one is not finite."""
    points, own = _checked("embeddings", embeddings, "labels", labels)
    among, theirs = points, own
    if gallery is not None:
        among, theirs = _checked("gallery", gallery, "gallery_labels", names)
    elif names is not None:
        raise UsageError("gallery_labels must go with a gallery, got gallery_labels alone; give both")
    if among.shape[1] != points.shape[1]:
        raise UsageError(f"gallery must have the width of embeddings, {points.shape[1]}, got {among.shape[1]}")
    most = len(among) - (gallery is None)
    if most < 1 or not len(points) or not (_finite(points) and _finite(among)):
        return
    if isinstance(k, bool) or not isinstance(k, numbers.Integral) or not 1 <= k <= most:
        raise UsageError(f"k must be a whole number from 1 to {most}, the rows that can be found, got {shown(k)}")
    size = max(1, min(_ROWS, _ENTRIES // len(among)))
    for start in range(0, len(points), size):
        rows = np.arange(start, min(start + size, len(points)))
        # Differences one by one: exact ties stay ties, which they do not in the expanded square.
        distances = torch.cdist(points[rows], among, compute_mode="donot_use_mm_for_euclid_dist").numpy()
        if gallery is None:
            distances[rows - start, rows] = np.nan  # sorted behind everything else, infinities included
        order = np.argsort(distances, axis=1, kind="stable")[:, :most]
        yield from zip(theirs[order], own[rows], strict=True)


def _checked(name: str, rows: Any, of_labels: str, labels: Any) -> tuple[Tensor, Array]:
    """Rows in float64, and as many labels; a tensor may need a gradient, or lie elsewhere."""
    points = rows.detach().cpu() if isinstance(rows, Tensor) else torch.as_tensor(np.asarray(rows, dtype=np.float64))
    told = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if points.ndim != 2:
        raise UsageError(f"{name} must have shape (N, D), got {tuple(points.shape)}")
    if told.shape != points.shape[:1]:
        raise UsageError(f"{of_labels} must have shape ({len(points)},), one for each row, got {told.shape}")
    return points.double(), told


def _finite(points: Tensor) -> bool:
    return bool(points.isfinite().all())


def _mean(values: Any) -> float:
    values = np.asarray(values, dtype=np.float64)
    return float(values.mean()) if values.size else math.nan
