"""Forms of single operations that do not break, each with its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.remedies.logspace import log_of
from losszoo.doctor.tape import Record, Tape

Make = Callable[[Record, Tape], Any]


@dataclass(frozen=True)
class Remedy:
    """A way to compute an operation that does not break.

    Args:
        text: what to write instead.
        make: computes it from the operation's arguments; None where it does not apply.
    """

    text: str
    make: Make


def _eps(x: Tensor) -> float:
    return float(torch.finfo(x.dtype).eps)


def _tiny(x: Tensor) -> float:
    """Small, yet with a reciprocal that the dtype holds."""
    return float(torch.finfo(x.dtype).tiny) * 4


def _log_space(record: Record, tape: Tape) -> Tensor | None:
    x = record.args[0]
    found = log_of(tape, x)
    if found is None:
        return None
    scale = {"log2": 0.6931471805599453, "log10": 2.302585092994046}.get(record.site.op, 1.0)
    return found.to(x.dtype) / scale


def _log_clamped(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    result: Tensor = record.func(x.clamp(min=_tiny(x)))
    return result


def _log_skipped(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    positive = x > 0
    return torch.where(positive, record.func(torch.where(positive, x, 1.0)), 0.0)


def _log1p_inside(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    result: Tensor = record.func(x.clamp(min=-1 + _eps(x)))
    return result


def _parts(record: Record) -> tuple[Any, Any]:
    a, b = record.args[:2]
    if record.func.__name__ in ("__rtruediv__", "__rdiv__"):
        a, b = b, a
    return a, b


def _ratio_in_log_space(record: Record, tape: Tape) -> Tensor | None:
    """exp(log a - log b): neither has to fit the dtype."""
    a, b = _parts(record)
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return None
    top, bottom = log_of(tape, a), log_of(tape, b)
    if top is None or bottom is None:
        return None
    dead = torch.isinf(bottom) & (bottom < 0)
    return torch.where(dead, 0.0, torch.exp(top - torch.where(dead, 0.0, bottom)))


def _count_at_least_one(record: Record, tape: Tape) -> Tensor | None:
    a, b = _parts(record)
    if not isinstance(b, Tensor) or not bool((b == b.round()).all()) or not bool((b >= 0).all()):
        return None
    result: Tensor = a / b.clamp(min=1)
    return result


def _quotient_or_zero(record: Record, tape: Tape) -> Tensor:
    a, b = _parts(record)
    b = torch.as_tensor(b)
    fine = (b != 0) & torch.isfinite(b)
    return torch.where(fine, a / torch.where(fine, b, torch.ones_like(b)), 0.0)


def _denominator_plus_eps(record: Record, tape: Tape) -> Tensor:
    a, b = _parts(record)
    result: Tensor = a / (b + torch.where(b >= 0, 1.0, -1.0) * _eps(b))
    return result


def _where_positive(record: Record, tape: Tape) -> Tensor | None:
    """Double where: the inner one keeps the derivative finite, the outer one the value right."""
    x = record.args[0]
    if not isinstance(x, Tensor) or _is_plain_power(record):
        return None
    positive = x > 0
    return torch.where(positive, record.func(torch.where(positive, x, 1.0), *record.args[1:], **record.kwargs), 0.0)


def _is_plain_power(record: Record) -> bool:
    """A square and its kin have a value and a slope everywhere."""
    exponent = record.args[1] if len(record.args) > 1 else None
    return isinstance(exponent, int | float) and exponent >= 1 and float(exponent).is_integer()


def _sqrt_plus_eps(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    return torch.sqrt(x.clamp(min=0) + _eps(x) ** 2)


def _norm_guarded(record: Record, tape: Tape) -> Tensor:
    """A zero vector replaced before the norm is taken, so that nothing is divided by its length."""
    x = record.args[0]
    dim = record.kwargs.get("dim", record.args[2] if len(record.args) > 2 else None)
    keep = record.kwargs.get("keepdim", False)
    if dim is None:
        zero = bool((x == 0).all())
        whole: Tensor = x.sum() * 0 if zero else record.func(*record.args, **record.kwargs)
        return whole
    dead = (x == 0).all(dim, keepdim=True)
    length = record.func(torch.where(dead, 1.0, x), *record.args[1:], **record.kwargs)
    return torch.where(dead if keep else dead.squeeze(dim), 0.0, length)


def _exp_shifted(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    top = x.amax(-1, keepdim=True).detach() if x.ndim else x.detach()
    return torch.exp(x - torch.where(torch.isfinite(top), top, 0.0))


def _exp_shifted_by_all(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    return torch.exp(x - x.max().detach())


def _exp_clamped(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    largest = float(torch.tensor(torch.finfo(x.dtype).max).log())
    result: Tensor = record.func(x.clamp(max=largest / 2))
    return result


def _inside(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    edge = 1 - 4 * _eps(x)
    result: Tensor = record.func(x.clamp(-edge, edge))
    return result


def _above_one(record: Record, tape: Tape) -> Tensor:
    x = record.args[0]
    result: Tensor = record.func(x.clamp(min=1 + 4 * _eps(x)))
    return result


def _angle_or_zero(record: Record, tape: Tape) -> Tensor:
    y, x = record.args[:2]
    origin = (x == 0) & (y == 0)
    return torch.where(origin, 0.0, torch.atan2(torch.where(origin, 1.0, y), torch.where(origin, 1.0, x)))


def _deviation(record: Record, tape: Tape) -> Tensor:
    """Of one sample 0, and with a finite slope where all are alike."""
    x = record.args[0]
    named = {key: value for key, value in record.kwargs.items() if key in ("dim", "keepdim")}
    if "dim" not in named and len(record.args) > 1 and not isinstance(record.args[1], bool):
        named["dim"] = record.args[1]
    dim = named.get("dim")
    count = x.numel() if dim is None else torch.Size([x.shape[d] for d in ([dim] if isinstance(dim, int) else dim)])
    single = (count if isinstance(count, int) else count.numel()) < 2
    centred = x.var(**named, correction=0 if single else record.kwargs.get("correction", 1))
    return torch.sqrt(centred + _eps(x) ** 2) if record.site.op == "std" else centred


def _mean_or_zero(record: Record, tape: Tape) -> Tensor | None:
    x = record.args[0]
    if x.numel():
        return None
    total: Tensor = x.sum(*record.args[1:], **record.kwargs)
    return total


def _dead_rows(record: Record, tape: Tape) -> Tensor | None:
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


def _finite_floor(record: Record, tape: Tape) -> Tensor:
    """The most negative number instead of -inf: 0 times it is 0."""
    x = record.args[0]
    floor = torch.finfo(x.dtype).min / 2
    result: Tensor = record.func(*record.args, **record.kwargs)
    return result.clamp(min=floor)


def _product_or_zero(record: Record, tape: Tape) -> Tensor:
    """0 wherever a factor is 0, whatever the other; neither derivative sees the other's infinity."""
    a, b = (torch.as_tensor(v) for v in record.args[:2])
    zero = (a == 0) | (b == 0) | ~torch.isfinite(a) | ~torch.isfinite(b)
    return torch.where(zero, 0.0, torch.where(zero, 0.0, a) * torch.where(zero, 0.0, b))


