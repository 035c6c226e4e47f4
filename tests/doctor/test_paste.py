"""What is printed is Python, and makes the same tensors."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sick_losses import SICK, Sick, normal
from torch import Tensor

import losszoo
from losszoo.doctor.diagnosis.findings import finding_of
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.report.python_literal import as_python, call_of, inputs_of
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import make_subject

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor([[0.0, -104.0]]), "torch.tensor([[0.0, -104.0]])"),
        (torch.tensor([0, 2]), "torch.tensor([0, 2])"),
        (torch.tensor([True, False]), "torch.tensor([True, False])"),
        (torch.tensor(0.1), "torch.tensor(0.1)"),
        (torch.tensor([1e20, 1e-30, -2.5]), "torch.tensor([1e+20, 1e-30, -2.5])"),
        (torch.tensor([torch.nan, torch.inf, -torch.inf]), "torch.tensor([torch.nan, torch.inf, -torch.inf])"),
        (torch.ones(3, 4), "torch.ones(3, 4)"),
        (torch.zeros(3, 4, dtype=torch.float16), "torch.zeros(3, 4, dtype=torch.float16)"),
        (torch.full((9,), 2.5), "torch.full((9,), 2.5)"),
        (torch.full((9,), 3), "torch.full((9,), 3)"),
        (torch.ones(2, dtype=torch.float64), "torch.tensor([1.0, 1.0], dtype=torch.float64)"),
        (torch.zeros(0, 3), "torch.empty((0, 3), dtype=torch.float32)"),
        (None, "None"),
        (3, "3"),
        ((torch.tensor(1.0),), "(torch.tensor(1.0),)"),
        ([torch.tensor(1), None], "[torch.tensor(1), None]"),
        ({"a": torch.tensor(1.5)}, "{'a': torch.tensor(1.5)}"),
    ],
)
def test_expressions(value: Any, text: str) -> None:
    assert as_python(value) == text


@pytest.mark.parametrize(
    "tensor",
    [
        normal(5, 3),
        normal(40) * 1e-12,
        normal(4).half(),
        normal(4).bfloat16(),
        normal(4).double() / 3,
        torch.tensor([16777217, -5]),
        torch.tensor([1 / 3, 2 / 3, math.pi, 1e-45, 3.4e38]),
        torch.tensor([3, 4], dtype=torch.int32),
        torch.full((3, 3), torch.inf),
        torch.zeros(3, 4, dtype=torch.bool),
        torch.arange(3.0).repeat(30),
        normal(2, 3).repeat(20, 1),
        torch.zeros(0),
    ],
)
def test_what_is_printed_makes_the_same_tensor(tensor: Tensor) -> None:
    again = eval(as_python(tensor), {"torch": torch})  # noqa: S307 (what is printed is to be pasted)
    assert again.dtype == tensor.dtype
    assert torch.equal(again, tensor)


def test_too_many_numbers_are_not_printed() -> None:
    assert as_python(normal(30_000)) == "torch.empty(30000)"
    subject = make_subject(lambda x: x.sum(), (torch.ones(1),), ("x",), target="file.py:total")
    line = call_of(subject, [normal(30_000)])
    assert line == "total(torch.empty(30000))  # more numbers than fit a line are left empty"


def test_arguments_keep_their_names_and_nesting() -> None:
    def loss(outputs: list[Tensor], options: Any, scale: int) -> Tensor:
        return outputs[0].sum() * scale

    subject = make_subject(loss, ([torch.ones(1), torch.zeros(1)], None, 2), ("outputs", "options", "scale"))
    assert inputs_of(subject, subject.leaves) == {
        "outputs": "[torch.tensor([1.0]), torch.tensor([0.0])]",
        "options": "None",
        "scale": "2",
    }
    assert call_of(subject, subject.leaves).endswith("([torch.tensor([1.0]), torch.tensor([0.0])], None, 2)")


def plain(x: Tensor, power: int = 1) -> Tensor:
    return (x**power).sum()


def scaled(scale: float, x: Tensor, mode: str = "mean") -> Tensor:
    return scale * (x.mean() if mode == "mean" else x.sum())


class MyLoss(torch.nn.Module):
    def __init__(self, power: int = 1) -> None:
        super().__init__()
        self.power = power

    def forward(self, x: Tensor) -> Tensor:
        return plain(x, self.power)


@pytest.mark.parametrize(
    ("call", "target", "callee"),
    [
        (losszoo.create("l2"), "l2", "losszoo.create('l2')"),
        (losszoo.create("focal", gamma=1.0), "focal(gamma=1.0)", "losszoo.create('focal(gamma=1.0)')"),
        (plain, "plain", "plain"),
        (plain, "package.module:plain", "plain"),
        (MyLoss(), "folder/my_loss.py:MyLoss", "MyLoss()"),
        (MyLoss(3), "folder/my_loss.py:MyLoss(power=3)", "MyLoss(power=3)"),
        (lambda x: x.sum(), "<lambda>", "loss"),
        (MyLoss(3), "MyLoss", "loss"),
        (MyLoss().forward, "forward", "loss"),
        (functools.partial(plain, power=None, scale=object()), "partial", "loss"),
    ],
)
def test_how_the_loss_is_called(call: Any, target: str, callee: str) -> None:
    subject = make_subject(call, (torch.ones(1),), ("x",), target=target)
    assert call_of(subject, subject.leaves) == f"{callee}(torch.tensor([1.0]))"


@pytest.mark.parametrize(
    ("call", "target", "line"),
    [
        (functools.partial(plain, power=3), "folder/my_loss.py:plain(power=3)", "plain(torch.tensor([1.0]), power=3)"),
        (functools.partial(plain, power=3), "partial", "plain(torch.tensor([1.0]), power=3)"),
        (functools.partial(scaled, 0.5), "partial", "scaled(0.5, torch.tensor([1.0]))"),
        (functools.partial(scaled, 0.5, mode="sum"), "partial", "scaled(0.5, torch.tensor([1.0]), mode='sum')"),
        (functools.partial(plain, power=3), "folder/my_loss.py:cubic", "cubic(torch.tensor([1.0]))"),
    ],
)
def test_what_is_given_beside_the_inputs(call: Any, target: str, line: str) -> None:
    subject = make_subject(call, (torch.ones(1),), ("x",), target=target)
    assert call_of(subject, subject.leaves) == line


FILE = """
import functools
import torch
from torch import nn


