"""The neighbourhood family, against mpmath at 50 digits, scikit-learn and arithmetic by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hard import HARD
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from torch import Tensor

import losszoo
from losszoo import Unreduced, list_losses, log_odds, pairwise_logits
from losszoo_plugins.nca.contrast import nca_difference, nca_stable
from losszoo_plugins.nca.exhibits import nca_epsilon, nca_ratio
from losszoo_plugins.nca.leave_one_out import nca

SPECS = list_losses(plugin="nca")

Dense = Callable[..., Unreduced]
COMPILED = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")

POINTS = torch.tensor([[0.0, 0.0], [1.0, 0.5], [2.0, -1.0], [-0.5, 1.5], [3.0, 2.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 0, 1, 1, 1])
FROM_SHARES: dict[Any, Callable[[Any, Any], Any]] = {
    nca_ratio: lambda same, other: -mpmath.log(same / other),
    nca_stable: lambda same, other: -mpmath.log(same / other),
    nca_difference: lambda same, other: other - same,
    nca_epsilon: lambda same, other: -mpmath.log((same + mpmath.mpf("1e-10")) / (other + mpmath.mpf("1e-10"))),
    nca: lambda same, other: -mpmath.log(same),
}
EVERY = pytest.mark.parametrize("loss", FROM_SHARES, ids=lambda loss: loss.__name__)


def _shares(points: list[list[Any]], labels: list[int], row: int, squared: bool) -> tuple[Any, Any]:
    """P_same and P_diff of one row by their definition, in mpmath."""
    same, other = mpmath.mpf(0), mpmath.mpf(0)
    for column, point in enumerate(points):
        square = mpmath.fsum((a - b) ** 2 for a, b in zip(points[row], point, strict=True))
        term = mpmath.exp(-(square if squared else mpmath.sqrt(square)))
        if column != row:
            same, other = (same + term, other) if labels[column] == labels[row] else (same, other + term)
    return same / (same + other), other / (same + other)


@EVERY
def test_value(loss: Any, dense: Dense) -> None:
    with mpmath.workdps(50):
        points = [[mpmath.mpf(x) for x in point] for point in POINTS.tolist()]
        shares = [_shares(points, LABELS.tolist(), row, squared=loss is nca) for row in range(len(points))]
        expected = [float(FROM_SHARES[loss](*pair)) for pair in shares]
    values, counts = dense(loss, POINTS, LABELS)
    assert values.tolist() == pytest.approx(expected, rel=1e-13)
    assert counts.tolist() == [1.0] * 5


def test_nca_is_the_objective_of_scikit_learn(dense: Dense) -> None:
    """Its objective is the sum of the leave-one-out probabilities, and its gradient with it."""
    same = (LABELS.unsqueeze(1) == LABELS).numpy()
    solver = NeighborhoodComponentsAnalysis()
    solver.n_iter_ = 0
    map_ = torch.tensor([[0.7, -0.2], [0.1, 1.3]], dtype=torch.float64, requires_grad=True)
    objective, slope = solver._loss_grad_lbfgs(map_.detach().numpy().ravel(), POINTS.numpy(), same, 1.0)
    total = torch.exp(-dense(nca, POINTS @ map_.T, LABELS).values).sum()
    (gradient,) = torch.autograd.grad(total, map_)
    assert float(total.detach()) == pytest.approx(float(objective), rel=1e-12)
    assert gradient.numpy().ravel() == pytest.approx(np.asarray(slope), rel=1e-9)


@EVERY
def test_gradient(loss: Any, dense: Dense) -> None:
    points = POINTS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: dense(loss, x, LABELS).values, (points,))


def test_stable_is_ratio_where_that_is_finite(dense: Dense) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(40, 3, generator=generator, dtype=torch.float64).mul(5).requires_grad_()
    labels = torch.randint(0, 4, (40,), generator=generator)
    stable, ratio = (dense(loss, points, labels).values for loss in (nca_stable, nca_ratio))
    torch.testing.assert_close(stable, ratio)
    gradients = [torch.autograd.grad(values.sum(), points)[0] for values in (stable, ratio)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("mixed_up", [False, True])
def test_exhibits_break_where_the_twin_does_not(mixed_up: bool, dense: Dense) -> None:
    """Two groups 200 apart in float32, where exp(-200) is 0: each group a class, or each half of either."""
    points = torch.tensor([[0.0], [1.0], [200.0], [201.5]], requires_grad=True)
    labels = torch.tensor([0, 1, 0, 1] if mixed_up else [0, 0, 1, 1])
    ratio, epsilon, stable = (dense(loss, points, labels).values for loss in (nca_ratio, nca_epsilon, nca_stable))
    slopes = [torch.autograd.grad(values.sum(), points)[0] for values in (ratio, epsilon, stable)]
    sign = 1 if mixed_up else -1
    assert ratio.tolist() == [sign * float("inf")] * 4
    assert bool(slopes[0].isnan().any())
    assert epsilon.tolist() == pytest.approx([sign * 23.02585093] * 4)  # ln 1e10
    assert bool((slopes[1] == 0).all())
    # By hand: in each row one pair near and two far ones, of which the nearer outweighs the other.
    with mpmath.workdps(50):
        nearest = [[mpmath.mpf(x)] for x in (0, 1, 200, 201.5)]
        shares = [_shares(nearest, labels.tolist(), row, squared=False) for row in range(4)]
        expected = [float(-mpmath.log(same / other)) for same, other in shares]
    assert stable.tolist() == pytest.approx(expected, rel=1e-6)
    assert bool((slopes[2].abs() > 0.1).any())


@pytest.mark.parametrize("gap", [1e2, 1e3, 1e4])
@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 1, 0, 1]])
def test_stable_gradient_where_exponentials_underflow(gap: float, labels: list[int], dense: Dense) -> None:
    """Against mpmath's derivative of the plain ratio."""
    raw = [0.0, 1.0, gap, gap + 1.5]
    points = torch.tensor(raw, dtype=torch.float64).unsqueeze(1).requires_grad_()
    (gradient,) = torch.autograd.grad(dense(nca_stable, points, torch.tensor(labels)).values.sum(), points)

    def total(*place: Any) -> Any:
        shares = (_shares([[x] for x in place], labels, row, squared=False) for row in range(4))
        return mpmath.fsum(-mpmath.log(same / other) for same, other in shares)

    with mpmath.workdps(50):
        expected = [float(mpmath.diff(total, raw, tuple(int(i == j) for i in range(4)))) for j in range(4)]
    assert gradient.flatten().tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("odds", [-300.0, -30.0, -1.0, 0.0, 1.0, 30.0, 80.0, 300.0])
