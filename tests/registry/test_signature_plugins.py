"""Signatures and kinds of plugins that are broken in every way we know: each is recorded, and nothing else stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HEAD = """
from losszoo import LossSpec, SignatureSpec, KindSpec, TaskSpec, hookimpl
def spec(name, signature):
    texts = {"summary": "s", "formula": "f", "reference": "r"}
    return LossSpec(name=name, target="losszoo_plugins.regression.squared:mse", signature=signature, **texts)
def task(name, kind):
    return TaskSpec(name=name, target="a:B", kind=kind, summary="s", metric="m")
"""
LOSSES = "@hookimpl\ndef losszoo_losses(): return "
SIGNATURES = "@hookimpl\ndef losszoo_signatures(): return "
KINDS = "@hookimpl\ndef losszoo_kinds(): return "
# A signature that is right; the cases break one thing each.
RIGHT = """
from losszoo import Kind, Signature, checks
import torch
class Sound(Signature):
    name = "NAME"
    arguments = ("scores", "marks")
    given = ("marks",)
    fits = ("regression",)
    def check(self, inputs, context):
        scores = checks.floating("scores", inputs[0])
        if scores.ndim != 1:
            raise checks.BrokenRule("scores", "have shape (N,)", checks.shape_of(scores))
        return scores, checks.like("marks", inputs[1], scores, "scores")
    def example(self, source):
        return source.normal(source.rows), source.normal(source.rows)
    def head(self, width, data):
        return torch.nn.Linear(width, 1)
    def loss_inputs(self, batch):
        return batch.outputs.squeeze(1), batch.targets
