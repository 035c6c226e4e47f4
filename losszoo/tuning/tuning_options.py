"""What a user chooses for a tuning, checked one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.tasks.metric_choice import Metrics, several
from losszoo.training.data.class_weight import as_text
from losszoo.training.result_options import RESULT_OPTIONS, ResultOptions

_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class TuneOptions(ResultOptions):
    """The options of ``losszoo tune``.

    Args:
        trials: in all, those of earlier calls and other machines included.
        storage: URL of the study's database; None is an SQLite file in ``out``.
        study: its name; None is made from task and loss.
        seeds: trainings a trial, with seeds 0 and on; its value is their mean.
        splits: splits of the data that each seed is trained on, from ``task.split`` 0 on.
        jobs: processes.
        epochs: shorthand of ``recipe.epochs``.
        class_weight: shorthand of ``recipe.class_weight``: "balanced", or weights by class name.
        model: a network of your own, "file.py:Net"; with one job also a class or function that makes one.
        metric: what decides, on the validation rows, as of :func:`losszoo.run`; of several the first.
        set: ``model.``, ``recipe.``, ``loss.`` and ``task.`` keys that are fixed.
        search: ``KEY=LOW:HIGH``, ``KEY=LOW:HIGH:log`` or ``KEY=a,b,c``: replaces a range, or adds one; in a mapping
            by key a list holds choices.
        seed: of the sampler.
        timeout: seconds after which no trial is started.
        threads: of torch in each process; None is one where there are several processes, else torch's own.
        out: folder of the study's database and its runs.
        keep: keep the run folders of every trial, not of the best alone.
        others: of every run; see :class:`losszoo.training.result_options.ResultOptions`.
    """

    trials: int = 50
    storage: str | None = None
    study: str | None = None
    seeds: int = 1
    splits: int = 1
    jobs: int = 1
    epochs: int | None = None
    class_weight: str | Mapping[str, float] | None = None
    model: Any = None
    metric: Metrics = ()
    set: Iterable[str] | Mapping[str, Any] = ()
    search: Iterable[str] | Mapping[str, Any] = ()
    seed: int = 0
    timeout: float | None = None
    threads: int | None = None
    out: str | Path = "tunings"
    keep: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_weight", as_text(self.class_weight))
        for name in ("trials", "seeds", "splits", "jobs", "threads", "epochs"):
            value = getattr(self, name)
            if value is not None and not (_is_whole(value) and value >= 1):
                raise UsageError(f"{name} must be a whole number >= 1, got {value!r}")
        if not (_is_whole(self.seed) and 0 <= self.seed <= _LARGEST_SEED):
            raise UsageError(f"seed must be a whole number in [0, 2^32), got {self.seed!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout must be a number of seconds > 0, got {self.timeout!r}")
        if self.model is not None and not isinstance(self.model, str) and not is_factory(self.model):
            raise UsageError(
                "model must be a class or function that makes a new network for each trial, got "
                f"{kind_name(self.model)}; give its class, or file.py:NAME"
            )
        if self.jobs > 1 and not isinstance(self.model, str | type(None)):
            raise UsageError(f"jobs must be 1 for a network without a name, got {self.jobs}; say model='file.py:NAME'")
        if self.jobs > 1 and any(map(callable, several(self.metric))):
            raise UsageError(f"jobs must be 1 where metric is a function, got {self.jobs}; give a metric by its name")
        for name in ("study", "storage", "out"):
            if getattr(self, name) is not None and not str(getattr(self, name)).strip():
                raise UsageError(f"{name} must be a name that is not empty, got {getattr(self, name)!r}")

    def of_runs(self) -> dict[str, Any]:
        """Those that a run takes as they are; it checks them too."""
        own = {name: getattr(self, name) for name in ("model", "class_weight") if getattr(self, name) is not None}
        own |= {"metric": self.metric} if several(self.metric) else {}
        return {name: getattr(self, name) for name in RESULT_OPTIONS} | own


def is_factory(model: Any) -> bool:
    """Whether this makes a network, and is none: a module has parameters of its own."""
    return (callable(model) and not hasattr(model, "_parameters")) or isinstance(model, type)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
