"""Numbers against signs: scores, distances, and pairs of scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared

SIZES = (20.0, 89.0, 104.0, 1e4)


class _Signs(Signature):
    """What the three have in common: the last argument holds 1 and -1."""

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        name, *names = self.arguments
        checks.undifferentiated(names[-1], inputs[-1])
        first = checks.floating(name, inputs[0])
        middle = [checks.floating(n, x) for n, x in zip(names[:-1], inputs[1:-1], strict=True)]
        rest = [checks.like(n, x, first, name) for n, x in zip(names, (*middle, inputs[-1]), strict=True)]
        return first, *rest

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        signs = inputs[-1]
        checks.require(signs.abs() == 1, self.arguments[-1], "be 1 or -1", signs)

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        *numbers, signs = inputs
        return *(torch.where(mask, x, 0.0) for x in numbers), torch.where(mask, signs, 1.0)

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        wrong = (("a label of 0.5", 0.5), ("a label of 2", 2.0))
        yield from _shared.wrong_numbers(inputs, self.arguments[-1], len(inputs) - 1, wrong)


class Signed(_Signs):
    """Scores against 1 and -1, of any shape."""

    name = "signed"
    arguments = ("scores", "signs")
    given = ("signs",)
    synonyms: ClassVar = {
        "scores": ("input", "inputs", "logits", "predictions", "output", "outputs"),
        "signs": ("target", "targets", "label", "labels", "y"),
    }
    fits = ("multiclass", "binary", "multilabel")
    any_shape = True
    predicting = 60.0
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "scores where the sign is 1 over those where it is -1"

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows), 2 * source.bits(source.rows) - 1

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        scores, signs = inputs
        for size in SIZES:
            yield EdgeCase(f"right by {size:g}", (size * signs, signs))
            yield EdgeCase(f"wrong by {size:g}", (-size * signs, signs), True)
        for sign in (1.0, -1.0):
            yield EdgeCase(f"every sign {sign:g}", (scores, torch.full_like(signs, sign)))

    def rightness(self, scores: Tensor, signs: Tensor) -> Tensor:
        return _shared.contrast(scores, signs > 0)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"scores": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1 if data.kind == "binary" else data.classes or data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        if batch.data.kind == "binary":
            return batch.outputs.squeeze(1), 2 * batch.targets.to(batch.outputs.dtype) - 1
        targets = batch.one_hot_targets if batch.data.classes else batch.targets.to(batch.outputs.dtype)
        return batch.outputs, 2 * targets - 1


class Distances(_Signs):
    """Distances of pairs against 1, where the pair belongs together, and -1; of any shape."""

    name = "distances"
    arguments = ("distances", "signs")
    given = ("signs",)
    synonyms: ClassVar = {
        "distances": ("input", "distance", "dist"),
        "signs": ("target", "targets", "label", "labels", "y", "same"),
    }
    fits = ("multiclass", "binary", "retrieval")
    any_shape = True
    predicting = 19.0
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "minus the distances of pairs that belong together, against those that do not"

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows).abs(), 2 * source.bits(source.rows) - 1

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        distances, signs = inputs
        yield EdgeCase("distances of 0", (torch.zeros_like(distances), signs))
        yield EdgeCase("below 0, as differences may be", (-distances, signs))
        for size in SIZES:
            yield EdgeCase(f"distances of {size:g}", (torch.full_like(distances, size), signs))
        for sign in (1.0, -1.0):
            yield EdgeCase(f"every sign {sign:g}", (distances, torch.full_like(signs, sign)))

    def rightness(self, distances: Tensor, signs: Tensor) -> Tensor:
        return -_shared.contrast(distances, signs > 0)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"distances": "real"}

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """Every row of the batch twice: with a row of its label, and with one of another label."""
        first, second = torch.cat(batch.partners).unbind(1)
        same = (batch.targets[first] == batch.targets[second]).to(batch.features.dtype)
        return torch.linalg.vector_norm(batch.features[first] - batch.features[second], dim=1), 2 * same - 1

    def anchors(self, batch: Any) -> Tensor:
        return torch.cat(batch.partners)[:, 0]


class Order(_Signs):
    """Two scores each, and 1 where the first should be the higher one, -1 where the second; of any shape.

    0 says that neither should: such a pair has a value, but no gradient.
    """

    name = "order"
    arguments = ("first", "second", "signs")
    given = ("signs",)
    synonyms: ClassVar = {
        "first": ("x1", "input1"),
        "second": ("x2", "input2"),
        "signs": ("target", "targets", "y", "label", "labels"),
    }
    fits = ("preference",)
    any_shape = True
    predicting = 54.0
    sizes = Sizes(first="pairs", usual="1024,8192,65536")
    learns = "the score that should be higher over the other"

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        signs = inputs[-1]
        checks.require((signs.abs() == 1) | (signs == 0), "signs", "be 1, -1, or 0 for a tie", signs)

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows), source.normal(source.rows), 2 * source.bits(source.rows) - 1

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        first, _, signs = inputs
        yield EdgeCase("equal scores", (first, first.clone(), signs))
        yield EdgeCase("a tie", (first, first.flip(0), torch.zeros_like(signs)))
        for size in SIZES:
            yield EdgeCase(f"right by {2 * size:g}", (size * signs, -size * signs, signs))
            yield EdgeCase(f"wrong by {2 * size:g}", (-size * signs, size * signs, signs), True)

    def rightness(self, first: Tensor, second: Tensor, signs: Tensor) -> Tensor:
        lead: Tensor = (signs * (first - second)).mean()
        return lead

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"first": "real", "second": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """Each row beside the next of its batch, where one of the two is better; batches are shuffled."""
        first, second = _neighbours(batch)
        scores, grades = batch.outputs.squeeze(1), batch.targets
        return scores[first], scores[second], (grades[first] - grades[second]).sign().to(scores.dtype)

    def anchors(self, batch: Any) -> Tensor:
        return _neighbours(batch)[0]

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        return outputs.squeeze(1)


def _neighbours(batch: Any) -> tuple[Tensor, Tensor]:
    first = torch.arange(len(batch.targets), device=batch.targets.device)
    second = first.roll(-1)
    decided = batch.targets[first] != batch.targets[second]
    return first[decided], second[decided]
