"""Losses as functions: the values and errors of the objects, and what an editor is told."""

from __future__ import annotations

import gc
import inspect
import re
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

import losszoo
import losszoo.functional as zoo
from losszoo.functional import stubs
from losszoo.losses.signatures.example_inputs import example_inputs

NAMES = [spec.name for spec in losszoo.list_losses()]
# They learn, so they are objects.
LEARNING = (
    "arcface",
    "center",
    "clip",
    "cosface",
    "dino",
    "linear-cross-entropy",
    "margin",
    "proxy-anchor",
    "proxy-nca",
    "siglip",
    "seesaw",
    "soft-triple",
    "sphereface",
    "sub-center-arcface",
    "uncertainty",
)
X, T = torch.tensor([0.3, -2.0, 1.5]), torch.tensor([1.0, 0.0, 1.0])
LOGITS, LABELS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0]]), torch.tensor([0, 2])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LEARNING])
def test_it_is_the_loss_of_that_name(name: str) -> None:
    loss = losszoo.create(name, reduction="sum")
    inputs = example_inputs(loss.signature, expects=loss.identity.expects)
    function = getattr(zoo, name.replace("-", "_"))
    assert torch.equal(function(*inputs, reduction="sum"), loss(*inputs))
    assert list(inspect.signature(function).parameters)[: len(inputs)] == list(loss.rules.names)[: len(inputs)]
    summary = next(spec.summary for spec in losszoo.list_losses() if spec.name == name)
    assert function.__name__ in dir(zoo)
    assert (inspect.getdoc(function) or "").startswith(summary)


def test_options_of_the_call_and_of_the_loss() -> None:
    weight, mask = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True])
    found = zoo.focal(predictions=X, targets=T, gamma=1.0, reduction="sum", weight=weight, mask=mask)
    assert torch.equal(found, losszoo.create("focal(gamma=1)", reduction="sum")(X, T, weight=weight, mask=mask))
    for classes in ([1.0, 2.0, 3.0], (1.0, 2.0, 3.0), torch.tensor([1.0, 2.0, 3.0])):
        # The weight of the classes is torch's.
        expected = torch.nn.functional.cross_entropy(LOGITS, LABELS, weight=torch.tensor([1.0, 2.0, 3.0]))
        torch.testing.assert_close(zoo.cross_entropy(LOGITS, LABELS, class_weight=classes), expected)
    same = zoo.cross_entropy(LOGITS, LABELS, weight=torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(same, losszoo.create("cross-entropy")(LOGITS, LABELS, weight=torch.tensor([1.0, 3.0])))
    # 1, True and 1.0 are not one parameter.
    assert zoo.topk_softmax(LOGITS, LABELS, k=1).isfinite()
    with pytest.raises(losszoo.UsageError, match="k must be a whole number"):
        zoo.topk_softmax(LOGITS, LABELS, k=True)
    assert losszoo.functional.infonce is zoo.info_nce


@pytest.mark.parametrize(
    ("call", "made"),
    [
        (lambda: zoo.focal(X, T, gama=1.0), lambda: losszoo.create("focal", gama=1.0)),
        (lambda: zoo.focal(X, T, gamma=-1.0), lambda: losszoo.create("focal", gamma=-1.0)),
        (lambda: zoo.focal(X, T, reduction="avg"), lambda: losszoo.create("focal", reduction="avg")),
        (lambda: zoo.focal(X, T[:2]), lambda: losszoo.create("focal")(X, T[:2])),
        (lambda: zoo.focal(X), lambda: losszoo.create("focal")(X)),
        (lambda: zoo.focal(X, target=T), lambda: losszoo.create("focal", target=T)),
        (lambda: zoo.mse(X, T, mask=X), lambda: losszoo.create("mse")(X, T, mask=X)),
    ],
)
def test_it_has_the_errors_of_the_loss(call: Any, made: Any) -> None:
    with pytest.raises(losszoo.UsageError) as expected:
        made()
    with pytest.raises(losszoo.UsageError, match=f"^{re.escape(str(expected.value))}$"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: zoo.uncertainty([X.mean(), X.mean()]),
        lambda: zoo.linear_cross_entropy(LOGITS, LABELS, classes=3, dim=3),
        lambda: zoo.info_nce(LOGITS, LOGITS, learned_temperature=True),
        lambda: zoo.huber(X, T, delta=torch.nn.Parameter(torch.tensor(1.0))),
    ],
)
def test_what_learns_is_no_function(call: Any) -> None:
    with pytest.raises(losszoo.UsageError, match=r"keeps numbers of its own .* make it once, loss = losszoo\.create\("):
        call()


