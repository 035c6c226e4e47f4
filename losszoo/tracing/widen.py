"""The same computation in a wider dtype, whatever dtypes its code names: tells an overflow from a structural NaN."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_PLAIN = (int, float, bool, str, type(None))
_HALF = (torch.float16, torch.bfloat16)
NARROWER: Mapping[torch.dtype, tuple[torch.dtype, ...]] = {
    torch.float32: _HALF,
    torch.float64: (*_HALF, torch.float32),
}


class Widened(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A block in which every narrower tensor is computed with, cast to and made in a wider dtype.

    Models are to be made inside it, so that their parameters are wide too. A narrow tensor from outside that is
    written in place stays as it is. What was drawn or rounded before is wide afterwards, and no more exact.

    Args:
        dtype: float32 (takes the place of both half precisions) or float64 (of float32 as well).

    Example:
        >>> with Widened(torch.float32):
        ...     (torch.tensor([300.0]).half() ** 2).item()
        90000.0
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype = dtype
        self.narrower = NARROWER[dtype]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and only to say so torch would load its compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        says_dtype, written = _schema_of(func)
        kwargs = kwargs or {}
        if says_dtype and kwargs.get("dtype") is None and any(isinstance(value, float) for value in args):
            # A number beyond the default dtype can be filled with.
            kwargs = {**kwargs, "dtype": self.dtype}
        if not written:
            return self._widened(func(*self._widened(args), **self._widened(kwargs)))
        targets = [args[place] if place < len(args) else kwargs.get(name) for place, name in written.items()]
        if any(self._is_narrow(value) for value in targets):
            return func(*args, **kwargs)
        # Wide targets are passed on as they are: wide gives back what is wide already.
        return func(*self._widened(args), **self._widened(kwargs))

    def _widened(self, value: Any) -> Any:
        """:meth:`wide` of all that an operation takes or gives: values, and lists, tuples and a dict of them."""
        kind = type(value)
        if kind is Tensor:  # mostly, and mostly wide
            return value.to(self.dtype) if value.dtype in self.narrower else value
        if kind is tuple or kind is list:
            return kind([self._widened(item) for item in value])
        if kind is dict:
            return {name: self._widened(item) for name, item in value.items()} if value else value
        return value if kind in _PLAIN else self.wide(value)

    def _is_narrow(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype in self.narrower

    def wide(self, value: Any) -> Any:
        """A tensor or dtype, widened; anything else as it is."""
        if isinstance(value, torch.dtype):
            return self.dtype if value in self.narrower else value
        return value.to(self.dtype) if self._is_narrow(value) else value


@cache
def _schema_of(func: Any) -> tuple[bool, Mapping[int, str]]:
    """Whether an operation can be told its dtype, and the arguments that it writes, by place.

    A draw is never told: it stays that of the default dtype.
    """
    arguments = func._schema.arguments
    drawn = torch.Tag.nondeterministic_seeded in func.tags
    written = {
        place: argument.name
        for place, argument in enumerate(arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    }
    return not drawn and any(argument.name == "dtype" for argument in arguments), written
