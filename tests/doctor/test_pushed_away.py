"""Wrong answers that no longer pull, found from an example alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal, uniform
from examining import examine
from healthy_silent import VANISHING
from silently import line_of
from torch import Tensor

from losszoo.doctor.diagnosis.pushed_away import vanished_when_pushed
from losszoo.doctor.effort import Effort
from losszoo.doctor.report.examination import Finding
from losszoo.doctor.subject.resolve import subjects_of

Loss = Callable[..., Tensor]
SOME = 4000


def clamped(mean: Tensor, log_scale: Tensor, observed: Tensor) -> Tensor:
    inside = log_scale.clamp(-4, 1.5)
    return (0.5 * ((observed - mean) / inside.exp()) ** 2 + inside).mean()


def clamped_above(mean: Tensor, spread: Tensor, observed: Tensor) -> Tensor:
    inside = torch.clamp_max(spread, 3.0)
    return (0.5 * (observed - mean) ** 2 * torch.exp(-inside) + 0.5 * inside).mean()


def clamped_part(outputs: Tensor, observed: Tensor) -> Tensor:
    mean, log_scale = outputs.chunk(2, dim=1)
    inside = torch.clamp(2 * log_scale, min=-5.0, max=5.0)
    return ((observed - mean).abs() * torch.exp(-inside) + inside).mean()


def bounded_answers(predictions: Tensor, targets: Tensor) -> Tensor:
    return (F.hardtanh(predictions, -3.0, 3.0) - targets).square().mean()


_THREE: Inputs = lambda: (normal(8, 3), normal(8, 3, seed=1), normal(8, 3, seed=2))  # noqa: E731
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731
_BITS: Inputs = lambda: (normal(8, 4), binary(8, 4))  # noqa: E731


@pytest.mark.parametrize(
    ("loss", "inputs", "op"),
    [
        (clamped, _THREE, "clamp"),
        (clamped_above, _THREE, "clamp_max"),
        (clamped_part, lambda: (normal(8, 6), normal(8, 3, seed=2)), "clamp"),
        (bounded_answers, lambda: (normal(12), normal(12, seed=1)), "hardtanh"),
    ],
)
def test_a_clamp_of_an_input_takes_its_gradient(loss: Loss, inputs: Inputs, op: str) -> None:
    found = vanished_in(loss, inputs)
    assert found.op == op
    assert "has no gradient" in found.cause
    assert found.verified
    assert "detach()" in found.remedy


def test_the_remedy_of_a_clamp_lets_descent_lead_back() -> None:
    mean, far, observed = normal(8, 3), torch.full((8, 3), 9.0), normal(8, 3, seed=2)

    def mended(mean: Tensor, log_scale: Tensor, observed: Tensor) -> Tensor:
        inside = log_scale + (torch.clamp(log_scale, -4, 1.5) - log_scale).detach()
        return (0.5 * ((observed - mean) / inside.exp()) ** 2 + inside).mean()

    for loss, pulls in ((clamped, False), (mended, True)):
        scale = far.clone().requires_grad_()
        loss(mean, scale, observed).backward()
        assert scale.grad is not None
        assert bool((scale.grad > 0).any()) is pulls


def picked(p: Tensor, labels: Tensor) -> Tensor:
    return p.gather(1, labels[:, None])


def plus_eps(scores: Tensor, wanted: Tensor) -> Tensor:
    return -torch.log(picked(scores.softmax(1), wanted) + 1e-8).mean()


def folded(scores: Tensor, wanted: Tensor) -> Tensor:
    return -torch.log(0.999 * picked(scores.softmax(1), wanted) + 0.001).mean()


def eps_in_a_tensor(scores: Tensor, wanted: Tensor) -> Tensor:
    eps = torch.tensor(1e-7, dtype=scores.dtype)
    return -torch.log(torch.maximum(picked(scores.softmax(1), wanted), eps)).mean()


def clamped_both_ways(scores: Tensor, bits: Tensor) -> Tensor:
    p = torch.sigmoid(scores).clamp(1e-6, 1 - 1e-6)
    return -(bits * torch.log(p) + (1 - bits) * torch.log(1 - p)).mean()


def below_one(scores: Tensor, bits: Tensor) -> Tensor:
    wrong = (scores.sigmoid() - bits).abs()
    return -torch.log(1 - wrong.clamp(max=0.99999)).mean()


def focal_with_eps(scores: Tensor, bits: Tensor) -> Tensor:
    p = scores.sigmoid()
    right = bits * p + (1 - bits) * (1 - p)
    return (-((1 - right) ** 2) * torch.log(right + 1e-6)).mean()


def contrast_with_eps(scores: Tensor, wanted: Tensor) -> Tensor:
    weights = scores.exp()
    return -torch.log(picked(weights, wanted) / (weights.sum(1, keepdim=True) + 1e-8) + 1e-5).mean()


@pytest.mark.parametrize(
    ("loss", "inputs", "op"),
    [
        (plus_eps, _PICK, "add"),
        (folded, _PICK, "add"),
        (plus_eps, lambda: (uniform(8, 5), classes(8, 5)), "add"),
        (eps_in_a_tensor, _PICK, "maximum"),
        (clamped_both_ways, _BITS, "clamp"),
        (below_one, _BITS, "clamp"),
        (focal_with_eps, _BITS, "add"),
        (contrast_with_eps, _PICK, "add"),
    ],
)
def test_an_epsilon_in_a_logarithm_takes_the_gradient(loss: Loss, inputs: Inputs, op: str) -> None:
    found = vanished_in(loss, inputs)
    assert found.op == op
    assert "not corrected" in found.cause


def fused(scores: Tensor, bits: Tensor) -> Tensor:
    return F.binary_cross_entropy(torch.sigmoid(scores), bits)


def by_tanh(scores: Tensor, bits: Tensor) -> Tensor:
    p = (torch.tanh(scores / 2) + 1) / 2
    return F.binary_cross_entropy(p, bits)


@pytest.mark.parametrize(("loss", "op"), [(fused, "sigmoid"), (by_tanh, "tanh")])
def test_a_saturated_unit_takes_the_gradient(loss: Loss, op: str) -> None:
    (failure,) = pushed(loss, _BITS)[0]
    assert failure.blame is not None
    assert failure.blame.site.op == op
    assert failure.blame.why == "saturated"


@pytest.mark.parametrize(("loss", "inputs"), [item[1:] for item in VANISHING], ids=[item[0] for item in VANISHING])
def test_what_is_bounded_on_purpose_is_left_alone(loss: Loss, inputs: Inputs) -> None:
    assert pushed(loss, inputs)[0] == []


def test_a_clamp_that_only_keeps_exp_finite_is_a_note() -> None:
    loss, inputs = next(item[1:] for item in VANISHING if item[0] == "far-clamp")
    assert any("below -30 or above 20" in note for note in pushed(loss, inputs)[1])


def test_an_example_at_its_minimum_says_nothing() -> None:
    assert pushed(plus_eps, lambda: (1e3 * F.one_hot(torch.arange(5), 5).float(), torch.arange(5)))[0] == []


def vanished_in(loss: Loss, inputs: Inputs) -> Finding:
    found = examine(loss, *inputs(), effort=SOME).findings
    return next(finding for finding in found if finding.symptom == "vanished-gradient")


def pushed(loss: Loss, inputs: Inputs) -> tuple[list[Any], list[str]]:
    notes: list[str] = []
    ((_, subject),) = subjects_of(loss, None, None, inputs, 0)
    return list(vanished_when_pushed(subject, Effort(), notes.append)), notes


def test_an_epsilon_beside_a_large_number_is_not_blamed_for_another() -> None:
    """The sum up to all classes is 1 or more, and what is left of it may be 0: only the second epsilon swallows."""

    def survival(scores: Tensor, durations: Tensor) -> Tensor:
        sums = (scores - scores.amax(1, keepdim=True).detach()).exp().cumsum(1)
        whole = torch.log(sums[:, -1].relu() + 1e-7)
        rest = (sums[:, -1] - sums.gather(1, durations[:, None])[:, 0]).relu()
        return (whole - torch.log(rest + 1e-7)).mean()

    lines = {f.source for f in examine(survival, normal(8, 5), classes(8, 4), effort=SOME).findings}
    assert line_of(survival, "rest + 1e-7") in lines
    assert line_of(survival, "whole =") not in lines
