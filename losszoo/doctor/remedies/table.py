"""The table: for each operation the forms that do not break, the best one first."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from losszoo.doctor.remedies.forms.calls import apart, at_least_one, no_alignment, total_of_kept
from losszoo.doctor.remedies.forms.logspace import logarithm, quotient
from losszoo.doctor.remedies.forms.moments import deviation, dim_of, mean_or_zero, norm_scaled, variance
from losszoo.doctor.remedies.source_text import written
from losszoo.doctor.remedies.writing import Make, Remedy, Writing


def _of_x(code: str) -> Make:
    """A form with the first operand as ``{x}``, the operation as ``{op}`` and its other arguments as ``{rest}``."""

    def make(w: Writing) -> str | None:
        if not isinstance(w.record.args[0], Tensor) or _is_plain_power(w) or w.record.is_reversed:
            return None
        return code.format(x=w.x, op=w.callee, rest=w.rest)

    return make


def _is_plain_power(w: Writing) -> bool:
    """A square and its kin have a value and a gradient everywhere."""
    exponent = w.record.args[1] if w.record.site.op == "pow" and len(w.record.args) > 1 else None
    return isinstance(exponent, int | float) and exponent >= 1 and float(exponent).is_integer()


def _count(w: Writing) -> str | None:
    """A count of nothing is 1: only of whole numbers, wherever it stands, so that no other denominator is raised."""
    a, b = w.parts
    count = w.record.args[0] if w.record.is_reversed else w.record.args[1]
    if isinstance(count, int):
        return f"{a} / max({b}, 1)" if b != repr(count) else None
    whole = isinstance(count, Tensor) and bool(((count == count.round()) & (count >= 0)).all())
    return f"{a} / {b}.clamp(min=1)" if whole else None


def _of_denominator(code: str) -> Make:
    """A form with the operands as ``{a}`` and ``{b}``, as they stand, where the denominator is a tensor."""

    def make(w: Writing) -> str | None:
        a, b = w.parts
        denominator = w.record.args[0] if w.record.is_reversed else w.record.args[1]
        return code.format(a=a, b=b) if isinstance(denominator, Tensor) else None

    return make


def _softplus(w: Writing) -> str | None:
    maker = w.tape.maker(w.record.args[0])
    return f"torch.nn.functional.softplus({w.operand(maker, 0)})" if maker and maker.site.op == "exp" else None


def _dead_rows(value: str) -> Make:
    """A row without any finite entry has this value."""

    def make(w: Writing) -> str | None:
        dim = dim_of(w)
        if dim is None:
            return None
        dead = w.let(f"({w.x} == -torch.inf).all({dim}, keepdim=True)", "dead")
        keep = w.record.site.op != "logsumexp" or w.record.kwargs.get("keepdim", False)
        outside = dead if keep else f"{dead}.squeeze({dim})"
        return f"torch.where({outside}, {value}, {w.callee}(torch.where({dead}, 0, {w.x}){w.rest}))"

    return make


def _without(mark: str) -> Make:
    """0 wherever the one factor is 0, whatever the other; neither derivative sees the other's infinity."""

    def make(w: Writing) -> str | None:
        a, b = w.parts
        chosen, other = (a, b) if mark == "a" else (b, a)
        value = w.record.args[0] if chosen == w.operand(w.record, 0) else w.record.args[1]
        if not isinstance(value, Tensor):
            return None
        return f"torch.where({chosen} == 0, 0, {chosen} * torch.where({chosen} == 0, 0, {other}))"

    return make


def _infinity_kept(w: Writing) -> str | None:
    """What is excluded by an infinity stays so under a scale, and the scale's derivative does not see it."""
    a, b = w.parts
    if not all(isinstance(value, Tensor) for value in w.record.args[:2]):
        return None
    absent = w.let(f"torch.isinf({a})", "absent")
    return f"torch.where({absent}, {a}, torch.where({absent}, 0, {a}) * {b})"


def _difference(w: Writing) -> str | None:
    """inf - inf, as of two empty maxima, taken for 0."""
    if not all(isinstance(value, Tensor) for value in w.record.args[:2]):
        return None
    a, b = w.parts
    both = w.let(f"torch.isinf({a}) & torch.isinf({b})", "both")
    return f"torch.where({both}, 0, torch.where({both}, 0, {a}) - torch.where({both}, 0, {b}))"


def _without_nan(*positions: int) -> Make:
    """The operation on numbers only; what was NaN is left out by what follows."""

    def make(w: Writing) -> str | None:
        args = w.record.args
        if not all(i < len(args) and isinstance(args[i], Tensor) and args[i].is_floating_point() for i in positions):
            return None
        return _on(w, positions, ".nan_to_num()")

    return make


