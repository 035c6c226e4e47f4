"""Whose fault a number is that is not finite."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sick_losses import log_of_softmax, normal, subject_of
from torch import Tensor
from torch.nn import functional as F

from losszoo.doctor.diagnosis.judge import Verdict, judge, scaled, smallest_failing, symptom_of
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import evaluate

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def verdict(loss: Callable[..., Tensor], *inputs: Tensor, dtype: torch.dtype = torch.float32) -> Verdict:
    usual = [x.clamp(-1, 1) if x.is_floating_point() else x for x in inputs]
    return judge(subject_of(loss, *usual), list(inputs), dtype)


@pytest.mark.parametrize(
    ("values", "gradient", "symptom"),
    [
        ([1.0], [1.0], None),
        ([torch.nan], [1.0], "nan-loss"),
        ([torch.inf], [torch.nan], "inf-loss"),
        ([torch.inf, torch.nan], [1.0], "nan-loss"),
        ([1.0], [-torch.inf], "inf-gradient"),
        ([1.0], [torch.inf, torch.nan], "nan-gradient"),
    ],
)
def test_symptoms_value_first_and_nan_first(values: list[float], gradient: list[float], symptom: str | None) -> None:
    assert symptom_of(Outcome(torch.tensor(values), (torch.tensor(gradient), None))) == symptom


def test_what_raises_has_no_symptom() -> None:
    assert symptom_of(Outcome(error=ValueError())) is None

    def refuses(x: Tensor) -> Tensor:
        if bool((x > 5).any()):
            raise ValueError("too large")
        return x.sum()

    answer = verdict(refuses, torch.full((3,), 7.0))
    assert isinstance(answer.error, ValueError)
    assert not answer.sick


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        # The square of 1e30 is 1e60, and the largest float32 is 3.4e38.
        (lambda x, y: ((x - y) ** 2).mean(), (torch.full((4,), 1e30), torch.zeros(4))),
        (lambda x: x.exp().mean(), (torch.full((4,), 100.0),)),
        (lambda x: x.cosh().log1p().exp().mean(), (torch.full((4,), 200.0),)),
        (lambda x: (1 / x**2).mean(), (torch.tensor([1e-30, 40.0]),)),
    ],
)
def test_a_value_beyond_the_dtype_is_no_fault(loss: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    answer = verdict(loss, *inputs)
    assert answer.symptom is not None
    assert answer.symptom.startswith("inf")
    assert answer.beyond
    assert not answer.sick


def test_a_true_infinity_is_no_fault() -> None:
    logits = normal(6, 3).index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(-torch.inf))
    answer = verdict(lambda logits, targets: F.cross_entropy(logits, targets), logits, LABELS)
    assert (answer.symptom, answer.infinite, answer.sick) == ("inf-loss", True, False)


def test_nan_of_an_excluded_logit_is_a_fault() -> None:
    logits = normal(6, 3).index_put((torch.tensor(0), torch.tensor(1)), torch.tensor(-torch.inf))
    hot = F.one_hot(LABELS, 3).float()
    answer = verdict(lambda x, y: -(y * x.log_softmax(1)).sum(1).mean(), logits, hot)
    assert (answer.symptom, answer.sick) == ("nan-loss", True)


def test_a_moderate_input_breaks_by_its_structure() -> None:
    x = torch.tensor([0.0, 2.0])
    answer = verdict(lambda x: (1 / x).mean(), x)
    assert (answer.symptom, answer.sick) == ("inf-loss", True)
    assert answer.leaves is not None
    assert torch.equal(answer.leaves[0], x)


def test_a_large_input_is_judged_at_the_smallest_size_that_fails() -> None:
    logits = torch.tensor([[5000.0, 0.0]])
    answer = judge(subject_of(log_of_softmax, logits / 5000, torch.tensor([1])), [logits, torch.tensor([1])])
    assert answer.sick
    assert answer.leaves is not None
    # exp(-x) rounds to 0 in float32 beyond ln 2^150 = 103.97, and is subnormal, flushed or not, from ln 2^126 = 87.3;
    # the search stops within 5 % beyond.
    assert 87.3 < answer.leaves[0].max().item() < 109.2
    # The true value there is x itself: float64 knows it.
    assert torch.isinf(evaluate(subject_of(log_of_softmax, *answer.leaves), answer.leaves).values)  # type: ignore[arg-type]


def test_the_smallest_failing_size_of_exp() -> None:
    subject = subject_of(lambda x: x.exp().mean(), torch.ones(3))
    found = smallest_failing(subject, [torch.tensor([1e4])], torch.float32, "inf-loss")
    # ln of the largest float32 is 88.7228; the search stops within 5 % beyond.
    assert 88.7 < found[0].item() < 93.2


def test_scaling_down_stops_at_what_is_moderate() -> None:
    small, large, labels = scaled([torch.tensor([0.5]), torch.tensor([100.0]), LABELS], 1e-6)
    assert (small.item(), large.item()) == (0.5, pytest.approx(10.0))
    assert labels is LABELS


def test_once_told_not_to_look_an_infinity_of_a_large_input_counts_as_beyond() -> None:
    subject = subject_of(log_of_softmax, normal(1, 2), torch.tensor([1]))
    leaves = [torch.tensor([[5000.0, 0.0]]), torch.tensor([1])]
    assert judge(subject, leaves).sick
    assert judge(subject, leaves, look_into_size=False).beyond


@pytest.mark.parametrize(
    ("loss", "sick"),
    [
        # 70,000 ones: their mean is 1, their sum is more than 65,504.
        (lambda x: x.sum() / x.numel(), True),
        (lambda x: x.sum(), False),
        (lambda x: x.mean(), False),
    ],
)
def test_an_overflow_in_float16_is_a_fault_where_the_true_value_fits(loss: Callable[..., Tensor], sick: bool) -> None:
    ones = torch.ones(70_000)
    assert judge(subject_of(loss, torch.ones(3)), [ones], torch.float16).sick is sick
    assert not judge(subject_of(loss, torch.ones(3)), [ones], torch.float32).sick


def test_what_breaks_in_float64_too_is_no_matter_of_half_precision() -> None:
    answer = verdict(lambda x: x.log().mean(), torch.zeros(3), dtype=torch.float16)
    assert not answer.sick


def test_a_gradient_alone_can_be_beyond() -> None:
    # At x = 20 the value, 1e19 * 20, fits; its slope there, once more times 1e20, does not.
    def steep(x: Tensor) -> Tensor:
        return torch.sin((x - 20) * 1e20).mean() * 1e20

    answer = verdict(steep, torch.full((2,), 20.0))
    assert (answer.symptom, answer.beyond, answer.sick) == ("inf-gradient", True, False)


def test_a_loss_that_float64_refuses_is_still_judged() -> None:
    """Scaled up it gives NaN in float32, and in float64 an error: there is no truth to compare with."""

    def picky(x: Tensor) -> Tensor:
        if x.dtype == torch.float64 and bool((x.abs() > 50).any()):
            raise RuntimeError("not in float64")
        return (x - x.clamp(max=50).detach()).mean() / (x.amax() < 50).float().mean() * 0

    subject = subject_of(picky, torch.linspace(-1, 1, 6))
    verdict = judge(subject, [torch.full((6,), 100.0)])
    assert verdict.symptom == "nan-loss"
    assert verdict.sick
