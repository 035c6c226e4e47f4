"""The collection holds what it says: every defect shows, and only where it should."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from collection import CASES, CONTROLS, Case
from collection.case import SYMPTOMS
from torch import Tensor, nn


def cast(inputs: tuple[Any, ...], dtype: torch.dtype) -> tuple[Any, ...]:
    """The inputs as leaves, floating ones in the dtype."""
    return tuple(given.detach().clone().to(dtype).requires_grad_() if is_floating(given) else given for given in inputs)


def is_floating(given: Any) -> bool:
    return isinstance(given, Tensor) and given.is_floating_point()


def measured(loss: Any, inputs: tuple[Any, ...], dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """Value and gradients for the inputs and the parameters."""
    leaves = cast(inputs, dtype)
    parameters: list[Tensor] = []
    if isinstance(loss, nn.Module):
        loss = copy.deepcopy(loss).to(dtype)
        parameters = list(loss.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        value = loss(*leaves)
    wanted = [leaf for leaf in leaves if is_floating(leaf)] + parameters
    # The sum over an unreduced loss is taken in double, so that it is not the test that overflows.
    gradients = torch.autograd.grad(value.double().sum(), wanted, allow_unused=True)
    return value.detach(), [gradient for gradient in gradients if gradient is not None]


def dtype_of(case: Case) -> torch.dtype:
    return getattr(torch, case.dtype)


def rounded(case: Case) -> tuple[Any, ...]:
    """The failing inputs as the case's dtype holds them: what the exact value is measured at."""
    return cast(case.failing(), dtype_of(case))


def finite(*tensors: Tensor) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def symptom(value: Tensor, gradients: list[Tensor]) -> str:
    """What is seen first: the value before the gradient, NaN before Inf."""
    for tensors, where in (([value], "loss"), (gradients, "gradient")):
        if any(bool(tensor.isnan().any()) for tensor in tensors):
            return f"nan-{where}"
        if not finite(*tensors):
            return f"inf-{where}"
    return "finite"


def distance(left: list[Tensor], right: list[Tensor]) -> float:
    """The largest relative distance between two lists of tensors, each measured by its largest entry."""
    pairs = [(a.double(), b.double()) for a, b in zip(left, right, strict=True) if b.numel()]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-30)) for a, b in pairs)


INACCURATE = [case for case in CASES if case.symptom == "inaccurate"]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_names_are_unique_and_fields_legal() -> None:
    names = [case.name for case in CASES] + [name for name, _, _ in CONTROLS]
    assert len(set(names)) == len(names)
    for case in CASES:
        assert case.symptom in SYMPTOMS, case.name
        assert case.ops, case.name
        assert case.about, case.name
        assert case.dtype in ("float32", "float16"), case.name


@every_case
def test_ordinary_inputs_do_not_show_it(case: Case) -> None:
    value, gradients = measured(case.loss, case.inputs(), dtype_of(case))
    assert gradients
    assert finite(value, *gradients)


@every_case
def test_failing_inputs_show_the_symptom(case: Case) -> None:
    value, gradients = measured(case.loss, case.failing(), dtype_of(case))
    seen = symptom(value, gradients)
    if case.symptom == "inaccurate":
        right, slopes = measured(case.twin, rounded(case), torch.float64)
        off = distance([value], [right]), distance(gradients, slopes)
        assert seen == "finite"
        assert max(off) > 0.01, off
    else:
        assert seen == case.symptom


@every_case
def test_twin_is_finite_on_both(case: Case) -> None:
    for inputs in (case.inputs(), case.failing()):
        value, gradients = measured(case.twin, inputs, dtype_of(case))
        assert finite(value, *gradients)
        assert gradients


@every_case
def test_twin_agrees_on_ordinary_inputs(case: Case) -> None:
    near = 1e-3 if case.dtype == "float32" else 1e-2
    value, gradients = measured(case.loss, case.inputs(), dtype_of(case))
    right, slopes = measured(case.twin, case.inputs(), dtype_of(case))
    assert distance([value], [right]) < near
    assert distance(gradients[:1], slopes[:1]) < 10 * near


@pytest.mark.parametrize("case", INACCURATE, ids=lambda case: case.name)
def test_twin_is_right_where_the_loss_is_inaccurate(case: Case) -> None:
    value, _ = measured(case.twin, case.failing(), dtype_of(case))
    exact, _ = measured(case.twin, rounded(case), torch.float64)
    assert distance([value], [exact]) < 0.01


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control[0])
def test_controls_are_finite_on_ordinary_inputs(control: Any) -> None:
    _, loss, inputs = control
    value, gradients = measured(loss, inputs(), torch.float32)
    assert gradients
    assert finite(value, *gradients)
