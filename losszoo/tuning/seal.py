"""A checksum on every trial that has ended: the sampler draws the next ones from it, and the best is chosen by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from losszoo.tuning.heartbeat import BEAT

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial, TrialState

SEAL = "sha256"


def seal(trial: Trial, state: TrialState, value: float | None = None) -> None:
    """Write the checksum of a trial beside it, just before the study is told how it ended."""
    stored = next(found for found in trial.study.get_trials(deepcopy=False) if found.number == trial.number)
    trial.set_user_attr(SEAL, _digest(stored, state, value))


def damaged(trials: Sequence[FrozenTrial]) -> list[int]:
    """The numbers of the trials that have ended and are not as they were written, and of those that are lost."""
    from optuna.trial import TrialState

    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    changed = {t.number for t in ended if t.user_attrs.get(SEAL) != _digest(t, t.state, t.value)}
    return sorted(changed | (set(range(len(trials))) - {trial.number for trial in trials}))


def _digest(trial: FrozenTrial, state: TrialState, value: float | None) -> str:
    """Of all that the study takes from it. The value of a pruned trial is the last that it has reported."""
    from optuna.distributions import distribution_to_json
    from optuna.trial import TrialState

    content = [
        trial.number,
        state.name,
        value if state == TrialState.COMPLETE else None,
        trial.params,
        {key: distribution_to_json(found) for key, found in trial.distributions.items()},
        {str(step): reported for step, reported in trial.intermediate_values.items()},
        {key: found for key, found in trial.user_attrs.items() if key not in (BEAT, SEAL)},
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
