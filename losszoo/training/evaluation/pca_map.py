"""An embedding as a picture: its rows in the plane of their two widest directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from losszoo.errors import UsageError

# More dots than these hide each other, and are slow to draw.
MOST_ROWS = 1000
_DIGITS = 5


def embedding_map(features: Tensor, targets: Tensor, classes: Sequence[str]) -> dict[str, Any]:
    r"""The two first principal components of an embedding, as plain data.

    .. math:: X - \bar X = U S V^\top, \qquad (x, y) = (X - \bar X)\, V_{:, :2}

    For a picture of what a loss has learned, written beside the result of a run. Of a direction and its opposite, the
    one is taken whose largest loading is positive, so that the same embedding gives the same picture.

    Args:
        features: (N, D), of the test rows. Rows that are not finite are left out, and of more than 1,000 every
            N/1,000th is taken.
        targets: (N,), int64 classes, or numbers of a regression.
        classes: their names in the order of the labels; empty for a regression.

    Returns:
        ``part``, ``method``, ``x``, ``y`` and ``targets`` of each row kept, and ``classes``. Coordinates have five
        digits.

    Raises:
        UsageError: features and targets do not go together.

    Example:
        >>> found = embedding_map(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]), ["cat", "dog"])
        >>> found["x"], found["y"], found["targets"]
        ([-1.0, 1.0], [0.0, 0.0], [0, 1])
    """
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        raise UsageError(
            "features and targets must have the shapes (N, D) and (N,), got "
            f"{tuple(features.shape)} and {tuple(targets.shape)}"
        )
    rows, wanted = _chosen(features.detach().cpu().double(), targets.detach().cpu())
    plane = _principal(rows)
    return {
        "part": "test",
        "method": "pca",
        "x": _rounded(plane[:, 0]),
        "y": _rounded(plane[:, 1]),
        "targets": _rounded(wanted) if wanted.is_floating_point() else wanted.tolist(),
        "classes": [str(name) for name in classes],
    }


def _chosen(rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The finite rows, or as many of them as a picture can hold, at equal distances in the order given."""
    finite = rows.isfinite().all(1) & (targets.isfinite() if targets.is_floating_point() else True)
    kept = finite.nonzero().squeeze(1)
    if len(kept) > MOST_ROWS:
        kept = kept[torch.arange(MOST_ROWS) * len(kept) // MOST_ROWS]
    return rows[kept], targets[kept]


def _principal(rows: Tensor) -> Tensor:
    """(N, 2) coordinates; an axis on which the rows differ by rounding alone is 0."""
    if len(rows) < 2 or bool((rows == rows[0]).all()):  # in one point there are no directions
        return rows.new_zeros(len(rows), 2)
    from sklearn.decomposition import PCA  # type: ignore[import-untyped, unused-ignore]

    scale = rows.abs().amax().clamp_min(torch.finfo(rows.dtype).tiny)
    # One column still has a plane to lie in.
    scaled = F.pad(rows / scale, (0, max(0, 2 - rows.shape[1])))
    model = PCA(n_components=2, svd_solver="full")
    plane = torch.from_numpy(model.fit_transform(scaled.numpy()))
    noise = torch.finfo(rows.dtype).eps * max(scaled.shape)
    told = torch.from_numpy(model.singular_values_) > noise
    result: Tensor = torch.where(told, plane, 0.0) * scale
    return result


def _rounded(values: Tensor) -> list[float]:
    """Numbers short enough to be kept by the thousand; -0.0 is 0.0."""
    return [float(f"{value:.{_DIGITS}g}") + 0.0 for value in values.tolist()]
