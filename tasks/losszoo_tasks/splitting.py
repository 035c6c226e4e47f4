"""How rows are parted, for all tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo import UsageError

Array = npt.NDArray[Any]

HELD_OUT = 0.2


def parts(strata: Array | int, seed: int) -> tuple[Array, Array, Array]:
    """Row numbers of train, validation and test: 64, 16 and 20 %.

    Args:
        strata: (N,) labels that every part holds in the same shares; or only N.
        seed: of the split, 0 to 2**32 - 1.
    """
    count = strata if isinstance(strata, int) else len(strata)
    rest, test = halves(np.arange(count), strata, seed)
    train, val = halves(rest, strata, seed)
    return train, val, test


def halves(rows: Array, strata: Array | int, seed: int) -> tuple[Array, Array]:
    """The rows without a held-out fifth, and that fifth; ``strata`` belongs to all rows there are."""
    from sklearn.model_selection import train_test_split

    check_seed(seed)
    stratify = None if isinstance(strata, int) else strata[rows]
    kept, held = train_test_split(rows, test_size=HELD_OUT, random_state=seed, stratify=stratify)
    return kept, held


def check_seed(seed: int) -> None:
    """A seed that numpy takes, or UsageError."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UsageError(f"the seed of a split must be a whole number in [0, 2**32), got {seed!r}")


def frozen(values: Array) -> Array:
    """The same array, read-only, because the cached array is shared by all callers."""
    values.setflags(write=False)
    return values
