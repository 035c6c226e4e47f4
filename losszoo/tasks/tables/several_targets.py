"""Several columns of a table as targets: a yes or no in each, or a number in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.errors import DataError
from losszoo.tasks.tables.columns import Column

Array = npt.NDArray[Any]

KINDS = ("multilabel", "multi-output")
# Rows of one set of labels that can be spread over three parts in their shares.
_FEWEST_OF_A_SET = 10


def read_targets(columns: Sequence[Column], kind: str | None) -> tuple[str, Array, tuple[str, ...]]:
    """Kind, targets (N, K) and names of the outputs.

    Args:
        columns: the targets, without gaps.
        kind: one of :data:`KINDS`; None where the columns tell it: 0 and 1, or yes and no, in each are labels.

    Raises:
        DataError: a column has one value only, holds words or dates, or does not fit the kind or the others.
    """
    for column in columns:
        _check(column)
    values = np.stack([column.values for column in columns], 1)
    strange = next((column for column in columns if not np.isin(column.values, (0, 1)).all()), None)
    yes_no = next((column for column in columns if column.holds == "yes-no"), None)
    if kind == "multilabel" and strange is not None:
        other = strange.values[~np.isin(strange.values, (0, 1))][0]
        raise DataError(f"target {strange.name} of a multilabel task must hold 0 and 1, or yes and no, got {other:g}")
    if strange is not None and yes_no is not None:
        raise DataError(
            f"targets must all hold yes and no, or all hold numbers, got yes and no in {yes_no.name} and numbers in "
            f"{strange.name}; train on them apart"
        )
    kind = kind or ("multilabel" if strange is None else "multi-output")
    typed = values.astype(np.int64) if kind == "multilabel" else values
    return kind, typed, tuple(column.name for column in columns)


def _check(column: Column) -> None:
    if column.holds not in ("numbers", "yes-no"):
        raise DataError(
            f"target {column.name} must hold yes and no, or numbers, beside other targets, got {column.holds}; train "
            "on it alone"
        )
    if len(np.unique(column.values)) < 2:
        raise DataError(f"target {column.name} must have at least two values, got {column.values[0]:g} in every row")


def label_sets(targets: Array) -> Array:
    """(N,) which labels a row has, as a whole number; rows of a rare set count to the most frequent one.

    Args:
        targets: (N, K) of 0 and 1.
    """
    sets = np.unique(targets, axis=0, return_inverse=True)[1].ravel()
    counts = np.bincount(sets)
    codes: Array = np.where(counts[sets] < _FEWEST_OF_A_SET, counts.argmax(), sets)
    return codes
