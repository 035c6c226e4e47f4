"""How the engine works: what a user may choose, and how many rows a block takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch

from losszoo.common.text import shown
from losszoo.errors import UsageError

RANKS = ("local", "gather", "ring")
# Numbers that are held at a time for each pair of a row, the float64 product counting twice: as measured where classes
# mix, and by the hungriest row function, all triplets.
SOFTMAX_NUMBERS = 7
_ROW_FUNCTION_NUMBERS = 36
MEBIBYTE = 1 << 20
# MiB; more than any machine has, and bytes of it can be counted.
_MOST = 1 << 40


@dataclass(frozen=True)
class Tuning:
    """Where one way of working becomes faster than another; none changes a result.

    Args:
        few: pairs up to which all terms of a softmax are kept.
        few_rows: pairs up to which a row function sees the whole matrix at once.
        sort_from: pairs from which it pays to sort the labels.
        class_rows: mean size of the classes from which each gets blocks of its own.
        cpu_rows: rows of a block on the CPU: enough for a matrix product at full speed, few enough for the cache.
        other_rows: rows of a block elsewhere.
        block_pairs: a smaller block is not worth the calls.
        few_both: as ``few``, of a softmax over the rows and over the columns.
    """

    few: int = 1 << 19
    few_rows: int = 1 << 18
    sort_from: int = 1 << 19
    class_rows: int = 32
    cpu_rows: int = 64
    other_rows: int = 4096
    block_pairs: int = 1 << 19
    few_both: int = 1 << 22


TUNING = Tuning()


@dataclass(frozen=True)
class Streaming:
    """How a loss over pairs works through the pair matrix.

    Args:
        memory: MiB that blocks of pairs may take, > 0; without a meaning where the whole matrix is formed.
        dense: form the whole matrix at once, by operations that can be differentiated twice.
        compile: compile a row function with ``torch.compile`` (one that :func:`losszoo.softmax_row` declares needs
            none). The first call of each shape then takes seconds.
        ranks: whose rows are candidates under ``torch.distributed``: "local" (this rank's), "gather" (all ranks',
            collected here) or "ring" (all ranks', passed around, so that each holds the share of one).

    Raises:
        UsageError: a value out of range.

    Example:
        >>> Streaming(memory=64).dense
        False
    """

    memory: float = 256.0
    dense: bool = False
    compile: bool = False
    ranks: str | None = None

    def __post_init__(self) -> None:
        number = isinstance(self.memory, int | float) and not isinstance(self.memory, bool)
        if not number or not 0 < self.memory <= sys.float_info.max:
            raise UsageError(f"memory must be a finite number of MiB > 0, got {shown(self.memory)}")
        for name in ("dense", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.dense and self.compile:
            raise UsageError(
                "compile must be False with dense=True, got True: a row function is compiled for blocks, and the whole "
                "matrix has none"
            )
        if self.ranks is not None and self.ranks not in RANKS:
            raise UsageError(f"ranks must be one of {', '.join(RANKS)}, got {self.ranks!r}")

    def block_rows(self, columns: int, dtype: torch.dtype, device: torch.device, *, softmax: bool) -> int:
        """How many rows a block takes.

        Raises:
            UsageError: the memory does not suffice for one row.
        """
        numbers = SOFTMAX_NUMBERS if softmax else _ROW_FUNCTION_NUMBERS
        row = max(columns, 1) * dtype.itemsize * numbers
        rows = int(min(self.memory, _MOST) * MEBIBYTE // row)
        if rows < 1:
            raise UsageError(
                f"memory must be enough for one row of {columns} pairs, at least {_rounded_up(row / MEBIBYTE)} MiB, "
                f"got {self.memory!r}"
            )
        wanted = TUNING.cpu_rows if device.type == "cpu" else TUNING.other_rows
        return min(rows, max(wanted, TUNING.block_pairs // max(columns, 1)))


def _rounded_up(mebibytes: float) -> float:
    """To two digits that are not too few."""
    return -(-mebibytes * 100 // 1) / 100
