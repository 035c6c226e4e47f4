"""Rows of earlier batches, which are only candidates of this one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.errors import UsageError


@dataclass(frozen=True)
class OlderRows:
    """Rows of earlier batches, which have no gradient.

    Args:
        rows: (M, D).
        labels: (M, ...); None for keys, whose queries are gone.
    """

    rows: Tensor
    labels: Tensor | None

    def check(self, rows: Tensor, labels: Tensor | None) -> None:
        """They must be comparable with the rows of this batch.

        Raises:
            UsageError: another width, or labels of another kind.
        """
        if self.rows.shape[0] == 0:
            return
        if rows.shape[1] != self.rows.shape[1]:
            raise UsageError(
                f"embeddings must have the width of those in the memory bank, D={self.rows.shape[1]}, "
                f"got D={rows.shape[1]}; reset() forgets them"
            )
        if self.labels is None or labels is None:
            return
        if labels.shape[1:] != self.labels.shape[1:] or labels.dtype != self.labels.dtype:
            raise UsageError(
                f"labels must be like those in the memory bank, {_kind(self.labels)}, "
                f"got {_kind(labels)}; reset() forgets them"
            )

    def below(self, rows: Tensor) -> Tensor:
        """(N + M, D): the older rows below the given ones."""
        return rows if self.rows.shape[0] == 0 else torch.cat([rows, self.rows.to(rows)])

    def labels_below(self, labels: Tensor) -> Tensor:
        """(N + M, ...): their labels below the given ones; -1 where they have none, which is the index of no row."""
        if self.rows.shape[0] == 0:
            return labels
        older = labels.new_full((self.rows.shape[0],), -1) if self.labels is None else self.labels.to(labels.device)
        return torch.cat([labels, older])

    def none(self) -> OlderRows:
        """The same without any row."""
        return OlderRows(self.rows[:0], None)


def _kind(labels: Tensor) -> str:
    shape = "".join(f", {size}" for size in labels.shape[1:]) or ","
    return f"(N{shape}) of {labels.dtype}"
