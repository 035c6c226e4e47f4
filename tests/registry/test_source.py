"""Losses written once: what a plugin's source says is its announcement, and what cannot be read says file and line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import losszoo
from losszoo import LossSpec, Range, UsageError, losses_in

DOC = '''    r"""{summary}

    .. math:: \\ell = (p - t)^2,
        \\quad p = x

    When it helps, see :func:`torch.square` and ``mse``; at :math:`e^2`.

    Args:
        predictions: any shape.
        delta: where it ends, in
            the unit of the target.

    Returns:
        One value per element.

    Reference:
        Nobody, "Nothing",
        2026, https://example.org.
    """
'''
GOOD = f'''"""Losses.

x = a line of words that is no assignment
"""
from __future__ import annotations
raise SystemExit("nobody imports this")
from typing import Annotated, Literal
import losszoo
from losszoo import Range, loss

LOW = 0
Positive = Annotated[float, Range(LOW, None, bounds="()", log=True, search=(0.5, 5))]

@losszoo.loss(signature="regression", tags=("robust",), aliases=("other-name",))
@losszoo.wide
def my_loss(
    predictions, targets, *,
    delta: Positive = 1.0,
    kind: Literal["a", "b"] = "a",
    weight: Annotated[losszoo.Floats | None, Range(0, 1)] = None,
    share: Annotated[float | None, losszoo.Range(None, 1.5)] = None,
    steps: int | None = None, plain: bool = True, word: str = "x", mask=None,
):
{DOC.format(summary="My own loss.")}
    text = """
@loss(signature="regression")
def within_a_string(): pass
"""
    return (predictions - targets) ** 2

def helper():
    return 1

@loss(signature="penalty", name="a-name", status="exhibit", stable_twin="l2", expects="probabilities")
class LaplaceNLL(object):
{DOC.format(summary="A module.")}
    def __init__(self, classes: int | None = None, *, delta: Annotated[float, Range(0, 1)] = 0.5):
        pass

@loss(signature="views")
@losszoo.softmax_row(similarity="dot", temperature=0.1, temperature_search=(0.02, 1), symmetric=False, numbers=helper)
def rows(odds, *, row_labels, column_labels):
{DOC.format(summary="Rows.")}
    return odds
'''


def write(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / (name.replace(".", "/") + ".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    monkeypatch.syspath_prepend(folder)


def test_everything_is_read_and_nothing_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "my_package.losses", GOOD, monkeypatch)
    write(tmp_path, "my_package.__init__", "raise SystemExit('nobody imports this either')", monkeypatch)
    mine, module, rows = losses_in("my_package.losses")
    assert "my_package" not in sys.modules
    assert mine.to_dict() == {
        "name": "my-loss",
        "target": "my_package.losses:my_loss",
        "signature": "regression",
        "summary": "My own loss.",
        "formula": r"\ell = (p - t)^2, \quad p = x",
        "reference": 'Nobody, "Nothing", 2026, https://example.org',
        "params": [p.__dict__ | {"range": p.range and [*map(end, p.range)]} | lists(p) for p in mine.params],
        "expects": "logits",
        "tags": ["robust"],
        "aliases": ["other-name"],
        "status": "stable",
        "stable_twin": None,
        "description": "When it helps, see square and mse; at $e^2$.",
    }
    assert [(p.name, p.type, p.default, p.interval, p.log, p.search) for p in mine.params] == [
        ("delta", "float", 1.0, "(0, inf)", True, (0.5, 5)),
        ("kind", "str", "a", "a|b", False, None),
        ("weight", "floats", None, "[0, 1]", False, None),
        ("share", "float", None, "(-inf, 1.5]", False, None),
        ("steps", "int", None, "", False, None),
        ("plain", "bool", True, "true|false", False, None),
        ("word", "str", "x", "", False, None),
    ]
    assert mine.params[0].summary == "where it ends, in the unit of the target"
    assert (module.name, module.target, module.status, module.stable_twin) == (
        "a-name",
        "my_package.losses:LaplaceNLL",
        "exhibit",
        "l2",
    )
    assert [(p.name, p.default) for p in module.params] == [("classes", None), ("delta", 0.5)]
    assert [(p.name, p.default, p.interval, p.search) for p in rows.params] == [
        ("similarity", "dot", "euclidean|squared-euclidean|cosine|dot", None),
        ("temperature", 0.1, "(0, inf)", (0.02, 1)),
        ("symmetric", False, "true|false", None),
    ]
    assert all(p.summary for p in rows.params)
    assert [spec.name for spec in losses_in("my_package")] == ["my-loss", "a-name", "rows"]


def end(number: float) -> float | None:
    return None if number in (float("inf"), -float("inf")) else number


def lists(param: losszoo.Param) -> dict[str, Any]:
    return {"choices": list(param.choices), "search": param.search and list(param.search)}


def test_a_package_in_an_archive_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("zipped_losses/__init__.py", "")
        archive.writestr("zipped_losses/deep/__init__.py", GOOD)
    monkeypatch.syspath_prepend(tmp_path / "zipped.zip")
    assert [spec.name for spec in losses_in("zipped_losses")] == ["my-loss", "a-name", "rows"]


def function(head: str, doc: str = DOC.format(summary="S."), params: str = "") -> str:
    keywords = f", *, {params}" if params else ""
    return f"LIST = [1]\n\n{head}\ndef f(predictions, targets{keywords}):\n{doc}\n    return 0\n"


LOSS = '@loss(signature="regression")'
QUOTES = '"""'
HIDING = {
    "quotes in a comment": f"# {QUOTES}\n",
    "quotes in a string": f"X = '{QUOTES}'\n",
    "a loss in a string": f"X = '''\n{QUOTES}\n@loss(signature='binary')\ndef ghost(predictions, targets): pass\n'''\n",
    "a loss in the words of the module": f"'''Words.\n\n{function('@loss(signature=1)')}'''\n",
    "quotes in a body": f"def helper():\n    return '{QUOTES}'\n",
}


