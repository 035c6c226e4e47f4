"""The metric family, against distances by hand, torch's own losses, mpmath and plain enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from hard import HARD
from torch import Tensor

from losszoo import Unreduced, list_losses, pairwise_logits
from losszoo_plugins.metric.mining import triplet_all, triplet_batch_hard, triplet_semi_hard
from losszoo_plugins.metric.pairs import contrastive, distance
from losszoo_plugins.metric.softmax import info_nce, sup_con
from losszoo_plugins.metric.triplets import triplet

SPECS = list_losses(plugin="metric")

Dense = Callable[..., Unreduced]
COMPILED = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
MINED = [triplet_batch_hard, triplet_semi_hard, triplet_all]
EMBEDDING = pytest.mark.parametrize("loss", [*MINED, sup_con], ids=lambda loss: loss.__name__)

# Four points of a line; the distances from each, by hand: 0: 1 | 3 7. 1: 1 | 2 6. 3: 4 | 3 2. 7: 4 | 7 6.
LINE = torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=torch.float64)
PAIRS = torch.tensor([0, 0, 1, 1])


# Pairs


@pytest.mark.parametrize("same_as", [torch.bool, torch.int64, torch.float32])
def test_contrastive_by_hand(same_as: torch.dtype) -> None:
    """Distances 5, 5, 0.5, 0.5, 0 and 0 at a margin of 2."""
    second = torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.3, 0.4], [0.3, 0.4], [0.0, 0.0], [0.0, 0.0]])
    same = torch.tensor([1, 0, 1, 0, 1, 0]).to(same_as)
    values = contrastive(torch.zeros(6, 2), second, same, margin=2.0)
    assert values.tolist() == pytest.approx([12.5, 0.0, 0.125, 1.125, 0.0, 2.0])


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-3, 1e4, 1e18, 1e30])
def test_distance_at_every_scale(scale: float) -> None:
    """Pythagoras, and the gradient is the unit vector, or 0 where there is none."""
    first = (torch.tensor([[3.0, -4.0]]) * scale).requires_grad_()
    far = distance(first, torch.zeros(1, 2))
    (gradient,) = torch.autograd.grad(far.sum(), first)
    assert far.tolist() == [pytest.approx(5 * scale)]
    assert gradient.tolist() == [pytest.approx([0.6, -0.8] if scale else [0.0, 0.0])]


def test_strangers_too_far_apart_to_square() -> None:
    first = torch.full((2, 2), 1e30, requires_grad=True)
    values = contrastive(first, torch.zeros(2, 2), torch.tensor([0, 0]))
    assert values.tolist() == [0.0, 0.0]
    assert torch.autograd.grad(values.sum(), first)[0].tolist() == [[0.0, 0.0]] * 2


@pytest.mark.parametrize("margin", [1e-6, 0.3, 2.0])
def test_triplet_is_that_of_torch(margin: float) -> None:
    generator = torch.Generator().manual_seed(0)
    triple = [torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(3)]
    expected = torch.nn.TripletMarginLoss(margin=margin, eps=0.0, reduction="none")(*triple)
    torch.testing.assert_close(triplet(*triple, margin=margin), expected)


def test_triplet_by_hand() -> None:
    """Distances (5, 5.5), (0, 0) and (1, 10) at a margin of 1."""
    positives = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    negatives = torch.tensor([[0.0, 5.5], [0.0, 0.0], [6.0, 8.0]])
    anchors = torch.zeros(3, 2, requires_grad=True)
    values = triplet(anchors, positives, negatives)
    assert values.tolist() == [0.5, 1.0, 0.0]
    # The unit vectors (a - p) - (a - n) of the first; nothing for the duplicates and for the satisfied one.
    (gradient,) = torch.autograd.grad(values.sum(), anchors)
    torch.testing.assert_close(gradient, torch.tensor([[-0.6, 0.2], [0.0, 0.0], [0.0, 0.0]]))


@pytest.mark.parametrize("scale", [1e-30, 1e4, 1e30])
def test_triplet_stays_finite(scale: float) -> None:
    anchors = (torch.randn(8, 3, generator=torch.Generator().manual_seed(0)) * scale).requires_grad_()
    values = triplet(anchors, anchors.detach().roll(1, 0), anchors.detach())
    (gradient,) = torch.autograd.grad(values.sum(), anchors)
    assert bool(values.isfinite().all())
    assert bool(gradient.isfinite().all())


def test_gradients_of_pairs_and_triplets() -> None:
    generator = torch.Generator().manual_seed(0)
    triple = [torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]
    same = torch.tensor([1, 0, 1, 0, 1, 0])
    assert torch.autograd.gradcheck(lambda a, b: contrastive(a, b, same, margin=3.0), triple[:2])
    assert torch.autograd.gradcheck(lambda *x: triplet(*x), triple)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_pair_and_one(rows: int) -> None:
    empty = torch.zeros(rows, 4)
    assert contrastive(empty, empty, torch.ones(rows)).shape == (rows,)
    assert triplet(empty, empty, empty).shape == (rows,)


# Triplets mined in the batch


@pytest.mark.parametrize(
    ("loss", "options", "values", "counts"),
    [
        (triplet_batch_hard, {}, [0.0, 0.0, 3.0, 0.0], [1, 1, 1, 1]),
        (triplet_batch_hard, {"margin": 2.5}, [0.5, 1.5, 4.5, 0.5], [1, 1, 1, 1]),
        # No negative of 3 is beyond its positive (4), so it takes the furthest (3).
        (triplet_semi_hard, {"margin": 2.5}, [0.5, 1.5, 3.5, 0.5], [1, 1, 1, 1]),
        (triplet_all, {"margin": 2.5}, [0.5, 1.5, 8.0, 0.5], [2, 2, 2, 2]),
        (triplet_all, {"margin": 2.5, "average": "nonzero"}, [0.5, 1.5, 8.0, 0.5], [1, 1, 2, 1]),
        (triplet_all, {"margin": 0.0, "average": "nonzero"}, [0.0, 0.0, 3.0, 0.0], [0, 0, 2, 0]),
    ],
)
def test_mining_by_hand(
    loss: Any, options: dict[str, Any], values: list[float], counts: list[int], dense: Dense
) -> None:
    result = dense(loss, LINE, PAIRS, **options)
    assert result.values.tolist() == pytest.approx(values)
    assert result.counts.tolist() == counts


def _enumerate(logits: Tensor, labels: list[int], margin: float) -> dict[Any, list[tuple[float, float]]]:
    """Sum and count of each row, by going through its triplets one by one."""
    rows: dict[Any, list[tuple[float, float]]] = {loss: [] for loss in (*MINED, "nonzero")}
    for i, distances in enumerate((-logits).tolist()):
        near = [d for j, d in enumerate(distances) if labels[j] == labels[i] and j != i]
        far = [d for j, d in enumerate(distances) if labels[j] != labels[i]]
        if not near or not far:
            for sums in rows.values():
                sums.append((0.0, 0.0))
            continue
        hinges = [max(0.0, p - n + margin) for p, n in itertools.product(near, far)]
        beyond = [min((n for n in far if n > p), default=max(far)) for p in near]
        rows[triplet_batch_hard].append((max(0.0, max(near) - min(far) + margin), 1.0))
        semi = sum(max(0.0, p - n + margin) for p, n in zip(near, beyond, strict=True))
        rows[triplet_semi_hard].append((semi, float(len(near))))
        rows[triplet_all].append((sum(hinges), float(len(hinges))))
        rows["nonzero"].append((sum(hinges), float(sum(h > 0 for h in hinges))))
    return rows


@pytest.mark.parametrize("similarity", ["euclidean", "squared-euclidean", "cosine", "dot"])
@pytest.mark.parametrize("margin", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("kind", ["drawn", "ties", "lonely"])
def test_mining_is_the_enumeration(kind: str, margin: float, similarity: str, dense: Dense) -> None:
    """On whole-number coordinates half of all distances are tied; "lonely" has classes of one row."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(24, 3, generator=generator, dtype=torch.float64)
    points = points.round() if kind == "ties" else points
    labels = torch.randint(0, 12 if kind == "lonely" else 3, (24,), generator=generator)
    expected = _enumerate(pairwise_logits(points, points, similarity), labels.tolist(), margin)
    for name, rows in expected.items():
        loss, options = (triplet_all, {"average": "nonzero"}) if name == "nonzero" else (name, {})
        result = dense(loss, points, labels, margin=margin, similarity=similarity, **options)
        assert result.values.tolist() == pytest.approx([value for value, _ in rows], abs=1e-9)
        # At margin 0 a tie is a hinge of exactly 0 in both.
        assert result.counts.tolist() == [count for _, count in rows]


