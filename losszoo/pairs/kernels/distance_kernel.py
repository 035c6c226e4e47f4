"""Distances and their squares in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.pairs.kernels.kernel import Geometry, Gradients

# Nearest neighbours so many times closer than the points are spread leave float32 too few digits for the gradient.
_CLOSE = 16.0


class Distances(Geometry):
    """Distances, or their squares, over the temperature, by one matrix product in float64.

    The product |x|^2 + |y|^2 - 2xy cancels: in float32, two rows a thousand times closer to each other than to the
    centre keep no digit of their distance. In float64 they keep all that float32 can hold. The gradients are carried
    back by products too, each point times the sum of its gradients minus the sum over the others, which cancel in the
    same way; in float32 where nearest neighbours are not much closer than all others, else in float64.
    """

    sign = -1.0

    def __init__(
        self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool], temperature: float, squared: bool
    ) -> None:
        super().__init__(rows, columns, wanted)
        self.keeps_scores = not squared
        self.squared, self.factor = squared, temperature**-0.5 if squared else 1 / temperature
        # The mean is taken off in float64, where that rounds nothing that the rows hold.
        centre = columns.sum(0, dtype=torch.float64) / max(columns.shape[0], 1)
        self.points = _prepared(columns, centre, self.factor)
        self.wide_y = self.points[:, :-1]
        self.wide_x = self.wide_y if self.same else _prepared(rows, centre, self.factor)[:, :-1]
        self.x, self.y = self.wide_x.to(rows.dtype), self.wide_y.to(columns.dtype)
        if self.same:
            self.x = self.y
        self._fine: Sums | None = None
        self._prepare()

    def _prepare(self) -> None:
        norms = self.points[:, -1]
        self.right = self.points.T
        self.left = torch.empty(self.rows.shape[0], self.points.shape[1], dtype=torch.float64, device=self.rows.device)
        torch.mul(self.wide_x[:, :-1], -2, out=self.left[:, :-2])
        # What rounding leaves of two equal rows comes out as 0: their norm is taken a little short.
        short = norms if self.same else _norms(self.wide_x[:, :-1])
        self.left[:, -2] = short * (1 - 64 * torch.finfo(torch.float64).eps)
        self.left[:, -1] = 1.0
        self._reach = float(norms.amax().sqrt()) if norms.numel() else 0.0
        self._product: Tensor | None = None

    def start(self) -> None:
        super().start()
        self._fine = None

    def scores(self, block: slice, out: Tensor) -> Tensor:
        product = torch.mm(self.left[block], self.right, out=self._wide(out))
        out.copy_(product).clamp_(min=0.0)
        return out if self.squared else out.sqrt_()

    def accumulate_grad(self, block: slice, scores: Tensor, gradients: Tensor, nearest: Tensor | None = None) -> None:
        fine = gradients.dtype != torch.float64 and self._close(nearest)
        if not self.squared:
            # Infinity for distance 0, so that the pair's gradient is 0.
            gradients.div_(torch.threshold_(scores, 0.0, torch.inf))
        if not fine:
            self._add(block, gradients, self.x)
            return
        if self._fine is None:
            self._fine = Sums(self.wide_x, self.wide_y, self.wanted)
        self._fine.add(block, self._wide(gradients).copy_(gradients))
        if self.by_row is not None:
            self.by_row[block] = 0.0

    def gradients(self) -> Gradients:
        gradient = 2 * self.factor if self.squared else self.factor
        found = [_apart(self.by_row, self.x), _apart(self.by_column, self.y)]
        if self._fine is not None:
            fine = _apart(self._fine.by_row, self.wide_x), _apart(self._fine.by_column, self.wide_y)
            found = [x if y is None else y if x is None else x + y for x, y in zip(found, fine, strict=True)]
        by_row, by_column = (None if x is None else (x * gradient).to(self.rows.dtype) for x in found)
        if self.same and by_row is not None and by_column is not None:
            return by_row.add_(by_column), None
        return by_row, by_column

    def _close(self, nearest: Tensor | None) -> bool:
        """Whether most rows of a block have a neighbour much closer than the points are spread; unknown is yes."""
        if nearest is None:
            return True
        middle = float(nearest.median())
        return (middle**0.5 if self.squared else middle) * _CLOSE < self._reach

    def _wide(self, like: Tensor) -> Tensor:
        if self._product is None or self._product.shape[0] < like.shape[0]:
            self._product = like.new_empty(like.shape, dtype=torch.float64)
        return self._product[: like.shape[0]]


class FewDistances(Distances):
    """The same of so few pairs that each difference is formed by itself, which is exact."""

    def _prepare(self) -> None:
        self.right = self.columns if self.factor == 1 else self.columns * self.factor
        self.left = self.right
        if not self.same:
            self.left = self.rows if self.factor == 1 else self.rows * self.factor
        self._product = None

    def scores(self, block: slice, out: Tensor) -> Tensor:
        distances = torch.cdist(self.left[block], self.right, compute_mode="donot_use_mm_for_euclid_dist")
        # An infinite row would pass for one that is merely far.
        distances.nan_to_num_(nan=torch.nan, posinf=torch.nan)
        return distances.square_() if self.squared else distances

    def _close(self, nearest: Tensor | None) -> bool:
        return True


class Sums:
    """What gradients in float64 add up to.

    Args:
        x: (N, D + 1), rows with a column of ones.
        y: (M, D + 1), columns with a column of ones.
        wanted: whether rows, and columns, are asked for.
    """

    def __init__(self, x: Tensor, y: Tensor, wanted: tuple[bool, bool]) -> None:
        self.x, self.y = x, y
        self.by_row = torch.zeros_like(x) if wanted[0] else None
        self.by_column = torch.zeros_like(y) if wanted[1] else None

    def add(self, block: slice, gradients: Tensor) -> None:
        """A block of gradients."""
        if self.by_row is not None:
            torch.mm(gradients, self.y, out=self.by_row[block])
        if self.by_column is not None:
            self.by_column.addmm_(gradients.T, self.x[block])


def _apart(sums: Tensor | None, points: Tensor) -> Tensor | None:
    """Gradients times the differences: each point times the sum of its gradients, minus the sum over the others."""
    return None if sums is None else torch.addcmul(-sums[:, :-1], points[:, :-1], sums[:, -1:])


def _prepared(points: Tensor, centre: Tensor, factor: float) -> Tensor:
    """(N, D + 2) in float64: points about the centre, a column of ones, and their squared lengths.

    A product with gradients turns the ones into the sum of the gradients.
    """
    made = torch.empty(points.shape[0], points.shape[1] + 2, dtype=torch.float64, device=points.device)
    inner = made[:, :-2].copy_(points).sub_(centre).mul_(factor)
    made[:, -2] = 1.0
    made[:, -1] = _norms(inner)
    return made


def _norms(points: Tensor) -> Tensor:
    """(N,): squared lengths, formed without another tensor of the size of the points."""
    lengths: Tensor = torch.linalg.vector_norm(points, dim=1)
    return lengths.square_()
