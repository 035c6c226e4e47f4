"""Right answers that cost as much as wrong ones, and rectifiers that take the gradient of a whole row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal, simplex, uniform
from examining import examine
from silently import line_of
from torch import Tensor

from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.effort import Effort
from losszoo.doctor.silent.answers.flat_answer import look_for_flat_answers
from losszoo.doctor.silent.gradients.dead_rectifier import look_for_dead_rectifiers
from losszoo.doctor.subject.resolve import subjects_of

Loss = Callable[..., Tensor]
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731
_BITS: Inputs = lambda: (normal(8, 4), binary(8, 4))  # noqa: E731
_ONE_HOT: Inputs = lambda: (normal(8, 5), F.one_hot(classes(8, 5), 5).float())  # noqa: E731


def failures_of(check: Callable[..., None], loss: Loss, inputs: Inputs) -> list[Any]:
    ((_, subject),) = subjects_of(loss, None, None, inputs, 0)
    search = Search(Effort())
    check(subject, search)
    return list(search.failures.values())


def self_adjusting(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.softmax(1).gather(1, targets[:, None])
    weighted = (1 - p) * p
    return (1 - (2 * weighted + 1) / (weighted + 2)).mean()


def self_adjusting_bits(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    right = targets * p + (1 - targets) * (1 - p)
    easy = right * (1 - right)
    return (0.5 - easy * right.sqrt()).mean()


def focal_without_logarithm(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    return (1 - 4 * (1 - p) ** 2 * p).mean()


@pytest.mark.parametrize(
    ("loss", "inputs", "text"),
    [
        (self_adjusting, _PICK, "weighted = "),
        (self_adjusting_bits, _BITS, "easy ="),
        (focal_without_logarithm, _PICK, "return"),
    ],
)
def test_a_right_answer_that_costs_as_much_as_a_wrong_one_is_told(loss: Loss, inputs: Inputs, text: str) -> None:
    (found,) = failures_of(look_for_flat_answers, loss, inputs)
    assert found.symptom == "misuse"
    assert found.site.source == line_of(loss, text)
    assert "as much as a wrong one" in found.said[0]


def test_a_flat_answer_is_a_finding_of_the_examination() -> None:
    found = examine(self_adjusting, *_PICK(), effort=2000).findings
    assert [(f.symptom, f.op, f.verified) for f in found] == [("misuse", "mul", None)]


def brier(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.softmax(1) - F.one_hot(labels, 5)).square().sum(1).mean()


def entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Doubt is asked for, whatever the label."""
    logs = logits.log_softmax(1)
    return (logs.exp() * logs).sum(1).mean() + 0 * labels.sum()


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, label_smoothing=0.3)


def confidence_penalty(logits: Tensor, labels: Tensor) -> Tensor:
    logs = logits.log_softmax(1)
    return F.cross_entropy(logits, labels) + 0.5 * (logs.exp() * logs).sum(1).mean()


def unlikely(logits: Tensor, labels: Tensor) -> Tensor:
    return -torch.log1p(-logits.softmax(1).gather(1, labels[:, None]) * 0.999).mean()


def soft_dice(logits: Tensor, bits: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (1 - (2 * (p * bits).sum(1) + 1) / (p.sum(1) + bits.sum(1) + 1)).mean()


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    return F.multi_margin_loss(logits, labels)


def focal(logits: Tensor, bits: Tensor) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, bits, reduction="none")
    return ((1 - torch.exp(-losses)) ** 2 * losses).mean()


def together(features: Tensor, labels: Tensor) -> Tensor:
    """Labels are groups: a feature has no right column."""
    same = (labels[:, None] == labels).float()
    near = torch.exp(-torch.cdist(features, features).square())
    return (near - same).square().mean()


def generalized(logits: Tensor, labels: Tensor) -> Tensor:
    return ((1 - logits.softmax(1).gather(1, labels[:, None]) ** 0.7) / 0.7).mean()


def periodic(logits: Tensor, bits: Tensor) -> Tensor:
    return (1 - torch.cos(logits.sigmoid() * torch.pi - bits * torch.pi)).mean()


def exponential(scores: Tensor, bits: Tensor) -> Tensor:
    return torch.exp(-(2 * bits - 1) * scores).mean()


def squared(logits: Tensor, bits: Tensor) -> Tensor:
    return (logits - bits).square().mean()


def ramp(logits: Tensor, bits: Tensor) -> Tensor:
    return (1 - (2 * bits - 1) * logits).clamp(0, 2).mean()


def shares(logits: Tensor, bits: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(1), bits / bits.sum(1, keepdim=True).clamp(min=1), reduction="batchmean")


