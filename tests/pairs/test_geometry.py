"""Numbers near the ends of the range, rows that coincide, and clusters far from the origin."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from written_out import EMBEDDING, HARDEST, STABLE, SUP_CON, Case, same_and_other, similarities

import losszoo
from losszoo import Streaming
from losszoo.pairs import kernels
from losszoo.pairs.kernels import geometry, ordinary

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 2, 2, 1])
# A hinge at its kink has several slopes.
SMOOTH = tuple(case for case in EMBEDDING if case.name not in ("triplet-semi-hard", "triplet-all"))
# Distances and unit vectors have a value at any scale; squares and products leave the range of float32.
SCALE_FREE = (STABLE, SUP_CON, HARDEST, EMBEDDING[-2])


def drawn(count: int = 9, dim: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator, dtype=torch.float64)


def value_and_slope(value: Tensor, rows: Tensor) -> tuple[float, Tensor]:
    return value.item(), torch.autograd.grad(value, rows)[0].double()


@pytest.mark.parametrize("case", SCALE_FREE, ids=str)
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-4, 1e4, 1e15, 1e30])
@pytest.mark.parametrize("dim", [3, 640])
def test_scales_of_float32(case: Case, scale: float, dim: int, way: Streaming) -> None:
    """Against float64, where the squares of all of these are in range. The temperature grows with the rows."""
    if case.similarity == "euclidean":
        case = (
            replace(case, temperature=scale)
            if case.temperature
            else replace(case, params={**case.params, "margin": scale})
        )
    rows = (drawn(dim=dim) * scale).float().requires_grad_()
    wide = rows.detach().double().requires_grad_()
    values, counts = case.values(wide, wide, *same_and_other(LABELS))
    expected, slope = value_and_slope(values.sum() / counts.sum(), wide)
    found = losszoo.create(case.name, streaming=way, **case.options)(rows, LABELS)
    assert found.item() == pytest.approx(expected, rel=2e-5)
    actual = torch.autograd.grad(found, rows)[0].double()
    size = float(slope.abs().max())
    if 1e-37 < size < 1e37:
        torch.testing.assert_close(actual, slope, rtol=1e-3, atol=1e-4 * size)
    assert bool(actual.isfinite().all())


@pytest.mark.parametrize("name", ["nca", "sup-con", "triplet-all"])
@pytest.mark.parametrize("similarity", ["squared-euclidean", "dot", "euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1e-30, 1e4, 1e15, 1e30])
def test_every_similarity_is_finite_at_every_scale(name: str, similarity: str, scale: float, way: Streaming) -> None:
    rows = (drawn() * scale).float().requires_grad_()
    value = losszoo.create(name, similarity=similarity, streaming=way)(rows, LABELS)
    # A sum of products of 1e60 is beyond float32 whatever becomes of each.
    assert bool(value.isfinite()) or (similarity == "dot" and value == torch.inf)
    assert bool(torch.autograd.grad(value, rows)[0].isfinite().all())


@pytest.mark.parametrize("case", SCALE_FREE, ids=str)
def test_tiny_rows_beside_large_ones(case: Case, way: Streaming) -> None:
    rows = drawn()
    rows[::2] *= 1e-20
    rows[1::2] *= 1e3
    rows = rows.float().requires_grad_()
    wide = rows.detach().double().requires_grad_()
    values, counts = case.values(wide, wide, *same_and_other(LABELS))
    found = losszoo.create(case.name, streaming=way, **case.options)(rows, LABELS)
    assert found.item() == pytest.approx((values.sum() / counts.sum()).item(), rel=2e-5)
    assert bool(torch.autograd.grad(found, rows)[0].isfinite().all())


@pytest.mark.parametrize("dim", [3, 24])
@pytest.mark.parametrize("case", SCALE_FREE, ids=str)
def test_a_narrow_cluster_far_from_the_origin(case: Case, dim: int, way: Streaming) -> None:
    """The rows are a thousandth of their length apart: |x|^2 + |y|^2 - 2xy would keep two digits of float32."""
    rows = (drawn(40, dim) * 0.1 + 100).float().requires_grad_()
    labels = torch.arange(40) % 3
    wide = rows.detach().double().requires_grad_()
    values, counts = case.values(wide, wide, *same_and_other(labels))
    expected, slope = value_and_slope(values.sum() / counts.sum(), wide)
    found, actual = value_and_slope(losszoo.create(case.name, streaming=way, **case.options)(rows, labels), rows)
    # A unit vector of float32 loses a thousandth of its digits before anything is compared.
    tolerance = 1e-5 if case.similarity == "euclidean" else 1e-3
    assert found == pytest.approx(expected, rel=tolerance)
    torch.testing.assert_close(actual, slope, rtol=10 * tolerance, atol=10 * tolerance * float(slope.abs().max()))


@pytest.mark.parametrize("case", SMOOTH, ids=str)
@pytest.mark.parametrize("dim", [3, 640])
def test_rows_that_coincide(case: Case, dim: int, way: Streaming) -> None:
    """The gradient between them is 0, not NaN; so it is in the losses written out."""
    rows = drawn(dim=dim)[torch.tensor([0, 0, 0, 1, 2, 2, 3, 4, 4])].requires_grad_()
    values, counts = case.values(rows, rows, *same_and_other(LABELS))
    expected, slope = value_and_slope(values.sum() / counts.sum(), rows)
    found, actual = value_and_slope(losszoo.create(case.name, streaming=way, **case.options)(rows, LABELS), rows)
    assert found == pytest.approx(expected, rel=1e-10)
    torch.testing.assert_close(actual, slope, rtol=1e-9, atol=1e-10 * float(slope.abs().max()))


@pytest.mark.parametrize(
    "name", ["nca", "nca-stable", "sup-con", "triplet-batch-hard", "triplet-all", "triplet-semi-hard"]
)
def test_zero_rows(name: str, way: Streaming) -> None:
    rows = torch.zeros(9, 3, requires_grad=True)
    value = losszoo.create(name, streaming=way)(rows, LABELS)
    assert bool(value.isfinite())
    assert torch.equal(torch.autograd.grad(value, rows)[0], torch.zeros(9, 3))


@pytest.mark.parametrize("similarity", ["euclidean", "squared-euclidean", "cosine", "dot"])
@pytest.mark.parametrize("kind", ["few", "many", "careful"])
@pytest.mark.parametrize("same", [False, True])
def test_a_block_and_what_it_carries_back(
    similarity: str, kind: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measure and slopes of every form, against autograd over the similarity written out."""
    monkeypatch.setattr(kernels, "_FEW", 1 << 30 if kind == "few" else 0)
    if kind == "careful":
        monkeypatch.setattr(kernels, "ordinary", lambda *_: False)
    rows = drawn(7, seed=1).requires_grad_()
    columns = rows if same else drawn(5, seed=2).requires_grad_()
    x = rows.detach()
    prepared = geometry(x, x if same else columns.detach(), similarity, 0.6, (True, True))
    expected = similarities(rows, columns, similarity) / 0.6
    weights = torch.linspace(-1.0, 1.0, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    prepared.start()
    for block in (slice(0, 3), slice(3, 7)):
        buffer = torch.empty(block.stop - block.start, len(columns), dtype=torch.float64)
        measure = prepared.scores(block, buffer)
        torch.testing.assert_close(prepared.sign * measure, expected[block].detach(), rtol=1e-12, atol=1e-12)
        prepared.accumulate_grad(block, measure, prepared.sign * weights[block])
    found = [x for x in prepared.gradients() if x is not None]
    theirs = torch.autograd.grad((expected * weights).sum(), (rows,) if same else (rows, columns))
    for ours, other in zip(found, theirs, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-10, atol=1e-10)


def test_a_bound_is_never_exceeded() -> None:
    """Unit vectors at a temperature that leaves every exponential in range need no search for the largest logit."""
    rows = drawn(20, 4)
    warm, cold = (geometry(rows, rows, "cosine", temperature, (False, False)) for temperature in (0.1, 0.01))
    assert cold.bound is None
    assert warm.bound == pytest.approx(10.0)
    assert bool((warm.scores(slice(0, 20), torch.empty(20, 20, dtype=torch.float64)) <= 10.0 + 1e-12).all())


@pytest.mark.parametrize(
    ("scale", "temperature", "expected"),
    [
        (1.0, 1.0, True),
        (1e9, 1.0, True),
        (1e11, 1.0, False),
        (1e-11, 1.0, False),
        (1.0, 1e-11, False),
        (0.0, 1.0, True),
        (float("nan"), 1.0, True),
        (float("inf"), 1.0, True),
    ],
)
def test_what_is_ordinary(scale: float, temperature: float, expected: bool) -> None:
    rows = torch.full((2, 3), scale)
    assert ordinary(rows, rows.clone(), "euclidean", temperature) is expected
    assert ordinary(rows[:0], rows, "euclidean", temperature) is True
