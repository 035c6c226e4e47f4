"""What a backward returns is multiplied by the incoming gradient, or divided by the factor that it is off by."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from losszoo.tracing.tape import Site

ADVICE = "return grad_output times the derivative of forward, and check it with torch.autograd.gradcheck"


def right_backward(
    function: Any, site: Site, factor: float | None, is_right: Callable[[Any], bool]
) -> tuple[str, bool | None]:
    """Words, and whether a backward so changed was run, and is the derivative."""
    code = site.code or ""
    names = list(inspect.signature(function.backward).parameters)
    if not code.startswith("return ") or len(names) != 2:
        return ADVICE, None
    original, returned = function.backward, code.removeprefix("return ")

    def changed(ctx: Any, *gradients: Any) -> Any:
        made = original(ctx, *gradients)
        if not isinstance(made, Tensor):
            return made
        return gradients[0] * made if factor is None else made / factor

    if not is_right(changed):
        return ADVICE, None
    new = f"{names[1]} * ({returned})" if factor is None else _divided(returned, factor)
    return f"write return {new} instead of {code} at {site.source}", True


def _divided(text: str, factor: float) -> str:
    return f"-({text})" if abs(factor + 1) < 1e-3 else f"({text}) / {factor:.4g}"
