"""Losses on angles and distances to learned rows of the classes, by mpmath and pytorch-metric-learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import UsageError, create
from losszoo.losses.sums.data_sizes import set_sizes

pml = pytest.importorskip("pytorch_metric_learning.losses")
mpmath.mp.dps = 50

NAMES = (
    "arcface",
    "cosface",
    "sphereface",
    "sub-center-arcface",
    "proxy-anchor",
    "proxy-nca",
    "soft-triple",
    "center",
)
by_name = pytest.mark.parametrize("name", NAMES)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(name: str, weight: Tensor, classes: int, **options: Any) -> losszoo.Loss:
    """A loss with the given learned rows."""
    loss = create(name, classes=classes, dim=weight.shape[1], **options).to(weight.dtype)
    loss.function.weight.data.copy_(weight)
    return loss


def at_angles(*angles: float, length: float = 1.0) -> Tensor:
    """Rows of the plane at these angles to the first axis."""
    x = torch.tensor(angles, dtype=torch.float64)
    return length * torch.stack([x.cos(), x.sin()], 1)


ROWS, LABELS = draw(9, 5), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0])

# Ours, theirs, the learned rows of a class, and the options of each. Their weights are stored the other way round.
PEERS: dict[str, tuple[str, Callable[[], Any], int, dict[str, Any], str]] = {
    "arcface": (
        "arcface",
        lambda: pml.ArcFaceLoss(num_classes=4, embedding_size=5, margin=math.degrees(0.5), scale=64),
        1,
        {},
        "W",
    ),
    "arcface, a wide margin": (
        "arcface",
        lambda: pml.ArcFaceLoss(num_classes=4, embedding_size=5, margin=math.degrees(1.5), scale=8),
        1,
        {"margin": 1.5, "scale": 8.0},
        "W",
    ),
    "cosface": ("cosface", lambda: pml.CosFaceLoss(num_classes=4, embedding_size=5, margin=0.35, scale=64), 1, {}, "W"),
    "sphereface": (
        "sphereface",
        lambda: pml.SphereFaceLoss(num_classes=4, embedding_size=5, margin=4, scale=1),
        1,
        {},
        "W",
    ),
    "sub-center-arcface": (
        "sub-center-arcface",
        lambda: pml.SubCenterArcFaceLoss(
            num_classes=4, embedding_size=5, margin=math.degrees(0.5), scale=64, sub_centers=3
        ),
        3,
        {},
        "W",
    ),
    "proxy-anchor": ("proxy-anchor", lambda: pml.ProxyAnchorLoss(num_classes=4, embedding_size=5), 1, {}, "proxies"),
    "proxy-nca": (
        "proxy-nca",
        lambda: pml.ProxyNCALoss(num_classes=4, embedding_size=5, softmax_scale=3),
        1,
        {},
        "proxies",
    ),
    "soft-triple": ("soft-triple", lambda: pml.SoftTripleLoss(num_classes=4, embedding_size=5), 10, {}, "fc"),
}


# Theirs calls numpy in a way that numpy 2 takes no more for granted.
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("case", PEERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_value_and_gradients_are_those_of_pytorch_metric_learning(
    case: str, dtype: torch.dtype, tolerance: float
) -> None:
    name, make, each, options, attribute = PEERS[case]
    weight = draw(4 * each, 5, seed=1)
    ours, theirs = made(name, weight, 4, **options).to(dtype), make().to(torch.float64)
    parameter = getattr(theirs, attribute)
    flipped = parameter.shape != weight.shape
    parameter.data.copy_(weight.T if flipped else weight)
    x, y = ROWS.clone().to(dtype).requires_grad_(), ROWS.clone().requires_grad_()
    value, expected = ours(x, LABELS), theirs(y, LABELS)
    value.backward()
    expected.backward()
    slopes = parameter.grad.T if flipped else parameter.grad
    for mine, other in ((value, expected), (x.grad, y.grad), (ours.function.weight.grad, slopes)):
        # Theirs keeps cosines 1e-7 away from +-1, and proxy-anchor's is divided by the loss's own size.
        scale = max(1.0, float(other.detach().abs().max()))
        torch.testing.assert_close(mine.double() / scale, other / scale, rtol=tolerance, atol=tolerance)


def head_in_digits(name: str, theta: float, others: list[float], scale: float = 64.0, margin: float = 0.5) -> float:
    """The cross-entropy in 50 digits, of an embedding at this angle to its own row and these to the others."""
    t = mpmath.mpf(theta)
    own = {
        "arcface": mpmath.cos(t + margin)
        if t <= mpmath.pi - mpmath.mpf(margin)
        else mpmath.cos(t) - mpmath.mpf(margin) * mpmath.sin(margin),
        "cosface": mpmath.cos(t) - mpmath.mpf(margin),
    }[name]
    total = mpmath.fsum(mpmath.exp(scale * (mpmath.cos(mpmath.mpf(o)) - own)) for o in others)
    return float(mpmath.log1p(total))


@pytest.mark.parametrize("name", ["arcface", "cosface"])
@pytest.mark.parametrize("theta", [1e-7, 1e-3, 0.3, 1.5, 2.64, 2.65, 3.0, 3.1415])
@pytest.mark.parametrize("length", [1e-20, 1.0, 1e20])
def test_heads_are_right_in_fifty_digits(name: str, theta: float, length: float) -> None:
    loss = made(name, at_angles(0.0, 2.0, 2.5), 3, margin=0.5)
    rows = at_angles(theta, length=length)
    others = [abs(theta - 2.0), abs(theta - 2.5)]
    expected = head_in_digits(name, theta, others)
    assert loss(rows, torch.tensor([0])).item() == pytest.approx(expected, rel=1e-9)
    assert loss.float()(rows.float(), torch.tensor([0])).item() == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("name", ["arcface", "sub-center-arcface"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_at_an_angle_of_zero_or_pi_the_gradient_is_finite_and_that_of_the_others(
    name: str, dtype: torch.dtype, sign: float
) -> None:
    """pytorch-metric-learning 2.9: value 0 and 94.9, and a gradient of NaN."""
    each = 1 if name == "arcface" else 3
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=dtype).repeat_interleave(each, 0)
    loss = made(name, weight, 2, scale=64.0, margin=0.5)
    rows = (sign * torch.tensor([[3.0, 0.0]], dtype=dtype)).requires_grad_()
    value = loss(rows, torch.tensor([0]))
    value.backward()
    own = math.cos(0.5) if sign > 0 else -1 - 0.5 * math.sin(0.5)
    assert value.item() == pytest.approx(math.log1p(math.exp(-64 * own)), rel=1e-5)
    # The other row stands at a right angle: its share times 64, over the length.
    share = 1 / (1 + math.exp(64 * own))
    torch.testing.assert_close(rows.grad, torch.tensor([[0.0, 64 * share / 3]], dtype=dtype), rtol=1e-5, atol=1e-30)
    assert loss.function.weight.grad.isfinite().all()


@pytest.mark.parametrize("theta", [1e-6, 1e-4, 3.1415926])
def test_the_gradient_near_an_angle_of_zero_or_pi_is_right(theta: float) -> None:
    """By the angle it is s sin(theta + m) (or s sin(theta) beyond the seam) times the share of the others."""
    scale, margin = 4.0, 0.5
    loss = made("arcface", at_angles(0.0, 2.0), 2, scale=scale, margin=margin)
    rows = at_angles(theta).requires_grad_()
    value = loss(rows, torch.tensor([0]))
    value.backward()
    tangent = torch.tensor([-math.sin(theta), math.cos(theta)], dtype=torch.float64)
    share = 1 - math.exp(-value.item())
    own = math.sin(theta + margin) if theta <= math.pi - margin else math.sin(theta)
    expected = scale * share * (own - math.sin(theta - 2.0))
    assert (rows.grad[0] @ tangent).item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, 1.57])
def test_arcface_falls_with_the_angle_beyond_pi_minus_the_margin_too(margin: float) -> None:
    loss = made("arcface", torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]).double(), 2, scale=1.0, margin=margin)
    angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    rows = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], 1)
    loss.reduction = "none"
    values = loss(rows, torch.zeros(2001, dtype=torch.int64))
    assert (values.diff() > 0).all()


@pytest.mark.parametrize("margin", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("theta", [0.0, 1e-6, 0.7, 1.6, 2.4, 3.1, math.pi])
def test_sphereface_is_right_in_fifty_digits(margin: int, theta: float) -> None:
    loss = made("sphereface", at_angles(0.0, 2.0), 2, margin=margin)
    t, length = mpmath.mpf(theta), mpmath.mpf(3)
    turns = min(int(mpmath.floor(margin * t / mpmath.pi)), margin - 1)
    own = (-1) ** turns * mpmath.cos(margin * t) - 2 * turns
    expected = mpmath.log1p(mpmath.exp(length * (mpmath.cos(t - 2) - own)))
    rows = at_angles(theta, length=3.0).requires_grad_()
    value = loss(rows, torch.tensor([0]))
    assert value.item() == pytest.approx(float(expected), rel=1e-9)
    value.backward()
    assert rows.grad.isfinite().all()


def test_sphereface_of_a_zero_row_is_pushed_by_the_other_classes_only() -> None:
    loss = made("sphereface", at_angles(0.0, 2.0), 2)
    rows = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    loss(rows, torch.tensor([0])).backward()
    torch.testing.assert_close(rows.grad, 0.5 * at_angles(2.0))


def test_tied_centres_share_the_gradient() -> None:
    weight = torch.cat([at_angles(0.3, -0.3), at_angles(2.0, 2.5)])
    loss = made("sub-center-arcface", weight, 2, centers=2, scale=4.0)
    loss(at_angles(0.0), torch.tensor([0])).backward()
    lengths = loss.function.weight.grad.norm(dim=1)
    torch.testing.assert_close(lengths[0], lengths[1])
    assert lengths[0] > 0


def test_proxy_nca_of_the_paper_leaves_the_own_proxy_out() -> None:
    """By numpy, on squared distances of unit vectors."""
    weight = draw(4, 5, seed=1)
    x, p = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (ROWS.numpy(), weight.numpy()))
    powers = np.exp(-3.0 * ((x[:, None] - p) ** 2).sum(2))
    own = powers[np.arange(9), LABELS]
    for paper, total in ((False, powers.sum(1)), (True, powers.sum(1) - own)):
        values = made("proxy-nca", weight, 4, paper=paper, reduction="none")(ROWS, LABELS)
        np.testing.assert_allclose(values.detach(), np.log(total / own), rtol=1e-9)
    alone = made("proxy-nca", weight[:1], 1, paper=True)
    assert alone(ROWS, torch.zeros(9, dtype=torch.int64)).item() == 0


def test_proxy_anchor_divides_by_the_proxies_that_have_a_positive() -> None:
    """Of three proxies, one has a positive at a right angle: log 2 once, and of the other two log 2 over three."""
    loss = made("proxy-anchor", torch.eye(3).double(), 3, margin=0.0)
    rows = torch.zeros(1, 3, dtype=torch.float64)
    assert loss(rows, torch.tensor([1])).item() == pytest.approx(math.log(2) * (1 + 2 / 3))


def test_soft_triple_has_a_finite_gradient_at_equal_centres() -> None:
    weight = draw(2, 5, seed=1).repeat_interleave(3, 0)
    loss = made("soft-triple", weight, 2, centers=3, reg_weight=0.5)
    plain = made("soft-triple", weight, 2, centers=3)
    labels = torch.arange(9) % 2
    value = loss(ROWS, labels)
    assert value.item() == plain(ROWS, labels).item()
    value.backward()
    assert loss.function.weight.grad.isfinite().all()


def test_the_regulariser_of_soft_triple_is_that_of_the_paper() -> None:
    """Two centres of each of two classes, at right angles: sqrt(2) twice, over C K (K - 1) = 4."""
    weight = at_angles(0.0, math.pi / 2, math.pi, 1.5 * math.pi)
    one, none = (made("soft-triple", weight, 2, centers=2, reg_weight=w) for w in (1.0, 0.0))
    rows, labels = at_angles(0.1), torch.tensor([0])
    assert (one(rows, labels) - none(rows, labels)).item() == pytest.approx(2 * math.sqrt(2) / 4)


def test_center_is_half_the_squared_distance() -> None:
    weight = draw(4, 5, seed=1)
    values = made("center", weight, 4, reduction="none")(ROWS, LABELS)
    np.testing.assert_allclose(values.detach(), ((ROWS.numpy() - weight.numpy()[LABELS]) ** 2).sum(1) / 2, rtol=1e-12)


@by_name
@pytest.mark.parametrize("scale", [1e-20, 1e-4, 1e4, 1e18])
def test_rows_of_any_length(name: str, scale: float) -> None:
    loss = create(name, classes=4, dim=5)
    rows = (ROWS.float() * scale).requires_grad_()
    value = loss(rows, LABELS)
    value.backward()
    assert value.isfinite()
    assert rows.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in loss.parameters())
    if name not in ("sphereface", "center"):  # lengths do not count: the value stays, the gradient shrinks with them
        torch.testing.assert_close(value, loss(ROWS.float(), LABELS), rtol=1e-4, atol=1e-5)
        assert rows.grad.abs().max() > 0


@by_name
def test_zero_rows_duplicates_one_row_and_none(name: str) -> None:
    loss = create(name, classes=4, dim=5)
    for rows, labels in (
        (torch.zeros(3, 5), torch.tensor([0, 0, 1])),
        (ROWS.float()[:1].repeat(3, 1), torch.tensor([0, 0, 1])),
        (loss.function.weight.detach()[:1].clone(), torch.tensor([0])),
        (-loss.function.weight.detach()[:1], torch.tensor([0])),
        (torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64)),
    ):
        loss.zero_grad()
        rows.requires_grad_()
        value = loss(rows, labels)
        value.backward()
        assert value.isfinite()
        assert rows.grad.isfinite().all()
        assert loss.function.weight.grad.isfinite().all()


@by_name
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    loss = create(name, classes=4, dim=5).double()
    torch.autograd.gradcheck(lambda x: loss(x, LABELS), (ROWS.clone().requires_grad_(),), eps=1e-7, atol=1e-5)

    def by_weight(weight: Tensor) -> Tensor:
        value: Tensor = torch.func.functional_call(loss, {"function.weight": weight}, (ROWS, LABELS))
        return value

    at = loss.function.weight.detach().clone().requires_grad_()
    torch.autograd.gradcheck(by_weight, (at,), eps=1e-7, atol=1e-5)


@by_name
def test_masked_rows_take_no_part_whatever_stands_there(name: str) -> None:
    loss = create(name, classes=4, dim=5).double()
    there = torch.arange(9) % 3 != 1
    expected = loss(ROWS[there], LABELS[there])
    rows, labels = ROWS.clone(), LABELS.clone()
    rows[~there], labels[~there] = torch.nan, 99
    rows.requires_grad_()
    value = loss(rows, labels, mask=there)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert not rows.grad[~there].any()


@by_name
def test_sizes_left_open_are_those_of_the_data(name: str) -> None:
    loss = create(name, classes=3)
    with pytest.raises(UsageError, match=r"classes and dim must be given .* got classes=3, dim=None"):
        loss(torch.zeros(2, 5), torch.tensor([0, 1]))
    set_sizes(loss, classes=9, dim=5)
    set_sizes(loss, classes=9, dim=6)
    assert loss.function.weight.shape[0] % 3 == 0
    assert loss.function.weight.shape[1] == 5
    assert repr(loss.function).endswith("(classes=3, dim=5)")
    assert loss(torch.zeros(2, 5), torch.tensor([0, 1])).isfinite()


@pytest.mark.parametrize(
    ("rows", "labels", "rule"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 1]), r"embeddings must have shape \(N, 4\), got \(2, 3\)"),
        (torch.zeros(2, 4), torch.ones(2, 7).long(), "labels must be class indices"),
        (torch.zeros(2, 4), torch.tensor([0, 7]), "labels must be from 0 to 7-1, got 7"),
        (torch.zeros(2, 4), torch.tensor([-1, 1]), "labels must be from 0 to 7-1, got -1"),
    ],
)
def test_what_does_not_fit_the_learned_rows_is_refused(rows: Tensor, labels: Tensor, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        create("arcface", classes=7, dim=4)(rows, labels)


@pytest.mark.parametrize("size", ["classes", "dim"])
def test_sizes_are_at_least_one(size: str) -> None:
    with pytest.raises(UsageError, match=f"{size} must be at least 1, got 0"):
        create("arcface", **{size: 0})


@by_name
def test_learned_rows_have_their_own_rate_and_are_saved(name: str, tmp_path: Any) -> None:
    loss = create(name, classes=4, dim=5)
    model = torch.nn.Linear(5, 5)
    groups = losszoo.parameter_groups(model, loss, lr=1e-3, loss_lr=0.5, weight_decay=0.1)
    own = [group for group in groups if any(p is loss.function.weight for p in group["params"])]
    assert [(group["lr"], group["weight_decay"]) for group in own] == [(0.5, 0.0)]
    torch.save(loss.state_dict(), tmp_path / "state.pt")
    other = create(name, classes=4, dim=5)
    other.load_state_dict(torch.load(tmp_path / "state.pt"))
    rows = ROWS.float()
    assert other(rows, LABELS).item() == loss(rows, LABELS).item()


@by_name
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_it_is_the_loss_of_the_same_numbers_in_float32(name: str, dtype: torch.dtype) -> None:
    narrow = create(name, classes=4, dim=5).to(dtype)
    wide = create(name, classes=4, dim=5)
    wide.load_state_dict(narrow.state_dict())
    value, expected = narrow(ROWS.to(dtype), LABELS), wide(ROWS.to(dtype).float(), LABELS)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(narrow.function.weight.grad, wide.function.weight.grad.to(dtype))


@pytest.mark.parametrize("name", ["arcface", "proxy-anchor", "soft-triple"])
def test_a_run_gives_the_sizes_and_learns(name: str, tmp_path: Any) -> None:
    result = losszoo.run(name, "digits", epochs=4, out=tmp_path, set={"recipe.loss_lr": 0.1})
    assert result.status == "completed"
    assert result.metrics["test"]["accuracy"] > 0.9