def mean(x, weight=1.0, mode="mean"):
    value = weight * torch.log(x.abs())
    return value.mean() if mode == "mean" else value.sum()


class Log(nn.Module):
    def __init__(self, weight=1.0, mode="mean"):
        super().__init__()
        self.weight, self.mode = weight, mode

    def forward(self, x):
        return mean(x, self.weight, self.mode)


class Plain:
    def __call__(self, x):
        return mean(x)

    def method(self, x):
        return mean(x)


alias = Log
instance = Log(2.0)
other = Plain()
total = functools.partial(mean, mode="sum")
half = functools.partial(total, weight=0.5)
by_lambda = lambda x: mean(x)
compiled = torch.compile(mean)
scripted_like = functools.partial(mean, weight=torch.tensor(2.0))
"""


@pytest.mark.parametrize(
    "name",
    [
        *("mean", "mean(weight=2.0)", 'mean(mode="sum")', "Log", "Log(weight=0.5)", "Log(mode=sum)", "alias"),
        *("alias(weight=3.0)", "instance", "other", "total", "total(weight=2.0)", "half", "by_lambda", "compiled"),
        *("scripted_like", "other.method", "Log(weight=0.25, mode=sum)"),
    ],
)
def test_the_pasted_line_runs_after_the_import_of_its_target(name: str, tmp_path: Path) -> None:
    file = tmp_path / "my_loss.py"
    file.write_text(FILE)
    found = losszoo.examine(f"{file}:{name}", example=lambda: (normal(6),), effort=300, budget=600.0)
    (finding,) = found.findings
    names: dict[str, Any] = {}
    exec(FILE, names)
    plain_name = name.partition("(")[0].partition(".")[0]
    value = eval(finding.paste, {"torch": torch, plain_name: names[plain_name]})  # noqa: S307
    assert not value.isfinite()


@pytest.mark.parametrize(
    "loss", [plain, functools.partial(plain, power=-1), functools.partial(functools.partial(plain, power=2), power=-1)]
)
def test_the_pasted_line_of_an_object_runs_too(loss: Any) -> None:
    subject = make_subject(loss, (torch.zeros(2),), ("x",), target="partial")
    line = call_of(subject, subject.leaves)
    assert torch.equal(eval(line, {"torch": torch, "plain": plain}), loss(torch.zeros(2)))  # noqa: S307


@pytest.mark.parametrize("value", [torch.nan, -torch.inf, 0.1, 1 + 2j, complex(0.0, torch.inf), torch.device("cpu")])
def test_numbers_that_python_cannot_spell(value: Any) -> None:
    again = eval(as_python(value), {"torch": torch})  # noqa: S307
    assert again == value or value != value
    complexes = torch.tensor([1 + 2j, complex(0.0, torch.nan)])
    assert eval(as_python(complexes), {"torch": torch}).dtype == complexes.dtype  # noqa: S307


@pytest.mark.parametrize("sick", SICK, ids=lambda sick: sick.name)
def test_the_pasted_line_fails_in_the_same_way(sick: Sick) -> None:
    finding = finding_of(sick.failure(), Effort())
    assert "\n" not in finding.paste
    arguments = [eval(text, {"torch": torch}) for text in finding.input.values()]  # noqa: S307
    trained = sick.failure().subject.trained
    given = [x.requires_grad_() if i in trained else x for i, x in enumerate(arguments)]
    value = sick.loss(*given)
    leaves = [x for x in given if x.requires_grad]
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    assert symptom_of(Outcome(value.detach(), gradients)) == sick.symptom
    # The line itself, with the name that the file gives the loss.
    assert finding.paste.startswith("name(")
    assert torch.equal(
        eval(finding.paste, {"torch": torch, "name": sick.loss}).isfinite(),  # noqa: S307
        value.isfinite(),
    )