"""


OPTION = "    options = {'x': {}}\n"


@dataclass(frozen=True)
class Case:
    """A plugin, the module of its classes, the stage at which it fails, and what is said of it."""

    body: str
    classes: str = ""
    stage: str = ""
    said: str = ""
    offers: tuple[str, ...] = ()


def of(name: str, old: str = "", new: str = "") -> str:
    """The right signature with one thing changed."""
    assert old in RIGHT
    return RIGHT.replace("NAME", name).replace(old, new)


CASES = {
    # Its losses come before, in the order of the names of distributions, and are checked when both are known.
    "a-losses-first": Case(LOSSES + "[spec('of-the-last', 'z-sound')]"),
    "z-sound": Case(SIGNATURES + "['sig_z_sound.classes:Sound']", of("z-sound"), offers=("z-sound",)),
    "unknown-signature": Case(
        LOSSES + "[spec('t-unknown', 'regresion'), spec('t-known', 'regression')]",
        stage="spec",
        said="t-unknown: signature must be one of ",
    ),
    "near-signature": Case(
        LOSSES + "[spec('t-near', 'regresion')]", stage="spec", said="got 'regresion'; did you mean regression?"
    ),
    "unknown-kind": Case(
        "@hookimpl\ndef losszoo_tasks(): return [task('t-kind', 'retreival')]",
        stage="spec",
        said="t-kind: kind must be one of ",
    ),
    "wrong-expects": Case(
        "@hookimpl\ndef losszoo_losses(): return [LossSpec(name='t-expects', target='a:b', signature='regression', "
        "summary='s', formula='f', reference='r', expects='probabilities')]",
        stage="spec",
        said="t-expects: expects must be one of logits for the signature regression, got 'probabilities'",
    ),
    "clash": Case(
        SIGNATURES + "[SignatureSpec(name='binary', target='a:B', arguments=('x',))]",
        stage="spec",
        said="signature binary: the name belongs to plugin signatures, losszoo",
    ),
    "bad-name": Case(
        SIGNATURES + "[SignatureSpec(name='Bad Name', target='a:B', arguments=('x',)), 'sig_bad_name.classes:Sound']",
        of("beside-the-bad"),
        "spec",
        "name of a signature must be kebab-case (a-z, 0-9, -), got 'Bad Name'",
        ("beside-the-bad",),
    ),
    "no-arguments": Case(
        SIGNATURES + "['sig_no_arguments.classes:Sound']",
        of("no-arguments", 'arguments = ("scores", "marks")', ""),
        "spec",
        "must have the attributes name, arguments, got no arguments",
    ),
    "computed-attribute": Case(
        SIGNATURES + "['sig_computed_attribute.classes:Sound']",
        of("computed", '("scores", "marks")', 'tuple("ab")'),
        "spec",
        "arguments must be a literal, got an expression in line 6",
    ),
    "no-such-class": Case(
        SIGNATURES + "['sig_no_such_class.classes:Nothing']", of("x"), "spec", "must be a class at the top of its file"
    ),
    "no-such-module": Case(
        SIGNATURES + "['sig_no_such_module.other:Sound']", "", "spec", "got no module 'sig_no_such_module.other'"
    ),
    "given-unknown": Case(
        SIGNATURES + "['sig_given_unknown.classes:Sound']",
        of("given-unknown", 'given = ("marks",)', 'given = ("mark",)'),
        "spec",
        "signature given-unknown: given must be among scores, marks, got ('mark',)",
    ),
    "returns-a-number": Case(SIGNATURES + "[3]", "", "spec", "must return a class with a name, its target or a spec"),
    "hook-raises": Case("@hookimpl\ndef losszoo_signatures(): raise KeyError('k')", "", "call", "KeyError: 'k'"),
    "lacks-a-method": Case(
        SIGNATURES + "['sig_lacks_a_method.classes:Sound']",
        of("lacks-a-method", "def example(", "def exmaple("),
        "target",
        "signature lacks-a-method: sig_lacks_a_method.classes:Sound must define example, got no such method",
        ("lacks-a-method",),
    ),
    "raises-at-import": Case(
        SIGNATURES + "['sig_raises_at_import.classes:Sound']",
        of("raises-at-import", "import torch\n", "import torch\nraise SystemExit(7)\n"),
        "target",
        "sig_raises_at_import.classes:Sound cannot be imported: SystemExit: 7",
        ("raises-at-import",),
    ),
    "no-signature": Case(
        SIGNATURES + "['sig_no_signature.classes:Sound']",
        "class Sound:\n    name = 'no-signature'\n    arguments = ('x',)\n",
        "target",
        "must be a losszoo.Signature, got a class Sound",
        ("no-signature",),
    ),
    "as-a-class": Case(
        "from sig_as_a_class.classes import Sound\n" + SIGNATURES + "[Sound]", of("as-a-class"), offers=("as-a-class",)
    ),
    "wrong-example": Case(
        SIGNATURES + "['sig_wrong_example.classes:Sound']",
        of("wrong-example", "source.normal(source.rows), source", "source.normal(source.rows, 2), source"),
        "check",
        "the example of the usual size must be accepted by its own check, got the error scores must have shape (N,)",
        ("wrong-example",),
    ),
    "illegal-edge-case": Case(
        SIGNATURES + "['sig_illegal_edge_case.classes:Sound']",
        of(
            "illegal-edge-case",
            "    def head",
            "    def edge_cases(self, inputs, expects): yield 'one more', (inputs[0][:-1], inputs[1])\n    def head",
        ),
        "check",
        "the edge case 'one more' must be accepted by its own check, got the error marks must have the shape of scores",
        ("illegal-edge-case",),
    ),
    "edge-case-of-nan": Case(
        SIGNATURES + "['sig_edge_case_of_nan.classes:Sound']",
        of(
            "edge-case-of-nan",
            "    def head",
            "    def edge_cases(self, inputs, expects): yield 'lost', (inputs[0] * torch.nan, inputs[1])\n    def head",
        ),
        "check",
        "the edge case 'lost' must hold no NaN, got one; a NaN is no legal input",
        ("edge-case-of-nan",),
    ),
    "edge-case-without-label": Case(
        SIGNATURES + "['sig_edge_case_without_label.classes:Sound']",
        of(
            "edge-case-without-label",
            "    def head",
            "    def edge_cases(self, inputs, expects): yield '', inputs\n    def head",
        ),
        "check",
        "label of an edge case must be a text that is not empty, got ''; say in a few words what it tries",
        ("edge-case-without-label",),
    ),
    "always-empty": Case(
        SIGNATURES + "['sig_always_empty.classes:Sound']",
        of("always-empty", "    def head", "    def is_empty(self, inputs): return True\n    def head"),
        "check",
        "is_empty must be False for an ordinary batch, got True; return whether there is no sample",
        ("always-empty",),
    ),
    "never-empty": Case(
        SIGNATURES + "['sig_never_empty.classes:Sound']",
        of("never-empty", "    def head", "    def is_empty(self, inputs): return False\n    def head"),
        "check",
        "is_empty must be True for a batch without samples, got False; return whether there is no sample",
        ("never-empty",),
    ),
    "link-to-another-shape": Case(
        SIGNATURES + "['sig_link_to_another_shape.classes:Sound']",
        of(
            "link-to-another-shape",
            "    def head",
            "    def link(self, outputs, expects): return outputs[0]\n    def head",
        ),
        "check",
        "link must keep the shape (6, 3), got (3,); compute it elementwise",
        ("link-to-another-shape",),
    ),
    "example-of-one": Case(
        SIGNATURES + "['sig_example_of_one.classes:Sound']",
        of("example-of-one", "source.normal(source.rows), source.normal(source.rows)", "(source.normal(source.rows),)"),
        "check",
        "example must return a tuple of scores, marks, got a tuple of 1; return one tensor for each argument",
        ("example-of-one",),
    ),
    "example-raises": Case(
        SIGNATURES + "['sig_example_raises.classes:Sound']",
        of("example-raises", "return source.normal", "raise KeyError('e')\n        return source.normal"),
        "check",
        "KeyError: 'e'",
        ("example-raises",),
    ),
    "hides-nothing": Case(
        SIGNATURES + "['sig_hides_nothing.classes:Sound']",
        of("hides-nothing", "    def head", "    def hide(self, inputs, mask, context): return inputs\n    def head"),
        "check",
        "masked elements must make no difference, got a NaN that still counts",
        ("hides-nothing",),
    ),
    "wrong-loss-inputs": Case(
        SIGNATURES + "['sig_wrong_loss_inputs.classes:Sound']",
        of("wrong-loss-inputs", "batch.outputs.squeeze(1), batch", "batch.outputs, batch"),
        "check",
        "loss_inputs on diabetes must be accepted by its own check, got the error scores must have shape (N,)",
        ("wrong-loss-inputs",),
    ),
    "option-of-an-argument": Case(
        SIGNATURES + "['sig_option_of_an_argument.classes:Sound']",
        of("option-of-an-argument", "    def head", OPTION.replace("x", "marks") + "    def head"),
        "spec",
        "signature option-of-an-argument: options must have other names than scores, marks, mask, denominator, ",
    ),
    "option-of-a-call": Case(
        SIGNATURES + "['sig_option_of_a_call.classes:Sound']",
        of("option-of-a-call", "    def head", OPTION.replace("x", "reduction") + "    def head"),
        "spec",
        "relation, got reduction",
    ),
    "option-of-no-default": Case(
        SIGNATURES + "['sig_option_of_no_default.classes:Sound']",
        of(
            "option-of-no-default",
            "    def head",
            OPTION.replace("{}", "{'default': 2, 'range': (0, 1)}") + "    def head",
        ),
        "spec",
        "x: default must be in [0, 1], got 2",
    ),
    "option-of-pairs": Case(
        SIGNATURES + "['sig_option_of_pairs.classes:Sound']",
        of("option-of-pairs", "    def head", OPTION + "    def pairs(self, inputs): return None\n    def head"),
        "target",
        "options must be left out where rows form pairs, got ['x']",
        ("option-of-pairs",),
    ),
    "option-that-is-not-tried": Case(
        SIGNATURES + "['sig_option_that_is_not_tried.classes:Sound']",
        of("option-that-is-not-tried", "    def head", OPTION + "    def head"),
        "check",
        "every option must be tried by option_cases, got no case for x; yield a losszoo.OptionCase that sets it",
        ("option-that-is-not-tried",),
    ),
    "option-that-acts": Case(
        SIGNATURES + "['sig_option_that_acts.classes:Sound']",
        of(
            "option-that-acts",
            "    def head",
            OPTION + "    def present(self, inputs, options): return inputs[1] > 0\n    def head",
        ),
        "check",
        "options must do nothing by default, got elements left out or weighed",
        ("option-that-acts",),
    ),
    "option-of-another-shape": Case(
        SIGNATURES + "['sig_option_of_another_shape.classes:Sound']",
        of(
            "option-of-another-shape",
            "    def head",
            OPTION + "    def present(self, inputs, options): return inputs[1][1:] > 0\n    def head",
        ),
        "check",
        "present must be None or a boolean mask of shape (6,), got torch.bool (5,)",
        ("option-of-another-shape",),
    ),
    "unnatural-kind": Case(
        KINDS + "[KindSpec(name='odd', target='a:B', natural='nothing', metrics=('m',))]",
        stage="spec",
        said="kind odd: natural must be one of ",
    ),
    "kind-without-score": Case(
        KINDS + "['sig_kind_without_score.classes:Odd']",
        "from losszoo import Kind\nclass Odd(Kind):\n"
        "    name = 'unscored'\n    natural = 'regression'\n    metrics = ('m',)\n",
        "target",
        "kind unscored: sig_kind_without_score.classes:Odd must define score, got no such method",
    ),
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, installed side by side."""
    folder = tmp_path_factory.mktemp("site")
    for name, case in CASES.items():
        package = folder / f"sig_{name.replace('-', '_')}"
        package.mkdir()
        (package / "__init__.py").write_text(HEAD + case.body)
        (package / "classes.py").write_text(case.classes)
        info = folder / f"dist_{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[losszoo]\n{name} = {package.name}\n")
    return folder


