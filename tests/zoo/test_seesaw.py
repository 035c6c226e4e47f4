"""Seesaw loss against the products of its paper, its counts, and what a run keeps of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.losses.sums.data_sizes import set_sizes

LOGITS = np.random.default_rng(0).normal(size=(40, 5)) * 3
LABELS = np.random.default_rng(1).choice(5, 40, p=[0.6, 0.2, 0.1, 0.06, 0.04])


def made(**params: Any) -> Any:
    return losszoo.create("seesaw", reduction="none", **params).double()


def by_the_paper(logits: Any, labels: Any, counts: Any, p: float = 0.8, q: float = 2.0) -> list[float]:
    """Equations 3 to 6, product by product, in 60 digits."""
    found = []
    with mpmath.workdps(60):
        for row, y in zip(logits, labels, strict=True):
            weights = [mpmath.exp(z) for z in row]
            shares = [w / sum(weights) for w in weights]
            total = weights[y]
            for j, weight in enumerate(weights):
                if j != y:
                    mitigation = (mpmath.mpf(int(counts[j])) / int(counts[y])) ** p if counts[j] < counts[y] else 1
                    compensation = (shares[j] / shares[y]) ** q if shares[j] > shares[y] else 1
                    total += mitigation * compensation * weight
            found.append(float(mpmath.log(total / weights[y])))
    return found


@pytest.mark.parametrize(("p", "q"), [(0.8, 2.0), (0.0, 2.0), (1.5, 0.0), (0.0, 0.0)])
def test_value_is_the_papers(p: float, q: float) -> None:
    found = made(p=p, q=q)(torch.tensor(LOGITS), torch.tensor(LABELS))
    expected = by_the_paper(LOGITS, LABELS, np.maximum(np.bincount(LABELS, minlength=5), 1), p, q)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_without_both_it_is_cross_entropy() -> None:
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(made(p=0.0, q=0.0)(logits, labels), expected)


def test_the_gradient_is_that_of_constant_weights() -> None:
    """Softmax of the weighted exponents, minus 1 at the target, from the weights of the paper."""
    logits = torch.tensor(LOGITS, requires_grad=True)
    made()(logits, torch.tensor(LABELS)).sum().backward()
    counts = np.maximum(np.bincount(LABELS, minlength=5), 1)
    ahead = LOGITS - LOGITS[np.arange(40), LABELS][:, None]
    weights = np.minimum(1, counts[None] / counts[LABELS][:, None]) ** 0.8 * np.maximum(1, np.exp(ahead)) ** 2.0
    weights[np.arange(40), LABELS] = 1
    shares = weights * np.exp(ahead)
    shares /= shares.sum(1, keepdims=True)
    shares[np.arange(40), LABELS] -= 1
    np.testing.assert_allclose(logits.grad, shares, rtol=1e-9, atol=1e-12)


def test_mmdetection_stops_to_compensate_at_a_ratio_of_100() -> None:
    """Its probabilities are bounded by eps = 0.01: of logits 0 and 50 it has 50 + 2 log(1 / 0.01) = 59.2, not 150."""
    value = made()(torch.tensor([[0.0, 50.0]], dtype=torch.float64), torch.tensor([0]))
    assert value.item() == pytest.approx(150.0)


@pytest.mark.parametrize("size", [89.0, 1e4, 1e20, 1e37])
def test_extremes_are_finite(size: float) -> None:
    logits = torch.tensor([[size, 0.0], [0.0, size]]).requires_grad_()
    value = losszoo.create("seesaw", reduction="none", p=0.0)(logits, torch.tensor([0, 0]))
    value.sum().backward()
    assert value.tolist() == pytest.approx([0.0, 3 * size])
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0], [-1.0, 1.0]]))


def test_counts_move_before_the_batch_is_judged_and_only_in_training() -> None:
    loss = made()
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    first = loss(logits, labels)
    assert loss.function.counts.tolist() == np.bincount(LABELS, minlength=5).tolist()
    loss.eval()
    torch.testing.assert_close(loss(logits, labels), first)  # the same counts
    assert loss.function.counts.sum() == 40
    loss.train()
    with torch.no_grad():
        loss(logits, labels)
    assert loss.function.counts.sum() == 40
    loss(logits, labels)
    assert loss.function.counts.tolist() == (2 * np.bincount(LABELS, minlength=5)).tolist()


def test_hidden_and_ignored_positions_are_not_counted() -> None:
    logits = torch.tensor(LOGITS)
    labels = torch.tensor(LABELS)
    loss = made()
    loss(logits, labels, mask=torch.arange(40) < 10)
    assert loss.function.counts.tolist() == np.bincount(LABELS[:10], minlength=5).tolist()
    loss = made()
    values = loss(logits, torch.where(torch.arange(40) < 10, labels, -100))
    assert loss.function.counts.sum() == 10
    assert values[10:].eq(0).all()


def test_of_probabilities_the_likeliest_class_is_counted() -> None:
    loss, shares = made(), torch.tensor([[0.7, 0.3, 0.0], [0.2, 0.2, 0.6]], dtype=torch.float64)
    logits = torch.tensor(LOGITS[:2, :3])
    values = loss(logits, shares)
    assert loss.function.counts.tolist() == [1, 0, 1]
    each = [by_the_paper(LOGITS[:2, :3], [c, c], [1, 1, 1]) for c in range(3)]
    np.testing.assert_allclose(values, (np.array(each).T * shares.numpy()).sum(1), rtol=1e-9)


def test_half_precision_keeps_the_counts() -> None:
    loss = losszoo.create("seesaw", classes=2)
    loss.function.counts += 100_000
    loss.half()
    assert loss(torch.zeros(2, 2).half(), torch.tensor([0, 1])).dtype == torch.float32
    assert loss.function.counts.tolist() == [100_001, 100_001]


def test_the_classes_are_those_of_the_first_batch() -> None:
    loss = made()
    loss(torch.tensor(LOGITS), torch.tensor(LABELS))
    with pytest.raises(UsageError, match=r"logits must have shape \(N, 5, ...\), got \(2, 3\)"):
        loss(torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="classes must be at least 1, got 0"):
        made(classes=0)


def test_a_saved_state_holds_the_counts() -> None:
    first, second = made(), made()
    first(torch.tensor(LOGITS), torch.tensor(LABELS))
    set_sizes(second, classes=5, dim=1)  # as a run does before it loads
    second.load_state_dict(first.state_dict())
    again = [loss(torch.tensor(LOGITS), torch.tensor(LABELS)) for loss in (first, second)]
    torch.testing.assert_close(*again)
    assert second.function.counts.sum() == 80


def test_a_run_counts_what_it_was_given(tmp_path: Path) -> None:
    result = losszoo.run("seesaw", "digits-rare", epochs=2, out=tmp_path)
    assert (result.status, result.guard["nonfinite"]) == ("completed", 0)


def test_gradcheck_without_compensation() -> None:
    """With q = 0 nothing is detached that depends on the logits."""
    loss = made(q=0.0)
    loss(torch.tensor(LOGITS), torch.tensor(LABELS))
    loss.eval()

    def value(logits: Tensor) -> Tensor:
        answer: Tensor = loss(logits, torch.tensor(LABELS[:6]))
        return answer

    assert torch.autograd.gradcheck(value, torch.tensor(LOGITS[:6], requires_grad=True))
