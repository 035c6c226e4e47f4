"""Second derivatives: refused by name where the pairs are streamed, right where the whole matrix is formed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from written_out import EMBEDDING, INFO_NCE, MODERN, NCA, STABLE, SUP_CON, Case, same_and_other

import losszoo
from losszoo import Streaming, UsageError
from losszoo.pairs import streaming

LABELS = torch.tensor([0, 1, 0, 1, 0, 2])
REFUSED = r"must form the whole matrix to be differentiated twice, .*streaming=losszoo.Streaming\(dense=True\)"
by_name = pytest.mark.parametrize("case", EMBEDDING, ids=str)
by_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def drawn(count: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator, dtype=torch.float64).requires_grad_()


def streamed(name: str, way: Streaming) -> bool:
    """Whether the gradient is carried back by the engine: few pairs of a row function are plain operations."""
    softmax = losszoo.create(name).function.__losszoo_row__.softmax is not None
    return not way.dense and (softmax or streaming.TUNING.few_rows == 0)


@by_name
@by_reduction
def test_a_penalty_on_the_gradient_is_refused_or_right(case: Case, reduction: str, way: Streaming) -> None:
    """Never silently left out, though the first derivative may not depend on the loss's own slope."""
    rows = drawn()
    value = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)(rows, LABELS).sum()
    (slope,) = torch.autograd.grad(value, rows, create_graph=True)
    assert slope.requires_grad
    if streamed(case.name, way):
        with pytest.raises(UsageError, match=REFUSED):
            (value + slope.square().sum()).backward()
        return
    values, counts = case.values(rows, rows, *same_and_other(LABELS))
    expected = values.sum() / (counts.sum() if reduction == "mean" else 1)
    (other,) = torch.autograd.grad(expected, rows, create_graph=True)
    ours, theirs = (torch.autograd.grad(x.square().sum(), rows)[0] for x in (slope, other))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8 * float(theirs.abs().max()))


@by_name
def test_the_whole_matrix_passes_gradgradcheck(case: Case) -> None:
    loss = losszoo.create(case.name, streaming=Streaming(dense=True), **case.options)
    assert torch.autograd.gradgradcheck(lambda rows: loss(rows, LABELS), (drawn(),))


def test_two_tensors_pass_gradgradcheck() -> None:
    whole = Streaming(dense=True)
    views = losszoo.create("info-nce", symmetric=True, temperature=INFO_NCE.temperature, streaming=whole)
    assert torch.autograd.gradgradcheck(views, (drawn(seed=1), drawn(seed=2)))
    neighbors = losszoo.create("modern-nca", temperature=MODERN.temperature, streaming=whole)
    for labels in (LABELS, LABELS.double()):
        assert torch.autograd.gradgradcheck(
            lambda q, c, y=labels: neighbors(q, y, c, y), (drawn(seed=1), drawn(seed=2))
        )


@pytest.mark.parametrize("side", ["queries", "keys"])
@by_reduction
@pytest.mark.parametrize("symmetric", [False, True])
def test_either_view_refuses(side: str, reduction: str, symmetric: bool, way: Streaming) -> None:
    queries, keys = drawn(seed=1), drawn(seed=2)
    leaf = queries if side == "queries" else keys
    value = losszoo.create("info-nce", reduction=reduction, symmetric=symmetric, streaming=way)(queries, keys).sum()
    (slope,) = torch.autograd.grad(value, leaf, create_graph=True)
    if way.dense:
        assert bool(torch.autograd.grad(slope.square().sum(), leaf)[0].isfinite().all())
        return
    with pytest.raises(UsageError, match=REFUSED):
        slope.square().sum().backward()


@pytest.mark.parametrize("case", [NCA, STABLE, SUP_CON, EMBEDDING[-2]], ids=str)
@by_reduction
def test_a_penalty_on_another_part_of_the_graph_works(case: Case, reduction: str, way: Streaming) -> None:
    """``create_graph`` alone asks for no second derivative."""
    inputs = torch.linspace(-1.0, 1.0, 24, dtype=torch.float64).reshape(6, 4).requires_grad_()
    layer = torch.nn.Linear(4, 3, dtype=torch.float64)
    outputs = layer(inputs).tanh()
    (slope,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    loss = losszoo.create(case.name, reduction=reduction, streaming=way, **case.options)
    value = loss(outputs, LABELS).sum()
    (found,) = torch.autograd.grad(value + slope.square().sum(), layer.weight, create_graph=True)
    alone, penalty = (torch.autograd.grad(x, layer.weight, retain_graph=True)[0] for x in (value, slope.square().sum()))
    torch.testing.assert_close(found.detach(), alone + penalty)


def test_the_slope_of_a_weight_is_that_of_a_value_or_refuses(way: Streaming) -> None:
    rows, weight = drawn(), torch.ones(6, dtype=torch.float64, requires_grad=True)
    value = losszoo.create("nca", reduction="sum", streaming=way)(rows, LABELS, weight=weight)
    (slope,) = torch.autograd.grad(value, weight, create_graph=True)
    if not way.dense and streaming.TUNING.few == 0:
        with pytest.raises(UsageError, match=REFUSED):
            slope.sum().backward()
        return
    (expected,) = torch.autograd.grad(losszoo.create("nca", reduction="sum", streaming=way)(rows, LABELS), rows)
    torch.testing.assert_close(torch.autograd.grad(slope.sum(), rows)[0], expected)