def test_all_triplets_do_not_cancel_in_float32() -> None:
    """A thousand negatives just within a reach of 1e4: in float32 their prefix sum drowns the hinges."""
    negatives = 1e4 + torch.arange(1000) * 2.0**-10
    logits = -torch.cat([torch.tensor([1e4]), negatives]).unsqueeze(0)
    positive = torch.zeros(1, 1001, dtype=torch.bool)
    positive[0, 0] = True
    values, counts = triplet_all(logits, positive, ~positive, margin=1.0, average="nonzero")
    # Sum of 1 - k / 1024 over k = 0 .. 999.
    assert values.tolist() == [pytest.approx(1000 - 999 * 1000 / 2 / 1024, rel=1e-6)]
    assert counts.tolist() == [1000.0]


# Softmax


def test_info_nce_is_cross_entropy(dense: Dense) -> None:
    """torch's cross-entropy on torch's cosine similarities."""
    generator = torch.Generator().manual_seed(0)
    queries, keys = (torch.randn(9, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    cosines = torch.nn.functional.cosine_similarity(queries.unsqueeze(1), keys, dim=2)
    expected = torch.nn.functional.cross_entropy(cosines / 0.1, torch.arange(9), reduction="none")
    torch.testing.assert_close(dense(info_nce, queries, keys).values, expected)


def test_info_nce_keeps_its_gradient_at_low_temperature(dense: Dense) -> None:
    """Temperature 0.01, two keys: -log p = log(1 + e^-o) and its slope by mpmath, right and wrong."""
    for odds in (-200.0, 200.0):
        row = torch.tensor([[0.0, odds]], requires_grad=True)
        value = info_nce(row, torch.tensor([[True, False]]), torch.tensor([[False, True]]))
        (gradient,) = torch.autograd.grad(value.sum(), row)
        with mpmath.workdps(50):
            expected = [float(f(mpmath.exp(odds))) for f in (lambda x: mpmath.log(1 + x), lambda x: x / (1 + x))]
        assert [value.item(), gradient[0, 1].item()] == pytest.approx(expected, abs=1e-37)


def test_one_view_has_nothing_to_tell_apart(dense: Dense) -> None:
    assert dense(info_nce, torch.ones(1, 3), torch.ones(1, 3)).values.tolist() == [0.0]


def test_sup_con_by_its_definition(dense: Dense) -> None:
    """mpmath at 50 digits on the given logits."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    labels = [0, 0, 0, 1, 1, 2, 1]
    logits = pairwise_logits(points, points, "cosine", 0.1).tolist()
    expected = []
    with mpmath.workdps(50):
        for i in range(7):
            others = [j for j in range(7) if j != i]
            partners = [j for j in others if labels[j] == labels[i]]
            total = mpmath.fsum(mpmath.exp(logits[i][j]) for j in others)
            terms = [-mpmath.log(mpmath.exp(logits[i][p]) / total) for p in partners]
            expected.append(float(mpmath.fsum(terms) / max(1, len(terms))))
    values, counts = dense(sup_con, points, torch.tensor(labels))
    assert values.tolist() == pytest.approx(expected, rel=1e-12)
    assert counts.tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]


def test_sup_con_ends_at_the_logarithm_of_the_partners(dense: Dense) -> None:
    """Three equal rows far from all others: log 2."""
    points = torch.tensor([[1.0, 0.0]] * 3 + [[-1.0, 0.0]] * 3)
    values, _ = dense(sup_con, points, torch.tensor([0, 0, 0, 1, 1, 1]), temperature=0.01)
    assert values.tolist() == pytest.approx([0.6931471805599453] * 6)


# All of them


@EMBEDDING
@pytest.mark.parametrize("similarity", ["euclidean", "squared-euclidean", "dot"])
@pytest.mark.parametrize("scale", [1e15, 1e30])
def test_huge_embeddings(loss: Any, similarity: str, scale: float, dense: Dense) -> None:
    """In float64 where float32 can hold that; beyond, huge where that is."""
    points = torch.tensor([[-1.0, 0.3], [1.0, 0.4], [0.2, 1.0], [0.5, -0.8]]).mul(scale).requires_grad_()
    values, counts = dense(loss, points, PAIRS, similarity=similarity)
    expected, expected_counts = dense(loss, points.detach().double(), PAIRS, similarity=similarity)
    assert counts.tolist() == expected_counts.tolist()
    if scale < 1e18 or similarity == "euclidean":
        torch.testing.assert_close(values, expected.float())
    else:
        assert bool(((values > 1e30) == (expected > 1e30)).all())
    (gradient,) = torch.autograd.grad(values.sum(), points)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize(
    "case", ["duplicates", "zero rows", "1e4 apart", "1e15 apart", "1e30 apart", "one row", "no row"]
)
def test_info_nce_stays_finite(case: str, dense: Dense) -> None:
    queries = HARD[case][0].clone().requires_grad_()
    values, _ = dense(info_nce, queries, HARD[case][0].flip(0), temperature=0.01)
    (gradient,) = torch.autograd.grad(values.sum(), queries)
    assert bool(values.isfinite().all())
    assert bool(gradient.isfinite().all())


@EMBEDDING
def test_gradient(loss: Any, dense: Dense) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(8, 3, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])
    assert torch.autograd.gradcheck(lambda x: dense(loss, x, labels).values, (points,))


def test_gradient_of_info_nce(dense: Dense) -> None:
    generator = torch.Generator().manual_seed(0)
    views = [torch.randn(5, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(lambda q, k: dense(info_nce, q, k).values, views)


@COMPILED
@pytest.mark.parametrize("loss", [*MINED, sup_con, info_nce], ids=lambda loss: loss.__name__)
def test_compiles_without_a_break(loss: Any) -> None:
    logits = pairwise_logits(LINE, LINE).requires_grad_()
    same = PAIRS.unsqueeze(1) == PAIRS
    positive, negative = same & ~torch.eye(4, dtype=torch.bool), ~same
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(logits, positive, negative)
    expected = loss(logits, positive, negative)
    torch.testing.assert_close(compiled, expected)
    sums = [(x.values if isinstance(x, Unreduced) else x).sum() for x in (compiled, expected)]
    torch.testing.assert_close(*(torch.autograd.grad(x, logits)[0] for x in sums))
    strided = logits.T.contiguous().T
    torch.testing.assert_close(loss(strided, positive.T, negative.T), expected)


def test_pairs_and_triplets_compile_without_a_break() -> None:
    for loss, last in ((contrastive, torch.ones(4)), (triplet, LINE.flip(0))):
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(LINE, LINE.roll(1, 0), last), loss(LINE, LINE.roll(1, 0), last))


def test_specs_name_what_exists() -> None:
    for spec in SPECS:
        module, name = spec.target.split(":")
        function = getattr(__import__(module, fromlist=[name]), name)
        contract = getattr(function, "__losszoo_row__", None)
        if contract is None:
            continue
        defaults = {param.name: param.default for param in spec.params}
        assert defaults.get("similarity") == getattr(contract, "similarity", None)
        assert defaults.get("temperature") == getattr(contract, "temperature", None)


@pytest.mark.parametrize("margin", [1e-6, 0.3, 2.0])
def test_swapped_triplets_are_those_of_torch(margin: float) -> None:
    generator = torch.Generator().manual_seed(0)
    triple = [torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(3)]
    expected = torch.nn.TripletMarginLoss(margin=margin, eps=0.0, swap=True, reduction="none")(*triple)
    torch.testing.assert_close(triplet(*triple, margin=margin, swap=True), expected)
    assert not torch.equal(triplet(*triple, margin=margin), expected)


@pytest.mark.parametrize("swap", [False, True])
def test_triplets_by_other_distances_are_those_of_torch(swap: bool) -> None:
    """torch's loss with a distance function, and its own cosine."""
    generator = torch.Generator().manual_seed(1)
    triple = [torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(3)]
    ways: dict[str, Callable[..., Tensor]] = {
        "cosine": lambda a, b: 1 - torch.cosine_similarity(a, b, eps=0.0),
        "squared-euclidean": lambda a, b: (a - b).square().sum(1),
        "dot": lambda a, b: -(a * b).sum(1),
        "euclidean": lambda a, b: (a - b).norm(dim=1),
    }
    for similarity, way in ways.items():
        peer = torch.nn.TripletMarginWithDistanceLoss(distance_function=way, swap=swap, reduction="none")
        found = triplet(*triple, similarity=similarity, swap=swap)  # type: ignore[arg-type]
        torch.testing.assert_close(found, peer(*triple))
        same = torch.arange(20) % 2
        d = way(*triple[:2])
        expected = torch.where(same == 1, d**2, (1 - d).relu() ** 2) / 2
        torch.testing.assert_close(contrastive(*triple[:2], same, similarity=similarity), expected)  # type: ignore[arg-type]
