"""Masks, ignored samples and missing targets: empty selections, and branches that are computed but not taken."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, binary, classes, normal, put, uniform


def masked_error(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    errors = (predictions - targets) ** 2
    return (errors * mask).sum() / mask.sum()


def masked_error_twin(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return ((predictions - targets) ** 2 * mask).sum() / mask.sum().clamp(min=1)


def selected_error(predictions: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    return torch.abs(predictions[valid] - targets[valid]).mean()


def selected_error_twin(predictions: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    return ((predictions - targets).abs() * valid).sum() / valid.sum().clamp(min=1)


class PixelCrossEntropy(nn.Module):
    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, ignore_index=self.ignore_index)


def pixel_twin(logits: Tensor, labels: Tensor) -> Tensor:
    total = F.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    return total / (labels != 255).sum().clamp(min=1)


def hard_examples(logits: Tensor, labels: Tensor, threshold: float = 0.3) -> Tensor:
    """Online hard example mining: easy samples are left out."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    kept = losses[losses > threshold]
    return kept.sum() / kept.numel()


def hard_examples_twin(logits: Tensor, labels: Tensor) -> Tensor:
    losses = F.cross_entropy(logits, labels, reduction="none")
    return (losses * (losses > 0.3)).sum() / (losses > 0.3).sum().clamp(min=1)


class TopShare(nn.Module):
    """The worst quarter of the batch."""

    def __init__(self, share: float = 0.25) -> None:
        super().__init__()
        self.share = share

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        losses = F.smooth_l1_loss(predictions, targets, reduction="none")
        worst, _ = torch.topk(losses, int(self.share * len(losses)))
        return worst.mean()


