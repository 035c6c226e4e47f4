"""The smallest input: fewest rows, fewest columns, roundest numbers, and it still fails."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sick_losses import SICK, Sick, failure_of, log_of_softmax, normal, root_of_squares, subject_of, uniform
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.shrink import smallest
from losszoo.doctor.effort import Effort
from losszoo.doctor.subject.input_kinds import leaves_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def shrunk(loss: Any, ordinary: tuple[Any, ...], failing: tuple[Any, ...], dtype: Any = torch.float32) -> list[Any]:
    return smallest(failure_of(loss, ordinary, failing, dtype), Effort())


@pytest.mark.parametrize("sick", SICK, ids=lambda sick: sick.name)
def test_it_still_fails_is_legal_and_not_larger(sick: Sick) -> None:
    failure = sick.failure()
    leaves = smallest(failure, Effort())
    assert failure.fails_on(leaves)
    assert all(leaf.legal(leaves[leaf.index]) for leaf in leaves_of(failure.subject))
    assert sum(x.numel() for x in leaves) <= sum(x.numel() for x in failure.leaves)


# What needs only one row: a row of two where labels pick among logits.
ONE_ROW = {sick.name for sick in SICK} - {"expanded_distance", "unsafe_where"}


@pytest.mark.parametrize("sick", [sick for sick in SICK if sick.name in ONE_ROW], ids=lambda sick: sick.name)
def test_one_row_where_one_row_suffices(sick: Sick) -> None:
    assert {len(x) for x in smallest(sick.failure(), Effort())} == {1}


def test_a_residual_of_zero_is_two_zeros() -> None:
    target = normal(64)
    assert shrunk(root_of_squares, (normal(64, seed=1), normal(64, seed=2)), (target, target.clone())) == [
        torch.zeros(1),
        torch.zeros(1),
    ]


def test_numbers_are_round() -> None:
    logits = torch.tensor([[131.7182, -3.14159, 0.5772]]).repeat(6, 1)
    scores, labels = shrunk(log_of_softmax, (normal(6, 3), LABELS), (logits, LABELS * 0 + 1))
    assert scores.shape == (1, 2)
    assert labels.shape == (1,)
    # The edge is at 104; no more than three digits are left of each number.
    assert all(float(f"{v:.3g}") == pytest.approx(v, rel=1e-6) for v in scores.flatten().tolist())


def test_two_rows_where_a_pair_is_needed() -> None:
    def spread(x: Tensor) -> Tensor:
        apart = (x[:, None] - x[None]).square().sum(-1) + torch.eye(len(x))
        return (apart.sqrt() * (1 - torch.eye(len(x)))).sum() / len(x)

    rows = normal(8, 3)
    rows[5] = rows[2]
    (pair,) = shrunk(spread, (normal(8, 3),), (rows,))
    assert pair.shape == (2, 1)
    assert torch.equal(pair[0], pair[1])


def test_every_row_where_all_are_needed() -> None:
    def mean(x: Tensor) -> Tensor:
        return x.sum() / x.numel()

    failure = failure_of(mean, (uniform(64),), (torch.full((2**18,), 1.0),), torch.float16)
    (x,) = smallest(failure, Effort())
    assert failure.fails_on([x])
    # The sum of the fewest is just beyond the largest float16.
    assert x.double().sum().item() > 65_504
    assert x.numel() < 2**18


def test_what_is_no_tensor_is_kept() -> None:
    def loss(x: Tensor, power: int, note: Any) -> Tensor:
        return (1 / x**power).mean()

    assert shrunk(loss, (normal(6), 2, None), (torch.zeros(6), 2, None)) == [torch.zeros(1), 2, None]


def test_a_failure_that_does_not_come_twice_is_given_as_it_was() -> None:
    sick = SICK[0].failure()
    flaky = Failure(sick.subject, "", sick.symptom, sick.dtype, sick.leaves, sick.blame, lambda leaves: False)
    assert smallest(flaky, Effort()) is sick.leaves


def test_without_time_the_input_is_given_as_it_was() -> None:
    failure = SICK[0].failure()
    effort = Effort(0)
    assert [torch.equal(a, b) for a, b in zip(smallest(failure, effort), failure.leaves, strict=True)] == [True, True]


def test_labels_stay_legal_and_probabilities_stay_probabilities() -> None:
    def loss(p: Tensor, targets: Tensor) -> Tensor:
        return -torch.log(p.gather(1, targets[:, None])).mean()

    hot = torch.eye(4)[torch.tensor([0, 1, 2, 3, 0, 1])]
    wrong = torch.tensor([1, 2, 3, 0, 1, 2])
    p, targets = shrunk(loss, (normal(6, 4).softmax(1), wrong), (hot, wrong))
    assert len(p) == 1
    assert p.sum().item() == pytest.approx(1, abs=1e-3)
    assert p[0, targets].item() == 0


def test_dead_weight_is_not_shared() -> None:
    subject = subject_of(root_of_squares, normal(6), normal(6, seed=1))
    before = [x.clone() for x in subject.leaves]
    shrunk(root_of_squares, tuple(subject.leaves), (torch.ones(6), torch.ones(6)))
    assert all(torch.equal(a, b) for a, b in zip(before, subject.leaves, strict=True))
