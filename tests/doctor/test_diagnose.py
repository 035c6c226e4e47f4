"""A failing input that is known, diagnosed."""

from __future__ import annotations

import pytest
import torch
from sick_losses import SICK, Sick, culprit_line, log_of_softmax, normal
from torch import Tensor, nn

from losszoo.doctor.diagnose import diagnose

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("sick", [pytest.param(s, id=s.name, marks=()) for s in SICK])
def test_operation_symptom_and_line(sick: Sick) -> None:
    (finding,) = diagnose(sick.loss, sick.failing, target=f"file.py:{sick.name}")
    assert (finding.op, finding.symptom) == (sick.op, sick.symptom)
    assert finding.source == culprit_line(sick.loss)
    assert finding.probe == "the failing batch"
    assert finding.paste.startswith(f"{sick.name}(")


def test_nothing_is_found_where_all_is_finite() -> None:
    assert diagnose(lambda x: torch.log(x).sum(), (torch.ones(5),)) == ()


def test_the_smallest_part_of_the_batch() -> None:
    batch = torch.ones(512)
    batch[300] = 0
    (finding,) = diagnose(lambda x: torch.log(x).mean(), (batch,))
    assert finding.input == {"x": "torch.tensor([0.0])"}


def test_with_a_signature_a_remedy_is_verified_on_an_ordinary_input() -> None:
    batch = torch.tensor([[0.0, 300.0, 0.0]]), torch.tensor([0])
    (finding,) = diagnose(log_of_softmax, batch, signature="multiclass")
    assert finding.verified is True
    assert "log_softmax" in finding.remedy


def test_without_one_too() -> None:
    batch = torch.tensor([[0.0, 300.0, 0.0], [1.0, 0.0, 0.0]]), torch.tensor([0, 0])
    (finding,) = diagnose(log_of_softmax, batch)
    assert finding.op == "softmax"
    assert finding.verified is True
    assert "log_softmax" in finding.remedy


def test_half_precision_stays_half() -> None:
    def total(x: Tensor) -> Tensor:
        return x.sum() / x.numel()

    (finding,) = diagnose(total, (torch.ones(70_000, dtype=torch.float16),), effort=400)
    assert (finding.op, finding.dtype) == ("sum", "float16")


def test_modules_and_what_requires_a_gradient() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor, target: Tensor) -> Tensor:
            return (x - target).square().sqrt().mean()

    x = normal(4).requires_grad_()
    (finding,) = diagnose(Root(), (x, x.detach().clone()))
    assert (finding.op, finding.symptom) == ("sqrt", "nan-gradient")
    assert x.grad is None


def test_the_callers_random_state_stays() -> None:
    before = torch.get_rng_state()
    diagnose(lambda x: torch.log(x * torch.rand(3)).mean(), (torch.zeros(3),))
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_alone_are_examined_in_float32() -> None:
    (finding,) = diagnose(lambda labels: torch.log(labels.float()).mean(), (torch.tensor([0, 1]),))
    assert (finding.op, finding.dtype) == ("log", "float32")
