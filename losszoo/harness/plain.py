"""Any nest of values as tensors on the CPU and plain data, which is all that ``weights_only=True`` loads."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SCALARS: tuple[Any, ...] = (bool, int, float, complex, str, bytes)
_AS_THEY_ARE = (torch.dtype, torch.device, torch.Size, type(None))
# Deeper nests are no batch, and one that holds itself has no end.
_DEEPEST = 32


def plain(value: Any, where: str, left_out: list[str], depth: int = 0) -> Any:
    """A copy that can be saved and loaded safely.

    Arrays become tensors, named tuples tuples, other mappings dicts. Anything else becomes its description.

    Args:
        value: any nest.
        where: name of the value, for ``left_out``.
        left_out: gets a line for whatever could only be described.
        depth: of the nest so far.

    Example:
        >>> lost = []
        >>> plain({"x": torch.zeros(1), "path": range(2)}, "batch", lost), lost
        ({'x': tensor([0.]), 'path': '<range>'}, ['batch.path (a range): only tensors and plain data are kept'])
    """
    if isinstance(value, Tensor | np.ndarray | np.generic):
        copied = _tensor(value)
        return _described(value, where, left_out) if copied is None else copied
    for kind in _SCALARS:
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    if isinstance(value, _AS_THEY_ARE):
        return value
    if depth >= _DEEPEST or not isinstance(value, Mapping | list | tuple | Set):
        return _described(value, where, left_out)
    if isinstance(value, Mapping):
        return {_key(k): plain(v, f"{where}.{k}", left_out, depth + 1) for k, v in value.items()}
    items = [plain(item, f"{where}.{i}", left_out, depth + 1) for i, item in enumerate(value)]
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


def size_of(value: Any, depth: int = 0) -> int:
    """Bytes of the tensors, arrays and texts in a nest."""
    if isinstance(value, Tensor):
        held = value if value.layout is torch.strided else value._values() if value.is_sparse else value.values()
        return int(held.numel() * held.element_size())
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, str | bytes):
        return len(value)
    if depth >= _DEEPEST or not isinstance(value, Mapping | list | tuple | Set):
        return 0
    return sum(size_of(item, depth + 1) for item in (value.values() if isinstance(value, Mapping) else value))


def all_finite(value: Any, depth: int = 0) -> bool:
    """Whether no tensor in a nest holds NaN or infinity."""
    if isinstance(value, Tensor):
        return not (value.is_floating_point() or value.is_complex()) or bool(torch.isfinite(value).all())
    if depth >= _DEEPEST or not isinstance(value, Mapping | list | tuple | Set):
        return True
    return all(all_finite(item, depth + 1) for item in (value.values() if isinstance(value, Mapping) else value))
