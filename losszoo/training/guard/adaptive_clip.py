"""Bounds of the gradient norm that follow the norms so far. Only finite norms are ever shown to them.

A norm of 0 is no measure of a gradient, but the lack of one (a term whose weight is still 0): it enters no statistic,
for a bound of 0 would end all training.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from typing import Any

from losszoo.common.text import shown
from losszoo.errors import UsageError, suggest
from losszoo.registry.expressions import Weighted, parse
from losszoo.registry.params import Param


class Adapting(ABC):
    """A bound from the norms of the steps so far."""

    params: tuple[Param, ...]

    @abstractmethod
    def bound(self, norm: float) -> float:
        """The bound for a step with this norm, which is then one of the norms so far."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that the next bounds depend on, in plain numbers."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""


class Percentile(Adapting):
    r"""A percentile of the norms so far, the present one included (linear between neighbours, as numpy's).

    .. math:: b_t = P_p(\lVert g_{t - w + 1} \rVert, \dots, \lVert g_t \rVert)

    At the default of 10 most steps have the same length, at 90 only outliers are shortened.

    Args:
        percentile: in [0, 100].
        window: how many norms are remembered, >= 1.

    Reference:
        Seetharaman, Wichern, Pardo, Le Roux, "AutoClip: Adaptive Gradient Clipping for Source Separation Networks",
        MLSP 2020, arXiv:2007.14469 (which remembers all of them).
    """

    params = (
        Param(name="percentile", default=10.0, range=(0, 100)),
        Param(name="window", type="int", default=1000, range=(1, 10**6)),
    )

    def __init__(self, percentile: float = 10.0, window: int = 1000) -> None:
        self.percentile = percentile
        self._recent: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []

    def bound(self, norm: float) -> float:
        if norm == 0:
            return math.inf
        if len(self._recent) == self._recent.maxlen:
            del self._sorted[bisect_left(self._sorted, self._recent[0])]
        self._recent.append(norm)
        insort(self._sorted, norm)
        place = (len(self._sorted) - 1) * self.percentile / 100
        low = math.floor(place)
        below, above = self._sorted[low], self._sorted[min(low + 1, len(self._sorted) - 1)]
        return below + (above - below) * (place - low)

    def state_dict(self) -> dict[str, Any]:
        return {"recent": list(self._recent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._recent.clear()
        self._recent.extend(state["recent"])
        self._sorted = sorted(self._recent)


class ZScore(Adapting):
    r"""So many deviations above the moving mean of the norms; only spikes are shortened.

    .. math:: b_t = \mu + z \sigma, \quad \mu \leftarrow \alpha \mu + (1 - \alpha) n, \quad
              \sigma^2 \leftarrow \alpha \sigma^2 + (1 - \alpha)(n - \mu)^2, \quad n = \min(\lVert g_t \rVert, b_t)

    A spike enters the averages as what was left of it, so it does not raise the bound for the next one. The first
    norms, from which the averages start, are not bounded.

    Args:
        threshold: z, > 0.
        decay: alpha, in [0, 1).
        warmup: norms that the averages start from, >= 2.

    Reference:
        Kumar, Owen, Chowdhury, Gura, "ZClip: Adaptive Spike Mitigation for LLM Pre-Training", 2025, arXiv:2504.02507.
    """

    params = (
        Param(name="threshold", default=2.5, range=(0, math.inf), bounds="()"),
        Param(name="decay", default=0.97, range=(0, 1), bounds="[)"),
        Param(name="warmup", type="int", default=25, range=(2, 10**6)),
    )

    def __init__(self, threshold: float = 2.5, decay: float = 0.97, warmup: int = 25) -> None:
        self.threshold, self.decay, self.warmup = threshold, decay, warmup
        self._first: list[float] = []
        self._mean = self._deviation = 0.0

    def bound(self, norm: float) -> float:
        if norm == 0:
            return math.inf
        if len(self._first) < self.warmup:
            self._first.append(norm)
            self._mean = math.fsum(self._first) / len(self._first)
            # By hypot: the squares of norms above 1e154 overflow.
            self._deviation = math.hypot(*(x - self._mean for x in self._first)) / math.sqrt(len(self._first))
            return math.inf
        bound = self._mean + self.threshold * self._deviation
        kept = min(norm, bound)
        away = kept - self._mean
        self._mean = self.decay * self._mean + (1 - self.decay) * kept
        self._deviation = math.hypot(math.sqrt(self.decay) * self._deviation, math.sqrt(1 - self.decay) * away)
        return bound

    def state_dict(self) -> dict[str, Any]:
        return {"first": list(self._first), "mean": self._mean, "deviation": self._deviation}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._first = list(state["first"])
        self._mean, self._deviation = state["mean"], state["deviation"]


ADAPTIVE: Mapping[str, type[Adapting]] = {"auto": Percentile, "zscore": ZScore}


def adaptive(text: str | None) -> Adapting | None:
    """The bound that a text says: a name, or a call of it as in ``zscore(threshold=3)``; None for None.

    Raises:
        UsageError: no such name or argument, or a value that is not legal.

    Example:
        >>> adaptive("auto(percentile=50)").bound(2.0)
        2.0
    """
    if text is None:
        return None
    terms: tuple[Weighted, ...] = ()
    with contextlib.suppress(UsageError):
        terms = parse(text) if isinstance(text, str) else ()
    call = terms[0].call if len(terms) == 1 and str(terms[0]) == str(terms[0].call) else None
    if call is None or call.name not in ADAPTIVE:
        raise UsageError(
            f"clip must be {' or '.join(ADAPTIVE)}, or one with arguments as in zscore(threshold=3), got {text!r}"
        )
    kind = ADAPTIVE[call.name]
    known = {param.name: param for param in kind.params}
    for name, value in call.arguments.items():
        if name not in known:
            raise UsageError(f"clip {call.name} has no argument {name!r}: {suggest(name, list(known))}")
        complaint = known[name].complaint(value)
        if complaint:
            raise UsageError(f"clip {call.name}: {name} {complaint}, got {shown(value)}")
    return kind(**call.arguments)
