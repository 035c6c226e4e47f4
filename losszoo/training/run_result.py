"""What a run gives back: the record of the command line as an object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from losszoo.common.files import jsonable
from losszoo.tasks.tables.frames import frame_of

RESULT_COLUMNS = ("task", "loss", "seed", "status", "part", "metric", "value")


def metric_rows(metrics: Mapping[str, Mapping[str, float | None]], **run: Any) -> list[dict[str, Any]]:
    """The metrics of a run as flat rows, each with what tells the run."""
    return [
        {**run, "part": part, "metric": name, "value": math.nan if value is None else value}
        for part, named in metrics.items()
        for name, value in named.items()
    ]


@dataclass(frozen=True)
class RunResult:
    """The result of :func:`losszoo.run`.

    Args:
        loss: text of the loss.
        task: name of the task.
        seed: of the training; the split has its own (``task.split``).
        status: "completed", "stopped-early", "stopped-by-guard" or "interrupted".
        metrics: by part ("train", "val", "test") and name.
        epochs: finished epochs.
        steps: steps tried, skipped ones included.
        seconds: of training, validation after every epoch included.
        guard: counts of what the guard did, and the first non-finite event.
        run_dir: folder with config, history, result, checkpoint and crash bundles.
        stop_reason: why it stopped before the last epoch, in words.
        notes: what was noticed of the user's data, such as columns left out, and what did nothing in it, such as a term
            whose weight was 0 throughout.
        class_names: names of the labels, or of several outputs, in their order; empty without any.
        per_class: recall, precision, f1 and support of the test part, by the name of each class; empty for a task
            without classes.
        one_class: where every scored row is predicted as one class: its ``name``, the ``share`` of the rows that are of
            it, and the ``part``; else empty.
    """

    loss: str
    task: str
    seed: int
    status: str
    metrics: Mapping[str, Mapping[str, float]]
    epochs: int
    steps: int
    seconds: float
    guard: Mapping[str, Any]
    run_dir: str
    stop_reason: str = field(default="", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    class_names: tuple[str, ...] = field(default=(), compare=False)
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    one_class: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> RunResult:
        """From the JSON record, in which a number that is not finite is null."""
        metrics = {
            part: {name: math.nan if value is None else value for name, value in named.items()}
            for part, named in record["metrics"].items()
        }
        texts = {name: tuple(record.get(name, ())) for name in ("notes", "class_names")}
        return cls(**{**record, "metrics": metrics, **texts})

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each part and metric: task, loss, seed, status, part, metric, value.

        Raises:
            UsageError: pandas is not installed.
        """
        rows = metric_rows(self.metrics, task=self.task, loss=self.loss, seed=self.seed, status=self.status)
        return frame_of(rows, RESULT_COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """The JSON record."""
        content = {**vars(self), "seconds": round(self.seconds, 3)}
        for name in ("stop_reason", "notes", "class_names", "per_class", "one_class"):
            if not content[name]:
                del content[name]
        record: dict[str, Any] = jsonable(content)
        return record
