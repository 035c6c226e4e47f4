"""Trials whose process has died, here or on a machine that is gone."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState
from quick_study import MINE, folders, plan_of, quick
from torch import Tensor

from losszoo.common import processes
from losszoo.errors import LosszooError
from losszoo.tuning import heartbeat, study, trial, trial_work, tune, tuning_workers

# The mark of a process that would be seen from here.
DEAD = f"999999999:{processes.mark().partition(':')[2]}"


def marked(opened: optuna.Study, host: str, mark: str, beat: float) -> int:
    """A trial that runs, as another process has marked it."""
    asked = opened.ask()
    for name, value in ((study.HOST, host), (heartbeat.BEAT, beat), (study.PROCESS, mark)):
        asked.set_user_attr(name, value)
    return asked.number


def test_a_dead_trial_does_not_count_and_a_live_one_does(out: str) -> None:
    made = plan_of(out, trials=3)
    opened = study.open_study(made)
    now, long_ago = time.time(), time.time() - heartbeat.SILENT_SECONDS - 1
    marked(opened, processes.host(), processes.mark(), long_ago)
    marked(opened, processes.host(), DEAD, now)
    marked(opened, processes.host(), "1:1:x:another container", now)
    marked(opened, processes.host(), "1:1:x:another container", long_ago)
    marked(opened, "elsewhere", "1:1:x:", now)
    marked(opened, "elsewhere", DEAD, long_ago)
    trial.folder_of(made, 1).mkdir(parents=True)
    assert study.clear_dead(opened, made) == 3
    running, failed = TrialState.RUNNING, TrialState.FAIL
    assert [t.state for t in opened.trials] == [running, failed, running, failed, running, failed]
    assert not trial.folder_of(made, 1).exists()
    assert study.running_elsewhere(opened) == ("elsewhere",)
    assert study.count(opened) == study.Counts(0, 0, 0, 3)


@pytest.mark.parametrize("last", [1e9, -1e9])
def test_what_a_tuning_says_is_of_one_moment(out: str, monkeypatch: pytest.MonkeyPatch, last: float) -> None:
    """Another machine ends the last trial, as the best or as the worst, while the result is put together."""
    opened = study.open_study(plan_of(out, trials=3))
    number = marked(opened, "elsewhere", "1:1:x:", time.time())
    best_of = study.best_of

    def ends_meanwhile(asked: optuna.Study) -> optuna.trial.FrozenTrial | None:
        opened.tell(number, last, skip_if_finished=True)
        return best_of(asked)

    monkeypatch.setattr(tune, "best_of", ends_meanwhile)
    found = quick(out, trials=3)
    assert study.count(opened) == study.Counts(3, 0, 0, 0)
    assert (found.status, found.counts) == ("waiting", study.Counts(2, 0, 0, 1))
    assert found.elsewhere == ("elsewhere",)
    assert found.best is not None
    assert found.best.number != number


def test_a_tuning_waits_for_another_machine_until_that_is_silent(out: str) -> None:
    """As when a container was killed, and the next one has another name."""
    made = plan_of(out, trials=2)
    opened = study.open_study(made)
    number = marked(opened, "gone", "1:1:x:", time.time())
    waiting = quick(out, trials=2)
    assert (waiting.status, waiting.counts.ended, waiting.counts.running) == ("waiting", 1, 1)
    assert waiting.elsewhere == ("gone",)
    assert waiting.to_dict()["trials"]["running"] == 1
    silent = time.time() - heartbeat.SILENT_SECONDS - 1
    opened._storage.set_trial_user_attr(opened.trials[number]._trial_id, heartbeat.BEAT, silent)
    again = quick(out, trials=2)
    assert (again.status, again.counts.ended, again.counts.running) == ("completed", 2, 0)


def test_a_tuning_whose_processes_all_die_is_not_completed(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(opened: optuna.Study, *_: Any) -> None:
        marked(opened, processes.host(), DEAD, time.time())

    monkeypatch.setattr(tuning_workers, "work_here", dies)
    assert quick(out).status == "stalled"


def test_a_trial_that_is_trained_gives_signs_of_life(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    beats: list[float] = []

    def slow(predictions: Tensor, targets: Tensor) -> Tensor:
        limit = time.monotonic() + 1800
        while len(set(beats)) < 3 and time.monotonic() < limit:
            beats.append(opened.get_trials()[0].user_attrs[heartbeat.BEAT])
        return (predictions - targets) ** 2

    made = plan_of(out, slow, trials=1)
    opened = study.open_study(made)
    threads = threading.active_count()
    trial_work.work(opened, made, float("inf"))
    assert len(set(beats)) >= 3
    assert study.count(opened).complete == 1
    assert threading.active_count() == threads, "nobody beats for a trial that has ended"


def test_signs_of_life_go_on_after_the_database_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.0)
    answers: list[Exception | None] = [StorageInternalError("away"), None, UpdateFinishedTrialError("given up")]

    class Asked:
        def set_user_attr(self, *_: Any) -> None:
            answer = answers.pop(0)
            if answer is not None:
                raise answer

    heartbeat._beat(Asked(), threading.Event())  # type: ignore[arg-type]
    assert not answers
    answers.append(ValueError("a fault of our own"))
    with pytest.raises(ValueError, match="of our own"):
        heartbeat._beat(Asked(), threading.Event())  # type: ignore[arg-type]


def test_a_trial_that_another_process_has_given_up_is_left_and_the_next_one_trained(out: str) -> None:
    """As on a machine that has slept."""

    def given_up_at_first(predictions: Tensor, targets: Tensor) -> Tensor:
        opened.tell(0, state=TrialState.FAIL, skip_if_finished=True)
        return (predictions - targets) ** 2

    made = plan_of(out, given_up_at_first, trials=1)
    opened = study.open_study(made)
    trial_work.work(opened, made, float("inf"))
    assert [t.state for t in opened.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert folders(out) == ["trial-1"]


@pytest.mark.parametrize("hours", [0, 10])
def test_a_trial_that_nobody_marked_is_dead_after_a_while(
    out: str, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Also one of a machine whose clock stands in a zone to the east."""
    made = plan_of(out)
    opened = study.open_study(made)
    unmarked = optuna.create_trial(state=TrialState.RUNNING)
    unmarked.datetime_start = datetime.now() + timedelta(hours=hours)
    opened.add_trial(unmarked)
    monkeypatch.setattr(study, "_UNMARKED_SECONDS", 1.0)
    assert study.clear_dead(opened, made) == 1


