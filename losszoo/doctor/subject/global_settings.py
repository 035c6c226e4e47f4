"""Settings of torch that a loss may change for everybody: put back after every call, and told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

# What asks for a setting, and what sets it.
_SETTINGS: Mapping[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "whether gradients are recorded": (torch.is_grad_enabled, torch.set_grad_enabled),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
}


@contextlib.contextmanager
def settings_kept() -> Iterator[list[str]]:
    """A block after which every setting is as before; gives a list, filled at its end with those that were not."""
    before = {name: ask() for name, (ask, _) in _SETTINGS.items()}
    changed: list[str] = []
    try:
        yield changed
    finally:
        for name, (ask, put) in _SETTINGS.items():
            if ask() != before[name]:
                put(before[name])
                changed.append(name)
