"""Angles, deviations, softmaxes, products, and what else breaks, guarded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.remedies.guards import is_plain_power
from losszoo.doctor.remedies.remedy import eps_of, tiny_of
from losszoo.doctor.tape import Record, Tape, is_reversed


def inside(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    edge = 1 - 4 * eps_of(x)
    result: Tensor = record.func(x.clamp(-edge, edge))
    return result


def above_one(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    result: Tensor = record.func(x.clamp(min=1 + 4 * eps_of(x)))
    return result


def deviation(record: Record, tape: Tape) -> Tensor:
    """Of one sample 0, and with a finite slope where all are alike."""
    x = record.args[0]
    named = {key: value for key, value in record.kwargs.items() if key in ("dim", "keepdim")}
    if "dim" not in named and len(record.args) > 1 and not isinstance(record.args[1], bool):
        named["dim"] = record.args[1]
    dim = named.get("dim")
    count = x.numel() if dim is None else torch.Size([x.shape[d] for d in ([dim] if isinstance(dim, int) else dim)])
    single = (count if isinstance(count, int) else count.numel()) < 2
    centred = x.var(**named, correction=0 if single else record.kwargs.get("correction", 1))
    return torch.sqrt(centred + eps_of(x) ** 2) if record.site.op == "std" else centred


def mean_or_zero(record: Record, tape: Tape) -> Tensor | None:
    x = record.args[0]
    if x.numel():
        return None
    total: Tensor = x.sum(*record.args[1:], **record.kwargs)
    return total


def dead_rows(record: Record, tape: Tape) -> Tensor | None:
    """A row without any finite entry: its weights are 0."""
    x = record.args[0]
    dim = record.kwargs.get("dim", record.args[1] if len(record.args) > 1 else -1)
    if not isinstance(dim, int):
        return None
    dead = (x == -torch.inf).all(dim, keepdim=True)
    if not bool(dead.any()):
        return None
    named = {key: value for key, value in record.kwargs.items() if key != "dim"}
    result: Tensor = record.func(torch.where(dead, 0.0, x), dim, **named)
    keep = result.ndim == x.ndim
    return torch.where(dead if keep else dead.squeeze(dim), 0.0, result)


def product_or_zero(record: Record, tape: Tape) -> Tensor:
    """0 wherever a factor is 0, whatever the other; neither derivative sees the other's infinity."""
    a, b = (torch.as_tensor(v) for v in record.args[:2])
    zero = (a == 0) | (b == 0) | ~torch.isfinite(a) | ~torch.isfinite(b)
    return torch.where(zero, 0.0, torch.where(zero, 0.0, a) * torch.where(zero, 0.0, b))


def positive_only(record: Record, tape: Tape) -> Tensor | None:
    x = record.args[0]
    if not isinstance(x, Tensor) or is_plain_power(record):
        return None
    result: Tensor = record.func(x.clamp(min=eps_of(x)), *record.args[1:], **record.kwargs)
    return result


def xlogy_clamped(record: Record, tape: Tape) -> Tensor:
    x, y = record.args[:2]
    result: Tensor = torch.special.xlogy(x, y.clamp(min=tiny_of(y)))
    return result


def difference_or_zero(record: Record, tape: Tape) -> Tensor:
    """inf - inf, as of two empty maxima, taken for 0."""
    a, b = (torch.as_tensor(v) for v in record.args[:2])
    if is_reversed(record):
        a, b = b, a
    fine = torch.isfinite(a) & torch.isfinite(b)
    return torch.where(fine, torch.where(fine, a, 0.0) - torch.where(fine, b, 0.0), 0.0)


def with_jitter(record: Record, tape: Tape) -> Any:
    x = record.args[0]
    size = eps_of(x) ** 0.5 * x.diagonal(dim1=-2, dim2=-1).abs().amax().clamp(min=1.0).detach()
    return record.func(x + size * torch.eye(x.shape[-1], dtype=x.dtype), *record.args[1:], **record.kwargs)


def softplus(record: Record, tape: Tape) -> Tensor | None:
    maker = tape.maker(record.args[0])
    if maker is None or maker.site.op != "exp":
        return None
    return torch.nn.functional.softplus(maker.args[0])


def without_nan(record: Record, tape: Tape) -> Any:
    """The operation on numbers only; what was NaN is left out by what follows."""
    args = [x.nan_to_num() if isinstance(x, Tensor) and x.is_floating_point() else x for x in record.args]
    return record.func(*args, **record.kwargs)


def mean_over_some(record: Record, tape: Tape) -> Tensor:
    """Of torch's own losses: a mean over nothing is 0."""
    total: Tensor = record.func(*record.args, **{**record.kwargs, "reduction": "sum"})
    ignored = record.kwargs.get("ignore_index", -100)
    targets = record.args[1]
    kept = (targets != ignored).sum() if not targets.is_floating_point() else torch.tensor(targets.numel())
    return total / kept.clamp(min=1)


def in_float32(record: Record, tape: Tape) -> Any:
    """The same operation on float32 numbers; half precision does not come back before the end."""

    def wide(value: Any) -> Any:
        low = isinstance(value, Tensor) and value.is_floating_point() and value.dtype.itemsize < 4
        return value.float() if low else value

    return record.func(*[wide(value) for value in record.args], **{k: wide(v) for k, v in record.kwargs.items()})
