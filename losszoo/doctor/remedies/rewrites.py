"""Differences that lose their digits, computed without the loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from losszoo.doctor.remedies.forms.logspace import is_one, operands
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.tracing.tape import Record


def _made_by(w: Writing, value: Any, *ops: str) -> Record | None:
    record = w.tape.maker(value) if isinstance(value, Tensor) else None
    return record if record is not None and record.site.op in ops else None


def _beside_one(record: Record) -> int | None:
    """Which of two addends the other one is, where one of them is 1."""
    ones = [is_one(value) for value in record.args[:2]]
    return ones.index(False) if sum(ones) == 1 else None


def complement(w: Writing) -> str | None:
    """1 - sigmoid(x) = sigmoid(-x), and 1 - exp(x) = -expm1(x)."""
    one, p = operands(w.record)
    if not is_one(one):
        return None
    logistic, exponential = _made_by(w, p, "sigmoid"), _made_by(w, p, "exp")
    if logistic is not None:
        return f"torch.sigmoid(-{w.operand(logistic, 0)})"
    return f"-torch.expm1({w.operand(exponential, 0)})" if exponential is not None else None


def exp_minus_one(w: Writing) -> str | None:
    """exp(x) - 1 = expm1(x)."""
    p, one = operands(w.record)
    exponential = _made_by(w, p, "exp")
    return f"torch.expm1({w.operand(exponential, 0)})" if exponential is not None and is_one(one) else None


def conjugate(w: Writing) -> str | None:
    r"""sqrt(1 + x) - 1 = x / (sqrt(1 + x) + 1)."""
    root, one = operands(w.record)
    made = _made_by(w, root, "sqrt", "pow")
    if made is None or not is_one(one) or (made.site.op == "pow" and made.args[1] != 0.5):
        return None
    inner = _made_by(w, made.args[0], "add")
    position = _beside_one(inner) if inner is not None else None
    if inner is None or position is None:
        return None
    return f"{w.operand(inner, position)} / ({w.operand(w.record, 0, 'root')} + 1)"


def centred(w: Writing) -> str | None:
    """E[x^2] - E[x]^2 = E[(x - E[x])^2]."""
    left, right = operands(w.record)
    squares, square = _made_by(w, left, "mean"), _made_by(w, right, "pow", "square", "mul")
    if squares is None or square is None:
        return None
    inner, mean = _made_by(w, squares.args[0], "pow", "square", "mul"), _made_by(w, square.args[0], "mean")
    if inner is None or mean is None or inner.args[0] is not mean.args[0]:
        return None
    x = w.operand(inner, 0)
    dim = mean.argument("dim", 1)
    centre = f"{x}.mean()" if dim is None else f"{x}.mean({dim!r}, keepdim=True)"
    return f"(({x} - {centre}) ** 2).mean({w.rest_of(squares).removeprefix(', ')})"


def distances(w: Writing) -> str | None:
    """|a|^2 + |b|^2 - 2ab from the differences themselves, for rows against rows."""
    product = _inner_product(w)
    if product is None:
        return None
    (left, i), (right, j) = _unscaled(w, product, 0), _unscaled(w, product, 1)
    transposed = w.tape.maker(right.args[j])
    a, b = left.args[i], right.args[j]
    if a.ndim != 2 or b.ndim != 2:
        return None
    if transposed is not None and transposed.site.op in ("transpose", "t") and transposed.args[0].ndim == 2:
        rows = w.operand(transposed, 0, "b")
    else:
        rows = f"{w.operand(right, j, 'b')}.mT"
    return f"(({w.operand(left, i, 'a')}[:, None] - {rows}) ** 2).sum(-1)"


def _inner_product(w: Writing) -> Record | None:
    """The matrix product among the operands of a difference, if there is one."""
    for value in w.record.args[:2]:
        made = _made_by(w, value, "mul", "matmul", "mm")
        if made is not None and made.site.op == "mul":
            made = next((m for x in made.args[:2] if (m := _made_by(w, x, "matmul", "mm"))), None)
        if made is not None:
            return made
    return None


def _unscaled(w: Writing, product: Record, position: int) -> tuple[Record, int]:
    """A factor before it was doubled for the middle term of the square."""
    made = _made_by(w, product.args[position], "mul")
    factors = [v for v in made.args[:2] if isinstance(v, int | float) and abs(v) == 2] if made is not None else []
    if made is None or not factors:
        return product, position
    return made, next(i for i, v in enumerate(made.args[:2]) if isinstance(v, Tensor))


def half_angle(w: Writing) -> str | None:
    """1 - cos(x) = 2 sin(x / 2)^2."""
    one, cosine = operands(w.record)
    made = _made_by(w, cosine, "cos")
    return f"2 * torch.sin({w.operand(made, 0)} / 2) ** 2" if made is not None and is_one(one) else None


def log1p(w: Writing) -> str | None:
    """log(1 + x) = log1p(x)."""
    inner = _made_by(w, w.record.args[0], "add")
    position = _beside_one(inner) if inner is not None else None
    return f"torch.log1p({w.operand(inner, position)})" if inner is not None and position is not None else None


REWRITES: dict[str, tuple[Remedy, ...]] = {
    "sub": (
        Remedy("complement", complement),
        Remedy("exp minus one", exp_minus_one),
        Remedy("half angle", half_angle),
        Remedy("conjugate", conjugate),
        Remedy("centred", centred),
        Remedy("distances", distances),
    ),
    "log": (Remedy("log1p", log1p),),
}
