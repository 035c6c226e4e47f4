"""What torch was asked to do, by the name of the field."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

# The names of the field for what Python calls by other names.
_SYNONYMS = {
    "div": ("truediv", "true_divide", "divide", "rtruediv", "rdiv", "itruediv", "idiv"),
    "sub": ("rsub", "isub", "subtract"),
    "mul": ("rmul", "imul", "multiply"),
    "add": ("radd", "iadd"),
    "pow": ("rpow", "ipow", "float_power"),
    "acos": ("arccos",),
    "asin": ("arcsin",),
    "atan": ("arctan",),
    "atanh": ("arctanh",),
    "acosh": ("arccosh",),
    "atan2": ("arctan2",),
    "matmul": ("rmatmul", "imatmul"),
    "norm": ("linalg_norm", "linalg_vector_norm", "linalg_matrix_norm", "vector_norm"),
    "neg": ("negative",),
    "clamp": ("clip",),
    "abs": ("absolute",),
    "cat": ("concat", "concatenate"),
    "slogdet": ("linalg_slogdet",),
    "det": ("linalg_det",),
    "expm1": ("special_expm1",),
    "log_softmax": ("special_log_softmax",),
    "softmax": ("special_softmax",),
    "logsumexp": ("special_logsumexp",),
    "xlogy": ("special_xlogy",),
    "xlog1py": ("special_xlog1py",),
    "sigmoid": ("special_expit",),
}
_NAMES = {synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms}
# What fills with infinity means it.
FILLS = ("where", "masked_fill", "full", "full_like", "tensor", "new_tensor", "new_full", "fill", "setitem", "clone")
# What is not yet written holds anything.
UNWRITTEN = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted")
# What may give back the very tensor that it is given.
_UNCHANGING = (
    *("float", "double", "half", "bfloat16", "to", "type", "type_as", "contiguous", "flatten", "reshape", "expand"),
    *("view", "squeeze", "view_as", "expand_as", "broadcast_to", "positive", "__pos__"),
)
_IN_PLACE = ("add", "sub", "mul", "truediv", "div", "pow", "matmul")
_REVERSED = ("__rtruediv__", "__rdiv__", "__rsub__", "rsub", "__rpow__")


def operation(func: Any) -> str:
    """The standard name of what torch was asked to do; "" for a look at an attribute."""
    raw = getattr(func, "__name__", str(func))
    if raw == "__get__":
        attribute = getattr(getattr(func, "__self__", None), "__name__", "")
        return "transpose" if attribute in ("T", "mT", "H", "mH") else attribute if attribute == "data" else ""
    if raw in ("__set__", "requires_grad_", "retain_grad", "register_hook", "backward"):
        return ""
    return standard_name(raw)


@functools.lru_cache(maxsize=4096)
def standard_name(raw: str) -> str:
    """The name of the field for what Python or torch call by another."""
    plain = raw.strip("_")
    return _NAMES.get(plain, plain.removeprefix("linalg_"))


def is_in_place(func: Any) -> bool:
    """Whether an operation writes into its first argument."""
    raw = getattr(func, "__name__", "")
    own = raw.endswith("_") and not raw.endswith("__")
    return raw == "__setitem__" or own or (raw.startswith("__i") and raw[3:-2] in _IN_PLACE)


def written_by(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The tensor that an operation writes into: in place, or as ``out=``."""
    target = args[0] if is_in_place(func) and args else kwargs.get("out")
    return target if isinstance(target, Tensor) and operation(func) else None


def is_unchanging(func: Any) -> bool:
    """Whether an operation only casts or arranges, and may give back the very tensor that it is given."""
    return getattr(func, "__name__", "") in _UNCHANGING


def is_reversed(func: Any) -> bool:
    """Whether the second operand stands first, as in ``1 / x`` and ``1 - x``."""
    return getattr(func, "__name__", "") in _REVERSED