def _in_float32(w: Writing) -> str:
    """The same operation on float32 numbers; half precision does not come back before the end."""
    args = w.record.args
    low = [i for i, value in enumerate(args) if isinstance(value, Tensor) and value.is_floating_point()]
    return _on(w, low, ".float()")


def _on(w: Writing, positions: Sequence[int], method: str) -> str:
    """The operation with a method called on some of its operands."""
    count = len(w.record.args)
    operands = [w.operand(w.record, i, "xyz"[min(i, 2)]) for i in range(count)]
    named = w.rest_of(w.record, skip=count).removeprefix(", ")
    changed = [f"{text}{method}" if i in positions else text for i, text in enumerate(operands)]
    return written(w.record, [*changed, *([named] if named else [])])


LOG_SPACE = Remedy("log space", logarithm)
LOG_CLAMPED = Remedy("log clamped", _of_x("{op}({x}.clamp(min=torch.finfo({x}.dtype).eps))"))
# Small, yet with a reciprocal that the dtype holds.
LOG_ABOVE_TINY = Remedy("log above tiny", _of_x("{op}({x}.clamp(min=4 * torch.finfo({x}.dtype).tiny))"))
LOG_SKIPPED = Remedy("log skipped", _of_x("torch.where({x} > 0, {op}(torch.where({x} > 0, {x}, 1)), 0)"))
SOFTPLUS = Remedy("softplus", _softplus)
LOG1P_INSIDE = Remedy("log1p inside", _of_x("torch.log1p({x}.clamp(min=-1 + torch.finfo({x}.dtype).eps))"))
SOFTMAX = Remedy("quotient in log space", quotient)
COUNT = Remedy("count", _count)
QUOTIENT_CLAMPED = Remedy("denominator clamped", _of_denominator("{a} / {b}.clamp(min=torch.finfo({b}.dtype).eps)"))
QUOTIENT_OR_ZERO = Remedy(
    "quotient or zero", _of_denominator("torch.where({b} != 0, {a} / torch.where({b} != 0, {b}, 1), 0)")
)
QUOTIENT_PLUS_EPS = Remedy("denominator plus eps", _of_denominator("{a} / ({b} + torch.finfo({b}.dtype).eps)"))
ROOT_OR_ZERO = Remedy("root or zero", _of_x("torch.where({x} > 0, torch.sqrt(torch.where({x} > 0, {x}, 1)), 0)"))
ROOT_PLUS_EPS = Remedy("root plus eps", _of_x("torch.sqrt({x}.clamp(min=0) + torch.finfo({x}.dtype).eps ** 2)"))
POWER_OR_ZERO = Remedy("power or zero", _of_x("torch.where({x} > 0, {op}(torch.where({x} > 0, {x}, 1){rest}), 0)"))
POSITIVE = Remedy("positive", _of_x("{op}({x}.clamp(min=torch.finfo({x}.dtype).eps){rest})"))
NORM_SCALED = Remedy("norm scaled", norm_scaled)
EXP_SHIFTED = Remedy("exp shifted", _of_x("torch.exp({x} - {x}.amax(-1, keepdim=True))"))
EXP_SHIFTED_BY_ALL = Remedy("exp shifted by all", _of_x("torch.exp({x} - {x}.max())"))
# At the root of the largest number, so that a product of two still fits: e^88.7 in float32, e^11 in float16.
EXP_BOUNDED = Remedy("exp bounded", _of_x("{op}({x}.clamp(max=44))"))
EXP_BOUNDED_IN_HALF = Remedy("exp bounded in half precision", _of_x("{op}({x}.clamp(max=5))"))
INSIDE = Remedy(
    "inside", _of_x("{op}({x}.clamp(-1 + 4 * torch.finfo({x}.dtype).eps, 1 - 4 * torch.finfo({x}.dtype).eps))")
)
ABOVE_ONE = Remedy("above one", _of_x("{op}({x}.clamp(min=1 + 4 * torch.finfo({x}.dtype).eps))"))
DEVIATION = Remedy("deviation", deviation)
VARIANCE = Remedy("variance", variance)
MEAN_OR_ZERO = Remedy("mean or zero", mean_or_zero)
DEAD_ROWS = Remedy("dead rows", _dead_rows("0"))
EMPTY_SUMS = Remedy("empty sums", _dead_rows("-torch.inf"))
LEFT_IS_ZERO = Remedy("left factor zero", _without("a"))
RIGHT_IS_ZERO = Remedy("right factor zero", _without("b"))
INFINITY_KEPT = Remedy("infinity kept", _infinity_kept)
DIFFERENCE = Remedy("difference of infinities", _difference)
XLOGY = Remedy("xlogy clamped", lambda w: f"torch.xlogy({w.x}, {w.y}.clamp(min=4 * torch.finfo({w.y}.dtype).tiny))")
JITTER = Remedy("jitter", _of_x("{op}({x} + 1e-6 * {x}.abs().amax() * torch.eye({x}.shape[-1], dtype={x}.dtype))"))
SOME = Remedy("at least one", at_least_one)
NO_ALIGNMENT = Remedy("zero infinity", no_alignment)
# Where the loss is least for the rotation that these vectors make, no gradient goes through them.
FACTORS_DETACHED = Remedy("factors detached", _of_x("{op}({x}.detach(){rest})"))
APART = Remedy("singular values apart", apart)
# The angle of a number of length 1: the square of a tiny length underflows.
ANGLE = Remedy("angle", _of_x("torch.angle({x} / {x}.detach().abs().clamp(min=torch.finfo({x}.dtype).tiny))"))
# A standard deviation or a rate between e^-20 and e^20; the square of neither leaves float32.
EXP_INSIDE = Remedy("exp inside", _of_x("{op}({x}.clamp(-20, 20))"))
# The value of a bounded argument, with the gradient of the exponential there: it leads back inside.
EXP_INSIDE_KEPT = Remedy("exp inside, gradient kept", _of_x("{op}({x} + ({x}.clamp(-20, 20) - {x}).detach())"))
EXP_BOUNDED_KEPT = Remedy("exp bounded, gradient kept", _of_x("{op}({x} + ({x}.clamp(max=44) - {x}).detach())"))
EXP_BOUNDS = (EXP_INSIDE, EXP_BOUNDED, EXP_INSIDE_KEPT, EXP_BOUNDED_KEPT)
BOUNDS = (*EXP_BOUNDS, EXP_BOUNDED_IN_HALF)
TOTAL_OF_KEPT = Remedy("total of kept", total_of_kept)
# Not both where one will do: a NaN of the network's own is not to be hidden.
WITHOUT_NAN = (
    Remedy("second without NaN", _without_nan(1)),
    Remedy("first without NaN", _without_nan(0)),
    Remedy("both without NaN", _without_nan(0, 1)),
)
# The value of the clamp, and the gradient of what it is given: descent leads back inside.
GRADIENT_KEPT = Remedy("gradient kept", _of_x("{x} + ({op}({x}{rest}) - {x}).detach()"))
IN_FLOAT32 = Remedy("in float32", _in_float32)

