"""Losses on maps with any pixels, with labels, with shares, and over an image or a batch."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from pixels import CLASSES, NAMES, SHAPES, certain, draw
from scipy.special import logit, softmax
from sklearn.metrics import f1_score, jaccard_score
from torch.nn import functional as F

import losszoo
from losszoo.errors import EmptyBatchError, UsageError
from losszoo_plugins.signatures.segmentation import one_against_rest


@pytest.mark.parametrize("spatial", SHAPES)
@pytest.mark.parametrize(
    ("over", "average"),
    [("map", "each image"), ("image", "all classes of an image"), ("batch", "the batch")],
)
def test_dice_of_certain_labels_is_the_f1_score(spatial, over, average):
    labels, predicted = draw(spatial, images=3, seed=1)[1], draw(spatial, images=3, seed=2)[1]
    found = losszoo.create("dice", smooth=0.0, over=over, reduction="none")(certain(predicted), labels)
    rows = [(t.flatten(), p.flatten()) for t, p in zip(labels, predicted, strict=True)]
    # scikit-learn gives 0 where a class is in neither; without smoothing the loss is 1 there.
    how = {"labels": range(CLASSES), "zero_division": 0.0}
    expected = {
        "each image": [f1_score(t, p, average=None, **how) for t, p in rows],
        "all classes of an image": [f1_score(t, p, average="micro", **how) for t, p in rows],
        "the batch": f1_score(labels.flatten(), predicted.flatten(), average=None, **how),
    }[average]
    np.testing.assert_allclose(found, 1 - np.array(expected), rtol=1e-12)


@pytest.mark.parametrize("over", ["map", "image", "batch"])
def test_dice_of_certain_masks_is_the_f1_score(over):
    generator = torch.Generator().manual_seed(0)
    targets, predicted = (torch.rand(2, 3, 4, 5, generator=generator) < 0.5 for _ in range(2))
    logits = torch.where(predicted, 1e4, -1e4)
    found = losszoo.create("dice", smooth=0.0, over=over, reduction="none")(logits, targets)
    along = {"map": (0, 1), "image": (0,), "batch": (1,)}[over]
    pairs = [x.movedim(along, tuple(range(len(along)))).flatten(len(along)) for x in (targets, predicted)]
    rows = zip(*(x.flatten(0, -2) for x in pairs), strict=True)
    np.testing.assert_allclose(found.flatten(), [1 - f1_score(t, p) for t, p in rows], rtol=1e-6)


def test_dice_of_labels_by_hand():
    # One image of two pixels, labels 0 and 1; softmax (3/4, 1/4) and (1/2, 1/2).
    logits, labels = torch.tensor([[[math.log(3), 0.0], [0.0, 0.0]]]), torch.tensor([[0, 1]])
    maps = losszoo.create("dice", reduction="none")(logits, labels)
    np.testing.assert_allclose(maps, [[1 - 2.5 / 3.25, 1 - 2 / 2.75]], rtol=1e-6)
    image = losszoo.create("dice", over="image", smooth=0.0)(logits, labels)
    assert image.item() == pytest.approx(1 - 2.5 / 4)
    # A second image, all of class 0 and predicted so: sums over both are 1.5 + 4 over 5.25 + 2, and 1 over 1.75.
    both = torch.cat((logits, torch.tensor([[[1e4, 1e4], [0.0, 0.0]]]))), torch.cat((labels, torch.zeros(1, 2).long()))
    classes = losszoo.create("dice", over="batch", smooth=0.0, reduction="none")(*both)
    np.testing.assert_allclose(classes, [1 - 5.5 / 6.25, 1 - 1 / 1.75], rtol=1e-6)


def test_dice_of_shares_by_hand():
    # p = 1/2, t = 1/2: 2 p t over p + t is 1/2, though the share is predicted right; p = 1 gives 2/3.
    shares = torch.full((1, 1, 1), 0.5)
    loss = losszoo.create("dice", smooth=0.0)
    assert loss(torch.zeros(1, 1, 1), shares).item() == pytest.approx(0.5)
    assert loss(torch.full((1, 1, 1), 1e4), shares).item() == pytest.approx(1 - 1 / 1.5)


@pytest.mark.parametrize("spatial", SHAPES)
def test_cross_entropy_of_shares_and_of_labels_is_torchs(spatial):
    logits, labels = draw(spatial)
    loss = losszoo.create("smooth-segmentation", bce_weight=1.0, smoothness_weight=0.0)
    shares = torch.rand(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert loss(logits, shares).item() == pytest.approx(F.binary_cross_entropy_with_logits(logits, shares).item())
    hot = F.one_hot(labels, CLASSES).movedim(-1, 1).double()
    assert loss(logits, labels).item() == pytest.approx(F.binary_cross_entropy(logits.softmax(1), hot).item())


@pytest.mark.parametrize("spatial", SHAPES)
def test_smoothness_along_all_dimensions(spatial):
    logits, labels = draw(spatial)
    steps = [np.abs(np.diff(logits.numpy(), axis=2 + d)).mean() for d in range(len(spatial))]
    assert losszoo.create("smoothness")(logits, torch.zeros_like(logits)).item() == pytest.approx(sum(steps))
    odds = logit(softmax(logits.numpy(), axis=1))
    steps = [np.abs(np.diff(odds, axis=2 + d)).mean() for d in range(len(spatial))]
    assert losszoo.create("smoothness")(logits, labels).item() == pytest.approx(sum(steps))


@pytest.mark.parametrize("row", [[0.0, 0.0], [3.0, -2.0, 1.0], [80.0, -90.0, 79.0], [1e4, -1e4, 0.0], [1e4, 1e4, 1e4]])
def test_one_class_against_the_rest(row):
    with mpmath.workdps(50):
        z = [mpmath.mpf(x) for x in row]
        expected = [
            float(z[c] - mpmath.log(mpmath.fsum(mpmath.exp(x) for j, x in enumerate(z) if j != c)))
            for c in range(len(z))
        ]
    found = one_against_rest(torch.tensor([row], dtype=torch.float64))
    np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-12)


def test_a_class_that_is_excluded_takes_no_part():
    logits = torch.tensor([[2.0, -torch.inf, -torch.inf], [1.0, 0.0, -torch.inf]]).T.reshape(1, 3, 2).requires_grad_()
    loss = losszoo.create("dice", smooth=0.0)(logits, torch.tensor([[0, 1]]))
    loss.backward()
    # p = 1 and p = (e, 1) / (1 + e): by hand, classes 0, 1 and 2, the last one in neither.
    p = math.e / (1 + math.e)
    expected = (1 - 2 / (1 + p + 1) + 1 - 2 * (1 - p) / (1 - p + 1) + 1) / 3
    assert loss.item() == pytest.approx(expected)
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ignored", [-100, 255, 1])
def test_ignored_pixels_are_a_crop(name, ignored):
    logits, labels = draw((4, 5))
    cropped = logits[..., :2].clone().requires_grad_()
    # Of label 1 the other pixels must be free.
    labels = torch.where(labels == ignored, 0, labels)
    loss = losszoo.create(name, ignore_index=ignored)
    expected = loss(cropped, labels[..., :2])
    expected.backward()
    labels[..., 2:] = ignored
    whole = logits.clone()
    whole[..., 2:] = torch.nan
    whole.requires_grad_()
    value = loss(whole, labels)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(whole.grad[..., :2], cropped.grad)
    assert not whole.grad[..., 2:].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spatial", [(3, 4), (0, 4), (0,)])
def test_nothing_left_is_an_empty_batch(name, spatial):
    logits, labels = draw(spatial)
    logits.requires_grad_()
    nothing = torch.full_like(labels, -100)
    value = losszoo.create(name)(logits, nothing)
    value.backward()
    assert value == 0
    assert not logits.grad.any()
    assert losszoo.create(name, empty="nan")(logits, nothing).isnan()
    with pytest.raises(EmptyBatchError):
        losszoo.create(name, empty="raise")(logits, nothing)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_is_ignored_counts_for_nothing(name):
    logits, labels = draw(images=3)
    labels[1] = -100
    loss = losszoo.create(name)
    assert loss(logits, labels).item() == pytest.approx(loss(logits[::2], labels[::2]).item(), rel=1e-12)
    shape = (3,) if "image" in name else (CLASSES,) if "batch" in name else (3, CLASSES)
    assert losszoo.create(name, reduction="none")(logits, labels).shape == shape


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_of_pixels_and_ignored_ones_are_the_same(name):
    # As many images as classes: a mask of the shape of the labels is one of pixels all the same.
    logits, labels = draw((4, 5), images=CLASSES)
    mask = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    loss = losszoo.create(name)
    expected = loss(logits, torch.where(mask, labels, -100))
    for given in (mask, mask.unsqueeze(1), mask.unsqueeze(1).expand(logits.shape)):
        torch.testing.assert_close(loss(logits, labels, mask=given), expected, rtol=0, atol=0)


@pytest.mark.parametrize("over", ["map", "image", "batch"])
def test_a_background_is_left_out_by_its_weight_or_by_a_mask_of_its_channel(over):
    logits, labels = draw()
    maps = losszoo.create("dice", reduction="none")(logits, labels)
    mask = torch.tensor([False, True, True]).view(1, CLASSES, 1, 1)
    masked = losszoo.create("dice", over=over)(logits, labels, mask=mask)
    assert losszoo.create("dice", over=over, weight=[0, 1, 1])(logits, labels).item() == pytest.approx(masked.item())
    if over == "map":
        assert masked.item() == pytest.approx(maps[:, 1:].mean().item())


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", [*NAMES, "smooth-segmentation(activation=sigmoid)", "dice(smooth=0.0)"])
@pytest.mark.parametrize("spatial", SHAPES)
def test_gradients(name, labelled, spatial):
    logits, labels = draw(spatial)
    targets = torch.rand(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    if labelled:
        targets = torch.where(torch.arange(labels.numel()).view_as(labels) % 4 == 1, -100, labels)
    loss = losszoo.create(name, reduction="none")
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), (logits.requires_grad_(),))


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("dice")])
def test_second_gradients(name, labelled):
    logits, labels = draw((3,))
    targets = labels if labelled else F.one_hot(labels, CLASSES).movedim(-1, 1)
    loss = losszoo.create(name)
    assert torch.autograd.gradgradcheck(lambda x: loss(x, targets), (logits.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_single(name, dtype):
    logits, labels = draw(dtype=dtype)
    logits.requires_grad_()
    value = losszoo.create(name)(logits, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert logits.grad.dtype == dtype
    assert value.item() == pytest.approx(losszoo.create(name)(logits.detach().double(), labels).item(), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.0, 30.0, 1e4, 1e30])
@pytest.mark.parametrize("labels", [[[0, 1], [2, 1]], [[1, 1], [1, 1]], [[2]]])
def test_extremes_stay_finite(name, size, labels):
    labels = torch.tensor([labels])
    for sign in (1, -1):
        logits = (sign * certain(labels, size)).float().requires_grad_()
        value = losszoo.create(name)(logits, labels)
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()


def test_a_surely_wrong_label_is_corrected():
    # Two classes, one pixel, s = 0: the losses are 1 - 2p / (1 + p) and 1, so the slope by p is -2 / (1 + p)^2, and
    # dp/dz = p (1 - p), at z = 30 e^-30 to 13 digits. In float32 the softmax share of the wrong class is 1.
    logits = torch.tensor([[[-30.0], [0.0]]], requires_grad=True)
    losszoo.create("dice", smooth=0.0, reduction="sum")(logits, torch.zeros(1, 1).long()).backward()
    np.testing.assert_allclose(logits.grad.flatten(), [-2 * math.exp(-30), 2 * math.exp(-30)], rtol=1e-6)


def test_a_loss_of_maps_alone_takes_labels():
    def soft_jaccard(logits, targets):
        p = logits.sigmoid()
        both = (p * targets).flatten(2).sum(-1)
        return 1 - both / ((p + targets).flatten(2).sum(-1) - both)

    loss = losszoo.create(soft_jaccard, signature="segmentation", ignore_index=7, reduction="none")
    labels, predicted = draw(seed=1)[1], draw(seed=2)[1]
    how = {"labels": range(CLASSES), "average": None}
    expected = [1 - jaccard_score(t.flatten(), p.flatten(), **how) for t, p in zip(labels, predicted, strict=True)]
    np.testing.assert_allclose(loss(certain(predicted), labels), expected, atol=1e-12)


def test_dice_and_cross_entropy_are_called_alike():
    logits, labels = draw()
    labels[0, 0] = -100
    both = losszoo.create("0.5*dice + cross-entropy")
    dice = losszoo.create("dice")(logits, labels)
    expected = 0.5 * dice + F.cross_entropy(logits, labels)
    assert both(logits, labels).item() == pytest.approx(expected.item())


MAPS = torch.zeros(2, 3, 4, 4)


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (
            MAPS,
            torch.zeros(2, 4, 4),
            r"targets must be integer labels \(targets.long\(\)\) where they have no dimension",
        ),
        (MAPS, torch.zeros(2, 4, 4).bool(), "targets must be integer labels .* dtype torch.bool"),
        (MAPS, torch.zeros(2, 1, 4, 4).long(), r"targets must be maps of .* or integer labels of shape \(2, 4, 4\)"),
        (MAPS, torch.zeros(2, 4, 5).long(), r"targets must have shape \(2, 4, 4\)"),
        (MAPS, torch.full((2, 4, 4), 3), "targets must be labels from 0 to 2, or ignore_index, -100, got 3 "),
        (MAPS, torch.full((2, 4, 4), 255), "targets must be labels .*, got 255"),
        (MAPS, torch.full_like(MAPS, 2.0), r"targets must be in \[0, 1\], got 2.0"),
        (MAPS, torch.full_like(MAPS, torch.nan), r"targets must be in \[0, 1\], got nan"),
        (MAPS, MAPS, "ignore_index must be no class where targets are maps, which have no labels, got 1; leave"),
        (MAPS[:, :1], torch.zeros(2, 4, 4).long(), "logits must have a channel .* a mask is targets.unsqueeze"),
        (MAPS[:, :, 0, 0], torch.zeros(2, 3), r"logits must have shape \(N, C, ...\) with one spatial dimension"),
    ],
)
def test_what_may_be_meant_otherwise_is_refused(logits, targets, message):
    with pytest.raises(UsageError, match=message):
        losszoo.create("dice", ignore_index=1 if "ignore_index must" in message else -100)(logits, targets)


@pytest.mark.parametrize("name", NAMES[:3])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, 2.0], "weight must have one entry per class, C=3, got 2 of them"),
        ([0.0, 0.0, 0.0], "weight must be finite and >= 0, with at least one number above 0"),
        ([1.0, -1.0, 0.0], r"weight must be in \[0, inf\), every entry"),
    ],
)
def test_weights_that_are_none_of_classes_are_refused(name, weight, message):
    with pytest.raises(UsageError, match=message):
        losszoo.create(name, weight=weight)(*draw())


def test_a_mask_of_two_readings_is_refused():
    # As many pixels as classes: one for each pixel, or for each map.
    with pytest.raises(UsageError, match="mask and weight must have one reading"):
        losszoo.create("dice")(torch.zeros(2, 3, 3), torch.zeros(2, 3).long(), mask=torch.ones(2, 3).bool())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_labels_of_any_integers(dtype):
    logits, labels = draw()
    assert losszoo.create("dice")(logits, labels.to(dtype)) == losszoo.create("dice")(logits, labels)
