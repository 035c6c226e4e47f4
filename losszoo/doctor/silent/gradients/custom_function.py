"""A custom autograd.Function by itself: its backward beside differences of its forward, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from losszoo.common.seeding import seed_torch
from losszoo.doctor.silent.recorded_call import Recording
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, forward
from losszoo.tracing.tape import floating, nodes_under

_MOST_NUMBERS = 24
_STEP = 1e-6
# Two steps that give another derivative have met a kink, or a Function that computes in less than float64.
_SETTLED = 1e-3


@dataclass(frozen=True)
class Slopes:
    """The derivative of a weighted sum of what a Function gives, by some numbers of one of its inputs.

    Args:
        own: what its backward gives.
        own_tripled: what it gives when the weights of the sum are three times as large.
        true: by differences.
        identity: forward gives back this very input.
    """

    own: Tensor
    own_tripled: Tensor
    true: Tensor
    identity: bool


def functions_of(recording: Recording) -> list[Any]:
    """The custom Functions in the graph, each once."""
    nodes: list[Any] = [n for n in nodes_under(recording.values.grad_fn) if isinstance(n, BackwardCFunction)]
    return list(dict.fromkeys(node._forward_cls for node in nodes))


def slopes_of(subject: Subject, function: Any) -> list[Slopes]:
    """For each input that a gradient is asked of, where both derivatives can be told; none where it is random."""
    inputs = _first_call(subject, function)
    if inputs is None:
        return []
    with torch.enable_grad(), computing_in(subject.call, torch.float64):
        try:
            return list(_slopes(subject, function, inputs))
        except RuntimeError:  # it takes no float64, or not these inputs by themselves
            return []


def _first_call(subject: Subject, function: Any) -> list[Any] | None:
    """What the loss first calls a Function with, in float64."""
    calls: list[list[Any]] = []
    original, own = function.forward, "forward" in vars(function)
    with_context = function.setup_context is torch.autograd.Function.setup_context

    def watched(*args: Any, **kwargs: Any) -> Any:
        given = args[1:] if with_context else args
        calls.append(
            [x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in given]
        )
        return original(*args, **kwargs)

    with exchanged(function, "forward", watched, own):
        try:
            with torch.enable_grad(), computing_in(subject.call, torch.float64) as (call, _):
                forward(subject, call, subject.leaves, torch.float64)
        except Exception:  # told where the loss is evaluated
            return None
    return calls[0] if calls else None


@contextmanager
def exchanged(function: Any, name: str, method: Callable[..., Any], own: bool = True) -> Iterator[None]:
    """Inside, a Function has another forward or backward."""
    original = getattr(function, name)
    setattr(function, name, staticmethod(method))
    try:
        yield
    finally:
        if own:
            setattr(function, name, staticmethod(original))
        else:
            delattr(function, name)


def _slopes(subject: Subject, function: Any, inputs: Sequence[Any]) -> Iterator[Slopes]:
    def call(values: Sequence[Any]) -> list[Tensor]:
        subject.spend(subject.leaves)
        seed_torch(subject.seed)
        return floating(function.apply(*values))

    outputs = [x for x in call(inputs) if x.requires_grad]
    if not outputs or any(not torch.equal(a, b) for a, b in zip(call(inputs), call(inputs), strict=True)):
        return
    generator = torch.Generator().manual_seed(subject.seed)
    # Of either sign, and no two alike.
    weights = [torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) for x in outputs]
    asked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    sources = [inputs[i] for i in asked]
    own, tripled = (
        torch.autograd.grad(outputs, sources, [factor * w for w in weights], retain_graph=True, allow_unused=True)
        for factor in (1, 3)
    )

    def total(values: Sequence[Any]) -> float:
        pairs = zip((x for x in call(values) if x.requires_grad), weights, strict=True)
        return sum(float((x.detach() * w).sum()) for x, w in pairs)

    for place, i in enumerate(asked):
        first, second = own[place], tripled[place]
        if first is None or second is None:
            continue
        chosen = range(0, inputs[i].numel(), max(1, inputs[i].numel() // _MOST_NUMBERS))
        found = [(k, d) for k in chosen if (d := _difference(total, inputs, i, k)) is not None]
        where = torch.tensor([k for k, _ in found], dtype=torch.long)
        true = torch.tensor([d for _, d in found], dtype=torch.float64)
        identity = any(x.shape == inputs[i].shape and torch.allclose(x, inputs[i]) for x in outputs)
        yield Slopes(first.flatten()[where], second.flatten()[where], true, identity)


def _difference(total: Callable[[Sequence[Any]], float], inputs: Sequence[Any], i: int, k: int) -> float | None:
    """The derivative by one number, where two steps agree on it."""
    found = []
    for step in (_STEP, 10 * _STEP):
        ends = []
        for sign in (1, -1):
            moved = inputs[i].detach().clone()
            moved.view(-1)[k] += sign * step
            ends.append(total([*inputs[:i], moved.requires_grad_(), *inputs[i + 1 :]]))
        found.append((ends[0] - ends[1]) / (2 * step))
    first, second = found
    return first if abs(first - second) <= _SETTLED * max(abs(first), abs(second)) + 1e-7 else None
