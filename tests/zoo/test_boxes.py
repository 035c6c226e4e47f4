"""Losses of boxes: cells that are counted, numbers by hand, torchvision; boxes apart, flat, equal, far and inverted."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

import losszoo
from losszoo_plugins.boxes.kind import BoxesTask

NAMES = ["iou", "giou", "diou", "ciou"]
RANDOM = np.random.default_rng(0)
PEERS = {"giou": "generalized_box_iou_loss", "diou": "distance_box_iou_loss", "ciou": "complete_box_iou_loss"}


def whole(count=200, size=8):
    """Boxes whose corners are whole numbers from 0 to 8, none of them flat."""
    low = RANDOM.integers(0, size - 1, (count, 2))
    high = low + RANDOM.integers(1, size, (count, 2))
    return np.hstack([low, np.minimum(high, size)]).astype(float)


FIRST, SECOND = whole(), whole()


def value(name, first, second, dtype=torch.float64, **params):
    return losszoo.create(name, reduction="none", **params)(*(torch.tensor(x, dtype=dtype) for x in (first, second)))


def cells(box, size=8):
    """The unit squares that a box covers."""
    grid = np.zeros((size, size), dtype=bool)
    left, top, right, bottom = box.astype(int)
    grid[top:bottom, left:right] = True
    return grid


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_overlap_and_empty_space_are_cells_counted(dtype, rtol):
    missed, generalized = [], []
    for first, second in zip(FIRST, SECOND, strict=True):
        a, b = cells(first), cells(second)
        around = cells(np.concatenate([np.minimum(first, second)[:2], np.maximum(first, second)[2:]]))
        missed.append(1 - (a & b).sum() / (a | b).sum())
        generalized.append(missed[-1] + (around & ~(a | b)).sum() / around.sum())
    np.testing.assert_allclose(value("iou", FIRST, SECOND, dtype).numpy(), missed, rtol, atol=1e-7)
    np.testing.assert_allclose(value("giou", FIRST, SECOND, dtype).numpy(), generalized, rtol, atol=1e-7)
    np.testing.assert_allclose(
        value("iou", FIRST, SECOND, dtype, form="square").numpy(), 1 - (1 - np.array(missed)) ** 2, rtol, atol=1e-7
    )
    overlap = np.maximum(1 - np.array(missed), 1e-6)
    np.testing.assert_allclose(value("iou", FIRST, SECOND, dtype, form="log").numpy(), -np.log(overlap), rtol, 1e-7)


@pytest.mark.parametrize("name", PEERS)
def test_value_and_gradient_are_torchvisions(name):
    """Its epsilon is 0 here, as no box is flat; but that of ciou's first term is always 1e-7."""
    peer = getattr(pytest.importorskip("torchvision").ops, PEERS[name])
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(2, 300, 4, generator=generator, dtype=torch.float64)
    boxes[..., 2:] += boxes[..., :2] + 0.1
    first, second = boxes[0].requires_grad_(), boxes[1]
    ours, theirs = losszoo.create(name, reduction="none")(first, second), peer(first, second, eps=0.0)
    rtol, atol = (1e-5, 1e-6) if name == "ciou" else (1e-9, 1e-10)
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)
    (found,), (wanted,) = (torch.autograd.grad(x.sum(), first) for x in (ours, theirs))
    torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol)


def test_by_hand():
    """Two unit squares, 1 apart: around them 3 x 1, a third of it empty, centres 2 apart, diagonal of 10."""
    unit, beside = [[0.0, 0, 1, 1]], [[2.0, 0, 3, 1]]
    assert [value(name, unit, beside).item() for name in NAMES] == pytest.approx([1, 4 / 3, 1.4, 1.4], rel=1e-12)


