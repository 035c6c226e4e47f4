"""One cause is one finding, whatever symptoms it has, and notes of one cause are one line."""

from __future__ import annotations

import pytest
import torch
from examining import LABELS, examine
from sick_losses import normal, uniform
from torch import Tensor, nn
from torch.nn import functional as F

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def log_after_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.softmax(logits, 1)
    return -torch.log(p).gather(1, targets[:, None]).mean()


def root_of_sum(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).pow(2).sum(1).sqrt().mean()


def quotient_of_sums(predictions: Tensor, targets: Tensor) -> Tensor:
    p = predictions.sigmoid()
    overlap = (p * targets).sum(1)
    return (1 - overlap / (p.sum(1) + targets.sum(1))).mean()


def soft_minimum(costs: Tensor) -> Tensor:
    return -(torch.log(torch.exp(-costs / 0.1).sum(1)) * 0.1).mean()


def checked(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.softmax(1).gather(1, targets[:, None])[:, 0]
    value = -torch.log(p).mean()
    if not torch.isfinite(value):
        raise RuntimeError("the loss is not finite")
    return value


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (log_after_softmax, (normal(6, 3), LABELS)),
        (root_of_sum, (normal(6, 3), normal(6, 3, seed=1))),
        (quotient_of_sums, (normal(6, 4), (uniform(6, 4) > 0.5).float())),
        (soft_minimum, (uniform(6, 3),)),
        (checked, (normal(6, 3), LABELS)),
    ],
)
def test_every_symptom_of_one_cause_is_one_finding(loss: object, inputs: tuple[Tensor, ...]) -> None:
    (finding,) = examine(loss, *inputs).findings
    assert finding.verified is True


def test_the_other_symptoms_are_told_with_their_operation() -> None:
    (finding,) = examine(log_after_softmax, normal(6, 3), LABELS).findings
    line = log_after_softmax.__code__.co_firstlineno + 2
    assert "; it also shows as " in finding.cause
    assert f"test_one_cause.py:{line}" in finding.cause


def two_roots(a: Tensor, b: Tensor) -> Tensor:
    first = a.square().sum(1).sqrt()
    second = b.square().sum(1).sqrt()
    return (first + second).mean()


def log_of_root(a: Tensor, weight: Tensor) -> Tensor:
    lengths = a.square().sum(1).sqrt()
    shares = weight / weight.sum(1, keepdim=True)
    return lengths.log().mean() + shares.square().mean()


@pytest.mark.parametrize("loss", [two_roots, log_of_root])
def test_two_causes_are_two_findings(loss: object) -> None:
    findings = examine(loss, normal(6, 3), normal(6, 3, seed=1)).findings
    assert len({finding.source for finding in findings}) == 2


class OfOneSize(nn.Module):
    """Raises for every batch of another size."""

    def __init__(self) -> None:
        super().__init__()
        self.same = torch.eye(6)

    def forward(self, scores: Tensor) -> Tensor:
        return F.softplus(-(scores @ scores.mT * self.same)).mean()


def test_errors_of_one_line_are_one_note() -> None:
    notes = examine(OfOneSize(), normal(6, 3)).notes
    (raised,) = [note for note in notes if "it raises RuntimeError" in note]
    assert "one row" not in raised  # one row broadcasts
    assert raised.endswith("others")


def test_a_value_too_large_for_the_dtype_is_a_note_with_its_operation() -> None:
    def divergence(mean: Tensor, log_var: Tensor) -> Tensor:
        return -0.5 * (1 + log_var - mean.square() - log_var.exp()).mean()

    found = examine(divergence, normal(6, 3), normal(6, 3, seed=1), effort=1500)
    line = divergence.__code__.co_firstlineno + 1
    assert found.findings == ()
    (note,) = [note for note in found.notes if "larger than float32 holds" in note]
    assert f"exp at test_one_cause.py:{line} makes it" in note


def test_a_quotient_that_only_a_guard_mends_is_named_itself() -> None:
    """The sigmoid underflows before, and of a map without foreground it could be 0 as well."""

    def soft_dice(logits: Tensor, targets: Tensor) -> Tensor:
        p = logits.sigmoid().flatten(1)
        overlap = 2 * (p * targets.flatten(1)).sum(-1)
        return (1 - overlap / (p.sum(-1) + targets.flatten(1).sum(-1))).mean()

    found = examine(soft_dice, normal(3, 6), (uniform(3, 6) > 0.5).float()).findings[0]
    assert (found.op, found.verified) == ("div", True)
    assert "sigmoid underflows" in found.cause
