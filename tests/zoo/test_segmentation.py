"""Losses on maps against values worked out by hand on small ones."""

from __future__ import annotations

import math

import pytest
import torch

from losszoo_plugins.segmentation.overlap import dice
from losszoo_plugins.segmentation.smooth import smooth_segmentation, smoothness

ALL = [smoothness, smooth_segmentation, dice]
LOG2 = math.log(2)


def maps(*rows):
    return torch.tensor([[list(rows)]], dtype=torch.float64)


def loss_of(result):
    return (result.values.sum() / result.counts.sum()).item()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=generator)
    return logits, (torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=generator) < 0.4).double()


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        # By hand: steps down the columns, mean, plus steps along the rows, mean.
        (maps([0, 1], [0, 4]), (0 + 3) / 2 + (1 + 4) / 2),
        (maps([1, 2, 4], [1, 0, 0]), (0 + 2 + 4) / 3 + (1 + 2 + 1 + 0) / 4),
        (maps([3, 3], [3, 3]), 0.0),
        (maps([0, 5, 4]), (5 + 1) / 2),
        (maps([0], [5], [4]), (5 + 1) / 2),
        (maps([7]), 0.0),
        (maps([1e4, -1e4], [1e4, -1e4]), 2e4),
    ],
)
def test_smoothness(x, expected):
    values, counts = smoothness(x, torch.zeros_like(x))
    assert values.item() == expected
    assert counts.item() == 1


def test_smoothness_of_probabilities():
    # sigmoid(log 3) = 3/4 and sigmoid(0) = 1/2; a step between certainties is 1, however large the logits.
    assert smoothness(maps([math.log(3), 0]), maps([0, 0]), activation="sigmoid").values.item() == pytest.approx(0.25)
    assert smoothness(maps([1e4, -1e4]), maps([0, 0]), activation="sigmoid").values.item() == 1


def test_smooth_segmentation():
    # bce of logit log 3: log(4/3) for target 1, log 4 for target 0; smoothness 0 down, |log 3 - 0| along.
    x, t = maps([math.log(3), 0], [math.log(3), 0]), maps([1, 1], [0, 1])
    bce = (math.log(4 / 3) + math.log(4) + 2 * LOG2) / 4
    assert smooth_segmentation(x, t).values.item() == pytest.approx(0.7 * bce + 0.3 * math.log(3), rel=1e-14)
    assert smooth_segmentation(x, t, bce_weight=2.0, smoothness_weight=0.0).values.item() == pytest.approx(2 * bce)
    in_probability = smooth_segmentation(x, t, bce_weight=0.0, smoothness_weight=4.0, activation="sigmoid")
    assert in_probability.values.item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("x", "t", "smooth", "expected"),
    [
        # By hand, with p = 1/2 at logit 0 and 3/4 at log 3.
        (maps([0, 0], [0, 0]), maps([1, 1], [1, 1]), 0.0, 1 - 4 / 6),
        (maps([0, 0], [0, 0]), maps([1, 1], [1, 1]), 1.0, 1 - 5 / 7),
        (maps([math.log(3), 0]), maps([1, 0]), 1.0, 1 - 2.5 / 3.25),
        (maps([0, 0]), maps([0, 0]), 1.0, 1 - 1 / 2),
        (maps([0, 0]), maps([0, 0]), 0.0, 1.0),
        (maps([1e4, -1e4]), maps([1, 0]), 0.0, 0.0),
        (maps([-1e4, 1e4]), maps([1, 0]), 0.0, 1.0),
        # All but right, by e^-40 at each of two pixels: 2 e^-40 over 2, of which 1 - dice would hold no
        # digit.
        (maps([40, -40]), maps([1, 0]), 0.0, math.exp(-40)),
    ],
)
def test_dice(x, t, smooth, expected):
    assert dice(x, t, smooth=smooth).values.item() == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [0.0, -80.0, -95.0, -103.0, -1e4, -1e30])
def test_dice_of_an_empty_map_without_smoothing_is_one(logit, dtype):
    # sum p / sum p, whatever p is: also where p is subnormal (its inverse overflows) and where it is 0.
    x = torch.full((1, 1, 2, 2), logit, dtype=dtype, requires_grad=True)
    loss = dice(x, torch.zeros_like(x), smooth=0.0).values
    loss.sum().backward()
    assert loss.item() == 1
    assert not x.grad.any()


