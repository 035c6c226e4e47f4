"""From what a user names to what can be examined, and every way in which it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sick_losses import normal
from torch import Tensor, nn

import losszoo
from losszoo.doctor.subject.preliminary_notes import facts
from losszoo.doctor.subject.readiness import own_dtype
from losszoo.doctor.subject.resolve import subjects_of
from losszoo.doctor.subject.subject import Subject, as_values, evaluate, make_subject
from losszoo.errors import UsageError
from losszoo.losses.signatures import TABLE

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def one(loss: Any, example: Any = None, signature: str | None = None, expects: str | None = None) -> Subject:
    """The only subject."""
    ((_, subject),) = subjects_of(loss, signature, expects, example, 0)
    return subject


def ordinary(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.log_softmax(1).gather(1, targets[:, None]).mean()


def squared(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square().mean()


class Scaled(nn.Module):
    def __init__(self, scale: float, *, shift: float, power: int = 2) -> None:
        super().__init__()
        self.scale, self.shift, self.power = scale, shift, power

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (self.scale * (predictions - targets + self.shift) ** self.power).mean()


class Number:
    """Made, and not callable."""


SOURCE = """
import torch
from torch import nn

answer = 42


def loss(predictions, targets, *, power=2):
    return ((predictions - targets) ** power).mean()


class Loss(nn.Module):
    def __init__(self, power):
        super().__init__()
        self.power = power

    def forward(self, predictions, targets):
        return ((predictions - targets) ** self.power).mean()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(SOURCE)
    return path


def test_a_function_is_known_by_its_argument_names() -> None:
    subject = one(ordinary)
    assert (subject.signature, subject.names, subject.target) == ("multiclass", ("logits", "targets"), "ordinary")
    assert [tuple(x.shape) for x in subject.leaves] == [(6, 3), (6,)]


def test_a_registered_loss_brings_its_signature() -> None:
    assert one("huber").signature == "regression"
    assert one("bce-probabilities").expects == "probabilities"
    assert one("huber(delta=2.0)").call.identity.params == {"delta": 2.0}  # type: ignore[attr-defined]
    assert one(losszoo.create("huber")).signature == "regression"


def test_a_pairwise_row_function_is_made_a_loss() -> None:
    from losszoo_plugins.nca.contrast import nca_stable

    assert one(nca_stable).signature == "embedding"


def test_targets_of_a_file_with_parameters(file: Path) -> None:
    assert one(f"{file}:loss", signature="regression").target.endswith("own.py:loss")
    given = one(f"{file}:loss(power=4)", signature="regression")
    assert evaluate(given, [torch.zeros(1), torch.full((1,), 2.0)]).total == 16.0
    made = one(f"{file}:Loss(power=2)", signature="regression")
    assert isinstance(made.call, nn.Module)


def test_an_example_needs_no_signature() -> None:
    subject = one(lambda a, b: (a * b[0]).sum(), lambda: (normal(3), [normal(3), None, 4]))
    assert subject.signature == ""
    assert len(subject.leaves) == 4
    assert one(lambda x: x.sum(), lambda: normal(3)).names == ("x",)
    assert one(lambda x, y: (x * y).sum(), lambda: [normal(3), normal(3)]).names == ("x", "y")


def test_an_example_of_a_known_signature_takes_its_names() -> None:
    subject = one(lambda a, b: (a - b).sum(), lambda: (normal(3), normal(3)), "regression")
    assert (subject.signature, subject.names) == ("regression", ("predictions", "targets"))


def test_arguments_without_names_get_numbers() -> None:
    assert one(lambda *inputs: inputs[0].sum(), lambda: (normal(3), normal(3))).names == ("input0", "input1")
    assert one(torch.nan_to_num, lambda: (normal(3),)).names == ("input0",)


def test_the_terms_of_a_sum_one_by_one() -> None:
    found = subjects_of("0.7*bce + 0.3*mse", None, None, None, 0)
    assert [label for label, _ in found] == ["bce", "mse"]
    assert [s.signature for _, s in found] == ["binary", "regression"]
    made = subjects_of(losszoo.create("bce + 2*mse"), None, None, None, 0)
    assert [label for label, _ in made] == ["bce", "mse"]


