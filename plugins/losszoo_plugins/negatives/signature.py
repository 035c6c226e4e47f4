"""The score of the right candidate against the scores of drawn ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Negatives(Signature):
    """Scores of positives (N,) and of negatives (N, M), M >= 1: a higher score is more plausible.

    ``log_q``, (M,) or (N, M), is the logarithm of the probability with which each negative was drawn. ``accidental``,
    (N, M) and boolean, marks negatives that are right by accident; they take no part.
    """

    name = "negatives"
    arguments = ("positive", "negatives")
    optional = ("accidental", "log_q")
    given = ("accidental", "log_q")
    synonyms: ClassVar = {
        "positive": ("positives", "positive_scores", "pos_scores", "pos_score"),
        "negatives": ("negative", "negative_scores", "neg_scores", "neg_score"),
        "log_q": ("sampling_log_probabilities", "log_expected_count"),
        "accidental": ("accidental_hits",),
    }
    fits = ("multiclass",)
    predicting = 65.0
    sizes = Sizes(first="positives", second="negatives", second_default=64, usual="256,1024,4096")
    learns = "the score of the positive over those of the negatives"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        positive, negatives, accidental, log_q = _padded(inputs)
        positive, negatives = checks.floating("positive", positive), checks.floating("negatives", negatives)
        if positive.ndim != 1:
            raise checks.BrokenRule("positive", "have shape (N,)", checks.shape_of(positive))
        if negatives.ndim != 2 or len(negatives) != len(positive) or not negatives.shape[1]:
            rule = f"have shape (N, M), N={len(positive)}, M >= 1"
            raise checks.BrokenRule("negatives", rule, checks.shape_of(negatives))
        wide = torch.promote_types(positive.dtype, negatives.dtype)
        if log_q is not None:
            log_q = checks.undifferentiated("log_q", checks.real("log_q", log_q))
            if log_q.shape not in (negatives.shape[1:], negatives.shape):
                rule = f"have shape (M,) or (N, M), M={negatives.shape[1]}"
                raise checks.BrokenRule("log_q", rule, checks.shape_of(log_q))
            log_q = log_q.to(wide).expand_as(negatives)
        if accidental is not None and (
            not isinstance(accidental, Tensor) or accidental.dtype != torch.bool or accidental.shape != negatives.shape
        ):
            rule = f"be boolean of shape {tuple(negatives.shape)}"
            raise checks.BrokenRule("accidental", rule, checks.shape_of(accidental))
        return positive.to(wide), negatives.to(wide), accidental, log_q

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        log_q = _padded(inputs)[3]
        if log_q is not None:
            checks.require((log_q <= 0) & log_q.isfinite(), "log_q", "be finite log-probabilities, <= 0", log_q)

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        positive, negatives, accidental, log_q = _padded(inputs)
        column = mask[:, None]
        hidden = torch.where(mask, positive, 0.0), torch.where(column, negatives, 0.0)
        log_q = None if log_q is None else torch.where(column, log_q, 0.0)
        return (*hidden, accidental, log_q)

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        return tuple(x if x is None or (place == 3 and x.ndim == 1) else x[rows] for place, x in enumerate(inputs))

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows), source.normal(source.rows, source.second or 5)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        positive, negatives = inputs
        yield EdgeCase("one negative", (positive, negatives[:, :1]))
        yield EdgeCase("all scores equal", (torch.ones_like(positive), torch.ones_like(negatives)))
        for size in (20.0, 89.0, 104.0, 1e4):
            high, low = torch.full_like(positive, size), torch.full_like(negatives, -size)
            yield EdgeCase(f"right by {size:g}", (high, low))
            yield EdgeCase(f"wrong by {size:g}", (-high, -low), True)
        first = torch.zeros_like(negatives, dtype=torch.bool)
        first[:, 0] = True
        yield EdgeCase("an accidental hit", (positive, negatives, first))
        yield EdgeCase("only accidental hits", (positive, negatives, torch.ones_like(first)))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        positive, negatives = inputs
        _, *rest = super().misshapen(inputs)
        yield "inputs", "one too many", (*inputs, None, None, positive)
        yield from rest
        yield "negatives", "none for each positive", (positive, negatives[:, :0])
        yield "log_q", "one number less", (positive, negatives, None, negatives[0, 1:])
        yield "accidental", "whole numbers", (positive, negatives, negatives.long())

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        positive, negatives = inputs
        yield "log_q", "a probability above 1", (positive, negatives, None, torch.ones_like(negatives))

    def rightness(self, positive: Tensor, negatives: Tensor, *_: Any) -> Tensor:
        gap: Tensor = positive.mean() - negatives.mean()
        return gap

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """The own class against all others."""
        own = batch.one_hot_targets.bool()
        outputs = batch.outputs
        if outputs.shape[1] == 1:
            # One class has no rival but the score 0.
            return outputs[:, 0], torch.zeros_like(outputs)
        return outputs[own], outputs[~own].view(len(outputs), -1)


def _padded(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """All four arguments: None for those that were left out."""
    return (*inputs, *[None] * (4 - len(inputs)))
