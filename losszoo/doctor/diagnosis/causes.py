"""Why an operation broke, in a sentence."""

from __future__ import annotations

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
_SLOPES = {
    "sqrt": "the gradient of a square root is infinite at 0",
    "pow": "the gradient of a power below 1 is infinite at 0",
    "norm": "the gradient of a norm has no value at 0",
    "log": "the gradient of a logarithm is infinite at 0",
    "div": "the gradient of a quotient is infinite where the denominator is 0",
    "acos": "the gradient of acos is infinite at -1 and 1",
    "asin": "the gradient of asin is infinite at -1 and 1",
    "atanh": "the gradient of atanh is infinite at -1 and 1",
    "atan2": "an angle has no gradient at the origin",
    "std": "the gradient of a standard deviation is infinite where all numbers are equal",
    "xlogy": "the gradient of xlogy in its second argument is x / y, 0 / 0 at the origin",
    "mul": "a gradient of 0 is multiplied by an infinite factor: 0 * inf is NaN",
    "logsumexp": "the gradient of logsumexp has no value where every entry is -inf",
    "log_softmax": "the gradient of log_softmax has no value where every entry is -inf",
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
        return f"an argument of {op} is infinite and its gradient is 0: 0 * inf is NaN"
    numbers = [x.detach().abs() for x in record.inputs if x.numel()]
    least = min((float(x.min()) for x in numbers), default=0.0)
    if op in EXPONENTIAL and any(bool(x.isinf().any()) for x in record.outputs):
        largest = max((float(x.max()) for x in numbers), default=0.0)
        return (
            f"{op} overflows: its largest argument is {largest:.6g}; what follows hides the infinity from the value (a "
            f"clamp, a where, a minimum), and in the derivative it meets a gradient of 0: 0 * inf is NaN"
        )
    if op in _VECTORS:
        return _equal_spectrum(record)
    if op in ("log", "log2", "log10", "div", "sqrt", "pow", "reciprocal", "rsqrt") and 0 < least < 1e-20:
        return f"the gradient of {op} overflows: its smallest argument is {least:.3g}"
    return _SLOPES.get(op, f"the derivative of {op} is not finite there")


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
        return "a quotient of non-finite numbers, or one that is too large for the dtype"
    both = bool(((top == 0) & (bottom == 0)).any())
    return "0 / 0: the denominator is 0, and so is the numerator" if both else "division by 0"


def _logarithm(record: Record) -> str:
    x = record.inputs[0]
    if bool((x < 0).any()):
        return f"{record.site.op} of a negative number, {float(x.detach().min()):.3g}"
    return _AT_ZERO[record.site.op]


def _domain(record: Record) -> str:
    x = record.inputs[0] if record.inputs else torch.zeros(())
    if record.site.op in ("std", "var"):
        return f"{record.site.op} of a single number: the sum of squares is divided by 0"
    low, high = (float(x.detach().min()), float(x.detach().max())) if x.numel() else (0.0, 0.0)
    return f"{record.site.op} is not defined for all of its arguments, which lie between {low:.6g} and {high:.6g}"


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
    first = f"{record.site.op} cancels: its operands agree in every digit that {_dtype_of(record)} has"
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
        f"{record.site.op} gives an infinity in {_dtype_of(record)} that the value does not show (a where or a factor "
        f"of 0 hides it); in the derivative of {victim.site.op} it meets a 0, and 0 * inf is NaN"
    )


def _extreme(blame: Blame) -> str:
    record, victim = blame.record, blame.victim
    (given, *_), (made, *_) = record.inputs, record.outputs
    low, high = (f"{float(x):.3g}" for x in given.detach().aminmax())
    least, most = (f"{float(x):.3g}" for x in made.detach().aminmax())
    where = f"{low}" if low == high else f"{low} to {high}"
    numbers = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"{record.site.op} of {where} is {numbers}, and what {victim.site.op} at {victim.site.source} gets of it does "
        f"not fit {_dtype_of(record)}"
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
