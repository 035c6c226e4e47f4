"""Losses that break in one known way, each with an ordinary input and one on which it breaks.

The line that is to blame ends in the comment ``# culprit``, so that tests find its number in this file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import judge
from losszoo.doctor.subject.hints import with_hints
from losszoo.doctor.subject.subject import Leaves, Subject, make_subject
from losszoo.losses.introspection import positional_names
from losszoo.tracing.culprit import Blame

MARK = "# culprit"


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> Tensor:
    """Strictly inside (0, 1)."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 0.8 + 0.1


def log_of_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    probabilities = torch.softmax(logits, 1)  # culprit
    chosen = probabilities.gather(1, targets[:, None])
    return -torch.log(chosen).mean()


def naive_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    odds = torch.exp(logits)  # culprit
    shares = odds / odds.sum(1, keepdim=True)
    return (1 - shares.gather(1, targets[:, None])).mean()


def log_of_complement(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    q = 1 - p  # culprit
    return -(targets * torch.log(p + 1e-30) + (1 - targets) * torch.log(q)).mean()


def expanded_distance(a: Tensor, b: Tensor) -> Tensor:
    middle = a @ b.mT
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * middle  # culprit
    return squares.sqrt().mean()


def root_of_squares(predictions: Tensor, truth: Tensor) -> Tensor:
    squares = (predictions - truth) ** 2
    roots = torch.sqrt(squares)  # culprit
    return roots.mean()


def unsafe_where(x: Tensor) -> Tensor:
    positive = x > 0
    logs = torch.log(x)  # culprit
    return torch.where(positive, logs, torch.zeros_like(x)).mean()


def unsafe_quotient(x: Tensor, y: Tensor) -> Tensor:
    ratio = x / y  # culprit
    return torch.where(y > 0, ratio, torch.zeros_like(ratio)).mean()


def cosine_without_floor(a: Tensor, b: Tensor) -> Tensor:
    lengths = a.norm(dim=1) * b.norm(dim=1)
    return 1 - ((a * b).sum(1) / lengths).mean()  # culprit


def unit_length(a: Tensor) -> Tensor:
    lengths = a.norm(dim=-1, keepdim=True)  # culprit
    return (a / lengths).square().mean()


def mean_of_kept(x: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum()
    return (x * mask).sum() / count  # culprit


def angle(a: Tensor, b: Tensor) -> Tensor:
    cosine = (a * b).sum(1)
    return torch.acos(cosine).mean()  # culprit


def square_root_power(x: Tensor) -> Tensor:
    return (x**0.5).mean()  # culprit


def gaussian_nll(predictions: Tensor, target: Tensor, log_variances: Tensor) -> Tensor:
    precision = torch.exp(-log_variances)  # culprit
    return (precision * (predictions - target) ** 2 + log_variances).mean()


def spread(x: Tensor) -> Tensor:
    return x.std(0).mean()  # culprit


def zero_times_infinity(target: Tensor, logits: Tensor) -> Tensor:
    logs = torch.log_softmax(logits, 1)
    return -(target * logs).sum(1).mean()  # culprit


def masked_regression(predictions: Tensor, target: Tensor) -> Tensor:
    known = ~torch.isnan(target)
    residual = predictions - target
    squares = residual**2
    return torch.where(known, squares, torch.zeros_like(squares)).mean()


def kl(p: Tensor, q: Tensor) -> Tensor:
    return torch.special.xlogy(p, q).mean()  # culprit


@dataclass(frozen=True)
class Sick:
    """One loss, and who is to blame on that input."""

    loss: Callable[..., Any]
    ordinary: tuple[Any, ...]
    failing: tuple[Any, ...]
    op: str
    symptom: str

    @property
    def name(self) -> str:
        return self.loss.__name__

    def failure(self, dtype: torch.dtype = torch.float32) -> Failure:
        return failure_of(self.loss, self.ordinary, self.failing, dtype)


def subject_of(loss: Callable[..., Any], *inputs: Any, signature: str = "") -> Subject:
    return with_hints(make_subject(loss, inputs, positional_names(loss), signature, target="file.py:name"))


def failure_of(
    loss: Callable[..., Any], ordinary: tuple[Any, ...], failing: tuple[Any, ...], dtype: torch.dtype = torch.float32
) -> Failure:
    """The failure as the search would have found it."""
    subject = subject_of(loss, *ordinary)
    verdict = judge(subject, tree_leaves(failing), dtype)
    assert verdict.sick, verdict
    assert verdict.leaves is not None
    assert verdict.symptom is not None
    found = blame(subject, verdict.leaves, dtype)
    return Failure(subject, "given", verdict.symptom, dtype, verdict.leaves, found)


def blamed(subject: Subject, leaves: Leaves, dtype: torch.dtype = torch.float32) -> Blame:
    found = blame(subject, leaves, dtype)
    assert found is not None
    return found


def culprit_line(loss: Callable[..., Any]) -> str:
    """File and number of the marked line."""
    lines, first = inspect.getsourcelines(loss)
    (offset,) = [index for index, line in enumerate(lines) if line.rstrip().endswith(MARK)]
    return f"{Path(inspect.getfile(loss)).name}:{first + offset}"


_UNIT = torch.nn.functional.normalize(normal(6, 3), dim=1)
_OTHER = torch.nn.functional.normalize(normal(6, 3, seed=1), dim=1)
_LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
_HOT = torch.nn.functional.one_hot(_LABELS, 3).float()

SICK = [
    Sick(
        log_of_softmax,
        (normal(6, 3), _LABELS),
        (torch.tensor([[0.0, 200.0, 0.0]]).repeat(6, 1), _LABELS * 0),
        "softmax",
        "inf-loss",
    ),
    Sick(
        naive_softmax,
        (normal(6, 3), _LABELS),
        (torch.full((6, 3), 200.0), _LABELS),
        "exp",
        "nan-loss",
    ),
    Sick(
        log_of_complement,
        (normal(6), _HOT[:, 0]),
        (torch.full((6,), 20.0), torch.zeros(6)),
        "sub",
        "inf-loss",
    ),
    Sick(
        expanded_distance,
        (normal(6, 4), normal(6, 4, seed=1)),
        # Squares near 400 have a last place of 3e-5, squared differences are 1e-10: some come out negative.
        (normal(40, 8) + 6, (normal(40, 8) + 6) * (1 + 1e-6)),
        "sub",
        "nan-loss",
    ),
    Sick(root_of_squares, (normal(6), normal(6, seed=1)), (torch.ones(6), torch.ones(6)), "sqrt", "nan-gradient"),
    Sick(unsafe_where, (uniform(6) + 1,), (torch.tensor([1.0, 0.0, 2.0, 3.0, 0.5, 1.0]),), "log", "nan-gradient"),
    Sick(unsafe_quotient, (normal(6), uniform(6)), (normal(6), uniform(6) * 0), "div", "nan-gradient"),
    Sick(
        cosine_without_floor,
        (normal(6, 4), normal(6, 4, seed=1)),
        (torch.zeros(6, 4), normal(6, 4, seed=1)),
        "div",
        "nan-loss",
    ),
    # The squares of 1e-30 are below every float32, so the length is 0 where the vector is not.
    Sick(unit_length, (normal(6, 4),), (torch.full((6, 4), 1e-30),), "norm", "inf-loss"),
    Sick(mean_of_kept, (normal(6), _HOT[:, 0]), (normal(6), torch.zeros(6)), "div", "nan-loss"),
    Sick(angle, (_UNIT, _OTHER), (torch.eye(3).repeat(2, 1), torch.eye(3).repeat(2, 1)), "acos", "nan-gradient"),
    Sick(square_root_power, (uniform(6) + 1,), (torch.zeros(6),), "pow", "inf-gradient"),
    Sick(
        gaussian_nll,
        (normal(6), normal(6, seed=1), normal(6, seed=2)),
        (torch.ones(6), torch.ones(6), torch.full((6,), -200.0)),
        "exp",
        "nan-loss",
    ),
    Sick(spread, (normal(6, 3),), (normal(1, 3),), "std", "nan-loss"),
    Sick(
        zero_times_infinity,
        (_HOT, normal(6, 3)),
        (_HOT, torch.where(_HOT > 0, normal(6, 3), -torch.inf)),
        "mul",
        "nan-loss",
    ),
    Sick(kl, (uniform(6), uniform(6, seed=1)), (torch.zeros(6), torch.zeros(6)), "xlogy", "nan-gradient"),
]
