"""Losses of predictions and targets alone: which is which, where the predictions are right, and how they go wrong."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject
from losszoo.doctor.subject.trained_leaves import is_of_model

_TARGETS = ("target", "label", "true", "truth", "class")
_TARGETS_WHOLE = ("y", "t", "gt", "tgt", "ys")
# Of a regression's targets: any numbers, counts, probabilities. A loss of one of them is bounded for its own only.
_NUMBERS = ("real", "positive", "probability", "bounded", "unit")


@dataclass(frozen=True)
class Pair:
    """Predictions and targets.

    Args:
        predictions: what is trained.
        targets: what they should be.
        kind: "numbers", "bits" or "classes".
    """

    predictions: Leaf
    targets: Leaf
    kind: str

    def moved(self, leaves: Leaves, size: float, targets: Tensor | None = None) -> Leaves:
        """Predictions that are off by a size; right ones at 0, or for scores where it is negative."""
        moved = list(leaves)
        given = leaves[self.targets.index] if targets is None else targets
        moved[self.targets.index] = given
        if self.kind == "numbers":
            moved[self.predictions.index] = given.double() + size
        else:
            moved[self.predictions.index] = -size * self._signs(given)
        return moved

    def _signs(self, targets: Tensor) -> Tensor:
        """1 for what is true and -1 for what is not."""
        if self.kind == "bits":
            return 2 * targets.double() - 1
        count = self.predictions.tensor.shape[1]
        known = targets.long().clamp(0, count - 1)  # a label that stands for none, such as 255, is left out anyway
        return 2 * torch.nn.functional.one_hot(known, count).double().movedim(-1, 1) - 1

    def other_targets(self, leaves: Leaves) -> list[Tensor]:
        """The targets as they are, as sizes and as probabilities: a loss is judged by what all of them show."""
        given = leaves[self.targets.index]
        if self.kind != "numbers":
            return [given]
        return [given, given.abs(), given.sigmoid()]


def pair_of(subject: Subject) -> Pair | None:
    """The two tensors of a regression or a classification; None for any other loss."""
    leaves = leaves_of(subject)
    if len(leaves) != 2 or sum(isinstance(x, Tensor) for x in subject.leaves) != 2:
        return None
    trained = [leaf for leaf in leaves if leaf.index in subject.trained]
    given = [leaf for leaf in leaves if leaf.index not in subject.trained]
    if len(trained) != 1 or len(given) != 1 or not (subject.signature or _is_target(given[0].name)):
        return None
    predictions, targets = trained[0], given[0]
    if predictions.kind not in ("real", "positive") or predictions.tensor.numel() < 2:
        return None
    x, y = predictions.tensor, targets.tensor
    if x.shape == y.shape and targets.kind in ("bits", "bool"):
        return Pair(predictions, targets, "bits") if predictions.kind == "real" else None
    if x.shape == y.shape and targets.kind in _NUMBERS:
        return Pair(predictions, targets, "numbers")
    picked = predictions.kind == "real" and _picks(targets, predictions)
    return Pair(predictions, targets, "classes") if picked else None


def likely_pair(subject: Subject) -> tuple[Pair, bool] | None:
    """Two tensors of one shape that nobody calls predictions and targets, beside weights at most; whether names tell.

    Either may be the prediction: they are told apart by what a model gives, or by what comes from the data.
    """
    leaves = leaves_of(subject)
    pair = [leaf for leaf in leaves if leaf.kind in ("real", "positive") and leaf.tensor.numel() > 1]
    weights = [leaf for leaf in leaves if leaf not in pair]
    if len(pair) == 3 and pair[2].given and pair[2].kind == "positive":
        pair = pair[:2]
    if len(pair) != 2 or pair[0].tensor.shape != pair[1].tensor.shape or not any(not leaf.given for leaf in pair):
        return None
    if any(leaf.kind not in ("positive", "probability", "bits", "bool") for leaf in weights):
        return None
    first, second = sorted(pair, key=lambda leaf: (leaf.given, not is_of_model(leaf.name)))
    told = second.given or (is_of_model(first.name) and not is_of_model(second.name))
    return Pair(first, second, "numbers"), told


def scores_and_labels(subject: Subject) -> tuple[Leaf, Leaf] | None:
    """Scores of several classes and one label for each row; None where they may be a square of similarities."""
    leaves = leaves_of(subject)
    scores = [leaf for leaf in leaves if leaf.index in subject.trained and leaf.kind == "real"]
    pairs = [(x, y) for x in scores for y in leaves if _picks(y, x)]
    if len(pairs) != 1 or len(scores) != 1:
        return None
    x = pairs[0][0].tensor
    return pairs[0] if len(x) > 1 and (x.ndim > 2 or x.shape[0] != x.shape[1]) else None


def _picks(labels: Leaf, scores: Leaf) -> bool:
    """Whether each label is one of the scores along the second dimension."""
    x, y = scores.tensor, labels.tensor
    fits = labels.kind == "label" and x.ndim == y.ndim + 1 and x.shape[:1] == y.shape[:1] and x.shape[2:] == y.shape[1:]
    return fits and x.shape[1] > 1 and labels.classes <= x.shape[1]


def _is_target(name: str) -> bool:
    plain = name.lower()
    return plain in _TARGETS_WHOLE or any(word in plain for word in _TARGETS)
