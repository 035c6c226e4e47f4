"""Losses that each break a rule of the suite, with what is said of them; and one that breaks none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from losszoo import Loss, Unreduced, UsageError, pairwise, softmax_row
from losszoo.losses.configured_loss import LossInfo


def sound(predictions: Tensor, targets: Tensor) -> Tensor:
    """What most of the others would be, were they not broken."""
    return (predictions - targets).square()


def log_of_a_difference(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).log()


def constant(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions, targets).detach() + 0 * predictions


def log_of_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.softmax(1).log().gather(1, targets.unsqueeze(1)).squeeze(1)


def half_detached(predictions: Tensor, targets: Tensor) -> Tensor:
    error = predictions - targets
    return error * error.detach()


def of_flat_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.log_softmax(1)[torch.arange(len(targets)), targets]


def over_the_last_dimension(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.log_softmax(-1).gather(1, targets.unsqueeze(1)).squeeze(1)


def always_ignoring(logits: Tensor, targets: Tensor, *, ignore_index: int = -100) -> Tensor:
    """Takes an option and does nothing with it but to stay within the classes."""
    labels = targets.clamp(0, logits.shape[1] - 1) if not targets.is_floating_point() else targets.argmax(1)
    return -logits.log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1).nan_to_num()


def reduced(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions, targets).mean()


class DeafToReduction(Loss):
    """Makes itself, so that no reduction that is asked for reaches it."""

    def __init__(self) -> None:
        super().__init__(sound, LossInfo("deaf", "regression"))


def by_the_batch(predictions: Tensor, targets: Tensor) -> Tensor:
    error = sound(predictions, targets)
    return error / (1 + error.mean())


def by_the_place(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions, targets) * torch.arange(1.0, len(targets) + 1)


def in_need_of_samples(predictions: Tensor, targets: Tensor) -> Tensor:
    error = sound(predictions, targets)
    return error - 0 * error.max()


@pairwise()
def over_the_rows(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return -(logits.softmax(0) * positive).sum(1)


@softmax_row()
def above_the_mean(odds: Tensor) -> Tensor:
    return odds - odds.mean()


def deaf_to_mask(logits: Tensor, targets: Tensor, *, mask: Tensor | None = None) -> Tensor:
    return (logits.sigmoid() - targets).square().mean((2, 3))


class Bare(Loss):
    """Overrides the contract's forward, and with it checks, masks and precision."""

    def __init__(self) -> None:
        super().__init__(sound, LossInfo("bare", "regression"))

    def forward(self, predictions: Tensor, targets: Tensor, **how: Any) -> Tensor:
        rows = (predictions - targets).unsqueeze(0)
        return (rows @ rows.mT).squeeze() / rows.numel()


class Misnaming(Loss):
    """Says the name of the argument in its text, and that of another one to programs."""

    def __init__(self) -> None:
        super().__init__(sound, LossInfo("misnaming", "regression"))

    def forward(self, *inputs: Any, **how: Any) -> Tensor:
        try:
            return super().forward(*inputs, **how)
        except UsageError as error:
            raise UsageError("weight must be right, got what is not", argument="mask") from error


def always_double(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions, targets).double()


def always_single(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions.float(), targets.float())


def scribbling(predictions: Tensor, targets: Tensor) -> Tensor:
    error = sound(predictions, targets)
    targets.data.zero_()  # the count of changes in place does not see it
    return error


def of_contiguous(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions.view(-1), targets.view(-1)).view(predictions.shape)


