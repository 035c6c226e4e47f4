"""Cross-entropy from hidden states against a linear layer and torch's cross-entropy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import losszoo
from losszoo import UsageError, create
from losszoo.losses.sums.data_sizes import set_sizes
from losszoo_plugins.classification import linear
from losszoo_plugins.classification.linear import Chunked, LinearCrossEntropy, cross_entropy_in_chunks


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.tensor([0, 6, 2, 3, 6, 1, 1])


def leaves(bias: bool = True) -> list[Any]:
    shapes = ((7, 4), (7, 4), (7,))
    return [draw(*shape, seed=seed).requires_grad_() if bias or seed < 2 else None for seed, shape in enumerate(shapes)]


@pytest.fixture(params=["installed", "older"])
def any_torch(request, monkeypatch):
    """torch with its own linear_cross_entropy, and without."""
    if request.param == "older":
        monkeypatch.delattr(torch.nn, "LinearCrossEntropyOptions", raising=False)


@pytest.mark.usefixtures("any_torch")
@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_all_logits(chunk, bias):
    ours, torchs = leaves(bias), leaves(bias)
    values = cross_entropy_in_chunks(*ours, LABELS, chunk)
    expected = F.cross_entropy(F.linear(*torchs), LABELS, reduction="none")
    torch.testing.assert_close(values, expected)
    (values * torch.arange(7)).sum().backward()
    (expected * torch.arange(7)).sum().backward()
    for mine, other in zip(ours, torchs, strict=True):
        assert mine is None or torch.allclose(mine.grad, other.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("any_torch")
@pytest.mark.parametrize("chunk", [2, 7])
def test_gradients_can_be_differentiated_again(chunk):
    rows, weight, bias = leaves()
    torch.autograd.gradcheck(lambda *x: cross_entropy_in_chunks(*x, LABELS, chunk), (rows, weight, bias))
    torch.autograd.gradgradcheck(lambda *x: cross_entropy_in_chunks(*x, LABELS, chunk), (rows, weight, bias))


@pytest.mark.usefixtures("any_torch")
def test_masked_and_ignored_rows_take_no_part_whatever_stands_there():
    loss = create("linear-cross-entropy", classes=7, dim=4, chunk=2)
    rows = draw(7, 4).float()
    there = torch.tensor([True, True, True, False, True, False, True])
    expected = loss(rows[there], LABELS[there])
    labels = torch.where(torch.arange(7) == 5, -100, LABELS)
    rows[~there] = torch.nan
    rows.requires_grad_()
    value = loss(rows, labels, mask=torch.arange(7) != 3)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert not rows.grad[~there].any()
    assert all(p.grad.isfinite().all() for p in loss.parameters())


def test_memory_is_that_of_a_chunk(monkeypatch):
    largest = []
    forward = F.linear
    monkeypatch.setattr(torch.nn.functional, "linear", lambda *x: largest.append(forward(*x).shape) or forward(*x))
    Chunked.apply(*leaves(), LABELS, 3).sum().backward()
    assert largest == [(3, 7), (3, 7), (1, 7)] * 2
    monkeypatch.setattr(linear, "_LOGITS", 14)
    monkeypatch.setattr(linear, "cross_entropy_in_chunks", lambda *x: largest.append(x[-1]) or x[0].sum(1))
    LinearCrossEntropy(7, 4)(draw(7, 4), LABELS)
    assert largest[-1] == 2


def test_sizes_left_open_are_those_of_the_data():
    loss = create("linear-cross-entropy", classes=3)
    with pytest.raises(UsageError, match=r"classes and dim must be given .* got classes=3, dim=None"):
        loss(torch.zeros(2, 5), torch.tensor([0, 1]))
    set_sizes(loss, classes=9, dim=5)
    assert loss.function.layer.weight.shape == (3, 5)
    set_sizes(loss, classes=9, dim=6)
    assert repr(loss.function).startswith("LinearCrossEntropy(\n  classes=3, dim=5")
    assert loss(torch.zeros(2, 5), torch.tensor([0, 1])).isfinite()


def test_sizes_reach_every_loss_of_a_sum_that_asks():
    loss = create("0.5*linear-cross-entropy(bias=false) + nca")
    set_sizes(loss, classes=3, dim=2)
    assert [tuple(p.shape) for p in loss.parameters()] == [(3, 2)]


@pytest.mark.parametrize(
    ("rows", "labels", "rule"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 1]), r"embeddings must have shape \(N, 4\), got \(2, 3\)"),
        (torch.zeros(2, 4), torch.ones(2, 7).long(), "labels must be class indices"),
        (torch.zeros(2, 4), torch.tensor([0, 7]), "labels must be from 0 to 7-1, got 7"),
        (torch.zeros(2, 4), torch.tensor([-1, 1]), "labels must be from 0 to 7-1, got -1"),
    ],
)
def test_what_does_not_fit_the_layer_is_refused(rows, labels, rule):
    with pytest.raises(UsageError, match=rule):
        create("linear-cross-entropy", classes=7, dim=4)(rows, labels)


@pytest.mark.parametrize("name", ["classes", "dim", "chunk"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(UsageError, match=f"{name} must be at least 1, got 0"):
        LinearCrossEntropy(**{name: 0})


def test_a_run_gives_the_sizes_and_learns(tmp_path: Path):
    result = losszoo.run("linear-cross-entropy", "digits", epochs=4, out=tmp_path)
    assert result.status == "completed"
    assert result.metrics["test"]["accuracy"] > 0.9
