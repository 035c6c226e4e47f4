"""Reducers: which values count, by hand, and that any loss takes them with weights, masks, banks and blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import losszoo
from losszoo import UsageError
from losszoo.losses.reducing.reducers import REDUCERS, SHARE
from losszoo.losses.sums.words import REDUCERS as NAMES
from losszoo.registry.compatibility import OF_EVERY_LOSS

X, T = torch.tensor([0.0, 1.0, 3.0, 0.5, 0.0]), torch.zeros(5)
# Six rows of three classes; a hinge of 0 for some of them.
POINTS = torch.tensor([[0.0], [1.0], [1.5], [2.5], [9.0], [9.5]])
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def reduced(name: str, *inputs: Tensor, **options: Any) -> float:
    how = {key: options.pop(key) for key in ("weight", "mask") if key in options}
    return float(losszoo.create(name, **options)(*inputs, **how))


def test_only_values_above_0_count() -> None:
    assert reduced("mae", X, T, reducer="nonzero") == pytest.approx(4.5 / 3)
    assert reduced("mae", T, T, reducer="nonzero") == 0
    values = losszoo.create("triplet-batch-hard", reduction="none")(POINTS, LABELS)
    assert 0 < (values > 0).sum() < 6
    expected = values[values > 0].mean().item()
    assert reduced("triplet-batch-hard(reducer=nonzero)", POINTS, LABELS) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "expected"), [(0.2, 3.0), (0.21, 2.0), (0.4, 2.0), (0.6, 1.5), (1.0, 0.9)])
def test_the_hardest_share_rounded_up(share: float, expected: float) -> None:
    assert reduced("mae", X, T, reducer="hardest", reducer_share=share) == pytest.approx(expected)


def test_hard_pixels_are_those_of_a_sort() -> None:
    """Online hard example mining on labels of pixels, beside torch's topk; an ignored pixel is none."""
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(40).view(2, 4, 5) % 4 - 1
    values = functional.cross_entropy(logits, labels, ignore_index=-1, reduction="none")
    expected = values.flatten().topk(8).values.mean()  # a quarter of the 30 that have a label
    found = losszoo.create("cross-entropy", reducer="hardest", reducer_share=0.25, ignore_index=-1)(logits, labels)
    torch.testing.assert_close(found, expected)
    grads = [torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (found, expected)]
    torch.testing.assert_close(*grads)


def test_a_batch_mean_divides_by_samples() -> None:
    """As torch's batchmean: the sum of all elements over the first dimension."""
    x = torch.arange(6.0).view(2, 3)
    assert reduced("mae", x, torch.zeros(2, 3), reducer="batch-mean") == 7.5
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert reduced("mae", x, torch.zeros(2, 3), reducer="batch-mean", mask=mask) == 1.0
    # A row that takes no part is a sample all the same.
    alone = torch.tensor([0, 0, 1])
    values = losszoo.create("sup-con", reduction="none")(POINTS[:3], alone)
    assert reduced("sup-con", POINTS[:3], alone, reducer="batch-mean") == pytest.approx(values.sum().item() / 3)


def test_each_class_counts_once() -> None:
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    values = functional.cross_entropy(logits, labels, reduction="none")
    expected = sum(values[labels == k].mean() for k in range(3)) / 3
    assert reduced("cross-entropy", logits, labels, reducer="per-class") == pytest.approx(float(expected))
    # A class of which no row takes part is none.
    points, rows = torch.randn(7, 2, generator=torch.Generator().manual_seed(1)), labels
    each = losszoo.create("sup-con", reduction="none")(points, rows)
    by_hand = (each[:4].mean() + each[4:6].mean()) / 2
    assert reduced("sup-con(reducer=per-class)", points, rows) == pytest.approx(float(by_hand))


@pytest.mark.parametrize("reducer", [name for name in NAMES if name != "all"])
def test_blocks_views_banks_and_sums_are_reduced_too(reducer: str) -> None:
    points = torch.randn(800, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(800) % 20
    found = []
    for way in (losszoo.Streaming(memory=1), losszoo.Streaming(dense=True)):
        x = points.clone().requires_grad_()
        value = losszoo.create("sup-con", reducer=reducer, streaming=way)(x, labels)
        found.append((value.detach(), torch.autograd.grad(value, x)[0]))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected)
    bank = losszoo.MemoryBank("triplet-all", size=8, reducer=reducer)
    assert bank(points[:8], labels[:8]).isfinite()
    total = losszoo.create(f"0.5*sup-con(reducer={reducer}) + nca-stable")(points, labels)
    parts = losszoo.create("nca-stable")(points, labels) + 0.5 * found[0][0]
    torch.testing.assert_close(total, parts)
    if reducer != "per-class":
        assert losszoo.create("nt-xent", reducer=reducer)(points[:9], points[9:18]) > 0


def test_weights_and_masks_go_with_a_reducer() -> None:
    weight = torch.tensor([1.0, 2.0, 1.0, 4.0, 1.0])
    # 1, 3 and 0.5 are above 0: (2 * 1 + 1 * 3 + 4 * 0.5) / 7.
    assert reduced("mae", X, T, reducer="nonzero", weight=weight) == pytest.approx(1.0)
    mask = torch.tensor([True, True, False, True, True])
    assert reduced("mae", X, T, reducer="hardest", reducer_share=0.5, mask=mask) == pytest.approx(0.75)
    rows, kept = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)), torch.arange(6) != 2
    for name in ("nonzero", "hardest", "batch-mean", "per-class"):
        left = reduced("sup-con", rows, LABELS, reducer=name, mask=kept)
        assert left == pytest.approx(reduced("sup-con", rows[kept], LABELS[kept], reducer=name))


def test_parts_of_a_batch_add_up_where_each_value_is_judged_alone() -> None:
    inputs = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    able = {name: losszoo.create("cross-entropy", reducer=name).adds_up(*inputs) for name in NAMES}
    assert able == {"all": True, "nonzero": True, "hardest": False, "batch-mean": True, "per-class": False}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losszoo.create("mae(reducer=best)"), "mae: reducer must be one of all, nonzero, hardest, "),
        (lambda: losszoo.create("mae", reducer_share=0.0), r"mae: reducer_share must be in \(0, 1\], got 0"),
        (lambda: losszoo.create(functional.l1_loss, signature="regression", reducer="no"), "reducer must be one of"),
        (lambda: reduced("mae", X, T, reducer="per-class"), "reducer must be another one where values have no label"),
        (lambda: reduced("dice(over=batch)", *[torch.zeros(1, 1, 2, 2)] * 2, reducer="nonzero"), "made of all samples"),
        (lambda: setattr(losszoo.create("mae"), "reducer", "nonzero"), "reducer must be given where the loss is made"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_the_names_are_those_of_the_functions() -> None:
    assert ("all", *REDUCERS) == NAMES == OF_EVERY_LOSS["reducer"].choices
    assert OF_EVERY_LOSS["reducer_share"].default == SHARE
