"""How far a loss goes, and where half precision ends."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from sick_losses import naive_softmax, normal, subject_of
from torch import Tensor
from torch.nn import functional as F

from losszoo.doctor.diagnosis.judge import judge
from losszoo.doctor.diagnosis.scale_sweep import SCALES, at_scale, strips
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.half_precision import enlarged, in_half
from losszoo.doctor.report.examination import Strip
from losszoo.doctor.report.wording import strip_reach
from losszoo.doctor.subject.input_kinds import leaves_of

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
UP = torch.tensor([1.0, -0.5, 0.25])
F32, F16 = torch.float32, torch.float16


def strip(loss: Callable[..., Tensor], *inputs: Tensor, dtype: torch.dtype = F32) -> Strip:
    (found,) = strips(subject_of(loss, *inputs), [dtype], Effort())
    return found


def test_exp_ends_at_the_logarithm_of_the_largest_float() -> None:
    found = strip(lambda x: x.exp().max(), UP)
    assert found.limit == pytest.approx(math.log(torch.finfo(F32).max), abs=0.1)  # 88.7
    assert found.what == "|x|"
    states = dict(zip(found.scales, found.states, strict=True))
    assert states[30.0] == "finite"
    assert states[100.0] == "beyond"  # exp(100) = 2.7e43 is true, and larger than the dtype


def test_naive_softmax_ends_there_too_but_is_at_fault() -> None:
    logits = torch.tensor([[1.0, -0.5, 0.25]]).repeat(6, 1)
    found = strip(naive_softmax, logits, LABELS)
    # The sum of three exponentials, the largest of which is e^x.
    assert found.limit == pytest.approx(88.7, abs=0.2)
    assert found.what == "|logits|"
    assert dict(zip(found.scales, found.states, strict=True))[100.0] == "non-finite"


def test_what_is_finite_everywhere_has_no_limit() -> None:
    found = strip(lambda logits, targets: F.cross_entropy(logits, targets), normal(6, 3), LABELS)
    assert found.limit is None
    assert set(found.states) == {"finite"}
    assert found.scales == SCALES


def test_what_is_never_finite_ends_at_zero() -> None:
    assert strip(lambda x: (x * torch.inf).mean(), UP).limit == 0.0


def test_a_square_ends_at_the_root_of_the_largest_float() -> None:
    found = strip(lambda x: x.square().max(), UP)
    assert found.limit == pytest.approx(math.sqrt(torch.finfo(F32).max), rel=0.01)  # 1.84e19


def test_float16_ends_earlier() -> None:
    found = strip(lambda x: x.square().max(), UP, dtype=F16)
    assert found.limit == pytest.approx(math.sqrt(65504), rel=0.01)  # 256
    assert found.dtype == "float16"
    assert max(found.scales) < 65504


def test_only_what_is_free_and_trained_is_scaled() -> None:
    subject = subject_of(lambda x, target: (x - target).square().mean(), normal(6), normal(6, seed=1))
    x, target = at_scale(subject, [leaves_of(subject)[0]], 100.0)
    assert x.abs().max().item() == pytest.approx(100.0)
    assert torch.equal(target, subject.leaves[1])
    assert strips(subject_of(lambda p: p.log().mean(), normal(6, 3).softmax(1)), [F32], Effort()) == []


def test_several_inputs_share_an_axis() -> None:
    (found,) = strips(subject_of(lambda a, b: (a * b).mean(), normal(6), normal(6, seed=1)), [F32], Effort())
    assert found.what == "|a, b|"


def test_a_scale_beyond_half_precision_does_not_overflow_on_the_way() -> None:
    subject = subject_of(lambda x: x.mean(), UP * 1e30)
    (x,) = at_scale(subject, leaves_of(subject), 1e-8)
    assert x.abs().max().item() == pytest.approx(1e-8)


def found_in(loss: Callable[..., Tensor], dtype: torch.dtype, *inputs: Tensor) -> list[str]:
    """Probes of the half precision search on which a loss is at fault."""
    subject = subject_of(loss, *inputs)
    return [
        probe.label for probe in enlarged(subject, torch.float16, print) if judge(subject, probe.leaves, dtype).sick
    ]


def mean_by_sum(x: Tensor) -> Tensor:
    return x.abs().sum() / x.numel()


def test_a_sum_that_overflows_is_found_only_in_float16() -> None:
    assert found_in(mean_by_sum, F16, normal(6, 4))[0].startswith("the batch repeated")
    assert found_in(mean_by_sum, F32, normal(6, 4)) == []
    assert found_in(mean_by_sum, torch.bfloat16, normal(6, 4)) == []


def test_a_mean_is_never_found() -> None:
    assert found_in(lambda x: x.abs().mean(), F16, normal(6, 4)) == []


def test_a_sum_whose_true_value_does_not_fit_is_no_fault() -> None:
    assert found_in(lambda x: x.abs().sum(), F16, normal(6, 4)) == []


def test_an_image_grows_in_its_later_dimensions() -> None:
    shapes = [p.leaves[0].shape for p in enlarged(subject_of(lambda x: x.mean(), normal(2, 1, 4, 4)), F16, print)]
    assert shapes[-1][:2] == (2, 1)
    assert shapes[-1][2] > 100


def test_an_input_is_enlarged_as_far_as_the_memory_is_foreseen_to_suffice() -> None:
    """Of N rows each loss makes tensors of N, N^2 and N^3 numbers; a billion bytes are the bound."""

    def cubes(x: Tensor) -> Tensor:
        return (x[:, None, None] * x[None, :, None] + x[None, None, :]).sigmoid().mean()

    def sizes(loss: Callable[..., Tensor]) -> list[int]:
        notes: list[str] = []
        found = [len(p.leaves[0]) for p in enlarged(subject_of(loss, normal(8)), F16, notes.append)]
        assert (loss is not cubes) or "no larger input was tried in float16: one of 512 numbers" in notes[0]
        return found

    assert sizes(lambda x: x.abs().mean()) == [64, 512, 4096, 32768, 262144]
    assert sizes(lambda x: (x[:, None] * x).mean()) == [64, 512, 4096]
    assert sizes(cubes) == [64]


def gaussian(y: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return (0.5 * torch.log(var) + 0.5 * (y - mean) ** 2 / var).mean()


def test_a_variance_is_swept_by_itself_down_to_where_it_breaks() -> None:
    mean = torch.tensor([2.0, -2.0] * 4)
    subject = subject_of(gaussian, torch.zeros(8), mean, torch.full((8,), 1.5))
    by_name = {found.what: found for found in strips(subject, [F32], Effort())}
    assert set(by_name) == {"|mean|", "var"}
    # The gradient is -0.5 * 2^2 / var^2 of a mean over 8: it leaves float32 at 0.25 / var^2 = 3.4e38.
    assert by_name["var"].floor == pytest.approx(math.sqrt(0.25 / torch.finfo(F32).max), rel=0.05)
    assert by_name["var"].limit is None
    assert strip_reach(by_name["var"]).startswith("finite from var = ")


def test_of_two_free_arguments_the_one_that_breaks_is_swept() -> None:
    def likelihood(y: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
        return (log_var + (y - mean).square() * torch.exp(-log_var)).mean()

    (found,) = strips(subject_of(likelihood, normal(8), normal(8, seed=1), normal(8, seed=2)), [F32], Effort())
    assert found.what == "|log_var|"
    assert found.limit == pytest.approx(math.log(torch.finfo(F32).max), abs=3)  # exp overflows at 88.7


def test_single_changes_are_tried_in_half_precision_and_are_bounded() -> None:
    subject = subject_of(lambda x, y: (x - y).mean(), normal(6, 3), normal(6, 3, seed=1))
    labels = [probe.label for probe in in_half(subject)]
    assert labels[0] == "ordinary input"
    assert 100 < len(labels) <= 401


@pytest.mark.parametrize("dtype", [F32, F16])
def test_a_loss_without_a_gradient_is_at_no_scale_finite(dtype: torch.dtype) -> None:
    """The letter of a finite cell says that its gradient is right; here there is none."""
    found = strip(lambda x: x.detach().square().mean(), torch.tensor([0.5, -1.0]), dtype=dtype)
    states = dict(zip(found.scales, found.states, strict=True))
    assert {states[scale] for scale in (1e-2, 1.0, 100.0)} == {"vanished"}
    assert "finite" not in found.states


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (lambda: bytearray(10**15), "out-of-memory"),
        (lambda: torch.empty(10**15), "out-of-memory"),
        (lambda: [][0], "raises"),
    ],
    ids=["outside torch", "torch", "an error"],
)
def test_an_input_without_an_answer_is_not_marked_as_nan(fault: Callable[[], object], state: str) -> None:
    """Of a petabyte, and of an index that is not there."""

    def loss(x: Tensor) -> Tensor:
        if x.abs().max() > 50:
            fault()
        return x.square().mean()

    found = strip(loss, UP)
    states = dict(zip(found.scales, found.states, strict=True))
    assert (states[30.0], states[100.0], states[1e30]) == ("finite", state, state)
    assert found.limit == pytest.approx(50, rel=0.01)
