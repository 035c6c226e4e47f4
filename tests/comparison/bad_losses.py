"""Losses that do to their worker whatever a loss can do."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor

# Each in a folder of its own: a copy of this file lies where the comparison works.
TOLD = Path(__file__).with_name("told")


def fine(logits: Tensor, targets: Tensor) -> Tensor:
    print("said by a loss, on stdout")
    return torch.nn.functional.cross_entropy(logits, targets)


def raises(logits: Tensor, targets: Tensor) -> Tensor:
    raise ValueError("no luck [bold]here[/bold]")


def leaves(logits: Tensor, targets: Tensor) -> Tensor:
    raise SystemExit(3)


def full_disk(logits: Tensor, targets: Tensor) -> Tensor:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def hangs_in_python(logits: Tensor, targets: Tensor) -> Tensor:
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


def hangs_in_c(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.tensor(sum(range(10**13)))  # keeps the lock of the interpreter for hours


def dies(logits: Tensor, targets: Tensor) -> Tensor:
    os.kill(os.getpid(), signal.SIGKILL)
    return logits.sum()


def dies_once(logits: Tensor, targets: Tensor) -> Tensor:
    if not TOLD.exists():
        TOLD.touch()
        dies(logits, targets)
    return torch.nn.functional.cross_entropy(logits, targets)


def not_finite(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, targets) + torch.nan * logits.sum()


def slow(logits: Tensor, targets: Tensor) -> Tensor:
    time.sleep(0.05)
    return torch.nn.functional.cross_entropy(logits, targets)
