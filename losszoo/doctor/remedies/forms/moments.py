"""Statistics over a dimension, in forms that hold for one number and for none."""

from __future__ import annotations

from losszoo.doctor.remedies.writing import Writing


def dim_of(w: Writing) -> int | None:
    dim = w.record.argument("dim", 1)
    return dim if isinstance(dim, int) and not isinstance(dim, bool) else None


def norm_scaled(w: Writing) -> str | None:
    """Squares of numbers near 1 neither underflow nor overflow; of nothing but zeros the norm is a tiny number."""
    dim = w.record.argument("dim", 2)
    if not isinstance(dim, int | None):
        return None
    keep = w.record.argument("keepdim", 3)
    along = "" if dim is None else f"{dim}, keepdim=True"
    top = w.let(f"{w.x}.detach().abs().amax({along}).clamp(min=4 * torch.finfo({w.x}.dtype).tiny)", "m")
    outside = top if dim is None or keep else f"{top}.squeeze({dim})"
    return f"{outside} * {w.callee}({w.x} / {top}{w.rest})"


def _number(w: Writing) -> str | None:
    """How many numbers a statistic is taken over."""
    if "dim" not in w.record.kwargs and len(w.record.args) == 1:
        return f"{w.x}.numel()"
    dim = dim_of(w)
    return None if dim is None else f"{w.x}.shape[{dim}]"


def variance(w: Writing) -> str | None:
    count = _number(w)
    if count is None or w.record.kwargs.get("correction", 1) != 1 or "unbiased" in w.record.kwargs:
        return None
    rest = w.rest_of(w.record, without=("correction",)).removeprefix(", ")
    return f"{w.x}.var({rest}{', ' if rest else ''}correction=int({count} > 1))"


def deviation(w: Writing) -> str | None:
    inner = variance(w)
    return None if inner is None else f"torch.sqrt({inner} + torch.finfo({w.x}.dtype).eps ** 2)"


def mean_or_zero(w: Writing) -> str | None:
    count = _number(w)
    return None if count is None else f"{w.x}.sum({w.rest.removeprefix(', ')}) / max({count}, 1)"
