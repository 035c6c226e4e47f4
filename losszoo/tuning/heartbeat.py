"""A sign of life of every trial that runs, so that a machine that is gone holds back no trial for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from losszoo.tuning.storage import is_of_database

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

BEAT = "beat"
BEAT_SECONDS = 30.0
# Twenty beats: a database that is away for some minutes, or a clock that is off by as much, costs no trial.
SILENT_SECONDS = 600.0
# A beat that the database keeps waiting is not waited for.
_PATIENCE_SECONDS = 5.0


@contextmanager
def beating(trial: Trial) -> Iterator[None]:
    """Marks a trial as alive again and again, from a thread: an epoch may take longer than others wait."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(trial, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_PATIENCE_SECONDS)


def _beat(trial: Trial, ended: threading.Event) -> None:
    from optuna.exceptions import UpdateFinishedTrialError

    while not ended.wait(BEAT_SECONDS):
        try:
            trial.set_user_attr(BEAT, time.time())
        except UpdateFinishedTrialError:  # another process has given it up
            return
        except Exception as error:
            # A database that is away may be back for the next beat; one that is not, the trial itself runs into.
            if not is_of_database(error):
                raise


def is_silent(trial: FrozenTrial) -> bool:
    """Whether the last sign of life is so old that the trial is stale."""
    return time.time() - float(trial.user_attrs.get(BEAT, 0.0)) > SILENT_SECONDS
