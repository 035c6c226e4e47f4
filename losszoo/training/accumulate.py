"""The gradient of one large batch from parts that fit into memory, to the same value for every loss.

A mean over elements is added up part by part, each divided by the count of the whole. A loss whose rows see each other
is no sum over parts: its gradient by the outputs of the whole batch is computed first, from outputs without a graph,
and then carried through the model part by part (:class:`losszoo.training.gradient_cache.GradientCache`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from losszoo.common.seeding import Randomness
from losszoo.losses.loss import Loss
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.training.data.batch_inputs import Calls, Step
from losszoo.training.gradient_cache import GradientCache
from losszoo.training.models.forward import Forward, ForwardPass, Outputs

Terms = dict[str, Tensor]
Backward = Callable[[Tensor], None]


def counts_of(loss: SumLoss, parts: Sequence[Step]) -> dict[str, Tensor] | None:
    """What the mean of each term over all parts divides by; None where a term is no sum over parts.

    The count of a loss on outputs of its own must not depend on what they are, only on the targets; so it is taken on
    outputs of 0.
    """
    if loss.combiner is not None:
        return None
    found: dict[str, Tensor] = {}
    for term in loss.terms:
        leaf = term.loss
        if not isinstance(leaf, Loss):
            return None
        if leaf.rules.on_parameters:
            continue
        if leaf.rules.rows_interact or not leaf.rules.has_head:
            return None
        calls = [Calls(part) for part in parts]
        given = [call.inputs(leaf) for call in calls]
        if not leaf.adds_up(*given[0]):
            return None
        counts = [leaf.count(*inputs, weight=call.weight(leaf)) for call, inputs in zip(calls, given, strict=True)]
        found[term.label] = torch.stack(counts).sum()
        if not found[term.label] > 0:
            return None
    return found


class Zeros(ForwardPass):
    """Outputs of the right shape without a pass through the model."""

    def __init__(self, like: Outputs) -> None:
        self.names, self.like = tuple(like), like

    def computed(self, *inputs: Tensor) -> list[Outputs]:
        return [{name: x.new_zeros(len(rows), *x.shape[1:]) for name, x in self.like.items()} for rows in inputs]


def by_parts(loss: SumLoss, parts: Sequence[Step], counts: dict[str, Tensor], backward: Backward) -> Terms:
    """Backward through each part; the values of the terms over all of them."""
    total: Terms = {}
    for number, part in enumerate(parts):
        with part.passing.alone(last=number == len(parts) - 1):
            calls = Calls(part)
            terms = loss.values(calls.inputs, denominator=counts, weight=calls.weight)
            # A penalty is there once, not once for every part.
            terms = {label: x if label in counts else x / len(parts) for label, x in terms.items()}
            backward(loss.combine(terms))
        total = {label: total.get(label, 0.0) + x.detach() for label, x in terms.items()}
    return total


def at_once(
    loss: SumLoss, step: Step, forward: Forward, size: int, randomness: Randomness, backward: Backward
) -> Terms:
    """Backward through the outputs of the whole batch, and from there through the model part by part."""
    cached = Cached(forward, size, randomness)
    step.forward = cached
    calls = Calls(step)
    terms = loss.values(calls.inputs, weight=calls.weight)
    backward(loss.combine(terms))
    cached.backward()
    return {label: x.detach() for label, x in terms.items()}


class Cached(ForwardPass):
    """Outputs without a graph, whose gradients are carried through the model afterwards.

    Args:
        inner: computes them.
        size: rows that go through the model together.
        randomness: restored before each second pass, so that dropout leaves out the same.
    """

    def __init__(self, inner: Forward, size: int, randomness: Randomness) -> None:
        self.inner, self.size = inner, size
        self.names = inner.names
        self.cache = GradientCache(inner.module, randomness)

    def computed(self, *inputs: Tensor) -> list[Outputs]:
        parts = zip(*(torch.split(x, self.size) for x in inputs), strict=True)
        joined = iter(self.cache.outputs([partial(self._flat, *part) for part in parts]))
        return [{name: next(joined) for name in self.names} for _ in inputs]

    def backward(self) -> None:
        """From the gradients of the outputs to those of the parameters."""
        self.cache.backward(lambda last: self.inner.alone(last=last))

    def _flat(self, *inputs: Tensor) -> list[Tensor]:
        return [outputs[name] for outputs in self.inner.computed(*inputs) for name in self.names]


class Pieces(ForwardPass):
    """Outputs with a graph, computed part by part: with the draws of :class:`Cached` and of :func:`by_parts`.

    Args:
        inner: computes them.
        size: rows that go through the model together.
    """

    def __init__(self, inner: ForwardPass, size: int) -> None:
        self.inner, self.size, self.names = inner, size, inner.names

    def computed(self, *inputs: Tensor) -> list[Outputs]:
        found = [self.inner.computed(*part) for part in zip(*(torch.split(x, self.size) for x in inputs), strict=True)]
        return [
            {name: torch.cat([piece[i][name] for piece in found]) for name in self.names} for i in range(len(inputs))
        ]