def losszoo(zoo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(zoo), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "losszoo", *arguments]
    return subprocess.run(command, env=environment, cwd=zoo, capture_output=True, text=True, timeout=1800, check=False)


@pytest.fixture(scope="module")
def told(zoo: Path) -> dict[str, Any]:
    """What ``losszoo plugins --json --check`` says of them."""
    done = losszoo(zoo, "plugins", "--json", "--check")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", CASES)
def test_every_plugin_is_told_what_is_wrong(told: dict[str, Any], name: str) -> None:
    case = CASES[name]
    plugin = next(p for p in told["plugins"] if p["entry_point"] == name)
    failures = [f for f in told["failures"] if f["entry_point"] == name]
    assert plugin["signatures"] == list(case.offers)
    if case.stage:
        assert any(f["stage"] == case.stage and case.said in f["reason"] for f in failures), failures
    else:
        assert failures == []


def test_nothing_else_stops(zoo: Path) -> None:
    listed = json.loads(losszoo(zoo, "list", "--json").stdout)
    assert {"mse", "of-the-last", "t-known"} <= {loss["name"] for loss in listed}
    command = ["run", "--loss", "mse", "--task", "diabetes", "--epochs", "1", "--out", "runs", "--json"]
    ran = losszoo(zoo, *command)
    assert (ran.returncode, json.loads(ran.stdout)["status"]) == (0, "completed"), ran.stderr
    # A broken signature is passed over where all are looked at, as for a function of somebody's own.
    (zoo / "own.py").write_text("def own(predictions, targets): return (predictions - targets).abs().log1p()\n")
    own = losszoo(zoo, "doctor", "own.py:own", "--signature", "regression", "--json")
    assert json.loads(own.stdout)["verdict"] == "healthy", own.stdout + own.stderr


def test_a_loss_of_a_signature_that_cannot_be_loaded_names_it(zoo: Path) -> None:
    code = (
        "import losszoo\n"
        "try: losszoo.create(lambda x: x, signature='lacks-a-method')\n"
        "except losszoo.UsageError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(zoo)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "signature lacks-a-method of plugin lacks-a-method, dist-lacks-a-method 1.0: sig_lacks" in done.stdout, (
        done.stdout + done.stderr
    )
