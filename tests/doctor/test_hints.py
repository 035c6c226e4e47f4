"""What a loss's own code says of its inputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import examine
from sick_losses import normal, subject_of
from torch import Tensor, nn
from torch.nn import functional as F

import losszoo
from losszoo.doctor.subject.input_kinds import leaves_of

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
Loss = Callable[..., Tensor]


def kept(x: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, x, 0.0).mean()


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, t: kept((x - t) ** 2, ~torch.isnan(t)),
        lambda x, t: kept((x - t) ** 2, t.isfinite()),
        lambda x, t: (x - t.nan_to_num()).square().mean(),
        lambda x, t: x.mean() - torch.nanmean(t),
        lambda x, t: kept((x - t) ** 2, ~torch.isnan(t.view(2, 3).flatten().float()).reshape(6)),
    ],
)
def test_who_asks_for_nan_expects_it(loss: Loss) -> None:
    assert subject_of(loss, normal(6), normal(6, seed=1)).may_be_nan == {1}


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, t: (x - t).square().mean(),
        # Asking whether a result is finite says nothing of the input.
        lambda x, t: kept((x - t) ** 2, torch.isfinite((x - t) ** 2)),
    ],
)
def test_who_does_not_ask_does_not_expect_it(loss: Loss) -> None:
    assert subject_of(loss, normal(6), normal(6, seed=1)).may_be_nan == frozenset()


class Ignoring(nn.Module):
    def __init__(self, ignore_index: int = 7) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets, ignore_index=self.ignore_index)


def with_default(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return F.cross_entropy(logits, targets, ignore_index=ignore_index)


@pytest.mark.parametrize(
    ("loss", "ignored"),
    [
        (lambda x, t: F.cross_entropy(x, t, ignore_index=-1), {1: -1}),
        (lambda x, t: F.nll_loss(x.log_softmax(1), t.long(), ignore_index=9), {1: 9}),
        (lambda x, t: F.cross_entropy(x[t != 5], t[t != 5]), {1: 5}),
        (lambda x, t: F.cross_entropy(x[t >= 0], t[t >= 0]), {1: -1}),
        (lambda x, t: (x[:, 0] * (t.flatten() == 3)).mean(), {1: 3}),
        (Ignoring(), {1: 7}),
        (with_default, {1: 255}),
        # torch's own default is no statement of the author's.
        (nn.CrossEntropyLoss(), {}),
        (lambda x, t: F.cross_entropy(x, t), {}),
        (lambda x, t: (x[:, 0] * (x[:, 1] != 3)).mean(), {}),
    ],
)
def test_the_label_that_is_left_out(loss: Loss, ignored: dict[int, int]) -> None:
    assert subject_of(loss, normal(6, 3), LABELS).ignored == ignored


def test_hints_reach_the_leaves() -> None:
    leaves = leaves_of(subject_of(with_default, normal(6, 3), LABELS))
    assert [leaf.ignored for leaf in leaves] == [None, 255]
    leaves = leaves_of(subject_of(lambda x, t: kept(x - t, ~t.isnan()), normal(6), normal(6, seed=1)))
    assert [leaf.may_be_nan for leaf in leaves] == [False, True]


def test_a_loss_that_raises_gives_no_hints() -> None:
    def broken(x: Tensor) -> Tensor:
        x.isnan()
        raise RuntimeError

    assert subject_of(broken, normal(6)).ignored == {}


def test_a_loss_without_a_readable_signature_is_watched_all_the_same() -> None:
    assert subject_of(torch.nan_to_num, normal(6)).may_be_nan == {0}


def test_labels_that_are_compared_with_each_other_hide_none() -> None:
    def risk_set(scores: Tensor, times: Tensor) -> Tensor:
        still_there = times[None, :] >= times[:, None]
        return torch.where(still_there, scores, -torch.inf).logsumexp(1).mean() - scores.mean()

    def example() -> tuple[Tensor, Tensor]:
        return torch.tensor([0.5, -0.3, 0.1]), torch.tensor([3, 1, 2])

    assert losszoo.examine(risk_set, example=example).verdict == "healthy"


def without_infinities(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    excluded = student.isinf() | teacher.isinf()
    parts = student.softmax(1) * (student.log_softmax(1) - teacher.log_softmax(1))
    return (parts.masked_fill(excluded, 0.0).sum(1) * (labels != -100)).mean()


def where_it_is_finite(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    parts = student.softmax(1) * (student.log_softmax(1) - teacher.log_softmax(1))
    return (torch.where(~torch.isneginf(student), parts, 0.0).sum(1) * (labels != -100)).mean()


def refuses_infinities(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    if student.isinf().any():
        raise ValueError("infinite scores")
    parts = student.softmax(1) * (student.log_softmax(1) - teacher.log_softmax(1))
    return (parts.sum(1) * (labels != -100)).mean()


def filled_before(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    logs = student.log_softmax(1)
    logs = logs.masked_fill(student.isinf(), 0.0)
    return (
        logs.exp() * (logs - teacher.log_softmax(1)).masked_fill(student.isinf(), 0.0) * (labels != -100)[:, None]
    ).mean()


DISTILLED = (normal(6, 5), normal(6, 5, seed=1), LABELS)


@pytest.mark.parametrize("loss", [without_infinities, where_it_is_finite])
def test_who_fills_infinities_gets_them(loss: Loss) -> None:
    """The value is finite, and the gradient that is 0 at the filled places meets log 0."""
    found = examine(loss, *DISTILLED, effort=1500).findings
    assert "nan-gradient" in [f.symptom for f in found]


@pytest.mark.parametrize("loss", [refuses_infinities, filled_before])
def test_who_refuses_infinities_or_fills_them_in_time_is_healthy(loss: Loss) -> None:
    assert not examine(loss, *DISTILLED, effort=1500).findings
