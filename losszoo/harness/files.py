"""A file is written whole or not at all; what it is called, and what JSON can say. Torch-free but for its own files."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Under a temporary name, then renamed: a reader sees the old file or the new one."""
    with _under_temporary_name(path) as temporary:
        temporary.write_bytes(content)


def save_atomically(path: Path, content: Any) -> None:
    """``torch.save`` of plain data and tensors, readable with ``weights_only=True``."""
    import torch

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


def slug(text: str) -> str:
    """A folder name that says what the text says, and nothing that a path could mean.

    Example:
        >>> slug("0.7*bce + 0.3*../evil:X")
        '0.7-bce-0.3-evil-X'
        >>> slug("/home/me/losses/my_loss.py:MyLoss")
        'my-loss.py-MyLoss'
    """
    without_folders = re.sub(r"[^\s*+(,]*[/\\]", "", text)
    safe = re.sub(r"\.{2,}", "", re.sub(r"[^A-Za-z0-9.]+", "-", without_folders))
    return re.sub(r"-{2,}", "-", safe).strip("-.")[:80].strip("-.") or "loss"


def jsonable(value: Any) -> Any:
    """Plain data that JSON can say."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
