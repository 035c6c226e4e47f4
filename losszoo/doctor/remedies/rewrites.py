"""Differences that lose their digits, computed without the loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.remedies.logspace import _is_one, _operands
from losszoo.doctor.remedies.remedy import Remedy
from losszoo.doctor.tape import Record, Tape


def _made_by(tape: Tape, value: Any, *ops: str) -> Record | None:
    record = tape.maker(value) if isinstance(value, Tensor) else None
    return record if record is not None and record.site.op in ops else None


def _complement(record: Record, tape: Tape) -> Tensor | None:
    """1 - sigmoid(x) = sigmoid(-x), and 1 - exp(x) = -expm1(x)."""
    one, p = _operands(record)
    if not _is_one(one):
        return None
    logistic, exponential = _made_by(tape, p, "sigmoid"), _made_by(tape, p, "exp")
    if logistic is not None:
        return torch.sigmoid(-logistic.args[0])
    return -torch.expm1(exponential.args[0]) if exponential is not None else None


def _expm1(record: Record, tape: Tape) -> Tensor | None:
    p, one = _operands(record)
    exponential = _made_by(tape, p, "exp")
    return torch.expm1(exponential.args[0]) if exponential is not None and _is_one(one) else None


def _conjugate(record: Record, tape: Tape) -> Tensor | None:
    r"""sqrt(1 + x) - 1 = x / (sqrt(1 + x) + 1)."""
    root, one = _operands(record)
    made = _made_by(tape, root, "sqrt", "pow")
    if made is None or not _is_one(one) or (made.site.op == "pow" and made.args[1] != 0.5):
        return None
    inner = _made_by(tape, made.args[0], "add")
    if inner is None:
        return None
    a, b = inner.args[:2]
    x = b if _is_one(a) else a if _is_one(b) else None
    return x / (root + 1) if isinstance(x, Tensor) else None


def _centred(record: Record, tape: Tape) -> Tensor | None:
    """E[x^2] - E[x]^2 = E[(x - E[x])^2]."""
    left, right = _operands(record)
    squares, square = _made_by(tape, left, "mean"), _made_by(tape, right, "pow", "square", "mul")
    if squares is None or square is None:
        return None
    inner = _made_by(tape, squares.args[0], "pow", "square", "mul")
    mean = _made_by(tape, square.args[0], "mean")
    if inner is None or mean is None or inner.args[0] is not mean.args[0]:
        return None
    x = inner.args[0]
    dim = mean.kwargs.get("dim", mean.args[1] if len(mean.args) > 1 else None)
    centre = x.mean() if dim is None else x.mean(dim, keepdim=True)
    result: Tensor = squares.func((x - centre) ** 2, *squares.args[1:], **squares.kwargs)
    return result


def _distances(record: Record, tape: Tape) -> Tensor | None:
    """|a|^2 + |b|^2 - 2ab from the differences themselves, for rows against rows."""
    product = _inner_product(record, tape)
    if product is None:
        return None
    a, b = product
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        return None
    return ((a[:, None] - b[None]) ** 2).sum(-1)


def _inner_product(record: Record, tape: Tape) -> tuple[Tensor, Tensor] | None:
    """The rows of the matrix product among the operands of a difference, if there is one."""
    for value in record.args[:2]:
        made = _made_by(tape, value, "mul", "matmul", "mm")
        if made is not None and made.site.op == "mul":
            made = next((m for x in made.args[:2] if (m := _made_by(tape, x, "matmul", "mm"))), None)
        if made is not None:
            return _unscaled(made.args[0], tape), _unscaled(made.args[1], tape).mT
    return None


def _unscaled(x: Tensor, tape: Tape) -> Tensor:
    """The rows before they were doubled for the middle term of the square."""
    made = _made_by(tape, x, "mul")
    factors = [v for v in made.args[:2] if isinstance(v, int | float) and abs(v) == 2] if made is not None else []
    if made is None or not factors:
        return x
    found: Tensor = next(v for v in made.args[:2] if isinstance(v, Tensor))
    return found


def _half_angle(record: Record, tape: Tape) -> Tensor | None:
    """1 - cos(x) = 2 sin(x / 2)^2."""
    one, cosine = _operands(record)
    made = _made_by(tape, cosine, "cos")
    return 2 * torch.sin(made.args[0] / 2) ** 2 if made is not None and _is_one(one) else None


def _log1p(record: Record, tape: Tape) -> Tensor | None:
    inner = _made_by(tape, record.args[0], "add")
    if inner is None:
        return None
    a, b = inner.args[:2]
    x = b if _is_one(a) else a if _is_one(b) else None
    return torch.log1p(x) if isinstance(x, Tensor) else None


REWRITES: dict[str, tuple[Remedy, ...]] = {
    "sub": (
        Remedy("1 - sigmoid(x) is sigmoid(-x), and 1 - exp(x) is -expm1(x)", _complement),
        Remedy("exp(x) - 1 is torch.expm1(x)", _expm1),
        Remedy("1 - cos(x) is 2 * torch.sin(x / 2) ** 2", _half_angle),
        Remedy("sqrt(1 + x) - 1 is x / (sqrt(1 + x) + 1)", _conjugate),
        Remedy("E[x^2] - E[x]^2 is ((x - x.mean()) ** 2).mean(), or x.var(correction=0)", _centred),
        Remedy("take distances from the differences: ((a[:, None] - b) ** 2).sum(-1), or torch.cdist", _distances),
    ),
    "log": (Remedy("log(1 + x) is torch.log1p(x)", _log1p),),
}
