"""Lifted structure, smooth AP and the margin loss, against pytorch-metric-learning 2.9, scikit-learn and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hard import HARD
from scipy.special import expit, logsumexp
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn.functional import normalize

import losszoo
from losszoo_plugins.metric import row_blocks

pytest.importorskip("pytorch_metric_learning")
from pytorch_metric_learning import distances, losses

F64 = torch.float64
CLOSE = {F64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 1e-5, "atol": 1e-5}}
DTYPES = pytest.mark.parametrize("dtype", list(CLOSE), ids=str)
NAMES = pytest.mark.parametrize("name", ["lifted-structure", "smooth-ap", "margin"])
PLAIN = distances.LpDistance(normalize_embeddings=False)
UNEVEN = torch.tensor([0] * 2 + [1] * 3 + [2] * 5 + [3] * 8)


def rows(count: int, width: int = 8, dtype: torch.dtype = F64, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def value_and_gradient(loss: Callable[..., Any], *inputs: Any) -> tuple[Tensor, Tensor]:
    leaf = inputs[0].clone().requires_grad_()
    value = loss(leaf, *inputs[1:]).sum()
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def same(loss: Callable[..., Any], peer: Callable[..., Any], dtype: torch.dtype, *inputs: Any) -> None:
    for found, expected in zip(value_and_gradient(loss, *inputs), value_and_gradient(peer, *inputs), strict=True):
        size = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found / size, expected / size, **CLOSE[dtype])


# Lifted structure


@DTYPES
@pytest.mark.parametrize("margin", [0.1, 1.0, 5.0])
def test_lifted_structure_is_that_of_pml(margin: float, dtype: torch.dtype) -> None:
    peer = losses.LiftedStructureLoss(neg_margin=margin, distance=PLAIN)
    # On the scale of the margin, so that some hinges are open and some are not.
    points = 0.4 * rows(18, dtype=dtype)
    same(losszoo.create("lifted-structure", margin=margin), peer, dtype, points, UNEVEN)


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4, 1e15])
def test_far_apart_the_soft_maximum_is_the_nearest_negative(scale: float) -> None:
    """scipy's logsumexp, on a line: a plain exp of -100 is 4e-44, and its logarithm loses every digit in float32."""
    places, labels = np.array([0.0, 2.0, 5.0, 9.0]) * scale, np.array([0, 0, 1, 1])
    apart = abs(places[:, None] - places)
    total = 0.0
    for i, j in ((0, 1), (1, 0), (2, 3), (3, 2)):
        reach = logsumexp([1 - apart[k, n] for k in (i, j) for n in range(4) if labels[n] != labels[i]])
        total += max(0.0, reach + apart[i, j]) ** 2 / 2
    value = losszoo.create("lifted-structure")(torch.tensor(places[:, None]).float(), torch.tensor(labels))
    assert value.item() == pytest.approx(total / 4, rel=1e-5)


def test_a_square_that_leaves_float32_is_taken_in_float64() -> None:
    points = torch.tensor([[0.0], [3e19], [1e19], [4e19]])
    value, gradient = value_and_gradient(losszoo.create("lifted-structure"), points, torch.tensor([0, 0, 1, 1]))
    # Each hinge is 3e19 - 1e19: half of its square fits, and the sum over four pairs does not.
    assert value.item() == pytest.approx(0.5 * (2e19) ** 2, rel=1e-5)
    assert gradient.isfinite().all()


# Smooth AP


def _smooth_ap(points: Tensor, labels: list[int], temperature: float) -> list[float]:
    """Its authors' formula, pair by pair; the query is one of its positives."""
    units = normalize(points, dim=1)
    scores = (units @ units.T).numpy()
    values = []
    for i, own in enumerate(labels):
        group = [j for j, label in enumerate(labels) if label == own]
        shares = []
        for p in group:
            step = {j: expit((scores[i, j] - scores[i, p]) / temperature) for j in range(len(labels)) if j != p}
            shares.append((1 + sum(step[j] for j in group if j != p)) / (1 + sum(step.values())))
        values.append(1 - sum(shares) / len(group) if len(group) > 1 else 0.0)
    return values


@pytest.mark.parametrize("temperature", [0.01, 0.3, 10.0])
def test_smooth_ap_of_classes_of_any_size_in_any_order(temperature: float) -> None:
    points, labels = rows(14), [3, 0, 1, 0, 2, 2, 1, 0, 1, 1, 0, 0, 3, 4]
    loss = losszoo.create("smooth-ap", temperature=temperature, reduction="none")
    assert loss(points, torch.tensor(labels)).tolist() == pytest.approx(_smooth_ap(points, labels, temperature))
    # The row that is alone does not count.
    assert losszoo.create("smooth-ap").count(points, torch.tensor(labels)) == 13


