"""The culprit, not the victim, with the line of the file that it stands in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import sick_losses
import torch
from sick_losses import SICK, Sick, blamed, culprit_line, normal, subject_of
from torch import Tensor
from torch.nn import functional as F

import losszoo
from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.causes import cause_of
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.registry.import_target import resolve

# torch warns of the deviation of one sample.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def found(failure: Failure) -> tuple[str, str | None]:
    assert failure.blame is not None
    return failure.blame.site.op, failure.blame.site.source


@pytest.mark.parametrize("sick", SICK, ids=lambda sick: sick.name)
def test_operation_symptom_and_line(sick: Sick) -> None:
    failure = sick.failure()
    assert failure.symptom == sick.symptom
    assert found(failure) == (sick.op, culprit_line(sick.loss))


def test_the_victim_is_kept_beside_the_culprit() -> None:
    (sick,) = [sick for sick in SICK if sick.loss is sick_losses.log_of_softmax]
    why = sick.failure().blame
    assert why is not None
    assert (why.site.op, why.victim.site.op, why.why, why.backward) == ("softmax", "log", "underflow", False)
    assert "underflows to 0 in float32, and log at sick_losses.py" in cause_of(why, "inf-loss")


def test_a_cancellation_is_called_one() -> None:
    (sick,) = [sick for sick in SICK if sick.loss is sick_losses.expanded_distance]
    why = sick.failure().blame
    assert why is not None
    assert (why.why, why.victim.site.op) == ("cancellation", "sqrt")


def test_a_backward_failure_is_blamed_on_its_forward_line() -> None:
    (sick,) = [sick for sick in SICK if sick.loss is sick_losses.root_of_squares]
    why = sick.failure().blame
    assert why is not None
    assert why.backward
    assert "a guard on the loss alone does not see it" in cause_of(why, "nan-gradient")


def test_nothing_is_blamed_where_all_is_finite() -> None:
    subject = subject_of(sick_losses.angle, torch.zeros(2, 3), torch.ones(2, 3))
    assert blame(subject, subject.leaves, torch.float32) is None


def test_an_epsilon_that_rounds_away_in_float16() -> None:
    def relative(x: Tensor, scale: Tensor) -> Tensor:
        # 1e-8 is below the smallest float16, 6e-8.
        guarded = scale + 1e-8
        return (x / guarded).mean()

    subject = subject_of(relative, torch.ones(4), torch.ones(4))
    why = blamed(subject, [torch.zeros(4), torch.zeros(4)], torch.float16)
    assert (why.site.op, why.why) == ("add", "rounding")
    assert why.site.code == "guarded = scale + 1e-8"
    assert cause_of(why, "nan-loss") == "the constant 1e-08 rounds away in float16"


def test_a_nan_target_is_blamed_on_the_arithmetic_that_it_spoils() -> None:
    target = torch.tensor([1.0, torch.nan, 2.0])
    subject = subject_of(sick_losses.masked_regression, torch.ones(3), torch.ones(3))
    why = blamed(subject, [torch.ones(3), target])
    # The slope of a square is 2 x: 0 from the where meets NaN from the residual.
    assert why.site.op == "pow"
    assert why.backward


def test_the_line_is_the_users_where_a_target_is_loaded_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "my_loss.py"
    file.write_text(
        "import torch\n"
        "\n"
        "\n"
        "def helper(x):\n"
        "    return x.sqrt()\n"
        "\n"
        "\n"
        "def loss(x):\n"
        "    y = (\n"
        "        x * 2\n"
        "    )\n"
        "    return helper(y).mean()\n"
    )
    why = blamed(subject_of(resolve(f"{file}:loss"), torch.ones(3)), [torch.zeros(3)])
    assert (why.site.op, why.site.source, why.site.code) == ("sqrt", "my_loss.py:5", "return x.sqrt()")


def test_the_line_is_the_users_where_torch_is_in_between() -> None:
    def pairs(a: Tensor, b: Tensor) -> Tensor:
        return torch.nn.functional.kl_div(a.log(), b, reduction="batchmean")

    why = blamed(subject_of(pairs, torch.ones(3, 2) / 2, torch.ones(3, 2) / 2), [torch.zeros(3, 2), torch.ones(3, 2)])
    assert why.site.op == "log"
    assert why.site.source is not None
    assert why.site.source.startswith("test_blame.py:")


def test_a_deliberate_infinity_is_not_blamed() -> None:
    def attention(x: Tensor, mask: Tensor) -> Tensor:
        scores = x.masked_fill(mask == 0, -torch.inf)
        return scores.softmax(1).square().sum()

    subject = subject_of(attention, torch.zeros(2, 3), torch.ones(2, 3))
    assert blamed(subject, [torch.zeros(2, 3), torch.zeros(2, 3)]).site.op == "softmax"


def test_learned_parameters_are_watched_too() -> None:
    class Temperature(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.scale.sqrt()).mean()

    assert blamed(subject_of(Temperature(), torch.ones(3)), [torch.ones(3)]).site.op == "sqrt"


def test_in_place_operations_are_watched() -> None:
    def writes(x: Tensor) -> Tensor:
        y = x.clone()
        y.log_()
        return y.mean()

    assert blamed(subject_of(writes, torch.ones(3)), [torch.zeros(3)]).site.op == "log"


@pytest.mark.parametrize(
    ("loss", "value", "words"),
    [
        (lambda x: torch.log(x).mean(), 0.0, "the logarithm of 0"),
        (lambda x: torch.log(x).mean(), -2.0, "log of a negative number, -2"),
        (lambda x: torch.rsqrt(x).mean(), 0.0, "1 over the root of 0"),
        (lambda x: (x / x).mean(), 0.0, "0 / 0: the denominator is 0, and so is the numerator"),
        (lambda x: (1 / x).mean(), 0.0, "1 over 0|division by 0"),
        (
            lambda x: torch.exp(x).mean(),
            100.0,
            "exp overflows: its largest argument is 100, and the largest float32 is",
        ),
        (
            lambda x: torch.acos(x).mean(),
            2.0,
            "acos is not defined for all of its arguments, which lie between 2 and 2",
        ),
        (lambda x: torch.acos(x).mean(), 1.0, "the gradient of acos is infinite at -1 and 1"),
        (lambda x: (x - x).mean(), torch.inf, "sub of infinities"),
        (lambda x: x[:0].mean(), 1.0, "mean of an empty tensor is not defined"),
        (lambda x: (x * torch.full_like(x, torch.inf)).mean(), 0.0, "mul of infinities: inf - inf, 0 * inf"),
        (lambda x: (x**0.5).mean(), -1.0, "pow is not defined for all of its arguments"),
        (lambda x: F.pairwise_distance(x, -x).mean(), 1e19, "pairwise_distance gives an infinity: its arguments lie"),
        (lambda x: (x**2 * 1e-38).mean(), 1e30, "pow overflows: its largest argument is 1e+30"),
        (lambda x: (1.0 / x.clamp(max=1e-25)).mean() * 1e-20, 1.0, "of div overflows|of recip"),
        (lambda x: (torch.exp(x) / torch.exp(x + 5)).mean(), 100.0, "exp overflows: its largest argument is"),
        (lambda x: torch.exp(x).clamp(max=9).mean(), 100.0, "the derivative of exp is infinite there too, and 0 * inf"),
        (lambda x: torch.where(x > 1, 0.0 * x, torch.exp(x)).mean(), 100.0, "exp overflows: its largest argument is"),
    ],
)
def test_causes_in_words(loss: object, value: float, words: str) -> None:
    subject = subject_of(loss, torch.full((4,), 0.5))  # type: ignore[arg-type]
    sentence = cause_of(blamed(subject, [torch.full((4,), value)]), "inf-gradient")
    assert any(word in sentence for word in words.split("|"))


@pytest.mark.parametrize("cast", [lambda p: p.float(), lambda p: p.contiguous(), lambda p: p.to(p.dtype)])
def test_a_cast_that_changes_nothing_does_not_hide_the_culprit(cast: Callable[[Tensor], Tensor]) -> None:
    def loss(x: Tensor) -> Tensor:
        return -torch.log(cast(torch.softmax(x, 1))[:, 0]).mean()

    assert blamed(subject_of(loss, normal(2, 3)), [torch.tensor([[0.0, 200.0]])]).site.op == "softmax"


def test_what_rearranges_an_infinity_of_the_input_is_not_blamed() -> None:
    def differences(x: Tensor) -> Tensor:
        turned = x.flip(0)
        return (x - turned).square().mean()

    assert blamed(subject_of(differences, torch.zeros(4)), [torch.full((4,), -torch.inf)]).site.op == "sub"


def test_a_failure_that_torch_does_not_show() -> None:
    assert "none of the recorded torch operations" in cause_of(None, "nan-loss")


@functools.singledispatch
def logarithm(x: object) -> Tensor:
    raise NotImplementedError


logarithm.register(Tensor, torch.log)


def handed_on(predictions: Tensor, targets: Tensor) -> Tensor:
    return (logarithm(predictions - predictions) * targets).mean()


def test_a_line_of_python_itself_is_nobodys() -> None:
    """It is functools that calls log, and its line says nothing of the loss."""
    finding = losszoo.examine(handed_on, signature="regression", effort=500).findings[0]
    assert (finding.op, finding.source) == ("log", f"test_blame.py:{handed_on.__code__.co_firstlineno + 1}")
