"""A first line that is a row is refused, one that names the columns is not, whatever the names are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make_tables import write

import losszoo

pandas = pytest.importorskip("pandas")
DRAWS = np.random.default_rng(0)
ROWS = 60


def numbers(low: float = 0, high: float = 9, decimals: int = 3) -> list[str]:
    return [f"{one:.{decimals}f}" for one in DRAWS.uniform(low, high, ROWS)]


def words(*known: str) -> list[str]:
    return [known[row % len(known)] for row in range(ROWS)]


NAMES = [f"place {row}" for row in range(ROWS)]
SEX, AGE, WHOLE, DAY = (
    words("M", "F"),
    numbers(),
    numbers(decimals=0),
    [f"2020-01-{1 + row % 28:02d}" for row in range(60)],
)
ROW_FIRST = [
    ("M,0.455,0.365,15", (SEX, AGE, AGE, WHOLE)),  # abalone of UCI
    ("39, State-gov, 77516, <=50K", (WHOLE, words("State-gov", "Private"), WHOLE, words("<=50K", ">50K"))),
    ("3,?,alfa-romero,88.60", (WHOLE, words("?", "164"), words("alfa-romero", "audi"), AGE)),
    ("0.23,5.07,-0.27,'-1'", (AGE, AGE, AGE, words("'-1'", "'1'"))),
    ("1,0,Braund,F,7.25,0", (WHOLE, WHOLE, NAMES, SEX, AGE, WHOLE)),  # titanic, whose names do not come again
    ("x,s,n,t", (words("x", "b"), words("s", "y"), words("n", "w"), words("t", "f"))),
    ("39,M,0.4,0.5,Tonga,M", (WHOLE, SEX, AGE, AGE, words("Peru", "Chad"), SEX)),  # Tonga comes once
    ("2020-01-05,3,M", (DAY, WHOLE, SEX)),
    ("2,1,?,2,530101", (WHOLE, WHOLE, words("?", "1"), WHOLE, WHOLE)),  # horse-colic: one number twice
]
NAMES_FIRST = [
    ("x,city,y", (AGE, words("Rome", "Oslo"), SEX)),
    ("0,1,2,target", (AGE, AGE, AGE, WHOLE)),
    ("country,1990,1991,1992", (NAMES, AGE, AGE, AGE)),
    ("region,1990,1991", (words("north", "south"), AGE, AGE)),
    ("sample,900.5,901.0,901.5", (NAMES, AGE, AGE, AGE)),
    ("1st,2nd,M", (AGE, AGE, SEX)),
    ("spam,text", (words("spam", "ham"), NAMES)),
    ("color,shape,class", (words("red", "blue"), words("round", "flat"), words("good", "bad"))),
    (",1/22/20,1/23/20", (NAMES, AGE, AGE)),
]


@pytest.mark.parametrize(("line", "columns"), ROW_FIRST)
def test_a_row_in_place_of_names_is_refused(tmp_path: Path, line: str, columns: tuple[list[str], ...]) -> None:
    path = write(tmp_path / "t.csv", line, *(",".join(cells) for cells in zip(*columns, strict=True)))
    with pytest.raises(losszoo.DataError, match=r"the first line of .* must name the columns, got a row like those"):
        losszoo.Task.from_table(path, line.split(",")[-1].strip())


@pytest.mark.parametrize(("line", "columns"), NAMES_FIRST)
def test_names_are_names(tmp_path: Path, line: str, columns: tuple[list[str], ...]) -> None:
    path = write(tmp_path / "t.csv", line, *(",".join(cells) for cells in zip(*columns, strict=True)))
    target = line.split(",")[-1]
    kind = None if columns[-1] is SEX else "multiclass" if columns[-1] in (WHOLE, NAMES) else None
    task = losszoo.Task.from_table(path, target, kind=kind)
    assert len(task.targets) == ROWS  # type: ignore[attr-defined]
    may_be = any("its first line is taken for the names" in note for note in task.notes)
    assert may_be == (line[0] in "crs" and any(part[:1].isdigit() for part in line.split(",")))


def test_a_frame_that_was_read_without_header_is_refused() -> None:
    frame = pandas.DataFrame({"M": SEX, "0.455": list(map(float, AGE)), "0.365": list(map(float, AGE))})
    with pytest.raises(losszoo.DataError, match=r"the first line of the DataFrame .*read it with header=None"):
        losszoo.Task.from_table(frame, "M")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sep=;\nx;y\n1;a\n", r"got 'sep=;', which tells a spreadsheet .*; delete that line"),
        ("# made by hand\nx,y\n1,a\n", r"got a comment \(# made by hand\); delete the lines that begin with #"),
        ("Report\nx,y\n1,a\n", r"as many as names, got more; .*delete what stands before the line of names"),
    ],
)
def test_what_stands_before_the_line_of_names_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(losszoo.DataError, match=said):
        losszoo.Task.from_table(tmp_path / "t.csv", "y")


def test_a_name_may_hold_what_another_ending_separates_by(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", "a;length (m, at rest);y", *(f"{row},5;{row % 7},5;{'ab'[row % 2]}" for row in range(40))
    )
    assert [column.name for column in losszoo.Task.from_table(path, "y").columns] == ["a", "length (m, at rest)"]  # type: ignore[attr-defined]
    hashed = write(tmp_path / "h.csv", "#x,y", *(f"{row}.5,{'ab'[row % 2]}" for row in range(40)))
    assert len(losszoo.Task.from_table(hashed, "y").targets) == 40  # type: ignore[attr-defined]
