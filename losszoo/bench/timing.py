"""Seconds of a step: sides that take turns in one process, so that whatever slows the machine slows both."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

import torch

from losszoo.bench.contender import Side, synchronize

# A sample shorter than this is several calls: the clock and a switch of tasks would show in it.
_SHORTEST = 2e-3
_MOST_CALLS = 1000
# A first call of so many seconds has warmed up all that there is.
_LONG = 1.0
_FEWEST, _MOST = 3, 200


@dataclass(frozen=True)
class Spread:
    """Median, quartiles and smallest of samples."""

    median: float
    low: float
    high: float
    least: float
    samples: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        low, middle, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
        return cls(middle, low, high, min(samples), len(samples))


@dataclass(frozen=True)
class Plan:
    """How often to repeat.

    Args:
        budget: seconds for all samples of a cell.
        repeats: exactly so many samples instead; None goes by the budget.
        deadline: of ``time.monotonic``, past which no further sample begins.
    """

    budget: float
    repeats: int | None = None
    deadline: float = float("inf")

    def goes_on(self, done: int, began: float) -> bool:
        """Whether another round fits."""
        now = time.monotonic()
        if done == 0:
            return True
        if now + (now - began) / done > self.deadline:
            return False
        if self.repeats is not None:
            return done < self.repeats
        return done < _FEWEST or (done < _MOST and now - began < self.budget)


def clock(side: Side, device: torch.device, calls: int = 1) -> float:
    """Seconds of a call, the mean of so many."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(calls):
        side.step()
    synchronize(device)
    return (time.perf_counter() - start) / calls


def alternate(sides: Sequence[Side], first: Sequence[float], plan: Plan, device: torch.device) -> list[list[float]]:
    """Seconds per call of every side, a list for each, sample by sample; the order turns each time.

    Args:
        sides: called in turn.
        first: seconds of the first call of each, made before.
        plan: how often.
        device: waited for before the clock is read.
    """
    calls = [1 if spent > _LONG else _calls(side, device) for side, spent in zip(sides, first, strict=True)]
    samples: list[list[float]] = [[] for _ in sides]
    with _no_collection():
        began = time.monotonic()
        while plan.goes_on(len(samples[0]), began):
            order = range(len(sides)) if len(samples[0]) % 2 == 0 else reversed(range(len(sides)))
            for place in order:
                samples[place].append(clock(sides[place], device, calls[place]))
    return samples


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times faster the first is, from samples that were taken side by side."""
    return Spread.of([their / my for my, their in zip(mine, theirs, strict=True)])


def _calls(side: Side, device: torch.device) -> int:
    """How many calls make a sample; warms up on the way."""
    calls = 1
    while True:
        spent = clock(side, device, calls) * calls
        if spent >= _SHORTEST or calls >= _MOST_CALLS:
            return calls
        calls = min(_MOST_CALLS, max(calls + 1, round(calls * _SHORTEST / max(spent, 1e-6))))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's cycle collector runs between samples, not inside one."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
