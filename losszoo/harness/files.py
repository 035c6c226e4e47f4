"""A file is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def write_atomically(path: Path, content: bytes) -> None:
    """Under a temporary name, then renamed: a reader sees the old file or the new one."""
    with _under_temporary_name(path) as temporary:
        temporary.write_bytes(content)


def save_atomically(path: Path, content: Any) -> None:
    """``torch.save`` of plain data and tensors, readable with ``weights_only=True``."""
    with _under_temporary_name(path) as temporary:
        torch.save(content, temporary)


@contextmanager
def _under_temporary_name(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