def test_tails_keep_their_digits(odds: float) -> None:
    """One positive at 0 and one negative: log(1 + e^odds) and tanh(odds / 2), value and slope, in float32."""
    row = torch.tensor([[0.0, odds]], requires_grad=True)
    positive = torch.tensor([[True, False]])
    with mpmath.workdps(50):
        o = mpmath.mpf(odds)
        share, steep = 1 / (1 + mpmath.exp(-o)), mpmath.sech(o / 2) ** 2 / 2
        expected = {nca: (mpmath.log1p(mpmath.exp(o)), share), nca_difference: (mpmath.tanh(o / 2), steep)}
    for loss, (value, slope) in expected.items():
        got = loss(row, positive, ~positive)
        (gradient,) = torch.autograd.grad(got.sum(), row)
        assert got.item() == pytest.approx(float(value), rel=2e-6, abs=1e-37)
        assert gradient[0].tolist() == pytest.approx([-float(slope), float(slope)], rel=2e-6, abs=1e-37)


@pytest.mark.parametrize("similarity", ["squared-euclidean", "dot"])
@pytest.mark.parametrize("scale", [1e15, 1e19, 1e20, 1e30])
@pytest.mark.parametrize("loss", [nca, nca_stable], ids=lambda loss: loss.__name__)
def test_huge_embeddings(loss: Any, scale: float, similarity: str, dense: Dense) -> None:
    """In float64 where float32 can hold that; beyond, huge or 0 where that is, and pulled the same way."""
    raw, labels = [[-1.0, 0.3], [1.0, 0.4], [0.2, 1.0], [0.5, -0.8]], torch.tensor([0, 0, 1, 1])
    points = torch.tensor(raw).mul(scale).requires_grad_()
    wide = points.detach().double().requires_grad_()
    values, expected = (dense(loss, x, labels, similarity=similarity).values for x in (points, wide))
    gradient, slope = (torch.autograd.grad(v.sum(), x)[0] for v, x in ((values, points), (expected, wide)))
    if scale < 1e18:
        torch.testing.assert_close(values, expected.float())
        torch.testing.assert_close(gradient, slope.float())
    else:
        assert bool(((values.abs() > 1e30) == (expected.abs() > 1e30)).all())
        assert torch.equal(values.sign(), expected.sign().float())
        assert bool((gradient != 0).all())
        assert bool(gradient.isfinite().all())


