"""A tensor, and a call, as one line of Python that can be pasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from losszoo.doctor.inputs.held_tensors import fields_of, is_held
from losszoo.doctor.report.callee import callee_of
from losszoo.doctor.subject.subject import Leaves, Subject

_WIDE = (torch.float64, torch.complex128)
_DEFAULT = (torch.float32, torch.int64, torch.bool)
_MOST = 20_000


def as_python(value: Any) -> str:
    """An expression that makes the value again.

    Example:
        >>> as_python(torch.tensor([[0.0, -104.0]]))
        'torch.tensor([[0.0, -104.0]])'
        >>> as_python(torch.zeros(1000, 2))
        'torch.zeros(1000, 2)'
    """
    if isinstance(value, Tensor):
        return _tensor(value)
    if is_held(value) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        fields = fields_of(value) if is_held(value) else value._asdict()
        name = type(value).__name__
        inner = ", ".join(f"{key}={as_python(item)}" for key, item in fields.items())
        return f"{'types.' if name == 'SimpleNamespace' else ''}{name}({inner})"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(as_python, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    if isinstance(value, float | complex):
        return _number(value, wide=True)
    if isinstance(value, torch.device):
        return f"torch.device({str(value)!r})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {as_python(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _tensor(x: Tensor) -> str:
    dtype = "" if x.dtype in _DEFAULT else f", dtype={x.dtype}"
    shape = ", ".join(map(str, x.shape))
    if x.numel() == 0:
        return f"torch.empty({tuple(x.shape)}, dtype={x.dtype})"
    if x.numel() > 8 and bool((x == x.flatten()[0]).all()):
        value = x.flatten()[0].item()
        if value in (0, 1) and x.is_floating_point():
            return f"torch.{'ones' if value else 'zeros'}({shape}{dtype})"
        return f"torch.full(({shape},), {_number(value)}{dtype})"
    period = _period(x)
    if period:
        times = ", ".join(map(str, [len(x) // period, *[1] * (x.ndim - 1)]))
        return f"{_tensor(x[:period])}.repeat({times})"
    if x.numel() > _MOST:
        return f"torch.empty({shape}{dtype})"
    return f"torch.tensor({_nested(x.tolist(), x.dtype in _WIDE)}{dtype})"


def _period(x: Tensor) -> int:
    """After how many rows a long tensor repeats itself; 0 where it does not."""
    if x.ndim == 0 or len(x) < 16:
        return 0
    fits = (p for p in range(1, min(len(x) // 4, 64) + 1) if len(x) % p == 0)
    return next((p for p in fits if torch.equal(x, x[:p].repeat(len(x) // p, *[1] * (x.ndim - 1)))), 0)


def _nested(values: Any, wide: bool) -> str:
    if isinstance(values, list):
        return "[" + ", ".join(_nested(value, wide) for value in values) + "]"
    return _number(values, wide)


def _number(value: Any, wide: bool = False) -> str:
    """As short as float32 (or float64, where it is wide) allows; infinities and NaN by a name that torch has."""
    if isinstance(value, complex):
        return f"complex({_number(value.real, wide)}, {_number(value.imag, wide)})"
    if isinstance(value, float) and value != value:
        return "torch.nan"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "torch.inf" if value > 0 else "-torch.inf"
    if value == 0 and isinstance(value, float):
        return "0.0"  # of either sign
    if isinstance(value, float):
        candidates = [] if wide else [f"{value:.{digits}g}" for digits in (6, 8, 9)]
        short = next((text for text in candidates if _same(value, text)), repr(value))
        return short if any(c in short for c in ".en") else f"{short}.0"
    return repr(value)


def _same(value: float, text: str) -> bool:
    """Whether the text is that number in float32."""
    return torch.tensor(float(text)).item() == torch.tensor(value).item()


def inputs_of(subject: Subject, leaves: Leaves) -> dict[str, str]:
    """Every argument as an expression, by its name."""
    return dict(zip(subject.names, map(as_python, _arguments(subject, leaves)), strict=True))


def call_of(subject: Subject, leaves: Leaves) -> str:
    """One line that calls the loss: it runs once the target's name is imported."""
    values = [as_python(value) for value in _arguments(subject, leaves)]
    places = len(values) - len(subject.keywords)
    named = [f"{name}={value}" for name, value in zip(subject.keywords, values[places:], strict=True)]
    callee = callee_of(subject.call, subject.target)
    later = [f"{key}={text}" for key, text in callee.named.items() if key not in subject.keywords]
    arguments = ", ".join([*callee.placed, *values[:places], *named, *later])
    large = [x for x in leaves if isinstance(x, Tensor) and x.numel() > _MOST]
    remark = "  # more numbers than fit a line are left empty" if "torch.empty" in arguments and large else ""
    part = subject.taken.code if subject.taken else ""
    return f"{callee.text}({arguments}){part}{remark}"


def _arguments(subject: Subject, leaves: Leaves) -> Sequence[Any]:
    detached = tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, list(leaves))
    return subject.arguments(detached)
