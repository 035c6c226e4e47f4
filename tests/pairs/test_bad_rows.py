"""Row functions that break the contract, rows that are not numbers, and budgets that do not suffice."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo import Streaming, UsageError
from losszoo.pairs import streaming

LABELS = torch.tensor([0, 1, 0, 1, 0, 2, 1])


def made(row: Callable[..., Any], way: Streaming, **how: Any) -> Any:
    return losszoo.create(losszoo.pairwise(temperature=None)(row), streaming=way, **how)


def drawn(requires_grad: bool = True) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 3, generator=generator).requires_grad_(requires_grad)


WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "a matrix": (lambda logits, *_: logits, r"one value per row, \((3|7),\), got \((3|7), 7\)"),
    "one number": (lambda logits, *_: logits.sum(), r"one value per row, \((3|7),\), got \(\)"),
    "one per column": (lambda logits, *_: logits.sum(0, keepdim=True), "one value per row, .*got \\("),
    "nothing": (lambda *_: None, "must return a floating point tensor, got .*NoneType"),
    "a list": (lambda logits, *_: logits.sum(1).tolist(), "must return a floating point tensor, got .*list"),
    "whole numbers": (lambda _, positive, __: positive.sum(1), "a floating point tensor, got .*torch.int64"),
    "counts of another shape": (
        lambda logits, positive, _: losszoo.Unreduced(logits.sum(1), positive.sum()),
        "counts must have the shape of the values",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_an_answer_of_another_kind(kind: str, reduction: str, way: Streaming) -> None:
    row, message = WRONG[kind]
    with pytest.raises(UsageError, match=message):
        made(row, way, reduction=reduction)(drawn(), LABELS)


def test_a_function_of_the_odds_of_another_shape(way: Streaming) -> None:
    function = losszoo.softmax_row()(lambda odds: odds.sum())
    with pytest.raises(UsageError, match=r"must return one value per row, \(\d,\), got \(\)"):
        losszoo.create(function, streaming=way)(drawn(), LABELS)


def _without_grad(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    with torch.no_grad():
        return logits.sum(1)


@pytest.mark.parametrize(
    "row",
    [
        lambda logits, *_: logits.detach().sum(1),
        lambda logits, *_: logits.argmax(1).float(),
        lambda logits, *_: (logits > 0).float().mean(1),
        lambda logits, *_: torch.tensor([x.sum().item() for x in logits]),
        _without_grad,
    ],
    ids=["detach", "argmax", "comparison", "item", "no_grad"],
)
def test_a_row_function_without_a_gradient(row: Callable[..., Any], way: Streaming) -> None:
    message = "a row function must be differentiable in its logits, got values without a gradient; look for"
    with pytest.raises(UsageError, match=message):
        made(row, way)(drawn(), LABELS)
    with pytest.raises(UsageError, match=message):
        made(row, way, reduction="none")(drawn(), LABELS).sum().backward()
    # Where nobody can ask for a gradient, there is no need of one.
    assert bool(made(row, way)(drawn(requires_grad=False), LABELS).isfinite())
    with torch.no_grad():
        assert bool(made(row, way)(drawn(), LABELS).isfinite())


def test_a_function_of_the_odds_without_a_gradient(way: Streaming) -> None:
    loss = losszoo.create(losszoo.softmax_row()(lambda odds: odds.detach()), streaming=way)
    with pytest.raises(UsageError, match="a row function must be differentiable in its logits"):
        loss(drawn(), LABELS)


def test_a_tensor_that_learns_beside_the_logits(way: Streaming) -> None:
    """Its gradient would be lost where the row function runs on a block alone: refused there, right elsewhere."""
    slope, rows = nn.Parameter(torch.tensor(2.0)), drawn()
    loss = made(lambda logits, *_: (slope.exp() * logits).sum(1), way, reduction="sum")
    if not way.dense and streaming.TUNING.few_rows == 0:
        message = r"must get gradients through its arguments only, .*shape \(\) .*Streaming\(dense=True\)"
        with pytest.raises(UsageError, match=message):
            loss(rows, LABELS)
        return
    value = loss(rows, LABELS)
    assert torch.autograd.grad(value, slope)[0].item() == pytest.approx(value.item())


def _scribbling(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    logits.masked_fill_(~negative, -100.0)
    return logits.logsumexp(1)


def _scribbling_on_masks(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return logits.masked_fill(positive.logical_not_(), -100.0).logsumexp(1)


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("row", [_scribbling, _scribbling_on_masks])
def test_a_row_function_that_changes_its_inputs(row: Callable[..., Any], requires_grad: bool, way: Streaming) -> None:
    with pytest.raises((UsageError, RuntimeError), match=r"must leave its inputs as they are|in-?place"):
        made(row, way)(drawn(requires_grad), LABELS)


@pytest.mark.parametrize("error", [ValueError, KeyError, ZeroDivisionError, RuntimeError])
def test_what_a_row_function_raises_comes_out_with_its_line(error: type[Exception], way: Streaming) -> None:
    def raising(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        raise error("the author's own words")

    with pytest.raises((error, UsageError), match="the author's own words") as caught:
        made(raising, way)(drawn(), LABELS)
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, error)
    assert traceback.extract_tb(cause.__traceback__)[-1].name == "raising"


@pytest.mark.parametrize(
    "name", ["nca", "nca-stable", "sup-con", "triplet-batch-hard", "triplet-all", "triplet-semi-hard"]
)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("dim", [3, 1200])
def test_rows_that_are_no_numbers_come_out_as_none(name: str, bad: float, dim: int, way: Streaming) -> None:
    """For a guard to find: never a number that looks sound."""
    rows = torch.randn(7, dim, generator=torch.Generator().manual_seed(0))
    rows[2, 1] = bad
    value = losszoo.create(name, streaming=way)(rows.requires_grad_(), LABELS)
    assert not bool(value.isfinite())
    assert not bool(torch.autograd.grad(value, rows)[0].isfinite().all())


def test_rows_that_are_no_numbers_are_named_where_asked() -> None:
    rows = drawn(requires_grad=False)
    rows[2, 1] = torch.nan
    loss = losszoo.create("nca", validate=True)
    with pytest.raises(UsageError, match="nca: embeddings must be finite, got NaN or infinity in row 2"):
        loss(rows, LABELS)
    rows[:] = torch.inf
    with pytest.raises(UsageError, match="NaN or infinity in row 0, 1, 2, 3, 4 and 2 more"):
        loss(rows, LABELS)
    # What is masked may be anything.
    rows = drawn(requires_grad=False)
    rows[2] = torch.nan
    assert bool(loss(rows, LABELS, mask=torch.arange(7) != 2).isfinite())


@pytest.mark.parametrize("name", ["nca", "triplet-all"])
def test_a_budget_too_small_for_a_row_says_the_least_that_works(name: str) -> None:
    labels = torch.arange(3000) % 2
    inputs = torch.zeros(2, 1), labels[:2], torch.zeros(3000, 1), labels
    with pytest.raises(UsageError, match="memory must be enough for one row of 3000 pairs, at least") as caught:
        losszoo.create(name, signature="neighbors", streaming=Streaming(memory=0.001))(*inputs)
    least = re.search(r"at least ([\d.]+) MiB, got 0.001", str(caught.value))
    assert least is not None
    wide = losszoo.create(name, signature="neighbors", streaming=Streaming(memory=float(least[1])))
    assert bool(wide(*inputs).isfinite())
    with pytest.raises(UsageError, match="memory must be enough"):
        losszoo.create(name, signature="neighbors", streaming=Streaming(memory=float(least[1]) - 0.01))(*inputs)


@pytest.mark.parametrize("loss", ["multi-similarity", "circle", "lifted-structure"])
@pytest.mark.parametrize("length", [1e20, 1e30])
def test_a_row_that_takes_no_part_has_no_gradient_even_where_its_own_square_is_infinite(
    loss: str, length: float
) -> None:
    alone = torch.full((1, 2), length).requires_grad_()
    value = losszoo.create(loss, similarity="dot")(alone, torch.zeros(1, dtype=torch.long))
    value.backward()
    assert (value.item(), alone.grad.tolist()) == (0.0, [[0.0, 0.0]])  # type: ignore[union-attr]
