"""Tables of people: whatever the terminal's width, a cell that is shown is whole, and the answer is shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from losszoo.cli.console import Column, fitted, print_blocks
from losszoo.cli.tables.compare_table import show
from losszoo.comparison.comparison import Comparison
from losszoo.comparison.row import Row
from losszoo.comparison.statistics import Difference
from losszoo.registry.registry import installed

LONG = "0.7*focal(gamma=2, alpha=0.25) + 0.3*dice(smooth=0.1) + 1e-4*l2 + ./losses/my_loss_of_today.py:MyOwnLoss"


def row(name: str, mean: float | None, gap: Difference | None = None, *, leads: bool = False, failed: int = 0) -> Row:
    statuses = {"failed": failed} if failed else {"done": 5}
    return Row(name, "loss", mean, 0.0123, 5, 5, gap, 3, 0, statuses, 123.4, 4567.0, leads)


ROWS = [
    row("cross-entropy", 0.9712, leads=True),
    row("nca-stable", 0.9698, Difference(-0.0014, -0.0103, 0.0075, 5)),
    row(LONG, 0.9512, Difference(-0.02, -0.0311, -0.0089, 5)),
    row("sup-con", None, failed=5),
]


def shown(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    task = installed().task("digits")
    found = Comparison((task,), ("a",), (0, 1, 2, 3, 4), "out", [], {"digits": ROWS}, {}, [], {}, 1.0)
    console = Console(file=io.StringIO(), width=width)
    show(found, console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 400])
def test_the_answer_of_a_comparison_is_whole_at_every_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(width, monkeypatch)
    text = "\n".join(lines)
    assert "\u2026" not in text
    assert max(map(len, lines)) <= width
    for cells in (["cross-entropy", "0.9712", "0.0123"], ["nca-stable", "0.9698", "0.0123", "-0.0103 to +0.0075"]):
        assert any(line.startswith(cells[0]) and all(cell in line for cell in cells) for line in lines), text
    assert any("0.9512" in line and "-0.0311 to -0.0089" in line for line in lines), text
    beginning = next(i for i, line in enumerate(lines) if line.startswith("0.7*focal"))
    end = next(i for i, line in enumerate(lines) if line.startswith("sup-con"))
    edge = next(line for line in lines if line.startswith("loss ")).index("mean") - 4  # names end before it
    name = "".join(line[:edge] for line in lines[beginning:end])
    assert "".join(name.split()) == "".join(LONG.split())


def test_what_goes_first_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no room for: n, to the best, non-finite, seconds, peak MB" in "\n".join(shown(80, monkeypatch))
    wide = "\n".join(shown(400, monkeypatch))
    assert "no room for" not in wide
    assert "5 failed" in wide
    assert "4567" in wide


def test_a_column_that_must_stay_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal that is too narrow for the numbers a line is longer than the terminal; nothing is lost."""
    monkeypatch.setenv("COLUMNS", "20")
    console = Console(file=io.StringIO(), width=20)
    columns = (Column("name", left=True), Column("a"), Column("b", spare=1))
    table, gone = fitted(columns, [(("one name of several words", "1234567890123456", "9"), "")], 20)
    print_blocks([table], console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert gone == ["b"]
    assert "1234567890123456" in said
    assert all(word in said for word in ["one", "name", "of", "several", "words"])
