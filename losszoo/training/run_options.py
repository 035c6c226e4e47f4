"""What a user chooses for a run, checked one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo.common.text import shown
from losszoo.errors import UsageError
from losszoo.tasks.metric_choice import Metrics, several
from losszoo.training.data.class_weight import as_text
from losszoo.training.guard.clip import Clip
from losszoo.training.guard.guard import POLICIES
from losszoo.training.result_options import ResultOptions

Settings = Iterable[str] | Mapping[str, Any]

PRECISIONS = ("fp32", "bf16", "fp16")
PARTS = ("train", "val", "test")
# A checkpoint is at most this old when a run is killed; one every epoch would cost short runs a third of their time.
CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Options(ResultOptions):
    """The options of ``losszoo run``.

    Args:
        seed: of weights, batches and draws; >= 0.
        set: ``model.``, ``recipe.``, ``loss.`` and ``task.`` keys.
        epochs: shorthand of ``recipe.epochs``.
        class_weight: how often the rows of each class count: "balanced", weights by class name, or "yes=3,no=1"; the
            same as ``recipe.class_weight``.
        model: a network of your own under the loss: a module, which is trained in place, a class or function that makes
            one, or "file.py:Net"; the same as the key ``model.trunk``.
        metric: what judges the run, several to report several: a metric of the task's kind, the name of a scorer of
            scikit-learn ("balanced_accuracy", "f1_macro", "log_loss"), or a function of targets and predictions, of
            which more is better. The first one decides which epoch is the best. Left out: the task's own.
        tensorboard: write scalars and gradient histograms for TensorBoard into the run folder.
        mlflow: log settings, epochs and result as a run of MLflow, in the store that MLFLOW_TRACKING_URI names.
        parts: which parts of the data are scored at the end, of "train", "val" and "test".
        checkpoint_seconds: how much work a killed run may lose, >= 0; 0 saves after every step.
        out: folder of the run folders.
        run_dir: the run folder itself, instead of a new one in ``out``.
        others: see :class:`losszoo.training.result_options.ResultOptions`.
    """

    seed: int = 0
    set: Settings = ()
    epochs: int | None = None
    class_weight: str | Mapping[str, float] | None = None
    model: Any = None
    metric: Metrics = ()
    tensorboard: bool = False
    mlflow: bool = False
    parts: tuple[str, ...] = PARTS
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    out: str | Path = "runs"
    run_dir: str | Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_weight", as_text(self.class_weight))
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        _require(whole and 0 <= self.seed < 2**32, "seed", "a whole number in [0, 2^32)", self.seed)
        _require(self.on_nonfinite in POLICIES, "on_nonfinite", f"one of {', '.join(POLICIES)}", self.on_nonfinite)
        _require(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}", self.precision)
        whole = isinstance(self.accumulate, int) and not isinstance(self.accumulate, bool)
        _require(whole and self.accumulate >= 1, "accumulate", "a whole number >= 1", self.accumulate)
        _require(self.accumulate < 2**63, "accumulate", "a whole number that fits 64 bits", self.accumulate)
        named = not isinstance(self.parts, str) and bool(self.parts) and set(self.parts) <= set(PARTS)
        _require(named, "parts", f"some of {', '.join(PARTS)}", self.parts)
        _require(self.checkpoint_seconds >= 0, "checkpoint_seconds", "a number >= 0", self.checkpoint_seconds)
        several(self.metric)
        Clip(self.clip_norm, self.clip_value, self.clip)


def _require(holds: bool, name: str, rule: str, came: Any) -> None:
    if not holds:
        raise UsageError(f"{name} must be {rule}, got {shown(came)}")
