"""Logarithms, quotients, roots and exponentials, guarded where they break."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.remedies.logspace import log_of
from losszoo.doctor.remedies.remedy import eps_of, tiny_of
from losszoo.doctor.tape import Record, Tape, is_reversed


def log_space(record: Record, tape: Tape) -> Tensor | None:
    x = record.args[0]
    found = log_of(tape, x)
    if found is None:
        return None
    scale = {"log2": 0.6931471805599453, "log10": 2.302585092994046}.get(record.site.op, 1.0)
    return found.to(x.dtype) / scale


def log_clamped(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    result: Tensor = record.func(x.clamp(min=tiny_of(x)))
    return result


def log_skipped(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    positive = x > 0
    return torch.where(positive, record.func(torch.where(positive, x, 1.0)), 0.0)


def log1p_inside(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    result: Tensor = record.func(x.clamp(min=-1 + eps_of(x)))
    return result


def parts(record: Record) -> tuple[Any, Any]:
    a, b = record.args[:2]
    if is_reversed(record):
        a, b = b, a
    return a, b


def ratio_in_log_space(record: Record, tape: Tape) -> Tensor | None:
    """exp(log a - log b): neither has to fit the dtype."""
    a, b = parts(record)
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return None
    top, bottom = log_of(tape, a), log_of(tape, b)
    if top is None or bottom is None:
        return None
    dead = torch.isinf(bottom) & (bottom < 0)
    return torch.where(dead, 0.0, torch.exp(top - torch.where(dead, 0.0, bottom)))


def count_at_least_one(record: Record, tape: Tape) -> Tensor | None:
    a, b = parts(record)
    if not isinstance(b, Tensor) or not bool((b == b.round()).all()) or not bool((b >= 0).all()):
        return None
    result: Tensor = a / b.clamp(min=1)
    return result


def quotient_or_zero(record: Record, tape: Tape) -> Tensor:
    a, b = parts(record)
    b = torch.as_tensor(b)
    fine = (b != 0) & torch.isfinite(b)
    return torch.where(fine, a / torch.where(fine, b, torch.ones_like(b)), 0.0)


def denominator_plus_eps(record: Record, tape: Tape) -> Tensor:
    a, b = parts(record)
    result: Tensor = a / (b + torch.where(b >= 0, 1.0, -1.0) * eps_of(b))
    return result


def where_positive(record: Record, tape: Tape) -> Tensor | None:
    """Double where: the inner one keeps the derivative finite, the outer one the value right."""
    x = record.args[0]
    if not isinstance(x, Tensor) or is_plain_power(record):
        return None
    positive = x > 0
    return torch.where(positive, record.func(torch.where(positive, x, 1.0), *record.args[1:], **record.kwargs), 0.0)


def is_plain_power(record: Record) -> bool:
    """A square and its kin have a value and a slope everywhere."""
    exponent = record.args[1] if len(record.args) > 1 else None
    return isinstance(exponent, int | float) and exponent >= 1 and float(exponent).is_integer()


def sqrt_plus_eps(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    return torch.sqrt(x.clamp(min=0) + eps_of(x) ** 2)


def norm_scaled(record: Record, tape: Tape) -> Tensor | None:
    """Squares of numbers near 1 neither underflow nor overflow; of nothing but zeros the norm is a tiny number."""
    x = record.args[0]
    dim = record.kwargs.get("dim", record.args[2] if len(record.args) > 2 else None)
    if not isinstance(dim, int | None):
        return None
    top = x.detach().abs().amax() if dim is None else x.detach().abs().amax(dim, keepdim=True)
    top = top.clamp(min=tiny_of(x))
    length: Tensor = record.func(x / top, *record.args[1:], **record.kwargs)
    result: Tensor = length * (top if length.ndim == top.ndim else top.squeeze(dim))
    return result


def exp_shifted(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    top = x.amax(-1, keepdim=True).detach() if x.ndim else x.detach()
    return torch.exp(x - torch.where(torch.isfinite(top), top, 0.0))


def exp_shifted_by_all(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    return torch.exp(x - x.max().detach())


def exp_clamped(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    largest = float(torch.tensor(torch.finfo(x.dtype).max).log())
    result: Tensor = record.func(x.clamp(max=largest / 2))
    return result
