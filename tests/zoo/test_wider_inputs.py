"""Inputs of a signature beyond the plainest: graded similarity of pairs, several views of each thing."""

from __future__ import annotations

import pytest
import torch

import losszoo


@pytest.mark.parametrize(
    ("same", "expected"),
    # Distance 0.6 and margin 1: s 0.36 / 2 + (1 - s) 0.16 / 2.
    [(1.0, 0.18), (0.0, 0.08), (0.25, 0.105), (0.5, 0.13)],
)
def test_contrastive_takes_a_degree_of_similarity(same: float, expected: float) -> None:
    first, second = torch.zeros(1, 2), torch.tensor([[0.6, 0.0]])
    assert losszoo.create("contrastive")(first, second, torch.tensor([same])).item() == pytest.approx(expected)


def test_what_has_no_weight_is_not_squared() -> None:
    first = torch.zeros(1, 2, requires_grad=True)
    value = losszoo.create("contrastive")(first, torch.tensor([[1e30, 0.0]]), torch.tensor([0.0]))
    value.backward()
    assert value.item() == 0.0
    assert first.grad is not None
    assert first.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("name", ["sup-con", "nca-stable", "triplet-batch-hard"])
@pytest.mark.parametrize("multi_hot", [False, True])
def test_each_of_several_views_is_a_row(name: str, multi_hot: bool) -> None:
    views = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 0, 2, 1])
    if multi_hot:
        labels = torch.nn.functional.one_hot(labels)
    loss = losszoo.create(name)
    rows = torch.cat(list(views))  # written out: the three views of the first thing, then those of the second
    flat = torch.stack([labels[place] for place in range(5) for _ in range(3)])
    torch.testing.assert_close(loss(views, labels), loss(rows, flat))
    values = losszoo.create(name, reduction="none")(views, labels)
    assert values.shape == (15,)


def test_labels_of_views_are_one_for_each_thing() -> None:
    with pytest.raises(losszoo.UsageError, match=r"labels must have shape \(15,\)"):
        losszoo.create("sup-con")(torch.zeros(5, 3, 4), torch.zeros(4, dtype=torch.long))


@pytest.mark.parametrize("name", ["sup-con", "nca-stable", "triplet-batch-hard"])
@pytest.mark.parametrize("what", ["mask", "weight"])
def test_a_mask_or_weight_of_views_counts_things(name: str, what: str) -> None:
    """One for each thing, for each view, or for each row, as rows written out one by one say."""
    views = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 0, 1, 1])
    numbers = torch.tensor([1.0, 0.0, 2.0, 1.0, 3.0])
    each = numbers > 0 if what == "mask" else numbers
    written_out = torch.stack([each[place] for place in range(5) for _ in range(3)])
    flat = torch.stack([labels[place] for place in range(5) for _ in range(3)])
    loss = losszoo.create(name)
    expected = loss(torch.cat(list(views)), flat, **{what: written_out})
    for chosen in (each, each.unsqueeze(1), written_out.view(5, 3), written_out):
        torch.testing.assert_close(loss(views, labels, **{what: chosen}), expected)
    with pytest.raises(losszoo.UsageError, match=f"{what} must have shape"):
        loss(views, labels, **{what: each[:4]})


@pytest.mark.parametrize("narrow", [torch.float16, torch.float32])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ["info-nce", "modern-nca", "contrastive", "triplet"])
def test_rows_of_two_dtypes_meet_in_the_wider_one(name: str, swapped: bool, narrow: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    dtypes = (torch.float64, narrow) if swapped else (narrow, torch.float64)
    first, second = (torch.randn(6, 4, generator=generator).to(dtype).requires_grad_() for dtype in dtypes)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    more = {"contrastive": (labels == 0,), "triplet": (torch.ones(6, 4),)}.get(name, ())

    def call(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        if name == "modern-nca":
            return losszoo.create(name)(first, labels, second, labels)
        return losszoo.create(name)(first, second, *more)

    value = call(first, second)
    assert value.item() == pytest.approx(call(first.double(), second.double()).item(), rel=1e-12)
    value.backward()
    assert (first.grad.dtype, second.grad.dtype) == dtypes
