"""Positives and negatives of one block of rows, as slices where the labels are sorted and as masks where they mix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SelfColumn:
    """The column of each row of a block that is the row itself.

    Args:
        start: row r of the block is column start + r; used where ``columns`` is None.
        columns: (rows,), -1 where a row is no candidate.
    """

    start: int = 0
    columns: Tensor | None = None

    def inside(self, start: int, stop: int) -> SelfColumn:
        """The own places as seen from the band of columns from ``start`` to ``stop``."""
        if self.columns is None:
            return SelfColumn(self.start - start)
        within = (self.columns >= start) & (self.columns < stop)
        return SelfColumn(columns=torch.where(within, self.columns - start, -1))

    def places(self, rows: int, columns: int, device: torch.device) -> Tensor:
        """(rows, columns) boolean: where the own places are."""
        own = torch.arange(self.start, self.start + rows, device=device) if self.columns is None else self.columns
        return own.unsqueeze(1) == torch.arange(columns, device=device)

    def fill(self, matrix: Tensor, value: float) -> None:
        """Write the value to the own places of a (rows, M) matrix."""
        if self.columns is None:
            matrix[:, self.start : self.start + matrix.shape[0]].fill_diagonal_(value)
            return
        if matrix.shape[1] > 0:
            place = self.columns.clamp(min=0).unsqueeze(1)
            matrix.scatter_(1, place, torch.where(self.columns.unsqueeze(1) < 0, matrix.gather(1, place), value))


@dataclass(frozen=True)
class Masks:
    """Which of M columns are positive and which are negative for a block of rows.

    All positives lie in the band of columns from ``start`` to ``stop``, and all other columns are negative. Within
    the band they are told by factors of 0 and 1, in the numbers' own dtype: a product with them costs a quarter of a
    selection by a boolean mask. Own places are 0 in both.

    Args:
        rows: of the block.
        start: of the band.
        stop: of the band.
        own: the rows' own places; None where no row is a candidate.
        positive: (rows, stop - start); None: every column in the band but the row itself.
        negative: as ``positive``; None: no column in the band.
        partial: whether a column other than the row itself may be neither.
    """

    rows: int
    start: int
    stop: int
    own: SelfColumn | None
    positive: Tensor | None = None
    negative: Tensor | None = None
    partial: bool = False

    def inside(self, matrix: Tensor) -> Tensor:
        """The band of a (rows, M) matrix."""
        return matrix[:, self.start : self.stop]

    def outside(self, matrix: Tensor) -> list[Tensor]:
        """What is left and right of the band."""
        found = []
        if self.start > 0:
            found.append(matrix[:, : self.start])
        if self.stop < matrix.shape[1]:
            found.append(matrix[:, self.stop :])
        return found

    def fill_own(self, matrix: Tensor, value: float) -> None:
        """Write the value to the own places of a (rows, M) matrix."""
        if self.own is not None:
            self.own.fill(matrix, value)

    def nearest(self, scores: Tensor, sign: float) -> Tensor:
        """(rows, 1): the best score of a positive, some finite number where there is none; own places are out."""
        left_out = 1 - self.positive if self.partial and self.positive is not None else self.negative
        return self._best([], left_out, sign, scores)

    def furthest(self, scores: Tensor, sign: float) -> Tensor:
        """(rows, 1): the best score of a negative, some finite number where there is none; own places are out."""
        if self.negative is None:
            return self._best(self.outside(scores), None, sign, scores, band=False)
        left_out = 1 - self.negative if self.partial else self.positive
        return self._best(self.outside(scores), left_out, sign, scores)

    def choose(self, positive: Tensor, negative: Tensor) -> Tensor:
        """For the band, one (rows, 1) column or the other."""
        if self.positive is None or self.negative is None:
            return positive
        return (self.positive * positive).addcmul_(self.negative, negative)

    def positive_sum(self, band: Tensor) -> Tensor:
        """(rows, 1): sum of a band over the positives. Own places hold 0 where the band is all positive."""
        return (band if self.positive is None else band * self.positive).sum(1, keepdim=True)

    def negative_sum(self, terms: Tensor) -> Tensor:
        """(rows, 1): sum of a (rows, M) matrix over the negatives."""
        total = None
        for part in self.outside(terms):
            found = part.sum(1, keepdim=True)
            total = found if total is None else total + found
        if self.negative is not None:
            found = (terms[:, self.start : self.stop] * self.negative).sum(1, keepdim=True)
            total = found if total is None else total + found
        return terms.new_zeros(self.rows, 1) if total is None else total

    def positive_counts(self, like: Tensor) -> Tensor:
        """(rows, 1): number of positives, at least 1."""
        if self.positive is not None:
            return self.positive.sum(1, keepdim=True).clamp_(min=1)
        counts = like.new_full((self.rows, 1), self.stop - self.start)
        if self.own is not None:
            inside = like.new_zeros(self.rows, self.stop - self.start)
            self.own.inside(self.start, self.stop).fill(inside, 1.0)
            counts -= inside.sum(1, keepdim=True)
        return counts.clamp_(min=1)

    def scale(self, terms: Tensor, positive: Tensor, negative: Tensor) -> None:
        """Multiply positives and negatives of a (rows, M) matrix by their (rows, 1) factors, and all else by 0."""
        for part in self.outside(terms):
            part.mul_(negative)
        self.inside(terms).mul_(self.choose(positive, negative))

    def add_to_positives(self, terms: Tensor, amount: Tensor) -> None:
        """Add a (rows, 1) amount to every positive of a (rows, M) matrix, in place; own places may be left wrong."""
        band = self.inside(terms)
        if self.positive is None:
            band.add_(amount)
        else:
            band.addcmul_(self.positive, amount)

    def _best(
        self, parts: list[Tensor], left_out: Tensor | None, sign: float, scores: Tensor, band: bool = True
    ) -> Tensor:
        """The best of each row over some parts and the band, in which what is left out is so far off that it loses."""
        limit = torch.finfo(scores.dtype).max / 4
        if band and self.stop > self.start:
            inner = scores[:, self.start : self.stop]
            parts.append(inner if left_out is None else torch.sub(inner, left_out, alpha=sign * 2 * limit))
        peak = None
        for part in parts:
            found = part.amax(1, keepdim=True) if sign > 0 else part.amin(1, keepdim=True)
            best = torch.maximum if sign > 0 else torch.minimum
            peak = found if peak is None else best(peak, found)
        if peak is None:
            peak = scores.new_full((self.rows, 1), -sign * limit)
        return peak.clamp_(-limit, limit)
