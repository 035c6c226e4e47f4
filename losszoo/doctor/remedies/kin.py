"""Ordinary inputs of a loss: what it was given, and others of the same kind, on which it is finite as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.inputs.probes import batch_size, select
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate

_MOST = 6
# Factors of what may have any size: a clamp that only large numbers pass shows at the small ones.
_SIZES = (0.1, 0.01, 3.0)
_SMALL = (1e-3, 1e-5)


@dataclass(frozen=True)
class Known:
    """An input, and what the loss gives there in its own dtype and in float64."""

    leaves: Leaves
    narrow: Outcome
    wide: Outcome


class Kin:
    """Ordinary inputs, the example first where it is one.

    Args:
        subject: whose.
        dtype: to be finite in.
        fails: inputs on which the loss is wrong though finite: what it gives there need not stay.
    """

    def __init__(
        self, subject: Subject, dtype: torch.dtype, fails: Callable[[Leaves], bool] = lambda leaves: False
    ) -> None:
        self.subject = subject
        self.dtype = dtype
        self.fails = fails

    @cached_property
    def first(self) -> Known | None:
        """The nearest to the example."""
        return next(self._finite(), None)

    @cached_property
    def all(self) -> list[Known]:
        """Several of different size."""
        return [known for known, _ in zip(self._finite(), range(_MOST), strict=False)]

    def _finite(self) -> Iterator[Known]:
        for leaves in _candidates(self.subject):
            narrow = evaluate(self.subject, leaves, self.dtype)
            if narrow.values is None or symptom_of(narrow) is not None or self.fails(leaves):
                continue
            wide = evaluate(self.subject, leaves, torch.float64)
            if wide.values is not None and symptom_of(wide) is None:
                yield Known(leaves, narrow, wide)


def _candidates(subject: Subject) -> Iterator[Leaves]:
    yield subject.leaves
    generator = torch.Generator().manual_seed(subject.seed)
    leaves = leaves_of(subject)
    for size in _SIZES:
        yield _changed(subject, leaves, partial(_resized, size=size))
    yield _changed(subject, leaves, lambda leaf: _redrawn(leaf, generator))
    trained = [leaf for leaf in leaves if leaf.index in subject.trained]
    yield _changed(subject, trained, partial(_resized, size=0.3))
    yield select(subject, subject.leaves, torch.randperm(batch_size(subject), generator=generator))
    # What follows is for an example that is the failing batch: of a moderate size, and of whatever kind is taken.
    calm = subject.with_leaves([_calm(x) if isinstance(x, Tensor) else x for x in subject.leaves])
    yield calm.leaves
    for drawn in (trained, [leaf for leaf in leaves if leaf.floating]):
        for draw in (_normal, _uniform, _simplex):
            yield _changed(calm, drawn, lambda leaf, draw=draw: draw(leaf.tensor, generator))  # type: ignore[misc]
    # A loss that multiplies its input by a large number is finite only near 0.
    for size in _SMALL:
        yield _changed(calm, trained, partial(_resized, size=size))


def _changed(subject: Subject, leaves: list[Leaf], change: Callable[[Leaf], Tensor]) -> Leaves:
    changed = list(subject.leaves)
    for leaf in leaves:
        changed[leaf.index] = change(leaf).to(leaf.tensor.dtype)
    return changed


def _resized(leaf: Leaf, size: float) -> Tensor:
    """Larger or smaller, where its kind knows no size; probabilities nearer to 1/2 or to their ends stay between."""
    if leaf.kind in ("real", "positive"):
        return leaf.tensor * size
    return leaf.tensor * min(size, 1.0) if leaf.kind in ("bounded", "probability") else leaf.tensor


def _redrawn(leaf: Leaf, generator: torch.Generator) -> Tensor:
    """Drawn anew, as its kind is; what has a structure of its own stays."""
    x = leaf.tensor
    if leaf.kind == "simplex":
        return torch.randn(x.shape, generator=generator).softmax(leaf.dim)
    if leaf.kind == "log-probability":
        return torch.randn(x.shape, generator=generator).log_softmax(leaf.dim)
    if leaf.kind == "unit":
        return torch.nn.functional.normalize(torch.randn(x.shape, generator=generator), dim=leaf.dim)
    if leaf.kind == "probability":
        return _uniform(x, generator)
    factors = 1 + 0.1 * torch.randn(x.shape, generator=generator)
    return x * factors if leaf.kind in ("real", "positive") else x


def _calm(x: Tensor) -> Tensor:
    """In units of its own size."""
    if not x.is_floating_point() or not x.numel():
        return x
    known = x.nan_to_num(0.0, 0.0, 0.0)
    size = known.double().square().mean().sqrt().item()
    return known / max(size, 1.0)


def _normal(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator)


def _uniform(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(x.shape, generator=generator) * 0.8 + 0.1


def _simplex(x: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(x.shape, generator=generator)
    return drawn.softmax(-1) if x.ndim else drawn.sigmoid()
