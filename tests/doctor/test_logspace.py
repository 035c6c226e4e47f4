"""The logarithm of a number from what it was made of, beside mpmath's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor

from losszoo.doctor.remedies.forms.logspace import RULES as TABLE
from losszoo.doctor.remedies.forms.logspace import log_of
from losszoo.doctor.remedies.spelling import SpelledTape, Spelling
from losszoo.doctor.remedies.writing import Writing
from losszoo.tracing.tape import Record, Site

mpmath.mp.dps = 50
X = [-2.0, 0.3, 1.7]
FAR = [-300.0, 0.0, 200.0]

Make = Callable[[Tensor], Tensor]
True_ = Callable[[list[Any]], list[Any]]


def logged(make: Make, values: list[float], dtype: torch.dtype = torch.float32) -> tuple[Tensor | None, Tensor]:
    """The logarithm of what a function makes of the values, and its source."""
    x = torch.tensor(values, dtype=dtype, requires_grad=True)
    tape = SpelledTape()
    with tape:
        made = make(x)
    writing = Writing(Record(len(tape.records), Site("log"), torch.log, (made,), {}, None), Spelling(), tape, None)
    code = log_of(writing, made)
    return None if code is None else writing.compute(code), x


def softmax(v: list[Any]) -> list[Any]:
    total = mpmath.fsum(map(mpmath.exp, v))
    return [mpmath.exp(a) / total for a in v]


def sigmoid(a: Any) -> Any:
    return 1 / (1 + mpmath.exp(-a))


def one_by_one(f: Callable[[Any], Any]) -> True_:
    return lambda v: [f(a) for a in v]


# The rule, what is made, and the same in mpmath.
RULES: list[tuple[str, Make, True_]] = [
    ("softmax", lambda x: torch.softmax(x, 0), softmax),
    ("softmax", lambda x: torch.nn.functional.softmax(x, dim=-1), softmax),
    ("sigmoid", torch.sigmoid, one_by_one(sigmoid)),
    ("exp", torch.exp, one_by_one(mpmath.exp)),
    ("add", lambda x: torch.exp(x) + torch.exp(-x), one_by_one(lambda a: mpmath.exp(a) + mpmath.exp(-a))),
    ("add", lambda x: 1 + torch.exp(x), one_by_one(lambda a: 1 + mpmath.exp(a))),
    ("add", lambda x: torch.exp(x) + 1e-12, one_by_one(mpmath.exp)),  # the epsilon is left out
    ("add", lambda x: torch.exp(x) + 1.5, one_by_one(lambda a: mpmath.exp(a) + mpmath.mpf("1.5"))),
    ("add", lambda x: 1e-12 + torch.sigmoid(x), one_by_one(sigmoid)),
    ("sub", lambda x: 1 - torch.sigmoid(x), one_by_one(lambda a: sigmoid(-a))),
    ("sub", lambda x: 1 - torch.exp(-x.abs() - 1), one_by_one(lambda a: 1 - mpmath.exp(-abs(a) - 1))),
    ("sub", lambda x: torch.ones(()) - torch.softmax(x, 0), lambda v: [1 - p for p in softmax(v)]),
    ("sum", lambda x: torch.exp(x).sum(), lambda v: [mpmath.fsum(map(mpmath.exp, v))]),
    ("sum", lambda x: torch.exp(x).sum(0, keepdim=True), lambda v: [mpmath.fsum(map(mpmath.exp, v))]),
    ("sum", lambda x: torch.exp(x)[None].sum(dim=(0, 1)), lambda v: [mpmath.fsum(map(mpmath.exp, v))]),
    ("mean", lambda x: torch.exp(x).mean(), lambda v: [mpmath.fsum(map(mpmath.exp, v)) / len(v)]),
    ("mul", lambda x: torch.exp(x) * torch.sigmoid(x), one_by_one(lambda a: mpmath.exp(a) * sigmoid(a))),
    ("mul", lambda x: 3 * torch.exp(x), one_by_one(lambda a: 3 * mpmath.exp(a))),
    ("div", lambda x: torch.exp(x) / torch.exp(x).sum(), softmax),
    ("div", lambda x: 2 / torch.exp(x), one_by_one(lambda a: 2 * mpmath.exp(-a))),
    (
        "where",
        lambda x: torch.where(x > 0, torch.exp(x), torch.ones_like(x)),
        one_by_one(lambda a: mpmath.exp(a) if a > 0 else mpmath.mpf(1)),
    ),
    (
        "masked_fill",
        lambda x: torch.exp(x).masked_fill(x > 0, 2.0),
        one_by_one(lambda a: mpmath.mpf(2) if a > 0 else mpmath.exp(a)),
    ),
    ("clamp", lambda x: torch.exp(x).clamp(min=1e-12), one_by_one(mpmath.exp)),
    ("clamp_min", lambda x: torch.exp(x).clamp_min(1e-12), one_by_one(mpmath.exp)),
    ("pow", lambda x: torch.exp(x) ** 2.5, one_by_one(lambda a: mpmath.exp(mpmath.mpf(2.5) * a))),
    ("sqrt", lambda x: torch.exp(x).sqrt(), one_by_one(lambda a: mpmath.exp(a / 2))),
    ("prod", lambda x: torch.exp(x).prod(), lambda v: [mpmath.exp(mpmath.fsum(v))]),
    ("prod", lambda x: torch.exp(x)[None].prod(dim=1), lambda v: [mpmath.exp(mpmath.fsum(v))]),
    (
        "cumprod",
        lambda x: torch.exp(x).cumprod(0),
        lambda v: [mpmath.exp(mpmath.fsum(v[: i + 1])) for i in range(len(v))],
    ),
    (
        "cumsum",
        lambda x: torch.exp(x).cumsum(0),
        lambda v: [mpmath.fsum(map(mpmath.exp, v[: i + 1])) for i in range(len(v))],
    ),
    ("cosh", torch.cosh, one_by_one(mpmath.cosh)),
]


def test_every_rule_is_here() -> None:
    assert {name for name, _, _ in RULES} == set(TABLE)


@pytest.mark.parametrize("values", [X, FAR], ids=["near", "far"])
@pytest.mark.parametrize(
    ("make", "true"), [(make, true) for _, make, true in RULES], ids=[f"{i}-{r[0]}" for i, r in enumerate(RULES)]
)
def test_beside_mpmath(make: Make, true: True_, values: list[float]) -> None:
    # Of the numbers as float32 holds them; a few units in the last place of the largest term may be lost.
    exact = torch.tensor(values).tolist()
    expected = torch.tensor([float(mpmath.log(a)) for a in true([mpmath.mpf(v) for v in exact])], dtype=torch.float64)
    found, x = logged(make, values)
    assert found is not None
    torch.testing.assert_close(found.detach().double().flatten(), expected, rtol=2e-6, atol=2e-6)
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert bool(torch.isfinite(slope).all())


ARRANGED: list[tuple[Make, list[float]]] = [
    (lambda p: p[1:], [1.0, 2.0, 3.0]),
    (lambda p: p.flip(0), [3.0, 2.0, 1.0, 0.0]),
    (lambda p: p.roll(1), [3.0, 0.0, 1.0, 2.0]),
    (lambda p: p.view(2, 2).T, [0.0, 2.0, 1.0, 3.0]),
    (lambda p: p.view(2, 2).transpose(0, 1), [0.0, 2.0, 1.0, 3.0]),
    (lambda p: p.view(2, 2).permute(1, 0), [0.0, 2.0, 1.0, 3.0]),
    (lambda p: p.reshape(2, 2).t(), [0.0, 2.0, 1.0, 3.0]),
    (lambda p: p.gather(0, torch.tensor([2])), [2.0]),
    (lambda p: p.index_select(0, torch.tensor([3, 3])), [3.0, 3.0]),
    (lambda p: p.take_along_dim(torch.tensor([1]), 0), [1.0]),
    (lambda p: p.view(2, 2).diagonal(), [0.0, 3.0]),
    (lambda p: p.view(2, 2).diag(), [0.0, 3.0]),
    (lambda p: p.masked_select(torch.tensor([True, False, False, True])), [0.0, 3.0]),
    (lambda p: p.select(0, 2), [2.0]),
    (lambda p: p.unsqueeze(0).squeeze(0).clone(), [0.0, 1.0, 2.0, 3.0]),
    (lambda p: p.view(2, 2).flatten(), [0.0, 1.0, 2.0, 3.0]),
    (lambda p: p.view(2, 2).T.contiguous(), [0.0, 2.0, 1.0, 3.0]),
    (lambda p: p.to(torch.float64).float(), [0.0, 1.0, 2.0, 3.0]),
    (lambda p: p.detach(), [0.0, 1.0, 2.0, 3.0]),
    (lambda p: p.max(), [3.0]),
    (lambda p: p.view(2, 2).max(1).values, [1.0, 3.0]),
    (lambda p: p.view(2, 2).amax(0), [2.0, 3.0]),
    (lambda p: p[None].expand(2, 4)[0], [0.0, 1.0, 2.0, 3.0]),
    (lambda p: p.view(2, 2).movedim(0, 1), [0.0, 2.0, 1.0, 3.0]),
]


@pytest.mark.parametrize("same", [Tensor.contiguous, Tensor.float, lambda p: p.to(torch.float32), Tensor.flatten])
def test_what_gives_back_the_very_tensor_changes_nothing(same: Make) -> None:
    found, _ = logged(lambda x: same(torch.exp(x)), X)
    assert found is not None
    torch.testing.assert_close(found.detach(), torch.tensor(X))


@pytest.mark.parametrize(("arrange", "expected"), ARRANGED)
def test_what_arranges_numbers_arranges_their_logarithms(arrange: Make, expected: list[float]) -> None:
    found, _ = logged(lambda x: arrange(torch.exp(x)), [0.0, 1.0, 2.0, 3.0])
    assert found is not None
    assert found.flatten().tolist() == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: x.sum(),
        lambda x: x * 2,
        lambda x: -torch.exp(x) * torch.exp(x),  # negative: it has no logarithm
        lambda x: torch.exp(x) - torch.exp(-x),
        lambda x: 2 - torch.sigmoid(x),
        lambda x: torch.exp(x) - 1.5,
        lambda x: torch.exp(x).clamp(min=0.5),
        lambda x: x.tanh(),
        lambda x: x.cumsum(0),
    ],
)
def test_what_has_no_known_logarithm(make: Make) -> None:
    assert logged(make, X)[0] is None


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda x: torch.where(x > 5, torch.softmax(x, 0), 0.0).sum(), [1.0, 2.0]),
        (lambda x: 1 - torch.exp(x.clamp(max=0.0)), [0.0, 1.0]),
    ],
)
def test_the_logarithm_of_zero_has_no_nan_slope(make: Make, values: list[float]) -> None:
    found, x = logged(make, values)
    assert found is not None
    assert bool((found == -math.inf).all())
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert not bool(slope.isnan().any())


def test_an_upper_bound_is_kept() -> None:
    """The logarithm of exp(x).clamp(max=1) is min(x, 0)."""
    found, _ = logged(lambda x: torch.exp(x).clamp(1e-9, 1.0), [-1.0, 2.0])
    assert found is None or found.tolist() == [-1.0, 0.0]
