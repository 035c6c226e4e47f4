"""Scores of the items of a list against their relevance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from losszoo import EdgeCase, Signature, Sizes, Source, checks

# Items in a list that is made of the rows of a batch.
ITEMS = 20


class Ranking(Signature):
    """Scores (N, L) of the items of N lists against their relevance (N, L), 0 or more; -1 where a list has ended.

    What stands at a -1 takes no part, whatever its score is. Items of one list are compared, those of different ones
    are not.
    """

    name = "ranking"
    arguments = ("item_scores", "relevance")
    given = ("relevance",)
    synonyms: ClassVar = {
        "item_scores": ("scores", "logits", "predictions"),
        "relevance": ("grades", "labels", "targets", "relevances"),
    }
    fits = ("ranking",)
    predicting = 53.0
    sizes = Sizes(first="lists", second="items", second_default=50, usual="32x50,64x200")
    learns = "the scores of relevant items over those of the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        scores = checks.floating("item_scores", inputs[0])
        if scores.ndim != 2 or not scores.shape[1]:
            raise checks.BrokenRule("item_scores", "have shape (N, L), L >= 1", checks.shape_of(scores))
        relevance = checks.undifferentiated("relevance", inputs[1])
        relevance = checks.like("relevance", relevance, scores, "item_scores")
        # No loss sees the score of what is no item.
        return torch.where(relevance == -1, 0.0, scores), relevance

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        relevance = inputs[1]
        legal = (relevance >= 0) & relevance.isfinite() | (relevance == -1)
        checks.require(legal, "relevance", "be finite and >= 0, or -1 where a list has ended", relevance)

    def example(self, source: Source) -> tuple[Any, ...]:
        items = source.second or 5
        return source.normal(source.rows, items), (source.uniform(source.rows, items) * 4).floor()

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        scores, relevance = inputs
        yield EdgeCase("all scores equal", (torch.ones_like(scores), relevance))
        yield EdgeCase("all equally relevant", (scores, torch.ones_like(relevance)))
        yield EdgeCase("nothing relevant", (scores, torch.zeros_like(relevance)))
        yield EdgeCase("one item", (scores[:, :1], relevance[:, :1]))
        yield EdgeCase("grades of 200", (scores, 50 * relevance))
        ended = torch.arange(scores.shape[1], device=scores.device) > 1
        padded = torch.where(ended, -1.0, relevance)
        yield EdgeCase("two items, and the end", (scores, padded))
        yield EdgeCase("scores of 1e30 behind the end", (torch.where(ended, 1e30, scores), padded))
        yield EdgeCase("lists without an item", (scores, torch.full_like(relevance, -1)))
        for size in (1.0, 20.0, 104.0, 1e4):
            yield EdgeCase(f"right by {size:g}", (size * relevance, relevance))
            yield EdgeCase(f"in the wrong order by {size:g}", (-size * relevance, relevance))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        scores, relevance = inputs
        for what, number in (("a relevance of -2", -2.0), ("an infinite relevance", torch.inf)):
            yield "relevance", what, (scores, torch.full_like(relevance, number))

    def rightness(self, item_scores: Tensor, relevance: Tensor) -> Tensor:
        centred = relevance - relevance.mean(1, keepdim=True)
        found: Tensor = (item_scores * centred).mean()
        return found

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"item_scores": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """Lists of 20 rows of the batch, which is shuffled; the last list may be shorter."""
        scores, relevance = batch.outputs.squeeze(1), batch.targets.to(batch.outputs.dtype)
        missing = -len(scores) % ITEMS
        return pad(scores, (0, missing)).view(-1, ITEMS), pad(relevance, (0, missing), value=-1.0).view(-1, ITEMS)

    def anchors(self, batch: Any) -> Tensor:
        """The first row of each list."""
        return torch.arange(0, len(batch.targets), ITEMS, device=batch.targets.device)

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        return outputs.squeeze(1)
