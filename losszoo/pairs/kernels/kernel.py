"""What a similarity must do to be streamed: a block of the pair matrix, and its gradients carried back to the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

# Gradients on rows and on columns.
Gradients = tuple[Tensor | None, Tensor | None]


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
