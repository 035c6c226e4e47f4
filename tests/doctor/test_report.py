"""What the terminal shows of an examination."""

from __future__ import annotations

import ast
import io
from dataclasses import replace

import pytest
from hand_made import DIVISION, HEALTHY, HOSTILE, LOG, PATIENTS, SCALES, SICK
from rich.console import Console

from losszoo.cli.tables.diagnosis import LONGEST, show
from losszoo.cli.tables.doctor_all_table import show_all, summary
from losszoo.doctor.report.examination import Examination, Finding, Strip
from losszoo.doctor.report.heat_strip_svg import drawings, key
from losszoo.doctor.report.wording import STATES, effort, number, reach


@pytest.fixture(autouse=True)
def _no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def on_pipe(examination: Examination) -> list[str]:
    console = Console(file=io.StringIO())
    show(examination, console)
    return lines_of(console)


def on_screen(examination: Examination, width: int) -> list[str]:
    console = Console(file=Screen(), width=width, no_color=True, color_system=None)
    show(examination, console)
    return lines_of(console)


def lines_of(console: Console) -> list[str]:
    lines: list[str] = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(line == line.rstrip() for line in lines)
    return lines


def test_a_pipe_gets_whole_lines_without_colour() -> None:
    lines = on_pipe(SICK)
    assert lines[:2] == ["./my_loss.py:my_loss, multiclass: sick, 3 findings", "  212 inputs tried in 4.1 s"]
    first = lines.index("1. NaN gradient in float32")
    assert lines[first + 1 : first + 7] == [
        "   log at my_loss.py:12",
        f"     {(LOG.code or '').strip()}",
        f"   when    {LOG.probe}",
        f"   cause   {LOG.cause}",
        f"   input   {LOG.paste}",
        "   remedy  take torch.log_softmax(logits, 1) in place of the logarithm of the softmax (tried, verified)",
    ]
    (tried,) = [line for line in lines if line.endswith("clamp(min=1) (does not cure it)")]
    assert tried.startswith("   tried   ")
    third = lines.index("3. Raises an error in bfloat16")
    assert lines[third + 3 : third + 6] == [
        "   input   embeddings = torch.zeros(1, 2)",
        "           labels = torch.tensor([0])",
        "   remedy  compute distances in float32 (not tried)",
    ]
    assert lines[-1] == f"note: {SICK.notes[0]}"
    assert "\x1b" not in "".join(lines)


def test_the_heat_strip_tells_without_colour() -> None:
    lines = on_pipe(SICK)
    start = lines.index("  float32   " + "." * 30 + "X" * 15)
    assert lines[start - 1] == "  |logits|  0.001 0.01  0.1   1     10    100   1e3   1e4"
    assert lines[start + 1 : start + 3] == [
        "  bfloat16  " + "~" * 6 + "." * 24 + "MMM!!!" + "X" * 9,
        "  float16   " + "." * 24 + "0" * 6 + "^" * 9 + "X" * 6,
    ]
    assert lines[start + 3].split("   ") == [
        "  . finite",
        "^ true value beyond the dtype",
        "0 gradient vanished",
        "~ inaccurate",
        "M memory ran out",
        "! raises an error",
        "X NaN or infinite",
    ]
    assert "  finite up to |logits| = 88.7 in float32" in lines


