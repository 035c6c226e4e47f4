"""Why an operation broke, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.relaxed import bounds_of, constant, epsilon_beside_one
from losszoo.doctor.subject.dtypes import short_name
from losszoo.tracing.culprit import EXPONENTIAL, Blame
from losszoo.tracing.tape import Record

_AT_ZERO = {
    **dict.fromkeys(("log", "log2", "log10"), "the logarithm of 0"),
    "reciprocal": "1 over 0",
    "rsqrt": "1 over the root of 0",
}
# The derivative that breaks, and whether it does so for this very argument.
_SLOPES: dict[str, tuple[str, Callable[[Record], bool]]] = {
    "sqrt": ("the gradient of a square root is infinite at 0", lambda r: _is_at(r, 0, 0.0)),
    "pow": ("the gradient of a power below 1 is infinite at 0", lambda r: _is_at(r, 0, 0.0) and _is_root(r)),
    "norm": ("the gradient of a norm has no value at 0", lambda r: _any(r.outputs, 0.0)),
    "log": ("the gradient of a logarithm is infinite at 0", lambda r: _is_at(r, 0, 0.0)),
    "div": (
        "the gradient of a quotient is infinite where the denominator is 0",
        lambda r: _is_at(r, 0 if r.is_reversed else 1, 0.0),
    ),
    "acos": ("the gradient of acos is infinite at -1 and 1", lambda r: _is_at(r, 0, -1.0, 1.0)),
    "asin": ("the gradient of asin is infinite at -1 and 1", lambda r: _is_at(r, 0, -1.0, 1.0)),
    "atanh": ("the gradient of atanh is infinite at -1 and 1", lambda r: _is_at(r, 0, -1.0, 1.0)),
    "atan2": ("an angle has no gradient at the origin", lambda r: _is_at(r, 0, 0.0) and _is_at(r, 1, 0.0)),
    "std": (
        "the gradient of a standard deviation is infinite where all numbers are equal",
        lambda r: _any(r.outputs, 0.0),
    ),
    "xlogy": (
        "the gradient of xlogy in its second argument is x / y, 0 / 0 at the origin",
        lambda r: _is_at(r, 0, 0.0) and _is_at(r, 1, 0.0),
    ),
}


def cause_of(blame: Blame | None, symptom: str) -> str:
    """The cause in words."""
    if blame is None:
        return "the operation is not known: it is none of the recorded torch operations"
    sentence = _SENTENCES[blame.why](blame)
    if blame.backward and symptom.endswith("gradient") and blame.why == "singular":
        sentence += "; the forward value is finite, so a guard on the loss alone does not see it"
    return sentence


def _singular(blame: Blame) -> str:
    record = blame.record
    op = record.site.op
    if blame.backward:
        return _slope(record)
    if op == "ctc_loss":
        return _alignment(record)
    if op == "div":
        return _quotient(record)
    if op in _AT_ZERO:
        return _logarithm(record)
    if any(bool(x.isinf().any()) for x in record.inputs):
        return f"{op} of infinities: inf - inf, 0 * inf and softmax of entries that are all -inf are NaN"
    if not all(x.numel() for x in record.inputs):
        return f"{op} of an empty tensor is not defined"
    return _domain(record)


def _slope(record: Record) -> str:
    """The derivative: without a value at its argument, or too large beside it."""
    op = record.site.op
    if any(bool(x.isinf().any()) for x in record.inputs):
        return f"an argument of {op} is infinite, and its derivative there is not finite: 0 * inf and inf - inf are NaN"
    if op in EXPONENTIAL and any(bool(x.isinf().any()) for x in record.outputs):
        largest = max((float(x.detach().abs().max()) for x in record.inputs if x.numel()), default=0.0)
        return (
            f"{op} overflows: its largest argument is {largest:.6g}; the derivative of {op} is infinite there too, and "
            "0 * inf is NaN"
        )
    if op in _VECTORS:
        return _equal_spectrum(record)
    known = _SLOPES.get(op)
    if known is not None and known[1](record):
        return known[0]
    place = (0 if record.is_reversed else 1) if op == "div" else 0
    least = _least(record.args[place]) if len(record.args) > place else None
    if op in _STEEP and least is not None and 0 < least < 1e-10:
        part = "denominator" if op == "div" else "argument"
        return f"the gradient of {op} overflows: its smallest {part} is {least:.3g}"
    return f"the derivative of {op} is not finite there{_between(record)}"


def _least(value: Any) -> float | None:
    """The smallest size of some numbers."""
    x = value.detach().abs() if isinstance(value, Tensor) else torch.as_tensor(value).abs()
    return float(x.min()) if x.numel() else None


def _is_at(record: Record, place: int, *points: float) -> bool:
    """Whether some number of an argument is one of these points."""
    value = record.args[place] if len(record.args) > place else ()
    return _any([value if isinstance(value, Tensor) else torch.as_tensor(value)], *points)


def _any(tensors: Sequence[Tensor], *points: float) -> bool:
    return any(bool((x.detach() == point).any()) for x in tensors for point in points)


def _is_root(record: Record) -> bool:
    """Whether some exponent of a power is below 1."""
    exponent = record.argument("exponent", 1)
    return exponent is not None and bool((torch.as_tensor(exponent) < 1).any())


def _between(record: Record) -> str:
    """In which range the first argument lies; nothing where it cannot be ordered."""
    x = record.inputs[0].detach() if record.inputs else torch.zeros(0)
    if not x.numel() or x.is_complex():
        return ""
    return f": its arguments lie between {float(x.min()):.6g} and {float(x.max()):.6g}"


def _equal_spectrum(record: Record) -> str:
    """Vectors of equal singular values or eigenvalues are free to turn: they have no derivative."""
    name, gap = _VECTORS[record.site.op], "the squares of its singular values"
    values = [x.detach() for x in record.outputs if not x.is_complex()]
    spectrum = min(values, key=lambda x: x.ndim)
    rows = spectrum.reshape(-1, spectrum.shape[-1])
    gaps = (rows[:, 1:] - rows[:, :-1]).abs().amin(1) if rows.shape[-1] > 1 else rows.abs().amin(1)
    told = ", ".join(f"{value:.4g}" for value in rows[int(gaps.argmin())].tolist()[:6])
    gap = gap if name == "singular vectors" else "its eigenvalues"
    return f"the gradient of the {name} divides by the differences of {gap}, and two are equal or nearly so: {told}"


def _alignment(record: Record) -> str:
    """The connectionist temporal classification has no path where there are fewer frames than labels."""
    frames, labels = (torch.as_tensor(record.argument(*which)).reshape(-1) for which in _LENGTHS)
    if len(frames) != len(labels) or not bool((labels >= frames).any()):
        return (
            "some target has no alignment with its frames (two equal labels need a blank between): its loss is infinite"
        )
    index = int((labels - frames).argmax())
    return (
        f"a target of {int(labels[index])} labels does not fit into {int(frames[index])} frames (two equal labels need "
        "one more, for the blank between): no alignment exists, and the loss is infinite"
    )


def _empty(blame: Blame) -> str:
    record, victim = blame.record, blame.victim
    there = "" if victim is record else f", and {victim.site.op} at {victim.site.source} of nothing is NaN"
    count = max((x.numel() for x in record.inputs), default=0)
    return f"{record.site.op} chooses none of {count} number{'' if count == 1 else 's'}{there}"


def _quotient(record: Record) -> str:
    numbers = [x.detach() if isinstance(x, Tensor) else torch.as_tensor(x) for x in record.args[:2]]
    if record.is_reversed:
        numbers.reverse()
    top, bottom = numbers
    if not bool((bottom == 0).any()):
        finite = bool(top.isfinite().all()) and bool(bottom.isfinite().all())
        return f"a quotient too large for {_dtype_of(record)}" if finite else "a quotient of non-finite numbers"
    both = bool(((top == 0) & (bottom == 0)).any())
    return "0 / 0: the denominator is 0, and so is the numerator" if both else "division by 0"


def _logarithm(record: Record) -> str:
    x = record.inputs[0]
    if bool((x < 0).any()):
        return f"{record.site.op} of a negative number, {float(x.detach().min()):.3g}"
    return _AT_ZERO[record.site.op] if bool((x == 0).any()) else _domain(record)


def _domain(record: Record) -> str:
    x = record.inputs[0] if record.inputs else torch.zeros(())
    if record.site.op in ("std", "var"):
        return f"{record.site.op} of a single number: the sum of squares is divided by 0"
    op, domain = record.site.op, _DOMAINS.get(record.site.op)
    if domain is not None and not x.is_complex() and bool(domain(x.detach()).any()):
        low, high = (float(end) for end in x.detach().aminmax())
        return f"{op} is not defined for all of its arguments, which lie between {low:.6g} and {high:.6g}"
    nan = any(bool(y.isnan().any()) for y in record.outputs)
    return f"{op} gives {'NaN' if nan else 'an infinity'}{_between(record)}"


def _overflow(blame: Blame) -> str:
    record = blame.record
    largest = max((float(x.detach().double().abs().max()) for x in record.inputs if x.numel()), default=0.0)
    return (
        f"{record.site.op} overflows: its largest argument is {largest:.6g}, and the largest {_dtype_of(record)} is "
        f"{torch.finfo(record.outputs[0].dtype).max:.4g}"
    )


def _underflow(blame: Blame) -> str:
    record, victim = blame.record, blame.victim
    first = f"{record.site.op} underflows to 0 in {_dtype_of(record)}"
    if victim is record:
        return first
    return f"{first}, and {victim.site.op} at {victim.site.source} then gets 0 in place of a small number"


def _cancellation(blame: Blame) -> str:
    record, victim = blame.record, blame.victim
    digits = "every digit" if _any(record.outputs, 0.0) else "most of the digits"
    first = f"{record.site.op} cancels: its operands agree in {digits} that {_dtype_of(record)} has"
    if victim is record:
        return first
    return f"{first}, and {victim.site.op} at {victim.site.source} gets only the rounding error"


def _rounding(blame: Blame) -> str:
    record = blame.record
    constant = _constant(record)
    if record.site.op == "add" and constant is not None:
        return f"the constant {constant:g} rounds away in {_dtype_of(record)}"
    return f"{record.site.op} loses the digits that matter in {_dtype_of(record)}"


def _hidden(blame: Blame) -> str:
    record, victim = blame.record, blame.victim
    return (
        f"{record.site.op} gives an infinity in {_dtype_of(record)}; the value is finite all the same, but the "
        f"derivative of {victim.site.op}, which gets the infinity, is not: 0 * inf and inf - inf are NaN"
    )


def _extreme(blame: Blame) -> str:
    record, victim = blame.record, blame.victim
    (given, *_), (made, *_) = record.inputs, record.outputs
    low, high = (f"{float(x):.3g}" for x in given.detach().aminmax())
    least, most = (f"{float(x):.3g}" for x in made.detach().aminmax())
    where = f"{low}" if low == high else f"{low} to {high}"
    numbers = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"{record.site.op} of {where} is {numbers}, and {victim.site.op} at {victim.site.source}, which is computed "
        f"from it, has no finite {'gradient' if blame.backward else 'result'} in {_dtype_of(record)}"
    )


def _swallowed(blame: Blame) -> str:
    record = blame.record
    constant, folded = _constant(record), epsilon_beside_one(record.func, record.args, record.kwargs)
    said = f"the constant {constant:g}" if constant is not None else "the constant"
    said = said if folded is None else f"{folded:g} in the constant {constant:.9g}"
    return (
        f"{said} is far larger than the number that it is to protect: value and gradient no longer depend on it, so a "
        "wrong answer is not corrected"
    )


def _clamped(blame: Blame) -> str:
    low, high = bounds_of(blame.record)
    ends = [
        *([f"below {low:g}"] if low is not None else []),
        *([f"above {high:g}"] if high is not None else []),
    ]
    return (
        f"{blame.record.site.op} has no gradient {' or '.join(ends)}: a wrong number there makes the loss larger, and "
        "nothing pulls it back"
    )


def _saturated(blame: Blame) -> str:
    return (
        f"{blame.record.site.op} saturates: in {_dtype_of(blame.record)} its result is rounded to its bound, where its "
        "derivative is 0, so a wrong answer is not corrected"
    )


def _constant(record: Record) -> float | None:
    numbers = [constant(value) for value in (*record.args, *record.kwargs.values())]
    return next((number for number in numbers if number is not None), None)


def _dtype_of(record: Record) -> str:
    return short_name(record.outputs[0].dtype)


_STEEP = ("log", "log2", "log10", "div", "sqrt", "pow", "reciprocal", "rsqrt")
# Where an operation has no value.
_DOMAINS: dict[str, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys(("sqrt", "rsqrt", "pow"), lambda x: x < 0),
    **dict.fromkeys(("acos", "asin", "atanh"), lambda x: x.abs() > 1),
    "acosh": lambda x: x < 1,
    "log1p": lambda x: x < -1,
    "logit": lambda x: (x < 0) | (x > 1),
}
_VECTORS = {"svd": "singular vectors", "eigh": "eigenvectors"}
_LENGTHS = (("input_lengths", 2), ("target_lengths", 3))
_SENTENCES = {
    "singular": _singular,
    "overflow": _overflow,
    "underflow": _underflow,
    "cancellation": _cancellation,
    "rounding": _rounding,
    "swallowed": _swallowed,
    "hidden": _hidden,
    "empty": _empty,
    "extreme": _extreme,
    "clamped": _clamped,
    "saturated": _saturated,
}
