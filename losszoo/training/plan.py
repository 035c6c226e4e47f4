"""Everything that a run is made of: one typed value from the one who builds it to the loop that fits it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from losszoo.common.seeding import Randomness
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.pairs.distributed.collectives import World
from losszoo.tasks.metric_choice import Metric
from losszoo.tasks.task import Recipe, Task
from losszoo.training.build_loss import make_prediction
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import Prepared
from losszoo.training.evaluation.predict import Prediction
from losszoo.training.guard.guard import Guard
from losszoo.training.models.forward import Forward
from losszoo.training.run_folder.run_folder import Record

if TYPE_CHECKING:
    from losszoo.training.run_folder.tensorboard import Scalars


@dataclass
class Plan:
    """Everything a run is made of, built and checked.

    Args:
        task: what is learned.
        data: its parts as tensors.
        model: trunk and heads.
        loss: as a sum, even of one term.
        signature: of the loss by which the model predicts.
        recipe: how it is trained.
        optimizer: of model and loss.
        guard: takes the steps.
        forward: how the model is gone through in a step.
        randomness: of the run.
        record: where it is written down.
        config: everything that decides the result.
        seed: of the run.
        metrics: that judge it, those of the kind aside; the first decides.
        asked_metrics: of them those that the kind does not measure by itself, or that the user asked for.
        notes: of what does nothing in it.
        accumulate: batches that make one step.
        world: the ranks that train together; None for one process.
        checkpoint_seconds: age at which a checkpoint is due.
        scalars: for TensorBoard; None for none.
    """

    task: Task
    data: Prepared
    model: Model
    loss: SumLoss
    signature: str
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    guard: Guard
    forward: Forward
    randomness: Randomness
    record: Record
    config: Mapping[str, Any]
    seed: int
    metrics: tuple[Metric, ...]
    asked_metrics: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()
    accumulate: int = 1
    world: World | None = None
    checkpoint_seconds: float = math.inf
    scalars: Scalars | None = None

    @property
    def prediction(self) -> Prediction:
        """How the model predicts now: a temperature may have been learned."""
        return replace(make_prediction(self.loss, self.signature), metrics=self.asked_metrics)

    @property
    def deciding(self) -> tuple[str, str]:
        """The metric that decides, and its direction."""
        return self.metrics[0].name, self.metrics[0].direction

    @property
    def step_rows(self) -> int:
        """Rows that make one step."""
        return self.recipe.batch_size * self.accumulate

    @property
    def first_rank(self) -> bool:
        """Whether this process is the one that looks, scores and writes."""
        return self.world is None or self.world.rank == 0
