"""For each remedy of the table a loss that needs it, and the value of the cured loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sick_losses import normal, uniform
from torch import Tensor
from torch.nn import functional as F

from losszoo.doctor.remedies import table
from losszoo.doctor.remedies.writing import Remedy

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
HOT = F.one_hot(LABELS, 3).float()
NONE = torch.zeros(6)
SOME = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
REGULAR = torch.eye(3) * 2 + normal(3, 3).abs() / 10
IGNORED = torch.full((6,), -100)


@dataclass(frozen=True)
class Cure:
    """A remedy, a loss that needs it, and the value that the cured loss must have there."""

    op: str
    remedy: Remedy
    loss: Callable[..., Tensor]
    ordinary: tuple[Any, ...]
    failing: tuple[Any, ...]
    value: float | None = None
    dtype: torch.dtype = torch.float32

    @property
    def name(self) -> str:
        return f"{self.op}-{self.remedy.name}"


def rows(x: Tensor) -> Tensor:
    """With the rows summed, then the mean."""
    return x.sum(1).mean()


NOWHERE = torch.zeros(6, 3)
SYMMETRIC = REGULAR + REGULAR.mT


def procrustes(a: Tensor, b: Tensor) -> Tensor:
    """How far points are from others, turned as well as they can be."""
    u, _, v = torch.linalg.svd(a.mT @ b)
    return (a @ (u @ v) - b).square().sum()


def first_vectors(x: Tensor) -> Tensor:
    u, _, v = torch.linalg.svd(x)
    return (u[:, 0] * v[0]).sum()


def turned_back(x: Tensor) -> Tensor:
    """Of an orthogonal matrix this is 0 wherever it points."""
    vectors = torch.linalg.eigh(x)[1]
    return (vectors @ vectors.mT - torch.eye(3, dtype=x.dtype)).sum()


CURES = [
    # 200 below the largest of three logits: the loss is log(1 + 2 e^-200 ...) = 200.
    Cure(
        "log",
        table.LOG_SPACE,
        lambda x: -torch.log(x.softmax(1)[:, 0]).mean(),
        (normal(6, 3),),
        (torch.tensor([[0.0, 200.0, 0.0]]),),
        200.0,
    ),
    Cure(
        "log2",
        table.LOG_SPACE,
        lambda x: -torch.log2(x.sigmoid()).mean(),
        (normal(6),),
        (torch.full((6,), -200.0),),
        200 / math.log(2),
    ),
    Cure(
        "log10",
        table.LOG_SPACE,
        lambda x: -torch.log10(x.softmax(1)[:, 0]).mean(),
        (normal(6, 3),),
        (torch.tensor([[0.0, 200.0, 0.0]]),),
        200 / math.log(10),
    ),
    # 2^-23 is the epsilon of float32, 2^-126 its smallest normal number.
    Cure("log", table.LOG_CLAMPED, lambda x: -torch.log(x).mean(), (uniform(6),), (NONE,), 23 * math.log(2)),
    Cure("log", table.LOG_ABOVE_TINY, lambda x: -torch.log(x).mean(), (uniform(6),), (NONE,), 124 * math.log(2)),
    # The entropy of a certain answer.
    Cure("log", table.LOG_SKIPPED, lambda p: -rows(p * torch.log(p)), (normal(6, 3).softmax(1),), (HOT,), 0.0),
    Cure(
        "log1p",
        table.SOFTPLUS,
        lambda x: torch.log1p(torch.exp(x)).mean(),
        (normal(6),),
        (torch.full((6,), 200.0),),
        200.0,
    ),
    Cure("log1p", table.LOG1P_INSIDE, lambda p: -torch.log1p(-p).mean(), (uniform(6),), (NONE + 1,)),
    Cure(
        "div",
        table.SOFTMAX,
        lambda x: rows((x.exp() / x.exp().sum(1, keepdim=True)).square()),
        (normal(6, 3),),
        (torch.full((6, 3), 200.0),),
        1 / 3,
    ),
    Cure(
        "div",
        table.COUNT,
        lambda x, mask: (x * mask).sum() / mask.sum(),
        (normal(6), SOME),
        (normal(6), NONE),
        0.0,
    ),
    Cure(
        "div", table.QUOTIENT_CLAMPED, lambda x, y: (x / y).mean(), (normal(6), uniform(6)), (SOME, NONE), 2.0**24 / 3
    ),
    Cure(
        "div",
        table.QUOTIENT_OR_ZERO,
        lambda x, y: (x / y).mean(),
        (normal(6), uniform(6)),
        (NONE, NONE),
        0.0,
    ),
    Cure(
        "div",
        table.QUOTIENT_PLUS_EPS,
        lambda a, b: (a * b).sum() / (a.square().sum() + b.square().sum()),
        (uniform(6), uniform(6, seed=1)),
        (NONE, NONE),
        0.0,
    ),
    Cure("reciprocal", table.POSITIVE, lambda x: x.reciprocal().mean(), (uniform(6),), (NONE,), 2.0**23),
    Cure("rsqrt", table.POSITIVE, lambda x: x.rsqrt().mean(), (uniform(6),), (NONE,), 2.0**11.5),
    Cure("sqrt", table.ROOT_OR_ZERO, lambda x, y: (x - y).square().sqrt().mean(), (normal(6), NONE), (SOME, SOME), 0),
    Cure("sqrt", table.ROOT_PLUS_EPS, lambda x: x.sqrt().mean(), (uniform(6),), (NONE,), 2.0**-23),
    Cure("pow", table.POWER_OR_ZERO, lambda x: (x**0.5).mean(), (uniform(6),), (NONE,), 0.0),
    Cure("pow", table.POSITIVE, lambda x: (x**-1.0).mean(), (uniform(6),), (NONE,), 2.0**23),
    Cure(
        "exp",
        table.EXP_SHIFTED,
        lambda x: (x.exp() / x.exp().sum(1, keepdim=True)).square().sum(1).mean(),
        (normal(6, 3),),
        (torch.full((6, 3), 200.0),),
        1 / 3,
    ),
    Cure(
        "exp",
        table.EXP_SHIFTED_BY_ALL,
        lambda x: (x.exp() / x.exp().sum()).square().sum(),
        (normal(6),),
        (torch.full((6,), 200.0),),
        1 / 6,
    ),
    Cure(
        "exp",
        table.EXP_BOUNDED,
        lambda x: (1 / (1 + x.exp())).mean() * x.exp().clamp(max=2).mean(),
        (normal(6),),
        (torch.full((6,), 200.0),),
    ),
    Cure(
        "exp",
        table.EXP_BOUNDED_IN_HALF,
        lambda x: x.exp().clamp(max=9).mean(),
        (normal(6),),
        (NONE + 20,),
        9.0,
        torch.float16,
    ),
    Cure("exp2", table.EXP_BOUNDED, lambda x: torch.exp2(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("expm1", table.EXP_BOUNDED, lambda x: torch.expm1(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("cosh", table.EXP_BOUNDED, lambda x: torch.cosh(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("sinh", table.EXP_BOUNDED, lambda x: torch.sinh(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("acos", table.INSIDE, lambda x: x.acos().mean(), (uniform(6),), (NONE + 1,), math.acos(1 - 2.0**-21)),
    Cure("asin", table.INSIDE, lambda x: x.asin().mean(), (uniform(6),), (NONE + 1,), math.asin(1 - 2.0**-21)),
    Cure("atanh", table.INSIDE, lambda x: x.atanh().mean(), (uniform(6),), (NONE + 1,), math.atanh(1 - 2.0**-21)),
    Cure(
        "acosh", table.ABOVE_ONE, lambda x: x.acosh().mean(), (uniform(6) + 1,), (NONE + 1,), math.acosh(1 + 2.0**-21)
    ),
    Cure("std", table.DEVIATION, lambda x: x.std(0).mean(), (normal(6, 3),), (normal(1, 3),), 2.0**-23),
    Cure("var", table.VARIANCE, lambda x: x.var(0).mean(), (normal(6, 3),), (normal(1, 3),), 0.0),
    Cure("mean", table.MEAN_OR_ZERO, lambda x, m: x[m > 0].mean(), (normal(6), SOME), (normal(6), NONE), 0.0),
    Cure(
        "softmax",
        table.DEAD_ROWS,
        lambda x, m: rows(x.masked_fill(m == 0, -torch.inf).softmax(1) * x),
        (normal(6, 3), HOT),
        (normal(6, 3), HOT * 0),
        0.0,
    ),
    Cure(
        "log_softmax",
        table.DEAD_ROWS,
        lambda x, m: rows(x.masked_fill(m == 0, -torch.inf).log_softmax(1).clamp(min=-9)),
        (normal(6, 3), HOT),
        (normal(6, 3), HOT * 0),
        0.0,
    ),
    # The sum of nothing is 0; the logarithm of it over nothing is left out.
    Cure(
        "logsumexp",
        table.EMPTY_SUMS,
        lambda x: x.logsumexp(1).exp().mean(),
        (normal(6, 3),),
        (torch.full((6, 3), -torch.inf),),
        0.0,
    ),
    Cure(
        "mul",
        table.LEFT_IS_ZERO,
        lambda x, y: -rows(y * x),
        (normal(6, 3), HOT),
        (torch.where(HOT > 0, 2.0, -torch.inf), HOT),
        -2.0,
    ),
    Cure(
        "mul",
        table.RIGHT_IS_ZERO,
        lambda x, y: -rows(x * y),
        (normal(6, 3), HOT),
        (torch.where(HOT > 0, 2.0, -torch.inf), HOT),
        -2.0,
    ),
    # A third candidate that does not exist; the two that do are alike.
    Cure(
        "mul",
        table.INFINITY_KEPT,
        lambda x, scale: F.cross_entropy(x * scale.exp(), LABELS * 0),
        (normal(6, 3), torch.tensor(0.5)),
        (torch.tensor([[1.0, 1.0, -torch.inf]]).repeat(6, 1), torch.tensor(0.5)),
        math.log(2),
    ),
    Cure(
        "sub",
        table.DIFFERENCE,
        lambda x, m: (x.masked_fill(m == 0, -torch.inf) - (2 * x).masked_fill(m == 0, -torch.inf)).square().mean(),
        (normal(6), SOME + 1),
        (torch.ones(6), torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])),
        5 / 6,
    ),
    Cure(
        "xlogy",
        table.XLOGY,
        lambda p, q: torch.xlogy(p, q).mean(),
        (uniform(6), uniform(6, seed=1)),
        (NONE, NONE),
        0.0,
    ),
    Cure("lgamma", table.POSITIVE, lambda x: x.lgamma().mean(), (uniform(6),), (NONE,), math.lgamma(2.0**-23)),
    Cure("digamma", table.POSITIVE, lambda x: x.digamma().mean(), (uniform(6),), (NONE,)),
    Cure("logdet", table.JITTER, torch.logdet, (REGULAR,), (torch.ones(3, 3),)),
    # Six numbers of 1e-30, whose squares are below every float32.
    Cure("norm", table.NORM_SCALED, lambda x: -x.norm().log(), (normal(6),), (torch.full((6,), 1e-30),), 68.18165),
    Cure("slogdet", table.JITTER, lambda x: torch.linalg.slogdet(x)[1], (REGULAR,), (torch.ones(3, 3),)),
    Cure(
        "cross_entropy",
        table.TOTAL_OF_KEPT,
        lambda x, t: F.cross_entropy(x, t),
        (normal(6, 3), LABELS),
        (normal(6, 3), IGNORED),
        0.0,
    ),
    Cure(
        "nll_loss",
        table.TOTAL_OF_KEPT,
        lambda x, t: F.nll_loss(x.log_softmax(1), t),
        (normal(6, 3), LABELS),
        (normal(6, 3), IGNORED),
        0.0,
    ),
    Cure(
        "sub",
        table.WITHOUT_NAN[0],
        lambda x, t: torch.where(t.isnan(), 0.0, (x - t) ** 2).mean(),
        (normal(6), normal(6, seed=1)),
        (torch.ones(3), torch.tensor([1.0, torch.nan, 3.0])),
        4 / 3,
    ),
    Cure(
        "sum",
        table.IN_FLOAT32,
        lambda x: x.sum() / x.numel(),
        (uniform(6),),
        (torch.ones(70_000),),
        1.0,
        torch.float16,
    ),
    Cure(
        "exp",
        table.EXP_INSIDE,
        lambda x, s: (x**2 / torch.exp(s) ** 2).mean() + s.mean(),
        (normal(6), normal(6, seed=1)),
        (NONE, torch.full((6,), -60.0)),
        -60.0,
    ),
    Cure(
        "topk",
        table.SOME,
        lambda x: x.topk(len(x) // 4).values.mean(),
        (normal(8),),
        (torch.tensor([3.0, 1.0]),),
        3.0,
    ),
    Cure(
        "ctc_loss",
        table.NO_ALIGNMENT,
        lambda x, t, n, m: F.ctc_loss(x.log_softmax(-1), t, n, m),
        (normal(9, 2, 4), torch.tensor([[1, 2], [3, 1]]), torch.tensor([9, 8]), torch.tensor([2, 2])),
        (normal(9, 2, 4), torch.tensor([[1, 1], [2, 2]]), torch.tensor([2, 2]), torch.tensor([2, 2])),
        0.0,
    ),
    # The product of the factors is what the loss is least for: their derivative adds nothing.
    Cure("svd", table.FACTORS_DETACHED, procrustes, (normal(6, 3), normal(6, 3, seed=1)), (NOWHERE, NOWHERE), 0.0),
    Cure("svd", table.APART, first_vectors, (REGULAR,), (torch.eye(3),)),
    Cure("eigh", table.FACTORS_DETACHED, lambda x: x.mean() + turned_back(x), (SYMMETRIC,), (torch.eye(3),), 1 / 3),
    Cure("eigh", table.APART, lambda x: torch.linalg.eigh(x)[1].square()[0].max(), (SYMMETRIC,), (torch.eye(3),)),
    Cure(
        "angle",
        table.ANGLE,
        lambda x: torch.view_as_complex(x).angle().mean(),
        (normal(6, 2),),
        (torch.full((6, 2), 1e-25),),
        math.pi / 4,
    ),
]