def test_the_last_trial_is_trained_once_however_many_ask(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes have both seen that one is missing: the second gives its trial up."""
    made = plan_of(out, trials=1)
    opened = study.open_study(made)
    opened.ask()
    monkeypatch.setattr(trial_work, "is_missing", lambda *_: True)
    trial_work.work(opened, made, float("inf"))
    assert [t.state for t in opened.trials] == [TrialState.RUNNING, TrialState.FAIL]


def test_a_default_that_kills_its_process_is_given_up(out: str) -> None:
    """Not at once: a user may have stopped it a few times."""
    made = plan_of(out)
    opened = study.open_study(made)
    for _ in range(5):
        study.enqueue_default(opened, made)
        study.enqueue_default(opened, made)
        assert len(opened.get_trials(states=(TrialState.WAITING,))) == 1, "once"
        opened.tell(opened.ask(), state=TrialState.FAIL)
    study.enqueue_default(opened, made)
    assert not opened.get_trials(states=(TrialState.WAITING,))


def test_a_draw_that_kills_its_process_is_drawn_twice(out: str) -> None:
    made = plan_of(out)
    opened = study.open_study(made)
    drawn = []
    for _ in range(3):
        asked = trial_work._ask(opened, made, 0)
        drawn.append(made.space["recipe.lr"].suggest(asked))
        opened.tell(asked, state=TrialState.FAIL)
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    assert processes.is_alive(processes.mark())
    number, _, rest = processes.mark().partition(":")
    assert not processes.is_alive(f"{number}:1{rest}"), "the same number, given anew"
    assert not processes.is_alive("999999999::")


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("raising", "raised RuntimeError: no such weather"),
        ("leaving", "a process of the tuning failed: .* with exit code 3; so long"),
    ],
)
def test_a_worker_that_ends_says_why(out: str, loss: str, said: str) -> None:
    """What is wrong with the default as such, another failure by its last line."""
    with pytest.raises(LosszooError, match=said):
        quick(out, f"{MINE}:{loss}", jobs=2)


def test_a_worker_that_a_signal_has_ended_is_seen_by_its_trial(out: str) -> None:
    assert quick(out, f"{MINE}:deadly(factor=2)", jobs=2).status == "stalled"
