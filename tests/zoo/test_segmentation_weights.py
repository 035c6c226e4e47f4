"""Weights of classes, of images and of maps in losses on maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pixels import CLASSES, draw
from scipy.special import softmax
from torch.nn import functional as F

import losszoo
from losszoo.errors import NotApplicableError


def written_out(logits, labels, over, weight, smooth, ignored=-100, mask=None):
    """Dice of labels by sums in numpy: the mean over what has a pixel left, by the weights of the classes."""
    p, hot = softmax(logits.numpy(), axis=1), np.stack([labels.numpy() == c for c in range(CLASSES)], 1)
    there = np.broadcast_to((labels.numpy() != ignored)[:, None], p.shape) & (True if mask is None else mask.numpy())
    both, sizes = ((x * there).sum((2, 3)) for x in (p * hot, p + hot))
    some, each = there.any((2, 3)), np.broadcast_to(np.array(weight), there.shape[:2])
    if over == "image":
        both, sizes, some = (both * each).sum(1), (sizes * each).sum(1), (some & (each > 0)).any(1)
        each = np.ones(len(p))
    elif over == "batch":
        both, sizes, some, each = both.sum(0), sizes.sum(0), some.any(0), each[0]
    return np.average(1 - (2 * both + smooth) / (sizes + smooth), weights=some * each)


@pytest.mark.parametrize("over", ["map", "image", "batch"])
@pytest.mark.parametrize("weight", [[1.0, 1.0, 1.0], [0.5, 2.0, 1.0], [0.0, 3.0, 1.0], [0.0, 0.0, 2.0]])
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("gone", ["nothing", "pixels", "an image", "a channel", "all but one pixel"])
def test_dice_with_weights_of_classes_is_as_written_out(over, weight, images, gone):
    logits, labels = draw((3, 4), images=images, seed=3)
    mask = None
    if gone == "pixels":
        labels[:, 1] = -100
    elif gone == "an image" and images > 1:
        labels[1] = -100
    elif gone == "a channel":
        mask = torch.tensor([True, True, False]).view(1, CLASSES, 1, 1).expand(logits.shape).clone()
        mask[:, 2, 0, 0] = True
        mask[0, 1] = False
    elif gone == "all but one pixel":
        labels[:, :2], labels[:, 2, 1:] = -100, -100
    expected = written_out(logits, labels, over, weight, 0.7, mask=mask)
    loss = losszoo.create("dice", over=over, weight=weight, smooth=0.7)
    assert loss(logits, labels, mask=mask).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("over", ["map", "image", "batch"])
def test_two_classes_of_which_one_counts_are_a_mask(over):
    # The softmax of two logits is the sigmoid of their difference.
    logits, labels = draw(images=3)
    logits, labels = logits[:, :2], labels % 2
    two = losszoo.create("dice", over=over, weight=[0, 1])(logits, labels)
    one = losszoo.create("dice", over=over)(logits[:, 1:] - logits[:, :1], (labels == 1).unsqueeze(1))
    assert two.item() == pytest.approx(one.item(), rel=1e-12)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", ["dice", "dice(over=batch)", "smoothness", "smooth-segmentation"])
def test_a_mean_over_maps_is_weighed_by_their_classes(name, labelled):
    logits, labels = draw(images=3)
    targets = labels if labelled else F.one_hot(labels, CLASSES).movedim(-1, 1)
    weight = [0.5, 0.0, 2.0]
    values = losszoo.create(name, reduction="none")(logits, targets).numpy()
    expected = np.average(values, weights=np.broadcast_to(weight, values.shape))
    assert losszoo.create(name, weight=weight)(logits, targets).item() == pytest.approx(expected, rel=1e-12)
    total = losszoo.create(name, weight=weight, reduction="sum")(logits, targets)
    assert total.item() == pytest.approx((values * weight).sum(), rel=1e-12)
    of_images = torch.tensor([1.0, 3.0, 0.0])
    if "batch" not in name:
        both = losszoo.create(name, weight=weight)(logits, targets, weight=of_images)
        twice = np.average(values, weights=of_images.numpy()[:, None] * weight)
        assert both.item() == pytest.approx(twice, rel=1e-12)


@pytest.mark.parametrize("name", ["dice", "dice(over=image)", "dice(over=batch)", "smoothness"])
def test_a_class_of_weight_0_may_hold_anything(name):
    # Of maps alone: the softmax of labels reads all channels.
    logits = draw()[0]
    logits[:, 1] = torch.nan
    logits.requires_grad_()
    loss = losszoo.create(name, weight=[1, 0, 1])(logits, torch.zeros_like(logits))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert not logits.grad[:, 1].any()


@pytest.mark.parametrize("name", ["dice", "dice(over=image)", "dice(over=batch)", "smoothness"])
def test_weights_of_classes_have_a_gradient(name):
    logits, labels = draw()
    weight = torch.tensor([0.5, 2.0, 0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: losszoo.create(name, weight=w)(logits, labels), (weight,))


def test_a_value_of_several_classes_cannot_be_weighed_by_class():
    def of_images(logits, targets):
        return (logits.sigmoid() - targets).abs().flatten(1).mean(1)

    def of_the_batch(logits, targets):
        return losszoo.OverBatch((logits.sigmoid() - targets).abs().flatten(2).mean((0, 2)))

    for loss in (of_images, of_the_batch):
        made = losszoo.create(loss, signature="segmentation", weight=[1, 2, 1])
        with pytest.raises(NotApplicableError, match="weights of an option must be left out, as"):
            made(*draw())
    each_pixel = losszoo.create(lambda logits, targets: (logits - targets).abs(), signature="segmentation")
    each_pixel.weight = [1, 2, 0]
    logits = draw()[0]
    expected = np.average(logits.abs().mean((0, 2, 3)), weights=[1, 2, 0])
    assert each_pixel(logits, torch.zeros_like(logits)).item() == pytest.approx(expected)


def test_a_weight_is_of_images_or_of_maps():
    logits, labels = draw(images=3)
    maps = losszoo.create("dice", reduction="none")(logits, labels)
    for weight in (torch.tensor([0.0, 2.0, 1.0]), torch.arange(9.0).view(3, CLASSES) % 4):
        wide = weight.view(3, -1).expand(3, CLASSES)
        expected = (maps * wide).sum() / wide.sum()
        assert losszoo.create("dice")(logits, labels, weight=weight).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("extra", [{"weight": torch.ones(2)}, {"denominator": 2.0}])
def test_a_value_of_the_batch_has_no_sample_to_weigh(extra):
    loss = losszoo.create("dice", over="batch")
    with pytest.raises(NotApplicableError, match="must be left out, as each value of this loss is made of the whole"):
        loss(*draw(), **extra)
    assert not loss.adds_up(*draw())
    assert losszoo.create("dice").adds_up(*draw())
