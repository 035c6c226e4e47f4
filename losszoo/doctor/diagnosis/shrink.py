"""The smallest input that still fails: fewest rows, fewest columns, roundest numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.probes import batch_size, common_size, rows_at
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves

_MOST_TRIALS = 400
_MOST_NUMBERS = 48
# The first that still fails is kept; the last two are where exp and its kin give way.
_ROUND = (0.0, 1.0, -1.0, 2.0, 10.0, -10.0, 100.0, -100.0)


@dataclass
class _Shrinker:
    """Tries smaller inputs, and keeps one that fails in the same way."""

    failure: Failure
    leaves: Leaves
    kinds: Sequence[Leaf]
    clock: Effort
    cured: Callable[[Leaves], bool] | None = None
    trials: int = 0

    @property
    def done(self) -> bool:
        """Whether trials or effort are at an end."""
        return self.trials >= _MOST_TRIALS or self.clock.over()

    def keep_if_failing(self, smaller: Leaves) -> bool:
        if self.done:
            return False
        self.trials += 1
        if not self._legal(smaller) or not self.failure.fails_on(smaller) or not self._same_culprit(smaller):
            return False
        if self.cured is not None and not self.cured(smaller):
            return False
        self.leaves = smaller
        return True

    def _same_culprit(self, leaves: Leaves) -> bool:
        """A smaller input of another defect would explain nothing."""
        failure = self.failure
        if failure.blame is None or failure.shows is not None:
            return True
        found = blame(failure.subject, leaves, failure.dtype)
        return found is not None and found.key == failure.blame.key

    def _legal(self, leaves: Leaves) -> bool:
        return all(leaf.legal(leaves[leaf.index]) for leaf in self.kinds)


def smallest(failure: Failure, clock: Effort, cured: Callable[[Leaves], bool] | None = None) -> Leaves:
    """An input as small and as round as still fails with the same symptom, and as the effort allows.

    Args:
        failure: whose input is made smaller.
        clock: the effort that may be spent.
        cured: whether the remedy that is told with it cures an input; one with a second fault, it would not.
    """
    shrinker = _Shrinker(failure, list(failure.leaves), leaves_of(failure.subject), clock, cured)
    if not shrinker.keep_if_failing(list(failure.leaves)):
        return failure.leaves  # it does not fail twice
    _fewer_rows(shrinker)
    _fewer_columns(shrinker)
    _rounder(shrinker)
    return shrinker.leaves


def _fewer_rows(shrinker: _Shrinker) -> None:
    size = common_size(shrinker.leaves)
    if size < 2 or not batch_size(shrinker.failure.subject):
        return
    few = itertools.chain(
        ((i,) for i in range(min(size, 12))), itertools.islice(itertools.combinations(range(min(size, 8)), 2), 28)
    )
    if any(shrinker.keep_if_failing(rows_at(shrinker.leaves, size, torch.tensor(index))) for index in few):
        return
    step = size // 2
    # A sum that overflows by its length needs nearly all of it: single rows of thousands are not tried.
    while step >= max(1, size // 256) and not shrinker.done:
        start = 0
        while start < size and size > 1 and not shrinker.done:
            kept = [i for i in range(size) if not start <= i < start + step]
            if kept and shrinker.keep_if_failing(rows_at(shrinker.leaves, size, torch.tensor(kept))):
                size = len(kept)
            else:
                start += step
        step //= 2


def _fewer_columns(shrinker: _Shrinker) -> None:
    """Cut a size that tensors share in their later dimensions to 1, else 2, else half."""
    sizes = {n for x in shrinker.leaves if isinstance(x, Tensor) for n in x.shape[1:] if n > 1}
    for size in sorted(sizes, reverse=True):
        # Larger numbers make up for the distance that the lost columns held.
        cuts = [(count, factor) for count in (1, 2, size // 2) for factor in (1.0, (size / max(count, 1)) ** 0.5)]
        for count, factor in cuts:
            if 0 < count < size and shrinker.keep_if_failing(_cut(shrinker, size, count, factor)):
                break


def _cut(shrinker: _Shrinker, size: int, count: int, factor: float) -> Leaves:
    leaves = list(shrinker.leaves)
    for leaf in shrinker.kinds:
        x = leaves[leaf.index]
        dims = [dim for dim in range(1, x.ndim) if x.shape[dim] == size]
        for dim in dims:
            x = x.narrow(dim, 0, count)
        larger = factor if dims and leaf.kind == "real" else 1.0
        leaves[leaf.index] = x * larger if larger != 1.0 else x.clone()
    return leaves


def _rounder(shrinker: _Shrinker) -> None:
    for value in (0.0, 1.0):
        if shrinker.keep_if_failing(_filled(shrinker, value)):
            break
    for leaf in shrinker.kinds:
        x = shrinker.leaves[leaf.index]
        for candidate in _whole(x):
            if _replace(shrinker, leaf.index, candidate):
                break
        if x.numel() <= _MOST_NUMBERS:
            for position in range(x.numel()):
                _round_one(shrinker, leaf, position)


def _filled(shrinker: _Shrinker, value: float) -> Leaves:
    """All that is floating filled at once: a difference is 0 only where both sides are alike."""
    leaves = list(shrinker.leaves)
    for leaf in shrinker.kinds:
        leaves[leaf.index] = torch.full_like(leaves[leaf.index], value) if leaf.floating else leaves[leaf.index]
    return leaves


def _whole(x: Tensor) -> Iterator[Tensor]:
    """The tensor filled or rounded as a whole, the roundest first."""
    values = _ROUND[:3] if x.is_floating_point() else (0, 1)
    yield from (torch.full_like(x, value) for value in values if x.dtype != torch.bool or value in (0, 1))
    if x.is_floating_point():
        yield x.round()
        yield _to_digits(x, 1)
        yield _to_digits(x, 2)


def _round_one(shrinker: _Shrinker, leaf: Leaf, position: int) -> None:
    current = shrinker.leaves[leaf.index].reshape(-1)[position]
    if not leaf.floating or float(current) in (0.0, 1.0):
        return
    own = [float(_to_digits(current, digits)) for digits in (1, 2)]
    for value in (*_ROUND, *own):
        if value == float(current):
            return
        changed = shrinker.leaves[leaf.index].clone()
        changed.reshape(-1)[position] = value
        if _replace(shrinker, leaf.index, changed):
            return


def _to_digits(x: Tensor, digits: int) -> Tensor:
    """Rounded to so many significant digits."""
    size = x.double().abs().clamp(min=1e-300).log10().floor()
    unit = 10.0 ** (size - digits + 1)
    return torch.where(torch.isfinite(x), ((x.double() / unit).round() * unit), x.double()).to(x.dtype)


def _replace(shrinker: _Shrinker, index: int, tensor: Tensor) -> bool:
    if torch.equal(tensor, shrinker.leaves[index]):
        return False
    leaves = list(shrinker.leaves)
    leaves[index] = tensor
    return shrinker.keep_if_failing(leaves)
