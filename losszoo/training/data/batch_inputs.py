"""Signature -> head, loss arguments. What joins any loss to any task it fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from losszoo.errors import UsageError
from losszoo.losses.sampling import sample_neighbors
from losszoo.tasks.task import Task
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.models.forward import Forward, ForwardPass, Outputs

# The signature that predicts, where a sum holds several: the first of these that it has.
PREDICTING = (
    "multiclass",
    "segmentation",
    "binary",
    "regression",
    "neighbors",
    "embedding",
    "triplet",
    "pair",
    "views",
)
HEADED = ("multiclass", "binary", "regression", "segmentation")


class Model(nn.Module):
    """A trunk and, for every signature that needs one, a head on its features."""

    def __init__(self, trunk: nn.Module, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict(heads)

    @property
    def dim(self) -> int:
        """Width of the features."""
        dim: int = self.trunk.dim  # type: ignore[assignment]
        return dim

    def forward(self, inputs: Tensor) -> Tensor:
        """Features, or the embedding itself for losses without a head."""
        features: Tensor = self.trunk(inputs)
        return features


def make_head(signature: str, dim: int, data: Prepared) -> nn.Module | None:
    """The head that a loss of this signature needs on this data; None where it works on the features."""
    if signature not in HEADED:
        return None
    if data.kind == "segmentation":
        return nn.Conv2d(dim, data.train.targets.shape[1], kernel_size=1)
    return nn.Linear(dim, outputs(signature, data))


def outputs(signature: str, data: Prepared) -> int:
    """Width of the head: one for a number or a yes/no by ``binary`` losses, else one per class."""
    if data.kind == "regression" or (data.kind == "binary" and signature == "binary"):
        return 1
    return data.classes


@dataclass
class Step:
    """One batch and everything a loss may ask of it, computed when first asked for.

    Args:
        model: trunk and heads.
        task: for its augmentation.
        data: the prepared data; training rows are the candidates of ``neighbors``.
        rows: indices of the batch among the training rows.
        sample_rate: share of the other training rows drawn as candidates.
        generator: random source of draws, on the CPU.
        forward: how the model is gone through; None: plainly.
    """

    model: Model
    task: Task
    data: Prepared
    rows: Tensor
    sample_rate: float
    generator: Generator
    forward: ForwardPass | None = None

    @property
    def passing(self) -> ForwardPass:
        self.forward = self.forward or Forward(self.model)
        return self.forward

    @cached_property
    def inputs(self) -> Tensor:
        return self.data.train.inputs[self.rows]

    @cached_property
    def targets(self) -> Tensor:
        return self.data.train.targets[self.rows]

    @cached_property
    def outputs(self) -> Outputs:
        """Features of the batch, and what each head makes of them."""
        return self.passing(self.inputs)[0]

    @property
    def features(self) -> Tensor:
        return self.outputs["features"]

    @cached_property
    def views(self) -> tuple[Outputs, Outputs]:
        """Outputs of two random views; one pass through the trunk for both."""
        first, second = self.passing(*(self.task.augment(self.inputs, self.generator) for _ in range(2)))
        return first, second

    @cached_property
    def neighbors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features and targets of the candidates, the batch first; and the own index of every row of the batch."""
        train = self.data.train
        outside = torch.ones(len(train), dtype=torch.bool)
        outside[self.rows.cpu()] = False
        others = outside.nonzero().squeeze(1)
        if len(others):
            others = others[sample_neighbors(len(others), self.sample_rate, self.generator)]
        drawn = torch.cat((self.rows.cpu(), others)).to(self.rows.device)
        features = self.passing(train.inputs[drawn])[0]["features"]
        return features, train.targets[drawn], torch.arange(len(self.rows), device=self.rows.device)


def arguments(step: Step, signature: str, expects: str) -> tuple[Any, ...]:
    """What a loss of this signature is called with on this batch."""
    return _ARGUMENTS[signature](step, expects)


def link(outputs: Tensor, expects: str, signature: str) -> Tensor:
    """The head's output as the loss expects it: logits, probabilities or log-probabilities."""
    if expects == "logits":
        return outputs
    if signature == "multiclass":
        return F.log_softmax(outputs, 1) if expects == "log-probabilities" else F.softmax(outputs, 1)
    return F.logsigmoid(outputs) if expects == "log-probabilities" else torch.sigmoid(outputs)


def _head(step: Step, signature: str, expects: str) -> Tensor:
    return link(step.outputs[signature], expects, signature)


