"""A call beside its float64 shadow, and the tape of its operations."""

from __future__ import annotations

import math

import pytest
import torch
from sick_losses import subject_of
from torch import Tensor

from losszoo.doctor.diagnosis.blame import in_float64
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Leaves, Subject, forward
from losszoo.tracing.float64_shadow import Shadow, parted, zero_by_underflow
from losszoo.tracing.operations import operation
from losszoo.tracing.tape import Record, Tape


def taped(subject: Subject, leaves: Leaves, dtype: torch.dtype = torch.float32) -> tuple[Tape, Tensor]:
    tape = Tape()
    with torch.enable_grad(), computing_in(subject.call, dtype) as (call, _):
        values, _ = forward(subject, call, leaves, dtype, tape)
    return tape, values


def shadowed(loss: object, *leaves: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tape, Shadow, Record]:
    subject = subject_of(loss, *leaves)  # type: ignore[arg-type]
    tape, values = taped(subject, list(leaves), dtype)
    last = tape.maker(values)
    assert last is not None
    return tape, Shadow(tape, in_float64(subject, list(leaves), dtype)), last


def ops(tape: Tape) -> list[str]:
    return [record.site.op for record in tape.records]


def test_the_tape_holds_every_operation_by_its_usual_name() -> None:
    tape, _ = taped(subject_of(lambda x: (1 - 2 / x**2 + x.T).clip(min=0).mean(), torch.ones(2, 2)), [torch.ones(2, 2)])
    assert ops(tape) == ["pow", "div", "sub", "transpose", "add", "clamp", "mean"]


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (torch.Tensor.__rsub__, "sub"),
        (torch.Tensor.__rtruediv__, "div"),
        (torch.special.xlogy, "xlogy"),
        (torch.special.expit, "sigmoid"),
        (torch.linalg.vector_norm, "norm"),
        (torch.arccos, "acos"),
        (torch.true_divide, "div"),
        (torch.Tensor.requires_grad_, ""),
        (torch.Tensor.shape.__get__, ""),
        (torch.Tensor.T.__get__, "transpose"),
        (torch.Tensor.add_, "add"),
    ],
)
def test_names_of_operations(func: object, name: str) -> None:
    assert operation(func) == name


def test_the_shadow_holds_the_same_operations_in_float64() -> None:
    _, shadow, last = shadowed(lambda x: (x / 3).exp().sum(), torch.tensor([1.0, 2.0]))
    assert shadow.aligned
    (sum_,) = last.outputs
    true = shadow.of(sum_)
    assert true is not None
    assert true.dtype == torch.float64
    assert true.item() == pytest.approx(math.exp(1 / 3) + math.exp(2 / 3), rel=1e-14)
    assert shadow.first_parted(last) is None


def test_the_shadow_sees_the_numbers_as_the_dtype_holds_them() -> None:
    _, shadow, last = shadowed(lambda x: x * 1, torch.tensor([1.0001]), dtype=torch.float16)
    true = shadow.of(last.outputs[0])
    assert true is not None
    assert true.item() == 1.0


def test_a_loss_that_goes_another_way_in_float64_has_no_shadow() -> None:
    def loss(x: Tensor) -> Tensor:
        return x.sum() if x.dtype == torch.float64 else x.exp().sum()

    _, shadow, last = shadowed(loss, torch.zeros(2))
    assert not shadow.aligned
    assert shadow.of(last.outputs[0]) is None
    assert shadow.first_parted(last) is None


def test_a_loss_that_refuses_float64_has_no_shadow() -> None:
    def loss(x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            raise TypeError("float32 only")
        return x.sum()

    assert not shadowed(loss, torch.zeros(2))[1].aligned


@pytest.mark.parametrize(
    ("loss", "inputs", "op", "why"),
    [
        (lambda x: (1 - torch.sigmoid(x)).mean(), [30.0], "sub", "cancellation"),
        # 1 + x is right to the last place; what is wrong is the logarithm of it.
        (lambda x: torch.log(1 + x).mean() * 3, [1e-9], "log", "rounding"),
        (lambda x: ((x + 1) - 1).sum() * 2, [1e-9], "sub", "cancellation"),
        (lambda x: torch.exp(-x).sum() * 1e30, [200.0], "exp", "underflow"),
        (lambda x: x.square().sum().sqrt(), [1e-30], "square", "underflow"),
        (lambda x: x.square().sum().sqrt(), [1e30], "square", "overflow"),
        (lambda x: x.square().mean() - x.mean() ** 2, [1000.0, 1000.01], "sub", "cancellation"),
    ],
)
def test_where_a_value_parts_from_its_shadow(loss: object, inputs: list[float], op: str, why: str) -> None:
    _, shadow, last = shadowed(loss, torch.tensor(inputs))
    found = shadow.first_parted(last)
    assert found is not None
    assert (found.site.op, shadow.reason(found)) == (op, why)


def test_parted_is_one_percent_of_the_true_value() -> None:
    true = torch.tensor([1e-30, 1e30], dtype=torch.float64)
    assert not parted(torch.tensor([1e-30, 1.009e30]), true)
    assert parted(torch.tensor([0.0, 1e30]), true)
    assert parted(torch.tensor([1e-30, torch.inf]), true)
    assert not parted(torch.tensor([1.0, 1.0]), None)
    assert not parted(torch.tensor([1.0]), true)
    assert not parted(torch.tensor([5.0]), torch.tensor([torch.inf], dtype=torch.float64))


@pytest.mark.parametrize(
    ("loss", "value", "op"),
    [
        (lambda x: torch.exp(-x)[0].sum(), 200.0, "exp"),
        (lambda x: torch.softmax(torch.stack([x, -x]), 0)[1].mean(), 100.0, "softmax"),
        (lambda x: (x * x).sum(), 1e-30, "mul"),
        (lambda x: (1 - torch.tanh(x)).sum(), 20.0, "sub"),
        (lambda x: (1 - x).sum(), 1.0, None),
        (lambda x: (x * x).sum(), 0.0, None),
        (lambda x: x.relu().sum(), -1.0, None),
        (lambda x: (x * x).sum(), 1.0, None),
    ],
)
def test_a_zero_that_cannot_be(loss: object, value: float, op: str | None) -> None:
    tape, _, last = shadowed(loss, torch.tensor([value, value]))
    found = zero_by_underflow(tape, last.outputs[0])
    assert (found.site.op if found else None) == op
