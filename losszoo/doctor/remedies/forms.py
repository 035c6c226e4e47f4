"""The table: for each operation the forms that do not break, the best one first."""

from __future__ import annotations

from losszoo.doctor.remedies import guards, shapes
from losszoo.doctor.remedies.remedy import Remedy
from losszoo.doctor.remedies.words import words_of

_LOG = (
    Remedy("take the logarithm of what it was made of", guards.log_space, words_of),
    Remedy("clamp inside the logarithm: torch.log(x.clamp(min=4 * torch.finfo(x.dtype).tiny))", guards.log_clamped),
    Remedy("leave zeros out: torch.where(x > 0, torch.log(torch.where(x > 0, x, 1)), 0)", guards.log_skipped),
)
_ROOT = (
    Remedy(
        "double where, which keeps value and derivative finite at 0: "
        "torch.where(x > 0, torch.sqrt(torch.where(x > 0, x, 1)), 0)  (losszoo.safe_sqrt)",
        guards.where_positive,
    ),
    Remedy("torch.sqrt(x.clamp(min=0) + eps)", guards.sqrt_plus_eps),
)
_DIV = (
    Remedy("divide in log space: torch.exp(log_a - log_b), as softmax does", guards.ratio_in_log_space),
    Remedy("clamp the count: a / n.clamp(min=1)", guards.count_at_least_one, usual=True),
    Remedy("double where: torch.where(b != 0, a / torch.where(b != 0, b, 1), 0)", guards.quotient_or_zero),
    Remedy("add torch.finfo(b.dtype).eps to the denominator", guards.denominator_plus_eps),
)
_EXP = (
    Remedy("subtract the maximum first: torch.exp(x - x.amax(-1, keepdim=True)), or use softmax", guards.exp_shifted),
    Remedy("subtract the maximum first: torch.exp(x - x.max())", guards.exp_shifted_by_all),
    Remedy("bound the exponent: torch.exp(x.clamp(max=44))", guards.exp_clamped),
)
_INSIDE = (
    Remedy("clamp strictly inside the domain: x.clamp(-1 + e, 1 - e), e = 4 * torch.finfo(x.dtype).eps", shapes.inside),
)
_ROWS = (Remedy("give a row without any finite entry the value 0, by a where on both sides", shapes.dead_rows),)
_POSITIVE = (Remedy("keep the argument positive: x.clamp(min=torch.finfo(x.dtype).eps)", shapes.positive_only),)
_JITTER = (Remedy("add a small multiple of the identity to the matrix", shapes.with_jitter),)
_MEAN = (Remedy("sum, and divide by the count clamped to 1", shapes.mean_over_some),)

FORMS: dict[str, tuple[Remedy, ...]] = {
    "log": _LOG,
    "log2": _LOG,
    "log10": _LOG,
    "log1p": (
        Remedy("log1p(exp(x)) is torch.nn.functional.softplus(x)", shapes.softplus),
        Remedy("keep the argument above -1: x.clamp(min=-1 + eps)", guards.log1p_inside),
    ),
    "div": _DIV,
    "reciprocal": _POSITIVE,
    "rsqrt": _POSITIVE,
    "sqrt": _ROOT,
    "pow": (
        Remedy(
            "double where, since the derivative at 0 is infinite: torch.where(x > 0, torch.where(x > 0, x, 1) ** p, 0)",
            guards.where_positive,
        ),
        *_POSITIVE,
    ),
    "norm": (Remedy("scale by the largest entry first: m = x.abs().amax(); m * (x / m).norm()", guards.norm_scaled),),
    "exp": _EXP,
    "exp2": _EXP[2:],
    "expm1": _EXP[2:],
    "cosh": _EXP[2:],
    "sinh": _EXP[2:],
    "acos": _INSIDE,
    "asin": _INSIDE,
    "atanh": _INSIDE,
    "acosh": (Remedy("keep the argument above 1: x.clamp(min=1 + eps)", shapes.above_one),),
    "std": (Remedy("torch.sqrt(x.var(correction=0) + eps): of one sample 0, with a finite slope", shapes.deviation),),
    "var": (Remedy("x.var(correction=0): of one sample it is 0", shapes.deviation),),
    "mean": (Remedy("x.sum() / max(x.numel(), 1): of nothing it is 0", shapes.mean_or_zero),),
    "softmax": _ROWS,
    "log_softmax": _ROWS,
    "logsumexp": _ROWS,
    "mul": (Remedy("0 where a factor is 0, by a where on both sides", shapes.product_or_zero),),
    "sub": (
        Remedy("take inf - inf, as of two empty maxima, for 0, by a where on both sides", shapes.difference_or_zero),
    ),
    "xlogy": (Remedy("torch.xlogy(x, y.clamp(min=tiny)): the derivative in y is NaN at 0", shapes.xlogy_clamped),),
    "lgamma": _POSITIVE,
    "digamma": _POSITIVE,
    "logdet": _JITTER,
    "slogdet": _JITTER,
    "cross_entropy": _MEAN,
    "nll_loss": _MEAN,
}
WITHOUT_NAN = Remedy(
    "replace the NaN before the arithmetic, not after it: 0 * NaN is NaN in the derivative too "
    "(torch.where(known, targets, 0))",
    shapes.without_nan,
)
IN_FLOAT32 = Remedy("compute it in float32: x.float(), and accumulate there", shapes.in_float32)
