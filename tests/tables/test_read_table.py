"""Files as people have them: what is read, what is noticed, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make_tables import write

import losszoo

pandas = pytest.importorskip("pandas")


def rows_of(*cells: str) -> list[str]:
    """Forty rows: the cells in turn, beside a target of two words."""
    return [f"{cells[row % len(cells)]},{'a' if row % 2 else 'b'}" for row in range(40)]


def task(path: Path, **options: object) -> losszoo.Task:
    return losszoo.Task.from_table(path, **{"target": "y", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ending", "separator"), [("csv", ","), ("csv", ";"), ("csv", "\t"), ("csv", "|"), ("tsv", "\t")]
)
def test_separators_are_told_from_the_line_of_names(tmp_path: Path, ending: str, separator: str) -> None:
    path = write(tmp_path / f"t.{ending}", f"x{separator}y", *(f"{i}.5{separator}{'ab'[i % 2]}" for i in range(40)))
    made = task(path)
    assert made.spec.kind == "binary"
    assert made.class_names == ("a", "b")
    expected = separator != {"csv": ",", "tsv": "\t"}[ending]
    assert any("separated by" in note for note in made.notes) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("1,5", "-2,25"), (1.5, -2.25)),
        (("0,125", "-0,250"), (0.125, -0.25)),
        (('"1,234"', '"12,345,678.5"', "7"), (1234.0, 12345678.5, 7.0)),
        (("1e3", " 2 ", "+4"), (1000.0, 2.0, 4.0)),
        (("\u22125", "\u22122.5", "4"), (-5.0, -2.5, 4.0)),
        (("1", "NA", "n/a", "?", ""), (1.0, np.nan, np.nan, np.nan, np.nan)),
        (("TRUE", "False"), (1.0, 0.0)),
    ],
)
def test_numbers_as_people_write_them(tmp_path: Path, cells: tuple[str, ...], values: tuple[float, ...]) -> None:
    separator = ";" if cells[0] in ("1,5", "0,125") else ","
    lines = [row.rsplit(",", 1) for row in rows_of(*cells)]
    made = task(write(tmp_path / "t.csv", f"x{separator}y", *(separator.join(line) for line in lines)))
    (column,) = made.columns  # type: ignore[attr-defined]
    np.testing.assert_array_equal(column.values[: len(values)], values)


def test_words_of_a_gap_are_names_among_words(tmp_path: Path) -> None:
    """NA is Namibia, and None a surname; only an empty cell is a gap there."""
    path = write(
        tmp_path / "t.csv", "x,y", *(f"{('NA', 'None', 'DE', '')[i % 4]},{('NaN', 'no')[i % 2]}" for i in range(40))
    )
    made = task(path)
    assert made.class_names == ("NaN", "no")
    assert any(note.startswith("'NaN' is taken as the name of a class, of 20 rows") for note in made.notes)
    assert set(made.columns[0].values) == {"NA", "None", "DE", ""}  # type: ignore[attr-defined]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert task(write(tmp_path / "t.csv", "y,x", *(f"{'ab'[i % 2]},{i}.5" for i in range(40)), encoding="utf-8-sig"))


def test_parquet_and_a_frame_give_the_same_as_the_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {
            "x": [1.5, None, 3.25, 4.0] * 10,
            "word": pandas.Categorical(["red", None, "blue", "red"] * 10),
            "yes": [True, False] * 20,
            "y": ["a", "b"] * 20,
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    inputs = [task(source).splits(3).train.inputs for source in (tmp_path / "t.csv", tmp_path / "t.parquet", frame)]  # type: ignore[arg-type]
    np.testing.assert_array_equal(inputs[0], inputs[1])
    np.testing.assert_array_equal(inputs[0], inputs[2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold a line of names and rows, got an empty file"),
        ("x,y\n", "must hold rows, got names alone: x, y"),
        ("\n\n", "the first line of .* must name the columns, got an empty one"),
        ("1,2\n3,4\n", "the first line of .* must name the columns, got numbers"),
        ("x,x,y\n1,2,a\n", "must have different names, got 'x' twice"),
        ("x,y\n1,a\n2,b,7\n", "cannot be read as a table: .*line 3"),
        ("x,y\n1,a,7\n2,b,7\n", "must have 2 cells in each row, as many as names"),
        ("x,y\n1,a\n1,a\n", "target y must have at least two values, got 'a' in every row"),
        ("x,y\n1,\n1,\n", "target y of t.csv must have values, got none in 2 rows"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(losszoo.DataError, match=said):
        task(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("1", "2", "3", "4", "5", "6", "7", "8", "9", "old"), "column x must hold numbers alone.*'old' in row 10"),
        (
            ('"1,234"', '"36,061"'),
            "column x must hold numbers with one reading, got '1,234', which may be 1234 or 1.234",
        ),
        (("1.5", "inf"), "column x must hold finite numbers of float32, got inf in row 2"),
        (("1.5", "old", "2.5", "new"), "column x must hold numbers alone, or words alone, got 'old' in row 2"),
        (("1 234", "36 061", "7"), "column x must hold numbers without anything between thousands, got '1 234' in row"),
        (("1'234", "36'061.5"), 'numbers without anything between thousands, got "1\'234" in row 1'),
        (("1.234.567", "36.061"), "numbers without anything between thousands, got '1.234.567' in row 1"),
        (
            ("12 kg", "13.5 kg", "1 kg", "2 kg", "3 kg"),
            "column x must hold numbers without units, got '12 kg' in row 1",
        ),
        (("2024-01-30", "2023-02-01"), "column x must hold numbers or words, got dates.*--time x.*--drop x"),
        (("30/01/2024", "1/2/2023"), "column x must hold dates as YEAR-MONTH-DAY, got '30/01/2024'"),
        (('"Jan 01, 2020"', '"Feb 13, 2021"'), "column x must hold dates as YEAR-MONTH-DAY, got 'Jan 01, 2020'"),
        (("1 January 2020", "3rd May 2021"), "column x must hold dates as YEAR-MONTH-DAY, got '1 January 2020'"),
        (("01-Jan-20", '"Wednesday, 1 July 2020"'), "column x must hold dates as YEAR-MONTH-DAY, got '01-Jan-20'"),
        (("01.01.20", "31.12.21"), "column x must hold dates as YEAR-MONTH-DAY, got '01.01.20'"),
        (("2000-01", "2000-12"), "column x must hold numbers or words, got dates"),
        (("12:30:00", "2:05:10"), r"column x must hold numbers or words, got times \('12:30:00'\)"),
        (("12:30", "2:05 pm"), "column x must hold numbers or words, got times"),
        (("28", "(28)", "(1.5)"), r"column x must hold numbers without brackets, got '\(28\)' in row 2"),
    ],
)
def test_a_cell_that_is_refused_is_named(tmp_path: Path, cells: tuple[str, ...], said: str) -> None:
    with pytest.raises(losszoo.DataError, match=said):
        task(write(tmp_path / "t.csv", "x,y", *rows_of(*cells)))


@pytest.mark.parametrize(
    "cells", [("2019-20", "2020-21", "2011-12"), ("16:9", "4:3"), ("may", "june"), ("A\u22121", "B")]
)
def test_words_that_look_like_dates_are_words(tmp_path: Path, cells: tuple[str, ...]) -> None:
    (column,) = task(write(tmp_path / "t.csv", "x,y", *rows_of(*cells))).columns  # type: ignore[attr-defined]
    assert set(column.values) == set(cells)


def test_another_encoding_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "x,y", *rows_of("Zürich", "Łódź"[:0] or "Köln"), encoding="latin-1")
    with pytest.raises(losszoo.DataError, match=r"must be text in UTF-8, got the byte 0xf\w; .*iconv"):
        task(path)
    path = write(tmp_path / "t.csv", "x,y", *rows_of("1"), encoding="utf-16")
    with pytest.raises(losszoo.DataError, match=r"got the byte 0xf\w; .*iconv -f UTF-16"):
        task(path)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("12", "a", "13", "b", "c"), "x: 16 numbers among words, taken as words"),
        (("7", "8.5"), "z: the same cells as x; drop one of them"),
    ],
)
def test_what_is_read_and_odd_is_noted(tmp_path: Path, cells: tuple[str, ...], said: str) -> None:
    lines = [row.rsplit(",", 1) for row in rows_of(*cells)]
    made = task(write(tmp_path / "t.csv", "x,z,y", *(f"{cell},{cell},{target}" for cell, target in lines)))
    assert said in made.notes


def test_classes_that_differ_in_capitals_are_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "x,y", *(f"{row}.5,{('gone', 'Gone', 'left')[row % 3]}" for row in range(40)))
    assert "y: Gone and gone are two classes, which differ in capitals alone" in task(path).notes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "Y"}, "target must be a column of t.csv, got 'Y': did you mean y"),
        ({"group": "nobody"}, "group must be a column of t.csv, got 'nobody'"),
        ({"kind": "survival"}, "kind of a table must be one of binary, multiclass, regression, got 'survival'"),
        ({"kind": "regression"}, "target y of a regression must hold numbers, got words"),
        ({"time": "x", "group": "x"}, "rows must be parted in one way, got group and time"),
        ({"split": "y"}, "split must be another column than the target, got 'y'"),
        ({"drop": ["y"]}, "drop must be another column than the target"),
        ({"drop": ["x"]}, "must have a column that says something, got none beside y"),
        ({"drop": ["x"], "time": "x"}, "drop must be a column that is not used, got time 'x'"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, object], said: str) -> None:
    path = write(tmp_path / "t.csv", "x,y", *rows_of("1.5", "2.5", "3"))
    with pytest.raises((losszoo.UsageError, losszoo.DataError), match=said):
        task(path, **options)


def test_a_path_that_is_wrong_is_told_what_lies_beside(tmp_path: Path) -> None:
    write(tmp_path / "churn.csv", "x,y", *rows_of("1.5", "2"))
    with pytest.raises(
        losszoo.DataError, match=r"must be a file that is there, got .*chrun.csv; did you mean churn.csv"
    ):
        task(tmp_path / "chrun.csv")
    with pytest.raises(losszoo.UsageError, match=r"a table must end with \.csv, \.tsv, \.parquet, \.pq, got"):
        task(Path(__file__))
