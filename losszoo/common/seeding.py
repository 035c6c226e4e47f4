"""The random states of a run, separate from those of the caller."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

State = dict[str, Tensor]


class Randomness:
    """The two random sources of a run: a generator for batches and draws, and torch's global one for the rest.

    Args:
        seed: of the generator.
        device: where the model computes; torch has a source for each device.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.generator = Generator().manual_seed(seed)
        self.device = device

    def state(self) -> State:
        """The current state, for a checkpoint or a bundle."""
        state = {"data": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`state` returned."""
        self.generator.set_state(state["data"])
        torch.set_rng_state(state["torch"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def whole_state(self) -> dict[str, Any]:
        """The same with the sources of Python and numpy, which code of a user may draw from."""
        version, numbers, normal = random.getstate()
        numpys: dict[str, Any] = np.random.get_state(legacy=False)
        words, place = numpys["state"]["key"], int(numpys["state"]["pos"])
        rest = int(numpys["has_gauss"]), float(numpys["gauss"])
        return {
            **self.state(),
            "python": [version, torch.tensor(numbers, dtype=torch.int64), normal],
            "numpy": [numpys["bit_generator"], torch.from_numpy(words.astype(np.int64)), place, *rest],
        }

    def restore_whole(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`whole_state` returned."""
        self.restore(state)
        version, numbers, normal = state["python"]
        random.setstate((version, tuple(numbers.tolist()), normal))
        kind, words, *rest = state["numpy"]
        np.random.set_state((kind, words.numpy().astype(np.uint32), *rest))


def copy_of(generator: Generator) -> Generator:
    """One that draws the same, and leaves the first as it is."""
    copied = Generator(generator.device)
    copied.set_state(generator.get_state())
    return copied


@contextmanager
def with_threads(number: int | None) -> Iterator[None]:
    """A block in which torch computes with so many threads; None leaves them. Sums are parted among threads: another
    number of them gives other last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def isolated(seed: int, device: torch.device) -> Iterator[None]:
    """A block in which torch, numpy and Python draw from a seed; the caller's own states are as before after it.

    Example:
        >>> with isolated(0, torch.device("cpu")):
        ...     first = torch.rand(2)
        >>> with isolated(0, torch.device("cpu")):
        ...     torch.equal(first, torch.rand(2))
        True
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            seed_all(seed, device)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def seed_torch(seed: int) -> None:
    """``torch.manual_seed``, quick enough for every call of a loss.

    Where there is no accelerator, torch notes a seed for every kind of them, with a traceback of the caller each: that
    takes longer than many a loss.

    Example:
        >>> seed_torch(3)
        >>> first = torch.rand(2)
        >>> _ = torch.manual_seed(3)
        >>> torch.equal(first, torch.rand(2))
        True
    """
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def seed_all(seed: int, device: torch.device) -> None:
    """Seed the global sources that a run may touch, and no other device's."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
