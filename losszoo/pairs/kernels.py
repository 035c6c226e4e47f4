"""From embeddings to the scores of a block of pairs, and from gradients on them back to the embeddings."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from losszoo.losses.similarity import pairwise_logits

# Gradients on rows and on columns.
Gradients = tuple[Tensor | None, Tensor | None]
# Up to this many multiplications differences are formed one by one.
_FEW = 1 << 15
# Nearest neighbours so many times closer than the points are spread leave float32 too few digits for the gradient.
_CLOSE = 16.0
# Logits within so much of each other have sums of exponentials that keep their digits: e^-40 is 4e-18.
_BOUNDED = 40.0


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


class Geometry(ABC):
    """One similarity of (N, D) rows to (M, D) columns.

    It gives *scores*: the logits (``sign`` 1), or their negatives, the distances (``sign`` -1), which saves a pass.

    Args:
        rows: (N, D).
        columns: (M, D), the same tensor as the rows where they are each other's candidates.
        wanted: whether gradients on rows and on columns are asked for.
    """

    sign = 1.0
    # Whether gradients are carried back by the scores themselves.
    keeps_scores = False
    # What no logit exceeds, where none is so far below it that its exponential counts for nothing.
    bound: float | None = None

    def __init__(self, rows: Tensor, columns: Tensor, wanted: tuple[bool, bool]) -> None:
        self.rows, self.columns, self.wanted = rows, columns, wanted
        self.same = columns is rows
        # What products are formed of, and what the gradients on them are added up in.
        self.x, self.y = rows, columns
        self.by_row: Tensor | None = None
        self.by_column: Tensor | None = None

    def start(self) -> None:
        """Nothing carried yet; every block writes its own rows, and adds to all columns."""
        self.by_row = torch.empty_like(self.x) if self.wanted[0] else None
        self.by_column = torch.zeros_like(self.y) if self.wanted[1] else None

    @abstractmethod
    def scores(self, block: slice, out: Tensor) -> Tensor:
        """The (rows, M) block of the scores, in the buffer ``out``."""

    @abstractmethod
    def accumulate_grad(self, block: slice, scores: Tensor, gradients: Tensor, nearest: Tensor | None = None) -> None:
        """Add up what the gradients on a block of the scores mean for rows and columns; both buffers may be spoilt.

        Args:
            block: rows of it.
            scores: (rows, M), looked at where :attr:`keeps_scores`.
            gradients: (rows, M).
            nearest: (rows, 1), the best score of each row but its own place, where it is known.
        """

    def _add(self, block: slice, gradients: Tensor, left: Tensor) -> None:
        """Gradients times columns for the rows, and the other way round; one product where a block is all of it."""
        if self.same and gradients.shape[0] == self.y.shape[0] and self.by_row is not None:
            torch.mm(gradients + gradients.T, self.y, out=self.by_row)
            self.by_column = None
            return
        if self.by_row is not None:
            torch.mm(gradients, self.y, out=self.by_row[block])
        if self.by_column is not None:
            self.by_column.addmm_(gradients.T, left[block])

    @abstractmethod
    def gradients(self) -> Gradients:
        """Gradients on the rows and columns that were given."""


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
