"""Peak memory of a step above what was there before it, and a bound on what a process may take."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
from pathlib import Path

import torch

from losszoo.bench.contender import Side, synchronize
from losszoo.common.process_memory import bound_data, status
from losszoo.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"([0-9]*\.?[0-9]+)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_SHARE = 0.7


def peak_of(side: Side, device: torch.device) -> tuple[int, str]:
    """Bytes that one step needs at its peak beyond its inputs, and what measured them.

    On CUDA by torch's allocator. On Linux by the high-water mark of resident memory, which is reset before the step;
    elsewhere by the largest resident size of the process so far, before and after.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        side.step()
        synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before, "torch.cuda.max_memory_allocated"
    gc.collect()
    if sys.platform == "linux":
        # Freed memory that the C library keeps would hide what a step takes.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)(0)
    before, how = _mark()
    side.step()
    after = status("VmHWM") if how == "VmHWM" else _largest()
    return max(0, after - before), how


def bound_memory(limit: int, device: torch.device) -> bool:
    """Let this process take so many bytes more than it has; False where the system knows no such bound."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total), device)
        return True
    return bound_data(limit)


def limit_of(text: str | None, device: str) -> int:
    """Bytes that a measuring process may take: a size ("4GB"), or a share (0.5) of what is free now.

    Raises:
        UsageError: neither.

    Example:
        >>> limit_of("1.5GB", "cpu")
        1500000000
    """
    if text is None:
        return int(_SHARE * available(device))
    match = _SIZE.fullmatch(text.strip())
    number = float(match[1]) if match else 0.0
    if match is None or number <= 0 or (not match[2] and 1 < number < 2**20):
        raise UsageError(f"memory-limit must be a size such as 4GB, or a share such as 0.5, got {text!r}")
    if not match[2] and number <= 1:
        return int(number * available(device))
    factor = _UNITS[match[2].lower()]
    return int(number * (1024 ** (len(str(factor)) // 3) if match[3] else factor))


def available(device: str) -> int:
    """Bytes that are free: on the card, in the machine, or in the group of processes that this one is in."""
    if device.startswith("cuda"):
        free: int = torch.cuda.mem_get_info(torch.device(device))[0]
        return free
    known = [number for number in (_meminfo(), _group()) if number is not None]
    return min(known, default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _meminfo() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    match = re.search(r"MemAvailable:\s+(\d+) kB", text)
    return int(match[1]) * 1024 if match else None


def _group() -> int | None:
    """What the container leaves, under version 2 of Linux's control groups."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return max(0, int(most) - int(used)) if most.isdigit() else None


def _mark() -> tuple[int, str]:
    """The resident size from which the peak is counted, and how the peak will be read."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return status("VmHWM"), "VmHWM"
    except OSError:
        return _largest(), "ru_maxrss"


def _largest() -> int:
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
