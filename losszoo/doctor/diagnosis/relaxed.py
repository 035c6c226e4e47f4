"""A loss without what keeps its numbers in bounds: epsilons, clamps near 0 and 1, clamps of an input itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from losszoo.tracing.authors import place_of
from losszoo.tracing.operations import is_reversed, operation
from losszoo.tracing.tape import Record, Site, Tape, plain

# Constants up to here are there to save a logarithm or a quotient.
EPS = 1e-3
CLAMPS = ("clamp", "clamp_min", "clamp_max", "hardtanh", "relu")
# What keeps a number of its input apart from all other numbers.
_OF_ONE = (
    *("getitem", "squeeze", "unsqueeze", "view", "reshape", "expand", "transpose", "permute", "flatten", "movedim"),
    *("chunk", "split", "unbind", "select", "narrow", "contiguous", "clone", "to", "float", "double", "type_as"),
    *("neg", "add", "sub", "mul", "div"),
)

# An operation and its line.
Key = tuple[str, str | None]


class Relaxed(Tape):
    """Passes on what an epsilon or a clamp is given.

    Args:
        only: these operations alone; None relaxes every one.
        clamps: relax clamps of an input too, and not only epsilons.
        more: clamps of anything, which are relaxed too.
    """

    def __init__(
        self, only: Collection[Key] | None = None, clamps: bool = True, more: Collection[Key] = frozenset()
    ) -> None:
        super().__init__()
        self.only = only
        self.clamps = clamps
        self.more = more
        self.relaxed: dict[Key, str] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        why = self._why(func, args, kwargs)
        if why:
            key = operation(func), Site("", place_of(self.author_frame())).source
            if self.only is None or key in self.only:
                self.relaxed.setdefault(key, why)
                if epsilon_beside_one(func, args, kwargs) is None:
                    return next(x for x in args if isinstance(x, Tensor))
                func, args, kwargs = torch.rsub, (args[0 if is_reversed(func) else 1], 1.0), {}
        return super().__torch_function__(func, types, args, kwargs)

    def _why(self, func: Any, args: Any, kwargs: Any) -> str:
        """What kind of bound this is: "swallowed" by an epsilon, "clamped", or none."""
        if not args:
            return ""
        beside_one = epsilon_beside_one(func, args, kwargs) is not None
        if beside_one or is_epsilon(func, args, kwargs) or is_below_one(func, args, kwargs):
            return "swallowed"
        name = operation(func)
        if not (self.clamps and name in CLAMPS and isinstance(args[0], Tensor)):
            return ""
        if self.more and (name, Site("", place_of(self.author_frame())).source) in self.more:
            return "clamped"
        return "clamped" if is_of_one_input(self, args[0]) else ""


def is_epsilon(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operation only keeps a number away from zero."""
    name = operation(func)
    if name not in ("add", "clamp", "clamp_min", "maximum", "max"):
        return False
    constants = [*args[1:], *kwargs.values()] if isinstance(args[0], Tensor) else [args[0]]
    small = [c for c in constants if (number := constant(c)) is not None and 0 < number <= EPS]
    x = tensor_of(args) if small else None
    return x is not None and x.is_floating_point() and bool((x >= 0).all())


def epsilon_beside_one(func: Any, args: Any, kwargs: Any) -> float | None:
    """The epsilon that is folded into the 1 of ``1 + epsilon - p``, where p is within [0, 1]; else None.

    Python adds the two numbers before torch sees them. A sum of probabilities may be rounded to a little more than 1.
    """
    if operation(func) != "sub" or len(args) != 2 or kwargs:
        return None
    one, p = args[::-1] if is_reversed(func) else args
    number = constant(one)
    if number is None or not 1 < number <= 1 + EPS or not isinstance(p, Tensor) or not p.is_floating_point():
        return None
    x = plain(p).detach()
    return number - 1 if bool(((x >= 0) & (x < number)).all()) else None


def is_below_one(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operation only keeps a probability away from 1."""
    if operation(func) not in ("clamp", "clamp_max", "minimum", "min") or not isinstance(args[0], Tensor):
        return False
    near = [c for c in (*args[1:], *kwargs.values()) if (n := constant(c)) is not None and 1 - EPS <= n < 1]
    x = tensor_of(args)
    return len(near) > 0 and x.is_floating_point() and bool(((x >= 0) & (x <= 1)).all())


def constant(value: Any) -> float | None:
    """A number, also one that a tensor without gradient holds alone."""
    if isinstance(value, float):
        return value
    single = isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point()
    return float(plain(value)) if single and not value.requires_grad else None


def tensor_of(args: Any) -> Tensor:
    """The numbers of the first tensor that an operation gets."""
    found: Tensor = plain(next(x for x in args if isinstance(x, Tensor))).detach()
    return found


def is_of_one_input(tape: Tape, tensor: Tensor) -> bool:
    """Whether a tensor is a trained input itself, or part of one, shifted and scaled by constants at most."""
    record = tape.maker(tensor)
    if record is None:
        return tensor.requires_grad and tensor.numel() > 1
    return record.site.op in _OF_ONE and len(record.inputs) == 1 and is_of_one_input(tape, record.inputs[0])


def bounds_of(record: Record) -> tuple[float | None, float | None]:
    """Lower and upper bound of a clamp, where they are numbers."""
    op = record.site.op
    if op == "relu":
        return 0.0, None
    if op == "hardtanh":
        return _number(record.argument("min_val", 1), -1.0), _number(record.argument("max_val", 2), 1.0)
    if op == "clamp_max":
        return None, _number(record.argument("max", 1))
    return _number(record.argument("min", 1)), _number(record.argument("max", 2)) if op == "clamp" else None


def _number(value: Any, default: float | None = None) -> float | None:
    return float(value) if isinstance(value, int | float) else default