@pytest.mark.parametrize("before", HIDING)
def test_no_loss_is_passed_over(before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"hiding_{list(HIDING).index(before)}"
    body = function(LOSS).replace("return 0", f"return '{QUOTES}'")
    write(tmp_path, name, HIDING[before] + body + function(LOSS).replace("def f", "def g"), monkeypatch)
    assert [spec.name for spec in losses_in(name)] == ["f", "g"]


CUT = DOC.format(summary="S.").replace("Reference:", "See:")
BAD = {
    "no-docstring": (function(LOSS, "    pass"), 4, "must have a summary in its first line, a formula"),
    "no-formula": (
        function(LOSS, '    """S.\n\n    Reference:\n        N.\n    """'),
        4,
        r"a formula \(a line \.\. math::",
    ),
    "no-reference": (function(LOSS, CUT), 4, "the docstring must have a section Reference:; it has none"),
    "bare": (function("@loss"), 3, r'the decorator must be written with keywords, @loss\(signature="binary"\)'),
    "positional": (function('@loss("regression")'), 3, "must be written with keywords"),
    "no-signature": (function("@loss(tags=())"), 3, "the decorator must name the signature"),
    "misspelt": (function('@loss(signatur="binary")'), 3, "@loss has no argument signatur; did you mean signature"),
    "computed": (
        function('@loss(signature=str("binary"))'),
        3,
        r"signature of @loss must be a literal, .* got str\('bi",
    ),
    "tags": (function('@loss(signature="regression", tags="word")'), 4, "f: tags must be a tuple of strings"),
    "no-range": (
        function(LOSS, params="delta: float = 1.0"),
        4,
        r"delta must say which values are legal, delta: Annotated\[float, losszoo.Range\(0, None\)\]",
    ),
    "computed-range": (
        function(LOSS, params="delta: Annotated[float, Range(0, len(LIST))] = 1.0"),
        4,
        r"Range of delta must be a literal, or a name that this file sets once, to a literal, got len\(",
    ),
    "one-end": (
        function(LOSS, params="d: Annotated[float, Range(0)] = 1.0"),
        4,
        r"must have two ends, Range\(0, None\)",
    ),
    "range-keyword": (
        function(LOSS, params="d: Annotated[float, Range(0, 1, lg=1)] = 1.0"),
        4,
        "Range of d has no arg",
    ),
    "bounds": (function(LOSS, params="d: Annotated[float, Range(0, 1, bounds='x')] = 1.0"), 4, "d: bounds must be one"),
    "outside": (function(LOSS, params="d: Annotated[float, Range(0, 1)] = 2.0"), 4, r"d: default must be in \[0, 1\]"),
    "range-of-text": (function(LOSS, params="d: Annotated[str, Range(0, 1)] = 'x'"), 4, "d must have no Range"),
    "type": (function(LOSS, params="d: Tensor = None"), 4, "the type of d must be float, int, .* got Tensor"),
    "no-type": (function(LOSS, params="d=1"), 4, "d must have a type, such as d: float"),
    "no-default": (function(LOSS, params="d: bool"), 4, "d must have a default"),
    "computed-default": (function(LOSS, params="d: int = len(LIST)"), 4, "default of d must be a literal"),
    "set-twice": (
        "D = 0.5\nD = 0.75\n" + function(LOSS, params="d: Annotated[float, Range(0, 1)] = D"),
        2,
        "or a name that this file sets once, to a literal, got D",
    ),
    "set-with-another": (
        "D = 0.5\n(D, E) = 1, 2\n" + function(LOSS, params="d: Annotated[float, Range(0, D)] = 0.5"),
        2,
        "that this file sets once",
    ),
    "changed-later": (
        function(LOSS, params="d: Annotated[float, Range(0, 1)] = LATER") + "LATER = 1\nLATER /= 2\n",
        27,
        "that this file sets once",
    ),
    "by-position": (
        function(LOSS).replace("targets)", "targets, d: int = 1, /)"),
        4,
        "d must be taken by its name, got it before the /",
    ),
    "within-if": (
        "if True:\n" + textwrap.indent(function(LOSS), "    "),
        5,
        "f: must be a function or class at the top of its file, got one within another",
    ),
    "async": (function(LOSS).replace("def f", "async def f"), 4, "must be a function or class .*, or async"),
    "deep": (
        function(LOSS, params=f"d: Annotated[float, Range(0, 1)] = {'-' * 3000}0.5"),
        None,
        "module bad_deep cannot be read: .*recursion",
    ),
    "type-of-itself": (
        "T = T | None\n" + function(LOSS, params="d: T = 0.5"),
        5,
        "loss f cannot be read: .*recursion",
    ),
    "no-loss": ("def f(): pass\n# @loss", None, "module bad_no_loss must hold a loss marked with @losszoo.loss"),
    "syntax": (f"{LOSS}\ndef f(:\n  pass", 2, "module bad_syntax cannot be read: invalid syntax"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_says_file_line_and_what_to_write(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, line, said = BAD[name]
    module = f"bad_{name.replace('-', '_')}"
    write(tmp_path, module, text, monkeypatch)
    with pytest.raises(UsageError, match=said) as caught:
        losses_in(module)
    assert line is None or str(caught.value).endswith(f"/{module}.py:{line})")


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"losses_in: module no_such_package.losses is not there"):
        losses_in("no_such_package.losses")
    with pytest.raises(UsageError, match=r"module math has no source to read"):
        losses_in("math")


def test_one_bad_loss_costs_itself_alone(tmp_path: Path) -> None:
    """In a real process: it is listed with its owner by ``plugins --check``; the good one is trained."""
    package = tmp_path / "once_plugin"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import losszoo\n@losszoo.hookimpl\ndef losszoo_losses():\n"
        "    return losszoo.losses_in('once_plugin.losses', 'once_plugin.gone')\n"
    )
    good = "from typing import Annotated\nfrom losszoo import Range, loss\n" + function(LOSS)
    bad = function(LOSS, params="delta: Annotated[float, Range(0, float('inf'))] = 1.0").replace("def f", "def g")
    text = good.replace("return 0", "return (predictions - targets) ** 2") + bad
    (package / "losses.py").write_text(text)
    line = text[: text.index("def g")].count("\n") + 1
    info = tmp_path / "once_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: once-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[losszoo]\nonce = once_plugin\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def said(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "losszoo", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    checked = said("plugins", "--json", "--check")
    reasons = [f["reason"] for f in json.loads(checked.stdout)["failures"] if f["distribution"] == "once-plugin"]
    assert checked.returncode == 1
    assert len(reasons) == 2
    assert "an end of the Range of delta must be a literal" in reasons[0]
    assert reasons[0].endswith(f"(once_plugin/losses.py:{line})")
    assert "module once_plugin.gone is not there" in reasons[1]
    listed = json.loads(said("list", "--plugin", "once-plugin", "--json").stdout)
    assert [loss["name"] for loss in listed] == ["f"]
    ran = said("run", "--loss", "f", "--task", "diabetes", "--epochs", "1", "--out", "runs", "--json")
    assert json.loads(ran.stdout)["status"] == "completed", ran.stderr


def test_a_mark_costs_a_call_nothing_and_says_what_an_own_loss_is() -> None:
    @losszoo.loss(signature="binary", expects="probabilities")
    def own(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (predictions - targets).abs()

    assert own.__name__ == "own"
    made = losszoo.create(own)  # binary and regression share their argument names
    assert (made.signature, made.identity.expects) == ("binary", "probabilities")
    assert losszoo.create(own, signature="regression").signature == "regression"

    @losszoo.loss(signature="bniary")
    def misspelt(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return predictions

    with pytest.raises(UsageError, match=r"signature of misspelt must be one of .*bniary"):
        losszoo.create(misspelt)


def test_a_range_is_a_plain_value() -> None:
    assert Range(0, None, search=(1, 2)) == Range(0, None, bounds="[]", log=False, search=(1, 2))


def test_an_explicit_spec_stays_possible() -> None:
    spec = LossSpec(name="x", target="a:b", signature="binary", summary="s", formula="f", reference="r")
    assert (spec.aliases, spec.description) == ((), "")


def test_the_reader_is_free_of_torch() -> None:
    code = """
        import sys, losszoo
        names = [spec.name for spec in losszoo.losses_in("losszoo_plugins.regression")]
        print("huber" in names, {"torch", "numpy"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"
