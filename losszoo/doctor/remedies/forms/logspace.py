"""The logarithm of a number from what it was made of, as code, so that the number itself never has to exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from losszoo.doctor.remedies.writing import Writing
from losszoo.tracing.tape import Record

Rule = Callable[[Writing, Record], str | None]

# What picks or arranges numbers does the same to their logarithms.
_ARRANGING = (
    *("flip", "fliplr", "roll", "detach", "gather", "squeeze", "unsqueeze", "view", "reshape"),
    *("expand", "expand_as", "transpose", "permute", "t", "flatten", "index_select", "take_along_dim"),
    *("diagonal", "diag", "masked_select", "select", "contiguous", "movedim", "float", "to"),
    *("amax", "clone"),
)
# An addend below this was put there to save a logarithm from zero.
_EPS = 1e-3


def log_of(w: Writing, tensor: Any) -> str | None:
    """The logarithm of a tensor of the tape, computed from its makers; None where they say nothing.

    A product becomes a sum, a sum a logsumexp, a softmax a log_softmax, and an epsilon is left out.
    """
    record = w.tape.maker(tensor) if isinstance(tensor, Tensor) else None
    if record is None:
        return None
    if record.site.op in _ARRANGING or record.site.op in ("getitem", "max"):
        return _arranged(w, record)
    rule = RULES.get(record.site.op)
    return rule(w, record) if rule is not None else None


def _log(w: Writing, record: Record, position: int) -> str:
    """The logarithm of an operand: from its makers, else plainly, with zero as -inf and no gradient there."""
    value = record.args[position]
    if not isinstance(value, Tensor):
        return repr(math.log(value)) if value > 0 else "-torch.inf"
    known = log_of(w, value)
    if known is not None:
        return known
    x = w.operand(record, position)
    return f"torch.where({x} > 0, torch.log(torch.where({x} > 0, {x}, 1)), -torch.inf)"


def _arranged(w: Writing, record: Record) -> str | None:
    inner = log_of(w, record.args[0])
    if inner is None:
        return None
    if record.site.op == "getitem":
        index = w.index(record)
        return None if index is None else f"({inner})[{index}]"
    if getattr(record.func, "__name__", "") == "__get__":
        return f"({inner}).mT"
    pairs = "[0]" if not isinstance(record.result, Tensor) else ""
    name = record.func.__name__ if hasattr(Tensor, record.func.__name__) else record.site.op
    return f"({inner}).{name}({w.rest_of(record).removeprefix(', ')}){pairs}"


def _softmax(w: Writing, record: Record) -> str:
    return f"torch.log_softmax({w.operand(record, 0)}{w.rest_of(record)})"


def _sigmoid(w: Writing, record: Record) -> str:
    return f"torch.nn.functional.logsigmoid({w.operand(record, 0)})"


def _add(w: Writing, record: Record) -> str | None:
    numbers = [i for i, value in enumerate(record.args[:2]) if not isinstance(value, Tensor)]
    if numbers:
        return _plus_constant(w, record, 1 - numbers[0], float(record.args[numbers[0]]))
    return f"torch.logaddexp({_log(w, record, 0)}, {_log(w, record, 1)})"


def _plus_constant(w: Writing, record: Record, position: int, constant: float) -> str | None:
    tensor = record.args[position]
    if 0 < constant <= _EPS:
        return log_of(w, tensor)
    maker = w.tape.maker(tensor)
    if constant == 1.0 and maker is not None and maker.site.op == "exp":
        return f"torch.nn.functional.softplus({w.operand(maker, 0)})"
    known = log_of(w, tensor) if constant > 0 else None
    return None if known is None else f"torch.logaddexp({known}, torch.tensor({math.log(constant)!r}))"


def _sub(w: Writing, record: Record) -> str | None:
    """1 - p, from the logit or the logarithm of p."""
    one, p = operands(record)
    if not is_one(one) or not isinstance(p, Tensor):
        return None
    maker = w.tape.maker(p)
    if maker is not None and maker.site.op == "sigmoid":
        return f"torch.nn.functional.logsigmoid(-{w.operand(maker, 0)})"
    logarithm = log_of(w, p)
    if logarithm is None:
        return None
    # log(1 - exp(l)): expm1 keeps what 1 - p cancels when p is near 1.
    part = w.let(logarithm, "l")
    return f"torch.where({part} < 0, torch.log(-torch.expm1(torch.where({part} < 0, {part}, -1))), -torch.inf)"


def operands(record: Record) -> tuple[Any, Any]:
    """Minuend and subtrahend; ``rsub`` has them the other way round."""
    a, b = record.args[:2]
    return (b, a) if record.is_reversed else (a, b)


def is_one(value: Any) -> bool:
    """Whether it is the number 1."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and float(value.detach()) == 1.0
    return isinstance(value, int | float) and value == 1


def _sum(w: Writing, record: Record) -> str | None:
    inner = log_of(w, record.args[0])
    if inner is None:
        return None
    dim = record.argument("dim", 1)
    if record.site.op == "mean":
        inner = w.let(inner, "l")
    if dim is None:
        total, count = f"torch.logsumexp(({inner}).flatten(), 0)", f"({inner}).numel()"
    else:
        total, count = f"torch.logsumexp({inner}{w.rest_of(record)})", f"({inner}).shape[{dim}]"
    if record.site.op == "sum":
        return total
    return f"{total} - math.log({count})" if isinstance(dim, int | None) else None


