"""The first steps are looked at operation by operation: where an activation, a pairing or a term was made."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from losszoo.tracing.authors import Place
from losszoo.tracing.finite_check import spoilt
from losszoo.tracing.operations import FILLS, UNWRITTEN, operation
from losszoo.tracing.tape import Site
from losszoo.watching.criteria import lost_pairing
from losszoo.watching.own_criteria import Maker, maker_of
from losszoo.watching.script_lines import place_in, script_frame

_ACTIVATIONS = ("softmax", "log_softmax", "sigmoid", "logsigmoid")
_ARITHMETIC = ("add", "sub", "mul", "div")
_SHAPING = ("unsqueeze", "getitem", "view", "reshape", "view_as", "expand", "expand_as")


@dataclass(frozen=True)
class Pairing:
    """An operation that made (N, N) of (N, 1) and (N,)."""

    op: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    place: Place | None


@dataclass(frozen=True)
class Term:
    """A sum of two scalars that get a gradient."""

    values: tuple[float, float]
    place: Place | None


class FirstSteps(TorchFunctionMode):
    """Notes the operations that the checks ask for; everything else passes through. It is taken off after some steps.

    Nothing is held longer than a step: :meth:`forget` lets go of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.places: dict[Any, Place | None] = {}  # of the nodes that activations have made
        self.pairings: list[Pairing] = []
        self.terms: list[Term] = []
        self.makers: dict[Any, Maker] = {}  # which function has made the node of a scalar, in which call
        self.broken: Site | None = None  # the first operation of this step that gave what is not finite
        self._shaped: dict[int, tuple[Tensor, Any]] = {}

    def begin(self) -> None:
        """Put it on."""
        self.__enter__()  # type: ignore[no-untyped-call]
        self.on = True

    def end(self) -> bool:
        """Take it off, unless another one of the script stands above it."""
        stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        if self.on and stack and stack[-1] is self:
            self.__exit__(None, None, None)
            self.on = False
        return not self.on

    def forget(self) -> None:
        """Let go of the tensors and graphs of a step."""
        self.places.clear()
        self.makers.clear()
        self._shaped.clear()
        self.terms.clear()
        self.broken = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.on and isinstance(result, Tensor):
            name = operation(func)
            if self.broken is None and name not in (*FILLS, *UNWRITTEN) and result.is_floating_point():
                after = spoilt(result)
                if any(after) and spoilt((args, kwargs)).breaks(after):
                    self.broken = Site(name, place_in(sys._getframe(1)))
            if result.ndim == 0 and result.grad_fn is not None and result.grad_fn not in self.makers:
                self.makers[result.grad_fn] = maker_of(script_frame(sys._getframe(1)), result.detach())
            if name in _ACTIVATIONS and result.grad_fn is not None:
                self.places[result.grad_fn] = place_in(sys._getframe(1))
            elif name in _SHAPING and result.ndim == 2 and result.shape[1] == 1:
                self._shaped[id(result)] = result, _where()
            elif name in _ARITHMETIC and len(args) == 2 and all(isinstance(x, Tensor) for x in args):
                self._arithmetic(name, args[0], args[1], result)
        return result

    def _arithmetic(self, name: str, one: Tensor, other: Tensor, result: Tensor) -> None:
        if name == "add" and result.ndim == 0 and one.requires_grad and other.requires_grad:
            self.terms.append(Term((float(one.detach()), float(other.detach())), place_in(sys._getframe(1))))
        elif lost_pairing(one.shape, other.shape) and one.requires_grad != other.requires_grad:
            column = one if one.ndim == 2 else other
            # Where the same line, or the same function of a few lines, has made the column, all pairs are meant.
            if self._shaped.get(id(column), (None, None))[1] != _where():
                shapes = tuple(one.shape), tuple(other.shape)
                self.pairings.append(Pairing(name, shapes, place_in(sys._getframe(1))))


def _where() -> Any:
    """The function of the user that runs; in a script that is none, its line."""
    frame = script_frame(sys._getframe(1))
    if frame is None:
        return object()
    return frame.f_code if frame.f_code.co_name != "<module>" else (frame.f_code, frame.f_lineno)
