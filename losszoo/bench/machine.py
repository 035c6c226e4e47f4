"""What the numbers were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from losszoo._version import __version__
from losszoo.bench.peers import Peer


def describe(device: str, peers: Iterable[Peer]) -> dict[str, Any]:
    """Processor, cores, memory, card, and the versions of everything that was measured."""
    versions = {"losszoo": __version__, "torch": importlib.metadata.version("torch")}
    versions |= {peer.distribution: str(peer.version) for peer in peers if peer.distribution and peer.version}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "device": device if not device.startswith("cuda") else _with_card(device),
        "versions": versions,
    }


def processor() -> str:
    """The model as the system names it."""
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1].strip() if named else platform.processor() or platform.machine()


def _with_card(device: str) -> str:
    import torch

    return f"{device} ({torch.cuda.get_device_name(torch.device(device))})"
