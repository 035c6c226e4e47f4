"""Log odds and spread of a row, against mpmath, and of a block in closed form against autograd."""

from __future__ import annotations

import mpmath
import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import log_odds
from losszoo.pairs.log_odds import spread
from losszoo.pairs.softmax_block import Masks, SelfColumn, SoftmaxBlock

# Two positives, two negatives, and one that is neither.
POSITIVE = torch.tensor([[True, True, False, False, False]])
NEGATIVE = torch.tensor([[False, False, True, True, False]])


@pytest.mark.parametrize(
    "logits",
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, -2.0, 0.5, 3.0, 9.0],
        [-2000.0, -2001.0, -3000.0, -2500.0, 0.0],
        [1e4, -1e4, 1e4, 1e4, 0.0],
        [1e300, 1e300, -1e300, 0.0, 0.0],
        [-1e-300, 0.0, 1e-300, 0.0, 1e308],
    ],
)
def test_odds_and_spread_to_all_digits(logits: list[float]) -> None:
    x = [mpmath.mpf(value) for value in logits]

    def whole(*values: mpmath.mpf) -> mpmath.mpf:
        peak = max(values)
        return peak + mpmath.log(sum(mpmath.exp(value - peak) for value in values))

    with mpmath.workdps(700):  # digits of 1e300 and of 1e-300
        near = whole(*x[:2])
        odds, gap = float(whole(*x[2:4]) - near), float(near - (x[0] + x[1]) / 2)
    row = torch.tensor([logits], dtype=torch.float64)
    assert log_odds(row, POSITIVE, NEGATIVE).item() == pytest.approx(odds, rel=1e-15)
    assert spread(row, POSITIVE).item() == pytest.approx(gap, rel=1e-15)


def test_odds_of_nothing() -> None:
    """Infinity of the side that is there; without a candidate there is no positive."""
    row, nobody = torch.zeros(1, 5), torch.zeros(1, 5, dtype=torch.bool)
    assert log_odds(row, nobody, NEGATIVE).tolist() == [torch.inf]
    assert log_odds(row, POSITIVE, nobody).tolist() == [-torch.inf]
    assert log_odds(row, nobody, nobody).tolist() == [torch.inf]
    assert log_odds(row[:, :0], nobody[:, :0], nobody[:, :0]).tolist() == [torch.inf]
    assert spread(row, nobody).tolist() == [0.0]
    assert spread(row[:, :0], nobody[:, :0]).tolist() == [0.0]


def test_gradients_of_odds_and_spread() -> None:
    rows = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for function in (lambda x: log_odds(x, POSITIVE, NEGATIVE), lambda x: spread(x, POSITIVE)):
        assert torch.autograd.gradcheck(function, (rows,))
        assert torch.autograd.gradgradcheck(function, (rows,))


def masks_of(kind: str) -> Masks:
    mixed = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
    return {
        "one class": Masks(3, 1, 6, SelfColumn(2)),
        "mixed": Masks(3, 2, 5, SelfColumn(columns=torch.tensor([0, -1, 6])), mixed, 1 - mixed),
        "partial": Masks(3, 2, 5, None, mixed, (1 - mixed) * torch.tensor([1.0, 0.0, 1.0]), partial=True),
    }[kind]


def pairs_of(masks: Masks) -> tuple[Tensor, Tensor]:
    positive, negative = torch.zeros(3, 7), torch.ones(3, 7)
    band = slice(masks.start, masks.stop)
    positive[:, band] = 1 if masks.positive is None else masks.positive.float()
    negative[:, band] = 0 if masks.negative is None else masks.negative.float()
    for mask in (positive, negative):
        masks.fill_own(mask, 0.0)
    return positive > 0, negative > 0


@pytest.mark.parametrize("kind", ["one class", "mixed", "partial"])
# Distances have no bound.
@pytest.mark.parametrize(("sign", "bound"), [(1.0, None), (1.0, 4.0), (-1.0, None)])
def test_a_block_in_closed_form(kind: str, sign: float, bound: float | None) -> None:
    masks = masks_of(kind)
    logits = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    positive, negative = pairs_of(masks)
    expected = log_odds(logits, positive, negative), spread(logits, positive)
    measure = sign * logits.detach()
    block = SoftmaxBlock(measure, sign, masks, torch.empty_like(measure), bound)
    found = block.values(spreads=True)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-12)
    weights = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64), torch.tensor([1.0, 0.5, -2.0], dtype=torch.float64)
    total = sum((x * weight).sum() for x, weight in zip(expected, weights, strict=True))
    (slopes,) = torch.autograd.grad(total, logits)
    torch.testing.assert_close(sign * block.gradients(*weights), slopes, rtol=1e-10, atol=1e-12)


def test_a_function_of_the_odds_is_a_row_function() -> None:
    """What the decorator returns is called with logits and masks, and keeps its name and its words."""

    @losszoo.softmax_row(similarity="dot", needs=("positive", "negative"))
    def both(odds: Tensor, spread: Tensor, *, share: float = 0.5) -> Tensor:
        """Words."""
        return odds + share * spread

    row = torch.tensor([[1.0, -2.0, 0.5, 3.0, 9.0]])
    expected = log_odds(row, POSITIVE, NEGATIVE) + 2 * spread(row, POSITIVE)
    torch.testing.assert_close(both(row, POSITIVE, NEGATIVE, share=2.0), expected)
    assert (both.__name__, both.__doc__) == ("both", "Words.")
    loss = losszoo.create(both, share=2.0)
    assert (loss.similarity, loss.temperature) == ("dot", 1.0)
    with pytest.raises(losszoo.UsageError, match=r"has no parameter 'shaer': did you mean share\?"):
        losszoo.create(both, shaer=2.0)