def _positive_only(record: Record, tape: Tape) -> Tensor | None:
    x = record.args[0]
    if not isinstance(x, Tensor) or _is_plain_power(record):
        return None
    result: Tensor = record.func(x.clamp(min=_eps(x)), *record.args[1:], **record.kwargs)
    return result


def _xlogy_clamped(record: Record, tape: Tape) -> Tensor:
    x, y = record.args[:2]
    result: Tensor = torch.special.xlogy(x, y.clamp(min=_tiny(y)))
    return result


def _difference_or_zero(record: Record, tape: Tape) -> Tensor:
    """inf - inf, as of two empty maxima, taken for 0."""
    a, b = (torch.as_tensor(v) for v in record.args[:2])
    if record.func.__name__ in ("__rsub__", "rsub"):
        a, b = b, a
    fine = torch.isfinite(a) & torch.isfinite(b)
    return torch.where(fine, torch.where(fine, a, 0.0) - torch.where(fine, b, 0.0), 0.0)


def _with_jitter(record: Record, tape: Tape) -> Any:
    x = record.args[0]
    size = _eps(x) ** 0.5 * x.diagonal(dim1=-2, dim2=-1).abs().amax().clamp(min=1.0).detach()
    return record.func(x + size * torch.eye(x.shape[-1], dtype=x.dtype), *record.args[1:], **record.kwargs)


def _softplus(record: Record, tape: Tape) -> Tensor | None:
    maker = tape.maker(record.args[0])
    if maker is None or maker.site.op != "exp":
        return None
    return torch.nn.functional.softplus(maker.args[0])


def without_nan(record: Record, tape: Tape) -> Any:
    """The operation on numbers only; what was NaN is left out by what follows."""
    args = [x.nan_to_num() if isinstance(x, Tensor) and x.is_floating_point() else x for x in record.args]
    return record.func(*args, **record.kwargs)


def _mean_over_some(record: Record, tape: Tape) -> Tensor:
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