def random(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(predictions, targets) * (1 + torch.rand(()))


_LAST: list[Tensor] = []


def remembering(predictions: Tensor, targets: Tensor) -> Tensor:
    _LAST[:] = [predictions]
    return sound(predictions, targets)


class Remembering(nn.Module):
    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        self.last = sound(predictions, targets).detach()
        return sound(predictions, targets)


class Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return sound(predictions, targets)


class Unregistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.ones((), requires_grad=True)

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return sound(predictions, targets) * self.scale


class Forgetful(nn.Module):
    """Its scale does not come back from the state as it went in."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return sound(predictions, targets) * self.scale

    def get_extra_state(self) -> Tensor:
        return torch.zeros(())

    def set_extra_state(self, state: Tensor) -> None:
        self.scale.data.fill_(1.0)


def with_item(predictions: Tensor, targets: Tensor) -> Tensor:
    error = sound(predictions, targets)
    return error if error.sum().item() >= 0 else -error


def with_a_branch_on_the_mask(logits: Tensor, targets: Tensor, *, mask: Tensor | None = None) -> Unreduced:
    kept = torch.ones_like(logits) if mask is None or bool(mask.all()) else mask.to(logits.dtype)
    return Unreduced((logits.sigmoid() - targets).square() * kept, kept)


class _Uphill(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


def wrong_sign(predictions: Tensor, targets: Tensor) -> Tensor:
    return sound(_Uphill.apply(predictions), targets)


def ascending(predictions: Tensor, targets: Tensor) -> Tensor:
    return -sound(predictions, targets)


def growing(parameters: list[Tensor]) -> Tensor:
    return -torch.stack([x.square().sum() for x in parameters]).sum()


def swallowing(predictions: Tensor, targets: Tensor, **options: Any) -> Tensor:
    return sound(predictions, targets)


def divided(predictions: Tensor, targets: Tensor, *, scale: float = 1.0) -> Tensor:
    return sound(predictions, targets) / scale


anonymous: Callable[..., Tensor] = lambda predictions, targets: sound(predictions, targets)  # noqa: E731


# The name under which a test announces the function above.
ANNOUNCED = "ill-announced"


@dataclass(frozen=True)
class Case:
    """A broken loss, the rule that it breaks, and a regular expression that the error matches."""

    check: str
    target: Any
    said: str
    signature: str | None = "regression"

    def __str__(self) -> str:
        return f"{self.check}[{getattr(self.target, '__name__', self.target)}]"


def _multiclass(check: str, target: Any, said: str) -> Case:
    return Case(check, target, said, "multiclass")


def _segmentation(check: str, target: Any, said: str) -> Case:
    return Case(check, target, said, "segmentation")


def _rows(check: str, target: Any, said: str) -> Case:
    return Case(check, target, said, "embedding")


CASES = (
    Case("check_ordinary_batch", log_of_a_difference, "value and gradient must be finite, got value=nan"),
    Case("check_ordinary_batch", constant, "gradient must not be zero everywhere, got .*detach"),
    _multiclass(
        "check_battery",
        log_of_softmax,
        "must be finite, got the value 0 and nan in the gradient on 'saturated, .*' .and the like on",
    ),
    Case("check_gradcheck", half_detached, "finite differences.*Jacobian mismatch"),
    _multiclass("check_more_dimensions", of_flat_logits, "further dimensions.*Got "),
    _multiclass("check_more_dimensions", over_the_last_dimension, r"values of inputs \(3, 3, 2\) must be those of"),
    Case(
        "check_unreduced",
        DeafToReduction,
        r"must return unreduced values, got the shape \(\) with reduction='none'; drop",
    ),
    Case(
        "check_unreduced", reduced, "must return unreduced values, got the error .* returns one number.*drop the mean"
    ),
    Case("check_sum_and_mean", DeafToReduction, "a mean must be the sum over the count, got "),
    Case("check_weight_two", by_the_batch, "weight 2 must be the sample twice, got "),
    Case("check_weight_zero", by_the_batch, "weight 0 must be absence, got "),
    Case("check_micro_batches", by_the_batch, "the sum over the parts must be the whole, got "),
    Case("check_permutation", by_the_place, "a shuffled batch must be that of the batch, got "),
    Case("check_no_sample", in_need_of_samples, "without samples.*Got .*max"),
    _rows("check_rows_independent", over_the_rows, "values of some rows must be those of the same rows among others"),
    _rows("check_rows_independent", above_the_mean, "among others, got 0 and .*over dimension 1 only"),
    Case("check_masked_sample", by_the_batch, "with a masked sample must be that without it, got "),
    _segmentation("check_masked_sample", deaf_to_mask, "with a masked sample must be that without it.*take a keyword"),
    Case("check_masked_element", Bare, "the value with another number under the mask must be that without"),
    Case("check_nan_under_mask", Bare, "the value with NaN under the mask must be that without, got nan"),
    _segmentation("check_everything_masked", deaf_to_mask, "must be 0 with a zero gradient .*got value=0"),
    Case("check_half_precision", always_double, "must be torch.float32 for torch.float16 inputs, got torch"),
    Case("check_double", always_single, "must be torch.float64 for float64 inputs, got torch.float32"),
    Case("check_autocast", Bare, "must be torch.float32 for autocast, got torch.bfloat16"),
    Case("check_inputs_untouched", scribbling, "must not change its inputs, got .*work on a copy"),
    Case("check_strides", of_contiguous, "not contiguous.*Got .*view"),
    Case("check_repeatable", random, "a second call must be that of the first, got .*random"),
    Case("check_keeps_nothing", remembering, "must keep no tensor after the call, got 1;"),
    Case("check_keeps_nothing", Remembering, "must keep no tensor after the call, got 1;"),
    Case("check_deepcopy", Locked, "can be copied and pickled, got the error TypeError: cannot pickle .*lock"),
    Case("check_pickle", anonymous, "can be copied and pickled, got the error .*lambda"),
    Case("check_state_dict", Unregistered, "learned must be a parameter, got function.scale as a plain tensor"),
    Case("check_state_dict", Forgetful, "after loading the state must be that before, got "),
    Case("check_compile", with_item, "same value and gradient. Got .*item"),
    _segmentation("check_compile_masked", with_a_branch_on_the_mask, "takes a mask and a weight, too. Got "),
    Case("check_descent", wrong_sign, "ten steps must lower the loss, got .* before, .* after"),
    Case("check_learning", ascending, "ten steps must raise minus the mean error, got "),
    Case("check_shrinking", growing, "ten steps must lower the sum of squares, got ", "penalty"),
    Case("check_wrong_shapes", Bare, r"inputs \(one too many\) must be refused .*got the error TypeError"),
    Case("check_wrong_numbers", Bare, r"targets \(a target of NaN\) must be refused .*got no error"),
    Case("check_wrong_weights", Bare, r"weight \(a list\) must be refused .*got no error"),
    Case("check_wrong_weights", Misnaming, r"weight \(a list\) must be refused .* of mask; leave"),
    Case("check_wrong_options", swallowing, r"no_such_parameter \(an unknown one\) .* got no error; name every"),
    Case("check_announced_parameters", ANNOUNCED, r"parameters must be \{'scale': 1.0\}, got ", None),
    Case("check_legal_options", ANNOUNCED, "wherever a parameter is legal, got the value inf with scale=0.0", None),
    _multiclass("check_signature_options", always_ignoring, "the mean must be the same"),
)
