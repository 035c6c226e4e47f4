"""Waiting for what other processes do, for the tests that start some."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# What is waited for at all; a machine with ten times as much to do as it has cores must not fail a test.
PATIENCE = 600.0


def wait_for(condition: Callable[[], T]) -> T:
    """What the condition gives, once that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
