"""Learned rows of each class: what the losses share that compare an embedding with classes, not with other rows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from losszoo import UsageError, masked_logsumexp, safe_sqrt
from losszoo_plugins.closed_form import only_plain
from losszoo_plugins.pairs import directions

# In float64 two directions that are equal but for rounding are about this far apart.
_SAME = 2.0**-50


class Rows(NamedTuple):
    """Embeddings that take part, 0 elsewhere; their classes; who takes part; and the learned rows in their dtype."""

    embeddings: Tensor
    labels: Tensor
    present: Tensor
    weight: Tensor


class ClassRows(nn.Module):
    """One or several learned rows of each class, (classes * each, dim): those of a class stand together.

    Args:
        classes: how many; None takes it from the data of a run.
        dim: width; None takes it from the model of a run.
        each: rows of a class, >= 1.
    """

    weight: nn.Parameter | None

    def __init__(self, classes: int | None, dim: int | None, each: int = 1) -> None:
        super().__init__()
        for name, value in (("classes", classes), ("dim", dim), ("centers", each)):
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, got {value}")
        self.classes, self.dim, self._each = classes, dim, each
        self.register_parameter("weight", None)
        self._make_rows()

    def set_sizes(self, classes: int, dim: int) -> None:
        """Sizes of the data, for what was left open."""
        self.classes = classes if self.classes is None else self.classes
        self.dim = dim if self.dim is None else self.dim
        self._make_rows()

    def _make_rows(self) -> None:
        if self.weight is None and self.classes is not None and self.dim is not None:
            # Of about length 1, so that a step of the optimiser turns each by about the same angle.
            self.weight = nn.Parameter(torch.randn(self.classes * self._each, self.dim) * self.dim**-0.5)

    def rows(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None) -> Rows:
        """What is computed with.

        Raises:
            UsageError: sizes are not known, or a label or a shape does not fit them.
        """
        if self.weight is None or self.classes is None:
            raise UsageError(
                "classes and dim must be given where no run takes them from its data, got "
                f"classes={self.classes}, dim={self.dim}"
            )
        if embeddings.shape[1] != self.dim:
            raise UsageError(f"embeddings must have shape (N, {self.dim}), got {tuple(embeddings.shape)}")
        if labels.ndim != 1 or labels.is_floating_point():
            raise UsageError(f"labels must be class indices, of shape (N,), got {tuple(labels.shape)} {labels.dtype}")
        present = torch.ones_like(labels, dtype=torch.bool) if mask is None else mask
        if labels.device.type == "cpu" and not only_plain():
            wrong = ((labels < 0) | (labels >= self.classes)) & present
            if bool(wrong.any()):
                raise UsageError(f"labels must be from 0 to {self.classes}-1, got {labels[wrong][0].item()}")
        rows = torch.where(present.unsqueeze(1), embeddings, 0.0)
        return Rows(rows, torch.where(present, labels, 0), present, self.weight.to(rows.dtype))

    def of_class(self, rows: Rows) -> Tensor:
        """The learned rows of each embedding's class, (N, each, dim)."""
        return rows.weight.view(-1, self._each, rows.weight.shape[1])[rows.labels]

    def by_class(self, scores: Tensor) -> Tensor:
        """Scores of all learned rows, (N, classes * each), as (N, classes, each)."""
        return scores.view(len(scores), scores.shape[1] // self._each, self._each)

    def extra_repr(self) -> str:
        return f"classes={self.classes}, dim={self.dim}"


def angles(first: Tensor, second: Tensor) -> Tensor:
    r"""Angle of corresponding rows, in [0, pi]; pi / 2 where one is zero.

    .. math:: \theta = 2 \arctan \frac{\lVert u - v \rVert}{\lVert u + v \rVert}

    By the two chords of unit vectors u and v: the arc cosine has an infinite derivative at 0 and pi, and no digits
    near them. It is computed in float64, as u - v cancels. Where both point one way, or opposite ways, no direction
    leads away from it more than another, and the gradient is 0.

    Args:
        first: (..., D).
        second: (..., D).

    Example:
        >>> angles(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        tensor([0.0000, 1.5708])
    """
    u, v = directions(first.double()), directions(second.double())
    apart, together = _length(u - v), _length(u + v)
    return (2 * torch.atan2(apart, together)).to(first.dtype)


def _length(chord: Tensor) -> Tensor:
    length = safe_sqrt((chord * chord).sum(-1))
    return torch.where(length > _SAME, length, 0.0)


def log_odds_of_others(logits: Tensor, own: Tensor, labels: Tensor) -> Tensor:
    r"""Log odds of all other classes against the own one, (N,); -inf of a single class.

    .. math:: \log \sum_{c \ne y} e^{z_c} - z

    Args:
        logits: (N, C); that of the own class is not looked at.
        own: (N,) z, the logit of the own class.
        labels: (N,) int64.

    Example:
        >>> log_odds_of_others(torch.zeros(1, 3), torch.zeros(1), torch.tensor([0]))
        tensor([0.6931])
    """
    others = torch.arange(logits.shape[1], device=labels.device) != labels.unsqueeze(1)
    return masked_logsumexp(logits, others) - own
