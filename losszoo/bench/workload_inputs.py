"""The inputs of a workload: the same for the zoo and for every peer, from the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from losszoo.bench.workload import Workload

Inputs = tuple[Any, ...]
# Which inputs get a gradient.
_LEARNED = {"pair": (0, 1), "triplet": (0, 1, 2), "views": (0, 1), "neighbors": (0, 2)}


class _Source:
    """Draws of one workload, in a fixed order."""

    def __init__(self, workload: Workload) -> None:
        self.work = workload
        self.dtype = getattr(torch, workload.dtype)
        self.device = torch.device(workload.device)
        self.generator = Generator(self.device).manual_seed(workload.seed)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=self.dtype, device=self.device)

    def bits(self, *shape: int) -> Tensor:
        drawn = torch.rand(*shape, generator=self.generator, device=self.device)
        return drawn.lt_(0.5).to(self.dtype)

    def labels(self, count: int, classes: int) -> Tensor:
        """As even as can be, in no order."""
        order = torch.randperm(count, generator=self.generator, device=self.device)
        return order.remainder_(classes)

    def predictions(self, *shape: int) -> Tensor:
        outputs = self.normal(*shape)
        if self.work.expects == "logits":
            return outputs
        over_classes = self.work.signature == "multiclass"
        logs = torch.log_softmax(outputs, 1) if over_classes else torch.nn.functional.logsigmoid(outputs)
        return logs if self.work.expects == "log-probabilities" else logs.exp()

    def rows(self) -> Tensor:
        return self.normal(self.work.first, self.work.dim)


def make_inputs(workload: Workload) -> tuple[Inputs, list[Tensor]]:
    """The inputs of the signature, and those of their tensors that get a gradient.

    Standard normal logits, predictions and embeddings; labels that are as even as can be.
    """
    inputs = _MAKERS[workload.signature](_Source(workload))
    if workload.signature == "penalty":
        leaves = list(inputs[0])
    else:
        leaves = [inputs[place] for place in _LEARNED.get(workload.signature, (0,))]
    for leaf in leaves:
        leaf.requires_grad_()
    return inputs, leaves


def _binary(source: _Source) -> Inputs:
    return source.predictions(source.work.first), source.bits(source.work.first)


def _multiclass(source: _Source) -> Inputs:
    rows, classes = source.work.first, source.work.second or 1
    return source.predictions(rows, classes), source.labels(rows, classes)


def _regression(source: _Source) -> Inputs:
    return source.normal(source.work.first), source.normal(source.work.first)


def _segmentation(source: _Source) -> Inputs:
    side = source.work.second or 1
    shape = (source.work.first, 1, side, side)
    return source.predictions(*shape), source.bits(*shape)


def _embedding(source: _Source) -> Inputs:
    return source.rows(), source.labels(source.work.first, source.work.classes)


def _pair(source: _Source) -> Inputs:
    return source.rows(), source.rows(), source.bits(source.work.first)


def _triplet(source: _Source) -> Inputs:
    return source.rows(), source.rows(), source.rows()


def _views(source: _Source) -> Inputs:
    return source.rows(), source.rows()


def _neighbors(source: _Source) -> Inputs:
    """The queries are the first of the candidates, and each leaves its own place out."""
    queries, candidates = source.work.first, source.work.second or source.work.first
    rows = source.normal(candidates, source.work.dim)
    targets = source.labels(candidates, source.work.classes)
    own = torch.arange(queries, device=source.device)
    own = torch.where(own < candidates, own, -1)
    picked = own.clamp(min=0)
    return rows[picked].clone(), targets[picked], rows, targets, own


def _penalty(source: _Source) -> Inputs:
    return ([source.normal(source.work.first)],)


_MAKERS: Mapping[str, Callable[[_Source], Inputs]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _regression,
    "segmentation": _segmentation,
    "embedding": _embedding,
    "pair": _pair,
    "triplet": _triplet,
    "views": _views,
    "neighbors": _neighbors,
    "penalty": _penalty,
}
