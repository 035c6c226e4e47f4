"""The rows of abalone: its classes, its protocol, and a file that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from losszoo import DataError, Split, Splits
from losszoo_tasks.abalone import Abalone, AbaloneAge, age_group, parse

needs_abalone = pytest.mark.needs_abalone


@needs_abalone
def test_abalone_classes() -> None:
    # Counted with awk from the file: rings <= 8, 9 or 10, >= 11.
    targets = np.concatenate([part.targets for part in Abalone().splits()])
    assert np.bincount(targets).tolist() == [1407, 1323, 1447]


@needs_abalone
def test_abalone_follows_the_fixed_protocol() -> None:
    from sklearn.model_selection import train_test_split

    from losszoo_tasks.abalone import load

    inputs, rings = load()
    groups = np.select([rings <= 8, rings <= 10], [0, 1], 2)
    x, x_test, y, y_test = train_test_split(inputs, groups, test_size=0.2, random_state=0, stratify=groups)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    expected = Splits(Split(x_train, y_train), Split(x_val, y_val), Split(x_test, y_test))
    for part, theirs in zip(Abalone().splits(0), expected, strict=True):
        np.testing.assert_array_equal(part.inputs, theirs.inputs)
        np.testing.assert_array_equal(part.targets, theirs.targets)


@needs_abalone
def test_both_abalone_tasks_hold_the_same_rows() -> None:
    for group, age in zip(Abalone().splits(6), AbaloneAge().splits(6), strict=True):
        np.testing.assert_array_equal(group.inputs, age.inputs)
        np.testing.assert_array_equal(group.targets, age_group(age.targets))


@needs_abalone
def test_abalone_columns() -> None:
    inputs = Abalone().splits().train.inputs
    np.testing.assert_array_equal(inputs[:, 7:].sum(1), 1)
    assert set(np.unique(inputs[:, 7:])) == {0, 1}
    assert Abalone.numeric == 7


GOOD = "F,0.53,0.42,0.135,0.677,0.2565,0.1415,0.21,9\n"


def test_parse() -> None:
    inputs, rings = parse(GOOD + "I,0.33,0.255,0.08,0.205,0.0895,0.0395,0.055,7\n")
    np.testing.assert_allclose(inputs[0], [0.53, 0.42, 0.135, 0.677, 0.2565, 0.1415, 0.21, 1, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(inputs[1, 7:], [0, 1, 0])
    assert rings.tolist() == [9, 7]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must have rows, got 0"),
        (GOOD + GOOD.replace("F", "X"), "row 2, column sex, must be one of F, I, M, got 'X'"),
        (GOOD + GOOD.replace("F", ""), "row 2, column sex, .* got ''"),
        (GOOD.replace("0.135", "tall"), "row 1, column height, must be a finite number, got 'tall'"),
        (GOOD.replace("0.135", ""), "row 1, column height, must be a finite number, got ''"),
        (GOOD + GOOD + GOOD.replace("0.21", "nan"), "row 3, column shell weight, .* got 'nan'"),
        (GOOD.replace("0.53", "inf"), "row 1, column length, .* got 'inf'"),
        (GOOD.replace(",9", ",9.5"), "row 1, column rings, must be a whole number, got '9.5'"),
        (GOOD.replace(",9", ",-9"), "row 1, column rings, must be a whole number, got '-9'"),
        (GOOD.replace(",9", ""), "row 1, column all, must be 9 values, got 'F,0.53"),
        (GOOD + "\n" + GOOD, "row 2, column all, must be 9 values, got ''"),
    ],
)
def test_parse_names_row_and_column(text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        parse(text)
