"""Values and gradients of every way through the pairs, against the losses written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from written_out import EMBEDDING, INFO_NCE, NCA, NEIGHBORS, SUP_CON, Case, same_and_other

import losszoo
from losszoo import Streaming

by_name = pytest.mark.parametrize("case", EMBEDDING, ids=str)
# One of each kind: of distances and of products, of the odds, of the spread, and of the whole row.
by_kind = pytest.mark.parametrize("case", [NCA, SUP_CON, EMBEDDING[-2]], ids=str)
# Few pairs, whose differences are formed one by one, and enough for the matrix product.
by_size = pytest.mark.parametrize(("count", "dim"), [(13, 3), (40, 24)])


def drawn(count: int, dim: int, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings that ask for a gradient, and labels; the last row is alone in its class."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (count,), generator=generator)
    labels[-1] = 1000
    return rows.requires_grad_(), labels


def close(actual: Tensor, expected: Tensor) -> None:
    """Equal to 1e-10, relative to the largest number."""
    scale = float(expected.detach().abs().max()) if expected.numel() else 1.0
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10 * scale)


def same_slopes(actual: Tensor, expected: Tensor, *leaves: Tensor) -> None:
    """Both have the same value, and the same gradient to every leaf."""
    close(actual, expected)
    ours, theirs = (torch.autograd.grad(x, leaves, retain_graph=True) for x in (actual, expected))
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)


@by_name
@by_size
def test_every_value_and_gradient_of_an_embedding_loss(case: Case, count: int, dim: int, way: Streaming) -> None:
    rows, labels = drawn(count, dim)
    values, _ = case.values(rows, rows, *same_and_other(labels))
    found = losszoo.create(case.name, reduction="none", streaming=way, **case.options)(rows, labels)
    close(found, values)
    factors = torch.linspace(-1.0, 2.0, count, dtype=torch.float64)
    same_slopes(found @ factors, values @ factors, rows)


@by_name
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reductions_with_weights(case: Case, reduction: str, way: Streaming) -> None:
    rows, labels = drawn(14, 3)
    weight = torch.tensor([0.0, 1.0, 2.5, 0.5, 0.0, 1.0, 3.0], dtype=torch.float64).repeat(2)
    values, counts = case.values(rows, rows, *same_and_other(labels))
    total = (values * weight).sum()
    expected = total / (counts * weight).sum() if reduction == "mean" else total
    loss = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)
    same_slopes(loss(rows, labels, weight=weight), expected, rows)


@by_name
def test_a_masked_row_is_not_there(case: Case, way: Streaming) -> None:
    rows, labels = drawn(14, 3)
    mask = torch.arange(14) % 3 != 1
    values, counts = case.values(rows[mask], rows[mask], *same_and_other(labels[mask]))
    expected = values.sum() / counts.sum()
    spoilt = torch.where(mask.unsqueeze(1), rows, torch.nan)
    loss = losszoo.create(case.name, streaming=way, **case.options)
    same_slopes(loss(spoilt, labels, mask=mask), expected, rows)
    each = losszoo.create(case.name, reduction="none", streaming=way, **case.options)(spoilt, labels, mask=mask)
    close(each, torch.zeros(14, dtype=torch.float64).masked_scatter(mask, values))
    # NaN stands in the weight, too.
    weight = torch.where(mask, 2.0, torch.nan).double()
    close(loss(spoilt, labels, mask=mask, weight=weight), expected)


@pytest.mark.parametrize("case", NEIGHBORS, ids=str)
@pytest.mark.parametrize("dim", [3, 24])
def test_queries_against_candidates(case: Case, dim: int, way: Streaming) -> None:
    candidates, labels = drawn(46, dim, seed=1)
    own = torch.tensor([4, -1, 45, 0, 0, 17, -1, *range(20, 44)])
    queries, targets = drawn(len(own), dim, seed=2)
    inside = own >= 0
    targets = torch.where(inside, labels[own.clamp(min=0)], targets)
    same, own_place = targets.unsqueeze(1) == labels, own.unsqueeze(1) == torch.arange(46)
    values, counts = case.values(queries, candidates, same & ~own_place, ~same & ~own_place)
    signature = None if case.name == "modern-nca" else "neighbors"
    loss = losszoo.create(case.name, signature=signature, streaming=way, **case.options)
    found = loss(queries, targets, candidates, labels, own)
    same_slopes(found, values.sum() / counts.sum(), queries, candidates)
    # Only one of the pair_labels learns.
    ours = torch.autograd.grad(loss(queries, targets, candidates.detach(), labels, own), queries)[0]
    close(ours, torch.autograd.grad(found, queries, retain_graph=True)[0])
    ours = torch.autograd.grad(loss(queries.detach(), targets, candidates, labels, own), candidates)[0]
    close(ours, torch.autograd.grad(found, candidates)[0])


def test_neighbors_without_own_are_all_candidates(way: Streaming) -> None:
    (queries, targets), (candidates, labels) = drawn(9, 3, seed=1), drawn(20, 3, seed=2)
    same = targets.unsqueeze(1) == labels
    values, _ = NCA.values(queries, candidates, same, ~same)
    loss = losszoo.create("nca", signature="neighbors", streaming=way, reduction="sum", **NCA.options)
    same_slopes(loss(queries, targets, candidates, labels), values.sum(), queries, candidates)


@pytest.mark.parametrize("dim", [3, 24])
def test_neighbors_for_numbers(dim: int, way: Streaming) -> None:
    (queries, _), (candidates, _) = drawn(9, dim, seed=1), drawn(40, dim, seed=2)
    numbers = torch.linspace(-3, 5, 49, dtype=torch.float64)
    own = torch.tensor([3, 4, -1, 0, 39, 1, 1, -1, 8])
    distances = (queries.unsqueeze(1) - candidates).square().sum(2).sqrt()
    others = own.unsqueeze(1) != torch.arange(40)
    weights = (-distances / 0.7).exp() * others
    expected = ((weights @ numbers[9:] / weights.sum(1) - numbers[:9]) ** 2).mean()
    loss = losszoo.create("modern-nca", temperature=0.7, streaming=way)
    same_slopes(loss(queries, numbers[:9], candidates, numbers[9:], own), expected, queries, candidates)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_two_views(symmetric: bool, reduction: str, way: Streaming) -> None:
    (queries, _), (keys, _) = drawn(17, 4, seed=1), drawn(17, 4, seed=2)
    own = torch.eye(17, dtype=torch.bool)
    values, _ = INFO_NCE.values(queries, keys, own, ~own)
    if symmetric:
        values = (values + INFO_NCE.values(keys, queries, own, ~own)[0]) / 2
    weight = torch.linspace(0.0, 2.0, 17, dtype=torch.float64)
    expected = {"none": values * weight, "sum": (values * weight).sum(), "mean": (values * weight).sum() / weight.sum()}
    loss = losszoo.create("info-nce", symmetric=symmetric, reduction=reduction, temperature=0.1, streaming=way)
    found = loss(queries, keys, weight=weight)
    factors = torch.linspace(-1.0, 1.0, found.numel(), dtype=torch.float64).reshape(found.shape) + 0.3
    same_slopes((found * factors).sum(), (expected[reduction] * factors).sum(), queries, keys)


@pytest.mark.parametrize("symmetric", [False, True])
def test_one_tensor_as_both_views(symmetric: bool, way: Streaming) -> None:
    rows, _ = drawn(9, 3)
    own = torch.eye(9, dtype=torch.bool)
    values, _ = INFO_NCE.values(rows, rows, own, ~own)
    loss = losszoo.create("info-nce", symmetric=symmetric, temperature=0.1, streaming=way)
    same_slopes(loss(rows, rows), values.mean(), rows)


@by_kind
def test_gradcheck(case: Case, way: Streaming) -> None:
    rows, labels = drawn(7, 2, classes=2)
    for reduction in ("mean", "none"):
        loss = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, labels), (rows,))


@by_kind
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_learn(case: Case, reduction: str, way: Streaming) -> None:
    rows, labels = drawn(14, 3)
    weight = torch.linspace(0.1, 2.0, 14, dtype=torch.float64).requires_grad_()
    values, counts = case.values(rows, rows, *same_and_other(labels))
    parts = values * weight
    expected = parts.sum() / (counts * weight).sum() if reduction == "mean" else parts.square().sum()
    loss = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)(rows, labels, weight=weight)
    if reduction == "sum":
        expected = parts.sum()
    same_slopes(loss.square().sum() if reduction == "none" else loss, expected, rows, weight)
    same_slopes(loss.sum(), parts.sum() if reduction != "mean" else expected, weight)


def test_a_denominator_joins_parts(way: Streaming) -> None:
    (queries, targets), (candidates, labels) = drawn(12, 3, seed=1), drawn(20, 3, seed=2)
    loss = losszoo.create("modern-nca", streaming=way)
    parts = [(queries[part], targets[part], candidates, labels) for part in (slice(0, 5), slice(5, 12))]
    count = sum(loss.count(*part) for part in parts)
    total = sum(loss(*part, denominator=count) for part in parts)
    same_slopes(total, loss(queries, targets, candidates, labels), queries, candidates)


@pytest.mark.parametrize("name", ["nca-stable", "triplet-all"])
def test_nothing_to_reduce(name: str, way: Streaming) -> None:
    rows = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(5)
    zero = losszoo.create(name, streaming=way)(rows, labels)
    assert zero.item() == 0
    assert torch.autograd.grad(zero, rows)[0].tolist() == [[0.0, 0.0]] * 5
    assert losszoo.create(name, empty="nan", streaming=way)(rows, labels).isnan()
    with pytest.raises(losszoo.UsageError, match="the batch must not be empty"):
        losszoo.create(name, empty="raise", streaming=way)(rows, labels)


@by_kind
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_without_gradients(case: Case, reduction: str, way: Streaming) -> None:
    rows, labels = drawn(14, 3)
    loss = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)
    expected = loss(rows, labels)
    assert expected.requires_grad
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = loss(rows, labels)
        assert not found.requires_grad
        assert torch.equal(found, expected)
    assert torch.equal(loss(rows.detach(), labels), expected)
    with torch.inference_mode():
        frozen = rows.clone()
    assert torch.equal(loss(frozen, labels), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@by_kind
def test_half_precision_is_computed_in_float32(case: Case, dtype: torch.dtype, way: Streaming) -> None:
    wide, labels = drawn(14, 3)
    half = wide.detach().to(dtype).requires_grad_()
    single = half.detach().float().requires_grad_()
    loss = losszoo.create(case.name, streaming=way, **case.options)
    found, expected = loss(half, labels), loss(single, labels)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    slopes = [torch.autograd.grad(value, leaf)[0] for value, leaf in ((found, half), (expected, single))]
    assert torch.equal(slopes[0], slopes[1].to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(single, labels), expected)


@by_kind
def test_strided_rows(case: Case, way: Streaming) -> None:
    rows, labels = drawn(14, 3)
    wide = torch.zeros(3, 28, dtype=torch.float64)
    wide[:, ::2] = rows.detach().T
    strided = wide.requires_grad_().T[::2]
    loss = losszoo.create(case.name, streaming=way, **case.options)
    found = loss(strided, labels.repeat_interleave(3)[::3])
    expected = loss(rows, labels)
    close(found, expected)
    close(torch.autograd.grad(found, wide)[0][:, ::2].T, torch.autograd.grad(expected, rows)[0])


@by_kind
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_backward_twice_gives_the_same_twice(case: Case, reduction: str, way: Streaming) -> None:
    rows, labels = drawn(14, 3)
    value = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)(rows, labels).sum()
    value.backward(retain_graph=True)
    assert rows.grad is not None
    first = rows.grad.clone()
    value.backward()
    assert torch.equal(rows.grad, 2 * first)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        value.backward()


@by_kind
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_rows_that_change_before_the_backward_pass(case: Case, reduction: str, way: Streaming) -> None:
    """Blocks refuse. The whole matrix of these has kept all that it needs, and is right."""
    rows, labels = drawn(14, 3)
    hidden = rows * 1.0
    value = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)(hidden, labels).sum()
    (expected,) = torch.autograd.grad(value, rows, retain_graph=True)
    with torch.no_grad():
        hidden += 1.0
    if way.dense:
        assert torch.equal(torch.autograd.grad(value, rows)[0], expected)
        return
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def test_an_infinite_value_of_weight_zero_is_absent(way: Streaming) -> None:
    """A row thousands of temperatures from its class: the ratio of two sums, one of which underflows, is infinite."""
    rows = torch.tensor([[0.0], [0.5], [0.2], [4000.0], [4001.0]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 1])
    values = losszoo.create("nca-ratio", reduction="none", streaming=way)(rows, labels)
    assert values.isinf().tolist() == [False, False, True, True, True]
    weight = torch.tensor([1.0, 2.0, 0.0, 0.0, 0.0])
    total = losszoo.create("nca-ratio", reduction="sum", streaming=way)(rows, labels, weight=weight)
    torch.testing.assert_close(total, values[0] + 2 * values[1])
