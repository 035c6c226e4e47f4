"""A similarity prepared for blocks of rows: the block of the pair matrix, and its slopes carried back to the rows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from losszoo.contract.similarity import pairwise_logits

# Up to this many multiplications differences are formed one by one.
_FEW = 1 << 15
# Logits within so much of each other have sums of exponentials that keep their digits: e^-40 is 4e-18.
_BOUNDED = 40.0
# Slopes on rows and on columns.
Gradients = tuple[Tensor | None, Tensor | None]


class Geometry(ABC):
    """One similarity of (N, D) rows to (M, D) columns.

    It gives a *measure*: the logits (``sign`` 1), or their negatives, the distances (``sign`` -1), which saves a pass.

    Args:
        rows: (N, D).
        columns: (M, D), the same tensor as the rows where they are each other's candidates.
        wanted: whether slopes on rows and on columns are asked for.
    """

    sign = 1.0
    # Whether slopes are carried back by the measure itself.
    keeps_measure = False
    # What no logit exceeds, where none is so far below it that its exponential counts for nothing.
    bound: float | None = None

    def __init__(self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool]) -> None:
        self.rows, self.columns, self.wanted = rows, columns, wanted
        self.same = columns is rows
        # What products are formed of, and what the slopes on them are added up in.
        self.x, self.y = rows, columns
        self.by_row: Tensor | None = None
        self.by_column: Tensor | None = None

    def start(self) -> None:
        """Nothing carried yet; every block writes its own rows, and adds to all columns."""
        self.by_row = torch.empty_like(self.x) if self.wanted[0] else None
        self.by_column = torch.zeros_like(self.y) if self.wanted[1] else None

    @abstractmethod
    def measure(self, block: slice, out: Tensor) -> Tensor:
        """The (rows, M) block of the measure, in the buffer ``out``."""

    @abstractmethod
    def carry(self, block: slice, measure: Tensor, slopes: Tensor) -> None:
        """Add up what the slopes on a block of the measure mean for rows and columns; both buffers may be spoilt."""

    def _add(self, block: slice, slopes: Tensor, left: Tensor) -> None:
        """Slopes times columns for the rows, and the other way round; one product where a block is the whole matrix."""
        if self.same and slopes.shape[0] == self.y.shape[0] and self.by_row is not None:
            torch.mm(slopes + slopes.T, self.y, out=self.by_row)
            self.by_column = None
            return
        if self.by_row is not None:
            torch.mm(slopes, self.y, out=self.by_row[block])
        if self.by_column is not None:
            self.by_column.addmm_(slopes.T, left[block])

    @abstractmethod
    def gradients(self) -> Gradients:
        """Slopes on the rows and columns that were given."""


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

    def measure(self, block: slice, out: Tensor) -> Tensor:
        return torch.mm(self.left[block], self.y.T, out=out)

    def carry(self, block: slice, measure: Tensor, slopes: Tensor) -> None:
        self._add(block, slopes, self.left)

    def gradients(self) -> Gradients:
        by_row = None if self.by_row is None else self.by_row.div_(self.temperature)
        if self.same and by_row is not None and self.by_column is not None:
            return self._along(by_row.add_(self.by_column), self.x, self.lengths), None
        return self._along(by_row, self.x, self.lengths), self._along(self.by_column, self.y, self.column_lengths)

    @staticmethod
    def _along(slopes: Tensor | None, units: Tensor, lengths: Tensor | None) -> Tensor | None:
        """Through the division by the length: what points along the row has no effect."""
        if slopes is None or lengths is None:
            return slopes
        across = slopes.addcmul_(units, (slopes * units).sum(1, keepdim=True), value=-1)
        return across.div_(lengths)


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


class Careful(Geometry):
    """Any similarity at numbers whose squares leave the range: block by block as :func:`pairwise_logits` forms them."""

    def __init__(
        self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool], temperature: float, similarity: str
    ) -> None:
        super().__init__(rows, columns, wanted)
        self.temperature, self.similarity = temperature, similarity

    def measure(self, block: slice, out: Tensor) -> Tensor:
        return out.copy_(pairwise_logits(self.rows[block], self.columns, self.similarity, self.temperature))

    def carry(self, block: slice, measure: Tensor, slopes: Tensor) -> None:
        with torch.enable_grad():
            x, y = self.rows[block].detach().requires_grad_(), self.columns.detach().requires_grad_()
            logits = pairwise_logits(x, y, self.similarity, self.temperature)
        by_row, by_column = torch.autograd.grad(logits, (x, y), slopes)
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


def cosine_bound(temperature: float) -> float | None:
    """What no cosine over the temperature exceeds, where none is too far below it for an exponential to tell."""
    return 1 / temperature if 2 / temperature < _BOUNDED else None


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


def _unit(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows divided by their length, and the length; a zero row stays zero, as does its gradient."""
    # In float64 the squares of small entries do not vanish.
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=torch.float64).to(rows.dtype)
    # A zero row stays zero, and infinity takes its slopes away.
    return rows / lengths.clamp(min=torch.finfo(rows.dtype).tiny), torch.where(lengths == 0, torch.inf, lengths)


def _norms(points: Tensor) -> Tensor:
    return (points * points).sum(1, keepdim=True)


def _with_ones(points: Tensor) -> Tensor:
    """A column of ones, which a product with slopes turns into their sum."""
    return torch.cat([points, points.new_ones(points.shape[0], 1)], 1)
