"""A run of MLflow beside a run folder: its settings, the metrics of its epochs, and its result."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from losszoo.common.foreign_code import level_of_user
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError
from losszoo.training.run_result import RunResult

# MLflow's own name for where its runs belong; ours, where nothing is said.
_EXPERIMENT, _OURS = "MLFLOW_EXPERIMENT_NAME", "losszoo"
# By which a run that is resumed is found again.
_FOLDER = "losszoo.run_dir"
# Of an epoch's line: what is one number, and what is a number for each name.
_NUMBERS = ("loss", "grad_norm", "lr", "clipped", "bad_steps")
_FAMILIES = ("val", "terms", "weights")
# What one request of MLflow may hold.
_MOST_PARAMS, _LONGEST = 100, 500


class MLflowRun:
    """Writes the course of a run where MLflow looks: ``MLFLOW_TRACKING_URI``, a file or a server.

    Args:
        config: of the run; its settings become parameters.
        folder: of the run. One that MLflow knows is gone on with.

    Raises:
        UsageError: MLflow is not installed, or its store cannot be used.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise UsageError('MLflow is not installed: pip install "losszoo[integrations]"') from error
        self._mlflow, self._lost = mlflow, False
        try:
            self._client = mlflow.MlflowClient()
            self._run = self._begun(config, str(folder.resolve()))
        except (mlflow.exceptions.MlflowException, ImportError, OSError) as error:
            raise UsageError(
                f"the store of MLflow must be one that can be written, got {mlflow.get_tracking_uri()} "
                f"({in_one_line(error)}); set MLFLOW_TRACKING_URI, as to sqlite:///mlflow.db (pip install sqlalchemy "
                "alembic) or to a server"
            ) from error

    def _begun(self, config: Mapping[str, Any], folder: str) -> str:
        """The id of the run of this folder, new or known."""
        name = os.environ.get(_EXPERIMENT) or _OURS
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        quoted = folder.replace("'", "''")
        found = self._client.search_runs([experiment], f"tags.`{_FOLDER}` = '{quoted}'", max_results=1)
        if found:
            run = str(found[0].info.run_id)
            self._client.update_run(run, "RUNNING")
            return run
        named = f"{config['loss']} on {config['task']}, seed {config['seed']}"
        run = str(self._client.create_run(experiment, tags={_FOLDER: folder}, run_name=named[:_LONGEST]).info.run_id)
        params = [self._mlflow.entities.Param(key, str(value)[:_LONGEST]) for key, value in _flat(config)]
        for start in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(run, params=params[start : start + _MOST_PARAMS])
        return run

    def epoch(self, line: Mapping[str, Any]) -> None:
        """A line of the history, at the number of its epoch."""
        numbers = {name: line.get(name) for name in _NUMBERS}
        for family in _FAMILIES:
            numbers |= {f"{family}/{name}": value for name, value in (line.get(family) or {}).items()}
        self._log(numbers, int(line["epoch"]))

    def end(self, result: RunResult) -> None:
        """The metrics of all parts, and how the run ended."""
        numbers = {f"{part}/best/{name}": x for part, found in result.metrics.items() for name, x in found.items()}
        guard = {f"guard/{name}": x for name, x in result.guard.items() if isinstance(x, int)}
        self._log(numbers | guard, result.epochs)
        ended = {"interrupted": "KILLED", "stopped-by-guard": "FAILED"}.get(result.status, "FINISHED")
        self._try(lambda: self._client.set_tag(self._run, "losszoo.status", result.status))
        self._try(lambda: self._client.set_terminated(self._run, ended))

    def killed(self) -> None:
        """An error or Ctrl-C has ended the process of the run."""
        self._try(lambda: self._client.set_terminated(self._run, "KILLED"))

    def _log(self, numbers: Mapping[str, Any], step: int) -> None:
        now = int(time.time() * 1000)
        made = self._mlflow.entities.Metric
        metrics = [made(_legal(name), float(x), now, step) for name, x in numbers.items() if x is not None]
        self._try(lambda: self._client.log_batch(self._run, metrics=metrics))

    def _try(self, log: Any) -> None:
        """A store that is lost does not end a training; the run folder holds the same numbers."""
        if self._lost:
            return
        try:
            log()
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            self._lost = True
            warnings.warn(
                f"MLflow takes nothing more of this run ({in_one_line(error)}); training goes on, and its run folder "
                "holds the same numbers",
                RuntimeWarning,
                stacklevel=level_of_user(),
            )


def _flat(content: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{key}.")
        else:
            yield _legal(f"{start}{key}"), value


def _legal(name: str) -> str:
    """MLflow takes letters, digits and a few signs in a name: ``focal(gamma=2)`` has others."""
    return "".join(x if x.isalnum() or x in "_-. /" else "_" for x in name)
