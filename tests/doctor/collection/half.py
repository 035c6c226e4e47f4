"""Losses that are right in float32 and break in float16: sums past 65504, squares and eps that round to 0."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, binary, classes, normal, put, simplex, uniform


def total_over_count(predictions: Tensor, targets: Tensor) -> Tensor:
    return torch.abs(predictions - targets).sum() / predictions.numel()


def in_single(loss: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """The loss computed in float32, handed back in the dtype of the inputs."""
    return loss(*(tensor.to(torch.promote_types(tensor.dtype, torch.float32)) for tensor in tensors)).to(
        tensors[0].dtype
    )


class HalfDice(nn.Module):
    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, probabilities: Tensor, masks: Tensor) -> Tensor:
        overlap = (probabilities * masks).sum()
        total = probabilities.sum() + masks.sum()
        return 1 - (2 * overlap + self.smooth) / (total + self.smooth)


def root_mean_square(predictions: Tensor, targets: Tensor) -> Tensor:
    squares = (predictions - targets) ** 2
    return torch.sqrt(squares.mean() + 1e-4)


def cosine_with_eps(left: Tensor, right: Tensor, eps: float = 1e-8) -> Tensor:
    left = left / (left.norm(dim=-1, keepdim=True) + eps)
    right = right / (right.norm(dim=-1, keepdim=True) + eps)
    return (1 - (left * right).sum(dim=-1)).mean()


def log_with_eps(probabilities: Tensor, labels: Tensor, eps: float = 1e-8) -> Tensor:
    picked = probabilities.gather(1, labels[:, None])
    return -torch.log(picked + eps).mean()


def clamped_binary(probabilities: Tensor, targets: Tensor) -> Tensor:
    p = probabilities.clamp(1e-8, 1 - 1e-8)
    return -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()


def log_sum_exp(energies: Tensor, labels: Tensor) -> Tensor:
    free = torch.exp(energies).sum(dim=1).log()
    return (free - energies.gather(1, labels[:, None]).squeeze(1)).mean()


def small_vectors(left: Tensor, right: Tensor) -> Tensor:
    def direction(x: Tensor) -> Tensor:
        return x / torch.sqrt((x * x).sum(dim=1, keepdim=True))

    return (direction(left) - direction(right)).abs().sum(dim=1).mean()


def small_vectors_twin(left: Tensor, right: Tensor) -> Tensor:
    def loss(left: Tensor, right: Tensor) -> Tensor:
        return (F.normalize(left, dim=1, eps=1e-8) - F.normalize(right, dim=1, eps=1e-8)).abs().sum(1).mean()

    return in_single(loss, left, right)


def joint_probability(factors: Tensor) -> Tensor:
    return -torch.log(torch.prod(factors, dim=1)).mean()


def inverse_square_weights(probabilities: Tensor, masks: Tensor) -> Tensor:
    counts = masks.sum(dim=1)
    weights = 1 / (counts * counts)
    overlap = (weights * (probabilities * masks).sum(dim=1)).sum()
    return 1 - 2 * overlap / (weights * (probabilities + masks).sum(dim=1)).sum()


def dot_contrast(queries: Tensor, keys: Tensor) -> Tensor:
    similarities = queries @ keys.T
    return F.cross_entropy(similarities / queries.shape[1], torch.arange(len(queries)))


def additive_mask(logits: Tensor, allowed: Tensor, labels: Tensor) -> Tensor:
    """Forbidden classes get a very negative logit."""
    log_probabilities = F.log_softmax(logits + (~allowed).to(logits.dtype) * -1e9, dim=1)
    one_hot = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return -(one_hot * log_probabilities).sum(dim=1).mean()


def additive_mask_twin(logits: Tensor, allowed: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.masked_fill(~allowed, -1e4), labels)


def half_variance(features: Tensor) -> Tensor:
    """Features should have unit variance."""
    variance = (features**2).mean(dim=0) - features.mean(dim=0) ** 2
    return (variance - 1).abs().mean()


def masked_total(errors: Tensor, mask: Tensor) -> Tensor:
    return (errors * mask).sum() / (mask.sum() + 1e-6)


def large(value: float) -> Tensor:
    return torch.full((320, 320), value)


def pair(*shape: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    return normal(*shape, scale=scale), normal(*shape, seed=1, scale=scale)


HALF = {"dtype": "float16"}

CASES = [
    Case(
        "half-total-over-count",
        total_over_count,
        lambda: pair(8, 5),
        lambda: (large(2.0), large(0.5)),
        ("sum",),
        "inf-loss",
        lambda p, t: (p - t).abs().mean(),
        **HALF,
        about="the sum passes 65504, the mean is 1.5",
    ),
    Case(
        "half-dice",
        HalfDice(),
        lambda: (uniform(8, 8), binary(8, 8)),
        lambda: (large(0.9), large(1.0)),
        ("sum",),
        "nan-loss",
        lambda p, y: in_single(HalfDice(), p, y),
        **HALF,
        about="all sums pass 65504, inf / inf",
    ),
    Case(
        "half-root-mean-square",
        root_mean_square,
        lambda: pair(16),
        lambda: pair(16, scale=400),
        ("pow",),
        "inf-loss",
        lambda p, t: in_single(root_mean_square, p, t),
        **HALF,
        about="the squares pass 65504, the root is 500",
    ),
    Case(
        "half-cosine-eps",
        cosine_with_eps,
        lambda: pair(8, 5),
        lambda: (put(normal(8, 5), 0, 0.0), normal(8, 5, seed=1)),
        ("add",),
        "nan-loss",
        lambda a, b: in_single(lambda a, b: (1 - F.cosine_similarity(a, b, eps=1e-3)).mean(), a, b),
        **HALF,
        about="eps rounds to 0, 0 / 0",
    ),
    Case(
        "half-log-eps",
        log_with_eps,
        lambda: (simplex(8, 5), classes(8, 5)),
        lambda: (put(simplex(8, 5), 0, 0.0), classes(8, 5)),
        ("add",),
        "inf-loss",
        lambda p, y: -(p.gather(1, y[:, None]).clamp(min=1e-4)).log().mean(),
        **HALF,
        about="eps rounds to 0, log(0)",
    ),
    Case(
        "half-clamped-binary",
        clamped_binary,
        lambda: (uniform(8, 4), binary(8, 4)),
        lambda: (binary(8, 4), binary(8, 4)),
        ("clamp",),
        "nan-loss",
        lambda p, y: in_single(lambda p, y: F.binary_cross_entropy(p.clamp(1e-6, 1 - 1e-6), y), p, y.detach()),
        **HALF,
        about="both bounds of the clamp round to 0 and 1",
    ),
    Case(
        "half-log-sum-exp",
        log_sum_exp,
        lambda: (normal(8, 5), classes(8, 5)),
        lambda: (normal(8, 5, shift=14), classes(8, 5)),
        ("exp",),
        "inf-loss",
        lambda e, y: F.cross_entropy(e, y),
        **HALF,
        about="exp overflows past 11.09",
    ),
    Case(
        "half-small-vectors",
        small_vectors,
        lambda: pair(8, 5),
        lambda: pair(8, 5, scale=5e-5),
        ("mul",),
        "nan-loss",
        small_vectors_twin,
        **HALF,
        about="the squares underflow, division by 0, inf - inf",
    ),
    Case(
        "half-joint-probability",
        joint_probability,
        lambda: (uniform(6, 4),),
        lambda: (uniform(6, 24, high=0.3),),
        ("prod",),
        "inf-loss",
        lambda p: -p.log().sum(1).mean(),
        **HALF,
        about="the product passes below 6e-8",
    ),
    Case(
        "half-inverse-square",
        inverse_square_weights,
        lambda: (uniform(3, 40), binary(3, 40)),
        lambda: (uniform(3, 2000), binary(3, 2000)),
        ("mul",),
        "nan-loss",
        lambda p, y: in_single(inverse_square_weights, p, y),
        **HALF,
        about="a count of 1000 squared overflows, all weights are 0",
    ),
    Case(
        "half-dot-contrast",
        dot_contrast,
        lambda: pair(6, 32),
        lambda: pair(6, 32, scale=120),
        ("matmul", "mm"),
        "nan-loss",
        lambda q, k: F.cross_entropy((q / q.shape[1]) @ k.T, torch.arange(len(q))),
        **HALF,
        about="the products pass 65504 before they are scaled",
    ),
    Case(
        "half-additive-mask",
        additive_mask,
        lambda: (normal(8, 5), torch.ones(8, 5).bool(), classes(8, 5)),
        lambda: (normal(8, 5), put(torch.ones(8, 5).bool(), (slice(None), 4), False), classes(8, 4)),
        ("mul",),
        "nan-loss",
        additive_mask_twin,
        **HALF,
        about="-1e9 becomes -inf, then 0 * -inf",
    ),
    Case(
        "half-variance",
        half_variance,
        lambda: (normal(16, 4),),
        lambda: (normal(16, 4, shift=60.0),),
        ("sub",),
        "inaccurate",
        lambda x: (x.var(0, unbiased=False) - 1).abs().mean(),
        **HALF,
        about="the difference of two moments has no right digit left",
    ),
    Case(
        "half-masked-total",
        masked_total,
        lambda: (uniform(8, 8), binary(8, 8)),
        lambda: (large(0.25), large(1.0)),
        ("sum",),
        "inaccurate",
        lambda e, m: in_single(masked_total, e, m),
        **HALF,
        about="the count overflows to infinity, so the loss is 0",
    ),
]
