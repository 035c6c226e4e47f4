"""A batch that is not finite before the network sees it: which tensor of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path

from losszoo.tracing.finite_check import spoilt
from losszoo.watching.criteria import Call
from losszoo.watching.explaining.loss_statements import argument_names

_MOST_FRAMES, _MOST_LEAVES = 40, 200


def broken_batch(frame: FrameType | None, calls: Sequence[Call]) -> str | None:
    """The cause in words; None where all data are finite, as far as they can be seen.

    Args:
        frame: of the user's code that has called backward.
        calls: of criteria since the last step. The frames of the user's own ones are gone, their arguments are kept.
    """
    for name, value in _variables(frame):
        told = _not_finite(name, value)
        if told:
            return f"the batch itself is not finite: {told}"
    for call in reversed(calls):  # the outermost is the last to end
        names = argument_names(call.function, len(call.args)) if call.own else ()
        for name, value in (*zip(names, call.args, strict=False), *(call.kwargs.items() if call.own else ())):
            told = _not_finite(name, value)
            if told:
                return f"{call.name} is given what is not finite already: {told}"
    return None


def _variables(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """Of the functions that run, the innermost first."""
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        if not str(frame.f_globals.get("__name__")).startswith("torch"):
            yield from list(frame.f_locals.items())
        frame = frame.f_back


def _not_finite(name: str, value: Any) -> str | None:
    """``batch[0] of shape (8, 4) holds NaN``, of a tensor that was computed from no parameter."""
    if isinstance(value, nn.Module) or not isinstance(value, Tensor | dict | list | tuple):
        return None
    for path, leaf in tree_flatten_with_path(value)[0][:_MOST_LEAVES]:
        data = isinstance(leaf, Tensor) and leaf.ndim and not leaf.requires_grad and leaf.grad_fn is None
        # A mask of minus infinity is meant.
        if data and spoilt(leaf).nan:
            return f"{name}{keystr(path)} of shape {tuple(leaf.shape)} holds NaN"
    return None
