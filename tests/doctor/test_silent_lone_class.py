"""A softmax over a dimension of size 1 is 1 whatever it gets: nothing is trained by it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from examining import FEW, LONG, examine
from torch import Tensor, nn

import losszoo


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Distilled(nn.Module):
    """A student of one column beside the running average of it."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.average = nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            taught = torch.softmax(self.average(x), 1)
        return F.kl_div(torch.log_softmax(self.student(x), 1), taught, reduction="batchmean")


def of_columns(scores: Tensor, targets: Tensor) -> Tensor:
    return (torch.softmax(scores.reshape(-1, 1), 1) - targets.reshape(-1, 1)).square().mean()


def of_one_score(student_scores: Tensor, ema_scores: Tensor) -> Tensor:
    return F.kl_div(student_scores[:, :1].log_softmax(1), ema_scores[:, :1].softmax(1), reduction="batchmean")


def of_the_first_class(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :1], torch.zeros(len(logits), dtype=torch.long))


@pytest.mark.parametrize(
    ("loss", "op"),
    [
        (Distilled(), "log_softmax"),
        (of_columns, "softmax"),
        (of_one_score, "log_softmax"),
        (of_the_first_class, "cross_entropy"),
    ],
    ids=["module", "columns", "one score", "cross-entropy"],
)
def test_nothing_is_trained(loss: object, op: str) -> None:
    found = losszoo.examine(loss, budget=LONG)  # type: ignore[arg-type]
    (finding,) = found.findings
    assert (finding.symptom, finding.op) == ("no-gradient", op)
    assert "a dimension of size 1" in finding.cause
    assert finding.source is not None


def test_an_example_of_one_column_shows_it() -> None:
    def distillation(student: Tensor, teacher: Tensor) -> Tensor:
        return -(teacher.softmax(1) * student.log_softmax(1)).sum(1).mean()

    assert examine(distillation, normal(8, 1), normal(8, 1, seed=1), effort=FEW).findings[0].op == "log_softmax"
    assert not examine(distillation, normal(8, 3), normal(8, 3, seed=1), effort=FEW).findings


def test_beside_a_term_that_trains_it_is_a_note() -> None:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(x, y) + torch.softmax(x[:, :1], 1).mean()

    found = examine(loss, normal(8, 4), normal(8, 4, seed=1), effort=FEW)
    assert not found.findings
    assert any("a dimension of size 1" in note for note in found.notes)


def test_a_network_that_the_doctor_made_has_the_outputs_that_the_loss_needs() -> None:
    """One output would make the softmax 1: a guess of the doctor's, and no fault."""

    def certainty(model: nn.Module, x: Tensor) -> Tensor:
        return -(model(x).softmax(1) ** 2).sum(1).mean()

    assert losszoo.examine(certainty, budget=LONG).verdict == "healthy"