QUOTIENT_GUARDS = (COUNT, QUOTIENT_CLAMPED, QUOTIENT_OR_ZERO, QUOTIENT_PLUS_EPS)
_LOG = (LOG_SPACE, LOG_CLAMPED, LOG_ABOVE_TINY, LOG_SKIPPED)
_BOUNDED = (EXP_BOUNDED, EXP_BOUNDED_IN_HALF)
FORMS: dict[str, tuple[Remedy, ...]] = {
    **dict.fromkeys(("log", "log2", "log10"), _LOG),
    "log1p": (SOFTPLUS, LOG1P_INSIDE),
    "div": (SOFTMAX, *QUOTIENT_GUARDS),
    **dict.fromkeys(("reciprocal", "rsqrt", "lgamma", "digamma"), (POSITIVE,)),
    "sqrt": (ROOT_OR_ZERO, ROOT_PLUS_EPS),
    "pow": (POWER_OR_ZERO, POSITIVE),
    "norm": (NORM_SCALED,),
    "exp": (EXP_SHIFTED, EXP_SHIFTED_BY_ALL, *_BOUNDED, EXP_INSIDE),
    **dict.fromkeys(("exp2", "expm1", "cosh", "sinh"), _BOUNDED),
    **dict.fromkeys(("acos", "asin", "atanh"), (INSIDE,)),
    "acosh": (ABOVE_ONE,),
    "std": (DEVIATION,),
    "var": (VARIANCE,),
    "mean": (MEAN_OR_ZERO,),
    **dict.fromkeys(("softmax", "log_softmax"), (DEAD_ROWS,)),
    "logsumexp": (EMPTY_SUMS,),
    "mul": (LEFT_IS_ZERO, RIGHT_IS_ZERO, INFINITY_KEPT),
    "sub": (DIFFERENCE,),
    "xlogy": (XLOGY,),
    **dict.fromkeys(("logdet", "slogdet"), (JITTER,)),
    **dict.fromkeys(("svd", "eigh"), (FACTORS_DETACHED, APART)),
    "topk": (SOME,),
    "ctc_loss": (NO_ALIGNMENT,),
    "angle": (ANGLE,),
    **dict.fromkeys(("cross_entropy", "nll_loss"), (TOTAL_OF_KEPT,)),
}
