"""An ordinary batch for every signature: what tests, the conformance suite and the doctor start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor

Batch = tuple[Any, ...]


def example_inputs(
    signature: str,
    *,
    expects: str = "logits",
    rows: int = 6,
    classes: int = 3,
    dim: int = 4,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """One ordinary batch: moderate numbers, every class present, nothing degenerate.

    Args:
        signature: one of the table of signatures.
        expects: "logits", "probabilities" or "log-probabilities".
        rows: samples.
        classes: of the labels.
        dim: width of embeddings.
        seed: the same seed gives the same batch.
        dtype: of everything floating.

    Example:
        >>> logits, targets = example_inputs("multiclass")
        >>> logits.shape, targets.tolist()
        (torch.Size([6, 3]), [0, 1, 2, 0, 1, 2])
    """
    return _MAKERS[signature](_Source(rows, classes, dim, dtype, expects, torch.Generator().manual_seed(seed)))


class _Source:
    """Random tensors of one batch, in a fixed order."""

    def __init__(
        self, rows: int, classes: int, dim: int, dtype: torch.dtype, expects: str, generator: Generator
    ) -> None:
        self.rows, self.classes, self.dim = rows, classes, dim
        self.dtype, self.expects, self.generator = dtype, expects, generator

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64).to(self.dtype)

    def labels(self) -> Tensor:
        return torch.arange(self.rows) % self.classes

    def bits(self, *shape: int) -> Tensor:
        return (torch.rand(*shape, generator=self.generator) < 0.5).to(self.dtype)

    def predictions(self, *shape: int, over_classes: bool = False) -> Tensor:
        outputs = self.normal(*shape)
        if self.expects == "logits":
            return outputs
        logs = torch.log_softmax(outputs, 1) if over_classes else torch.nn.functional.logsigmoid(outputs)
        return logs if self.expects == "log-probabilities" else logs.exp()


def _binary(source: _Source) -> Batch:
    return source.predictions(source.rows), source.bits(source.rows)


def _multiclass(source: _Source) -> Batch:
    return source.predictions(source.rows, source.classes, over_classes=True), source.labels()


def _regression(source: _Source) -> Batch:
    return source.normal(source.rows), source.normal(source.rows)


def _segmentation(source: _Source) -> Batch:
    return source.predictions(source.rows, 1, 4, 4), source.bits(source.rows, 1, 4, 4)


def _embedding(source: _Source) -> Batch:
    return source.normal(source.rows, source.dim), source.labels()


def _pair(source: _Source) -> Batch:
    return (
        source.normal(source.rows, source.dim),
        source.normal(source.rows, source.dim),
        source.bits(source.rows),
    )


def _triplet(source: _Source) -> Batch:
    anchors, positives, negatives = (source.normal(source.rows, source.dim) for _ in range(3))
    return anchors, positives, negatives


def _views(source: _Source) -> Batch:
    return source.normal(source.rows, source.dim), source.normal(source.rows, source.dim)


def _neighbors(source: _Source) -> Batch:
    """The queries are the first of twice as many candidates."""
    candidates = source.normal(2 * source.rows, source.dim)
    targets = torch.arange(2 * source.rows) % source.classes
    return (
        candidates[: source.rows].clone(),
        targets[: source.rows],
        candidates,
        targets,
        torch.arange(source.rows),
    )


def _penalty(source: _Source) -> Batch:
    return ([source.normal(source.dim, source.rows), source.normal(source.dim)],)


_MAKERS: Mapping[str, Callable[[_Source], Batch]] = {
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
