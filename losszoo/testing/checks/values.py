"""Values and gradients."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import edge_cases
from losszoo.testing.check import check, require
from losszoo.testing.equal import in_short
from losszoo.testing.finite_values import what_breaks
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import are_finite, changed, rows_of, value_and_gradients, with_leaves


@check()
def check_ordinary_batch(subject: Subject) -> None:
    """On an ordinary batch the loss is one finite number with a finite gradient that is not zero."""
    value, gradients = value_and_gradients(subject.make(), subject.batch(), subject.signature)
    shape = tuple(value.shape)
    require(shape == (), "a mean must be one number", f"the shape {shape}", "return unreduced values")
    came = f"value={value.item()}, gradient={in_short(*gradients)}"
    advice = f"look at it with: {subject.doctor}"
    require(are_finite(value, gradients), "value and gradient must be finite", came, advice)
    moves = any(bool((g != 0).any()) for g in gradients)
    require(moves, "the gradient must not be zero everywhere", came, "look for detach() and for rounding")


@check()
def check_battery(subject: Subject) -> None:
    """Value and gradient stay finite on the edge cases of its signature, wherever the true ones are."""
    loss = subject.make()
    broken = [
        f"{fault} on '{case.label}'"
        for case in edge_cases(subject.signature, subject.expects, 0)
        if (fault := what_breaks(loss, case.inputs, subject))
    ]
    came = "".join(broken[:1]) + f" (and the like on {len(broken) - 1} inputs more)" * (len(broken) > 1)
    require(not broken, "value and gradient must be finite", came, f"look at it with: {subject.doctor}")


@check(
    without=("detached-weights",),
    because="a part of it has no gradient by definition (tag detached-weights), so finite differences are not its own",
)
def check_gradcheck(subject: Subject) -> None:
    """In float64 the gradient is that of finite differences, to the inputs and to the loss's own parameters."""
    loss = subject.make().double()
    inputs, leaves = with_leaves(subject.batch(rows=5, seed=3, dtype=torch.float64), subject.signature)
    own = {name: p for name, p in loss.named_parameters() if p.requires_grad}

    def value(*tensors: Tensor) -> Tensor:
        fresh = iter(tensors)
        given = changed(inputs, lambda _: next(fresh), TABLE[subject.signature].trained)
        result: Tensor = functional_call(loss, dict(zip(own, fresh, strict=True)), given)
        return result

    torch.autograd.gradcheck(value, (*leaves, *own.values()))


@check(concerns=lambda signature: signature.any_shape, because="the shape of its inputs is fixed")
def check_more_dimensions(subject: Subject) -> None:
    """A loss takes further dimensions: the values are those of the flat batch."""
    subject.must_take(reduction="none")
    loss, flat = subject.make("none"), subject.batch()
    wide = rows_of(flat, torch.tensor([[0, 1], [2, 3], [4, 5]]), subject.signature)
    values, expected = loss(*wide), loss(*flat)
    if values.shape == (3,):
        return  # one value per sample is what such a loss may give
    require(
        values.shape == (3, 2) and torch.allclose(values.flatten(), expected, rtol=1e-4, atol=1e-5),
        f"values of inputs {tuple(wide[0].shape)} must be those of {tuple(flat[0].shape)}",
        in_short(values, expected),
        "name the dimension of the classes, and reduce no other",
    )
