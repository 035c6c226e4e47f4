"""Embeddings and their labels: every row is a candidate of every other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, PairedRows, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Embedding(Signature):
    """Embeddings (N, D) and labels (N,), or (N, K) multi-hot: who shares a label is near.

    Of (N, V, D), V views of each thing, every view is a row of its own: N times V of them, in this order. A mask or
    weight is one number for each thing, (N,), for each of its views, (N, V), or for each row, (N V,).
    """

    name = "embedding"
    arguments = ("embeddings", "labels")
    given = ("labels",)
    synonyms: ClassVar = {
        "embeddings": ("embedding", "embeds", "emb", "features", "feats", "vectors", "z"),
        "labels": ("label", "targets", "target", "y", "ids"),
    }
    fits = ("multiclass", "binary", "retrieval")
    rows_interact = True
    against = "neighbors"
    predicting = 40.0
    sizes = Sizes(wide=True)
    learns = "the nearness of the own class, against other classes"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        embeddings, labels = inputs
        if isinstance(embeddings, Tensor) and embeddings.ndim == 3:
            embeddings, labels = _each_view(embeddings, labels)
        if not isinstance(embeddings, Tensor) or embeddings.dtype not in checks.COMPUTED or embeddings.ndim != 2:
            embeddings = checks.rows("embeddings", embeddings)
        whole = isinstance(labels, Tensor) and labels.dtype == torch.int64 and not context.any_labels
        if whole and labels.shape == embeddings.shape[:1]:
            return embeddings, labels
        labels = checks.undifferentiated("labels", labels)
        if context.any_labels:
            return embeddings, checks.one_each("labels", labels, embeddings)
        if isinstance(labels, Tensor) and labels.ndim == 2 and labels.shape[0] == embeddings.shape[0]:
            return embeddings, checks.real("labels", labels)
        return embeddings, checks.integers("labels", labels, embeddings.shape[:1])

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        labels = inputs[1]
        if labels.ndim == 2 and not context.any_labels:
            checks.require((labels == 0) | (labels == 1), "labels", "be 0 or 1 where they are multi-hot", labels)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape[:1]

    def spread(self, inputs: tuple[Any, ...], chosen: Tensor) -> Tensor:
        things = inputs[0].shape[:2]
        if inputs[0].ndim != 3 or chosen.shape not in (things[:1], (things[0], 1), things):
            return chosen
        return chosen.reshape(things[0], -1).expand(things).flatten()

    def pairs(self, inputs: tuple[Any, ...]) -> PairedRows:
        return PairedRows(inputs[0], inputs[1])

    def remembered(self, inputs: tuple[Any, ...]) -> tuple[Tensor, Tensor | None]:
        return inputs[0], inputs[1]

    def example(self, source: Source) -> tuple[Any, ...]:
        return _shared.embedded(source), source.labels()

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        rows, labels = inputs
        yield from _shared.cases("", _shared.geometry(rows), labels)
        yield EdgeCase("one class only", (rows, torch.zeros_like(labels)))
        yield EdgeCase("all different classes", (rows, torch.arange(len(labels))))
        yield EdgeCase("one class and a single other", (rows, (torch.arange(len(labels)) == 0).long()))
        centres = torch.eye(int(labels.max()) + 1, rows.shape[1])[labels]
        for size in (1.0, 200.0, 1e4):
            yield EdgeCase(f"classes apart by {size:g}", (centres * size, labels))
            yield EdgeCase(f"classes mixed up by {size:g}", (centres.roll(1, 0) * size, labels), wrong=True)

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield "labels", "multi-hot, of 2", (inputs[0], torch.full((len(inputs[0]), 3), 2))

    def rightness(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        same = labels[:, None] == labels[None, :]
        return _shared.nearness(embeddings, embeddings, same & ~torch.eye(len(labels), dtype=torch.bool), ~same)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"embeddings": "real"} if expects == "logits" else {}

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.features, batch.targets


def _each_view(embeddings: Tensor, labels: Any) -> tuple[Tensor, Any]:
    """(N, V, D) as (N V, D), each view with the label of its thing."""
    if isinstance(labels, Tensor) and labels.shape[:1] == embeddings.shape[:1]:
        labels = labels.repeat_interleave(embeddings.shape[1], 0)
    return embeddings.flatten(0, 1), labels