_LOG = (
    Remedy("take the logarithm of what it was made of: log_softmax, logsumexp, logsigmoid, softplus", _log_space),
    Remedy("clamp inside the logarithm: torch.log(x.clamp(min=4 * torch.finfo(x.dtype).tiny))", _log_clamped),
    Remedy("leave zeros out: torch.where(x > 0, torch.log(torch.where(x > 0, x, 1)), 0)", _log_skipped),
)
_ROOT = (
    Remedy(
        "double where, which keeps value and derivative finite at 0: "
        "torch.where(x > 0, torch.sqrt(torch.where(x > 0, x, 1)), 0)  (losszoo.safe_sqrt)",
        _where_positive,
    ),
    Remedy("torch.sqrt(x.clamp(min=0) + eps)", _sqrt_plus_eps),
)
_DIV = (
    Remedy("divide in log space: torch.exp(log_a - log_b), as softmax does", _ratio_in_log_space),
    Remedy("clamp the count: a / n.clamp(min=1)", _count_at_least_one),
    Remedy("double where: torch.where(b != 0, a / torch.where(b != 0, b, 1), 0)", _quotient_or_zero),
    Remedy("add torch.finfo(b.dtype).eps to the denominator", _denominator_plus_eps),
)
_EXP = (
    Remedy("subtract the maximum first: torch.exp(x - x.amax(-1, keepdim=True)), or use softmax", _exp_shifted),
    Remedy("subtract the maximum first: torch.exp(x - x.max())", _exp_shifted_by_all),
    Remedy("bound the exponent: torch.exp(x.clamp(max=44))", _exp_clamped),
)
_INSIDE = (
    Remedy("clamp strictly inside the domain: x.clamp(-1 + e, 1 - e), e = 4 * torch.finfo(x.dtype).eps", _inside),
)
_ROWS = (
    Remedy("give a row without any finite entry the value 0, by a where on both sides", _dead_rows),
    Remedy("use torch.finfo(x.dtype).min where -inf stood: 0 times it is 0", _finite_floor),
)
_POSITIVE = (Remedy("keep the argument positive: x.clamp(min=torch.finfo(x.dtype).eps)", _positive_only),)
_JITTER = (Remedy("add a small multiple of the identity to the matrix", _with_jitter),)
_MEAN = (Remedy("sum, and divide by the count clamped to 1", _mean_over_some),)

FORMS: dict[str, tuple[Remedy, ...]] = {
    "log": _LOG,
    "log2": _LOG,
    "log10": _LOG,
    "log1p": (
        Remedy("log1p(exp(x)) is torch.nn.functional.softplus(x)", _softplus),
        Remedy("keep the argument above -1: x.clamp(min=-1 + eps)", _log1p_inside),
    ),
    "div": _DIV,
    "reciprocal": _POSITIVE,
    "rsqrt": _POSITIVE,
    "sqrt": _ROOT,
    "pow": (
        Remedy(
            "double where, since the derivative at 0 is infinite: torch.where(x > 0, torch.where(x > 0, x, 1) ** p, 0)",
            _where_positive,
        ),
        *_POSITIVE,
    ),
    "norm": (Remedy("replace a zero vector before the norm is taken (double where)", _norm_guarded),),
    "exp": _EXP,
    "exp2": _EXP[2:],
    "expm1": _EXP[2:],
    "cosh": _EXP[2:],
    "sinh": _EXP[2:],
    "acos": _INSIDE,
    "asin": _INSIDE,
    "atanh": _INSIDE,
    "acosh": (Remedy("keep the argument above 1: x.clamp(min=1 + eps)", _above_one),),
    "atan2": (Remedy("double where at the origin, where the angle has no derivative", _angle_or_zero),),
    "std": (Remedy("torch.sqrt(x.var(correction=0) + eps): of one sample 0, with a finite slope", _deviation),),
    "var": (Remedy("x.var(correction=0): of one sample it is 0", _deviation),),
    "mean": (Remedy("x.sum() / max(x.numel(), 1): of nothing it is 0", _mean_or_zero),),
    "softmax": _ROWS[:1],
    "log_softmax": _ROWS,
    "logsumexp": _ROWS[:1],
    "mul": (Remedy("0 where a factor is 0, by a where on both sides", _product_or_zero),),
    "sub": (Remedy("take inf - inf, as of two empty maxima, for 0, by a where on both sides", _difference_or_zero),),
    "xlogy": (Remedy("torch.xlogy(x, y.clamp(min=tiny)): the derivative in y is NaN at 0", _xlogy_clamped),),
    "lgamma": _POSITIVE,
    "digamma": _POSITIVE,
    "logdet": _JITTER,
    "slogdet": _JITTER,
    "cholesky": _JITTER,
    "linalg_cholesky": _JITTER,
    "inverse": _JITTER,
    "linalg_inv": _JITTER,
    "cross_entropy": _MEAN,
    "nll_loss": _MEAN,
}
WITHOUT_NAN = Remedy(
    "replace the NaN before the arithmetic, not after it: 0 * NaN is NaN in the derivative too "
    "(torch.where(known, targets, 0))",
    without_nan,
)
IN_FLOAT32 = Remedy("compute it in float32: x.float(), and accumulate there", in_float32)