def _mul(w: Writing, record: Record) -> str | None:
    a, b = record.args[:2]
    known = [log_of(w, x) is not None for x in (a, b)]
    if not any(known) or not (_is_nonnegative(a) and _is_nonnegative(b)):
        return None
    return f"{_log(w, record, 0)} + ({_log(w, record, 1)})"


def _is_nonnegative(value: Any) -> bool:
    return bool((value >= 0).all()) if isinstance(value, Tensor) else value >= 0


def _div(w: Writing, record: Record) -> str | None:
    top, bottom = (1, 0) if record.is_reversed else (0, 1)
    if all(log_of(w, x) is None for x in record.args[:2]):
        return None
    return f"{_log(w, record, top)} - ({_log(w, record, bottom)})"


def _where(w: Writing, record: Record) -> str | None:
    inner = log_of(w, record.args[1]) if len(record.args) > 2 else None
    return None if inner is None else f"torch.where({w.operand(record, 0, 'chosen')}, {inner}, {_log(w, record, 2)})"


def _masked_fill(w: Writing, record: Record) -> str | None:
    inner = log_of(w, record.args[0])
    if inner is None or len(record.args) < 3 or isinstance(record.args[2], Tensor):
        return None
    return f"({inner}).masked_fill({w.operand(record, 1, 'hidden')}, {_log(w, record, 2)})"


def _clamp(w: Writing, record: Record) -> str | None:
    low, high = record.argument("min", 1), record.argument("max", 2)
    small = low is not None and not isinstance(low, Tensor) and low <= _EPS
    inner = log_of(w, record.args[0]) if small and not isinstance(high, Tensor) else None
    return inner if inner is None or high is None else f"({inner}).clamp(max={math.log(high)!r})"


def _scaled(factor: Callable[[Writing, Record], str]) -> Rule:
    """A power of a number multiplies its logarithm."""

    def rule(w: Writing, record: Record) -> str | None:
        inner = log_of(w, record.args[0])
        return None if inner is None else f"{factor(w, record)} * ({inner})"

    return rule


def _prod(w: Writing, record: Record) -> str | None:
    if not bool((record.args[0] >= 0).all()):
        return None
    return f"({_log(w, record, 0)}).{record.site.op.replace('prod', 'sum')}({w.rest_of(record).removeprefix(', ')})"


def _cumsum(w: Writing, record: Record) -> str | None:
    inner = log_of(w, record.args[0])
    return None if inner is None else f"torch.logcumsumexp({inner}{w.rest_of(record)})"


def _cosh(w: Writing, record: Record) -> str:
    x = w.operand(record, 0)
    return f"torch.abs({x}) + torch.nn.functional.softplus(-2 * torch.abs({x})) - math.log(2)"


RULES: dict[str, Rule] = {
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "exp": lambda w, record: w.operand(record, 0),
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
    "pow": _scaled(lambda w, record: w.operand(record, 1)),
    "sqrt": _scaled(lambda w, record: "0.5"),
    "prod": _prod,
    "cumprod": _prod,
    "cosh": _cosh,
    "cumsum": _cumsum,
}


def logarithm(w: Writing) -> str | None:
    """Instead of a logarithm, that of what its operand was made of."""
    inner = log_of(w, w.record.args[0])
    scale = {"log2": "math.log(2)", "log10": "math.log(10)"}.get(w.record.site.op)
    return inner if inner is None or scale is None else f"({inner}) / {scale}"


def quotient(w: Writing) -> str | None:
    """Instead of a quotient of two numbers, of which neither has to fit the dtype."""
    a, b = operands(w.record)
    whole = _softmax_of(w, a, b)
    if whole is not None:
        return whole
    top, bottom = log_of(w, a), log_of(w, b)
    if bottom is None:
        return None
    return _times_inverse(w, a, bottom) if top is None else f"torch.exp({top} - ({bottom}))"


def _times_inverse(w: Writing, top: Any, bottom: str) -> str:
    """x / exp(y) = x * exp(-y): where exp(y) overflows, exp(-y) is 0, and where exp(y) is 0, exp(-y) is large."""
    inverse = f"torch.exp(-({bottom}))"
    return inverse if is_one(top) else f"{w.parts[0]} * {inverse}"


def _softmax_of(w: Writing, a: Any, b: Any) -> str | None:
    """exp(x) / exp(x).sum(dim, keepdim=True)."""
    top, total = w.tape.maker(a), w.tape.maker(b)
    if top is None or total is None or top.site.op != "exp" or total.site.op != "sum":
        return None
    below = w.tape.maker(total.args[0])
    dim = total.argument("dim", 1)
    same = below is not None and below.site.op == "exp" and below.args[0] is top.args[0]
    return f"torch.softmax({w.operand(top, 0)}, {dim})" if same and isinstance(dim, int) and b.ndim == a.ndim else None
