"""An operation that gets probabilities for logits, or numbers for their logarithms, is found; its right use is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import binary, classes, normal, simplex, uniform
from silently import line_of, told
from torch import Tensor, nn

LOGITS, LABELS, BITS = normal(8, 5), classes(8, 5), binary(8, 5)
COUNTS = uniform(8, 5, low=0.0, high=6.0).round()


def softmax_twice(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(1)
    return F.cross_entropy(p, labels)


def softmax_module_twice(logits: Tensor, labels: Tensor) -> Tensor:
    p = nn.Softmax(dim=1)(logits)
    return nn.CrossEntropyLoss(label_smoothing=0.1)(p, labels)


def softmax_and_clamp(logits: Tensor, labels: Tensor) -> Tensor:
    p = torch.softmax(logits, dim=1)
    return F.cross_entropy(p.clamp(1e-7, 1 - 1e-7), labels)


def softmax_and_view(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(-1)
    return F.cross_entropy(p.reshape(-1, 5) + 1e-8, labels.flatten())


def sigmoid_before_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return F.cross_entropy(p, labels)


def log_softmax_of_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(1)
    return F.nll_loss(F.log_softmax(p, dim=1), labels)


def sigmoid_twice(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return F.binary_cross_entropy_with_logits(p, targets)


def sigmoid_by_hand_twice(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    return F.binary_cross_entropy(torch.sigmoid(p), targets)


def softmax_before_sigmoid(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.softmax(1)
    return nn.BCEWithLogitsLoss()(p, targets)


def in_a_network(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    p = network(inputs)
    return F.cross_entropy(p, labels)


torch.manual_seed(0)
NETWORK = nn.Sequential(nn.Linear(5, 5), nn.Softmax(dim=1))


@pytest.mark.parametrize(
    ("loss", "inputs", "op"),
    [
        (softmax_twice, (LOGITS, LABELS), "softmax"),
        (softmax_module_twice, (LOGITS, LABELS), "softmax"),
        (softmax_and_clamp, (LOGITS, LABELS), "softmax"),
        (softmax_and_view, (LOGITS, LABELS), "softmax"),
        (sigmoid_before_softmax, (LOGITS, LABELS), "sigmoid"),
        (log_softmax_of_softmax, (LOGITS, LABELS), "softmax"),
        (sigmoid_twice, (LOGITS, BITS), "sigmoid"),
        (sigmoid_by_hand_twice, (LOGITS, BITS), "sigmoid"),
        (softmax_before_sigmoid, (LOGITS, BITS), "softmax"),
        (in_a_network, (NETWORK, LOGITS, LABELS), "softmax"),
    ],
)
def test_an_activation_twice(loss: Callable[..., Any], inputs: tuple[Any, ...], op: str) -> None:
    (finding,) = told(loss, *inputs, symptom="misuse")
    assert (finding.op, finding.source) == (op, line_of(loss, "p = "))
    assert "makes probabilities" in finding.cause


def kl_of_probabilities(prediction: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(prediction, target, reduction="batchmean")


def kl_of_softmax(logits: Tensor, target: Tensor) -> Tensor:
    p = logits.softmax(1)
    return F.kl_div(p, target, reduction="sum")


def kl_of_hand_made(scores: Tensor, target: Tensor) -> Tensor:
    weights = scores.exp()
    return F.kl_div(weights / weights.sum(1, keepdim=True), target, reduction="batchmean")


def kl_of_log_target(logits: Tensor, other: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(1), other, reduction="batchmean", log_target=True)


def nll_of_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(1)
    return F.nll_loss(p, labels)


def nll_of_argument(probabilities: Tensor, labels: Tensor) -> Tensor:
    return nn.NLLLoss()(probabilities, labels)


def cross_entropy_of_argument(probabilities: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(probabilities, labels)


def rate_as_logarithm(log_rate: Tensor, counts: Tensor) -> Tensor:
    rate = torch.exp(log_rate)
    return F.poisson_nll_loss(rate, counts)


def kl_without_log_target(logits: Tensor, other: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(1), other.log_softmax(1), reduction="batchmean")


@pytest.mark.parametrize(
    ("loss", "inputs", "op", "remedy"),
    [
        (kl_of_probabilities, (simplex(8, 5), simplex(8, 5, seed=1)), "kl_div", "kl_div(prediction.log(), target"),
        (kl_of_softmax, (LOGITS, simplex(8, 5)), "kl_div", "torch.log_softmax(logits, 1)"),
        (kl_of_hand_made, (LOGITS, simplex(8, 5)), "kl_div", ".log()"),
        (kl_of_log_target, (LOGITS, simplex(8, 5)), "kl_div", "reduction='batchmean')"),
        (kl_without_log_target, (LOGITS, normal(8, 5, seed=1)), "kl_div", "log_target=True"),
        (nll_of_softmax, (LOGITS, LABELS), "nll_loss", "torch.log_softmax(logits, 1)"),
        (nll_of_argument, (simplex(8, 5), LABELS), "nll_loss", ".log()"),
        (cross_entropy_of_argument, (simplex(8, 5), LABELS), "cross_entropy", "probabilities.log()"),
        (rate_as_logarithm, (LOGITS, COUNTS), "poisson_nll_loss", "log_input=False"),
    ],
)
def test_the_wrong_input(loss: Callable[..., Any], inputs: tuple[Any, ...], op: str, remedy: str) -> None:
    (finding,) = told(loss, *inputs, symptom="misuse")
    assert (finding.op, finding.source) == (op, line_of(loss, "return"))
    assert remedy in finding.remedy
    assert finding.verified or op == "nll_loss"


def test_the_activation_is_left_out_as_tried() -> None:
    for loss in (softmax_twice, sigmoid_twice):
        (finding,) = told(loss, LOGITS, LABELS if loss is softmax_twice else BITS, symptom="misuse")
        assert finding.remedy.startswith("write logits instead of ")
        assert finding.verified


# Healthy.
def distilled(student: Tensor, teacher: Tensor) -> Tensor:
    return F.cross_entropy(student, teacher.softmax(1))


def distilled_kl(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="batchmean")


def distilled_log_kl(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)


def log_softmax_first(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.log_softmax(1), labels)


def log_of_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    return F.nll_loss((logits.softmax(1) + 1e-6).log(), labels)


def mixture(logits: Tensor, gates: Tensor, labels: Tensor) -> Tensor:
    p = (gates.softmax(0)[:, None, None] * torch.stack([logits, 2 * logits]).softmax(2)).sum(0)
    return F.nll_loss(p.log(), labels)


def bounded_logits(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(10 * torch.sigmoid(logits), labels)


def sharpened(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.softmax(1) / 0.05, labels)


def smooth_targets(logits: Tensor, others: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.sigmoid(others))


def ranknet(scores: Tensor, others: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores.sigmoid() - others.sigmoid(), torch.ones_like(scores))


def plain_bce(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(logits.sigmoid(), targets)


def gated(logits: Tensor, gates: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits * gates.sigmoid(), labels)


def attention(queries: Tensor, keys: Tensor, labels: Tensor) -> Tensor:
    weights = (torch.sigmoid(queries @ keys.T)).softmax(1)
    return F.cross_entropy(weights @ keys, labels)


def dual(scores: Tensor) -> Tensor:
    return -(scores.softmax(0) * scores.softmax(1)).diagonal().clamp(min=1e-6).log().mean()


def two_dims(scores: Tensor) -> Tensor:
    return -scores.softmax(0).softmax(1).diagonal().log().mean()


def cosine(embeddings: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(F.normalize(embeddings, dim=1) @ F.normalize(weights, dim=1).T * 16, labels)


def poisson(log_rate: Tensor, counts: Tensor) -> Tensor:
    return F.poisson_nll_loss(log_rate, counts)


def poisson_of_rate(log_rate: Tensor, counts: Tensor) -> Tensor:
    return F.poisson_nll_loss(log_rate.exp(), counts, log_input=False)


def intensity(intensities: Tensor, target: Tensor) -> Tensor:
    return F.kl_div((intensities.exp() + 0.1).log(), target, reduction="sum")


def sharpened_teacher(student: Tensor, teacher: Tensor) -> Tensor:
    return F.cross_entropy(student, (teacher.softmax(1) / 0.1).softmax(1))


CONTROLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (distilled, (LOGITS, normal(8, 5, seed=1))),
    (distilled_kl, (LOGITS, normal(8, 5, seed=1))),
    (distilled_log_kl, (LOGITS, normal(8, 5, seed=1))),
    (log_softmax_first, (LOGITS, LABELS)),
    (log_of_softmax, (LOGITS, LABELS)),
    (mixture, (LOGITS, normal(2), LABELS)),
    (bounded_logits, (LOGITS, LABELS)),
    (sharpened, (LOGITS, LABELS)),
    (smooth_targets, (LOGITS, normal(8, 5, seed=1))),
    (ranknet, (LOGITS, normal(8, 5, seed=1))),
    (plain_bce, (LOGITS, BITS)),
    (gated, (LOGITS, normal(8, 5, seed=1), LABELS)),
    (attention, (LOGITS, normal(8, 5, seed=1), LABELS)),
    (dual, (normal(5, 5),)),
    (two_dims, (normal(5, 5),)),
    (cosine, (LOGITS, normal(5, 5, seed=1), LABELS)),
    (poisson, (LOGITS, COUNTS)),
    (poisson_of_rate, (LOGITS, COUNTS)),
    (intensity, (LOGITS, uniform(8, 5))),
    (sharpened_teacher, (LOGITS, normal(8, 5, seed=1))),
    (cross_entropy_of_argument, (LOGITS, LABELS)),
    (cross_entropy_of_argument, (uniform(8, 5), LABELS)),
    (cross_entropy_of_argument, (F.one_hot(LABELS, 5).float(), LABELS)),
    (kl_of_probabilities, (LOGITS.log_softmax(1), simplex(8, 5))),
]


@pytest.mark.parametrize(("loss", "inputs"), CONTROLS)
def test_the_right_use_is_no_fault(loss: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    assert not told(loss, *inputs, symptom="misuse")
