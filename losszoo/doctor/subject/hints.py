"""What a loss's own code says of its inputs: which it asks for NaN, and which label it ignores."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, forward
from losszoo.tracing.tape import Record, Tape


@dataclass
class Hints:
    """Facts about leaves, by their index.

    Args:
        may_be_nan: leaves that the loss itself looks at for NaN.
        ignored: labels that the loss leaves out, by leaf.
        within_one: leaves that the loss uses as no larger than 1: it takes 1 - p, clamps there, or asks for an angle.
    """

    may_be_nan: set[int] = field(default_factory=set)
    ignored: dict[int, int] = field(default_factory=dict)
    within_one: set[int] = field(default_factory=set)


def with_hints(subject: Subject) -> Subject:
    """The subject, with what one ordinary call says of its inputs."""
    hints = Hints()
    try:
        with computing_in(subject.call, torch.float32) as (call, _):
            tape, received = Tape(everything=True), list[Any]()

            def watched(*arguments: Any, **named: Any) -> Any:
                received.extend(tree_leaves((arguments, *named.values())))
                return call(*arguments, **named)

            forward(subject, watched, subject.leaves, torch.float32, tape)
    except Exception:  # reported elsewhere, as a loss that raises on its ordinary input
        return subject
    _learn_from(tape, received, hints)
    _from_parameters(subject, hints)
    nan, one = frozenset(hints.may_be_nan), frozenset(hints.within_one)
    return replace(subject, may_be_nan=nan, ignored=hints.ignored, within_one=one)


def _from_parameters(subject: Subject, hints: Hints) -> None:
    """An argument or attribute called ``ignore_index``."""
    called = getattr(subject.call, "forward", subject.call)
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):
        return
    default = parameters["ignore_index"].default if "ignore_index" in parameters else None
    value = getattr(subject.call, "ignore_index", default)
    # torch's own default is no statement of the author's.
    if value is None and _speaks_of_ignoring(called):
        value = -100
    if isinstance(value, int) and not str(getattr(called, "__module__", "")).startswith("torch"):
        for index, leaf in enumerate(subject.leaves):
            if isinstance(leaf, Tensor) and not leaf.is_floating_point():
                hints.ignored.setdefault(index, value)


def _speaks_of_ignoring(called: Any) -> bool:
    """Whether the author's own text names torch's ignored label."""
    try:
        text = inspect.getsource(called)
    except (OSError, TypeError):
        return False
    return "ignore_index" in text


# What leaves a number within or beyond 1 where it was.
_KEEPING = (
    *("reshape", "view", "flatten", "unsqueeze", "squeeze", "long", "float", "to", "double", "clone", "getitem"),
    *("gather", "transpose", "permute", "contiguous", "abs", "neg", "pow", "square", "clamp", "sqrt"),
)
_WITHIN_ONE = ("binary_cross_entropy", "logit", "atanh", "acos", "asin", "erfinv")


def _learn_from(tape: Tape, arguments: Sequence[Any], hints: Hints) -> None:
    """Follow the leaves by identity, through plain rearrangements."""
    index = {id(leaf): i for i, leaf in enumerate(arguments) if isinstance(leaf, Tensor)}
    for record in tape.records:
        args, kwargs = record.args, record.kwargs
        known = index.get(id(args[0])) if args else None
        if known is not None:
            _learn(record, known, hints)
            if record.site.op in _KEEPING and not record.is_reversed:
                index[id(record.result)] = known
        if record.site.op in ("cross_entropy", "nll_loss") and kwargs.get("ignore_index", -100) != -100:
            target = index.get(id(args[1])) if len(args) > 1 else None
            if target is not None:
                hints.ignored[target] = int(kwargs["ignore_index"])


def _learn(record: Record, index: int, hints: Hints) -> None:
    """What one operation on a leaf says of it."""
    name, args = record.site.op, record.args
    if name in ("isnan", "isfinite", "nan_to_num", "nanmean", "nansum"):
        hints.may_be_nan.add(index)
    one_minus = name == "sub" and record.is_reversed and not isinstance(args[1], Tensor) and args[1] == 1
    high = record.argument("max", 2) if name == "clamp" else None
    if name in _WITHIN_ONE or one_minus or (isinstance(high, int | float) and 0 < high <= 1):
        hints.within_one.add(index)
    compared = name in ("ne", "eq") and len(args) > 1 and isinstance(args[1], int)
    if compared and not isinstance(args[1], bool) and not args[0].is_floating_point():
        hints.ignored.setdefault(index, args[1])
    zero = len(args) > 1 and isinstance(args[1], int | float) and args[1] == 0
    if name == "ge" and zero and not args[0].is_floating_point():
        hints.ignored.setdefault(index, -1)