def test_a_healthy_loss_shows_only_what_there_is() -> None:
    assert on_pipe(HEALTHY)[-2:] == ["", "  finite at every |embeddings| tried, up to 1e4, in float32"]
    bare = replace(HEALTHY, signature="", strips=(), range={}, probes=1, complete=False)
    assert on_pipe(bare) == ["nca-stable: undecided", "  1 input tried in 3.2 s; others were not tried"]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_terminal_holds_every_line(width: int) -> None:
    for examination in (SICK, HEALTHY, HOSTILE):
        wide = [line for line in on_screen(examination, width) if len(line) > width]
        assert [line for line in wide if len(line.split()) > 1 + line.startswith("   input")] == []


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("finding", [LOG, DIVISION], ids=["log", "div"])
def test_a_hanging_input_is_the_same_python(width: int, finding: Finding) -> None:
    lines = on_screen(replace(SICK, findings=(finding,)), width)
    start = next(i for i, line in enumerate(lines) if line.startswith("   input   "))
    end = next(i for i, line in enumerate(lines) if line.startswith(("   remedy", "   tried")))
    pasted = "\n".join([lines[start].removeprefix("   input   "), *lines[start + 1 : end]])
    assert end > start + 1 or finding.paste in lines[start]
    assert ast.dump(ast.parse(pasted)) == ast.dump(ast.parse(finding.paste))


def test_a_statement_is_not_broken_between_its_brackets() -> None:
    for paste in ("import torch; first, second = " + "x" * 60 + "; second", "no (python, at, all " + "x" * 60):
        lines = on_screen(replace(SICK, findings=(replace(LOG, paste=paste),)), 60)
        assert f"   input   {paste}" in lines


def test_a_very_long_input_is_cut() -> None:
    long = replace(SICK, findings=(replace(LOG, paste="f([" + "0.0, " * 1000 + "])"),))
    cut = next(line for line in on_pipe(long) if line.startswith("   input"))
    assert len(cut) < LONGEST + 100
    assert cut.endswith("... (5005 characters; --json holds all)")
    assert long.to_dict()["findings"][0]["paste"] == long.findings[0].paste


def test_text_of_others_cannot_steer_the_terminal() -> None:
    text = "\n".join([*on_pipe(HOSTILE), *on_screen(HOSTILE, 80)])
    assert "\x1b" not in text
    assert "[bold]</p>" in text
    assert "note: <b>bold</b> & [red]red[/red]" in text


def test_colours_are_for_terminals() -> None:
    console = Console(file=Screen(), width=80, color_system="standard", force_terminal=True)
    show(SICK, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[30;42m" + "." * 3 in text
    assert "\x1b[97;41m" + "X" * 3 in text


def test_many_scales_share_a_cell_that_shows_the_worst() -> None:
    scales = tuple(10.0 ** (k / 20) for k in range(-100, 101))
    states = ["finite"] * 201
    states[50], states[150] = "inaccurate", "non-finite"
    many = replace(SICK, strips=(Strip("float32", "|x|", scales, tuple(states), 100.0),), findings=())
    row = next(line for line in on_screen(many, 60) if line.startswith("  float32"))
    assert len(row) <= 60
    assert (row.count("~"), row.count("X")) == (1, 1)


def test_the_terms_of_a_sum_have_strips_of_their_own() -> None:
    lines = on_pipe(replace(SICK, strips=(*SICK.strips[:2], SICK.strips[0]), findings=()))
    assert [line.split()[0] for line in lines[3:8]] == ["|logits|", "float32", "bfloat16", "|logits|", "float32"]


def test_an_axis_labels_what_fits() -> None:
    scales = (1e-8, 1e-6, 1e-4, 0.01, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5, 1e6, 1e8, 1e12, 1e16, 1e30)
    uneven = replace(SICK, strips=(Strip("float32", "|x|", scales, ("finite",) * 18, None),))
    assert on_pipe(uneven)[3] == "  |x|      1e-8  1e-4  1           100      1e4   1e6   1e12  1e30"


def test_strips_with_scales_of_their_own_stand_under_one_axis() -> None:
    short = Strip("float16", "|logits|", SCALES[:3], ("finite",) * 3, None)
    other = Strip("float32", "|weights|", (1.0, 2.0, 3.0), ("finite", "finite", "non-finite"), 2.0)
    lines = on_pipe(replace(SICK, strips=(SICK.strips[0], short, other), findings=()))
    assert "  float16   " + "." * 9 in lines
    assert lines[lines.index("  |weights|  1") + 1] == "  float32    ......XXX"


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (88.7228, "finite up to |logits| = 88.7 in float32"),
        (None, "finite at every |logits| tried, up to 1e4, in float32"),
        (0.0, "not finite at any |logits| tried in float32"),
    ],
)
def test_reach(limit: float | None, said: str) -> None:
    strip = Strip("float32", "|logits|", SCALES, ("finite",) * 15, limit)
    assert list(reach(replace(SICK, strips=(strip,), range={"float32": limit or 0.0}))) == [said]


