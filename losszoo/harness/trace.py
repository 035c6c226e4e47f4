"""Where a number first stopped being finite: found by repeating a step that has failed, so a healthy one pays nothing."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

_CORE = str(Path(__file__).resolve().parents[1])
_TORCH = str(Path(torch.__file__).resolve().parent)


class Origin(NamedTuple):
    """An operation and the line that called it."""

    op: str
    source: str | None


class _FirstNonFinite(TorchFunctionMode):
    """Remembers the first operation with finite inputs and a result that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Origin | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.found is None and _broken(result) and not _broken((args, kwargs)):
            name = getattr(func, "__name__", str(func)).strip("_")
            # An infinite fill or mask is meant, not computed.
            if name not in ("where", "masked_fill", "full", "full_like", "tensor", "new_tensor", "fill"):
                self.found = Origin(name, user_line())
        return result


def _broken(values: Any) -> bool:
    return any(
        isinstance(x, Tensor)
        and x.is_floating_point()
        and x.numel() > 0
        and not bool(torch.isfinite(x.detach()).all())
        for x in tree_leaves(values)
    )


def user_line() -> str | None:
    """``file.py:12`` of the innermost frame that is neither torch's nor the core's: the author's own line."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith((_CORE, _TORCH, "<")):
            return f"{Path(frame.filename).name}:{frame.lineno}"
    return None


def first_non_finite(step: Callable[[], Tensor]) -> Origin | None:
    """Repeat a step and name the operation where it broke, in the forward pass or else in the backward pass.

    Args:
        step: computes the loss again, from the same batch and random state.
    """
    mode = _FirstNonFinite()
    with torch.enable_grad(), mode:
        loss = step()
    return mode.found if not bool(torch.isfinite(loss)) else (_in_backward(step) or mode.found)


def _in_backward(step: Callable[[], Tensor]) -> Origin | None:
    """The forward line of the node whose gradient is the first NaN."""
    with warnings.catch_warnings(record=True) as caught, torch.enable_grad():
        warnings.simplefilter("always")
        try:
            with torch.autograd.detect_anomaly(check_nan=True):
                step().backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            node = re.search(r"Function '(\w+?)Backward\d*'", str(error))
            if node is None:
                return None
            return Origin(_snake(node.group(1)), _line_in([str(warning.message) for warning in caught]))
    return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _line_in(messages: list[str]) -> str | None:
    frames = re.findall(r'File "([^"]+)", line (\d+)', "\n".join(messages))
    own = [f"{Path(path).name}:{line}" for path, line in frames if not path.startswith((_CORE, _TORCH, "<"))]
    return own[-1] if own else None