def test_without_smoothing_it_is_the_average_precision_of_scikit_learn() -> None:
    """The query first, with a score above all."""
    points, labels = rows(20), torch.arange(20) % 4
    values = losszoo.create("smooth-ap", temperature=1e-6, reduction="none")(points, labels)
    units = normalize(points, dim=1)
    scores = (units @ units.T).fill_diagonal_(2.0)
    for i in range(20):
        expected = 1 - average_precision_score(labels == labels[i], scores[i])
        assert values[i].item() == pytest.approx(expected, abs=1e-9)


def test_smooth_ap_is_that_of_pml_where_classes_are_as_many_as_their_rows() -> None:
    """In float32, in which it computes whatever it is given; at 0.01 a step keeps five digits of two cosines."""
    points, labels = rows(16, dtype=torch.float32), torch.arange(4).repeat_interleave(4)
    same(losszoo.create("smooth-ap", temperature=0.1), losses.SmoothAPLoss(0.1), torch.float32, points, labels)


def test_pml_groups_by_the_number_of_classes_and_not_of_their_rows() -> None:
    """Three classes of five rows: its groups are three rows long."""
    points, labels = rows(15), torch.arange(3).repeat_interleave(5)
    expected = sum(_smooth_ap(points, labels.tolist(), 0.01)) / 15
    assert losszoo.create("smooth-ap")(points, labels).item() == pytest.approx(expected)
    assert losses.SmoothAPLoss()(points, labels).item() != pytest.approx(expected, rel=0.01)


def test_smooth_ap_is_flat_far_from_a_tie_and_not_at_one() -> None:
    """A positive that is behind by 1 / 0.01 temperatures has a gradient of e^-100, one that is tied a large one."""
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.02], [0.02, 1.0]])
    labels = torch.tensor([0, 0, 1, 1])
    loss = losszoo.create("smooth-ap")
    assert value_and_gradient(loss, points, labels)[1].abs().max() < 0.2
    tied = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8], [0.0, 1.0]])
    assert value_and_gradient(loss, tied, torch.tensor([0, 0, 1, 1]))[1].abs().max() > 1


def test_four_thousand_rows_need_no_cube() -> None:
    """4096 rows of 1024 classes: 4 positives a row, not 4096 squared times 4096 steps, which would take 275 GB."""
    points = rows(4096, 4, torch.float32)
    value, gradient = value_and_gradient(losszoo.create("smooth-ap"), points, torch.arange(4096) % 1024)
    assert 0.9 < value < 1
    assert gradient.isfinite().all()


# Margin


def test_margin_by_hand() -> None:
    """On a line at 0, 1 and 1.75, boundary 1 and margin 0.5: positives cost 0.5 each, negatives -0.25 and 0.75."""
    points, labels = torch.tensor([[0.0], [1.0], [1.75]]), torch.tensor([0, 0, 1])
    loss = losszoo.create("margin", margin=0.5, beta=1.0, reduction="none")
    assert loss(points, labels).tolist() == [0.5, 0.5 + 0.75, 0.75]
    mean = losszoo.create("margin", margin=0.5, beta=1.0)
    # Four terms are above 0: both positives, and one negative from either end.
    assert mean.count(points, labels) == 4
    mean(points, labels).backward()
    # The two positives pull the boundary out, the two negatives in.
    assert mean.function.boundary.grad.item() == 0
    assert losszoo.create("margin", beta=9.0, margin=0.1)(points[:2], labels[:2]) == 0


@DTYPES
def test_margin_is_that_of_pml_on_the_same_pairs(dtype: torch.dtype) -> None:
    """Triplets that name each pair once: five queries against three positives and three negatives each."""
    queries, others = normalize(rows(5, dtype=dtype)), normalize(rows(6, dtype=dtype, seed=1))
    labels, other_labels = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([0, 0, 0, 1, 1, 1])
    peer = losses.MarginLoss(margin=0.2, beta=1.2, learn_beta=True, distance=PLAIN).to(dtype)
    places = [(i, p, n) for i in range(5) for p, n in zip(*_split(labels[i], other_labels), strict=True)]
    triplets = tuple(torch.tensor(x) for x in zip(*places, strict=True))

    def theirs(points: Tensor) -> Tensor:
        found: Tensor = peer(points, labels, triplets, others, other_labels)
        return found

    loss = losszoo.create("margin", signature="neighbors").to(dtype)
    same(lambda points: loss(points, labels, others, other_labels), theirs, dtype, queries)
    loss(queries, labels, others, other_labels).backward()
    theirs(queries).backward()
    torch.testing.assert_close(loss.function.boundary.grad, peer.beta.grad, **CLOSE[dtype])


def _split(label: Tensor, others: Tensor) -> tuple[list[int], list[int]]:
    return (others == label).nonzero().flatten().tolist(), (others != label).nonzero().flatten().tolist()


