"""The losses of classes, and what the tests of them share: ways to draw, to call and to differentiate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import Unreduced
from losszoo_plugins.classification.binary import bce
from losszoo_plugins.classification.cross_entropy import cross_entropy, nll, softmax_nll_eps, topk_softmax
from losszoo_plugins.classification.focal import focal, softmax_focal
from losszoo_plugins.classification.margin import hinge, multiclass_hinge, squared_hinge, weston_watkins
from losszoo_plugins.classification.sparse import entmax, sparsemax

close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-14)


def create(name: Any, **params: Any) -> Any:
    """A loss in training; one whose calls in training move its state is in evaluation."""
    made = losszoo.create(name, **params)
    return made.train("stateful" not in TAGS.get(name, ()))


TAGS = {spec.name: spec.tags for spec in losszoo.list_losses()}

MULTICLASS = [
    cross_entropy,
    partial(cross_entropy, label_smoothing=0.1),
    nll,
    softmax_nll_eps,
    partial(topk_softmax, k=2),
    sparsemax,
    entmax,
    partial(entmax, alpha=1.01),
    partial(entmax, alpha=1.3),
    partial(entmax, alpha=10.0),
    multiclass_hinge,
    weston_watkins,
    softmax_focal,
    partial(softmax_focal, gamma=0.5),
    partial(softmax_focal, gamma=0.0),
]
BINARY = [
    bce,
    partial(bce, pos_weight=3.0),
    focal,
    partial(focal, gamma=0.5),
    partial(focal, alpha=0.25),
    hinge,
    squared_hinge,
]


def name_of(loss: Callable[..., Any]) -> str:
    return f"{loss.func.__name__}-{loss.keywords}" if isinstance(loss, partial) else loss.__name__


def each(losses: list[Callable[..., Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("loss", losses, ids=name_of)


def values(result: Tensor | Unreduced) -> Tensor:
    return result.values if isinstance(result, Unreduced) else result


def gradient(loss: Callable[..., Any], logits: Tensor, targets: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(values(loss(leaf, targets)).sum(), leaf)[0]


def double(*numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits (N, C, ...) and labels (N, ...)."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


def step(loss: Any, x: Tensor, targets: Tensor, **how: Any) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    value = loss(leaf, targets, **how)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]