def test_who_takes_part(dense: Dense) -> None:
    points, labels = HARD["one of its own"]
    for loss in FROM_SHARES:
        assert dense(loss, points, torch.tensor(labels)).counts.tolist() == [1.0, 1.0, 1.0, 0.0]
    points, labels = HARD["one class"]
    assert dense(nca_stable, points, torch.tensor(labels)).counts.sum() == 0
    # Without another class the leave-one-out probability is 1.
    assert dense(nca, points, torch.tensor(labels)).values.tolist() == [0.0] * 5


def test_bounds(dense: Dense) -> None:
    """Inflating separated classes: nca ends at 0, the difference at -1, and the log odds have no end."""
    points, labels = torch.tensor([[0.0], [1.0], [5.0], [6.0]]), torch.tensor([0, 0, 1, 1])
    inflated = [dense(loss, points * 1e4, labels).values.tolist() for loss in (nca, nca_difference, nca_stable)]
    assert inflated == [[0.0] * 4, [-1.0] * 4, [-4e4, -3e4, -3e4, -4e4]]


def test_log_odds_without_one_side() -> None:
    yes, no = torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.bool)
    logits = torch.zeros(1, 3, requires_grad=True)
    odds = [log_odds(logits, *masks) for masks in ((yes, no), (no, yes), (no, no))]
    assert [float(x.detach()) for x in odds] == [-float("inf"), float("inf"), float("inf")]
    assert log_odds(torch.zeros(0, 0), yes[:0, :0], no[:0, :0]).shape == (0,)


@COMPILED
@EVERY
def test_compiles_without_a_break(loss: Any) -> None:
    logits = pairwise_logits(POINTS, POINTS).requires_grad_()
    same = LABELS.unsqueeze(1) == LABELS
    positive, negative = same & ~torch.eye(5, dtype=torch.bool), ~same
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(logits, positive, negative)
    expected = loss(logits, positive, negative)
    torch.testing.assert_close(compiled, expected)
    slopes = [torch.autograd.grad(values.sum(), logits)[0] for values in (compiled, expected)]
    torch.testing.assert_close(*slopes)
    strided = logits.T.contiguous().T
    torch.testing.assert_close(loss(strided, positive.T, negative.T), expected)


# Modern NCA