@pytest.mark.parametrize(
    ("state", "said"),
    [("out-of-memory", "memory runs out at every |x| tried"), ("raises", "raises an error at every |x|")],
)
def test_where_no_scale_can_be_computed_nothing_is_said_of_numbers(state: str, said: str) -> None:
    strip = Strip("float32", "|x|", SCALES, (state,) * 15, 0.0)
    assert "\n".join(reach(replace(SICK, strips=(strip,), range={"float32": 0.0}))).startswith(said)


def test_memory_that_ran_out_has_a_mark_and_a_word_of_its_own() -> None:
    lines = on_pipe(SICK)
    assert "M memory ran out   ! raises an error   X NaN or infinite" in "\n".join(lines)
    record = SICK.to_dict()["strips"][1]
    assert (record["dtype"], record["what"], record["limit"]) == ("bfloat16", "|logits|", 88.5)
    assert dict(zip(record["scales"], record["states"], strict=True))[SCALES[10]] == "out-of-memory"
    assert "in bfloat16: memory ran out</title>" in drawings(SICK)
    assert ">M</text></svg>memory ran out</li>" in key(SICK)


def test_reach_without_a_strip() -> None:
    empty = Strip("float32", "|x|", (), (), None)
    bare = replace(HEALTHY, strips=(empty,), range={"float32": 88.7, "float64": float("inf"), "float16": 0.0})
    assert list(reach(bare)) == ["finite up to 88.7 in float32", "finite in float64"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (88.7228, "88.7"),
        (1e4, "1e4"),
        (3.4e38, "3.4e38"),
        (1e-12, "1e-12"),
        (2.5e-5, "2.5e-5"),
        (1e-38, "1e-38"),
        (0.001, "0.001"),
        (0.0, "0"),
        (100, "100"),
    ],
)
def test_number(value: float, said: str) -> None:
    assert number(value) == said


def test_states_have_marks_of_their_own() -> None:
    assert len({state.mark for state in STATES.values()}) == len({state.rank for state in STATES.values()}) == 7
    assert effort(SICK) == "212 inputs tried in 4.1 s"


def all_lines(width: int | None) -> list[str]:
    console = Console(file=Screen() if width else io.StringIO(), width=width, no_color=True, color_system=None)
    show_all(PATIENTS, console)
    return lines_of(console)


def test_a_table_of_all() -> None:
    lines = all_lines(None)
    assert lines[0] == "loss             verdict  inputs  float32  seconds  finding"
    assert lines[1] == "bce              healthy     240      all      3.2"
    assert lines[3] == (
        "nca-ratio        sick        212     88.7      4.1  "
        "exhibit: NaN gradient in float32: log at my_loss.py:12, and 1 more"
    )
    assert lines[4].endswith("an exhibit should be sick")
    assert lines[6].endswith(f"failed                             {PATIENTS[-1].error}")
    assert lines[-1] == "6 losses, 2 exhibits among them; not as expected: softmax-nll-eps, my-own, broken."


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_terminal(width: int) -> None:
    lines = all_lines(width)
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()).count("log at my_loss.py:12, and 1 more") == 1


def test_all_as_expected() -> None:
    assert summary(PATIENTS[:3]) == (
        "3 losses, 1 exhibit among them; all as expected: stable ones healthy, exhibits sick."
    )
    assert summary(PATIENTS[:1]) == "1 loss; all as expected: stable ones healthy, exhibits sick."
