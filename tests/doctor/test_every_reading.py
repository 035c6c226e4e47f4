"""What depends on a guess of the arguments is a note that says so; what every reading shows is a finding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import losszoo

LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def notes_and_verdict(loss: Callable[..., Any]) -> tuple[str, str]:
    found = losszoo.examine(loss, effort=6000)
    return found.verdict, " | ".join(found.notes)


# Healthy, for what they are called with -------------------------------------------------------------------------


def matthews(y_pred: Tensor, y_true: Tensor) -> Tensor:
    p, t = y_pred.flatten(), y_true.flatten()
    tp, tn = (p * t).sum() + 1e-5, ((1 - p) * (1 - t)).sum() + 1e-5
    fp, fn = (p * (1 - t)).sum() + 1e-5, ((1 - p) * t).sum() + 1e-5
    return 1 - (tp * tn - fp * fn) / torch.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def cosine_of_areas(y_pred: Tensor, y_true: Tensor) -> Tensor:
    return 1 - (y_pred * y_true).sum() / torch.sqrt((y_pred.sum() + 1e-3) * (y_true.sum() + 1e-3))


def gamma_deviance(eta: Tensor, y: Tensor) -> Tensor:
    return (eta + y * torch.exp(-eta)).mean()


def inverse_gaussian(eta: Tensor, y: Tensor) -> Tensor:
    return (y * torch.exp(-2 * eta) / 2 - torch.exp(-eta)).mean()


def tweedie(eta: Tensor, y: Tensor) -> Tensor:
    return (torch.exp(0.5 * eta) / 0.5 + y * torch.exp(-0.5 * eta) / 0.5).mean()


def hardest_pixels(inp: Tensor, target: Tensor) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(inp, target, reduction="none").mean(1).reshape(-1)
    return torch.topk(losses, int(losses.numel() * 0.2 + 0.5))[0].mean()


@pytest.mark.parametrize(
    "loss",
    [matthews, cosine_of_areas, gamma_deviance, inverse_gaussian, tweedie, hardest_pixels],
    ids=lambda f: f.__name__,
)
def test_what_only_one_reading_shows_is_a_note(loss: Callable[..., Any]) -> None:
    verdict, notes = notes_and_verdict(loss)
    assert verdict == "healthy", notes
    assert "which the loss accepts too: --example tells which it is" in notes


def test_a_healthy_loss_is_called_with_no_other_shapes() -> None:
    seen = set[int]()

    def watched(prediction: Tensor, target: Tensor) -> Tensor:
        seen.add(prediction[0].numel())
        return (prediction - target).abs().mean()

    assert notes_and_verdict(watched)[0] == "healthy"
    assert max(seen) < 100


# Sick in every reading -------------------------------------------------------------------------------------------


def log_of_softmax(y_pred: Tensor, y_true: Tensor) -> Tensor:
    return -(y_true * torch.log(torch.softmax(y_pred, -1))).sum(-1).mean()


def rate(eta: Tensor, y: Tensor) -> Tensor:
    return ((1 / (1 + torch.exp(-eta)) - y) ** 2).mean() - (torch.log(1 / (1 + torch.exp(-eta)))).mean()


def distance(y_pred: Tensor, y_true: Tensor) -> Tensor:
    return torch.sqrt(((y_pred - y_true) ** 2).sum(-1)).mean()


def relative(y_pred: Tensor, y_true: Tensor) -> Tensor:
    return ((y_pred - y_true).abs() / y_true.abs()).mean()


@pytest.mark.parametrize("loss", [log_of_softmax, rate, distance, relative], ids=lambda f: f.__name__)
def test_what_every_reading_shows_is_a_finding(loss: Callable[..., Any]) -> None:
    assert notes_and_verdict(loss)[0] == "sick"


# Classes that are excluded by -inf ------------------------------------------------------------------------------


def with_entropy(logits: Tensor, y: Tensor) -> Tensor:
    logs = logits.log_softmax(1)
    return F.nll_loss(logs, y) + 0.1 * (logs.exp() * logs).sum(1).mean()


def with_confidence(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels) + 0.1 * (logits.softmax(1) * logits).sum(1).mean()


def far_from_uniform(scores: Tensor, labels: Tensor) -> Tensor:
    logs = scores.log_softmax(-1)
    return F.nll_loss(logs, labels) + 0.1 * (logs.exp() * (logs + math.log(scores.shape[1]))).sum(-1).mean()


def ordinary() -> tuple[Tensor, Tensor]:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), LABELS


def with_an_excluded_class() -> tuple[Tensor, Tensor]:
    logits, labels = ordinary()
    return logits.index_put((torch.tensor(0), torch.tensor(1)), torch.tensor(-torch.inf)), labels


@pytest.mark.parametrize("loss", [with_entropy, with_confidence, far_from_uniform], ids=lambda f: f.__name__)
@pytest.mark.parametrize("example", [ordinary, None], ids=["example", "no help"])
def test_excluded_classes_of_which_nobody_speaks_are_a_note(loss: Callable[..., Any], example: Any) -> None:
    found = losszoo.examine(loss, example=example, effort=6000)
    assert found.verdict == "healthy"
    assert sum("only if classes are excluded by -inf" in note for note in found.notes) == 1


def test_excluded_classes_in_the_example_are_a_fault() -> None:
    assert losszoo.examine(with_entropy, example=with_an_excluded_class, effort=6000).verdict == "sick"