def _multiclass(step: Step, expects: str) -> tuple[Any, ...]:
    return _head(step, "multiclass", expects), step.targets


def _binary(step: Step, expects: str) -> tuple[Any, ...]:
    predictions = _head(step, "binary", expects)
    if step.data.kind == "binary":
        return predictions.squeeze(1), step.targets.to(predictions.dtype)
    if step.data.kind == "segmentation":
        return predictions, step.targets
    return predictions, one_hot(step.targets, step.data.classes)


def _regression(step: Step, expects: str) -> tuple[Any, ...]:
    predictions = _head(step, "regression", expects)
    if step.data.kind == "regression":
        return predictions.squeeze(1), step.targets
    return predictions, one_hot(step.targets, step.data.classes)


def _segmentation(step: Step, expects: str) -> tuple[Any, ...]:
    return _head(step, "segmentation", expects), step.targets


def _embedding(step: Step, expects: str) -> tuple[Any, ...]:
    return step.features, step.targets


def _pair(step: Step, expects: str) -> tuple[Any, ...]:
    """Every row of the batch twice: with a row of its label, and with one of another label."""
    positive, negative = partners(step.targets, step.generator)
    first = torch.cat((positive[:, 0], negative[:, 0]))
    second = torch.cat((positive[:, 1], negative[:, 1]))
    same = step.targets[first] == step.targets[second]
    return step.features[first], step.features[second], same.to(step.features.dtype)


def _triplet(step: Step, expects: str) -> tuple[Any, ...]:
    """Every row that has both, with a row of its label and one of another label."""
    positive, negative = partners(step.targets, step.generator)
    size = len(step.targets)
    near, far = torch.full((2, size), -1, device=step.targets.device)
    near[positive[:, 0]], far[negative[:, 0]] = positive[:, 1], negative[:, 1]
    whole = ((near >= 0) & (far >= 0)).nonzero().squeeze(1)
    return step.features[whole], step.features[near[whole]], step.features[far[whole]]


def _views(step: Step, expects: str) -> tuple[Any, ...]:
    first, second = step.views
    return first["features"], second["features"]


def _neighbors(step: Step, expects: str) -> tuple[Any, ...]:
    features, targets, own = step.neighbors
    size = len(step.rows)
    return features[:size], targets[:size], features, targets, own


def own_arguments(step: Step, signature: str) -> tuple[Any, ...]:
    """What a loss over pairs is called with that sees the rows of all ranks by itself: the share of this one."""
    if signature == "views":
        first, second = (step.passing.own(outputs) for outputs in step.views)
        return first["features"], second["features"]
    return step.passing.own(step.outputs)["features"], step.passing.rows(step.targets)


def _penalty(step: Step, expects: str) -> tuple[Any, ...]:
    return (list(step.model.parameters()),)


_ARGUMENTS: Mapping[str, Callable[[Step, str], tuple[Any, ...]]] = {
    "multiclass": _multiclass,
    "binary": _binary,
    "regression": _regression,
    "segmentation": _segmentation,
    "embedding": _embedding,
    "pair": _pair,
    "triplet": _triplet,
    "views": _views,
    "neighbors": _neighbors,
    "penalty": _penalty,
}


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels as (N, C) of 0 and 1."""
    return F.one_hot(labels, classes).float()


def partners(labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Random partners of the same and of another label: two (n, 2) tables of indices, rows without one left out."""
    size = len(labels)
    order = torch.rand(size, size, generator=generator).to(labels.device)
    same = labels[:, None] == labels[None, :]
    tables = []
    for allowed in (same & ~torch.eye(size, dtype=torch.bool, device=labels.device), ~same):
        chosen = torch.where(allowed, order, -1.0).argmax(1) if size else labels
        rows = allowed.any(1).nonzero().squeeze(1)
        tables.append(torch.stack((rows, chosen[rows]), 1))
    return tables[0], tables[1]


def predicting_signature(signatures: tuple[str, ...]) -> str:
    """The signature whose outputs are the prediction.

    Raises:
        UsageError: only penalties.
    """
    for signature in PREDICTING:
        if signature in signatures:
            return signature
    raise UsageError("a penalty must stand in a sum with a loss of the data, however: nothing else is there")


def shuffled(part: Part, generator: Generator) -> Tensor:
    """The rows of one epoch in random order."""
    return torch.randperm(len(part), generator=generator).to(part.inputs.device)
