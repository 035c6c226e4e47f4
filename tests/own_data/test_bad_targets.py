"""Targets and options that say two things, or nothing, are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
import torch

import losszoo
from losszoo.sklearn import LossClassifier

INPUTS = np.random.default_rng(0).normal(size=(30, 3))
LABELS = np.arange(30) % 3


def test_words_and_numbers_in_one_array_are_refused() -> None:
    mixed = np.array(["a", 1] * 15, dtype=object)
    with pytest.raises(losszoo.DataError, match="targets must be numbers alone, or words alone, got 'a' and 1"):
        losszoo.Task.from_arrays(INPUTS, mixed)


def test_one_name_for_two_classes_is_refused() -> None:
    with pytest.raises(losszoo.DataError, match="class_names must be another name for each class, got 'a' twice"):
        losszoo.Task.from_arrays(INPUTS, LABELS, class_names=["a", "b", "a"])


def test_rows_without_a_column_are_refused() -> None:
    with pytest.raises(losszoo.DataError, match=r"got shapes \(30, 0\) and \(30,\)"):
        losszoo.Task.from_arrays(INPUTS[:, :0], LABELS)


def test_classes_that_float64_cannot_tell_apart_are_refused() -> None:
    frame = pandas.DataFrame({"x": INPUTS[:, 0], "y": np.array([10**17, 10**17 + 1, -7])[LABELS]})
    with pytest.raises(losszoo.DataError, match=r"classes that are whole numbers up to 2\*\*53, .* as words"):
        losszoo.Task.from_table(frame, target="y", kind="multiclass")
    words = losszoo.Task.from_table(frame.astype({"y": str}).assign(y=lambda f: "n" + f.y), target="y")
    assert len(words.class_names) == 3


def test_columns_that_are_numbered_are_named_by_their_number() -> None:
    frame = pandas.DataFrame(np.c_[INPUTS, LABELS])
    task = losszoo.Task.from_table(frame, target=3, kind="multiclass", drop=None)
    assert (task.options.target, task.options.drop) == ("3", ())
    with pytest.raises(losszoo.UsageError, match="target must be the name of a column, got a float"):
        losszoo.Task.from_table(frame, target=3.0)
    with pytest.raises(losszoo.UsageError, match="target must be a column or several, got none"):
        losszoo.Task.from_table(frame, target=None)


def test_complex_inputs_of_a_dataset_are_refused() -> None:
    class Waves(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            return torch.full((2,), 1j), row % 2

    with pytest.raises(losszoo.DataError, match="inputs must be real numbers, got dtype complex64"):
        losszoo.Task.from_datasets(Waves(), Waves(), Waves())


def test_a_fold_may_lack_a_class_that_has_a_weight() -> None:
    weighted = LossClassifier("cross-entropy", epochs=1, class_weight={0: 1, 1: 2, 2: 3, 3: 4})
    assert weighted.fit(INPUTS, LABELS).classes_.tolist() == [0, 1, 2]
    with pytest.raises(losszoo.UsageError, match="class_weight must be by the labels of y, 0, 1, 2, got 7"):
        LossClassifier("cross-entropy", epochs=1, class_weight={0: 1, 7: 4}).fit(INPUTS, LABELS)
