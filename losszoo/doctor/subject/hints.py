"""What a loss's own code says of its inputs: which it asks for NaN, and which label it ignores."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, forward
from losszoo.losses.introspection import parameters_of
from losszoo.losses.loss import Loss
from losszoo.tracing.tape import Record, Tape


@dataclass
class Hints:
    """Facts about leaves, by their index.

    Args:
        may_be_nan: leaves that the loss itself looks at for NaN.
        may_be_infinite: leaves whose infinities the loss itself looks for and replaces something there.
        ignored: labels that the loss leaves out, by leaf.
        within_one: leaves that the loss uses as no larger than 1: it takes 1 - p, clamps there, or asks for an angle.
        picking: leaves of whole numbers by which the loss picks among others.
        targets: leaves that a loss of torch takes as its target.
    """

    may_be_nan: set[int] = field(default_factory=set)
    may_be_infinite: set[int] = field(default_factory=set)
    ignored: dict[int, int] = field(default_factory=dict)
    within_one: set[int] = field(default_factory=set)
    picking: set[int] = field(default_factory=set)
    targets: set[int] = field(default_factory=set)


def with_hints(subject: Subject) -> Subject:
    """The subject, with what one ordinary call says of its inputs."""
    hints = Hints()
    try:
        tape, received = watched(subject)
    except Exception:  # reported elsewhere, as a loss that raises on its ordinary input
        return subject
    _learn_from(tape, received, hints)
    _learn_picking(tape, received, hints)
    hints.targets |= _compared_with(tape, received)
    _learn_infinite(tape, received, hints)
    _from_parameters(subject, hints)
    picking = None if isinstance(subject.call, Loss) else frozenset(hints.picking)
    nan, one = frozenset(hints.may_be_nan), subject.within_one | hints.within_one
    subject = replace(subject, trained=_without_targets(subject, hints.targets))
    normalized = None if isinstance(subject.call, Loss) else _normalized(tape, received)
    subject = replace(subject, normalized=normalized)
    subject = replace(subject, may_be_infinite=frozenset(hints.may_be_infinite))
    return replace(subject, may_be_nan=nan, ignored=hints.ignored, within_one=one, picking=picking)


def _without_targets(subject: Subject, targets: set[int]) -> tuple[int, ...]:
    """The trained leaves, without those that a loss of torch takes as targets; a user's own word counts more."""
    said = any(isinstance(x, Tensor) and x.requires_grad for x in tree_leaves(subject.inputs))
    left = tuple(i for i in subject.trained if i not in targets)
    return subject.trained if said or subject.signature or not left else left


def watched(subject: Subject) -> tuple[Tape, list[Any]]:
    """Every operation of one ordinary call, and the leaves that the loss was called with.

    Raises:
        Exception: what the loss raises.
    """
    tape, received = Tape(everything=True), list[Any]()
    with torch.enable_grad(), computing_in(subject.call, torch.float32) as (call, _):

        def watch(*arguments: Any, **named: Any) -> Any:
            received.extend(tree_leaves((arguments, *named.values())))
            return call(*arguments, **named)

        forward(subject, watch, subject.leaves, torch.float32, tape)
    return tape, received


def _from_parameters(subject: Subject, hints: Hints) -> None:
    """An argument or attribute called ``ignore_index``."""
    called = getattr(subject.call, "forward", subject.call)
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):
        return
    default = parameters["ignore_index"].default if "ignore_index" in parameters else None
    value = getattr(subject.call, "ignore_index", default)
    if value is None:
        value = _kept_under_another_name(subject.call)
    # torch's own default is no statement of the author's.
    if value is None and _speaks_of_ignoring(called):
        value = -100
    if isinstance(value, int) and not str(getattr(called, "__module__", "")).startswith("torch"):
        for index, leaf in enumerate(subject.leaves):
            if isinstance(leaf, Tensor) and not leaf.is_floating_point():
                hints.ignored.setdefault(index, value)


def _kept_under_another_name(call: Any) -> int | None:
    """The default of the ``ignore_index`` that an object is made with, where one of its attributes holds it."""
    made_with = parameters_of(type(call)) if isinstance(call, nn.Module) else {}
    default = made_with["ignore_index"].default if "ignore_index" in made_with else None
    held = [value for value in vars(call).values() if isinstance(value, int)] if made_with else []
    return default if isinstance(default, int) and default in held else None


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
# Their gradient is that of the prediction; of a target it may be infinite, and nobody asks for it.
_OF_TORCH = ("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div")
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
        target = index.get(id(record.argument("target", 1))) if record.site.op in _OF_TORCH else None
        if target is not None:
            hints.targets.add(target)
            if record.site.op in ("cross_entropy", "nll_loss") and kwargs.get("ignore_index", -100) != -100:
                hints.ignored[target] = int(kwargs["ignore_index"])


