"""How far a loss goes: what becomes of it as its input grows, in each dtype."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from losszoo.doctor.domain import Leaf, leaves_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.examination import Strip
from losszoo.doctor.judge import symptom_of
from losszoo.doctor.precision import is_inaccurate
from losszoo.doctor.subject import Leaves, Subject, evaluate
from losszoo.doctor.vanishing import lost_pull

SCALES = (1e-8, 1e-6, 1e-4, 1e-2, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5, 1e6, 1e8, 1e12, 1e16, 1e20, 1e30)
_STEPS = 18
# Of the effort; the rest is for the diagnoses.
_SHARE = 0.85


def strips(subject: Subject, dtypes: Sequence[torch.dtype], clock: Effort) -> list[Strip]:
    """One strip for each dtype; none where nothing can be scaled legally, or no effort is left."""
    leaves = [leaf for leaf in leaves_of(subject) if leaf.kind == "real" and not leaf.given]
    if not leaves:
        return []
    what = f"|{leaves[0].name}|" if len({leaf.name for leaf in leaves}) == 1 else "|input|"
    found = (_strip(subject, leaves, dtype, what, clock) for dtype in dtypes)
    return [strip for strip in found if strip is not None]


def _strip(subject: Subject, leaves: Sequence[Leaf], dtype: torch.dtype, what: str, clock: Effort) -> Strip | None:
    if evaluate(subject, subject.leaves, dtype).error is not None:
        return None  # not available in this dtype
    largest = float(torch.finfo(dtype).max)
    scales = tuple(scale for scale in SCALES if scale < largest)
    states = []
    for scale in scales:
        if clock.over(_SHARE):
            return None
        states.append(_state(subject, at_scale(subject, leaves, scale), dtype))
    return Strip(_name(dtype), what, scales, tuple(states), _limit(subject, leaves, dtype, scales, states))


def at_scale(subject: Subject, leaves: Sequence[Leaf], scale: float) -> Leaves:
    """The ordinary input with its largest number made that large."""
    scaled = list(subject.leaves)
    top = max(float(leaf.tensor.abs().max()) if leaf.tensor.numel() else 0.0 for leaf in leaves) or 1.0
    for leaf in leaves:
        # In float64, so that a large scale does not overflow on the way to a smaller number.
        scaled[leaf.index] = (leaf.tensor.double() * (scale / top)).to(torch.float64)
    return scaled


def _state(subject: Subject, leaves: Leaves, dtype: torch.dtype) -> str:
    if not broken(subject, leaves, dtype):
        vanishing = subject.signature and dtype == torch.float32 and lost_pull(subject, _rounded(leaves)) is not None
        if vanishing:
            return "vanished"
        wrong = dtype == torch.float32 and is_inaccurate(subject, _rounded(leaves)) and _size_of(leaves) >= 1
        return "inaccurate" if wrong else "finite"
    truth = evaluate(subject, leaves, torch.float64)
    largest = float(torch.finfo(dtype).max)
    fits = symptom_of(truth) is None and all(
        bool((x.abs() < largest / 1e3).all()) for x in [truth.values, *truth.moved()] if isinstance(x, Tensor)
    )
    return "non-finite" if fits or symptom_of(truth) is not None else "beyond"


def _size_of(leaves: Leaves) -> float:
    """The largest number; the last digits of what is nearly nothing tell little."""
    return max(
        (float(x.abs().max()) for x in leaves if isinstance(x, Tensor) and x.dtype == torch.float64), default=0.0
    )


def _rounded(leaves: Leaves) -> Leaves:
    return [x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in leaves]


def broken(subject: Subject, leaves: Leaves, dtype: torch.dtype) -> bool:
    """Whether value or gradient is not finite."""
    outcome = evaluate(subject, leaves, dtype)
    return outcome.error is not None or symptom_of(outcome) is not None


def _limit(
    subject: Subject, leaves: Sequence[Leaf], dtype: torch.dtype, scales: Sequence[float], states: Sequence[str]
) -> float | None:
    """The edge between the last scale that is finite and the first that is not."""
    bad = [i for i, state in enumerate(states) if state in ("non-finite", "beyond")]
    if len(bad) == len(states):
        return 0.0
    bad = [i for i in bad if scales[i] >= 1.0]
    if not bad:
        return None
    low, high = scales[bad[0] - 1], scales[bad[0]]
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        if broken(subject, at_scale(subject, leaves, middle), dtype):
            high = middle
        else:
            low = middle
    return float(f"{low:.3g}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