def test_a_sum_of_a_registered_loss_and_one_of_a_file(file: Path) -> None:
    found = subjects_of(f"mse + 0.1*{file}:Loss(power=2)", "regression", None, None, 0)
    assert [s.signature for _, s in found] == ["regression", "regression"]


def test_where_names_are_shared_the_input_that_is_accepted_decides() -> None:
    def only_bits(predictions: Tensor, targets: Tensor) -> Tensor:
        if not bool(((targets == 0) | (targets == 1)).all()):
            raise ValueError("targets must be 0 or 1")
        return (predictions * targets).mean()

    assert one(only_bits).signature == "binary"


Message = tuple[Callable[[], Any], str]


def raises(*_: Any) -> Tensor:
    raise ValueError("no, never")


def on_cuda(x: Tensor) -> Tensor:
    return x.to("cuda:7").sum()


REFUSED: dict[str, Message] = {
    "unknown signature": (
        lambda: one(ordinary, signature="multicl"),
        r"unknown signature 'multicl': did you mean multiclass",
    ),
    "no callable": (lambda: one(3), r"a loss must be a name, .* or an nn\.Module, got 3 of type int"),  # type: ignore[arg-type]
    "makes no callable": (
        lambda: one(Number),
        "a loss must be a function or an nn.Module class, got Number, the class Number; derive it from torch",
    ),
    "needs arguments": (
        lambda: one(Scaled),
        r"Scaled cannot be made with \(\): .*; it needs scale, shift: pass Scaled\(scale=\.\.\., shift=\.\.\.\)",
    ),
    "combiner": (
        lambda: one("uncertainty(bce, mse)"),
        r"a combiner has no input of its own .*: examine the losses inside it one by one",
    ),
    "registered with options": (lambda: one("mse", signature="binary"), r"'mse', which is registered"),
    "unknown name": (lambda: one("mze"), r"did you mean mse"),
    "example raises": (
        lambda: one(ordinary, raises),
        r"the example must return a tuple of inputs, got the error ValueError: no, never",
    ),
    "example returns nothing": (
        lambda: one(ordinary, lambda: None),
        r"the example must return one ordinary tuple of inputs, .* of type NoneType",
    ),
    "example returns an empty tuple": (
        lambda: one(ordinary, tuple),
        r"of type tuple|an empty one",
    ),
    "example without a floating tensor": (
        lambda: one(ordinary, lambda: (LABELS, 3)),
        r"must hold a floating torch tensor, got none",
    ),
    "always raises": (
        lambda: one(raises, lambda: (normal(2),)),
        r"raises must accept an ordinary input, and on \(2,\) it raises ValueError: no, never .* --example",
    ),
    "takes something else": (
        lambda: one(squared, lambda: (normal(2), 3, 4)),
        r"squared must accept an ordinary input, and on \(2,\), 3, 4 it raises TypeError",
    ),
    "returns integers": (
        lambda: one(lambda x: x.long(), lambda: (normal(2),)),
        r"a loss must return a floating tensor, got a tensor of torch.int64: nothing can be trained",
    ),
    "returns a tuple of numbers": (
        lambda: one(lambda x: (1.0, 2.0), lambda: (normal(2),)),
        r"got a tuple: nothing",
    ),
    "returns None": (
        lambda: one(lambda x: None, lambda: (normal(2),)),
        r"got None: nothing can be trained with it; return the tensor",
    ),
    "returns a number": (
        lambda: one(lambda x: 1.0, lambda: (normal(2),)),
        r"got a float: nothing",
    ),
    "a device that is not here": (
        lambda: one(on_cuda, lambda: (normal(2),)),
        r"on_cuda needs a GPU, .*test_patients.py:\d+ asks for CUDA .* device=logits.device",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_examined_is_said(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        call()


def test_a_file_that_is_not_there_and_a_name_that_is_not_in_it(file: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        one(str(file.parent / "other.py") + ":loss")
    with pytest.raises(UsageError, match=r"has no 'los': did you mean Loss"):
        one(f"{file}:los")
    with pytest.raises(UsageError, match=r"a loss must be callable, got .*answer, an int"):
        one(f"{file}:answer")
    with pytest.raises(UsageError, match=r"it needs power: pass .*own.py:Loss\(power=\.\.\.\)"):
        one(f"{file}:Loss")


def test_values_that_are_no_tensor_are_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"must return a floating tensor, got a list"):
        as_values([1.0])
    assert as_values(torch.ones(1)).item() == 1.0


@pytest.mark.parametrize(
    ("inputs", "dtype"),
    [
        ((normal(3), LABELS), torch.float32),
        ((normal(3).double(),), torch.float32),
        ((normal(3).half(), normal(3)), torch.float16),
        ((normal(3).bfloat16(),), torch.bfloat16),
    ],
)
def test_the_dtype_that_an_input_comes_in(inputs: tuple[Tensor, ...], dtype: torch.dtype) -> None:
    assert own_dtype(make_subject(lambda x, *rest: x, inputs, ("x",))) == dtype


def test_a_loss_that_gives_nan_is_not_called_random() -> None:
    assert facts(one(lambda x: (x * torch.nan).sum(), lambda: (normal(3),))) == []


def test_facts_of_a_random_loss_and_of_one_that_writes() -> None:
    def random(x: Tensor) -> Tensor:
        return (x * torch.rand(3)).sum()

    def writes(x: Tensor, target: Tensor) -> Tensor:
        target.clamp_(min=0)
        return (x - target).square().mean()

    assert facts(one(lambda x: x.sum(), lambda: (normal(3),))) == []
    assert facts(one(lambda x: (x + torch.inf).sum(), lambda: (normal(3),))) == []
    assert facts(one(random, lambda: (normal(3),))) == ["random draws random numbers: every call was seeded with 0"]
    assert facts(one(writes, lambda: (normal(3), normal(3)))) == [
        "writes writes into target: every call was given a copy"
    ]


def test_a_loss_that_writes_into_what_is_trained_still_has_a_gradient() -> None:
    def writes(x: Tensor) -> Tensor:
        x.mul_(2)
        return x.square().sum()

    subject = one(writes, lambda: (torch.ones(3),))
    outcome = evaluate(subject, subject.leaves)
    # d (2 x)^2 / dx = 8 x.
    assert [g.tolist() for g in outcome.moved()] == [[8.0] * 3]
    assert subject.leaves[0].tolist() == [1.0] * 3


def test_a_module_in_float64_is_a_copy_and_the_original_stays() -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            return (self.scale * x).sum()

    module = Learned()
    subject = one(module, lambda: (torch.ones(3),))
    outcome = evaluate(subject, subject.leaves, torch.float64)
    assert outcome.values is not None
    assert outcome.values.dtype == torch.float64
    assert [g.dtype for g in outcome.moved()] == [torch.float64] * 2  # of the input and of the parameter
    assert module.scale.dtype == torch.float32
    assert module.scale.grad is None


def test_casts_inside_a_loss_do_not_narrow_a_float64_run() -> None:
    def casts(x: Tensor) -> Tensor:
        return (x.float() + x.to(torch.float32) + x.to(dtype=torch.float16) + x.half()).sum()

    subject = one(casts, lambda: (torch.full((1,), 1e-9),))
    leaves = [torch.full((1,), 1 + 1e-12, dtype=torch.float64)]
    assert evaluate(subject, leaves, torch.float64).total == pytest.approx(4 + 4e-12, abs=1e-14)


def test_every_signature_has_an_ordinary_input_of_a_registered_loss() -> None:
    names = {spec.signature: spec.name for spec in losszoo.list_losses()}
    assert set(names) == set(TABLE)
    for signature, name in names.items():
        assert one(name).signature == signature
