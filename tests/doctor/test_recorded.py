"""Losses that are compiled, scripted or vectorised, and inputs on which a loss raises."""

from __future__ import annotations

import pytest
import torch
from sick_losses import normal, uniform
from torch import Tensor, nn

import losszoo
from losszoo.doctor.report.examination import Examination
from losszoo.errors import UsageError

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
LONG = 600.0
OF_THE_COMPILER = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def examine(loss: object, *inputs: object, effort: int = 400) -> Examination:
    return losszoo.examine(loss, example=lambda: inputs, effort=effort, budget=LONG)  # type: ignore[arg-type]


def log_of_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    return -torch.log(torch.softmax(logits, 1)).gather(1, targets[:, None]).mean()


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum().sqrt()


def test_under_vmap_the_operation_is_told() -> None:
    found = examine(lambda x, y: torch.func.vmap(distance)(x, y).mean(), normal(6, 3), normal(6, 3, seed=1))
    assert ("nan-gradient", "sqrt") in {(f.symptom, f.op) for f in found.findings}


def test_a_healthy_loss_under_vmap_is_healthy() -> None:
    def one(logits: Tensor, label: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits[None], label[None])

    found = examine(lambda logits, labels: torch.func.vmap(one)(logits, labels).mean(), normal(6, 3), LABELS)
    assert found.findings == ()
    assert found.probes > 50


def test_a_loss_that_differentiates_inside_is_examined() -> None:
    """The penalty on the gradient of log x: of 1 / x, and x is 0 nowhere but where it is put there."""
    found = examine(lambda x: torch.func.vmap(torch.func.grad(torch.log))(x).square().mean(), uniform(6))
    assert found.verdict == "sick"


@OF_THE_COMPILER
def test_what_is_compiled_is_examined_as_it_was_written() -> None:
    found = examine(torch.compile(log_of_softmax), normal(6, 3), LABELS)
    assert found.findings[0].op == "softmax"
    assert any("is compiled: the function that torch.compile was given" in note for note in found.notes)


@OF_THE_COMPILER
def test_a_module_that_is_compiled_too() -> None:
    class Loss(nn.Module):
        def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
            return log_of_softmax(logits, targets)

    found = examine(torch.compile(Loss()), normal(6, 3), LABELS)
    assert found.findings[0].op == "softmax"


@OF_THE_COMPILER
def test_what_is_compiled_inside_a_loss_is_not_compiled_here() -> None:
    inner = torch.compile(log_of_softmax)
    found = examine(lambda logits, targets: 2 * inner(logits, targets), normal(6, 3), LABELS)
    assert found.findings[0].op == "softmax"


@OF_THE_COMPILER
def test_a_scripted_function_is_examined_as_it_was_written() -> None:
    found = examine(torch.jit.script(distance), normal(6), normal(6, seed=1))
    assert any("the function that torch.jit was given is examined" in note for note in found.notes)
    assert str(found.findings[0].source).startswith("test_recorded.py:")
    assert found.findings[0].verified is True


@OF_THE_COMPILER
def test_a_scripted_module_says_that_its_operations_are_not_seen() -> None:
    class Distance(torch.nn.Module):
        def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
            return (predictions - targets).square().sum().sqrt()

    found = examine(torch.jit.script(Distance()), normal(6), normal(6, seed=1))
    assert any("is scripted: its operations are not seen" in note for note in found.notes)
    assert found.verdict == "sick"


def needs_two_classes(predictions: Tensor, targets: Tensor) -> Tensor:
    positive, negative = predictions[targets == 1], predictions[targets == 0]
    return torch.relu(1 - positive[0] + negative).mean()


BINARY = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])


@pytest.mark.parametrize("how", ["example", "signature"])
def test_a_loss_that_raises_on_other_labels_is_sick_however_it_was_named(how: str) -> None:
    if how == "example":
        found = examine(needs_two_classes, normal(6), BINARY)
    else:
        found = losszoo.examine(needs_two_classes, signature="binary", effort=400, budget=LONG)
    (raised,) = [f for f in found.findings if f.symptom == "raises"]
    assert "IndexError" in raised.cause


def test_a_length_that_is_no_label_is_not_relabelled() -> None:
    """A loss may refuse lengths beyond its input as it likes: they are no legal input."""

    def loss(x: Tensor, lengths: Tensor) -> Tensor:
        return torch.stack([part.square().mean() for part in x.split(lengths.tolist())]).mean()

    found = examine(loss, normal(6), torch.tensor([1, 3, 2]))
    assert [f for f in found.findings if f.symptom == "raises"] == []


def raises(predictions: Tensor, targets: Tensor) -> Tensor:
    raise KeyError("alpha")


def nothing(predictions: Tensor, targets: Tensor) -> None:
    (predictions - targets).square().mean()


def number(predictions: Tensor, targets: Tensor) -> float:
    return (predictions - targets).square().mean().item()


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (raises, r"^raises must accept an ordinary input, and on binary it raises KeyError: 'alpha' \("),
        (nothing, r"^nothing: a loss must return a floating tensor, got None: nothing can be trained with it"),
        (number, r"^number: a loss must return a floating tensor, got a float: nothing can be trained with it"),
    ],
)
def test_a_fault_that_every_signature_shows_is_said_before_the_signature_is_asked_for(loss: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        losszoo.examine(loss)  # type: ignore[arg-type]


def test_a_detached_value_is_a_finding_whatever_the_signature() -> None:
    def detached(predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets).square().mean().detach()

    found = losszoo.examine(detached, effort=400, budget=LONG)
    assert any("detached" in finding.cause for finding in found.findings)


def test_an_input_that_no_memory_suffices_for_is_refused_before_it_is_tried_in_full() -> None:
    """Of 3000 rows a cube has 2.7e10 numbers; the first rows are measured, and the rest is foreseen."""

    def cube(x: Tensor) -> Tensor:
        return (x[:, None, None] * x[None, :, None] + x[None, None, :]).sigmoid().mean()

    found = examine(cube, normal(3000))
    assert any(note.startswith("the first 64 of 3000 rows are examined") for note in found.notes)
    assert found.findings == ()
