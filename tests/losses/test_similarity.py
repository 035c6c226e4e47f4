"""Pairwise logits against scipy, and where a plain form would lose its digits, overflow or divide by zero."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.losses import similarity as module
from losszoo.losses.similarity import SIMILARITIES, pairwise_logits

PATHS = pytest.mark.parametrize("path", ["exact", "product"])


@pytest.fixture(autouse=True)
def _path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of forming distances on the same small data, in blocks of 3 rows to meet their seams."""
    if "path" in request.fixturenames:
        monkeypatch.setattr(module, "EXACT_BELOW", 1 << 60 if request.getfixturevalue("path") == "exact" else 0)
        monkeypatch.setattr(module, "_BLOCK", 3)


def _draw(rows: int, columns: int, width: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    drawn = torch.randn(rows + columns, width, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return drawn[:rows].clone(), drawn[rows:].clone()


@PATHS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("similarity", "metric"),
    [("euclidean", "euclidean"), ("squared-euclidean", "sqeuclidean"), ("cosine", "cosine")],
)
def test_agrees_with_scipy(similarity: str, metric: str, dtype: torch.dtype, path: str) -> None:
    rows, columns = _draw(7, 11, 5, dtype)
    distances = torch.from_numpy(cdist(rows.double().numpy(), columns.double().numpy(), metric))
    expected = (1 - distances if similarity == "cosine" else -distances) / 0.25
    torch.testing.assert_close(pairwise_logits(rows, columns, similarity, 0.25), expected.to(dtype))


@PATHS
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_gradient(similarity: str, path: str) -> None:
    rows, columns = (x.requires_grad_() for x in _draw(4, 5, 3))
    assert torch.autograd.gradcheck(lambda x, y: pairwise_logits(x, y, similarity, 0.5), (rows, columns))
    assert torch.autograd.gradcheck(lambda x: pairwise_logits(x[:2], x, "dot"), (rows,))


@PATHS
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1.0, 1e18, 1e30])
def test_neither_overflows_nor_vanishes_in_float32(scale: float, path: str) -> None:
    rows = (torch.tensor([[3.0, 0.0], [0.0, 0.0]]) * scale).requires_grad_()
    columns = torch.tensor([[0.0, 4.0], [0.0, 0.0]]) * scale
    logits = pairwise_logits(rows, columns)
    # Pythagoras.
    torch.testing.assert_close(logits, torch.tensor([[-5.0, -3.0], [-4.0, 0.0]]) * scale, atol=0.0, rtol=1e-6)
    (gradient,) = torch.autograd.grad(logits[0, 0], rows)
    torch.testing.assert_close(gradient, torch.tensor([[-0.6, 0.8], [0.0, 0.0]]))


@PATHS
@pytest.mark.parametrize("scale", [1e15, 1e19, 1e20, 1e30])
@pytest.mark.parametrize("similarity", ["squared-euclidean", "dot"])
def test_what_overflows_keeps_its_order_and_its_slope(similarity: str, scale: float, path: str) -> None:
    """In Python's own numbers: x as it is, or beyond max / 256 = k the number k (1 + log |x / k|) with its sign."""
    knee = torch.finfo(torch.float32).max / 256
    rows, columns = [3.0, 0.0, 1.0], [-1.0, 2.0, 0.0, 1.5]
    x = torch.tensor(rows).mul(scale).unsqueeze(1).requires_grad_()
    y = torch.tensor(columns).mul(scale).unsqueeze(1)
    logits = pairwise_logits(x, y, similarity, 0.1)
    for i, j in [(i, j) for i in range(3) for j in range(4)]:
        a, b = x[i].item(), y[j].item()
        true, slope = (a * b / 0.1, b / 0.1) if similarity == "dot" else (-((a - b) ** 2) / 0.1, -2 * (a - b) / 0.1)
        over = abs(true) / knee
        expected = true if over <= 1 else math.copysign(knee * (1 + math.log(over)), true)
        assert logits[i, j].item() == pytest.approx(expected, rel=1e-5)
        (gradient,) = torch.autograd.grad(logits[i, j], x, retain_graph=True)
        assert gradient[i].item() == pytest.approx(slope / max(1.0, over), rel=1e-4)


@pytest.mark.parametrize("similarity", ["manhattan", "", None])
def test_an_unknown_similarity_is_refused(similarity: Any) -> None:
    rule = "similarity must be one of euclidean, squared-euclidean, cosine, dot, got "
    with pytest.raises(UsageError, match=rule):
        pairwise_logits(torch.ones(1, 1), torch.ones(1, 1), similarity)


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan, True, "1", None, torch.tensor(1.0)])
def test_a_temperature_is_a_finite_number_above_zero(temperature: Any) -> None:
    with pytest.raises(UsageError, match="temperature must be a finite number > 0, got "):
        pairwise_logits(torch.ones(1, 1), torch.ones(1, 1), "cosine", temperature)


@PATHS
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("case", ["duplicates", "all-equal", "zero-rows", "one-row"])
def test_structure_gives_finite_gradients(similarity: str, case: str, path: str) -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    rows = {
        "duplicates": torch.cat([rows[:3], rows[:3]]),
        "all-equal": rows[:1].repeat(6, 1),
        "zero-rows": rows * torch.tensor([[1.0], [0.0], [1.0], [0.0], [1.0], [1.0]]),
        "one-row": rows[:1],
    }[case].requires_grad_()
    logits = pairwise_logits(rows, rows, similarity)
    (gradient,) = torch.autograd.grad((logits * torch.randn(logits.shape)).sum(), rows)
    assert bool(logits.isfinite().all())
    assert bool(gradient.isfinite().all())
    if case == "all-equal" and similarity.endswith("euclidean"):
        assert bool((logits == 0).all())
        assert float(gradient.abs().max()) < 1e-6


