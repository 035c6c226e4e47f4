"""Any nest of values as tensors on the CPU and plain data, which is all that ``weights_only=True`` loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SCALARS: tuple[Any, ...] = (bool, int, float, complex, str, bytes)
_AS_THEY_ARE = (torch.dtype, torch.device, torch.Size, type(None))
# Deeper nests are no batch, and one that holds itself has no end.
_DEEPEST = 32


def plain(value: Any, where: str, left_out: list[str]) -> Any:
    """A copy that can be saved and loaded safely.

    Arrays become tensors, named tuples tuples, other mappings dicts. Anything else becomes its description. What is
    held twice is copied once.

    Args:
        value: any nest.
        where: name of the value, for ``left_out``.
        left_out: gets a line for whatever could only be described.

    Example:
        >>> lost = []
        >>> plain({"x": torch.zeros(1), "path": range(2)}, "batch", lost), lost
        ({'x': tensor([0.]), 'path': '<range>'}, ['batch.path (a range): only tensors and plain data are kept'])
    """
    return _Copies(left_out).of(value, where, 0)


class _Copies:
    """Copies of the containers visited so far, each with its original, so that no identity is used twice."""

    def __init__(self, left_out: list[str]) -> None:
        self.left_out = left_out
        self.made: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any, where: str, depth: int) -> Any:
        if isinstance(value, Tensor | np.ndarray | np.generic):
            copied = _tensor(value)
            return _described(value, where, self.left_out) if copied is None else copied
        for kind in _SCALARS:
            if isinstance(value, kind):
                return value if type(value) is kind else kind(value)
        if isinstance(value, _AS_THEY_ARE):
            return value
        if id(value) in self.made:
            return self.made[id(value)][1]
        if depth >= _DEEPEST or not isinstance(value, Mapping | list | tuple | Set):
            return _described(value, where, self.left_out)
        self.made[id(value)] = value, f"<{type(value).__name__}>"  # what it is to itself, where it holds itself
        copied = self._copy(value, where, depth + 1)
        self.made[id(value)] = value, copied
        return copied

    def _copy(self, value: Any, where: str, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {_key(k): self.of(v, f"{where}.{k}", depth) for k, v in value.items()}
        items = [self.of(item, f"{where}.{i}", depth) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items


def _tensor(value: Any) -> Any:
    """A copy on the CPU that shares no storage: of a view, the whole storage would be saved. None: impossible."""
    try:
        if isinstance(value, np.generic):
            return value.item() if isinstance(value.item(), _SCALARS) else None
        if isinstance(value, np.ndarray):
            return torch.from_numpy(value.copy())
        copied = value.detach().to("cpu", copy=True)
        return copied if type(copied) is Tensor else copied.as_subclass(Tensor)
    except Exception:  # of a dtype, layout or subclass that only its owner knows
        return None


def _key(key: Any) -> Any:
    return key if type(key) in (str, int, float, bool, type(None)) else str(key)


def _described(value: Any, where: str, left_out: list[str]) -> str:
    name = type(value).__name__
    left_out.append(f"{where} (a {name}): only tensors and plain data are kept")
    return f"<{name}>"


def leaves(value: Any) -> Iterator[Any]:
    """Every value in nested containers that is no container itself; each object once."""
    seen: dict[int, Any] = {}  # the value too: an object that is gone would give its identity to another
    waiting = [(value, 0)]
    while waiting:
        found, depth = waiting.pop()
        if id(found) in seen:
            continue
        seen[id(found)] = found
        if not isinstance(found, Mapping | list | tuple | Set):
            yield found
        elif depth < _DEEPEST:
            items = found.values() if isinstance(found, Mapping) else found
            waiting += ((item, depth + 1) for item in items)


def size_of(value: Any) -> int:
    """Bytes of the tensors, arrays and texts in a nest."""
    return sum(map(_bytes_of, leaves(value)))


def _bytes_of(leaf: Any) -> int:
    if isinstance(leaf, Tensor):
        held = leaf if leaf.layout is torch.strided else leaf._values() if leaf.is_sparse else leaf.values()
        return int(held.numel() * held.element_size())
    if isinstance(leaf, np.ndarray):
        return int(leaf.nbytes)
    return len(leaf) if isinstance(leaf, str | bytes) else 0


def all_finite(value: Any) -> bool:
    """Whether no tensor in a nest holds NaN or infinity."""
    floats = (
        leaf for leaf in leaves(value) if isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())
    )
    return all(bool(torch.isfinite(leaf).all()) for leaf in floats)
