"""The time limit counts what the examination computes, so that other processes do not shorten it."""

from __future__ import annotations

import time

import pytest

from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.effort import Effort


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the clocks show: the time that has passed, and that in which this thread has computed."""
    shown = {"passed": 0.0, "computed": 0.0}
    monkeypatch.setattr(time, "monotonic", lambda: shown["passed"])
    monkeypatch.setattr(time, "thread_time", lambda: shown["computed"])
    return shown


def at(clocks: dict[str, float], passed: float, computed: float) -> bool:
    """Whether a limit of 100 s is over then."""
    clocks.update(passed=0.0, computed=0.0)
    effort = Effort(seconds=100.0)
    clocks.update(passed=passed, computed=computed)
    return effort.over()


@pytest.mark.parametrize(
    ("passed", "computed", "over"),
    [
        (90.0, 90.0, False),
        (101.0, 101.0, True),
        (400.0, 90.0, False),  # beside four others
        (400.0, 101.0, True),
        (90.0, 1.0, False),
        (101.0, 1.0, True),  # it sleeps
    ],
)
def test_when_the_time_is_up(clocks: dict[str, float], passed: float, computed: float, over: bool) -> None:
    assert at(clocks, passed, computed) is over


def test_a_call_after_the_end_is_refused(clocks: dict[str, float]) -> None:
    effort = Effort(seconds=100.0)
    clocks.update(passed=200.0, computed=150.0)
    with pytest.raises(TimeUpError):
        effort.spend(1.0)