def test_shape_of_ciou_against_mpmath():
    with mpmath.workdps(50):
        first, second = (7, 3), (2, 5)
        overlap = mpmath.mpf(2 * 3) / (7 * 3 + 2 * 5 - 2 * 3)
        v = 4 / mpmath.pi**2 * (mpmath.atan(mpmath.mpf(2) / 5) - mpmath.atan(mpmath.mpf(7) / 3)) ** 2
        centres = (mpmath.mpf(5) ** 2 + 2**2) / 4 / (7**2 + 5**2)
        wanted = float(1 - overlap + centres + v * v / (1 - overlap + v))
    assert value("ciou", [[0.0, 0, *first]], [[0.0, 0, *second]]).item() == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("box", [(1.0, 2, 5, 4), (1, 2, 1, 2), (1, 2, 5, 2), (1, 2, 1, 4), (1e20, 1e20, 3e20, 2e20)])
def test_equal_boxes_cost_nothing_without_an_area_too(name, box):
    """torchvision's generalized_box_iou_loss is 1 for equal boxes without an area (vision issue 7746)."""
    second = torch.tensor([box], dtype=torch.float32)
    first = second.clone().requires_grad_()
    cost = losszoo.create(name)(first, second)
    cost.backward()
    assert cost.item() == 0
    assert first.grad.isfinite().all()
    if name == "giou" and box[1] == box[3]:
        ops = pytest.importorskip("torchvision").ops
        assert ops.generalized_box_iou_loss(first.detach(), second).item() == 1


