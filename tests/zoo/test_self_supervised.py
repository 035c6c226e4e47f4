"""Losses of two views without labels: numpy, scipy and numbers of lightly, and the inputs on which lightly fails."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp, softmax
from torch import Tensor

import losszoo
from losszoo import UsageError, create
from losszoo.losses.sums.data_sizes import set_sizes

pml = pytest.importorskip("pytorch_metric_learning.losses")

VIEWS = ("barlow-twins", "vicreg", "negative-cosine", "dcl", "dino")
BATCH = ("barlow-twins", "vicreg")
by_name = pytest.mark.parametrize("name", VIEWS)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


A, B = draw(8, 3), draw(8, 3, seed=1)
# The same numbers in every package: no random state is needed to repeat them.
SINES = torch.arange(24, dtype=torch.float64).view(8, 3).mul(1.7).sin()
COSINES = torch.arange(24, dtype=torch.float64).view(8, 3).mul(0.9).cos()

# lightly 1.6.0, float64: Loss()(SINES, COSINES), and the sum of the absolute gradient by SINES.
LIGHTLY: dict[str, tuple[float, float]] = {
    "vicreg": (31.616452592168, 35.81556739527409),
    "negative-cosine": (-0.06657133509036765, 1.0493987778853713),
    "dcl": (8.574138687055644, 10.93692670860326),
    "koleo": (0.7705670690976606, 5.273873433705251),
    "dino": (8.892446179483285, 14.910168260226165),
}


@pytest.mark.parametrize("name", LIGHTLY)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_value_and_gradient_are_those_of_lightly(name: str, dtype: torch.dtype, tolerance: float) -> None:
    first = SINES.to(dtype).clone().requires_grad_()
    other = torch.zeros(8, dtype=torch.int64) if name == "koleo" else COSINES.to(dtype)
    value = create(name)(first, other)
    value.backward()
    if name == "koleo":  # theirs adds 1e-8 to each difference of two columns too
        tolerance = max(tolerance, 1e-7)
    expected, slope = LIGHTLY[name]
    assert value.item() == pytest.approx(expected, rel=tolerance)
    assert first.grad.abs().sum().item() == pytest.approx(slope, rel=10 * tolerance)


def test_barlow_twins_is_on_the_correlations_of_numpy() -> None:
    correlations = np.corrcoef(A.numpy(), B.numpy(), rowvar=False)[:3, 3:]
    own = np.diag(correlations)
    expected = ((1 - own) ** 2).sum() + 0.3 * ((correlations**2).sum() - (own**2).sum())
    for scale, shift in ((1.0, 0.0), (1e-20, 0.0), (1e20, 0.0), (1.0, 1e6)):
        value = create("barlow-twins", weight_off=0.3)(A * scale + shift, B)
        assert value.item() == pytest.approx(expected, rel=1e-7)


def test_barlow_twins_is_that_of_lightly_where_its_epsilon_does_not_count() -> None:
    """lightly 1.6.0, float64: BarlowTwinsLoss()(1e3 * SINES, 1e3 * COSINES)."""
    assert create("barlow-twins")(1e3 * SINES, 1e3 * COSINES).item() == pytest.approx(2.908166132363832, rel=1e-9)


def test_barlow_twins_of_identical_views_is_zero_on_the_diagonal() -> None:
    """lightly 1.6: 0.008 for each column of a deviation of 0.01, as batch_norm adds 1e-5 to the variance."""
    small = 0.01 * A / A.std(0)
    assert create("barlow-twins", weight_off=0.0)(small, small).item() < 1e-20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_barlow_twins_of_a_constant_column_costs_one_without_a_gradient(dtype: torch.dtype) -> None:
    first = A.to(dtype).clone()
    first[:, 1] = 0.1
    first.requires_grad_()
    value = create("barlow-twins", weight_off=0.0)(first, first.detach().clone())
    value.backward()
    assert value.item() == pytest.approx(1.0, abs=1e-6)
    assert not first.grad[:, 1].any()


def test_vicreg_is_on_the_covariances_of_numpy() -> None:
    expected = 25 * ((A - B).numpy() ** 2).mean()
    for view in (A.numpy(), B.numpy()):
        covariance = np.cov(view, rowvar=False)
        variance = np.diag(covariance)
        expected += 25 / 2 * np.maximum(0, 1 - np.sqrt(variance + 1e-4)).mean()
        expected += ((covariance**2).sum() - (variance**2).sum()) / 3
    assert create("vicreg")(A, B).item() == pytest.approx(expected, rel=1e-12)


def test_vicreg_is_that_of_pytorch_metric_learning() -> None:
    first, other = A.clone().requires_grad_(), A.clone().requires_grad_()
    value, expected = create("vicreg")(first, B), pml.VICRegLoss(eps=1e-4)(other, ref_emb=B)
    value.backward()
    expected.backward()
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(first.grad, other.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1e20, 1e30])
def test_vicreg_beyond_float32_is_infinite_not_nan(size: float) -> None:
    """lightly 1.6: NaN, value and gradient, at rows times 1e20."""
    first = (A * size).float().requires_grad_()
    value = create("vicreg")(first, (B * size).float())
    value.backward()
    assert value.isposinf()
    assert not first.grad.isnan().any()
    # Without the covariances the mean of squares fits while the squares do not.
    distance = create("vicreg", covariance=0.0, invariance=1e-6)
    near = torch.zeros(100, 1)
    near[0] = 2e19
    assert distance(near, torch.zeros(100, 1)).item() == pytest.approx(1e-6 * 4e38 / 100 + 12.5 * 0.99, rel=1e-5)


def test_vicreg_of_one_point_has_a_finite_gradient() -> None:
    point = torch.ones(5, 3, requires_grad=True)
    value = create("vicreg")(point, torch.ones(5, 3))
    value.backward()
    assert value.item() == pytest.approx(25 * 0.99)
    assert not point.grad.any()


def test_negative_cosine_stops_the_gradient_of_the_keys() -> None:
    first, second = A.clone().requires_grad_(), B.clone().requires_grad_()
    value = create("negative-cosine")(first, second)
    value.backward()
    assert second.grad is None
    expected = -torch.nn.functional.cosine_similarity(A, B).mean()
    torch.testing.assert_close(value.detach(), expected)
    create("negative-cosine", detach=False)(first, second).backward()
    assert second.grad.any()


def test_negative_cosine_has_a_gradient_at_rows_of_any_length() -> None:
    """lightly 1.6: 0 at rows times 1e20."""
    plain = A.float().clone().requires_grad_()
    create("negative-cosine")(plain, B.float()).backward()
    for size in (1e-20, 1e20):
        rows = (A.float() * size).requires_grad_()
        create("negative-cosine")(rows, B.float()).backward()
        torch.testing.assert_close(rows.grad * size, plain.grad, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_dcl_is_the_mean_of_both_views_by_scipy(temperature: float) -> None:
    rows = np.concatenate([A.numpy(), B.numpy()])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    closeness = rows @ rows.T / temperature
    total = 0.0
    for i in range(16):
        partner = (i + 8) % 16
        others = [j for j in range(16) if j not in (i, partner)]
        total += logsumexp(closeness[i, others]) - closeness[i, partner]
    assert create("dcl", temperature=temperature)(A, B).item() == pytest.approx(total / 16, rel=1e-9)


@by_name
def test_a_batch_of_one_row_and_none(name: str) -> None:
    """lightly 1.6: -infinity for dcl, and an AssertionError for vicreg."""
    for count in (1, 0):
        rows = A[:count].clone().requires_grad_()
        value = create(name)(rows, B[:count])
        value.backward()
        assert value.isfinite()
        assert rows.grad.isfinite().all()
        if name in (*BATCH, "dcl"):
            assert value.item() == 0
    if name in (*BATCH, "dcl"):
        with pytest.raises(losszoo.errors.EmptyBatchError):
            create(name, empty="raise")(A[:1], B[:1])


@by_name
def test_masked_rows_take_no_part_whatever_stands_there(name: str) -> None:
    there = torch.arange(8) % 3 != 0
    first, second = A.clone(), B.clone()
    first[~there], second[~there] = torch.nan, torch.inf
    first.requires_grad_()
    value = create(name)(first, second, mask=there)
    torch.testing.assert_close(value, create(name)(A[there], B[there]))
    value.backward()
    assert not first.grad[~there].any()


@pytest.mark.parametrize("name", BATCH)
def test_what_has_no_negatives_refuses_further_keys(name: str) -> None:
    with pytest.raises(UsageError, match=f"keys must have the shape of queries, as {name} has no negatives"):
        create(name)(A, torch.cat([B, B]))


def test_dino_is_judged_by_the_centre_of_the_batches_before() -> None:
    loss = create("dino", dim=3, momentum=0.9).double()
    center = np.zeros(3)
    for seed in range(4):
        student, teacher = draw(8, 3, seed=seed).numpy(), draw(8, 3, seed=10 + seed).numpy()
        wanted = softmax((teacher - center) / 0.04, axis=1)
        expected = -(wanted * log_softmax(student / 0.1, axis=1)).sum(1).mean()
        value = loss(torch.tensor(student, requires_grad=True), torch.tensor(teacher))
        assert value.item() == pytest.approx(expected, rel=1e-9)
        center = 0.9 * center + 0.1 * teacher.mean(0)
        np.testing.assert_allclose(loss.function.center, center, rtol=1e-12)


def test_the_centre_of_dino_stays_in_evaluation_and_is_saved(tmp_path: Any) -> None:
    loss = create("dino", dim=3).double()
    loss(A, B)
    before = loss.function.center.clone()
    assert before.any()
    with torch.no_grad():
        loss(A, B)
    loss.eval()(A, B)
    assert torch.equal(loss.function.center, before)
    torch.save(loss.state_dict(), tmp_path / "state.pt")
    resumed = create("dino", dim=3).double()
    resumed.load_state_dict(torch.load(tmp_path / "state.pt"))
    assert torch.equal(resumed(A, B), loss.train()(A, B))
    assert torch.equal(copy.deepcopy(loss)(A, B), loss(A, B))


def test_masked_rows_do_not_move_the_centre_of_dino() -> None:
    one, other = (create("dino", dim=3).double() for _ in range(2))
    there = torch.arange(8) < 5
    one(A, B, mask=there)
    other(A[:5], B[:5])
    torch.testing.assert_close(one.function.center, other.function.center)
    before = one.function.center.clone()
    one(A, B, mask=torch.zeros(8, dtype=torch.bool))
    assert torch.equal(one.function.center, before)


def test_the_width_of_dino_is_that_of_the_data() -> None:
    loss = create("dino").double()
    set_sizes(loss, classes=9, dim=3)
    assert loss.function.center.shape == (3,)
    with pytest.raises(UsageError, match=r"queries must have shape \(N, 3\), got \(8, 2\)"):
        loss(A[:, :2], B[:, :2])
    with pytest.raises(UsageError, match="dim must be at least 1, got 0"):
        create("dino", dim=0)


def test_the_teacher_of_dino_has_no_gradient_and_extremes_are_finite() -> None:
    for size in (1e-20, 1e4, 1e20):
        student, teacher = ((x * size).float().requires_grad_() for x in (A, B))
        value = create("dino")(student, teacher)
        value.backward()
        assert value.isfinite()
        assert student.grad.isfinite().all()
        assert teacher.grad is None


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_koleo_is_on_the_distances_of_scipy(size: float) -> None:
    rows = A.numpy() / np.linalg.norm(A.numpy(), axis=1, keepdims=True)
    distances = cdist(rows, rows)
    np.fill_diagonal(distances, np.inf)
    expected = -np.log(distances.min(1) + 1e-8)
    values = create("koleo", reduction="none")(A * size, torch.zeros(8, dtype=torch.int64))
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_koleo_of_duplicates_is_that_of_eps_with_a_gradient_of_zero() -> None:
    rows = torch.tensor([[1.0, 2.0], [1.0, 2.0], [-3.0, 1.0]], requires_grad=True)
    values = create("koleo", reduction="none")(rows, torch.zeros(3, dtype=torch.int64))
    assert values[:2].tolist() == pytest.approx([-math.log(1e-8)] * 2)
    values[:2].sum().backward()
    assert not rows.grad.any()


def test_koleo_finds_the_nearest_of_rows_whose_cosine_is_one_in_float32() -> None:
    angles = torch.tensor([0.0, 1e-4, 3e-4, 1.0], dtype=torch.float64)
    rows = torch.stack([angles.cos(), angles.sin()], 1).float()
    values = create("koleo", reduction="none")(rows, torch.zeros(4, dtype=torch.int64))
    expected = [1e-4, 1e-4, 2e-4, 2 * math.sin((1 - 3e-4) / 2)]
    np.testing.assert_allclose(values, -np.log(expected), rtol=1e-3)


def test_a_row_alone_has_no_neighbour() -> None:
    loss, labels = create("koleo"), torch.zeros(8, dtype=torch.int64)
    assert loss(A[:1], labels[:1]).item() == 0
    assert loss(A, labels, mask=torch.arange(8) == 3).item() == 0
    there = torch.arange(8) < 4
    torch.testing.assert_close(loss(A, labels, mask=there), loss(A[:4], labels[:4]))


@pytest.mark.parametrize("name", ["barlow-twins", "vicreg", "dcl", "dino", "negative-cosine", "dcl + 0.1*dino"])
def test_a_run_on_views_is_finite(name: str, tmp_path: Any) -> None:
    result = losszoo.run(name, "digits-views", epochs=2, out=tmp_path)
    assert result.status == "completed"
    assert result.guard["nonfinite"] == 0
