"""Which rows of a table are for training, validation and test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.common.text import in_one_line
from losszoo.errors import DataError
from losszoo.tasks.tables.columns import Column, is_gap_word, shown_cell

Array = npt.NDArray[Any]
Parts = tuple[Array, Array, Array]

HELD_OUT = 0.2
_SHARES = np.array([(1 - HELD_OUT) ** 2, (1 - HELD_OUT) * HELD_OUT, HELD_OUT])
# Sums of three differences: a draw of groups within the first is taken, one beyond the second is told.
_NEAR, _FAR, _DRAWS = 0.1, 0.2, 100
PART_WORDS: Mapping[str, int] = MappingProxyType(
    {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2}
)


def random_parts(labels: Array | None, count: int, seed: int) -> Parts:
    """64, 16 and 20 % of the rows, in random order.

    Args:
        labels: (N,) that every part holds in the same shares; None where there are none.
        count: N.
        seed: of the split.

    Raises:
        DataError: as :func:`held_out`.
    """
    rest, test = held_out(np.arange(count), labels, seed)
    train, val = held_out(rest, labels, seed)
    return train, val, test


def check_classes(what: str, labels: Array, class_names: Sequence[str], parts: int) -> None:
    """Refuse a class that cannot be in every part.

    Args:
        what: the target, to name it.
        labels: of the rows that are to be parted.
        class_names: of the labels.
        parts: how many there are.

    Raises:
        DataError: it has fewer rows than there are parts.
    """
    seen, counts = np.unique(labels, return_counts=True)
    if counts.min() < parts:
        name = class_names[seen[counts.argmin()]]
        step = "join it with another class"
        if is_gap_word(name):
            step = "leave the target empty where it stands for a gap"
        raise DataError(
            f"class {name!r} of {what} must have at least {parts} rows, one for each "
            f"part, got {counts.min()}; leave its rows out, or {step}"
        )


def held_out(rows: Array, labels: Array | None, seed: int) -> tuple[Array, Array]:
    """The rows that stay, and a fifth of them drawn, every class with the same share.

    Raises:
        DataError: a fifth has fewer rows than there are classes, or there are too few rows for two parts.
    """
    from sklearn.model_selection import train_test_split  # type: ignore[import-untyped, unused-ignore]

    strata = None if labels is None else labels[rows]
    fifth, classes = math.ceil(HELD_OUT * len(rows)), 0 if strata is None else len(np.unique(strata))
    if fifth < classes:
        raise DataError(
            f"the rows must be enough for a row of each class in every part, got {len(rows)} to draw a fifth of, whose "
            f"{fifth} cannot hold {classes} classes; give more rows, join classes, or name the rows of each part "
            "yourself"
        )
    try:
        kept, held = train_test_split(rows, test_size=HELD_OUT, random_state=seed, stratify=strata)
    except ValueError as error:  # too few rows, of which scikit-learn says how
        raise DataError(f"the rows must be enough for three parts, got {len(rows)}: {in_one_line(error)}") from error
    return kept, held


def grouped_parts(groups: Column, labels: Array | None, seed: int) -> Parts:
    """Rows of one group stay together, in the test part too.

    Raises:
        DataError: there are fewer groups than parts, or rows without one.
    """
    if groups.gaps.any():
        row = np.flatnonzero(groups.gaps)[0] + 1
        raise DataError(f"group column {groups.name} must have a value in each row, got none in row {row}")
    if len(np.unique(groups.values)) < 3:
        raise DataError(
            f"group column {groups.name} must hold at least three groups, one for each part, got "
            f"{len(np.unique(groups.values))}"
        )
    rest, test = _groups_apart(np.arange(len(groups.values)), groups.values, labels, seed)
    if len(np.unique(groups.values[rest])) > 1:
        train, val = _groups_apart(rest, groups.values, labels, seed)
        if _distance((train, val, test)) <= _NEAR:
            return train, val, test
    return _parts_by_rows(groups.values, labels, seed)


def _parts_by_rows(groups: Array, labels: Array | None, seed: int) -> Parts:
    """Of many draws of groups, large ones first, that whose parts come nearest to their shares of the rows.

    A draw by groups alone would give a part one group in five, whatever its rows.
    """
    names, of_rows, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    draws, best, least = np.random.default_rng(seed), np.zeros(len(names), np.int64), np.inf
    for _ in range(_DRAWS):
        order = np.argsort(-sizes * draws.uniform(0.5, 1.5, len(names)))
        rows, part_of = np.zeros(3), np.zeros(len(names), np.int64)
        for left, group in zip(range(len(names), 0, -1), order, strict=True):
            lacking = np.flatnonzero(rows == 0)
            open_parts = lacking if left == len(lacking) else np.arange(3)
            after = np.abs(rows[open_parts] + sizes[group] - _SHARES[open_parts] * len(groups))
            part_of[group] = open_parts[np.argmin(after - np.abs(rows[open_parts] - _SHARES[open_parts] * len(groups)))]
            rows[part_of[group]] += sizes[group]
        parts = [np.flatnonzero(part_of[of_rows] == part) for part in range(3)]
        unlearnt = 0 if labels is None else len(np.setdiff1d(labels, labels[parts[0]]))
        if (distance := _distance(parts) + unlearnt) < least:
            best, least = part_of, distance
    train, val, test = (draws.permutation(np.flatnonzero(best[of_rows] == part)) for part in range(3))
    return train, val, test


def note_of_shares(parts: Parts) -> tuple[str, ...]:
    """Said where groups are so uneven that no draw of them comes near to the shares."""
    if _distance(parts) <= _FAR:
        return ()
    train, val, test = map(len, parts)
    shares = ", ".join(f"{len(rows) / (train + val + test):.0%}" for rows in parts)
    return (
        f"groups are too uneven for parts of 64, 16 and 20 % of the rows: train {train}, val {val}, test {test} rows "
        f"({shares})",
    )


def _distance(parts: Sequence[Array]) -> float:
    """The sum of the differences between shares of rows and what they should be."""
    rows = np.array([len(part) for part in parts])
    return float(np.abs(rows / rows.sum() - _SHARES).sum())


def _groups_apart(rows: Array, groups: Array, labels: Array | None, seed: int) -> tuple[Array, Array]:
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    folds = round(1 / HELD_OUT)
    if labels is not None and len(np.unique(groups[rows])) >= folds:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        kept, held = next(iter(splitter.split(rows, labels[rows], groups[rows])))
        if len(held):
            return rows[kept], rows[held]
    kept, held = next(GroupShuffleSplit(1, test_size=HELD_OUT, random_state=seed).split(rows, groups=groups[rows]))
    return rows[kept], rows[held]


def newest_parts(times: Column) -> Parts:
    """The newest fifth is the test part, the newest fifth of the rest validation; equal times stay together.

    Raises:
        DataError: rows without a time, or so few times that a part would be empty.
    """
    if times.holds not in ("numbers", "dates"):
        raise DataError(f"time column {times.name} must hold numbers or dates, got {times.holds}")
    if times.gaps.any():
        row = np.flatnonzero(times.gaps)[0] + 1
        raise DataError(f"time column {times.name} must have a value in each row, got none in row {row}")
    rest, test = _older_and_newer(np.arange(len(times.values)), times.values)
    train, val = _older_and_newer(rest, times.values)
    if not (len(train) and len(val) and len(test)):
        count = len(np.unique(times.values))
        raise DataError(f"time column {times.name} must hold times enough for three parts, got {count} different ones")
    return train, val, test


def _older_and_newer(rows: Array, times: Array) -> tuple[Array, Array]:
    if not len(rows):
        return rows, rows
    border = np.quantile(times[rows], 1 - HELD_OUT, method="higher")
    newer = times[rows] >= border
    # Where more than half of the rows are as new as that, only what is newer still is held out.
    newer = times[rows] > border if newer.mean() > 0.5 else newer
    return rows[~newer], rows[newer]


def told_parts(split: Column, labels: Array | None, class_names: Sequence[str], seed: int) -> Parts:
    """The parts that a column names: train, val and test. Without val a fifth of the training rows is drawn.

    Raises:
        DataError: another word, no row of train or of test, or a class without a row for training and validation.
    """
    words = [str(word).strip().lower() for word in split.values]
    strange = next((row for row, word in enumerate(words) if word not in PART_WORDS), None)
    if strange is not None:
        raise DataError(
            f"split column {split.name} must say train, val or test, got {shown_cell(split.values[strange])} in row "
            f"{strange + 1}"
        )
    of_rows = np.array([PART_WORDS[word] for word in words])
    train, val, test = (np.flatnonzero(of_rows == part) for part in range(3))
    if not len(train) or not len(test):
        raise DataError(
            f"split column {split.name} must say train and test of some rows, got none of "
            f"{'test' if len(train) else 'train'}"
        )
    if not len(val):
        if labels is not None:
            check_classes(f"the training rows of split column {split.name}", labels[train], class_names, 2)
        train, val = held_out(train, labels, seed)
    return train, val, test
