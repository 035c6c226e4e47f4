"""Names of files, long cells and many words; parts that lack a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

import losszoo

LINES = [f"{i % 7 + i / 97:.3f},{'pq'[i % 2]}" for i in range(40)]


@pytest.mark.parametrize(
    ("file", "name"),
    [("2024.csv", "table-2024"), ("2024 data.csv", "table-2024-data"), ("数据.csv", "table"), ("a b.csv", "a-b")],
)
def test_any_file_name_is_a_task(tmp_path: Path, file: str, name: str) -> None:
    path = tmp_path / file
    path.write_text("\n".join(["x,y", *LINES]))
    task = losszoo.Task.from_table(path, target="y")
    assert task.spec.name == name
    assert task.spec.summary.isprintable()


def test_one_long_cell_does_not_widen_all_others() -> None:
    words = ["a", "b"] * 20
    words[3] = "c" * 2_000_000
    task = losszoo.Task.from_table(pandas.DataFrame({"x": words, "y": np.arange(40) % 2}), target="y")
    (column,) = task.describe()["columns"]
    assert max(map(len, column["words"])) <= 60


def split_frame(of_class: dict[str, str]) -> pandas.DataFrame:
    rows = [(i % 5, "ab"[i % 2], "train" if i < 30 else "test") for i in range(40)]
    return pandas.DataFrame([*rows, *((1, name, part) for name, part in of_class.items())], columns=["x", "y", "s"])


def test_a_class_that_training_lacks_is_told(tmp_path: Path) -> None:
    task = losszoo.Task.from_table(split_frame({"c": "test"}), target="y", split="s")
    result = losszoo.run("cross-entropy", task, epochs=1, out=tmp_path)
    assert "test has rows of classes that training has not, which no loss can learn: c (1)" in result.notes


def test_a_class_of_one_training_row_is_refused_by_name() -> None:
    task = losszoo.Task.from_table(split_frame({"c": "train"}), target="y", split="s")
    with pytest.raises(losszoo.DataError, match=r"class 'c' of the training rows of split column s must have at least"):
        task.splits(0)


def test_numbers_in_errors_are_plain() -> None:
    frame = split_frame({}).assign(s=np.arange(40.0) % 3)
    with pytest.raises(losszoo.DataError, match=r"must say train, val or test, got 0 in row 1$"):
        losszoo.Task.from_table(frame, target="y", split="s").splits(0)
    with pytest.raises(losszoo.DataError, match=r"must have at least two values, got 1 in every row"):
        losszoo.Task.from_table(frame.assign(y=1.0), target="y")