@pytest.mark.parametrize("way", [losszoo.Streaming(memory=1), losszoo.Streaming(dense=True)])
def test_each_class_learns_a_boundary_of_its_own(way: losszoo.Streaming) -> None:
    """900 rows in blocks: the gradient of a class is minus its open positives plus its open negatives, over all."""
    points, labels = normalize(rows(900, 4)), torch.arange(900) % 3
    loss = losszoo.create("margin", per_class=True, classes=3, streaming=way).double()
    loss(points, labels).backward()
    apart = torch.cdist(points, points)
    alike = labels.unsqueeze(1) == labels
    near = alike & (0.2 + apart - 1.2 > 0) & ~torch.eye(900, dtype=torch.bool)
    far = ~alike & (0.2 + 1.2 - apart > 0)
    expected = torch.stack([(far[labels == k].sum() - near[labels == k].sum()) for k in range(3)])
    torch.testing.assert_close(loss.function.boundary.grad, (expected / (near.sum() + far.sum())).to(F64))


def test_boundaries_need_the_classes() -> None:
    loss = losszoo.create("margin", per_class=True)
    with pytest.raises(losszoo.UsageError, match="classes must be given where no run takes them from its data"):
        loss(rows(2), torch.tensor([0, 0]))
    loss.function.set_sizes(2, 8)
    assert [x.shape for x in loss.parameters()] == [(2,)]
    with pytest.raises(losszoo.UsageError, match=r"labels must be from 0 to 2-1, got 2"):
        loss(rows(2), torch.tensor([2, 2]))
    with pytest.raises(losszoo.UsageError, match=r"labels must be class indices, of shape \(N,\), got \(2, 3\)"):
        loss(rows(2), torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(losszoo.UsageError, match="classes must be at least 1, got 0"):
        losszoo.create("margin", classes=0)
    fixed = losszoo.create("margin", learned=False)
    assert list(fixed.parameters()) == []
    assert [name for name, _ in fixed.named_buffers()] == ["function.boundary"]


# All three


@NAMES
@pytest.mark.parametrize("case", HARD)
def test_hard_batches_are_finite(name: str, case: str) -> None:
    points, labels = HARD[case]
    value, gradient = value_and_gradient(losszoo.create(name), points, torch.tensor(labels, dtype=torch.long))
    if (name, case) == ("lifted-structure", "1e30 apart"):
        assert value == torch.inf  # the square of 1e30
    else:
        assert value.isfinite()
        assert gradient.isfinite().all()


@NAMES
def test_what_is_masked_is_neither_row_nor_candidate(name: str) -> None:
    points, mask = rows(18), torch.arange(18) % 4 != 1
    spoilt = torch.where(mask.unsqueeze(1), points, torch.nan)
    loss = losszoo.create(name).double()
    torch.testing.assert_close(loss(spoilt, UNEVEN, mask=mask), loss(points[mask], UNEVEN[mask]))


@NAMES
def test_labels_may_be_multi_hot(name: str) -> None:
    points, loss = rows(18), losszoo.create(name).double()
    hot = torch.nn.functional.one_hot(UNEVEN)
    torch.testing.assert_close(loss(points, hot), loss(points, UNEVEN))


@pytest.mark.parametrize("name", ["lifted-structure", "smooth-ap"])
def test_rows_in_blocks_are_the_same_as_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points, loss = rows(18), losszoo.create(name, reduction="none")
    once = value_and_gradient(loss, points, UNEVEN)
    monkeypatch.setattr(row_blocks, "_MOST", 4 * 18 * 5)
    for found, expected in zip(value_and_gradient(loss, points, UNEVEN), once, strict=True):
        torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(loss(points, UNEVEN).sum(), once[0])


@NAMES
def test_a_bank_holds_further_candidates(name: str) -> None:
    """Rows of an earlier batch are compared with, and have no value."""
    points, old = rows(18), rows(18, seed=1)
    bank = losszoo.MemoryBank(name, size=18, reduction="none").double()
    bank(old, UNEVEN)
    both = losszoo.create(name, reduction="none").double()(torch.cat([points, old]), UNEVEN.repeat(2))
    torch.testing.assert_close(bank(points, UNEVEN), both[:18])


@NAMES
def test_no_row_and_one_class(name: str) -> None:
    loss = losszoo.create(name, empty="nan").double()
    assert loss(rows(0), torch.zeros(0, dtype=torch.long)).isnan()
    value = losszoo.create(name).double()(rows(4), torch.zeros(4, dtype=torch.long)).item()
    # Nothing to push away: only the margin loss still pulls.
    apart = torch.cdist(rows(4), rows(4)).flatten()
    pulled = (apart - 1.0)[apart > 1.0].mean().item()
    assert value == pytest.approx({"margin": pulled}.get(name, 0.0))
    assert math.isfinite(value)
