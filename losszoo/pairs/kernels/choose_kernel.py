"""Which form of a similarity these numbers allow."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from losszoo.losses.similarity import pairwise_logits
from losszoo.pairs.kernels.distance_kernel import Distances, FewDistances
from losszoo.pairs.kernels.dot_kernel import Products
from losszoo.pairs.kernels.kernel import Geometry, Gradients

# Up to this many multiplications differences are formed one by one.
_FEW = 1 << 15


class Careful(Geometry):
    """Any similarity at numbers whose squares leave the range: block by block as :func:`pairwise_logits` forms them."""

    def __init__(
        self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool], temperature: float, similarity: str
    ) -> None:
        super().__init__(rows, columns, wanted)
        self.temperature, self.similarity = temperature, similarity

    def scores(self, block: slice, out: Tensor) -> Tensor:
        return out.copy_(pairwise_logits(self.rows[block], self.columns, self.similarity, self.temperature))

    def accumulate_grad(self, block: slice, scores: Tensor, gradients: Tensor, nearest: Tensor | None = None) -> None:
        with torch.enable_grad():
            x, y = self.rows[block].detach().requires_grad_(), self.columns.detach().requires_grad_()
            logits = pairwise_logits(x, y, self.similarity, self.temperature)
        by_row, by_column = torch.autograd.grad(logits, (x, y), gradients)
        if self.by_row is not None:
            self.by_row[block] = by_row
        if self.by_column is not None:
            self.by_column += by_column

    def gradients(self) -> Gradients:
        if self.same and self.by_row is not None and self.by_column is not None:
            return self.by_row + self.by_column, None
        return self.by_row, self.by_column


def geometry(rows: Tensor, columns: Tensor, similarity: str, temperature: float, wanted: tuple[bool, bool]) -> Geometry:
    """The similarity, prepared in the way that these numbers allow."""
    if not ordinary(rows, columns, similarity, temperature):
        return Careful(rows, columns, wanted, temperature, similarity)
    if similarity in ("cosine", "dot"):
        return Products(rows, columns, wanted, temperature, similarity == "cosine")
    few = rows.shape[0] * columns.shape[0] * rows.shape[1] <= _FEW
    kind = FewDistances if few else Distances
    return kind(rows, columns, wanted, temperature, similarity == "squared-euclidean")


def ordinary(rows: Tensor, columns: Tensor, similarity: str, temperature: float) -> bool:
    """Whether no square, product or quotient of these numbers can leave the range; NaN and infinity are as they are."""
    if rows.numel() == 0 or columns.numel() == 0:
        return True
    if rows.device.type == "mps":
        return similarity in ("cosine", "dot")
    peak = rows.detach().abs().amax()
    largest = float(peak if rows is columns else torch.maximum(peak, columns.detach().abs().amax()))
    if largest == 0 or not math.isfinite(largest):
        return True
    # About 1e10 of 1e38 in float32: room for the square, the dimensions, and what the temperature divides.
    room = float(torch.finfo(rows.dtype).max) ** 0.27
    return bool(1 / room < largest and largest * max(1.0, 1 / temperature) < room)
