"""A function or module of one's own gets the whole contract, or is refused with its rule."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import losszoo
from losszoo import UsageError

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0], [1.0, 1.0, 1.0], [-2.0, 4.0, 0.0]])
LABELS = torch.tensor([0, 2, 1, 1])


def squared(predictions: Tensor, targets: Tensor, *, power: float = 2.0) -> Tensor:
    return (predictions - targets).abs() ** power


class Reduced(nn.Module):
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets)


def test_a_function_of_ones_own_gets_the_whole_contract() -> None:
    loss = losszoo.create(squared, signature="regression", power=3.0, reduction="sum")
    assert loss(torch.tensor([2.0, 1.0]), torch.zeros(2), mask=torch.tensor([True, False])) == 8


def test_a_module_of_ones_own_that_reduces_is_taken_as_it_is() -> None:
    loss = losszoo.create(Reduced(), signature="multiclass")
    torch.testing.assert_close(loss(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))
    assert loss(LOGITS.half(), LABELS).dtype == torch.float32
    with pytest.raises(UsageError, match="weight must be left out, as this loss returns one number"):
        loss(LOGITS, LABELS, weight=torch.ones(4))


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (
            lambda predictions, targets: 3.0,
            "must return a floating point tensor, got something of type float",
        ),
        (
            lambda predictions, targets: predictions > 0,
            "must return a floating point tensor, got a tensor of torch.bool",
        ),
    ],
)
def test_a_loss_of_ones_own_that_returns_no_loss(thing: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create(thing, signature="regression")(LOGITS, LOGITS)


@pytest.mark.parametrize(
    ("thing", "params", "message"),
    [
        (3, {}, "a loss must be a name, an expression, a target .*, got 3 of type int; losszoo list shows"),
        (None, {}, "a loss must be a name, .*, got None; losszoo list shows"),
        ([], {}, r"a loss must be a name, .*, got \[\] of type list; losszoo list shows"),
        (lambda a, b: a, {}, r"signature of <lambda> must be given, got the arguments \(a, b\), those of no signature"),
        (lambda embeddings, labels: embeddings, {"margin": 1}, "has no parameter 'margin'"),
    ],
)
def test_what_cannot_be_made_is_refused(thing: object, params: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create(thing, **params)


class NeedsArgument(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return embeddings.sum(1) * self.width


def test_a_module_class_is_made_with_the_parameters() -> None:
    assert losszoo.create(NeedsArgument, width=2)(torch.ones(3, 2), torch.zeros(3).long()) == 4
    with pytest.raises(
        UsageError, match=r"cannot be made with \(\): .*width.*pass arguments as NeedsArgument\(key=value\)"
    ):
        losszoo.create(NeedsArgument)


def test_a_loss_that_changes_its_inputs_is_refused() -> None:
    def spoils(logits: Tensor, targets: Tensor) -> Tensor:
        targets.fill_(0)
        return F.cross_entropy(logits, targets)

    with pytest.raises(UsageError, match="must leave its inputs as they are, got one that was changed in place"):
        losszoo.create(spoils, signature="multiclass")(LOGITS, LABELS.clone())


def test_what_a_loss_that_reduces_by_itself_cannot_do() -> None:
    with pytest.raises(UsageError, match="reduction='none' must be left out"):
        losszoo.create(Reduced(), signature="multiclass", reduction="none")(LOGITS, LABELS)
    with pytest.raises(UsageError, match="denominator must be left out"):
        losszoo.create(Reduced(), signature="multiclass")(LOGITS, LABELS, denominator=3)


def test_parameters_for_a_module_that_is_made_already() -> None:
    with pytest.raises(UsageError, match=r"made already, must be left out, got width; .*pass the class"):
        losszoo.create(NeedsArgument(2), signature="embedding", width=3)


def test_a_loss_that_reduces_by_itself_knows_the_empty_policy() -> None:
    empty = torch.zeros(0, 3, requires_grad=True), torch.zeros(0).long()
    assert losszoo.create(Reduced(), signature="multiclass")(*empty) == 0
    assert losszoo.create(Reduced(), signature="multiclass", empty="nan")(*empty).isnan()
    with pytest.raises(UsageError, match="reduction='sum' must be left out"):
        losszoo.create(Reduced(), signature="multiclass", reduction="sum")(LOGITS, LABELS)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: losszoo.Unreduced(x, torch.ones(2)), r"counts must have the shape of the values, \(4, 3\)"),
        (lambda x: losszoo.Unreduced(x, [1.0]), "counts must have the shape of the values"),
        (
            lambda x: losszoo.Unreduced([1.0]),
            "must return a floating point tensor, got something of type list",
        ),
    ],
)
def test_unreduced_values_and_counts_are_checked(answer: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create(lambda predictions, targets: answer(predictions), signature="regression")(LOGITS, LOGITS)