def test_a_name_that_is_no_loss() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'focl': unknown loss 'focl': did you mean focal"):
        zoo.focl  # noqa: B018
    assert not hasattr(zoo, "__wrapped__")
    assert set(dir(zoo)) == {name.replace("-", "_") for name in NAMES} == set(zoo.__all__)


def close_to(reach: torch.Tensor) -> Any:
    return lambda rows, columns: (rows[:, None] - columns).abs() < reach[2]


def test_no_tensor_is_kept() -> None:
    classes, x = torch.tensor([1.0, 2.0, 3.0]), LOGITS.clone().requires_grad_()
    kept = [weakref.ref(classes), weakref.ref(x)]
    zoo.cross_entropy(x, LABELS, class_weight=classes).backward()
    zoo.sup_con(x, LABELS, relation=close_to(classes))
    del classes, x
    gc.collect()
    assert [reference() for reference in kept] == [None, None]


def test_it_compiles_once_it_is_made() -> None:
    expected = zoo.focal(X, T, gamma=1.25)
    compiled = torch.compile(lambda x, t: zoo.focal(x, t, gamma=1.25), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(X, T), expected)


def test_the_stub_is_as_the_script_writes_it() -> None:
    assert stubs.FILE.read_text("utf-8") == stubs.stub(), "python -m losszoo.functional.stubs writes it anew"


USER = """
import torch
import losszoo.functional as F

x, t = torch.zeros(2), torch.ones(2)
a: torch.Tensor = F.focal(x, t, gamma=1.0, reduction="sum", mask=t.bool())
b: torch.Tensor = F.cross_entropy(x, t, class_weight=[1.0, 2.0], label_smoothing=0.1)
c: torch.Tensor = F.loss_of_a_plugin(x, t)
F.focal(x, t, gama=1.0)
F.focal(x, t, reduction="avg")
F.quantile(x, t, quantile="half")
"""


def test_a_script_of_a_user_is_checked_by_mypy(tmp_path: Path) -> None:
    """Strictly, with the stub; torch itself is left out, as reading it takes a minute."""
    (tmp_path / "user.py").write_text(USER)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=skip",
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    done = subprocess.run(
        [*command, "--config-file=", "user.py", str(stubs.FILE)],
        cwd=tmp_path,
        env={"MYPYPATH": str(stubs.FILE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("user.py") and ": error" in line]
    assert [re.match(r"user.py:(\d+)", line)[1] for line in said] == ["9", "10", "11"], done.stdout + done.stderr


PLUGIN = """
import losszoo

class Hooks:
    @losszoo.hookimpl
    def losszoo_losses(self):
        return [losszoo.LossSpec(name="my-square", target="my_losses:square", signature="regression", summary="Mine.",
            formula="x", reference="me")]

hooks = Hooks()

def square(predictions, targets):
    return (predictions - targets) ** 2
"""


def test_a_loss_of_a_plugin_is_there_too(tmp_path: Path) -> None:
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (tmp_path / "my_losses.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[losszoo]\nmine = my_losses:hooks\n")
    code = (
        "import torch, losszoo.functional as F; x = torch.ones(2); print('my_square' in dir(F), F.my_square(x, 0 * x))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "True tensor(1.)\n", done.stderr
