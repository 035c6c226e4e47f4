"""What a plugin may announce, and what it is told where it may not."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from losszoo import LossSpec, Param, TaskSpec, UsageError

LOSS = {
    "name": "mine",
    "target": "pkg.mod:mine",
    "signature": "binary",
    "summary": "A loss.",
    "formula": "x",
    "reference": "Nobody, 2026",
}
TASK = {"name": "rows", "target": "pkg.mod:Rows", "kind": "binary", "summary": "Rows.", "metric": "accuracy"}


def test_six_fields_are_enough_for_a_loss() -> None:
    spec = LossSpec(**LOSS)
    assert (spec.params, spec.expects, spec.tags, spec.status, spec.stable_twin) == (
        (),
        "logits",
        (),
        "stable",
        None,
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "My Loss", r"name of a loss must be kebab-case .*got 'My Loss'"),
        ("name", "", "name of a loss must be kebab-case"),
        ("name", 3, "name of a loss must be kebab-case .*got 3"),
        ("name", "a--b", "must be kebab-case"),
        ("target", "pkg.mod", r"mine: target must be 'package.module:name', got 'pkg.mod'"),
        ("target", "file.py:X y", "target must be"),
        ("target", None, "target must be .*got None"),
        ("signature", "", "mine: signature must be the name of a signature, got ''"),
        ("summary", "two\nlines", "mine: summary must be one line of text"),
        ("summary", " ", "summary must be one line"),
        ("formula", None, "mine: formula must be text in printable letters, got None"),
        ("summary", "\x1b[2J", "mine: summary must be one line of text in printable letters"),
        ("formula", "a\nb", "mine: formula must be text in printable letters"),
        ("reference", "a\x07", "mine: reference must be text in"),
        ("tags", ("a\x1b",), "mine: tags must be a tuple of strings in printable"),
        ("params", (Param(name="k", summary="a\nb"),), "mine: summary of k must be text in"),
        ("params", (Param(name="k", type="str", choices=("\r",), default="\r"),), "mine: choices of k must be"),
        ("params", (Param(name="k", type="str", default="\r"),), "mine: default of k must be text in"),
        ("reference", 1, "mine: reference must be text in printable letters, got 1"),
        ("params", Param(name="k"), "mine: params must be a tuple of Param"),
        ("params", ("k",), "mine: params must be a tuple of Param"),
        ("params", (Param(name="k"), Param(name="k")), "each with a name of its own"),
        ("tags", "word", "mine: tags must be a tuple of strings in printable letters, got 'word'"),
        ("expects", "scores", "mine: expects must be one of logits, probabilities, log-probabilities"),
        ("status", "broken", "mine: status must be one of stable, exhibit"),
        ("status", "exhibit", "an exhibit, and nothing else, must name its stable_twin, .*stable_twin=None"),
        ("stable_twin", "bce", "an exhibit, and nothing else, must name its stable_twin"),
        ("stable_twin", 5, "stable_twin must be a name, got 5"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LossSpec(**{**LOSS, field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Rows", "name of a task must be kebab-case"),
        ("kind", 3, "rows: kind must be the name of a kind of task, got 3"),
        ("direction", "up", "rows: direction must be max or min, got 'up'"),
        ("metric", "", "rows: metric must be the name of a metric"),
        ("reference", None, "rows: reference must be text"),
        ("tags", [1], "rows: tags must be a tuple of strings"),
        (
            "published",
            (("MLP", 0.5),),
            r"rows: published must be rows of \(method, value, spread or None, source\)",
        ),
        ("published", (("MLP", "high", None, "x"),), "rows: published must be rows"),
        ("published", 0.5, "rows: published must be rows"),
    ],
)
def test_a_task_that_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TaskSpec(**{**TASK, field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "two words"}, "name must be a Python name, got 'two words'"),
        ({"type": "real"}, "k: type must be one of float, int, bool, str, floats, got 'real'"),
        ({"bounds": "]["}, r"k: bounds must be one of \[\], \(\), \[\), \(\], got '\]\['"),
        ({"range": (1.0, 0.0)}, r"k: range must be \(low, high\) or None, got \(1.0, 0.0\)"),
        ({"range": 3}, "k: range must be"),
        ({"search": (0.0, math.nan)}, "k: search must be"),
        ({"choices": "ab"}, "k: choices must be a tuple of strings"),
        ({"default": "x"}, "k: default must be a number, got 'x'"),
        ({"default": -1.0, "range": (0, 1)}, r"k: default must be in \[0, 1\], got -1.0"),
        ({"type": "str", "choices": ("a", "b"), "default": "c"}, "k: default must be one of a, b"),
        ({"type": "floats", "default": object()}, "k: default must be None, a number or a tuple of numbers"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Param(**{"name": "k", **fields})  # type: ignore[arg-type]


INF = math.inf
HALF_OPEN = Param(name="k", default=0.5, range=(0, 1), bounds="[)")
COUNT = Param(name="k", type="int", default=1, range=(1, INF))
FLAG = Param(name="k", type="bool", default=False)
CHOICE = Param(name="k", type="str", default="a", choices=("a", "b"))
OPTIONAL = Param(name="k", range=(0, INF), bounds="()")
MANY = Param(name="k", type="floats", default=(1.0, 2.0))
POSITIVE = Param(name="k", type="floats", range=(0, INF), bounds="()")


@pytest.mark.parametrize(
    ("param", "interval", "legal", "illegal"),
    [
        (HALF_OPEN, "[0, 1)", [0, 0.5, 1 - 1e-9], [1, -1e-9, INF, math.nan, "0.5", True, None]),
        (COUNT, "[1, inf)", [1, 10**9, 2**63 - 1], [0, 1.5, True, None, 2**63, 10**400]),
        (FLAG, "true|false", [True, False], [0, 1, "true", None]),
        (CHOICE, "a|b", ["a", "b"], ["c", 1, ["a"], None]),
        (OPTIONAL, "(0, inf)", [None, 1e-30, 1e30], [0, -1, INF]),
        (
            MANY,
            "",
            [(1.0, 2.0), [0], 3.0],
            ["1,2", True, None, [1, "2"], [[1.0]], [INF], math.nan, [10**400], {1: 2}, object()],
        ),
        (
            MANY,
            "",
            [torch.ones(2), torch.tensor(1.0), np.ones((3, 2))],
            [torch.ones(2, device="meta"), torch.tensor([math.nan])],
        ),
        (POSITIVE, "(0, inf)", [None, 1, [1, 0.5], torch.ones(2)], [0, [1, 0], [1, INF], torch.zeros(2)]),
        (Param(name="k"), "", [None, -1e9, 0, 10**18, 3e38], ["x", math.nan, 10**400, -(10**400), 10**19, 4e38]),
    ],
)
def test_what_is_legal(param: Param, interval: str, legal: list[object], illegal: list[object]) -> None:
    assert param.interval == interval
    assert [value for value in legal if param.complaint(value) is not None] == []
    assert [value for value in illegal if param.complaint(value) is None] == []


@pytest.mark.parametrize(
    ("param", "value", "said"),
    [
        (HALF_OPEN, 1, "must be in [0, 1)"),
        (COUNT, 1.5, "must be a whole number"),
        (FLAG, 1, "must be true or false"),
        (CHOICE, "c", "must be one of a, b"),
        (MANY, "1,2", "must be a finite number, a flat sequence or a tensor of finite numbers"),
        (POSITIVE, [1, 0], "must be in (0, inf), every entry"),
        (Param(name="k", type="str", default=""), 1, "must be a string"),
    ],
)
def test_complaints_say_the_rule(param: Param, value: object, said: str) -> None:
    assert param.complaint(value) == said


def test_announcements_are_plain_data() -> None:
    loss = LossSpec(
        **{**LOSS, "params": [OPTIONAL, Param(name="many", type="floats", default=(1.0, 2.0))], "tags": ["x"]}
    )
    task = TaskSpec(**TASK, published=[["MLP", 0.5, None, "me"]])  # type: ignore[arg-type, list-item]
    assert json.loads(json.dumps(loss.to_dict(), allow_nan=False)) == loss.to_dict()
    assert json.loads(json.dumps(task.to_dict(), allow_nan=False)) == task.to_dict()
    assert loss.to_dict()["params"][0]["range"] == [0, None]
    assert hash(loss) != hash(task)
    assert loss.param("k") is OPTIONAL
    assert loss.param("none") is None