def top_share_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    losses = F.smooth_l1_loss(predictions, targets, reduction="none")
    return losses.topk(max(1, len(losses) // 4)).values.mean()


def x_log_x(activations: Tensor) -> Tensor:
    products = activations * torch.log(activations)
    return torch.where(activations > 0, products, torch.zeros_like(products)).sum(1).mean()


def x_log_x_twin(activations: Tensor) -> Tensor:
    above = activations > 0
    return torch.where(above, activations * torch.where(above, activations, 1.0).log(), 0.0).sum(1).mean()


def root_of_excess(scores: Tensor, threshold: float = 0.0) -> Tensor:
    excess = scores - threshold
    return torch.where(excess > 0, torch.sqrt(excess), torch.zeros_like(excess)).mean()


def root_of_excess_twin(scores: Tensor) -> Tensor:
    return torch.where(scores > 0, scores.clamp(min=1e-12).sqrt(), 0.0).mean()


def exponential_linear(residuals: Tensor) -> Tensor:
    return torch.where(residuals > 0, residuals, torch.exp(residuals) - 1).square().mean()


def missing_targets(predictions: Tensor, targets: Tensor) -> Tensor:
    errors = (predictions - targets) ** 2
    errors = torch.where(torch.isnan(targets), torch.zeros_like(errors), errors)
    return errors.mean()


def missing_targets_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    known = ~torch.isnan(targets)
    return torch.where(known, predictions - torch.where(known, targets, 0.0), 0.0).square().mean()


def missing_times_zero(predictions: Tensor, targets: Tensor) -> Tensor:
    known = (~torch.isnan(targets)).float()
    errors = F.l1_loss(predictions, targets, reduction="none") * known
    return errors.sum() / known.sum().clamp(min=1)


def missing_times_zero_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    known = ~torch.isnan(targets)
    errors = torch.where(known, predictions - torch.where(known, targets, 0.0), 0.0).abs()
    return errors.sum() / known.sum().clamp(min=1)


def padded_residuals(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Padding may hold anything: the mask removes it."""
    squares = (predictions - targets).pow(2)
    return (squares * mask).mean()


def padded_residuals_twin(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask > 0, predictions - targets, 0.0).square().mean()


class AttentionCoverage(nn.Module):
    """Attention over the allowed keys should be even."""

    def forward(self, scores: Tensor, allowed: Tensor) -> Tensor:
        weights = torch.softmax(scores.masked_fill(~allowed, float("-inf")), dim=-1)
        return (weights**2).sum(dim=-1).mean()


def attention_coverage_twin(scores: Tensor, allowed: Tensor) -> Tensor:
    used = allowed.any(-1, keepdim=True)
    weights = scores.masked_fill(~allowed & used, float("-inf")).softmax(-1)
    return torch.where(used, weights**2, 0.0).sum(-1).mean()


def classwise_error(predictions: Tensor, targets: Tensor, labels: Tensor, count: int = 3) -> Tensor:
    errors = (predictions - targets).abs()
    sums = torch.zeros(count, dtype=errors.dtype).index_add(0, labels, errors)
    return (sums / torch.bincount(labels, minlength=count)).mean()


def classwise_twin(predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    sums = torch.zeros(3, dtype=predictions.dtype).index_add(0, labels, (predictions - targets).abs())
    return (sums / torch.bincount(labels, minlength=3).clamp(min=1)).mean()


def two(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape), normal(*shape, seed=1)


def some(*shape: int) -> Tensor:
    return binary(*shape).bool()


CASES = [
    Case(
        "masked-error-empty",
        masked_error,
        lambda: (*two(8, 5), binary(8, 5)),
        lambda: (*two(8, 5), torch.zeros(8, 5)),
        ("div",),
        "nan-loss",
        masked_error_twin,
        about="an empty mask: 0 / 0",
    ),
    Case(
        "selected-error-empty",
        selected_error,
        lambda: (*two(8, 5), some(8, 5)),
        lambda: (*two(8, 5), torch.zeros(8, 5).bool()),
        ("mean",),
        "nan-loss",
        selected_error_twin,
        about="the mean of nothing",
    ),
    Case(
        "pixels-all-ignored",
        PixelCrossEntropy(),
        lambda: (normal(2, 4, 6), classes(12, 4).reshape(2, 6)),
        lambda: (normal(2, 4, 6), torch.full((2, 6), 255)),
        ("nll_loss", "cross_entropy", "div", "mean"),
        "nan-loss",
        pixel_twin,
        about="the mean over no pixel at all",
    ),
    Case(
        "hard-examples-none",
        hard_examples,
        lambda: (normal(8, 5), classes(8, 5)),
        lambda: (20 * F.one_hot(classes(8, 5), 5).float(), classes(8, 5)),
        ("div",),
        "nan-loss",
        hard_examples_twin,
        about="no sample is hard enough: 0 / 0",
    ),
    Case(
        "worst-quarter-of-few",
        TopShare(),
        lambda: two(16),
        lambda: two(2),
        ("mean",),
        "nan-loss",
        top_share_twin,
        about="a quarter of a small batch is no sample: the mean of nothing",
    ),
    Case(
        "where-x-log-x",
        x_log_x,
        lambda: (uniform(6, 5),),
        lambda: (put(uniform(6, 5), 0, 0.0),),
        ("log", "where", "mul"),
        "nan-gradient",
        x_log_x_twin,
        about="where hides the value, not the gradient of log(0)",
    ),
    Case(
        "where-root",
        root_of_excess,
        lambda: (uniform(6, 5),),
        lambda: (normal(6, 5),),
        ("sqrt", "where"),
        "nan-gradient",
        root_of_excess_twin,
        about="where hides the value, not the gradient of the root of a negative number",
    ),
    Case(
        "where-exponential",
        exponential_linear,
        lambda: (normal(20),),
        lambda: (normal(20, scale=200),),
        ("exp",),
        "nan-gradient",
        lambda r: torch.where(r > 0, r, r.clamp(max=0).expm1()).square().mean(),
        about="exp overflows in the branch that is not taken",
    ),
    Case(
        "missing-targets-where",
        missing_targets,
        lambda: two(8, 3),
        lambda: (normal(8, 3), put(normal(8, 3, seed=1), 0, float("nan"))),
        ("sub", "pow", "where", "mul"),
        "nan-gradient",
        missing_targets_twin,
        about="NaN targets are masked after the square",
    ),
    Case(
        "missing-targets-product",
        missing_times_zero,
        lambda: two(8, 3),
        lambda: (normal(8, 3), put(normal(8, 3, seed=1), 0, float("nan"))),
        ("mul", "sub", "l1_loss"),
        "nan-loss",
        missing_times_zero_twin,
        about="NaN * 0 is NaN",
    ),
    Case(
        "padded-residuals",
        padded_residuals,
        lambda: (*two(8, 5), binary(8, 5)),
        lambda: (torch.where(binary(8, 5) > 0, normal(8, 5), 1e20), normal(8, 5, seed=1), binary(8, 5)),
        ("pow", "mul"),
        "nan-loss",
        padded_residuals_twin,
        about="1e20 squared overflows, inf * 0",
    ),
    Case(
        "attention-nothing-allowed",
        AttentionCoverage(),
        lambda: (normal(6, 5), some(6, 5)),
        lambda: (normal(6, 5), put(some(6, 5), 0, False)),
        ("softmax",),
        "nan-loss",
        attention_coverage_twin,
        about="softmax of a row of -inf",
    ),
    Case(
        "classwise-absent",
        classwise_error,
        lambda: (*two(9), classes(9)),
        lambda: (*two(9), classes(9, 2)),
        ("div",),
        "nan-loss",
        classwise_twin,
        about="0 / 0 for an absent class",
    ),
]
