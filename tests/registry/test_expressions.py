"""The language of --loss: what it says, what it refuses, and that nothing else ever comes out of it."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import losszoo
from losszoo import UsageError
from losszoo.losses.sums.schedules import Schedule
from losszoo.registry.expressions import Call, Weighted, parse

BCE, L2 = Call("bce"), Call("l2")
RAMP = Schedule("linear", 0.0, 1.0, epochs=20)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("bce", [Weighted(BCE)]),
        ("bce()", [Weighted(BCE)]),
        ("+bce - 2 * l2", [Weighted(BCE), Weighted(L2, -2.0)]),
        ("-bce*0.5", [Weighted(BCE, -0.5)]),
        ("bce-l2", [Weighted(Call("bce-l2"))]),
        ("2*(bce + 3*(l2 - bce))*0.5", [Weighted(BCE), Weighted(L2, 3.0), Weighted(BCE, -3.0)]),
        ("1e-4*l2", [Weighted(L2, 1e-4)]),
        (".5*2.*1E+1*l2", [Weighted(L2, 10.0)]),
        ("linear(0, 1, epochs=20)*bce", [Weighted(BCE, 1.0, (RAMP,))]),
        ("bce*2*linear(start=0, end=1, 20)", [Weighted(BCE, 2.0, (RAMP,))]),
        ("constant(-2)*bce", [Weighted(BCE, 1.0, (Schedule("constant", -2.0),))]),
        (
            "linear(0,1,20)*(bce + step(1, 0, 3)*l2)",
            [Weighted(BCE, 1.0, (RAMP,)), Weighted(L2, 1.0, (RAMP, Schedule("step", 1.0, 0.0, 3)))],
        ),
        ("cosine(1, 0, epochs=5) * bce", [Weighted(BCE, 1.0, (Schedule("cosine", 1.0, 0.0, 5),))]),
        ("f(a=1, b=-2, c=1.0, d=1e3)", [Weighted(Call("f", {"a": 1, "b": -2, "c": 1.0, "d": 1000.0}))]),
        (
            "f(a=true, b=None, c=word, d=two-words)",
            [Weighted(Call("f", {"a": True, "b": None, "c": "word", "d": "two-words"}))],
        ),
        (
            "f(a='x y', b=\"it's\", c=[1, -2.5])",
            [Weighted(Call("f", {"a": "x y", "b": "it's", "c": [1.0, -2.5]}))],
        ),
        ("f(a=9007199254740993)", [Weighted(Call("f", {"a": 2**53 + 1}))]),
        (
            "both(bce, 0.1*l2 + bce, k=3)",
            [Weighted(Call("both", {"k": 3}, (Weighted(BCE), Weighted(L2, 0.1), Weighted(BCE))))],
        ),
        ("a(b(c))", [Weighted(Call("a", {}, (Weighted(Call("b", {}, (Weighted(Call("c")),))),)))]),
        ("pkg.mod:f(k=1)", [Weighted(Call("pkg.mod:f", {"k": 1}))]),
        ("mod:Outer.Inner", [Weighted(Call("mod:Outer.Inner"))]),
        ("2*../my-dir/file.py:Mine", [Weighted(Call("../my-dir/file.py:Mine"), 2.0)]),
        ("-./file.py:Mine", [Weighted(Call("./file.py:Mine"), -1.0)]),
        ("0.5*'my losses/a+b.py:Mine'(k=1)", [Weighted(Call("my losses/a+b.py:Mine", {"k": 1}), 0.5)]),
        ('"C:\\dir\\file.py:Mine"', [Weighted(Call("C:\\dir\\file.py:Mine"))]),
        ("'linear'", [Weighted(Call("linear"))]),
        ("\n bce\t+ l2 ", [Weighted(BCE), Weighted(L2)]),
    ],
)
def test_grammar(text: str, terms: list[Weighted]) -> None:
    assert parse(text) == tuple(terms)
    assert [parse(str(term)) for term in terms] == [(term,) for term in terms]


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, r"a loss, a number or '\(', got the end"),
        ("bce +", 6, "a loss, a number .* the end"),
        ("bce l2", 5, r"\+, -, \* or the end, got 'l2'"),
        ("bce $ l2", 5, r"one of \+ - \* \( \), got '\$'"),
        ("2", 1, "a loss in every term, got only numbers and schedules"),
        ("bce + 2*linear(0, 1, 5)", 7, "a loss in every term"),
        ("bce*l2", 5, r"a number or a schedule \(a product holds one loss\), got a second loss"),
        ("(bce + l2)*(bce)", 12, "a number or a schedule"),
        ("(bce", 5, r"'\)', got the end"),
        ("bce)", 4, r"the end, got '\)'"),
        ("f(a=)", 5, r"a number \(a value\), got '\)'"),
        ("f(a=1", 6, r"',' or '\)'"),
        ("f(a=1 b=2)", 7, r"',' or '\)', got 'b'"),
        ("f(a=1, a=2)", 8, "each argument once, got a"),
        ("f(a=[])", 6, r"a number \(in a list\)"),
        ("f(a=[1; 2])", 7, "got ';'"),
        ("f(a='x)", 5, 'got "\'"'),
        ("f(,)", 3, "a loss, a number"),
        ("linear(0, 1)*bce", 12, r"', epochs', as in linear\(start, end, epochs\), got '\)'"),
        ("focal(2)", 7, "an argument by name, such as gamma=2, got '2'"),
        ("my_loss.py:", 1, r"the loss in the file, my_loss\.py:NAME"),
        ("./my_loss.py", 1, r"the loss in the file, \./my_loss\.py:NAME"),
        ("2*my_loss.py + bce", 3, r"the loss in the file, my_loss\.py:NAME"),
        (
            "linear(0, 1, epochs=0)*bce",
            1,
            "a schedule that is possible, .*epochs must be a whole number >= 1",
        ),
        ("linear(0, 1, epochs=1.5)*bce", 1, "epochs must be a whole number"),
        ("linear(a, 1, 5)*bce", 8, r"a number \(start\), got 'a'"),
        ("linear", 7, r"'\(', got the end"),
        ("1e999*bce", 1, "a finite number, got 1e999"),
        ("1e200*1e200*bce", 1, "a finite weight, got a product that overflows"),
        ("1e200*(bce + 1e200*l2)", 1, "a finite weight"),
        ("''", 1, "the name of a loss"),
        ("--bce", 2, "a loss, a number"),
        ("(" * 41 + "bce" + ")" * 41, 41, "at most 40 levels of brackets"),
    ],
)
def test_what_is_malformed_is_told_where(text: str, position: int, said: str) -> None:
    with pytest.raises(
        UsageError, match=f"^cannot read the loss expression at position {position}: expected .*{said}"
    ) as caught:
        parse(text)
    *_, shown, caret = str(caught.value).split("\n")
    assert shown == f"  {text}"
    assert caret == " " * (position + 1) + "^"


def test_long_texts_are_refused_and_shown_in_part() -> None:
    with pytest.raises(UsageError, match="must have at most 10000 characters, got 10001"):
        parse("b" * 10_001)
    with pytest.raises(UsageError, match="at position 601") as caught:
        parse("bce + " * 100 + "$" + " + bce" * 100)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 110
    assert shown[caret.index("^")] == "$"


@pytest.mark.parametrize(
    "piece",
    [
        "-",
        "a-",
        "a.",
        "a.b-",
        "9",
        "(",
        "((bce)+",
        "f(",
        "f(a=",
        "bce+",
        "2*",
        "'",
        "[",
        "x.p",
        "1-",
        "b-1",
        "\t",
        "ü",
        "a:",
    ],
)
def test_nothing_hangs(piece: str) -> None:
    start = time.process_time()
    text = (piece * 10_000)[:10_000]
    with contextlib.suppress(UsageError):
        parse(text)
    assert time.process_time() - start < 60  # what backtracks does not end


WORDS = ["bce", "l2", "a.b:c", "x-y.py:K", "linear", "constant", "linear(0,1,5)", "epochs", "true", "none"]
MARKS = [*"+-*()[],=$² \x00", "2", "0.1", "1e-4", "1e308", "f(", "k=", "k=1", "'s p'", '"it\'s"']
PIECES = st.sampled_from(WORDS + MARKS)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=80) | st.lists(PIECES, max_size=25).map("".join))
@example("2*'linear'(k=\"true\", j='1')")
@example("f(k='')")
@example("-0*bce")
@example("1e-320*bce")
def test_any_text_is_read_or_refused_and_what_is_read_can_be_written(text: str) -> None:
    try:
        terms = parse(text)
    except UsageError:
        return
    assert terms
    assert all(math.isfinite(term.scale) for term in terms)
    assert tuple(parse(str(term))[0] for term in terms) == terms


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SCHEDULES = st.builds(
    Schedule, st.sampled_from(["linear", "cosine", "step"]), NUMBERS, NUMBERS, st.integers(1, 10**9)
) | st.builds(Schedule, st.just("constant"), NUMBERS)
TEXTS = st.text(st.characters(exclude_characters="\"'", exclude_categories=["Cs"]), max_size=8)
VALUES = (
    NUMBERS
    | st.integers(-(10**300), 10**300)
    | st.booleans()
    | st.none()
    | TEXTS
    | st.lists(NUMBERS, min_size=1, max_size=3)
)
NAMES = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True) | TEXTS.filter(bool)
KEYS = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.builds(Call, NAMES, st.dictionaries(KEYS, VALUES, max_size=3)),
        lambda inner: st.builds(
            Call,
            NAMES,
            st.dictionaries(KEYS, VALUES, max_size=2),
            st.lists(st.builds(Weighted, inner, NUMBERS), min_size=1, max_size=3).map(tuple),
        ),
        max_leaves=5,
    ),
    NUMBERS,
    st.lists(SCHEDULES, max_size=2).map(tuple),
)
def test_any_term_is_written_so_that_it_is_read_back(call: Call, scale: float, schedules: tuple[Schedule, ...]) -> None:
    term = Weighted(call, scale, schedules)
    assert parse(str(term)) == (term,)


def test_a_path_with_a_space_is_told_to_be_quoted() -> None:
    with pytest.raises(UsageError, match="a path with a space or a sign in it must be in quotes"):
        parse("my dir/mine.py:good")
    assert str(parse('"my dir/mine.py:good"')[0].call.name) == "my dir/mine.py:good"


def test_a_dotted_name_is_told_how_it_is_written() -> None:
    with pytest.raises(UsageError, match=r"expected module and name apart, torch\.nn:CrossEntropyLoss"):
        parse("0.5*torch.nn.CrossEntropyLoss + bce")
    assert [str(term) for term in parse("torch.nn:CrossEntropyLoss")] == ["torch.nn:CrossEntropyLoss"]


@pytest.mark.parametrize("path", ["C:\\x\\my_loss.py:Loss", "C:/x/my_loss.py:Loss"])
def test_a_windows_path_is_a_target(path: str) -> None:
    (first, second) = parse(f"0.5*{path} + bce")
    assert (first.call.name, second.call.name) == (path, "bce")


def test_a_path_with_a_sign_in_it_is_no_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a+b").mkdir()
    (tmp_path / "a+b" / "mine.py").touch()
    with pytest.raises(UsageError, match=r"""in quotes, --loss '"a\+b/mine.py:Loss"'"""):
        parse("a+b/mine.py:Loss")
    assert [term.call.name for term in parse('"a+b/mine.py:Loss"')] == ["a+b/mine.py:Loss"]
    assert [term.call.name for term in parse("bce+mine.py:Loss")] == ["bce", "mine.py:Loss"]


@pytest.mark.parametrize(
    "path",
    [
        "./a+b.py:f",
        "a+b.py:f",
        "a*b.py:f",
        "d/a*b.py:f",
        "d/a b.py:f",
        "/t/x(1).py:f",
        "~/a+b.py:f",
        "/t/[a].py:f",
        "./a'b.py:f",
    ],
)
def test_a_path_with_a_sign_in_it_is_told_to_be_quoted_where_no_file_is(path: str) -> None:
    with pytest.raises(UsageError, match="must be in quotes: --loss ") as refused:
        losszoo.create(path, signature="regression")
    words = shlex.split(str(refused.value).partition("must be in quotes: ")[2].partition("\n")[0])
    assert words == ["--loss", f'"{path}"']
    assert [term.call.name for term in parse(words[1])] == [path]


def test_other_mistakes_beside_a_file_are_no_path() -> None:
    for text in ("bce + + my.py:f", "2*my.py:Mine +", "(bce + my.py:f", "focal(gamma=) + m.py:f", "bce + my.py:f"):
        with pytest.raises(UsageError) as refused:
            losszoo.create(text, signature="binary")
        assert "quotes" not in str(refused.value)


@pytest.mark.skipif(os.name == "nt", reason="these are paths there")
@pytest.mark.parametrize(
    "path",
    ["C:\\x\\loss.py:f", "C:/x/loss.py:f", "C:\\x y\\loss.py:f", "x\\loss.py:f", "C:xloss.py:f", "\\\\s\\x\\loss.py:f"],
)
def test_a_windows_path_is_told_to_be_one(path: str) -> None:
    with pytest.raises(UsageError, match="this is a Windows path: here the parts of a path are joined by /"):
        losszoo.create(path, signature="regression")
