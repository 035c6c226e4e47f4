"""Terms of a sum by names of one's own: inputs by keyword, batches that are labelled in part."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.losses.sums.sum_loss import SumLoss

DRAW = torch.Generator().manual_seed(0)
A, TA = torch.randn(2, 8, generator=DRAW)
B, TB = torch.randn(2, 5, generator=DRAW)
LOGITS, LABELS = torch.randn(4, 3, generator=DRAW), torch.tensor([0, 1, 2, 0])


def absolute(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).abs()


def heads() -> Any:
    return losszoo.create({"ages": "mse", "sizes": 0.5 * losszoo.create(absolute, signature="regression")})


def square() -> Tensor:
    return ((A - TA) ** 2).mean()


def half() -> Tensor:
    return 0.5 * (B - TB).abs().mean()


def test_two_heads_of_one_signature() -> None:
    loss = heads()
    assert [str(term) for term in loss.terms] == ["ages", "0.5*sizes"]
    torch.testing.assert_close(loss(ages=(A, TA), sizes=(B, TB)), square() + half())
    torch.testing.assert_close(loss.evaluate({"ages": (A, TA), "sizes": (B, TB)}), square() + half())
    torch.testing.assert_close(loss(A, TA), square() + 0.5 * (A - TA).abs().mean())
    weight = torch.arange(8.0)
    found = loss(ages=(A, TA), sizes=(B, TB), weight={"ages": weight}, mask={"sizes": torch.arange(5) < 2})
    expected = (weight * (A - TA) ** 2).sum() / weight.sum() + 0.5 * (B - TB)[:2].abs().mean()
    torch.testing.assert_close(found, expected)


def test_a_term_without_labels_is_left_out() -> None:
    loss = heads()
    torch.testing.assert_close(loss(ages=(A, TA), sizes=None), square())
    torch.testing.assert_close(loss.evaluate({"ages": None, "sizes": (B, TB)}), half())
    nested = losszoo.create({"both": losszoo.create("mse + mae"), "other": "huber"})
    torch.testing.assert_close(nested(both=None, other=(B, TB)), torch.nn.functional.huber_loss(B, TB))
    torch.testing.assert_close(nested(mse=None, mae=(A, TA), other=None), (A - TA).abs().mean())


class Largest(torch.nn.Module):
    """A combiner that says nothing of terms that are left out."""

    def forward(self, values: list[Tensor]) -> Tensor:
        return torch.stack(values).max()


def test_learned_weights_of_the_terms_that_a_batch_has() -> None:
    """Kendall's sum of those; what is left out has no gradient, and no weight in the value."""
    loss = losszoo.create("uncertainty(mse, 0.5*mae, huber)")
    with torch.no_grad():
        (log_variances,) = loss.parameters()
        log_variances.copy_(torch.tensor([0.5, -1.0, 3.0]))
    value = loss(mse=(A, TA), mae=(B, TB), huber=None)
    terms = torch.stack([square(), 0.5 * (B - TB).abs().mean()])
    s = torch.tensor([0.5, -1.0])
    torch.testing.assert_close(value, 0.5 * (torch.exp(-s) * terms + s).sum())
    value.backward()
    torch.testing.assert_close(log_variances.grad, torch.cat((0.5 * (1 - torch.exp(-s) * terms), torch.zeros(1))))


def test_dashes_penalties_and_learned_weights() -> None:
    classes = torch.nn.functional.cross_entropy(LOGITS, LABELS)
    loss = losszoo.create("cross-entropy + 0.5*l2")
    torch.testing.assert_close(loss(cross_entropy=(LOGITS, LABELS), parameters=[A]), classes + 0.5 * (A**2).sum())
    torch.testing.assert_close(loss(cross_entropy=(LOGITS, LABELS), l2=([A],)), classes + 0.5 * (A**2).sum())
    learned = losszoo.create({"all": "uncertainty(mse, mae)", "classes": "cross-entropy"})
    assert len([*learned.parameters()]) == 1
    # Kendall's sum at log-variances 0: half of each loss.
    expected = 0.5 * (square() + (A - TA).abs().mean()) + classes
    torch.testing.assert_close(learned(all=(A, TA), classes=(LOGITS, LABELS)), expected)
    learned(all=(A, TA), classes=(LOGITS, LABELS)).backward()
    assert next(learned.parameters()).grad is not None
    again = losszoo.create({"all": "uncertainty(mse, mae)", "classes": "cross-entropy"})
    assert again.load_state_dict(learned.state_dict()).missing_keys == []
    scheduled = losszoo.create({"late": "step(0, 1, epochs=2)*mse", "always": "mae"})
    scheduled.set_epoch(2)
    assert scheduled.weights == {"late": 1.0, "always": 1.0}


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: heads()(ages=(A, TA)), r"must hold those of sizes, under 'sizes' or 'regression', got 'ages'; None "),
        (lambda: heads()(ages=(A, TA), size=(B, TB)), r"by the label of a term \(ages, sizes\), got 'size'"),
        (
            lambda: heads()(ages=None, sizes=None),
            "at least one term of ages, sizes must have inputs, got None for each",
        ),
        (lambda: heads()(A, ages=(A, TA)), "by position or by label, got both; the labels are ages, sizes"),
        (lambda: heads()(ages=A, sizes=None), r"inputs\['ages'\] must be a tuple of arguments, got a Tensor"),
        (lambda: heads().combine({"ages": square()}), "values must hold those of every term, got none of sizes"),
        (
            lambda: SumLoss(losszoo.create("mse + mae").terms, Largest())(mse=(A, TA), mae=None),
            r"Largest\(mse, mae\) must have inputs for every term, got None for mae; take batches",
        ),
        (lambda: losszoo.create({"mask": "mse"}), "the label of a term must be a text other than .*, got 'mask'"),
        (lambda: losszoo.create({3: "mse"}), "the label of a term must be a text other than .*, got 3"),
        (lambda: losszoo.create({}), "a mapping of losses must hold at least one, got none"),
        (lambda: losszoo.create({"a": "focal"}, gamma=1.0), "parameters must go with a single loss, got a mapping"),
    ],
)
def test_what_cannot_be_said(call: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        call()
