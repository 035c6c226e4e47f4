"""Model and batch as a signature sees them: what joins any loss to any task that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.losses.loss import Loss
from losszoo.losses.sampling import sample_neighbors
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import whose
from losszoo.losses.signatures.signature import Signature, predicting_of
from losszoo.pairs.pairwise_loss import SHARED, PairwiseLoss
from losszoo.tasks.task import Task
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.models.forward import Forward, ForwardPass, Outputs


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


def make_head(rules: Signature, dim: int, data: Prepared) -> nn.Module | None:
    """The head that a loss of this signature needs on this data; None where it works on the features.

    Raises:
        UsageError: the signature makes something else.
    """
    with whose(rules.name, "head"):
        head = rules.head(dim, data)
    if head is not None and not isinstance(head, nn.Module):
        raise UsageError(f"signature {rules.name}: head must return a module or None, got {kind_name(head)}")
    return head


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
        read: the rows of the batch, where they have been read already.
    """

    model: Model
    task: Task
    data: Prepared
    rows: Tensor
    sample_rate: float
    generator: Generator
    forward: ForwardPass | None = None
    read: Part | None = None

    @property
    def passing(self) -> ForwardPass:
        self.forward = self.forward or Forward(self.model)
        return self.forward

    @property
    def batch(self) -> Part:
        """The rows of the batch, read once: those of a Dataset may come out otherwise the next time."""
        self.read = self.read or self.data.train.batch(self.rows, self.generator)
        return self.read

    @property
    def inputs(self) -> Tensor:
        return self.batch.inputs

    @property
    def targets(self) -> Tensor:
        return self.batch.targets

    @cached_property
    def weights(self) -> Tensor | None:
        """(N,), how often each row counts; None: all alike."""
        return self.batch.weights_with(self.data.class_weights)

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
        train, inputs, targets = self.data.train, self.inputs, self.targets
        outside = torch.ones(len(train), dtype=torch.bool)
        outside[self.rows.cpu()] = False
        others = outside.nonzero().squeeze(1)
        if len(others):
            others = others[sample_neighbors(len(others), self.sample_rate, self.generator)]
        if len(others):
            drawn = train.batch(others.to(self.rows.device), self.generator)
            inputs, targets = torch.cat((inputs, drawn.inputs)), torch.cat((targets, drawn.targets))
        features = self.passing(inputs)[0]["features"]
        return features, targets, torch.arange(len(self.rows), device=self.rows.device)


@dataclass(frozen=True)
class Batch:
    """What :meth:`losszoo.Signature.loss_inputs` is given: one batch, as one loss sees it.

    Args:
        step: computes what is asked for, once for all losses.
        signature: of the loss.
        expects: what the loss expects of the predictions.
    """

    step: Step
    signature: Signature
    expects: str = "logits"

    @property
    def outputs(self) -> Tensor:
        """The predictions of the signature's head, as the loss expects them."""
        return self.signature.link(self.step.outputs[self.signature.name], self.expects)

    @property
    def features(self) -> Tensor:
        """(N, D) of the trunk: the embedding of each row."""
        return self.step.features

    @property
    def targets(self) -> Tensor:
        """Of the rows, as the task's kind prepares them."""
        return self.step.targets

    @property
    def one_hot_targets(self) -> Tensor:
        """Labels as (N, C), of pixels as (N, C, ...), floating numbers of 0 and 1."""
        return one_hot(self.step.targets, self.data.classes)

    @property
    def data(self) -> Prepared:
        """The prepared data: ``kind``, ``classes``, and the parts ``train``, ``val`` and ``test``."""
        return self.step.data

    @property
    def rows(self) -> Tensor:
        """Indices of the batch among the training rows."""
        return self.step.rows

    @property
    def views(self) -> tuple[Tensor, Tensor]:
        """Features (N, D) of two random views of each row."""
        first, second = self.step.views
        return first["features"], second["features"]

    @property
    def candidates(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features and targets of rows drawn from all training rows, the batch first, and the place of each row."""
        return self.step.neighbors

    @cached_property
    def partners(self) -> tuple[Tensor, Tensor]:
        """(n, 2) indices of rows and a random one of their label, and the same of another label."""
        return partners(self.step.targets, self.step.generator)

    @property
    def parameters(self) -> list[Tensor]:
        """Of the model."""
        return list(self.step.model.parameters())


class Calls:
    """What the losses of a step are called with, and how often their samples count.

    Args:
        step: the batch.
        shared: a loss over pairs that meets the rows of other ranks by itself is given those of this one.
    """

    def __init__(self, step: Step, *, shared: bool = False) -> None:
        self._step, self._shared = step, shared
        self._weights: dict[Loss, Tensor] = {}

    def inputs(self, loss: Loss) -> tuple[Any, ...]:
        """The inputs of a loss; its weights belong to the same draws, and are there from now on."""
        own = self._shared and isinstance(loss, PairwiseLoss) and loss.streaming.ranks in SHARED
        step: Any = _Share(self._step) if own else self._step
        batch = Batch(step, loss.rules, loss.identity.expects)
        inputs = tuple(batch.signature.loss_inputs(batch))
        if step.weights is not None and not batch.signature.on_parameters:
            self._weights[loss] = _weights_of(batch, inputs)
        return inputs

    def weight(self, loss: Loss) -> Tensor | None:
        """How often each sample of the inputs counts; None: all alike."""
        return self._weights.get(loss)


def _weights_of(batch: Batch, inputs: tuple[Any, ...]) -> Tensor:
    """How often each sample counts, beside all of its elements."""
    weights, anchors = batch.step.weights, batch.signature.anchors(batch)
    assert weights is not None
    weights = weights if anchors is None else weights[anchors]
    return weights.reshape(-1, *[1] * (len(batch.signature.element_shape(inputs)) - 1))


class _Share:
    """The rows of a step that this rank computes itself, where a loss over pairs meets the others by itself."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self.targets = step.passing.rows(step.targets)
        self.weights = None if step.weights is None else step.passing.rows(step.weights)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    @property
    def features(self) -> Tensor:
        return self._step.passing.own(self._step.outputs)["features"]

    @property
    def views(self) -> tuple[Outputs, Outputs]:
        first, second = (self._step.passing.own(outputs) for outputs in self._step.views)
        return first, second


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels as (N, C), or (N, C, ...), of 0 and 1."""
    return F.one_hot(labels, classes).movedim(-1, 1).float()


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
    found = predicting_of([TABLE[name] for name in signatures])
    if found is None:
        raise UsageError("a penalty must stand in a sum with a loss of the data, got penalties alone")
    return found.name
