"""Wrong answers that no longer pull."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sick_losses import normal
from torch import Tensor

from losszoo.doctor.diagnosis.relaxed import Relaxed, is_epsilon
from losszoo.doctor.diagnosis.vanished_gradient import lost_pull, vanished, wrong_answers
from losszoo.doctor.effort import Effort
from losszoo.doctor.subject.subject import Subject, evaluate, make_subject
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import example_inputs

Loss = Callable[..., Tensor]


def of_signature(loss: Loss, signature: str, expects: str = "logits") -> Subject:
    row = TABLE[signature]
    return make_subject(loss, example_inputs(signature, expects=expects), row.arguments, signature, expects)


def chosen(p: Tensor, targets: Tensor) -> Tensor:
    return p.gather(1, targets[:, None]).squeeze(1)


def softmax_plus_eps(logits: Tensor, targets: Tensor) -> Tensor:
    return -torch.log(chosen(logits.softmax(1), targets) + 1e-8).mean()


def softmax_clamped(logits: Tensor, targets: Tensor) -> Tensor:
    return -torch.log(chosen(logits.softmax(1), targets).clamp(min=1e-7)).mean()


def softmax_floor(logits: Tensor, targets: Tensor) -> Tensor:
    return -torch.log(chosen(logits.softmax(1), targets).clamp_min(1e-7)).mean()


def sigmoid_plus_eps(predictions: Tensor, targets: Tensor) -> Tensor:
    p = predictions.sigmoid()
    return -(targets * torch.log(p + 1e-7) + (1 - targets) * torch.log(1 - p + 1e-7)).mean()


def eps_first(predictions: Tensor, targets: Tensor) -> Tensor:
    p = predictions.sigmoid()
    return -(targets * torch.log(1e-7 + p) + (1 - targets) * torch.log(1e-7 + (1 - p))).mean()


@pytest.mark.parametrize(
    ("loss", "signature", "op"),
    [
        (softmax_plus_eps, "multiclass", "add"),
        (softmax_clamped, "multiclass", "clamp"),
        (softmax_floor, "multiclass", "clamp_min"),
        # At 20 half of the rows still pull by a fiftieth; at 89 and beyond 1 - p is 0 in float64 too.
        (sigmoid_plus_eps, "binary", "add"),
        (eps_first, "binary", "add"),
    ],
)
def test_an_epsilon_that_takes_the_gradient(loss: Loss, signature: str, op: str) -> None:
    found = list(vanished(of_signature(loss, signature), Effort()))
    assert found
    assert {item.blame.site.op for item in found} == {op}
    assert all(item.blame.why == "swallowed" for item in found)
    assert all("wrong" in item.probe for item in found)


def test_the_pull_is_that_of_cross_entropy() -> None:
    logits, targets = torch.tensor([[0.0, 50.0]]), torch.tensor([0])
    subject = make_subject(softmax_plus_eps, (normal(1, 2), targets), ("logits", "targets"), "multiclass")
    # The slope of cross-entropy there is (-1, 1).
    assert lost_pull(subject, [logits, targets]) == pytest.approx(2**0.5, rel=1e-6)
    assert lost_pull(subject, [logits / 50, targets]) is None


def generalised(logits: Tensor, targets: Tensor) -> Tensor:
    return (1 - chosen(logits.softmax(1), targets)).mean()


def brier(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.sigmoid() - targets).square().mean()


def brier_with_eps(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions.sigmoid() - targets).square() + 1e-8).mean()


@pytest.mark.parametrize(
    ("loss", "signature"),
    [
        (generalised, "multiclass"),
        (brier, "binary"),
        (brier_with_eps, "binary"),
        (torch.nn.functional.cross_entropy, "multiclass"),
        (torch.nn.functional.binary_cross_entropy_with_logits, "binary"),
        (lambda logits, targets: torch.nn.functional.multi_margin_loss(logits, targets), "multiclass"),
    ],
)
def test_a_bounded_loss_has_not_lost_what_it_never_had(loss: Loss, signature: str) -> None:
    assert list(vanished(of_signature(loss, signature), Effort())) == []


def test_without_a_signature_and_of_probabilities_nothing_is_wrong() -> None:
    assert list(wrong_answers(of_signature(brier, "binary", "probabilities"))) == []
    labels = [probe.label for probe in wrong_answers(of_signature(softmax_plus_eps, "multiclass"))]
    assert labels == [f"saturated, wrong, by {size}" for size in ("20", "30", "89", "104", "10000")]


@pytest.mark.parametrize(
    ("func", "args", "kwargs", "answer"),
    [
        (Tensor.add, (torch.ones(2), 1e-8), {}, True),
        (Tensor.__radd__, (torch.ones(2), 1e-8), {}, True),
        (torch.add, (1e-8, torch.ones(2)), {}, True),
        (Tensor.clamp, (torch.ones(2),), {"min": 1e-7}, True),
        (Tensor.clamp, (torch.ones(2), 1e-7, 1.0), {}, True),
        (Tensor.add, (torch.ones(2), 1.0), {}, False),
        (Tensor.add, (torch.ones(2), torch.ones(2)), {}, False),
        (Tensor.add, (-torch.ones(2), 1e-8), {}, False),
        (Tensor.mul, (torch.ones(2), 1e-8), {}, False),
        (Tensor.clamp, (torch.ones(2),), {"min": 0}, False),
    ],
)
def test_what_counts_as_an_epsilon(func: object, args: tuple[object, ...], kwargs: object, answer: bool) -> None:
    assert is_epsilon(func, args, kwargs) is answer


def test_leaving_the_epsilon_out_gives_the_mathematics() -> None:
    subject = of_signature(softmax_plus_eps, "multiclass")
    logits, targets = torch.tensor([[0.0, 50.0]]), torch.tensor([0])
    bare = evaluate(subject, [logits, targets], torch.float64, mode=Relaxed(clamps=False))
    assert bare.total == pytest.approx(50.0, rel=1e-12)
    assert evaluate(subject, [logits, targets], torch.float64).total == pytest.approx(18.4206807, rel=1e-6)  # -log 1e-8
