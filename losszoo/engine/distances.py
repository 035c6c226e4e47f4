"""Distances and their squares in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.engine.geometry import Geometry, Gradients


class Distances(Geometry):
    """Distances, or their squares, over the temperature, by one matrix product in float64.

    The product |x|^2 + |y|^2 - 2xy cancels: in float32, two rows a thousand times closer to each other than to the
    centre keep no digit of their distance. In float64 they keep all that float32 can hold.
    """

    sign = -1.0

    def __init__(
        self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool], temperature: float, squared: bool
    ) -> None:
        super().__init__(rows, columns, wanted)
        self.keeps_measure = not squared
        self.squared, self.factor = squared, temperature**-0.5 if squared else 1 / temperature
        self._prepare()

    def _prepare(self) -> None:
        rows, columns = self.rows, self.columns
        y = columns.double()
        # The mean is taken off in float64, where that rounds nothing that the rows hold.
        centre = y.mean(0)
        y = (y - centre).mul_(self.factor)
        x = y if self.same else (rows.double() - centre).mul_(self.factor)
        # What rounding leaves of two equal rows comes out as 0: their norm is taken a little short.
        short = _norms(x).mul_(1 - 64 * torch.finfo(torch.float64).eps)
        self.left = torch.cat([-2 * x, short, torch.ones_like(short)], 1)
        self.right = torch.cat([y, y.new_ones(y.shape[0], 1), _norms(y)], 1).T
        self.y = _with_ones(y.to(columns.dtype))
        self.x = self.y if self.same else _with_ones(x.to(rows.dtype))
        self._product: Tensor | None = None

    def measure(self, block: slice, out: Tensor) -> Tensor:
        product = torch.mm(self.left[block], self.right, out=self._wide(out))
        out.copy_(product).clamp_(min=0.0)
        return out if self.squared else out.sqrt_()

    def carry(self, block: slice, measure: Tensor, slopes: Tensor) -> None:
        if not self.squared:
            # Infinity for distance 0, so that the pair's gradient is 0.
            slopes.div_(torch.threshold_(measure, 0.0, torch.inf))
        self._add(block, slopes, self.x)

    def gradients(self) -> Gradients:
        slope = 2 * self.factor if self.squared else self.factor
        if self.same and self.by_row is not None and self.by_column is not None:
            return self._apart(self.by_row.add_(self.by_column), self.x, slope), None
        return self._apart(self.by_row, self.x, slope), self._apart(self.by_column, self.y, slope)

    @staticmethod
    def _apart(sums: Tensor | None, points: Tensor, slope: float) -> Tensor | None:
        """Slopes times the differences: each point times the sum of its slopes, minus the sum over the others."""
        if sums is None:
            return None
        apart = torch.addcmul(-sums[:, :-1], points[:, :-1], sums[:, -1:])
        return apart if slope == 1 else apart.mul_(slope)

    def _wide(self, out: Tensor) -> Tensor:
        if self._product is None or self._product.shape[0] < out.shape[0]:
            self._product = out.new_empty(out.shape, dtype=torch.float64)
        return self._product[: out.shape[0]]


class FewDistances(Distances):
    """The same of so few pairs that each difference is formed by itself, which is exact."""

    def _prepare(self) -> None:
        self.right = self.columns if self.factor == 1 else self.columns * self.factor
        self.left = self.right
        if not self.same:
            self.left = self.rows if self.factor == 1 else self.rows * self.factor
        # Slopes are carried back by products, which cancel in a cluster far from the origin.
        centre = self.right.sum(0) / max(self.right.shape[0], 1)
        self.y = _with_ones(self.right - centre)
        self.x = self.y if self.same else _with_ones(self.left - centre)

    def measure(self, block: slice, out: Tensor) -> Tensor:
        distances = torch.cdist(self.left[block], self.right, compute_mode="donot_use_mm_for_euclid_dist")
        # An infinite row would pass for one that is merely far.
        distances.nan_to_num_(nan=torch.nan, posinf=torch.nan)
        return distances.square_() if self.squared else distances


def _norms(points: Tensor) -> Tensor:
    return (points * points).sum(1, keepdim=True)


def _with_ones(points: Tensor) -> Tensor:
    """A column of ones, which a product with slopes turns into their sum."""
    return torch.cat([points, points.new_ones(points.shape[0], 1)], 1)
