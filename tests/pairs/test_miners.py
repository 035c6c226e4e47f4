"""Miners: which pairs remain, against pytorch-metric-learning 2.9; and that any loss over pairs takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.losses.sums.words import MINERS as NAMES
from losszoo.pairs.miners import MINERS, Miner
from losszoo.registry.compatibility import OF_PAIRS

pytest.importorskip("pytorch_metric_learning")
from pytorch_metric_learning import distances, losses, miners, reducers

LABELS = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4])
COSINE, EUCLIDEAN = distances.CosineSimilarity(), distances.LpDistance(normalize_embeddings=False)
BOTH = pytest.mark.parametrize(("similarity", "distance"), [("cosine", COSINE), ("euclidean", EUCLIDEAN)])


def rows(seed: int = 0, count: int = 15) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def chosen(name: Any, points: Tensor, labels: Tensor, similarity: str, margin: float = 0.1) -> list[Tensor]:
    """The masks of the whole matrix, for logits that were divided by a temperature."""
    logits = losszoo.pairwise_logits(points, points, similarity, 0.25)
    same, others = labels.unsqueeze(1) == labels, ~torch.eye(len(labels), dtype=torch.bool)
    return list(Miner(name, margin, similarity, 0.25, points.shape[1])(logits, same & others, ~same))


def as_mask(count: int, *pairs: Tensor) -> Tensor:
    mask = torch.zeros(count, count, dtype=torch.bool)
    mask[pairs] = True
    return mask


@BOTH
@pytest.mark.parametrize("margin", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_multi_similarity_chooses_the_pairs_of_pml(similarity: str, distance: Any, margin: float, seed: int) -> None:
    a, p, b, n = miners.MultiSimilarityMiner(margin, distance=distance)(rows(seed), LABELS)
    near, far = chosen("multi-similarity", rows(seed), LABELS, similarity, margin)
    assert torch.equal(near, as_mask(15, a, p))
    assert torch.equal(far, as_mask(15, b, n))


@BOTH
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("hard", lambda distance: miners.BatchHardMiner(distance=distance)),
        ("easy-positive", lambda distance: miners.BatchEasyHardMiner("easy", "hard", distance=distance)),
        ("semi-hard", lambda distance: miners.BatchEasyHardMiner("easy", "semihard", distance=distance)),
    ],
)
def test_one_pair_of_each_kind_is_that_of_pml(name: str, peer: Any, similarity: str, distance: Any, seed: int) -> None:
    a, p, *rest = peer(distance)(rows(seed), LABELS)
    n = rest[-1]
    near, far = chosen(name, rows(seed), LABELS, similarity)
    whole = near.any(1) & far.any(1)
    assert torch.equal(whole, as_mask(15, a, p).any(1))
    assert torch.equal(near[whole], as_mask(15, a, p)[whole])
    assert torch.equal(far[whole], as_mask(15, a, n)[whole])


def test_negatives_are_drawn_by_their_distance() -> None:
    """On a sphere the weights flatten the distances: of those from 0.5 to 1.4 each tenth is drawn about as often.

    Of 16 dimensions 98 of 100 pairs are beyond 1.0, and the drawn ones of a row are as many as its positives.
    """
    points = torch.nn.functional.normalize(torch.randn(1500, 16, generator=torch.Generator().manual_seed(0)))
    labels = torch.arange(1500) % 150
    near, far = chosen("distance-weighted", points, labels, "euclidean")
    same = labels.unsqueeze(1) == labels
    apart = torch.cdist(points, points)
    assert torch.equal(near, same & ~torch.eye(1500, dtype=torch.bool))
    assert torch.equal(far.sum(1), near.sum(1))
    assert not (far & same).any()
    assert apart[far].max() < 1.4
    assert (apart[~same] < 1.0).float().mean() < 0.05
    assert (apart[far] < 1.0).float().mean() > 0.4
    # Cosines and squares say the same distances.
    for similarity in ("cosine", "squared-euclidean"):
        others = chosen("distance-weighted", points, labels, similarity)[1]
        assert (apart[others] < 1.0).float().mean() > 0.4
    with pytest.raises(UsageError, match="with similarity dot, which says no distance"):
        chosen("distance-weighted", points[:4], labels[:4], "dot")


@pytest.mark.parametrize("name", ["multi-similarity", "sup-con"])
def test_a_mined_loss_is_that_of_pml(name: str) -> None:
    points, labels = rows(), LABELS[:14]
    points = points[:14]
    mined = miners.MultiSimilarityMiner()(points, labels)
    peer = losses.MultiSimilarityLoss() if name == "multi-similarity" else losses.SupConLoss(temperature=0.1)
    peer.reducer = reducers.MeanReducer()
    for x in (points, points.clone().requires_grad_()):
        # It divides by all rows, whether or not they have a pair left.
        ours = losszoo.create(name, miner="multi-similarity", reducer="batch-mean")(x, labels)
        torch.testing.assert_close(ours, peer(x, labels, mined), rtol=1e-9, atol=1e-9)
    expected = torch.autograd.grad(peer(x, labels, mined), x)
    torch.testing.assert_close(torch.autograd.grad(ours, x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("miner", [name for name in NAMES if name != "all"])
@pytest.mark.parametrize(
    "name", ["sup-con", "nca-stable", "multi-similarity", "circle", "margin", "triplet-all", "modern-nca"]
)
def test_any_loss_over_pairs_takes_any_miner_and_streams_it(name: str, miner: str) -> None:
    """900 rows in blocks are the whole matrix; gradients too."""
    points, labels = torch.nn.functional.normalize(rows(count=900)), torch.arange(900) % 30
    extra: tuple[Any, ...] = ()
    if losszoo.create(name).signature == "neighbors":
        extra = (points.flip(0) + 0.1, labels.flip(0), torch.full((900,), -1))
    found = []
    for way in (losszoo.Streaming(memory=1), losszoo.Streaming(dense=True)):
        x = points.clone().requires_grad_()
        value = losszoo.create(name, miner=miner, streaming=way).double()(x, labels, *extra)
        found.append((value.detach(), torch.autograd.grad(value, x)[0]))
    assert found[0][0] != 0
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-9)


def test_a_miner_of_ones_own() -> None:
    def within(similarities: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        assert not similarities.requires_grad
        return positive, negative & (similarities > 0.5)

    points = rows()
    value = losszoo.create("sup-con", miner=within, temperature=0.3)(points, LABELS)
    units = torch.nn.functional.normalize(points)

    def relation(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        same = a.unsqueeze(1) == b
        return same, ~same & (units @ units.T > 0.5)

    expected = losszoo.create("sup-con", temperature=0.3, relation=relation)(points, LABELS)
    torch.testing.assert_close(value, expected)
    for wrong in (lambda s, p, n: p, lambda s, p, n: (p, n[:1]), lambda s, p, n: (p.float(), n)):
        with pytest.raises(UsageError, match="miner must return two boolean tensors of shape"):
            losszoo.create("sup-con", miner=wrong)(points, LABELS)


def test_a_row_without_a_pair_left_takes_no_part() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0], [11.0]], requires_grad=True)
    loss = losszoo.create("triplet-batch-hard", miner="multi-similarity", empty="nan")
    # Every negative is 9 further away than the positive.
    assert loss(points, torch.tensor([0, 0, 1, 1])).isnan()
    wide = losszoo.create("triplet-batch-hard", miner="multi-similarity", miner_margin=8.5)
    assert wide.count(points, torch.tensor([0, 0, 1, 1])) == 2  # 1 and 10, which are 9 apart


def test_miners_go_with_views_banks_masks_and_learned_temperatures() -> None:
    points, other = rows(), rows(1)
    losszoo.create("clip", miner="multi-similarity")(points, other).backward()
    bank = losszoo.MemoryBank("sup-con(miner=multi-similarity)", size=15)
    assert bank(points, LABELS) > 0
    assert bank(points, LABELS) > 0
    mask = torch.arange(15) % 3 > 0
    loss = losszoo.create("circle(miner=hard)")
    torch.testing.assert_close(loss(points, LABELS, mask=mask), loss(points[mask], LABELS[mask]))
    for text in ("0.5*circle(miner=hard) + nca-stable", "uncertainty(circle(miner=hard), nca-stable)"):
        assert losszoo.create(text)(points, LABELS).isfinite()
    loss.miner = "all"
    torch.testing.assert_close(loss(points, LABELS), losszoo.create("circle")(points, LABELS))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losszoo.create("sup-con(miner=hardest)"), "sup-con: miner must be one of all, multi-similarity, "),
        (lambda: losszoo.create("sup-con", miner_margin=-1.0), r"sup-con: miner_margin must be in \[0, inf\), got -1"),
        (lambda: losszoo.create("mse", miner="hard"), "mse has no parameter 'miner'"),
        (lambda: losszoo.create("smooth-ap", miner="hard"), "smooth-ap has no parameter 'miner'"),
        (lambda: losszoo.create("lifted-structure", miner="hard"), "lifted-structure has no parameter 'miner'"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_the_names_are_those_of_the_functions() -> None:
    assert ("all", *MINERS) == NAMES == OF_PAIRS["miner"].choices
