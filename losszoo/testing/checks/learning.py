"""Ten steps downhill: the loss falls, and the predictions become better."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import Batch
from losszoo.registry.compatibility import COMBINER
from losszoo.testing.check import check, require
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import changed, sampled, with_leaves

# Shapes the predictions whatever the targets are, or the parameters whatever the data are.
REGULARIZER = "regularizer"
_STEPS, _STRIDE = 10, 0.1


@check()
def check_descent(subject: Subject) -> None:
    """Ten steps down its own gradient lower the loss."""
    loss = subject.make()
    before, after = (loss(*inputs).item() for inputs in _descend(subject))
    came = f"{before:g} before, {after:g} after"
    require(after < before, "ten steps must lower the loss", came, "look for a wrong sign, or a detached part")


@check(
    concerns=sampled,
    without=(REGULARIZER,),
    because="it has no targets to learn",
)
def check_learning(subject: Subject) -> None:
    """Ten steps order the predictions better: targets apart, errors smaller, own class nearer."""
    rules = TABLE[subject.signature]
    if not rules.learns:
        raise NotApplicable(f"the signature {rules.name} does not say how right a prediction is")
    before, after = (rules.rightness(*inputs).item() for inputs in _descend(subject))
    came = f"{before:g} before, {after:g} after"
    advice = "look for a wrong sign, or for targets and predictions that are swapped"
    require(after > before, f"ten steps must raise {rules.learns}", came, advice)


@check(
    concerns=lambda signature: signature.on_parameters,
    without=(COMBINER,),
    because="it is no penalty on parameters",
)
def check_shrinking(subject: Subject) -> None:
    """Ten steps make the parameters of a penalty smaller."""
    before, after = (sum(x.square().sum().item() for x in inputs[0]) for inputs in _descend(subject))
    came = f"{before:g} before, {after:g} after"
    require(after < before, "ten steps must lower the sum of squares", came, "look for a wrong sign")


def _descend(subject: Subject) -> tuple[Batch, Batch]:
    """What the loss was given before the steps, and what after them."""
    inputs, leaves = with_leaves(_unconstrained(subject), subject.signature)
    loss, start = subject.make(), changed(inputs, lambda x: x.detach().clone())
    for _ in range(_STEPS):
        value = loss(*_linked(inputs, subject))
        gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
        _step(leaves, gradients)
    with torch.no_grad():
        return _linked(start, subject), _linked(changed(inputs, torch.detach), subject)


@torch.no_grad()
def _step(leaves: list[Tensor], gradients: tuple[Tensor, ...]) -> None:
    """A step as long as a tenth of what moves, so that the scale of a loss does not matter."""
    slope = torch.stack([g.norm() for g in gradients]).norm()
    size = torch.stack([x.norm() for x in leaves]).norm()
    if slope > 0:
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf -= _STRIDE * size / slope * gradient


def _unconstrained(subject: Subject) -> Batch:
    """An ordinary batch whose predictions are logits."""
    return Subject(subject.name, subject.target, subject.signature).batch(rows=12, seed=1)


def _linked(inputs: Batch, subject: Subject) -> Batch:
    """The inputs with logits turned into what the loss expects."""
    rules = TABLE[subject.signature]
    if subject.expects == "logits":
        return inputs
    return changed(inputs, lambda x: rules.link(x, subject.expects), rules.trained)