def test_mean_over_maps_is_the_formula_over_the_batch(batch):
    logits, targets = batch
    down = (logits[:, :, 1:] - logits[:, :, :-1]).abs().mean()
    along = (logits[..., 1:] - logits[..., :-1]).abs().mean()
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert loss_of(smoothness(logits, targets)) == pytest.approx((down + along).item(), rel=1e-13)
    assert loss_of(smooth_segmentation(logits, targets)) == pytest.approx(
        (0.7 * bce + 0.3 * (down + along)).item(), rel=1e-13
    )


@pytest.mark.parametrize("loss", ALL)
def test_a_mask_is_a_crop(loss, batch):
    logits, targets = (x.clone() for x in batch)
    cropped = loss(logits[..., 1:, :3], targets[..., 1:, :3])
    mask = torch.zeros_like(logits, dtype=torch.bool)
    mask[..., 1:, :3] = True
    logits[~mask] = targets[~mask] = torch.nan
    logits.requires_grad_()
    masked = loss(logits, targets, mask=mask)
    torch.testing.assert_close(masked, cropped)
    masked.values.sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[~mask].any()


def test_only_pairs_with_both_pixels_present_count():
    # A diagonal shares no pair; an L of three pixels has one step of 2 down and one of 5 along.
    x = maps([1, 6], [3, torch.nan])
    assert smoothness(x, x, mask=maps([1, 0], [0, 1]).bool() & x.isfinite()).values.item() == 0
    assert smoothness(x, x, mask=x.isfinite()).values.item() == 2 + 5


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("params", [{}, {"smooth": 0.0}])
def test_a_map_with_nothing_left_counts_for_nothing(loss, params, batch):
    params = params if loss is dice else {}
    logits, targets = batch
    mask = torch.ones_like(logits, dtype=torch.bool)
    mask[1, 2] = False
    logits = torch.where(mask, logits, torch.nan).requires_grad_()
    values, counts = loss(logits, targets, mask=mask, **params)
    assert (values[1, 2], counts[1, 2], counts.sum()) == (0, 0, 5)
    values.sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[1, 2].any()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("shape", [(0, 1, 2, 2), (2, 1, 1, 1), (1, 3, 1, 4), (1, 3, 4, 1), (1, 1, 0, 3)])
def test_one_value_per_map(loss, shape):
    x = torch.zeros(shape, requires_grad=True)
    values, counts = loss(x, torch.zeros(shape))
    assert values.shape == counts.shape == shape[:2]
    assert counts.tolist() == torch.full(shape[:2], float(shape[2] > 0)).tolist()
    values.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("scale", [0.0, 1e4, 1e30])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_finite_at_extremes(loss, scale, target):
    x = (scale * torch.tensor([[[[1.0, -1.0], [-1.0, 1.0]]]])).requires_grad_()
    values = loss(x, torch.full((1, 1, 2, 2), target)).values
    values.sum().backward()
    assert values.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize(
    "params", [{}, {"activation": "sigmoid"}, {"smooth": 0.0}], ids=["default", "sigmoid", "unsmoothed"]
)
def test_gradients(loss, params, batch):
    if ("smooth" in params and loss is not dice) or ("activation" in params and loss is dice):
        params = {}
    logits, targets = batch
    mask = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) < 0.7
    assert torch.autograd.gradcheck(
        lambda x: loss(x, targets, mask=mask, **params).values, (logits.clone().requires_grad_(),)
    )


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_dice_corrects_a_confidently_wrong_pixel(target):
    # By hand, one pixel, s = 1: the derivative by p is 1 / (1 + p)^2 without target, -3 / (2 + p)^2 with it,
    # and that of p is p (1 - p), e^-30 to 13 digits at 30 and -30. In float32 the sigmoid of 30 is 1.
    x = torch.full((1, 1, 1, 1), 30.0 - 60.0 * target, requires_grad=True)
    dice(x, torch.full_like(x, target)).values.sum().backward()
    assert x.grad.item() == pytest.approx([1 / 4, -3 / 4][int(target)] * math.exp(-30), rel=1e-6)
