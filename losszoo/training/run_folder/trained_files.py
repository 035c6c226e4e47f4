"""What a run has learned, in two files: ``trained.pt`` holds tensors, ``trained.json`` says what they are.

Nothing in them is code. They hold all that predicts: the best weights, how inputs are scaled and a table is encoded,
class names, and the training rows where a loss lets them vote. The data of the run are not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from losszoo.common.files import DamagedError, read_json
from losszoo.common.torch_files import load
from losszoo.losses.sums.leaves import leaves
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.metric_choice import metrics_of
from losszoo.training.data.prepared_data import Part, Prepared, Scaling
from losszoo.training.evaluation.knn import Known
from losszoo.training.evaluation.predict import Prediction
from losszoo.training.plan import Plan
from losszoo.training.run_folder.progress import Progress
from losszoo.training.run_folder.run_folder import TRAINED, TRAINED_TENSORS

FORMAT = 1
# A network has a tensor for each layer, or a few.
_MOST_VALUES = 2_000_000
# Rows on which a network of the user is tried when it is built again.
_TRIED = 2


@dataclass(frozen=True)
class Trained:
    """What the files hold.

    Args:
        told: the plain data.
        state: of the model.
        known: the training rows, where they vote.
        data: kind, unit and scaling; of the training rows the targets, the inputs of the first two, and where they vote
            how often each of them counts.
    """

    told: Mapping[str, Any]
    state: Mapping[str, Tensor]
    known: Known | None
    data: Prepared

    def prediction(self, metrics: tuple[Any, ...] = ()) -> Prediction:
        """How the loss predicts, and is judged.

        Args:
            metrics: given again, functions of the user among them; none: those that have a name.
        """
        told, task = self.told["prediction"], self.told["task"]
        same = {name: task[name] for name in ("name", "kind", "metric")}
        spec = TaskSpec(**same, target="losszoo:Task", summary="of a run")
        asked = metrics or tuple(told["metrics"])
        return Prediction(**{**told, "metrics": metrics_of(spec, asked) if asked else ()})


def write_trained(plan: Plan, progress: Progress, known: Known | None) -> None:
    """Write both files, for the state of the model that is scored.

    Args:
        plan: of the run, its model in the best state.
        progress: of the run.
        known: the training rows, where they vote.
    """
    moment = {"format": FORMAT, "epochs": progress.epoch, "steps": plan.guard.counts.steps}
    told = {
        **moment,
        "task": _told_of_task(plan),
        "best_epoch": progress.best_epoch if progress.best_state else None,
        "signatures": list(plan.loss.signatures),
        "shapes": {leaf.signature: leaf.shape for leaf in leaves(plan.loss) if leaf.shape},
        "prediction": _told_of_prediction(plan.prediction),
        **_told_of_data(plan.data),
        "k": known.k if known else None,
    }
    model = {name: value.detach().cpu() for name, value in plan.model.state_dict().items()}
    plan.record.write_trained({**moment, "model": model, **_tensors(plan.data, known)}, told)


def _told_of_task(plan: Plan) -> dict[str, Any]:
    task = plan.task
    return {
        "name": task.spec.name,
        "kind": task.spec.kind,
        "metric": plan.deciding[0],
        "class_names": list(task.class_names),
        **({"class_values": list(task.class_values)} if task.class_values else {}),
        "numeric": task.numeric,
        "encoding": task.table_encoding(int(plan.config["task_options"]["split"])),
    }


def _told_of_prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        "signature": prediction.signature,
        "expects": prediction.expects,
        "similarity": prediction.similarity,
        "temperature": float(prediction.temperature),
        "shape": dict(prediction.shape),
        # A function of the user is code, and has to be given again.
        "metrics": [metric.name for metric in prediction.metrics if not callable(metric.function)],
    }


def _told_of_data(data: Prepared) -> dict[str, Any]:
    scaling = _plain(mean=data.scaling.mean, deviation=data.scaling.deviation)
    return {
        "inputs": {"shape": list(data.train.shape), "bytes_are_pixels": data.bytes_are_pixels, **scaling},
        "targets": {"classes": data.classes, **_plain(center=data.center, scale=data.scale)},
    }


def _tensors(data: Prepared, known: Known | None) -> dict[str, Tensor | None]:
    """Targets and two inputs of the training rows; where they vote, their features and weights."""
    # The weight of a class is in that of its rows.
    weights = data.train.weights_with(data.class_weights) if known else None
    tried = data.train.batch(torch.arange(min(_TRIED, len(data.train))), torch.Generator())
    whole = known is not None or data.train.targets.ndim <= 2  # a label for each pixel is large, and no head needs it
    return {
        "targets": data.train.targets[: None if whole else _TRIED].cpu().clone(),
        "tried": tried.inputs.cpu().clone(),
        "known": known.features.cpu().clone() if known else None,
        "weights": None if weights is None else weights.cpu().clone(),
    }


def _plain(**numbers: Any) -> dict[str, Any]:
    return {name: np.asarray(number, dtype=np.float64).tolist() for name, number in numbers.items()}


def read_trained(folder: Path) -> Trained:
    """What both files hold; nothing in them is executed.

    Raises:
        DamagedError: one is not as it was written, or they are of different moments; names it.
        OSError: one cannot be read.
    """
    told = _read(folder / TRAINED, read_json)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        came = told.get("format") if isinstance(told, dict) else type(told).__name__
        raise DamagedError(
            f"{folder / TRAINED} must be of format {FORMAT}, got {came}; load it with the losszoo that wrote it"
        )
    tensors = _read(folder / TRAINED_TENSORS, lambda path: load(path, _MOST_VALUES))
    if not isinstance(tensors, dict) or any(tensors.get(name) != told.get(name) for name in ("epochs", "steps")):
        raise DamagedError(
            f"{folder / TRAINED_TENSORS} and {TRAINED} must be of one moment, got two: a run was killed while it wrote "
            "them; resume it"
        )
    try:
        return Trained(told, tensors["model"], _known(told, tensors), _data(told, tensors))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise not_as_written(folder, error) from error


def not_as_written(folder: Path, error: Exception) -> DamagedError:
    """The error of files whose checksum fits, and that losszoo never writes."""
    return DamagedError(f"{folder / TRAINED} must be what a run writes, got the error {error!r} where it is read")


def _read(path: Path, reader: Any) -> Any:
    try:
        return reader(path)
    except DamagedError as error:
        raise DamagedError(f"{path} must be as the run has written it, got {error}") from error


def _known(told: Mapping[str, Any], tensors: Mapping[str, Any]) -> Known | None:
    features = tensors["known"]
    if features is not None and not isinstance(features, Tensor):
        raise TypeError("what is no tensor")
    return None if features is None else Known(features, int(told["k"]))


def _data(told: Mapping[str, Any], tensors: Mapping[str, Any]) -> Prepared:
    inputs, targets, weights = tensors["tried"], tensors["targets"], tensors["weights"]
    numbers = (inputs, targets, *([] if weights is None else [weights]), *tensors["model"].values())
    if not all(isinstance(x, Tensor) for x in numbers):
        raise TypeError("what is no tensor")
    if list(inputs.shape[1:]) != told["inputs"]["shape"]:
        raise ValueError(f"inputs of shape {tuple(inputs.shape[1:])}")
    nothing = Part(inputs[:0], targets[:0])
    center, scale = (_number(told["targets"][name]) for name in ("center", "scale"))
    scaling = Scaling(*(np.array(told["inputs"][name], dtype=np.float64) for name in ("mean", "deviation")))
    kind, classes = told["task"]["kind"], int(told["targets"]["classes"])
    pixels = told["inputs"]["bytes_are_pixels"] is True
    train, unit = Part(inputs, targets, weights), (center, scale, scaling)
    return Prepared(train, nothing, nothing, kind, classes, *unit, bytes_are_pixels=pixels)


def _number(value: Any) -> Any:
    return np.array(value, dtype=np.float64) if isinstance(value, list) else float(value)
