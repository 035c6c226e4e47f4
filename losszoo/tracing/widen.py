"""The same computation in a wider dtype, whatever dtypes its code names: tells an overflow from a structural NaN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

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

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = self._explicit(func, args, kwargs or {})
        if not func._schema.is_mutable:
            return tree_map(self.wide, func(*tree_map(self.wide, args), **tree_map(self.wide, kwargs)))
        written = [a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments]
        names = {argument.name for argument, w in zip(func._schema.arguments, written, strict=True) if w}
        targets = [value for value, w in zip(args, written, strict=False) if w]
        targets += [value for name, value in kwargs.items() if name in names]
        if any(self._is_narrow(value) for value in targets):
            return func(*args, **kwargs)
        # Wide targets are passed on as they are: wide gives back what is wide already.
        return func(*tree_map(self.wide, args), **tree_map(self.wide, kwargs))

    def _explicit(self, func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """A number beyond the default dtype can be filled with, and draws stay those of the default dtype."""
        named = any(argument.name == "dtype" for argument in func._schema.arguments)
        drawn = torch.Tag.nondeterministic_seeded in func.tags
        if named and kwargs.get("dtype") is None and not drawn and any(isinstance(value, float) for value in args):
            return {**kwargs, "dtype": self.dtype}
        return dict(kwargs)

    def _is_narrow(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype in self.narrower

    def wide(self, value: Any) -> Any:
        """A tensor or dtype, widened; anything else as it is."""
        if isinstance(value, torch.dtype):
            return self.dtype if value in self.narrower else value
        return value.to(self.dtype) if self._is_narrow(value) else value
