"""What one evaluation of a loss takes: its operations and its memory, counted and not timed."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Nothing is tried that is predicted to hold more, so that an examination stays under twice of it.
MOST_BYTES = 1_000_000_000
# An ordinary evaluation, forward and backward, has no more of either.
_OPERATIONS = 100
_BYTES = 3_000_000
# Memory is taken to grow with the square of the input at the least: every row may meet every other.
_SQUARE = 2.0


@dataclass(frozen=True)
class Use:
    """What an evaluation takes on an input of so many numbers.

    Args:
        operations: of torch, forward and backward.
        held: bytes of all the tensors that they make, in the dtype and in float64 beside it, as if none were given
            back: a recorder of the call keeps them.
        numbers: in the input.
        power: with which power of the numbers the bytes grow.
        error: what it raised; the bytes are then an estimate.
    """

    operations: int
    held: float
    numbers: int
    power: float = _SQUARE
    error: Exception | None = None

    def evaluations(self, leaves: Sequence[Any]) -> float:
        """What one evaluation on these leaves counts, in evaluations of an ordinary loss."""
        larger = max(1.0, numbers_of(leaves) / max(self.numbers, 1))
        return max(1.0, self.operations / _OPERATIONS + self.held * math.pow(larger, self.power) / _BYTES)

    def held_at(self, factor: float) -> float:
        """The bytes that an input that many times as large is predicted to hold."""
        return self.held * math.pow(factor, max(self.power, _SQUARE))


def numbers_of(leaves: Sequence[Any]) -> int:
    """How many numbers the tensors hold."""
    return sum(x.numel() for x in leaves if isinstance(x, Tensor))


def growth(small: Use, large: Use) -> float:
    """With which power of the numbers the bytes grow; from 1, a copy of the input, to 4."""
    if large.numbers <= small.numbers or not small.held:
        return _SQUARE
    found = math.log(max(large.held, 1) / small.held) / math.log(large.numbers / small.numbers)
    return min(max(found, 1.0), 4.0)


def in_gigabytes(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB"


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Counts the operations below autograd, and the bytes of the tensors that they make."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.operations = 0
        self.held = 0
        self._known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and only to say so torch would load its compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations += 1
        for x in tree_leaves(result):
            if isinstance(x, Tensor) and x.layout == torch.strided:
                self._count(x)
        return result

    def _count(self, x: Tensor) -> None:
        storage = x.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known.add(key)
            self.held += storage.nbytes()
            weakref.finalize(storage, self._known.discard, key)