@PATHS
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_far_from_the_origin(offset: float, path: str) -> None:
    """The coordinates are exact in float32, so only the distance could lose digits."""
    rows, columns = ((x * 64).round() / 64 + offset for x in _draw(20, 30, 8, torch.float32))
    expected = torch.from_numpy(-cdist(rows.double().numpy(), columns.double().numpy())).float()
    torch.testing.assert_close(pairwise_logits(rows, columns), expected, rtol=1e-5, atol=0.0)


@PATHS
def test_clusters_far_apart_keep_their_inner_distances(path: str) -> None:
    """Two clusters 2e4 apart with a spread of 1: in float32, |x|^2 + |y|^2 - 2xy keeps no digit of it."""
    rows, columns = _draw(20, 30, 8, torch.float32)
    rows[10:], columns[15:] = rows[10:] + 2e4, columns[15:] + 2e4
    rows.requires_grad_()
    expected = torch.from_numpy(-cdist(rows.detach().double().numpy(), columns.double().numpy())).float()
    logits = pairwise_logits(rows, columns)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=0.0)
    (gradient,) = torch.autograd.grad(logits[:10, :15].sum(), rows)
    wide = rows.detach().double().requires_grad_()
    exact = torch.cdist(wide, columns.double(), compute_mode="donot_use_mm_for_euclid_dist")
    (expected_gradient,) = torch.autograd.grad(-exact[:10, :15].sum(), wide)
    # Centred, the coordinates are near 1e4, in steps of 1e-3 in float32: 15 unit vectors, each off by so much.
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=0.0, atol=0.03)


@PATHS
def test_points_close_to_each_other(path: str) -> None:
    """A millionth of the spread apart: relative to mpmath at 50 digits, within what the path promises."""
    x, y = (
        torch.tensor([[1.0, 1.0]], dtype=torch.float64),
        torch.tensor([[1.0, 1.0 + 1e-5]], dtype=torch.float64),
    )
    with mpmath.workdps(50):
        expected = -abs(mpmath.mpf(float(y[0, 1])) - 1)
    far = torch.tensor([[-1.0, -1.0]], dtype=torch.float64)
    logits = pairwise_logits(x, torch.cat([y, far]))
    assert float(logits[0, 0]) == pytest.approx(float(expected), rel=1e-12 if path == "exact" else 1e-3)


def test_subnormal_gradients_do_not_reach_the_product() -> None:
    rows, columns = (x.requires_grad_() for x in _draw(4, 5, 3, torch.float32))
    logits = module._Product.apply(rows, columns, *torch.full((3,), -1.0), False)
    tiny = torch.full_like(logits, 1e-40)
    gradients = torch.autograd.grad(logits, (rows, columns), tiny)
    assert all(bool((gradient == 0).all()) for gradient in gradients)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_rows(similarity: str, shape: tuple[int, int]) -> None:
    logits = pairwise_logits(torch.zeros(shape[0], 2), torch.zeros(shape[1], 2), similarity)
    assert logits.shape == shape


def test_a_zero_row_has_no_gradient_by_its_cosine() -> None:
    """As the docstring says; NaN is not taken for a zero row."""
    rows, columns = torch.zeros(2, 2), torch.tensor([[3.0, 4.0]])
    leaf = rows.clone().requires_grad_()
    (slope,) = torch.autograd.grad(pairwise_logits(leaf, columns, "cosine").sum(), leaf)
    assert slope.count_nonzero() == 0
    assert pairwise_logits(torch.tensor([[math.nan, 0.0]]), columns, "cosine").isnan().all()


def test_zero_embeddings_have_the_same_gradient_on_every_path() -> None:
    loss, keys = losszoo.create("info-nce"), torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    leaf = torch.zeros(3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(leaf, keys), leaf)
    transformed = torch.func.grad(lambda x: loss(x, keys))(torch.zeros(3, 4))
    assert slope.count_nonzero() == transformed.count_nonzero() == 0


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_cosine_does_not_see_the_length(scale: float) -> None:
    rows = torch.tensor([[1.0, 1.0], [0.0, 0.0]]) * scale
    # cos 45 degrees.
    assert pairwise_logits(rows, torch.tensor([[2.0, 0.0]]), "cosine").tolist() == [
        [pytest.approx(0.5**0.5)],
        [0.0],
    ]


# Dynamo itself makes the object that the warning is about.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@PATHS
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_compiles_without_a_break(similarity: str, path: str) -> None:
    rows, columns = (x.requires_grad_() for x in _draw(5, 6, 3))
    compiled = torch.compile(lambda x, y: pairwise_logits(x, y, similarity), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(rows, columns), pairwise_logits(rows, columns, similarity))
    traced = torch.autograd.grad(compiled(rows, columns).sum(), rows)
    torch.testing.assert_close(traced, torch.autograd.grad(pairwise_logits(rows, columns, similarity).sum(), rows))


@PATHS
def test_strided_rows(path: str) -> None:
    rows, columns = _draw(8, 10, 6)
    expected = pairwise_logits(rows[::2, ::3].contiguous(), columns[:, ::3].contiguous())
    torch.testing.assert_close(pairwise_logits(rows[::2, ::3], columns[:, ::3]), expected)
