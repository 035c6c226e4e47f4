"""Scores of the better and of the worse of two answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Preference(Signature):
    """Scores of chosen and of rejected answers, (N,) each.

    Scores are rewards, or log-probabilities of whole answers. Those of a reference model are subtracted, and the
    difference is divided by the number of tokens, wherever they are given. A loss sees the two results.
    """

    name = "preference"
    arguments = ("chosen", "rejected")
    optional = ("reference_chosen", "reference_rejected", "chosen_lengths", "rejected_lengths")
    given = ("reference_chosen", "reference_rejected", "chosen_lengths", "rejected_lengths")
    synonyms: ClassVar = {
        "chosen": ("policy_chosen_logps", "chosen_logps", "chosen_rewards", "preferred", "winner", "better"),
        "rejected": ("policy_rejected_logps", "rejected_logps", "rejected_rewards", "dispreferred", "loser", "worse"),
        "reference_chosen": ("reference_chosen_logps", "ref_chosen_logps"),
        "reference_rejected": ("reference_rejected_logps", "ref_rejected_logps"),
    }
    fits = ("preference",)
    expects = ("logits", "log-probabilities")
    predicting = 55.0
    sizes = Sizes(first="pairs", usual="1024,8192,65536")
    learns = "the score of the chosen over that of the rejected"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        inputs = _padded(inputs)
        chosen = checks.floating("chosen", inputs[0])
        if chosen.ndim != 1:
            raise checks.BrokenRule("chosen", "have shape (N,)", checks.shape_of(chosen))
        rejected = checks.like("rejected", checks.floating("rejected", inputs[1]), chosen, "chosen")
        rest = [rejected] + [
            None if value is None else checks.like(name, value, chosen, "chosen")
            for name, value in zip(self.optional, inputs[2:], strict=True)
        ]
        for first, second in ((1, 2), (3, 4)):
            if (rest[first] is None) != (rest[second] is None):
                absent, present = (first, second) if rest[first] is None else (second, first)
                raise checks.BrokenRule(self.names[1:][absent], f"be given with {self.names[1:][present]}", "none")
        if context.expects == "log-probabilities" and rest[1] is not None:
            raise checks.BrokenRule("reference_chosen", "be left out: this loss has no reference model", "a tensor")
        for place in (1, 2):
            checks.undifferentiated(self.names[1:][place], rest[place])
        return chosen, *rest

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        chosen, rejected, *references, chosen_lengths, rejected_lengths = _padded(inputs)
        # Infinity minus infinity is no number, and says nothing of which answer is better.
        undecided = chosen.isinf() & (chosen == rejected)
        checks.require(~undecided, "rejected", "be finite where chosen is infinite", rejected)
        for name, value in zip(self.optional, references, strict=False):
            if value is not None:
                checks.require(value.isfinite(), name, "be finite", value)
        for name, value in zip(self.optional[2:], (chosen_lengths, rejected_lengths), strict=True):
            if value is not None:
                checks.require(value >= 1, name, "be numbers of tokens, >= 1", value)
        if context.expects == "log-probabilities":
            checks.require(chosen <= 0, "chosen", "be log-probabilities, <= 0", chosen)
            rule = "be log-probabilities below 0, as the odds of a certain answer are infinite"
            checks.require(rejected < 0, "rejected", rule, rejected)

    def function_inputs(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        scores, optional = list(inputs[:2]), _padded(inputs)[2:]
        for place in (0, 1):
            reference, lengths = optional[place], optional[2 + place]
            if reference is not None:
                scores[place] = scores[place] - reference
            if lengths is not None:
                # A row that a mask hides may have no tokens.
                scores[place] = scores[place] / lengths.clamp(min=1)
        return tuple(scores)

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        # log 1/2 is in the middle of the log-probabilities; a probability of 1 has infinite odds.
        neutral = -0.7 if context.expects == "log-probabilities" else 0.0
        fills = (neutral, neutral, 0.0, 0.0, 1.0, 1.0)
        return tuple(
            x if x is None else torch.where(mask, x, torch.full((), fill, dtype=x.dtype, device=x.device))
            for x, fill in zip(inputs, fills, strict=False)
        )

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        return tuple(x if x is None else x[rows] for x in inputs)

    def example(self, source: Source) -> tuple[Any, ...]:
        scores = (self.link(source.normal(source.rows), source.expects) for _ in self.arguments)
        return tuple(scores)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        chosen, rejected = inputs
        yield EdgeCase("equal scores", (chosen, chosen.clone()))
        if expects == "log-probabilities":
            for size in (1e-6, 20.0, 1e3):
                low, high = torch.full_like(chosen, -size), torch.full_like(chosen, -1.0)
                yield EdgeCase(f"chosen of log-probability -{size:g}", (low, high), size > 1)
            yield EdgeCase("sums over a hundred tokens", (100 * chosen, 100 * rejected))
            return
        for size in (20.0, 89.0, 104.0, 1e4):
            high, low = torch.full_like(chosen, size), torch.full_like(chosen, -size)
            yield EdgeCase(f"right by {size:g}", (high, low))
            yield EdgeCase(f"wrong by {size:g}", (low, high), True)
        lengths = torch.arange(1, len(chosen) + 1, dtype=chosen.dtype, device=chosen.device)
        agreeing = chosen.clone(), rejected.clone()
        yield EdgeCase("a reference that agrees", (chosen, rejected, *agreeing, lengths, lengths + 3))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        # Three times the two arguments would be all six.
        _, *rest = super().misshapen(inputs)
        yield "inputs", "one too many", (*inputs, *inputs, *inputs, inputs[0])
        yield from rest
        yield "reference_rejected", "a reference for one answer only", (*inputs, inputs[0])

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        chosen, rejected = inputs
        infinite, ones = torch.full_like(chosen, -torch.inf), torch.ones_like(chosen)
        yield "rejected", "both infinite", (infinite, infinite)
        yield "chosen_lengths", "an answer without tokens", (chosen, rejected, None, None, 0 * ones, ones)
        if expects == "log-probabilities":
            yield "chosen", "a log-probability of 1", (ones, rejected)
            yield "rejected", "a certain answer", (chosen, 0 * rejected)
        else:
            yield "reference_chosen", "an infinite reference", (chosen, rejected, infinite, ones, None, None)

    def rightness(self, *inputs: Any) -> Tensor:
        gap: Tensor = (inputs[0] - inputs[1]).mean()
        return gap

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        kind = "log-probability" if expects == "log-probabilities" else "real"
        return dict.fromkeys(self.arguments, kind)

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """Each row beside the next of its batch, where one of the two is better."""
        better, worse = _pairs(batch)
        scores = batch.outputs.squeeze(1)
        return scores[better], scores[worse]

    def anchors(self, batch: Any) -> Tensor:
        return _pairs(batch)[0]

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        return outputs.squeeze(1)


def _pairs(batch: Any) -> tuple[Tensor, Tensor]:
    """Places of the better and of the worse row of each pair; batches are shuffled, so neighbours are drawn."""
    grades = batch.targets
    first = torch.arange(len(grades), device=grades.device)
    second = first.roll(-1)
    decided = grades[first] != grades[second]
    first, second = first[decided], second[decided]
    better = grades[first] > grades[second]
    return torch.where(better, first, second), torch.where(better, second, first)


def _padded(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """All six arguments: None for those that were left out."""
    return (*inputs, *[None] * (6 - len(inputs)))
