"""A trained plan without what only training needs: what an estimator keeps to predict with."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from losszoo.sklearn.rows import Array, Columns
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import UNSCALED, Part, Prepared, Scaling
from losszoo.training.evaluation.knn import Known
from losszoo.training.evaluation.predict import Prediction
from losszoo.training.evaluation.trained_network import TrainedNetwork
from losszoo.training.plan import Plan

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Fitted:
    """Columns, network, and what it needs of the training rows; on the CPU, in float64.

    In float64 a prediction does not depend on the rows that are predicted beside it.

    Args:
        columns: of the inputs.
        model: trunk and heads.
        prediction: how the loss predicts.
        data: kind, unit of the targets, and the targets of the training rows.
        known: the features of the training rows, where the loss predicts from them.
    """

    columns: Columns
    model: Model
    prediction: Prediction
    data: Prepared
    known: Known | None

    def network(self) -> TrainedNetwork:
        """The whole way from columns as they are given to scores, as one module."""
        columns = self.columns
        scaler = columns.scaler
        scaling = UNSCALED if scaler is None else Scaling(scaler.mean_, scaler.scale_)
        order = np.concatenate([columns.numeric, columns.others])
        network = TrainedNetwork(self.model, self.prediction, self.data, scaling, order)
        return network.requires_grad_(False)

    @classmethod
    def of(cls, plan: Plan, columns: Columns) -> Fitted:
        """From a plan that has been trained."""
        model = plan.model.to(_CPU, torch.float64).eval().requires_grad_(False)
        # The weight of a class is in that of its rows.
        train = replace(plan.data.train, weights=plan.data.train.weights_with(plan.data.class_weights))
        data = replace(plan.data, train=_moved(train, _CPU), val=_moved(plan.data.val, _CPU), class_weights=None)
        known = plan.prediction.known(model, data, plan.deciding)
        # New tensors: a pickle of a part of a tensor holds all of it.
        inputs, targets = data.train.inputs, data.train.targets
        bare = replace(data.train, inputs=inputs.new_empty(len(inputs), 0))
        nothing = Part(inputs.new_empty(0, 0), targets.new_empty(0))
        return cls(columns, model, plan.prediction, replace(data, train=bare, val=nothing, test=nothing), known)

    def outputs(self, inputs: Array, device: torch.device, expects: str) -> Tensor:
        """What is predicted of each row, as :meth:`Prediction.outputs` says; ``expects``: as what kind of scores."""
        there = self._on(device)
        prediction = replace(there.prediction, expects=expects)
        return prediction.outputs(there.model, there.data, there._tensor(inputs, device), there.known).cpu()

    def embedded(self, inputs: Array, device: torch.device) -> Array | None:
        """The embedding of each row; None where the loss predicts by a head."""
        there = self._on(device)
        rows = there._tensor(inputs, device)
        features = there.prediction.embedded(there.model, Part(rows, rows))
        return None if features is None else features.cpu().numpy()

    def _tensor(self, inputs: Array, device: torch.device) -> Tensor:
        return torch.from_numpy(self.columns(inputs)).to(device, _dtype(device))

    def _on(self, device: torch.device) -> Fitted:
        """The same on another device; what is kept stays where it is."""
        if device.type == "cpu":
            return self
        model = copy.deepcopy(self.model).to(device, _dtype(device))
        known = self.known and replace(self.known, features=self.known.features.to(device, _dtype(device)))
        return replace(self, model=model, data=replace(self.data, train=_moved(self.data.train, device)), known=known)


def _dtype(device: torch.device) -> torch.dtype:
    """Accelerators are slow in float64, or lack it."""
    return torch.float64 if device.type == "cpu" else torch.float32


def _moved(part: Part, device: torch.device) -> Part:
    """Numbers in the type of the device; labels stay whole."""

    def moved(values: Tensor) -> Tensor:
        return values.to(device, _dtype(device) if values.is_floating_point() else values.dtype)

    weights = None if part.weights is None else moved(part.weights)
    return Part(moved(part.inputs), moved(part.targets), weights)
