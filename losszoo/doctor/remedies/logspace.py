"""The logarithm of a number from what it was made of, so that the number itself never has to exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from losszoo.doctor.tape import Record, Tape, is_reversed

# What picks or arranges numbers does the same to their logarithms.
_ARRANGING = (
    *("flip", "fliplr", "roll", "detach", "getitem", "gather", "squeeze", "unsqueeze", "view", "reshape"),
    *("expand", "expand_as", "transpose", "permute", "t", "flatten", "index_select", "take_along_dim"),
    *("diagonal", "diag", "masked_select", "select", "contiguous", "movedim", "float", "to", "max"),
    *("amax", "clone"),
)
# An addend below this was put there to save a logarithm from zero.
_EPS = 1e-3


def log_of(tape: Tape, tensor: Tensor) -> Tensor | None:
    """The logarithm of a tensor of the tape, computed from its makers; None where they say nothing.

    A product becomes a sum, a sum a logsumexp, a softmax a log_softmax, and an epsilon is left out.
    """
    record = tape.maker(tensor)
    if record is None:
        return None
    if record.site.op in _ARRANGING:
        return _arranged(tape, record)
    rule = _RULES.get(record.site.op)
    return rule(tape, record) if rule is not None else None


def _log(tape: Tape, value: Any) -> Tensor:
    """The logarithm of an operand: from its makers, else plainly, with zero as -inf and no gradient there."""
    if not isinstance(value, Tensor):
        return torch.tensor(math.log(value) if value > 0 else -math.inf)
    known = log_of(tape, value)
    if known is not None:
        return known
    positive = value > 0
    return torch.where(positive, torch.where(positive, value, 1.0).log(), -torch.inf)


def _arranged(tape: Tape, record: Record) -> Tensor | None:
    source = record.args[0]
    if not isinstance(source, Tensor):
        return None
    inner = log_of(tape, source)
    if inner is None:
        return None
    if getattr(record.func, "__name__", "") == "__get__":
        return inner.mT
    picked: Any = record.func(inner, *record.args[1:], **record.kwargs)
    return picked if isinstance(picked, Tensor) else picked[0]


def _softmax(tape: Tape, record: Record) -> Tensor:
    named = {key: value for key, value in record.kwargs.items() if key in ("dim", "dtype")}
    positional = record.args[1:2]
    return torch.log_softmax(record.args[0], *positional, **named)


def _add(tape: Tape, record: Record) -> Tensor | None:
    a, b = record.args[:2]
    if isinstance(b, Tensor) and not isinstance(a, Tensor):
        a, b = b, a
    if not isinstance(b, Tensor):
        return _plus_constant(tape, a, float(b))
    return torch.logaddexp(_log(tape, a), _log(tape, b))


def _plus_constant(tape: Tape, tensor: Tensor, constant: float) -> Tensor | None:
    if 0 < constant <= _EPS:
        return log_of(tape, tensor)
    maker = tape.maker(tensor)
    if constant == 1.0 and maker is not None and maker.site.op == "exp":
        return F.softplus(maker.args[0])
    return torch.log1p(tensor) if constant == 1.0 else None


def _sub(tape: Tape, record: Record) -> Tensor | None:
    """1 - p, from the logit or the logarithm of p."""
    one, p = _operands(record)
    if not _is_one(one) or not isinstance(p, Tensor):
        return None
    maker = tape.maker(p)
    if maker is not None and maker.site.op == "sigmoid":
        return F.logsigmoid(-maker.args[0])
    logarithm = log_of(tape, p)
    if logarithm is None:
        return None
    # log(1 - exp(a)): expm1 keeps what 1 - p cancels when p is near 1.
    inside = -torch.expm1(torch.where(logarithm < 0, logarithm, -1.0))
    return torch.where(logarithm < 0, inside.log(), -torch.inf)


def _operands(record: Record) -> tuple[Any, Any]:
    """Minuend and subtrahend; ``rsub`` has them the other way round."""
    a, b = record.args[:2]
    return (b, a) if is_reversed(record) else (a, b)


def _is_one(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and float(value.detach()) == 1.0
    return isinstance(value, int | float) and value == 1


def _sum(tape: Tape, record: Record) -> Tensor | None:
    source = record.args[0]
    inner = log_of(tape, source) if isinstance(source, Tensor) else None
    if inner is None:
        return None
    dim = record.kwargs.get("dim", record.args[1] if len(record.args) > 1 else None)
    keepdim = record.kwargs.get("keepdim", record.args[2] if len(record.args) > 2 else False)
    dims = tuple(range(inner.ndim)) if dim is None else dim
    total = _safe_logsumexp(inner, dims, keepdim)
    if record.site.op == "sum":
        return total
    return total - math.log(max(inner.numel() // max(total.numel(), 1), 1))


def _safe_logsumexp(x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    """Without a NaN gradient where everything summed is -inf."""
    dead = (x == -torch.inf).all(dims, keepdim=True) if isinstance(dims, int) else _all_over(x == -torch.inf, dims)
    total = torch.logsumexp(torch.where(dead, 0.0, x), dims, keepdim=True)
    total = torch.where(dead, -torch.inf, total)
    if keepdim:
        return total
    for dim in sorted([dims] if isinstance(dims, int) else [d % x.ndim for d in dims], reverse=True):
        total = total.squeeze(dim)
    return total


def _all_over(flags: Tensor, dims: Any) -> Tensor:
    for dim in dims:
        flags = flags.all(dim, keepdim=True)
    return flags


def _mul(tape: Tape, record: Record) -> Tensor | None:
    a, b = record.args[:2]
    known = [isinstance(x, Tensor) and log_of(tape, x) is not None for x in (a, b)]
    if not any(known) or not (_is_nonnegative(a) and _is_nonnegative(b)):
        return None
    return _log(tape, a) + _log(tape, b)


def _is_nonnegative(value: Any) -> bool:
    return bool((value >= 0).all()) if isinstance(value, Tensor) else value >= 0


def _div(tape: Tape, record: Record) -> Tensor | None:
    a, b = record.args[:2]
    if is_reversed(record):
        a, b = b, a
    known = [isinstance(x, Tensor) and log_of(tape, x) is not None for x in (a, b)]
    return _log(tape, a) - _log(tape, b) if any(known) else None


def _where(tape: Tape, record: Record) -> Tensor | None:
    if len(record.args) < 3 or not isinstance(record.args[1], Tensor):
        return None
    condition, kept, other = record.args[:3]
    inner = log_of(tape, kept)
    return None if inner is None else torch.where(condition, inner, _log(tape, other))


def _masked_fill(tape: Tape, record: Record) -> Tensor | None:
    inner = log_of(tape, record.args[0])
    value = float(record.args[2]) if len(record.args) > 2 else 0.0
    return None if inner is None else inner.masked_fill(record.args[1], math.log(value) if value > 0 else -math.inf)


def _clamp(tape: Tape, record: Record) -> Tensor | None:
    low = record.kwargs.get("min", record.args[1] if len(record.args) > 1 else None)
    high = record.kwargs.get("max", record.args[2] if len(record.args) > 2 else None)
    small = low is not None and not isinstance(low, Tensor) and low <= _EPS
    inner = log_of(tape, record.args[0]) if small and not isinstance(high, Tensor) else None
    return inner if inner is None or high is None else inner.clamp(max=math.log(high))


def _pow(tape: Tape, record: Record) -> Tensor | None:
    base, exponent = record.args[:2]
    inner = log_of(tape, base) if isinstance(base, Tensor) else None
    return None if inner is None else inner * exponent


def _prod(tape: Tape, record: Record) -> Tensor | None:
    source = record.args[0]
    if not bool((source >= 0).all()):
        return None
    logs = _log(tape, source)
    dims = {key: value for key, value in record.kwargs.items() if key in ("dim", "keepdim")}
    cumulative = record.site.op == "cumprod"
    return logs.cumsum(*record.args[1:], **dims) if cumulative else logs.sum(*record.args[1:], **dims)


def _cumsum(tape: Tape, record: Record) -> Tensor | None:
    source = record.args[0]
    inner = log_of(tape, source)
    dim = record.kwargs.get("dim", record.args[1] if len(record.args) > 1 else -1)
    return None if inner is None else torch.logcumsumexp(inner, dim)


def _cosh(tape: Tape, record: Record) -> Tensor:
    size: Tensor = record.args[0].abs()
    return size + F.softplus(-2 * size) - math.log(2)


_RULES: dict[str, Callable[[Tape, Record], Tensor | None]] = {
    "softmax": _softmax,
    "sigmoid": lambda tape, record: F.logsigmoid(record.args[0]),
    "exp": lambda tape, record: record.args[0],
    "add": _add,
    "sub": _sub,
    "sum": _sum,
    "mean": _sum,
    "mul": _mul,
    "div": _div,
    "where": _where,
    "masked_fill": _masked_fill,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "pow": _pow,
    "prod": _prod,
    "cumprod": _prod,
    "cosh": _cosh,
    "cumsum": _cumsum,
}
