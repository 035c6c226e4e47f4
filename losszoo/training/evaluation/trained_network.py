"""A trained network as one module: from inputs as they come to the scores of the loss's head, or to an embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from losszoo.losses.similarity import unit
from losszoo.registry.registry import installed
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import Part, Prepared, Scaling
from losszoo.training.evaluation.predict import Prediction


class TrainedNetwork(nn.Module):
    """Scaling, trunk and head of a trained model, for a loop, a server or :func:`torch.export.export`.

    Outputs are the logits of the head, (N, C), (N, 1) of two classes, (N, C, ...) of pixels; of numbers those that
    the signature predicts, in the unit of the targets, float64, (N,); the embedding (N, D) where the loss has no head.

    Args:
        model: trunk and heads.
        prediction: how the loss predicts.
        data: unit and shape of the targets.
        scaling: of leading columns of the inputs.
        order: which columns of the inputs the model takes, in its order; None: all of them as they come.
    """

    mean: Tensor
    deviation: Tensor
    center: Tensor
    unit_of_targets: Tensor
    order: Tensor | None

    def __init__(
        self, model: Model, prediction: Prediction, data: Prepared, scaling: Scaling, order: Any = None
    ) -> None:
        super().__init__()
        self.model = model
        self.head = model.heads[prediction.signature] if prediction.rules.has_head else None
        self.cosine = self.head is None and prediction.similarity == "cosine"
        self.rules = prediction.rules
        self.standardised = self.head is not None and installed().kind(data.kind).standardised
        # What a signature predicts by; without the rows, which a copy of the module would take along.
        nothing = Part(torch.empty(0), torch.empty(0))
        self.data = replace(data, train=nothing, val=nothing, test=nothing, class_weights=None)
        for name, numbers in (("mean", scaling.mean), ("deviation", scaling.deviation)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float64))
        self.register_buffer("center", torch.as_tensor(data.center, dtype=torch.float64))
        self.register_buffer("unit_of_targets", torch.as_tensor(data.scale, dtype=torch.float64))
        self.register_buffer("order", None if order is None else torch.as_tensor(np.asarray(order), dtype=torch.long))
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores of inputs (N, ...) of any floating type."""
        features = self.model(self.scaled(inputs))
        if self.head is None:
            return unit(features) if self.cosine else features
        outputs: Tensor = self.head(features)
        if not self.standardised:
            return outputs
        numbers = self.rules.predict(outputs, self.data)
        return numbers.reshape(-1, *self.center.shape).double() * self.unit_of_targets + self.center

    def scaled(self, inputs: Tensor) -> Tensor:
        """Inputs as the model takes them, in the type of its weights."""
        if self.order is not None:
            inputs = inputs[:, self.order]
        wanted = self.dtype
        columns = len(self.mean)
        if not columns:
            return inputs.to(wanted)
        # In float64, as when it was trained: a large mean would cost float32 its digits.
        numbers = (inputs[:, :columns].double() - self.mean) / self.deviation
        return torch.cat((numbers.to(wanted), inputs[:, columns:].to(wanted)), 1)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next((weight.dtype for weight in self.model.parameters() if weight.is_floating_point()), torch.float32)

    @property
    def trunk(self) -> nn.Module:
        """From scaled inputs to features."""
        return self.model.trunk

    @property
    def heads(self) -> nn.ModuleDict:
        """From features to scores, by signature."""
        return self.model.heads

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.model.dim
