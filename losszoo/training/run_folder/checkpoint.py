"""The checkpoint of a run: written from time to time, and gone on from, to the same bits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from losszoo.common.files import DamagedError
from losszoo.common.text import kind_name
from losszoo.common.torch_files import load
from losszoo.training.plan import Plan
from losszoo.training.run_folder.progress import Progress

# A run in which a million steps are bad keeps six numbers of each.
MOST_VALUES = 20_000_000


class Saving:
    """Writes the checkpoint and what a reader may look at meanwhile.

    Args:
        plan: of the run.
        progress: of the run.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan, self.progress = plan, progress
        self._before = progress.seconds
        self._began = self._saved = time.perf_counter()

    def seconds(self) -> float:
        """Of training so far."""
        return self._before + time.perf_counter() - self._began

    def when_due(self) -> None:
        """Where the last one is old enough."""
        if time.perf_counter() - self._saved > self.plan.checkpoint_seconds:
            self.now()

    def now(self) -> None:
        """The state as it stands."""
        plan, progress = self.plan, self.progress
        progress.seconds = self.seconds()
        plan.record.write_json("history.json", progress.history)
        plan.record.write_json("steps.json", progress.steps.columns())
        plan.record.write_checkpoint(
            {
                "model": plan.model.state_dict(),
                "loss": plan.loss.state_dict(),
                "optimizer": plan.optimizer.state_dict(),
                "guard": plan.guard.state_dict(),
                "random": plan.randomness.whole_state(),
                "bundles": plan.record.bundles.tried if plan.record.bundles else 0,
                "config": dict(plan.config),
                **progress.state_dict(),
            }
        )
        self._saved = time.perf_counter()


def go_on(plan: Plan, state: Mapping[str, Any]) -> Progress:
    """Put a fresh plan into the state of a checkpoint."""
    device = plan.data.train.targets.device
    plan.model.load_state_dict(state["model"])
    plan.loss.load_state_dict(state["loss"])
    plan.optimizer.load_state_dict(state["optimizer"])
    plan.guard.load_state_dict(state["guard"])
    plan.randomness.restore_whole(state["random"])
    if plan.record.bundles is not None:
        # What was written after the checkpoint will be written again.
        plan.record.bundles.go_on(state["bundles"], state["guard"]["counts"]["steps"])
    return Progress.of(state, device)


def begin_again(plan: Plan) -> Progress:
    """Of a run that was killed before its first checkpoint."""
    if plan.record.bundles is not None:
        plan.record.bundles.go_on(0, 0)
    return Progress()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a file; nothing in it is executed.

    Raises:
        DamagedError: it is not as it was written; says why.
        OSError: it cannot be read.
    """
    state = load(path, MOST_VALUES)
    if not isinstance(state, dict):
        raise DamagedError(f"{kind_name(state)}, and no state of a run")
    return state