FLAT_HEALTHY: list[tuple[Loss, Inputs]] = [
    *((loss, _PICK) for loss in (brier, entropy, smoothed, confidence_penalty, unlikely, margins, together)),
    *((loss, _BITS) for loss in (soft_dice, focal, periodic, exponential, squared, ramp, shares)),
    (generalized, _PICK),
]


@pytest.mark.parametrize(("loss", "inputs"), FLAT_HEALTHY)
def test_a_loss_that_knows_right_from_wrong_is_left_alone(loss: Loss, inputs: Inputs) -> None:
    assert failures_of(look_for_flat_answers, loss, inputs) == []


def evidential(outputs: Tensor, targets: Tensor) -> Tensor:
    alpha = F.relu(outputs) + 1
    return (targets * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1).mean()


def evidential_by_clamp(outputs: Tensor, labels: Tensor) -> Tensor:
    alpha = outputs.clamp(min=0) + 1
    p = alpha / alpha.sum(1, keepdim=True)
    return (p - F.one_hot(labels, 5)).square().sum(1).mean()


def rectified_scores(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(torch.relu(logits), labels)


@pytest.mark.parametrize(
    ("loss", "inputs", "text"),
    [
        (evidential, _ONE_HOT, "F.relu"),
        (evidential_by_clamp, _PICK, "clamp"),
        (rectified_scores, _PICK, "torch.relu"),
    ],
)
def test_a_rectifier_of_a_classifiers_outputs_is_told(loss: Loss, inputs: Inputs, text: str) -> None:
    (found,) = failures_of(look_for_dead_rectifiers, loss, inputs)
    assert found.symptom == "vanished-gradient"
    assert found.site.source == line_of(loss, text)
    assert "no gradient below 0" in found.said[0]


def test_a_rectifier_is_told_once_and_not_noted_beside() -> None:
    told = examine(evidential, *_ONE_HOT(), effort=3000)
    assert [f.op for f in told.findings] == ["relu"]
    assert not any("may be meant" in note for note in told.notes)


def softplus_evidence(outputs: Tensor, targets: Tensor) -> Tensor:
    alpha = F.softplus(outputs) + 1
    return (targets * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1).mean()


def leaky(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(F.leaky_relu(outputs), targets)


def hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    right = outputs.gather(1, labels[:, None])
    return (1 + outputs - right).clamp(min=0).sum(1).mean() - 1


def squared_hinge(outputs: Tensor, bits: Tensor) -> Tensor:
    return F.relu(1 - (2 * bits - 1) * outputs).square().mean()


def penalty(outputs: Tensor, labels: Tensor) -> Tensor:
    """Too large outputs cost something beside the loss."""
    return F.cross_entropy(outputs, labels) + 0.01 * F.relu(outputs).sum(1).mean()


def penalty_alone(outputs: Tensor, bits: Tensor) -> Tensor:
    return (F.relu(outputs) * (1 - bits)).mean()


def logarithmic_errors(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(torch.log1p(F.relu(predictions)), torch.log1p(targets))


def rectified_features(features: Tensor, labels: Tensor) -> Tensor:
    z = F.normalize(F.relu(features) + 0.1, dim=1)
    same = (labels[:, None] == labels).float()
    return ((z @ z.T) - same).square().mean()


def distilled(student: Tensor, teacher: Tensor) -> Tensor:
    return (F.relu(student) - F.relu(teacher)).square().mean()


def relu_of_positive(rates: Tensor, shares: Tensor) -> Tensor:
    alpha = F.relu(rates) + 1
    p = alpha / alpha.sum(1, keepdim=True)
    return (p - shares).square().sum(1).mean()


def straight_through(outputs: Tensor, labels: Tensor) -> Tensor:
    kept = outputs + (F.relu(outputs) - outputs).detach()
    return F.cross_entropy(kept, labels)


def crelu(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(F.relu(outputs) - F.relu(-outputs), labels)


def bounded(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(outputs.clamp(-50, 50), labels)


def elu(outputs: Tensor, targets: Tensor) -> Tensor:
    alpha = F.elu(outputs) + 2
    return (targets * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1).mean()


def skip(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(outputs + F.relu(outputs), labels)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        *((loss, _ONE_HOT) for loss in (softplus_evidence, elu)),
        *((loss, _PICK) for loss in (leaky, hinge, penalty, straight_through, crelu, bounded, skip)),
        *((loss, _BITS) for loss in (squared_hinge, penalty_alone)),
        (logarithmic_errors, lambda: (normal(8, 3), uniform(8, 3))),
        (rectified_features, _PICK),
        (distilled, lambda: (normal(8, 5), normal(8, 5, seed=1))),
        (relu_of_positive, lambda: (uniform(8, 5), simplex(8, 5))),
    ],
)
def test_a_rectifier_that_is_meant_is_left_alone(loss: Loss, inputs: Inputs) -> None:
    assert failures_of(look_for_dead_rectifiers, loss, inputs) == []
