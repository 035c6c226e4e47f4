"""Cosines and dot products in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.pairs.kernels.kernel import Geometry, Gradients

# Logits within so much of each other have sums of exponentials that keep their digits: e^-40 is 4e-18.
_BOUNDED = 40.0


class Products(Geometry):
    """Dot products, of unit vectors where ``cosine``, divided by the temperature."""

    def __init__(
        self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool], temperature: float, cosine: bool
    ) -> None:
        super().__init__(rows, columns, wanted)
        self.temperature = temperature
        self.lengths: Tensor | None = None
        self.column_lengths: Tensor | None = None
        if cosine:
            self.x, self.lengths = _unit(rows)
            self.y, self.column_lengths = (self.x, self.lengths) if self.same else _unit(columns)
            self.bound = cosine_bound(temperature)
        self.left = self.x / temperature

    def scores(self, block: slice, out: Tensor) -> Tensor:
        return torch.mm(self.left[block], self.y.T, out=out)

    def accumulate_grad(self, block: slice, scores: Tensor, gradients: Tensor, nearest: Tensor | None = None) -> None:
        self._add(block, gradients, self.left)

    def gradients(self) -> Gradients:
        by_row = None if self.by_row is None else self.by_row.div_(self.temperature)
        if self.same and by_row is not None and self.by_column is not None:
            return self._along(by_row.add_(self.by_column), self.x, self.lengths), None
        return self._along(by_row, self.x, self.lengths), self._along(self.by_column, self.y, self.column_lengths)

    @staticmethod
    def _along(gradients: Tensor | None, units: Tensor, lengths: Tensor | None) -> Tensor | None:
        """Through the division by the length: what points along the row has no effect."""
        if gradients is None or lengths is None:
            return gradients
        across = gradients.addcmul_(units, (gradients * units).sum(1, keepdim=True), value=-1)
        return across.div_(lengths)


def cosine_bound(temperature: float) -> float | None:
    """What no cosine over the temperature exceeds, where none is too far below it for an exponential to tell."""
    return 1 / temperature if 2 / temperature < _BOUNDED else None


def _unit(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows divided by their length, and the length; where that cannot be represented the row is 0, as its gradients."""
    # In float64 the squares of small entries do not vanish.
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=torch.float64).to(rows.dtype)
    # An infinite length makes the row zero, and its gradients.
    lengths = torch.where(lengths < torch.finfo(rows.dtype).tiny, torch.inf, lengths)
    return rows / lengths, lengths
