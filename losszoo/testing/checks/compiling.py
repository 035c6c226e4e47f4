"""Losses under torch.compile: one graph, and the same numbers."""

from __future__ import annotations

import torch

from losszoo.testing.check import check
from losszoo.testing.equal import agree
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import sampled, value_and_gradients

_ADVICE = "no .item(), no numpy, and no branch on data in the loss"


@check()
def check_compile(subject: Subject) -> None:
    """torch.compile(fullgraph=True) gives the same value and gradient."""
    torch._dynamo.reset()
    loss, inputs = subject.make(), subject.batch()
    # Autograd's graph is traced, and no code is generated: a machine without a C++ compiler can do it.
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    expected, gradients = value_and_gradients(loss, inputs, subject.signature)
    value, compiled_gradients = value_and_gradients(compiled, inputs, subject.signature)
    agree("the compiled value", value, "the value", expected, _ADVICE)
    for gradient, other in zip(compiled_gradients, gradients, strict=True):
        agree("the compiled gradient", gradient, "the gradient", other, _ADVICE)


@check(concerns=sampled)
def check_compile_masked(subject: Subject) -> None:
    """torch.compile(fullgraph=True) takes a mask and a weight, too."""
    mask = torch.tensor([True, True, False, True, True, True])
    weight = torch.arange(1.0, 7.0)
    subject.must_take(mask=mask, weight=weight)
    torch._dynamo.reset()
    loss, inputs = subject.make(), subject.batch()
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    value, expected = (call(*inputs, mask=mask, weight=weight) for call in (compiled, loss))
    agree("the compiled value with mask and weight", value, "the value", expected, _ADVICE)
