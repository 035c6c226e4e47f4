"""A step of ``losszoo run`` made anew from its crash bundle."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.seeding import Randomness
from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UntrustedError, UsageError
from losszoo.losses.sums.data_sizes import set_class_counts, set_sizes
from losszoo.losses.sums.leaves import leaves
from losszoo.tasks.make_task import make_task, task_from, task_of
from losszoo.training.build_loss import make_loss, make_model, shaped_signatures
from losszoo.training.data.batch_inputs import Calls, Step
from losszoo.training.data.prepared_data import Part, Prepared, prepare
from losszoo.training.models.forward import Forward, Precision
from losszoo.training.models.own_network import is_own


class Rebuilder:
    """Makes the step of a bundle as often as it is wanted, each time from the beginning.

    Args:
        bundle: of kind "run".
        randomness: draws for the step; restored by whoever calls it.
        loss: copied for every step where the run was given an object; the text that the config is to hold; None: the
            text in the config is used.
        trust: let the config name code outside the registry. Text that is given is trusted: a person has written it.
        task: of the run once more, where it was one of the user's own that no file tells of.

    Raises:
        UsageError: the bundle does not hold enough of the step.
    """

    def __init__(
        self, bundle: Mapping[str, Any], randomness: Randomness, loss: Any = None, trust: bool = False, task: Any = None
    ) -> None:
        config = bundle["config"]
        if isinstance(loss, str) and (config.get("loss_is_object") or loss != config["loss"]):
            raise UsageError(f"loss must be what the bundle holds, {config['loss']}, got {loss!r}; leave it out")
        if config.get("loss_is_object") and loss is None:
            raise UsageError(
                f"loss must be given again, as this run was started with an object, {config.get('loss')}; "
                "call losszoo.replay(path, loss=...) in Python with an equal object"
            )
        for part in ("batch", "model", "loss"):
            if not isinstance(bundle.get(part), dict):
                lost = [line for line in bundle["left_out"] if line.startswith(part)]
                raise UsageError(
                    f"a bundle must hold the {part} of its step to be replayed, got {'; '.join(lost) or 'none'}"
                )
        self.config, self.randomness = config, randomness
        self.loss = config["loss"] if loss is None else loss
        self.targets = trust or isinstance(loss, str)
        if config.get("trunk_is_object"):
            raise UsageError(
                "a network must be given as file.py:NAME, so that a step of it can be repeated, got an object, "
                f"{config['trunk']}"
            )
        if is_own(config["trunk"]) and not trust:
            raise UntrustedError(
                f"a network that a file names must be trusted, got {config['trunk']}: that is code, and would run as "
                "you; if you trust it: --trust"
            )
        options = dict(config["task_options"])
        self._split = options.pop("split", 0)
        self.task = make_task(_task_again(config, task), options)
        self._data: Prepared | None = None

    def step(self, bundle: Mapping[str, Any]) -> RunStep:
        """The step, with model and loss in the state before it."""
        config, batch = self.config, bundle["batch"]
        device = self.randomness.device
        spec = self.task.spec
        how = config["loss_options"], config["signature"], config["expects"]
        loss = make_loss(copy.deepcopy(self.loss), spec, *how, targets=self.targets)
        weights = batch.get("weights")  # of an earlier version there are none
        weights = None if weights is None else weights.to(device)
        part = Part(batch["inputs"].to(device), batch["targets"].to(device), weights)
        rows, data = self._rows_and_data(any(leaf.rules.draws_candidates for leaf in leaves(loss)), part, batch)
        model = make_model(config["trunk"], config["model"], self.task.numeric, data, shaped_signatures(loss)).to(
            device
        )
        set_sizes(loss, data.classes, model.dim)
        set_class_counts(loss, data.class_counts)
        loss = loss.to(device)
        _load(model, bundle["model"], "model")
        _load(loss, bundle["loss"], "loss")
        model.train()
        forward = Forward(model, Precision(config.get("precision", "fp32"), device))
        generator = self.randomness.generator
        step = Step(model, self.task, data, rows, config["recipe"]["sample_rate"], generator, forward, part)
        return RunStep(step, loss)

    def _rows_and_data(self, candidates: bool, part: Part, batch: Mapping[str, Any]) -> tuple[Tensor, Prepared]:
        """The batch as the training rows; among the others of the task where the loss draws candidates from them."""
        device = self.randomness.device
        if not candidates:
            rows = torch.arange(len(part), device=device)
            counts = tuple(batch.get("class_counts", ()))
            return rows, Prepared(part, part, part, self.task.spec.kind, batch["classes"], class_counts=counts)
        if self._data is None:
            self._data = prepare(self.task, self._split, device)
        data, rows = self._data, batch["rows"].to(device)
        if len(rows) and int(rows.max()) >= len(data.train):
            raise UsageError(
                f"the data of {self.config['task']} must be those of the run, got {len(data.train)} rows, and "
                f"the batch has row {int(rows.max())}"
            )
        return rows, data


def _task_again(config: Mapping[str, Any], given: Any) -> Any:
    """The task that the config tells of; one that is code or data of the user's has to be given again."""
    name = config["task"]
    if not config.get("task_is_own"):
        if given is not None:
            raise UsageError(f"task must be left out, as the bundle tells of its task, {name}, got {given!r}")
        return task_from(config, "in the config of the bundle")
    if given is None:
        raise UsageError(
            f"task must be given again, as {name} of this run is your own, and its kind and columns make the model; "
            "give it with --task file.py:NAME, or losszoo.replay(path, task=...) in Python (the rows of the step are "
            "in the bundle)"
        )
    spec = task_of(given)[0]
    if spec.name != name:
        raise UsageError(f"task must be that of the run, {name}, got {spec.name}")
    return given


class RunStep:
    """Computes the loss of the step; afterwards ``terms`` holds the value of every term that is on.

    Args:
        step: batch, model and draws.
        loss: the sum.
    """

    def __init__(self, step: Step, loss: Any) -> None:
        self.batch, self.loss = step, loss
        self.terms: dict[str, Tensor] = {}

    def __call__(self) -> Tensor:
        loss = self.loss
        calls = Calls(self.batch)
        values = loss.values(calls.inputs, weight=calls.weight)
        self.terms = {label: values[label] for label, weight in loss.weights.items() if weight != 0}
        total: Tensor = loss.combine(values)
        return total


def _load(module: nn.Module, state: Mapping[str, Any], what: str) -> None:
    try:
        module.load_state_dict(state)
    except (LosszooError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the state of the {what} in the bundle must fit the {what} that its config makes, got "
            f"the error {in_one_line(error)}; replay it with the code that wrote it"
        ) from error
