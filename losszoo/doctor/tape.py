"""Every operation of one call: who called it, on what, and what came out."""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor, peek_interpreter_stack
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from losszoo.harness.trace import CORE, STDLIB, TORCH

_DOCTOR = str(Path(__file__).resolve().parent) + os.sep
# Calls the loss: what is further out is not the loss's.
_CALLER = str(Path(__file__).resolve().parent / "subject.py")

# The names of the field for what Python calls by other names.
_NAMES = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "rtruediv": "div",
    "rdiv": "div",
    "itruediv": "div",
    "idiv": "div",
    "rsub": "sub",
    "isub": "sub",
    "subtract": "sub",
    "rmul": "mul",
    "imul": "mul",
    "multiply": "mul",
    "radd": "add",
    "iadd": "add",
    "rpow": "pow",
    "ipow": "pow",
    "float_power": "pow",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "arctanh": "atanh",
    "arccosh": "acosh",
    "arctan2": "atan2",
    "rmatmul": "matmul",
    "imatmul": "matmul",
    "linalg_norm": "norm",
    "linalg_vector_norm": "norm",
    "linalg_matrix_norm": "norm",
    "vector_norm": "norm",
    "negative": "neg",
    "clip": "clamp",
    "absolute": "abs",
    "concat": "cat",
    "concatenate": "cat",
    "linalg_slogdet": "slogdet",
    "linalg_det": "det",
    "special_expm1": "expm1",
    "special_log_softmax": "log_softmax",
    "special_softmax": "softmax",
    "special_logsumexp": "logsumexp",
    "special_xlogy": "xlogy",
    "special_xlog1py": "xlog1py",
    "special_expit": "sigmoid",
}


@dataclass(frozen=True)
class Site:
    """An operation and the line that called it."""

    op: str
    source: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Record:
    """One operation of a call.

    Args:
        index: its place in the call.
        site: its name and line.
        func: what torch was asked to do.
        args: as given.
        kwargs: as given.
        result: what came out.
    """

    index: int
    site: Site
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    @property
    def inputs(self) -> list[Tensor]:
        """The floating tensors that went in."""
        return floating((self.args, self.kwargs))

    @property
    def outputs(self) -> list[Tensor]:
        """The floating tensors that came out."""
        return floating(self.result)


class Tape(TorchFunctionMode):
    """Writes down every operation on floating numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []
        self._makers: dict[int, Record] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = operation(func)
        in_place = is_in_place(func)
        before = args
        if in_place and args and isinstance(args[0], Tensor):
            before = (plain(args[0]).detach().clone(), *args[1:])
        result = func(*args, **kwargs)
        if (name and floating(result)) or in_place:
            self._write(name or func.__name__, func, before, kwargs, args[0] if in_place else result)
        return result

    def _write(self, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        if any(result is given for given in args) and func.__name__ in _UNCHANGING:
            return  # a cast to what it is already: its maker is still the one before
        if peek_interpreter_stack() is not None:
            args, kwargs, result = (tree_map(plain, value) for value in (args, kwargs, result))
        record = Record(len(self.records), Site(name, *author()), func, tuple(args), kwargs, result)
        self.records.append(record)
        for tensor in floating(result):
            self._makers[id(tensor)] = record

    def maker(self, tensor: Any, before: int | None = None) -> Record | None:
        """The operation that made a tensor."""
        record = self._makers.get(id(plain(tensor)))
        return record if record is not None and (before is None or record.index < before) else None

    def sites(self) -> list[Site]:
        """Every operation and line, each once."""
        return list(dict.fromkeys(record.site for record in self.records))


def plain(value: Any) -> Any:
    """The numbers of all samples, where ``torch.func.vmap`` or ``grad`` shows an operation those of one.

    Its wrappers refuse to be looked at, and are dead once their call has ended.
    """
    while isinstance(value, Tensor) and is_functorch_wrapped_tensor(value):
        value = get_unwrapped(value)
    return value


def operation(func: Any) -> str:
    """The standard name of what torch was asked to do; "" for a look at an attribute."""
    raw = getattr(func, "__name__", str(func))
    if raw == "__get__":
        attribute = getattr(getattr(func, "__self__", None), "__name__", "")
        return "transpose" if attribute in ("T", "mT", "H", "mH") else attribute if attribute == "data" else ""
    if raw in ("__set__", "requires_grad_", "retain_grad", "register_hook", "backward"):
        return ""
    return standard_name(raw)


def standard_name(raw: str) -> str:
    """The name of the field for what Python or torch call by another."""
    plain = raw.strip("_")
    return _NAMES.get(plain, plain)


def is_in_place(func: Any) -> bool:
    """Whether an operation writes into its first argument."""
    raw = getattr(func, "__name__", "")
    own = raw.endswith("_") and not raw.endswith("__")
    return raw == "__setitem__" or own or (raw.startswith("__i") and raw[3:-2] in _IN_PLACE)


_UNCHANGING = (
    *("float", "double", "half", "bfloat16", "to", "type", "type_as", "contiguous", "flatten", "reshape", "expand"),
    *("view", "squeeze", "view_as", "expand_as", "broadcast_to", "positive", "__pos__"),
)
_IN_PLACE = ("add", "sub", "mul", "truediv", "div", "pow", "matmul")


def is_reversed(record: Record) -> bool:
    """Whether the second operand stands first, as in ``1 / x`` and ``1 - x``."""
    return getattr(record.func, "__name__", "") in ("__rtruediv__", "__rdiv__", "__rsub__", "rsub", "__rpow__")


def floating(values: Any) -> list[Tensor]:
    """The floating tensors in there."""
    return [x for x in tree_leaves(values) if isinstance(x, Tensor) and x.is_floating_point()]


def author() -> tuple[str | None, str | None]:
    """``file.py:12`` and its text: the innermost frame that is neither torch's nor the core's.

    Where only the core computes (a similarity, say), it is the core's own line.
    """
    frame = author_frame()
    return _said(frame) if frame is not None else (None, None)


def author_frame() -> FrameType | None:
    """The innermost frame that is neither torch's nor the core's; where only the core computes, the core's own."""
    frame: FrameType | None = sys._getframe(1)
    core: FrameType | None = None
    while frame is not None and frame.f_code.co_filename != _CALLER:
        name = frame.f_code.co_filename
        if not (name.startswith((TORCH, _DOCTOR, "<frozen")) or os.path.dirname(name) == STDLIB):
            if not name.startswith(CORE):
                return frame
            core = core or frame
        frame = frame.f_back
    return core


def _said(frame: FrameType) -> tuple[str, str | None]:
    path, line = frame.f_code.co_filename, frame.f_lineno
    return f"{Path(path).name}:{line}", linecache.getline(path, line).strip() or None
