"""Masks of one block: bands, own places, and what is left out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from losszoo.pairs import streaming
from losszoo.pairs.pair_labels import PairLabels
from losszoo.pairs.softmax_block import Masks, SelfColumn

LABELS = torch.tensor([5, 1, 1, 5, 5, 9, 1, 1, 5])
ROWS = torch.arange(9)


def as_pairs(masks: Masks, columns: int) -> tuple[Tensor, Tensor]:
    """Boolean (rows, columns) masks that the factors and bands mean."""
    there = torch.zeros(masks.rows, columns)
    positive, negative = there.clone(), there + 1
    band = slice(masks.start, masks.stop)
    positive[:, band] = 1 if masks.positive is None else masks.positive
    negative[:, band] = 0 if masks.negative is None else masks.negative
    for mask in (positive, negative):
        masks.fill_own(mask, 0.0)
    return positive > 0, negative > 0


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("class_rows", [1, 3, 100])
@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_blocks_hold_every_pair_once(
    diagonal: bool, class_rows: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "TUNING", streaming.Tuning(sort_from=0, class_rows=class_rows))
    columns = LABELS if diagonal else torch.tensor([1, 9, 5, 5, 2, 1])
    own = None if diagonal else torch.tensor([-1, 5, 0, 3, 0, 1, -1, 2, 4])
    pair_labels = PairLabels(LABELS, columns, own, diagonal=diagonal)
    expected = pair_labels.pairs(slice(0, 9))
    ordered = pair_labels.sorted()
    assert ordered.row_order is not None
    assert ordered.column_order is not None
    seen = []
    for block, masks in ordered.blocks(size, torch.float64):
        assert masks.rows == block.stop - block.start <= size
        seen += range(block.start, block.stop)
        rows = ordered.row_order[block]
        for found, whole in zip(as_pairs(masks, len(columns)), expected, strict=True):
            assert torch.equal(found, whole[rows][:, ordered.column_order])
    assert seen == list(range(9))


def test_what_is_not_sorted() -> None:
    """Few pairs, none, labels that are no whole numbers, and a relation that may look at their order."""
    few = PairLabels(LABELS, LABELS, diagonal=True)
    assert few.sorted() is few
    many = torch.zeros(800, dtype=torch.int64)
    assert PairLabels(many, many, diagonal=True).sorted().row_order is not None
    for labels in (many.double(), torch.zeros(800, 3, dtype=torch.int64)):
        pair_labels = PairLabels(labels, labels, diagonal=True)
        assert pair_labels.sorted() is pair_labels
    related = PairLabels(many, many, diagonal=True, relation=lambda rows, columns: rows.unsqueeze(1) == columns)
    assert related.sorted() is related
    nobody = PairLabels(many, many[:0])
    assert nobody.sorted() is nobody


def test_own_places() -> None:
    matrix = torch.zeros(3, 5)
    SelfColumn(start=1).fill(matrix, 1.0)
    SelfColumn(columns=torch.tensor([-1, 0, 4])).fill(matrix, 2.0)
    assert matrix.tolist() == [[0, 1, 0, 0, 0], [2, 0, 1, 0, 0], [0, 0, 0, 1, 2]]
    within = SelfColumn(columns=torch.tensor([-1, 0, 4])).inside(2, 5).columns
    assert within is not None
    assert within.tolist() == [-1, -1, 2]
    assert SelfColumn(start=4).inside(2, 5).start == 2
    SelfColumn(columns=torch.tensor([-1, -1, -1])).fill(torch.zeros(3, 0), 1.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("band", [(0, 6), (1, 4), (2, 2)])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_best_of_each_kind(sign: float, band: tuple[int, int], mixed: bool) -> None:
    measure = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    start, stop = band
    positive = torch.rand(4, stop - start, generator=torch.Generator().manual_seed(1)) < 0.5
    factors = (positive.float(), (~positive).float()) if mixed else (None, None)
    masks = Masks(4, start, stop, None, *factors)
    for found, mask in zip(
        (masks.nearest(measure, sign), masks.furthest(measure, sign)), as_pairs(masks, 6), strict=True
    ):
        best = (measure * sign).masked_fill(~mask, -torch.inf).amax(1, keepdim=True) * sign
        there = mask.any(1)
        assert torch.equal(found[there], best[there])
        assert bool(found.isfinite().all())
    if mixed or stop > start:
        total = torch.where(as_pairs(masks, 6)[0], measure, 0.0).sum(1, keepdim=True)
        torch.testing.assert_close(masks.positive_sum(masks.inside(measure)), total)
    others = torch.where(as_pairs(masks, 6)[1], measure, 0.0).sum(1, keepdim=True)
    torch.testing.assert_close(masks.negative_sum(measure), others)


def test_counts_of_positives_leave_out_the_row_itself() -> None:
    like = torch.zeros(())
    assert Masks(2, 1, 4, SelfColumn(1)).positive_counts(like).tolist() == [[2.0], [2.0]]
    assert Masks(2, 1, 4, SelfColumn(columns=torch.tensor([0, -1]))).positive_counts(like).tolist() == [[3.0], [3.0]]
    assert Masks(2, 1, 2, SelfColumn(columns=torch.tensor([1, -1]))).positive_counts(like).tolist() == [[1.0], [1.0]]
    alone = Masks(2, 0, 2, None, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert alone.positive_counts(like).tolist() == [[1.0], [2.0]]


def test_slopes_stay_on_their_pairs() -> None:
    masks = Masks(2, 1, 3, None, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    terms = torch.ones(2, 4)
    masks.scale(terms, torch.tensor([[2.0], [3.0]]), torch.tensor([[-5.0], [-7.0]]))
    assert terms.tolist() == [[-5.0, 2.0, -5.0, -5.0], [-7.0, 0.0, -7.0, -7.0]]
    masks.add_to_positives(terms, torch.tensor([[10.0], [10.0]]))
    assert terms.tolist() == [[-5.0, 12.0, -5.0, -5.0], [-7.0, 0.0, -7.0, -7.0]]
