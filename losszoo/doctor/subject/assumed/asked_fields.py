"""An argument whose attributes or keys a loss reads: what is read is noted, and a tensor is given for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import Tensor

from losszoo.doctor.subject.assumed.argument_roles import role_of
from losszoo.doctor.subject.assumed.ordinary_batches import Draw


class Asked:
    """Stands for a dict, or for an object with fields, whose names are not known yet.

    Args:
        draw: makes a tensor for each name.
    """

    def __init__(self, draw: Draw) -> None:
        vars(self).update(_draw=draw, _fields={}, _keys={})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(Tensor, name):
            raise AttributeError(name)
        return self._given(self._fields, name)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            raise TypeError(key)
        return self._given(self._keys, key)

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict has it: a key that may be missing is missing."""
        return self._keys.get(key, default)

    def __contains__(self, key: Any) -> bool:
        return key in self._keys

    def _given(self, known: dict[str, Any], name: str) -> Any:
        if name not in known:
            known[name] = self._draw.tensor(name, role_of(name) or "prediction")
        return known[name]

    def made(self) -> Any:
        """The dict or object that was asked for; None where nothing was, or both."""
        if bool(self._keys) == bool(self._fields):
            return None
        return dict(self._keys) or SimpleNamespace(**self._fields)
