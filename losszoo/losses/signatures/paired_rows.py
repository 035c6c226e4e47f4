"""The inputs of a row function over pairs: rows, candidates, and the labels that decide which pairs are positive."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PairedRows(NamedTuple):
    """How a signature's inputs form pairs.

    Args:
        rows: (N, D).
        row_labels: (N, ...); who has the same label is positive.
        columns: (M, D), the candidates; None where they are the rows themselves, and no row is its own candidate.
        column_labels: (M, ...); None where the candidates are the rows.
        own: (N,) index of each row among the candidates, -1 where it is absent; None where no row is one.
    """

    rows: Tensor
    row_labels: Tensor
    columns: Tensor | None = None
    column_labels: Tensor | None = None
    own: Tensor | None = None
