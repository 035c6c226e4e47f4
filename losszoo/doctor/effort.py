"""How much may be tried: effort is counted in evaluations of the loss, and time only ends what never ends by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from losszoo.common.timeouts import Allowance, TimeUpError

# Evaluations of an ordinary loss. Most examinations end by themselves at a few thousand.
EFFORT = 15_000
# Seconds: many times what the longest ordinary examination takes, also on a machine with much else to do.
SECONDS = 120.0


@dataclass
class Effort:
    """What has been spent of the evaluations that may be tried.

    The same loss and seed spend the same on an idle machine and on a busy one. The time limit is for emergencies. It
    counts the time in which this thread computes, which other processes do not lengthen; only where nothing is
    computed, as in a call that sleeps, the time that passes ends it.

    Args:
        limit: evaluations of an ordinary loss; a costly loss spends more than one for each of its own.
        seconds: time limit, from now on.
    """

    limit: float = EFFORT
    seconds: float = SECONDS
    spent: float = 0.0
    time_is_up: bool = False
    _allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        self._allowance = Allowance(self.seconds)

    def spend(self, evaluations: float) -> None:
        """Count one evaluation that is about to begin.

        Raises:
            TimeUpError: no time is left for it.
        """
        if self._late():
            raise TimeUpError
        self.spent += evaluations

    def over(self, share: float = 1.0) -> bool:
        """Whether one more evaluation is beyond that share of the effort, or no time is left."""
        return self.spent + 1 > self.limit * share or self._late()

    def _late(self) -> bool:
        self.time_is_up = self.time_is_up or self._allowance.is_over
        return self.time_is_up
