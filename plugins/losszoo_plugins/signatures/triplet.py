"""An anchor, one that belongs to it, and one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Triplet(Signature):
    """Anchors, positives and negatives, (N, D) each."""

    name = "triplet"
    arguments = ("anchors", "positives", "negatives")
    synonyms: ClassVar = {
        "anchors": ("anchor", "a", "query"),
        "positives": ("positive", "pos", "p"),
        "negatives": ("negative", "neg", "n"),
    }
    fits = ("multiclass", "binary", "retrieval")
    predicting = 30.0
    sizes = Sizes(first="triplets", usual="1024,8192,65536", wide=True)
    learns = "the distance of the negative over that of the positive"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        anchors = checks.rows("anchors", inputs[0])
        others = zip(self.arguments[1:], inputs[1:], strict=True)
        return _shared.in_one_dtype(anchors, *(checks.same_rows("anchors", anchors, name, x) for name, x in others))

    def example(self, source: Source) -> tuple[Any, ...]:
        return tuple(_shared.embedded(source) for _ in self.arguments)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        anchors, positives, negatives = inputs
        yield from _shared.cases("anchors: ", _shared.geometry(anchors), positives, negatives)
        yield EdgeCase("identical positives", (anchors, anchors.clone(), negatives))
        yield EdgeCase("identical negatives", (anchors, positives, anchors.clone()))
        yield EdgeCase("everything identical", (anchors, anchors.clone(), anchors.clone()))

    def rightness(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        far, near = (torch.linalg.vector_norm(anchors - others, dim=1) for others in (negatives, positives))
        gap: Tensor = (far - near).mean()
        return gap

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """Every row that has both, with a row of its label and one of another label."""
        return tuple(batch.features[rows] for rows in _triplets(batch))

    def anchors(self, batch: Any) -> Tensor:
        return _triplets(batch)[0]


def _triplets(batch: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of anchors, positives and negatives."""
    positive, negative = batch.partners
    near, far = torch.full((2, len(batch.targets)), -1, device=batch.targets.device)
    near[positive[:, 0]], far[negative[:, 0]] = positive[:, 1], negative[:, 1]
    whole = ((near >= 0) & (far >= 0)).nonzero().squeeze(1)
    return whole, near[whole], far[whole]