_NORMALIZING = ("softmax", "log_softmax", "logsumexp", "cross_entropy")


def _normalized(tape: Tape, arguments: Sequence[Any]) -> frozenset[int]:
    """The leaves from which such an operation gets its input, directly or through others."""
    owners = {id(leaf): {i} for i, leaf in enumerate(arguments) if isinstance(leaf, Tensor)}
    found = set[int]()
    for record in tape.records:
        operands = [x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor)]
        made = set[int]().union(*(owners.get(id(x), ()) for x in operands))
        if record.site.op in _NORMALIZING:
            found |= owners.get(id(record.argument("input", 0)), set())
        if isinstance(record.result, Tensor):
            owners[id(record.result)] = made | owners.get(id(record.result), set())
    return frozenset(found)


def _compared_with(tape: Tape, arguments: Sequence[Any]) -> set[int]:
    """The leaves that reach the loss only as targets, or through a softmax that weighs log-probabilities."""
    owners = {id(leaf): {i} for i, leaf in enumerate(arguments) if isinstance(leaf, Tensor)}
    makers: dict[int, str] = {}
    targets, consumed, results = set[int](), set[int](), dict[int, set[int]]()
    for record in tape.records:
        operands = [x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor)]
        target = _target_of(record, operands, owners, makers)
        found = set[int]().union(*(owners.get(id(x), ()) for x in operands if x is not target))
        if target is not None:
            targets |= owners.get(id(target), set())
        consumed |= {id(x) for x in operands if x is not record.result}
        if isinstance(record.result, Tensor):
            makers[id(record.result)] = record.site.op
            owners[id(record.result)] = results[id(record.result)] = found | owners.get(id(record.result), set())
    reaching = (found for made, found in results.items() if made not in consumed)
    return targets.difference(*reaching)


def _target_of(
    record: Record, operands: Sequence[Tensor], owners: Mapping[int, set[int]], makers: Mapping[int, str]
) -> Tensor | None:
    """What an operation compares its other operand with, where the two come from different leaves."""
    if record.site.op == "kl_div":
        target = record.argument("target", 1)
        return target if isinstance(target, Tensor) else None
    if record.site.op == "mul" and len(operands) == 2:
        for weight, other in (operands, operands[::-1]):
            apart = not owners.get(id(weight), set()) & owners.get(id(other), set())
            if apart and makers.get(id(weight)) == "softmax" and makers.get(id(other)) == "log_softmax":
                return weight
    return None


_PICKING = ("gather", "cross_entropy", "nll_loss", "getitem", "one_hot", "scatter", "index_select", "multi_margin_loss")


def _learn_picking(tape: Tape, arguments: Sequence[Any], hints: Hints) -> None:
    """Follow whole numbers to where they pick classes."""
    index = {id(x): i for i, x in enumerate(arguments) if isinstance(x, Tensor) and is_whole(x)}
    for record in tape.records:
        operands = tree_leaves((record.args, record.kwargs))
        known = [(place, index[id(x)]) for place, x in enumerate(operands) if id(x) in index]
        picks = record.site.op in _PICKING
        hints.picking |= {leaf for place, leaf in known if picks and (place > 0 or record.site.op == "one_hot")}
        if known and isinstance(record.result, Tensor) and is_whole(record.result):
            index[id(record.result)] = known[0][1]


def _learn_infinite(tape: Tape, arguments: Sequence[Any], hints: Hints) -> None:
    """Follow masks of infinities to where they are filled; who only asks whether there is one expects none."""
    index = {id(x): {i} for i, x in enumerate(arguments) if isinstance(x, Tensor)}
    masks: dict[int, set[int]] = {}
    for record in tape.records:
        operands = [x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor)]
        if record.site.op in ("isinf", "isneginf"):
            masks[id(record.result)] = index.get(id(operands[0]), set())
            continue
        of = set[int]().union(*(masks.get(id(x), set()) for x in operands))
        if record.site.op in ("masked_fill", "where"):
            hints.may_be_infinite |= of
        elif of and isinstance(record.result, Tensor) and record.result.shape == operands[0].shape:
            masks[id(record.result)] = of
        elif record.site.op in _KEEPING and operands:
            index[id(record.result)] = index.get(id(operands[0]), set())


def is_whole(x: Tensor) -> bool:
    """Whether a tensor holds whole numbers, which may be labels."""
    return not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)


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