def modern_nca(*inputs: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The value of every query, and how many take part."""
    values = losszoo.create("modern-nca", reduction="none")(*inputs, own=own)
    return values, losszoo.create("modern-nca").count(*inputs, own=own)


def _neighbours(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """A query at 0 and three candidates at distances 0, ln 2 and ln 4: weights 4/7, 2/7, 1/7."""
    return torch.zeros(1, 1, dtype=dtype), torch.tensor([[0.0], [2.0], [4.0]], dtype=dtype).clamp(min=1.0).log()


@pytest.mark.parametrize(
    ("own", "target", "expected", "count"),
    [
        ([-1], 7, 7 / 4, 1.0),
        ([-1], 8, 7 / 3, 1.0),
        ([0], 8, 1.0, 1.0),
        ([1], 8, 5 / 1, 1.0),
        ([0], 7, 1.0, 0.0),
        ([-1], 9, 1.0, 0.0),
    ],
)
def test_modern_nca_for_classes(own: list[int], target: int, expected: float, count: float) -> None:
    """By hand, from the weights; ``expected`` is 1 / P_same, or 1 where the query takes no part."""
    queries, candidates = _neighbours()
    targets = torch.tensor([target]), torch.tensor([7, 8, 8])
    values, counts = modern_nca(queries, targets[0], candidates, targets[1], own=torch.tensor(own))
    assert values.tolist() == pytest.approx([float(mpmath.log(expected))], abs=1e-15)
    assert counts == count


@pytest.mark.parametrize(
    ("own", "target", "expected"),
    [(None, 0.0, 4.0), ([-1], 0.0, 4.0), ([0], 3.0, 25 / 9), ([1], 1.0, 4 / 25)],
)
def test_modern_nca_for_numbers(own: list[int] | None, target: float, expected: float) -> None:
    """By hand, from the weights of the neighbours: they answer 2, 2, 14/3 and 7/5."""
    queries, candidates = _neighbours()
    targets = (torch.tensor([x], dtype=torch.float64) for x in (target, [0.0, 3.5, 7.0]))
    query_targets, candidate_targets = (x.flatten() for x in targets)
    place = None if own is None else torch.tensor(own)
    values, counts = modern_nca(queries, query_targets, candidates, candidate_targets, own=place)
    assert counts == 1
    assert values.tolist() == pytest.approx([expected], rel=1e-12)


@pytest.mark.parametrize("kind", [torch.int64, torch.float64])
def test_modern_nca_gradient(kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_() for n in (4, 6))
    targets = torch.randint(0, 3, (10,), generator=generator).to(kind)
    own = torch.tensor([2, -1, 0, 5])
    assert torch.autograd.gradcheck(
        lambda q, c: modern_nca(q, targets[:4], c, targets[4:], own=own)[0], (queries, candidates)
    )


def test_modern_nca_on_itself_is_nca(dense: Dense) -> None:
    """Every row a query and a candidate; large enough for the matrix product."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(160, 64, generator=generator).requires_grad_()
    labels = torch.randint(0, 4, (160,), generator=generator)
    once = modern_nca(points, labels, points, labels, own=torch.arange(160))[0]
    wide = points.detach().double().requires_grad_()
    expected = dense(nca, wide, labels, similarity="euclidean").values
    torch.testing.assert_close(once, expected.float())
    (slope,), (expected_slope,) = (torch.autograd.grad(v.sum(), x) for v, x in ((once, points), (expected, wide)))
    torch.testing.assert_close(slope, expected_slope.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.int64, torch.float32])
@pytest.mark.parametrize("case", [*HARD, "only itself", "no candidate"])
def test_modern_nca_stays_finite(case: str, kind: torch.dtype) -> None:
    points, labels = HARD.get(case, HARD["one row"])
    queries, targets = points.clone().requires_grad_(), torch.tensor(labels).to(kind)
    candidates, own = queries, torch.arange(len(queries))
    if case == "no candidate":
        candidates, own = queries[:0], own - 1
    values, counts = modern_nca(queries, targets, candidates, targets[: len(candidates)], own=own)
    (gradient,) = torch.autograd.grad(values.sum(), queries)
    assert bool(values.isfinite().all())
    assert bool(gradient.isfinite().all())
    if case in ("one row", "only itself", "no candidate"):
        assert (values.tolist(), counts) == ([0.0], 0)


@COMPILED
@pytest.mark.parametrize("kind", [torch.int64, torch.float64])
def test_modern_nca_compiles_without_a_break(kind: torch.dtype) -> None:
    inputs = (POINTS[:3], LABELS[:3].to(kind), POINTS, LABELS.to(kind))
    own = torch.tensor([0, -1, 2])
    loss = losszoo.create("modern-nca")
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(*inputs, own=own)
    torch.testing.assert_close(compiled, loss(*inputs, own=own))


def test_specs_name_what_exists() -> None:
    assert [spec.name for spec in SPECS if spec.status == "exhibit"] == ["nca-ratio", "nca-epsilon"]
    assert {spec.stable_twin for spec in SPECS if spec.stable_twin} == {"nca-stable"}
    for spec in SPECS:
        module, name = spec.target.split(":")
        function = getattr(__import__(module, fromlist=[name]), name)
        contract = getattr(function, "__losszoo_row__", None)
        if contract is not None:
            defaults = {param.name: param.default for param in spec.params}
            assert (defaults["similarity"], defaults["temperature"]) == (
                contract.similarity,
                contract.temperature,
            )
