"""Losses on regions against brute force, scikit-learn, and numbers by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

import losszoo

LOGITS = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
MAPS = (torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.3).double()
LABELS = MAPS.argmax(1)


def parts(logits, maps, axes=(2, 3)):
    """True positives, false positives and false negatives by NumPy."""
    p, t = 1 / (1 + np.exp(-logits.numpy())), maps.numpy()
    return (p * t).sum(axes), (p * (1 - t)).sum(axes), ((1 - p) * t).sum(axes)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_tversky_and_jaccard_are_their_quotients(dtype, rtol):
    tp, fp, fn = parts(LOGITS, MAPS)
    given = LOGITS.to(dtype), MAPS.to(dtype)
    loss = losszoo.create("tversky", alpha=0.3, beta=0.7, gamma=0.75, smooth=0.5, reduction="none")
    expected = (1 - (tp + 0.5) / (tp + 0.3 * fp + 0.7 * fn + 0.5)) ** 0.75
    np.testing.assert_allclose(loss(*given).numpy(), expected, rtol=rtol)
    expected = 1 - (tp + 1) / (tp + fp + fn + 1)
    np.testing.assert_allclose(losszoo.create("jaccard", reduction="none")(*given).numpy(), expected, rtol=rtol)
    tp, fp, fn = parts(LOGITS, MAPS, (0, 2, 3))
    batch = losszoo.create("jaccard", over="batch", smooth=0.0)(*given)
    assert batch.item() == pytest.approx((1 - tp / (tp + fp + fn)).mean(), rel=rtol)


def test_tversky_at_one_half_is_dice_with_twice_the_smoothing():
    for over in ("map", "image", "batch"):
        ours = losszoo.create("tversky", smooth=1.5, over=over)(LOGITS, MAPS)
        torch.testing.assert_close(ours, losszoo.create("dice", smooth=3.0, over=over)(LOGITS, MAPS))


def test_jaccard_of_certain_maps_is_scikit_learns():
    certain, maps = torch.where(MAPS.roll(1, 3) > 0, 200.0, -200.0).double(), MAPS
    loss = losszoo.create("jaccard", smooth=0.0, reduction="none")
    found = [(r, c) for r, c in itertools.product(range(2), range(3)) if maps[r, c].sum() > 0]
    assert len(found) > 3
    for r, c in found:
        expected = 1 - jaccard_score(maps[r, c].flatten(), (certain[r, c] > 0).flatten())
        assert loss(certain, maps)[r, c].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["tversky", "jaccard", "generalized-dice"])
def test_an_empty_map_has_a_number_and_with_smoothing_a_gradient(name):
    """MONAI: NaN without smoothing where every probability underflows. smp: 0 with a gradient of 0."""
    for size in (0.0, -104.0, -1e4):
        logits = torch.full((1, 1, 2, 2), size, requires_grad=True)
        value = losszoo.create(name, smooth=0.0)(logits, torch.zeros(1, 1, 2, 2))
        value.backward()
        assert value.item() == 1.0
        assert logits.grad.abs().max() == 0
    logits = torch.zeros(1, 1, 2, 2, requires_grad=True)
    losszoo.create(name)(logits, torch.zeros(1, 1, 2, 2)).backward()
    assert (logits.grad > 0).all()


def test_a_power_below_1_has_no_infinite_gradient_on_a_right_map():
    logits = torch.where(MAPS > 0, 1e4, -1e4).double().requires_grad_()
    for name, power in (("tversky", "gamma"), ("jaccard", "power")):
        value = losszoo.create(name, smooth=0.0, **{power: 0.5})(logits, MAPS)
        value.backward()
        assert value.item() == pytest.approx(0.0, abs=1e-12)
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize(("weighting", "exponent"), [("square", 2), ("simple", 1), ("uniform", 0)])
def test_generalized_dice_is_sudres(weighting, exponent):
    """w_c = 1 / T_c^k in NumPy; an absent class has the largest weight, as in MONAI."""
    maps = MAPS.clone()
    maps[0, 1] = 0
    tp, fp, _ = parts(LOGITS, maps)
    sizes = maps.sum((2, 3)).numpy()
    for image in range(2):
        w = np.where(sizes[image] > 0, 1 / np.maximum(sizes[image], 1e-9) ** exponent, 0)
        w = np.where(sizes[image] > 0, w, w.max())
        predicted = tp[image] + fp[image]
        expected = 1 - 2 * (w * tp[image]).sum() / (w * (predicted + sizes[image])).sum()
        loss = losszoo.create("generalized-dice", weighting=weighting, smooth=0.0, reduction="none")
        assert loss(LOGITS, maps)[image].item() == pytest.approx(expected, rel=1e-10)


# Lovász


def jaccard_loss(wrong: set[int], truth: set[int]) -> float:
    """1 - IoU of the truth with the pixels of ``wrong`` flipped; 0 where nothing is wrong."""
    predicted = truth ^ wrong
    union = truth | predicted
    return 1 - len(truth & predicted) / len(union) if union else 0.0


def extension(errors: np.ndarray, truth: set[int]) -> float:
    """The Lovász extension as an integral over thresholds: of f at the set of errors above each."""
    levels = sorted({0.0, *errors.tolist()})
    return sum(
        (high - low) * jaccard_loss({i for i, e in enumerate(errors) if e > low}, truth)
        for low, high in itertools.pairwise(levels)
    )


@pytest.mark.parametrize("row", range(2))
def test_lovasz_is_the_integral_over_thresholds(row):
    """With ties, an empty and a full map among them: equal errors are one threshold."""
    maps, logits = MAPS.clone(), LOGITS.clone()
    maps[0, 0], maps[1, 1] = 0, 1
    logits[row, 2, :2] = 0.25
    hinge = losszoo.create("lovasz-hinge", reduction="none")(logits, maps)
    soft = losszoo.create("lovasz-softmax", classes="all", reduction="none")(logits, maps)
    for c in range(3):
        x, t = logits[row, c].flatten().numpy(), maps[row, c].flatten().numpy()
        truth = {i for i, on in enumerate(t) if on}
        assert hinge[row, c].item() == pytest.approx(extension(np.maximum(1 - (2 * t - 1) * x, 0), truth), rel=1e-12)
        assert soft[row, c].item() == pytest.approx(extension(np.abs(t - 1 / (1 + np.exp(-x))), truth), rel=1e-12)


def test_only_classes_that_are_there_count():
    maps = MAPS.clone()
    maps[0, 1] = 0
    each = losszoo.create("lovasz-softmax", classes="all", reduction="none")(LOGITS, maps)
    mean = losszoo.create("lovasz-softmax")(LOGITS, maps)
    there = maps.sum((2, 3)) > 0
    torch.testing.assert_close(mean, each[there].mean())
    whole = losszoo.create("lovasz-softmax", per_map=False)(LOGITS, maps)
    assert whole.shape == ()


def test_a_pixel_that_is_ignored_is_absent_and_nothing_left_is_no_crash():
    """LovaszSoftmax pull request 14: a batch of void pixels crashed."""
    labels = LABELS.clone()
    labels[:, :2] = 255
    loss = losszoo.create("lovasz-softmax", ignore_index=255)
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, labels)
    value.backward()
    torch.testing.assert_close(value, losszoo.create("lovasz-softmax")(LOGITS[:, :, 2:], LABELS[:, 2:]))
    assert (logits.grad[:, :, :2] == 0).all()
    nothing = loss(LOGITS.clone().requires_grad_(), torch.full_like(LABELS, 255))
    nothing.backward()
    assert nothing.item() == 0.0


# Skeletons


def test_cldice_sees_a_gap_that_dice_does_not():
    """A line of 15 pixels with a gap of one: Dice 1 - 28/29; the skeletons by hand are the lines themselves."""
    line = torch.zeros(1, 1, 7, 15)
    line[..., 3, :] = 1
    broken = line.clone()
    broken[..., 3, 7] = 0
    logits = 200 * broken - 100
    dice = losszoo.create("dice", smooth=0.0)(logits, line).item()
    value = losszoo.create("cldice", smooth=1e-6)(logits, line).item()
    assert dice == pytest.approx(1 - 28 / 29, rel=1e-5)
    # Precision 1; recall 14/15 of the true skeleton: 1 - 2 (14/15) / (29/15).
    assert value == pytest.approx(1 - 28 / 29, rel=1e-3)
    beside = torch.zeros(1, 1, 7, 15)
    beside[..., 2:5, :] = 1
    # A line three times as thick has the same skeleton in its middle: precision and recall are 1, Dice is 1 - 30/60.
    thick = losszoo.create("cldice", smooth=1e-6)(200 * beside - 100, line).item()
    assert losszoo.create("dice", smooth=0.0)(200 * beside - 100, line).item() == pytest.approx(0.5, rel=1e-5)
    assert thick < 0.1


def test_a_map_with_one_dimension_of_pixels_has_its_skeleton():
    line = torch.tensor([[[0.0, 1.0, 1.0, 1.0, 0.0]]])
    value = losszoo.create("cldice")(200 * line - 100, line)
    assert value.item() == pytest.approx(0.0, abs=1e-6)
