"""The whole examination: verdict, findings, notes, and everything that must stay as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from examining import FEW, LABELS, LONG, blamed, examine, mse
from sick_losses import (
    SICK,
    Sick,
    culprit_line,
    log_of_softmax,
    normal,
    root_of_squares,
    uniform,
)
from torch import Tensor, nn

import losszoo
from losszoo.doctor.examine import DTYPES
from losszoo.doctor.report.examination import Examination, Finding

# Some of them: an examination takes a second, and what is blamed on a given input is tested by itself.
FOUND = [s for s in SICK if s.name in ("log_of_complement", "expanded_distance", "unsafe_where", "mean_of_kept")]


@pytest.mark.parametrize("sick", FOUND, ids=lambda sick: sick.name)
def test_a_sick_loss_is_found_with_its_line(sick: Sick) -> None:
    found = examine(sick.loss, *sick.ordinary)
    assert found.verdict == "sick"
    assert (sick.op, culprit_line(sick.loss)) in blamed(found)
    assert found.complete
    assert all(f.dtype == "float32" for f in found.findings)


def sinkhorn(cost: Tensor) -> Tensor:
    """Entropic transport of two uniform distributions, in log space."""
    scores, n = -cost / 0.05, cost.shape[0]
    f, g = torch.zeros(n), torch.zeros(n)
    for _ in range(10):
        f = -torch.logsumexp(scores + g, 1)
        g = -torch.logsumexp(scores + f[:, None], 0)
    return (torch.exp(scores + f[:, None] + g) * cost).sum()


def counted(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum() / mask.sum().clamp(min=1)


HEALTHY: list[Any] = [
    (mse, (normal(6), normal(6, seed=1))),
    (lambda logits, targets: nn.functional.cross_entropy(logits, targets), (normal(6, 3), LABELS)),
    (sinkhorn, (uniform(4, 4),)),
    (counted, (normal(6), (LABELS > 0).float())),
]


@pytest.mark.parametrize(("loss", "inputs"), HEALTHY)
def test_a_healthy_loss_is_healthy(loss: Callable[..., Tensor], inputs: tuple[Any, ...]) -> None:
    found = examine(loss, *inputs)
    assert found.findings == ()
    assert found.verdict == "healthy"


def soft_jaccard(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    both = (p * targets).flatten(2).sum(-1)
    return 1 - (both + 1) / ((p + targets).flatten(2).sum(-1) - both + 1)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_loss_of_maps_is_not_blamed_for_labels(wrapped: bool) -> None:
    """A loss made of it is given labels, which come to the function as maps: so it is examined on maps."""
    loss = losszoo.create(soft_jaccard, signature="segmentation") if wrapped else soft_jaccard
    how = {} if wrapped else {"signature": "segmentation"}
    found = losszoo.examine(loss, effort=4000, budget=LONG, **how)
    assert found.verdict == "healthy", found


def test_a_true_infinity_is_a_note() -> None:
    found = losszoo.examine(
        lambda logits, targets: nn.functional.cross_entropy(logits, targets),
        example=lambda: (normal(6, 3).index_put((torch.tensor(0), torch.tensor(2)), torch.tensor(-torch.inf)), LABELS),
        budget=LONG,
    )
    assert found.findings == ()
    assert any(note.startswith("the true value is infinite") for note in found.notes)


def test_the_finding_holds_together(tmp_path: Path) -> None:
    """Ten lines of a file: cause, line, smallest input, verified remedy."""
    file = tmp_path / "ten_lines.py"
    file.write_text(
        "import torch\n"
        "\n"
        "\n"
        "def loss(logits, targets):\n"
        "    p = torch.softmax(logits, 1)\n"
        "    return -torch.log(p)[torch.arange(len(targets)), targets].mean()\n"
    )
    found = losszoo.examine(f"{file}:loss", signature="multiclass", budget=LONG)
    (first,) = [f for f in found.findings if f.symptom == "inf-loss"]
    assert (first.op, first.source, first.code) == ("softmax", "ten_lines.py:5", "p = torch.softmax(logits, 1)")
    assert "underflows to 0 in float32, and log at ten_lines.py:6" in first.cause
    assert "log_softmax" in first.remedy
    assert first.verified is True
    assert list(first.input) == ["logits", "targets"]
    assert run(first, losszoo.registry.import_target.resolve(f"{file}:loss"), "loss").isinf()
    # exp(-x) is 0 in float32 beyond 104, and what log makes of a subnormal number still is a number.
    assert 87 < found.range["float32"] < 104.1
    assert found.to_dict()["findings"][0]["source"].startswith("ten_lines.py:")


def run(finding: Finding, loss: Any, name: str) -> Tensor:
    """The pasted line, with the loss under its name."""
    result: Tensor = eval(finding.paste, {"torch": torch, "losszoo": losszoo, name: loss})  # noqa: S307
    return result


def test_the_line_of_a_function_that_was_passed_can_be_pasted() -> None:
    found = examine(log_of_softmax, normal(6, 3), LABELS, effort=2 * FEW)
    assert not run(found.findings[0], log_of_softmax, "log_of_softmax").isfinite()


def test_the_line_of_a_registered_loss_can_be_pasted() -> None:
    (finding, *_) = registered("nca-ratio").findings
    assert finding.paste.startswith("losszoo.create('nca-ratio')(")
    assert not run(finding, None, "loss").isfinite()


@functools.cache
def registered(name: str) -> Examination:
    return losszoo.examine(name, budget=LONG)


def line_of(name: str, text: str) -> int:
    """Where a line stands in the file of a registered loss."""
    import importlib

    (spec,) = [spec for spec in losszoo.list_losses() if spec.name == name]
    module = importlib.import_module(spec.target.partition(":")[0])
    assert module.__file__ is not None
    (number,) = [i for i, line in enumerate(Path(module.__file__).read_text().splitlines(), 1) if text in line]
    return number


def test_the_exhibits_are_sick_for_the_reason_that_their_pages_name() -> None:
    ratio = registered("nca-ratio")
    assert ("softmax", f"exhibits.py:{line_of('nca-ratio', '.softmax(1)')}") in blamed(ratio)
    assert [finding.verified for finding in ratio.findings] == [True]
    assert "infinite loss" in ratio.findings[0].cause

    (epsilon,) = registered("nca-epsilon").findings
    assert (epsilon.symptom, epsilon.op) == ("vanished-gradient", "add")
    assert epsilon.source == f"exhibits.py:{line_of('nca-epsilon', 'same + eps')}"

    eps = registered("softmax-nll-eps")
    assert eps.verdict == "sick"
    assert [(f.symptom, f.op) for f in eps.findings] == [("vanished-gradient", "add")]


@pytest.mark.parametrize("name", ["nca-stable", "cross-entropy"])
def test_the_stable_ones_are_healthy(name: str) -> None:
    found = registered(name)
    assert found.findings == ()
    assert (found.target, found.complete) == (name, True)
    assert found.signature


def test_an_expression_is_examined_term_by_term() -> None:
    found = losszoo.examine("0.7*cross-entropy + 0.3*softmax-nll-eps", budget=LONG)
    assert {f.symptom for f in found.findings} == {"vanished-gradient"}
    assert "the terms were examined one by one: cross-entropy, softmax-nll-eps" in found.notes
    assert found.signature == ""


def test_half_precision_finds_what_float32_does_not() -> None:
    def mean(x: Tensor, target: Tensor) -> Tensor:
        distance = (x - target).abs()
        return distance.sum() / distance.numel()

    # 16 of them add up to 25,000, eight times as many to more than 65,504; their mean is 1,600.
    inputs = normal(16) * 2000, normal(16, seed=1)
    (finding,) = examine(mean, *inputs, dtypes=("float16",)).findings
    assert (finding.op, finding.dtype, finding.verified) == ("sum", "float16", True)
    assert finding.remedy.startswith("write torch.sum(distance.float()) instead of distance.sum() at ")
    assert examine(mean, *inputs, dtypes=("float32", torch.bfloat16)).findings == ()


def test_an_example_in_half_precision_is_examined_in_it() -> None:
    def mean(x: Tensor) -> Tensor:
        return x.abs().sum() / x.numel()

    (finding,) = examine(mean, (normal(16) * 2000).half()).findings
    assert finding.dtype == "float16"


def test_the_dtypes_that_there_are() -> None:
    assert DTYPES == ("float32", "bfloat16", "float16", "float64")
    found = examine(root_of_squares, normal(4), normal(4, seed=1), dtypes=("float64",), effort=FEW)
    assert {f.dtype for f in found.findings} == {"float64"}


def test_nan_in_a_target_that_the_loss_looks_for() -> None:
    def known(x: Tensor, target: Tensor) -> Tensor:
        missing = torch.isnan(target)
        squares = (x - target) ** 2
        return torch.where(missing, torch.zeros_like(squares), squares).mean()

    found = examine(known, normal(6), normal(6, seed=1), effort=2 * FEW)
    assert "nan-gradient" in {f.symptom for f in found.findings}
    assert any("NaN" in f.probe and f.verified for f in found.findings)


def test_nested_examples_with_none_and_numbers() -> None:
    def nested(outputs: list[Tensor], options: dict[str, Any], power: int) -> Tensor:
        return sum(((x - options["target"]) ** 2).sqrt().mean() * power for x in outputs)  # type: ignore[return-value]

    found = examine(nested, [normal(4), normal(4, seed=1)], {"target": normal(4, seed=2), "mask": None}, 2, effort=FEW)
    (finding, *_) = found.findings
    assert finding.op == "sqrt"
    assert list(finding.input) == ["outputs", "options", "power"]
    assert finding.input["power"] == "2"
    assert "'mask': None" in finding.input["options"]


def test_learned_parameters() -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor, target: Tensor) -> Tensor:
            distance = (x - target).square().sum(1).sqrt()
            return (distance / self.log_scale.exp() + self.log_scale).mean()

    module = Learned()
    found = examine(module, normal(6, 3), normal(6, 3, seed=1), effort=FEW)
    # At 1e-25 the squares underflow before the root is taken: another culprit.
    assert {f.op for f in found.findings} <= {"sqrt", "square"}
    assert found.findings[0].op == "sqrt"
    assert module.log_scale.item() == 0
    assert module.log_scale.grad is None


def test_a_random_loss_is_noted_and_repeatable() -> None:
    def dropped(x: Tensor) -> Tensor:
        kept = torch.rand(len(x)) < 0.5
        return (x.square().sqrt() * kept).mean()

    first, second = (examine(dropped, normal(6)).to_dict() for _ in range(2))
    first.pop("seconds")
    second.pop("seconds")
    assert first == second
    assert "dropped draws random numbers: every call was seeded with 0" in first["notes"]
    other = examine(dropped, normal(6), seed=5, effort=FEW)
    assert "dropped draws random numbers: every call was seeded with 5" in other.notes


def test_a_loss_that_writes_into_its_inputs_is_noted_and_gets_copies() -> None:
    def writes(x: Tensor, target: Tensor) -> Tensor:
        target.sub_(target.mean())
        return (x - target).square().mean()

    target = normal(6, seed=1) + 3
    before = target.clone()
    found = examine(writes, normal(6), target, effort=FEW)
    assert found.verdict == "healthy"
    assert "writes writes into target: every call was given a copy" in found.notes
    assert torch.equal(target, before)


def test_an_infinite_example_is_noted_and_no_finding() -> None:
    """The true value of a squared error is infinite there."""
    found = examine(mse, torch.tensor([1.0, torch.inf]), torch.zeros(2), effort=FEW)
    assert found.findings == ()
    assert any("the true value is infinite" in note and "ordinary input" in note for note in found.notes)


def test_a_value_that_no_gradient_leaves_is_a_finding_of_its_own() -> None:
    found = examine(lambda x: x.detach().log().mean(), uniform(6), effort=FEW)
    assert {(f.symptom, f.op) for f in found.findings} == {("inf-loss", "log"), ("no-gradient", "detach")}
    (lost,) = [f for f in found.findings if f.symptom == "no-gradient"]
    assert "detached" in lost.cause
    assert lost.verified


def test_unreduced_and_empty_values() -> None:
    assert examine(lambda x: x.sqrt(), uniform(6), effort=FEW).findings[0].op == "sqrt"
    assert examine(lambda x: x[:0], normal(6), effort=FEW).findings == ()


@pytest.mark.parametrize(
    ("target", "name"),
    [(nn.MSELoss(), "MSELoss"), (mse, "mse"), (functools.partial(mse, target=torch.zeros(3)), "partial")],
)
def test_what_is_examined_has_a_name(target: Any, name: str) -> None:
    inputs = (normal(3),) if name == "partial" else (normal(3), normal(3, seed=1))
    assert examine(target, *inputs, effort=50).target == name