def test_flat_boxes_are_compared_along_their_length():
    """Limits of boxes that become flat: [0, 2] against [1, 3] share 1 of 3."""
    flat = [[0.0, 5, 2, 5]], [[1.0, 5, 3, 5]]
    thin = [[0.0, 5, 2, 5 + 1e-9]], [[1.0, 5, 3, 5 + 1e-9]]
    for name in NAMES:
        assert value(name, *flat).item() == pytest.approx(value(name, *thin).item(), rel=1e-6)
    assert value("iou", *flat).item() == pytest.approx(2 / 3, rel=1e-12)
    assert value("iou", [[0.0, 0, 0, 1]], [[1.0, 0, 1, 1]]).item() == 1  # both without an area, and apart


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e30])
def test_a_unit_changes_nothing(name, size):
    """In float32: areas would be 1e60."""
    ordinary = value(name, FIRST, SECOND)
    scaled = value(name, FIRST * size, SECOND * size, torch.float32)
    torch.testing.assert_close(scaled.double(), ordinary, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_that_nearly_agree_keep_their_digits(name):
    """Off by 2^-20 of their side, exact in float32: 1 - IoU by subtraction would be right to a digit or two."""
    step = 2.0**-20
    first, second = [[step, 0.0, 1 + step, 1.0]], [[0.0, 0.0, 1.0, 1.0]]
    with mpmath.workdps(50):
        missed = 2 * mpmath.mpf(step) / (1 + mpmath.mpf(step))
        centres = mpmath.mpf(step) ** 2 / ((1 + mpmath.mpf(step)) ** 2 + 1)
        wanted = {"iou": missed, "giou": missed, "diou": missed + centres, "ciou": missed + centres}[name]
    assert value(name, first, second, torch.float32).item() == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("distance", [10.0, 1e4])
def test_which_find_a_box_that_is_apart(name, distance):
    """Along minus the gradient the nearer edge, or all of the box, moves to the right; of iou nothing moves."""
    first = torch.tensor([[0.0, 0.0, 1.0, 1.0]], requires_grad=True)
    losszoo.create(name)(first, torch.tensor([[distance, 0.0, distance + 1, 1.0]])).backward()
    if name == "iou":
        assert (first.grad == 0).all()
    else:
        assert first.grad[0, 2] < 0
        assert first.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_two_points_whose_distance_no_area_of_float32_holds(name):
    """Shares of 1e-22 of both extents: their union is 1e-44, and boxes that are apart have nothing in common."""
    points = torch.tensor([[0.0047, -0.0044, 0.0048, -0.0044]]).requires_grad_()
    value = losszoo.create(name)(points, torch.tensor([[5e17, 7e17, 5e17, 7e17]]))
    value.backward()
    assert value.item() == pytest.approx({"iou": 1.0, "giou": 2.0}.get(name, 2.0))
    assert points.grad.isfinite().all()


def test_alpha_has_no_gradient():
    """v alone turns the shape: the gradient is that of iou, diou's term and alpha times that of v."""
    first = torch.tensor([[0.0, 0.0, 4.0, 2.0]], dtype=torch.float64, requires_grad=True)
    second = torch.tensor([[0.0, 0.0, 2.0, 4.0]], dtype=torch.float64)
    extra = losszoo.create("ciou")(first, second) - losszoo.create("diou")(first, second)
    (gradient,) = torch.autograd.grad(extra, first)
    # v = 4/pi^2 (atan 1/2 - atan w/h)^2, IoU = 4 / 12; towards w: -8/pi^2 (atan 1/2 - atan 2) h / (w^2 + h^2)
    turned = math.atan(1 / 2) - math.atan(2)
    v = 4 / math.pi**2 * turned**2
    alpha = v / (2 / 3 + v)
    towards_width = -8 / math.pi**2 * turned * 2 / 20
    assert gradient[0, 2].item() == pytest.approx(alpha * towards_width, rel=1e-12)


@pytest.mark.parametrize("name", ["iou", "giou", "diou"])
def test_gradients_against_finite_differences(name):
    boxes = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    boxes[..., 2:] += boxes[..., :2] + 0.1
    assert torch.autograd.gradcheck(losszoo.create(name, reduction="none"), (boxes[0].requires_grad_(), boxes[1]))


@pytest.mark.parametrize("name", NAMES)
def test_no_box_at_all_and_one(name):
    assert losszoo.create(name)(torch.zeros(0, 4), torch.zeros(0, 4)).item() == 0
    assert value(name, FIRST[:1], SECOND[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("inputs", "rule"),
    [
        ((torch.tensor([[1.0, 0, 0, 1]]), torch.zeros(1, 4)), r"predicted_boxes must be \(x1, y1, x2, y2\) with x1 <="),
        ((torch.zeros(1, 4), torch.tensor([[0.0, 2, 1, 1]])), r"target_boxes must be \(x1, y1, x2, y2\) with x1 <= x2"),
        ((torch.zeros(1, 4), torch.tensor([[0.0, 0, 1, math.inf]])), "target_boxes must be finite"),
        ((torch.zeros(1, 5), torch.zeros(1, 5)), r"predicted_boxes must have shape \(N, 4\), got shape \(1, 5\)"),
        ((torch.zeros(4), torch.zeros(4)), r"predicted_boxes must have shape \(N, 4\), got shape \(4,\)"),
        ((torch.zeros(2, 4), torch.zeros(1, 4)), "target_boxes must have the shape of predicted_boxes"),
    ],
)
def test_what_is_refused(inputs, rule):
    with pytest.raises(losszoo.UsageError, match=f"^giou: {rule}"):
        losszoo.create("giou")(*inputs)


def test_metrics_of_a_task():
    targets = torch.tensor([[0.0, 0, 4, 4]] * 4)
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2.5], [0, 0, 2, 2], [9, 9, 10, 10]])
    found = BoxesTask().score(boxes, targets, None, "logits")
    assert found == pytest.approx({"mean_iou": (1 + 2.5 / 4 + 0.25) / 4, "iou_above_50": 0.5, "iou_above_75": 0.25})


@pytest.mark.parametrize(
    ("targets", "rule"),
    [
        (np.zeros((3, 5)), r"targets must have shape \(N, 4\), got \(3, 5\)"),
        (np.zeros(3), r"targets must have shape \(N, 4\)"),
        (np.array([[1.0, 0, 0, 1]]), r"targets must be boxes \(x1, y1, x2, y2\) with x1 <= x2"),
    ],
)
def test_targets_that_are_no_boxes_are_refused(targets, rule):
    with pytest.raises(losszoo.DataError, match=rule):
        BoxesTask().check_targets("mine: train", targets)


def test_the_boxes_of_the_task_are_around_the_digits():
    """Every image is bright within its box and dark outside, and a box touches its digit on all four sides."""
    part = losszoo.load_task("digits-boxes").splits(0).val
    for image, (left, top, right, bottom) in zip(part.inputs[:, 0], part.targets.astype(int), strict=True):
        bright = image > 0.6
        outside = bright.copy()
        outside[top:bottom, left:right] = False
        assert not outside.any()
        inside = image[top:bottom, left:right] > 0.3
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
