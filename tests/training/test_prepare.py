"""From arrays to tensors: what is scaled, and what is refused before training, by row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tiny, labelled, prepared, table

from losszoo import DataError
from losszoo.training.data.prepared_data import prepare

PIXELS = np.arange(32).reshape(2, 4, 4) % 2
GOOD = labelled([0, 1, 2, 0, 1, 2])
NUMBERS = (table(4), np.array([1.0, 2.0, 3.0, 6.0], dtype=np.float32))
MASKS = (np.zeros((2, 1, 4, 4), np.float32), np.ones((2, 1, 4, 4), np.float32))


def holed(row: int, column: int, value: float) -> tuple[Any, Any]:
    inputs, targets = GOOD[0].copy(), GOOD[1]
    inputs[row, column] = value
    return inputs, targets


def test_columns_are_standardised_by_the_training_rows() -> None:
    inputs, targets = table(50) * [1, 10, 100] + [0, 5, -1000], np.arange(50) % 2
    data = prepared("multiclass", (inputs, targets), (inputs + 1, targets), (inputs, targets), numeric=2)
    mean, deviation = inputs.mean(0), inputs.std(0)
    np.testing.assert_allclose(data.train.inputs[:, :2], ((inputs - mean) / deviation)[:, :2], atol=1e-5)
    np.testing.assert_allclose(data.val.inputs[:, :2], ((inputs + 1 - mean) / deviation)[:, :2], atol=1e-5)
    np.testing.assert_allclose(data.train.inputs[:, 2], inputs[:, 2], rtol=1e-6)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.targets.dtype == torch.int64


def test_images_stay_as_they_are() -> None:
    images = np.random.default_rng(0).random((4, 1, 5, 5)).astype(np.float32)
    part = (images, np.array([0, 1, 0, 1]))
    np.testing.assert_array_equal(prepared("multiclass", part, part, part).train.inputs, images)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7])
def test_a_constant_column_becomes_zero(constant: float) -> None:
    inputs = table(7).astype(np.float64)
    inputs[:, 1] = constant
    part = (inputs, np.arange(7) % 2)
    data = prepared("multiclass", part, part, part)
    np.testing.assert_allclose(data.train.inputs[:, 1], 0, atol=1e-6)
    assert bool(data.train.inputs.isfinite().all())


def test_numbers_are_standardised_and_can_be_put_back() -> None:
    data = prepared("regression", NUMBERS, NUMBERS, NUMBERS)
    assert (data.center, data.classes) == (3.0, 0)
    assert data.scale == pytest.approx(3.5**0.5)  # mean of 4, 1, 0 and 9
    np.testing.assert_allclose(data.test.targets * data.scale + data.center, NUMBERS[1], rtol=1e-6)
    assert data.train.targets.dtype == torch.float32


def test_large_and_constant_numbers() -> None:
    large = (table(3), np.array([1e30, 2e30, 3e30], dtype=np.float32))
    np.testing.assert_allclose(
        prepared("regression", large, large, large).train.targets, [-(1.5**0.5), 0, 1.5**0.5], atol=1e-6
    )
    same = (table(3), np.full(3, 5.0, dtype=np.float32))
    data = prepared("regression", same, same, same)
    assert (data.center, data.scale, data.train.targets.tolist()) == (5.0, 1.0, [0.0, 0.0, 0.0])


def test_labels_that_have_names_are_as_many_as_the_names() -> None:
    class Named(Tiny):
        class_names = ("a", "b", "c", "d")

    assert prepare(Named("multiclass", GOOD, GOOD, GOOD), 0, torch.device("cpu")).classes == 4
    assert prepared("multiclass", GOOD, GOOD, GOOD).classes == 3


def test_retrieval_tests_labels_that_training_has_not_seen() -> None:
    data = prepared("retrieval", GOOD, GOOD, labelled([7, 8, 7]))
    assert (data.classes, data.test.targets.tolist()) == (3, [7, 8, 7])


def test_lists_do_as_well() -> None:
    part = ([[0.0, 1.0], [2.0, 3.0]], [0, 1])
    data = prepared("binary", part, part, part)
    assert data.train.inputs.tolist() == [[-1.0, -1.0], [1.0, 1.0]]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_row_and_column_of_a_bad_entry(part: int, value: float) -> None:
    parts = [GOOD] * 3
    parts[part] = holed(4, 2, value)
    name = ("train", "val", "test")[part]
    with pytest.raises(
        DataError, match=rf"tiny: {name} inputs must be finite.* got {value} in row 4, column 2 \(1 such"
    ):
        prepared("multiclass", *parts)


def test_place_of_a_bad_pixel_and_of_a_bad_target() -> None:
    masks = MASKS[1].copy()
    masks[1, 0, 2, 3] = np.nan
    with pytest.raises(DataError, match=r"train targets must be finite.* got nan in row 1, column 0, 2, 3 "):
        prepared("segmentation", (MASKS[0], masks), MASKS, MASKS)
    numbers = np.array([1.0, np.inf, 2.0, np.nan], dtype=np.float32)
    with pytest.raises(
        DataError, match=r"val targets must be finite.* got inf in row 1 \(2 such in all\); drop or impute"
    ):
        prepared("regression", NUMBERS, (NUMBERS[0], numbers), NUMBERS)


@pytest.mark.parametrize(
    ("kind", "parts", "match"),
    [
        ("multiclass", [labelled([]), GOOD, GOOD], r"train must hold some rows, .* inputs \(0, 3\), targets \(0,\)"),
        ("multiclass", [GOOD, GOOD, labelled([])], "test must hold some rows"),
        ("multiclass", [(GOOD[0], GOOD[1][:-1]), GOOD, GOOD], r"as many targets, got .* targets \(5,\)"),
        (
            "multiclass",
            [(GOOD[1], GOOD[1]), GOOD, GOOD],
            r"train inputs must have shape \(N, columns\), got \(6,\)",
        ),
        ("multiclass", [GOOD, (table(2, 4), [0, 1]), GOOD], r"val inputs must have shape \(N, 3\), got \(2, 4\)"),
        ("regression", [(table(4), table(4, 1))] * 3, r"train targets must have shape \(N,\), got \(4, 1\)"),
        ("segmentation", [(MASKS[0], [0, 1])] * 3, r"targets must have shape \(N, C, ...\), got \(2,\)"),
        ("segmentation", [(MASKS[0], MASKS[1] * 2)] * 3, r"targets must be in \[0, 1\] \(labels of pixels.*got 2"),
        ("semantic-segmentation", [(MASKS[0], [0, 1])] * 3, r"train targets must be labels of pixels, \(N, ...\)"),
        (
            "semantic-segmentation",
            [(MASKS[0], PIXELS * 255)] * 3,
            "train targets must be -100 where a pixel is ignored",
        ),
        ("semantic-segmentation", [(MASKS[0], PIXELS * 0 - 100)] * 3, "must hold at least two classes, got none"),
        ("semantic-segmentation", [(MASKS[0], PIXELS - 1)] * 3, "labels must be from 0 to 0, got -1 in row 0"),
        ("multiclass", [(GOOD[0].astype(str), GOOD[1]), GOOD, GOOD], "train inputs must be numbers, got dtype <U"),
        (
            "multiclass",
            [(np.array([[1e39], [0]]), [0, 1])] * 3,
            "must be finite in float32, got 1e.39 in row 0, column 0",
        ),
        ("multiclass", [labelled([1, 1, 1]), GOOD, GOOD], r"at least two classes, got only class 1 \(3 rows\)"),
        (
            "multiclass",
            [(GOOD[0], GOOD[1].astype(float)), GOOD, GOOD],
            "train labels must be whole numbers, .* float64",
        ),
        ("multiclass", [labelled([0, -1, 1]), GOOD, GOOD], "train labels must be from 0 to 1, got -1 in row 1"),
        ("multiclass", [GOOD, labelled([0, 3]), GOOD], "val labels must be from 0 to 2, got 3 in row 1"),
        ("multiclass", [GOOD, GOOD, labelled([9])], "test labels must be from 0 to 2, got 9 in row 0"),
        (
            "multiclass",
            [labelled([0, 10**9, 1]), GOOD, GOOD],
            "labels must be from 0 to 2, got 1000000000 in row 1",
        ),
        ("binary", [GOOD, GOOD, GOOD], "train labels must be from 0 to 1, got 2 in row 2"),
        ("retrieval", [labelled([0, -1, 1]), GOOD, GOOD], "train labels must be from 0 to 1"),
        (
            "multiclass",
            [GOOD, GOOD],
            "splits must be train, val and test, each of inputs and targets, got parts that cannot be taken apart so ",
        ),
        ("multiclass", [GOOD, GOOD, (GOOD[0],)], "each of inputs and targets"),
    ],
)
def test_what_cannot_be_learned_from(kind: str, parts: list[Any], match: str) -> None:
    class Raw(Tiny):
        def splits(self, seed: int = 0) -> Any:
            return self.parts

    with pytest.raises(DataError, match=f"task tiny.*{match}"):
        prepare(Raw(kind, *parts), 0, torch.device("cpu"))
