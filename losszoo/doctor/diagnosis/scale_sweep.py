"""How far a loss goes: what becomes of it as its input grows, in each dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.accuracy import is_inaccurate
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.diagnosis.vanished_gradient import has_lost_pull
from losszoo.doctor.effort import Effort
from losszoo.doctor.report.examination import Strip
from losszoo.doctor.subject.dtypes import short_name
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, cast, evaluate
from losszoo.errors import is_out_of_memory

SCALES = (1e-8, 1e-6, 1e-4, 1e-2, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5, 1e6, 1e8, 1e12, 1e16, 1e20, 1e30)
# Of what is positive the smallest scales tell most: a variance or a rate near 0.
_TINY = (1e-30, 1e-20, 1e-16, 1e-12)
_STEPS = 18
# An argument alone that ends within a tenth of where all of them end is the one that ends them.
_AS_EARLY = 1.1
# Value or gradient is not finite, or there is none.
_WITHOUT_NUMBERS = ("non-finite", "beyond", "out-of-memory", "raises")
_MOST_NAMES = 3
# Of the effort; the rest is for the diagnoses.
_SHARE = 0.85


@dataclass(frozen=True)
class _Swept:
    """What is scaled: some leaves together, over which scales, and by which name."""

    what: str
    leaves: Sequence[Leaf]
    scales: tuple[float, ...] = SCALES


def strips(subject: Subject, dtypes: Sequence[torch.dtype], clock: Effort) -> list[Strip]:
    """A strip for each dtype, of the argument that breaks; none where nothing can be scaled legally.

    Everything that is trained and may have any size is scaled together, unless one of its arguments alone breaks as
    early. What is trained and positive, a variance say, is scaled by itself, and shown where it breaks.
    """
    trained = [leaf for leaf in leaves_of(subject) if leaf.kind in ("real", "positive") and not leaf.given]
    sweeps = _Sweeps(subject, clock)
    free = _argument_that_breaks(sweeps, [leaf for leaf in trained if leaf.kind == "real"])
    positive = [_Swept(name, owned, _TINY + SCALES) for name, owned in _by_name(trained, "positive").items()]
    shown = [*free, *(swept for swept in positive if not free or sweeps.breaks(swept))]
    found = (sweeps.strip(swept, dtype) for swept in shown for dtype in dtypes)
    return [strip for strip in found if strip is not None]


def _by_name(leaves: Sequence[Leaf], kind: str) -> dict[str, list[Leaf]]:
    names = dict.fromkeys(leaf.name for leaf in leaves if leaf.kind == kind)
    return {name: [leaf for leaf in leaves if leaf.kind == kind and leaf.name == name] for name in names}


def _argument_that_breaks(sweeps: _Sweeps, leaves: Sequence[Leaf]) -> list[_Swept]:
    """All that is free together; or the one argument that is to blame for where they end."""
    alone = [_Swept(f"|{name}|", owned) for name, owned in _by_name(leaves, "real").items()]
    if len(alone) < 2:
        return alone
    together = _Swept(f"|{_named(list(_by_name(leaves, 'real')))}|", leaves)
    first = min(alone, key=sweeps.end)
    return [first if sweeps.end(first) <= _AS_EARLY * sweeps.end(together) < math.inf else together]


def _named(names: list[str]) -> str:
    """The arguments that are scaled together; of many, the first and how many more."""
    return ", ".join(names) if len(names) <= _MOST_NAMES else f"{names[0]} and {len(names) - 1} others"


@dataclass
class _Sweeps:
    """The strips that were measured, each once."""

    subject: Subject
    clock: Effort
    measured: dict[tuple[str, torch.dtype], Strip | None] = field(default_factory=dict)

    def strip(self, swept: _Swept, dtype: torch.dtype = torch.float32) -> Strip | None:
        """None where the loss does not run in that dtype, or no effort is left."""
        key = swept.what, dtype
        if key not in self.measured:
            self.measured[key] = _strip(self.subject, swept, dtype, self.clock)
        return self.measured[key]

    def end(self, swept: _Swept) -> float:
        """Up to where it is finite in float32; infinity where it always is."""
        strip = self.strip(swept)
        return math.inf if strip is None or strip.limit is None else strip.limit

    def breaks(self, swept: _Swept) -> bool:
        """Whether any scale of it is not finite in float32."""
        strip = self.strip(swept)
        return strip is not None and set(strip.states) != {"finite"}


def _strip(subject: Subject, swept: _Swept, dtype: torch.dtype, clock: Effort) -> Strip | None:
    if evaluate(subject, subject.leaves, dtype).error is not None:
        return None  # not available in this dtype
    info = torch.finfo(dtype)
    scales = tuple(s for s in swept.scales if s < info.max and (s >= SCALES[0] or s > info.tiny))
    states = []
    for scale in scales:
        if clock.over(_SHARE):
            return None
        states.append(_state(subject, swept.leaves, scale, dtype))
    bad = [state in _WITHOUT_NUMBERS for state in states]
    if all(bad):
        return Strip(short_name(dtype), swept.what, scales, tuple(states), 0.0)
    one = scales.index(1.0)
    above = next((i for i in range(one, len(scales)) if bad[i]), None)
    below = next((i for i in range(one, -1, -1) if bad[i]), None)
    limit = floor = None
    if above is not None:
        last = max((i for i in range(above) if not bad[i]), default=above)
        limit = _edge(subject, swept, dtype, scales[last], scales[min(last + 1, above)])
    if below is not None and below < one:
        floor = _edge(subject, swept, dtype, scales[below + 1], scales[below])
    return Strip(short_name(dtype), swept.what, scales, tuple(states), limit, floor)


def at_scale(subject: Subject, leaves: Sequence[Leaf], scale: float) -> Leaves:
    """The ordinary input with its largest finite number made that large; -inf, which excludes, stays."""
    scaled = list(subject.leaves)
    sizes = [leaf.tensor[leaf.tensor.isfinite()].abs() for leaf in leaves]
    top = max((float(size.max()) for size in sizes if size.numel()), default=0.0) or 1.0
    for leaf in leaves:
        # In float64, so that a large scale does not overflow on the way to a smaller number.
        scaled[leaf.index] = (leaf.tensor.double() * (scale / top)).to(torch.float64)
    return scaled


def _state(subject: Subject, scaled: Sequence[Leaf], scale: float, dtype: torch.dtype) -> str:
    leaves = at_scale(subject, scaled, scale)
    outcome = evaluate(subject, leaves, dtype)
    if outcome.error is not None:
        return "out-of-memory" if is_out_of_memory(outcome.error) else "raises"
    if symptom_of(outcome) is None:
        narrow = cast(leaves, torch.float32)
        if subject.trained and outcome.is_detached:
            return "vanished"
        if dtype == torch.float32 and subject.signature and has_lost_pull(subject, narrow):
            return "vanished"
        # The last digits of what is nearly nothing tell little.
        large = any(bool((leaves[leaf.index].abs() >= 1).any()) for leaf in scaled)
        wrong = dtype == torch.float32 and is_inaccurate(subject, narrow) and large
        return "inaccurate" if wrong else "finite"
    truth = evaluate(subject, leaves, torch.float64)
    largest = float(torch.finfo(dtype).max)
    fits = symptom_of(truth) is None and all(
        bool((x.abs() < largest / 1e3).all()) for x in [truth.values, *truth.moved()] if isinstance(x, Tensor)
    )
    return "non-finite" if fits or symptom_of(truth) is not None else "beyond"


def _edge(subject: Subject, swept: _Swept, dtype: torch.dtype, good: float, bad: float) -> float:
    """The edge between a scale that is finite and one that is not, from the side that is."""
    for _ in range(_STEPS):
        middle = (good * bad) ** 0.5
        outcome = evaluate(subject, at_scale(subject, swept.leaves, middle), dtype)
        if outcome.error is not None or symptom_of(outcome) is not None:
            bad = middle
        else:
            good = middle
    return float(f"{good:.3g}")
