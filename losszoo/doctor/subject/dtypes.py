"""In which dtype a loss computes: its own parameters too, and nothing less than float64 where that is asked for."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.losses.loss import Loss
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.tracing.widen import Widened


@contextlib.contextmanager
def computing_in(loss: Callable[..., Any], dtype: torch.dtype) -> Iterator[tuple[Callable[..., Any], list[Tensor]]]:
    """The loss with its own parameters in a dtype; in float64 nothing inside is computed in less."""
    call = in_dtype(loss, dtype)
    parameters = call.parameters() if isinstance(call, nn.Module) else ()
    learned: list[Tensor] = [p for p in parameters if p.requires_grad]
    if dtype != torch.float64:
        yield call, learned
        return
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with Widened(torch.float64):
            yield call, learned
    finally:
        torch.set_default_dtype(before)


def in_dtype(call: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    """A module with parameters or buffers of that dtype; anything else, and a loss that casts by itself, as it is.

    The modules that a function holds, in a partial, as its own object or in a closure, are copied like a loss.
    """
    if not isinstance(call, nn.Module):
        return _function_in_dtype(call, dtype)
    if isinstance(call, SumLoss):
        return call
    state = [*call.parameters(), *call.buffers()]
    casts_itself = isinstance(call, Loss) and dtype.itemsize < 4
    if casts_itself or (isinstance(call, Loss) and not state):
        return call
    # A copy for every call: what a module remembers of one input must not spoil the next, nor the user's own.
    return copy.deepcopy(call).to(dtype)


def _function_in_dtype(call: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    """A function with copies of the modules that it holds; one that holds none as it is."""

    def copied(value: Any) -> Any:
        return in_dtype(value, dtype) if isinstance(value, nn.Module) else value

    if type(call) is functools.partial:
        given = [copied(value) for value in call.args]
        return functools.partial(in_dtype(call.func, dtype), *given, **{k: copied(v) for k, v in call.keywords.items()})
    if isinstance(call, types.MethodType) and isinstance(call.__self__, nn.Module):
        return types.MethodType(call.__func__, copied(call.__self__))
    cells = getattr(call, "__closure__", None) or ()
    held = [cell.cell_contents if _is_filled(cell) else None for cell in cells]
    if not isinstance(call, types.FunctionType) or not any(isinstance(value, nn.Module) for value in held):
        return call
    own = tuple(
        types.CellType(copied(value)) if isinstance(value, nn.Module) else cell
        for cell, value in zip(cells, held, strict=True)
    )
    made = types.FunctionType(call.__code__, call.__globals__, call.__name__, call.__defaults__, own)
    made.__kwdefaults__ = call.__kwdefaults__
    return made


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # named later
        return False


def short_name(dtype: torch.dtype) -> str:
    """``float32``."""
    return str(dtype).removeprefix("torch.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What a loss prints or warns of, a thousand times over at its edges, would bury the answer."""
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Inside, what is compiled runs as it was written: its operations can be told, and nothing waits for a compiler."""
    # Where the compiler is not loaded nothing is compiled yet, and loading it takes a second.
    loaded = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    with torch.compiler.set_stance("force_eager") if loaded else contextlib.nullcontext():
        yield


def uncompiled(call: Any) -> Any:
    """The original of what ``torch.compile`` or ``torch.jit.script`` has made; anything else as it is.

    A scripted module has forgotten its own.
    """
    for name in ("_orig_mod", "_torchdynamo_orig_callable", "_torchdynamo_inline"):
        original = getattr(call, name, None)
        if callable(original):
            return original
    return call
