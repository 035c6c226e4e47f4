"""Every remedy of the table cures at least one loss: value, gradient, and nothing else changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sick_losses
import torch
from sick_losses import SICK, failure_of, normal, subject_of, uniform
from torch import Tensor
from torch.nn import functional as F

from losszoo.doctor.judge import symptom_of
from losszoo.doctor.precision import blame_inaccuracy, is_inaccurate
from losszoo.doctor.remedies import guards, rewrites, shapes, trial
from losszoo.doctor.remedies.forms import FORMS, IN_FLOAT32, WITHOUT_NAN
from losszoo.doctor.remedies.remedy import Remedy
from losszoo.doctor.remedies.rewrites import REWRITES
from losszoo.doctor.remedies.trial import Substituting, alike, try_remedies
from losszoo.doctor.search import Clock, Failure
from losszoo.doctor.subject import Leaves, Outcome, evaluate

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

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
    make: Callable[..., Any]
    loss: Callable[..., Tensor]
    ordinary: tuple[Any, ...]
    failing: tuple[Any, ...]
    value: float | None = None
    dtype: torch.dtype = torch.float32

    @property
    def name(self) -> str:
        return f"{self.op}-{self.make.__name__}"

    @property
    def remedy(self) -> Remedy:
        every = [*FORMS.get(self.op, ()), *REWRITES.get(self.op, ()), WITHOUT_NAN, IN_FLOAT32]
        return next(remedy for remedy in every if remedy.make is self.make)


def rows(x: Tensor) -> Tensor:
    """With the rows summed, then the mean."""
    return x.sum(1).mean()


CURES = [
    # 200 below the largest of three logits: the loss is log(1 + 2 e^-200 ...) = 200.
    Cure(
        "log",
        guards.log_space,
        lambda x: -torch.log(x.softmax(1)[:, 0]).mean(),
        (normal(6, 3),),
        (torch.tensor([[0.0, 200.0, 0.0]]),),
        200.0,
    ),
    Cure(
        "log2",
        guards.log_space,
        lambda x: -torch.log2(x.sigmoid()).mean(),
        (normal(6),),
        (torch.full((6,), -200.0),),
        200 / math.log(2),
    ),
    Cure(
        "log10",
        guards.log_space,
        lambda x: -torch.log10(x.softmax(1)[:, 0]).mean(),
        (normal(6, 3),),
        (torch.tensor([[0.0, 200.0, 0.0]]),),
        200 / math.log(10),
    ),
    Cure(
        "log",
        guards.log_clamped,
        lambda x: -torch.log(x).mean(),
        (uniform(6),),
        (NONE,),
        -math.log(4 * torch.finfo(torch.float32).tiny),
    ),
    # The entropy of a certain answer.
    Cure("log", guards.log_skipped, lambda p: -rows(p * torch.log(p)), (normal(6, 3).softmax(1),), (HOT,), 0.0),
    Cure(
        "log1p",
        shapes.softplus,
        lambda x: torch.log1p(torch.exp(x)).mean(),
        (normal(6),),
        (torch.full((6,), 200.0),),
        200.0,
    ),
    Cure("log1p", guards.log1p_inside, lambda p: -torch.log1p(-p).mean(), (uniform(6),), (NONE + 1,)),
    Cure(
        "div",
        guards.ratio_in_log_space,
        lambda x: rows((x.exp() / x.exp().sum(1, keepdim=True)).square()),
        (normal(6, 3),),
        (torch.full((6, 3), 200.0),),
        1 / 3,
    ),
    Cure(
        "div",
        guards.count_at_least_one,
        lambda x, mask: (x * mask).sum() / mask.sum(),
        (normal(6), SOME),
        (normal(6), NONE),
        0.0,
    ),
    Cure(
        "div",
        guards.quotient_or_zero,
        lambda x, y: (x / y).mean(),
        (normal(6), uniform(6)),
        (NONE, NONE),
        0.0,
    ),
    Cure(
        "div",
        guards.denominator_plus_eps,
        lambda a, b: (a * b).sum() / (a.square().sum() + b.square().sum()),
        (uniform(6), uniform(6, seed=1)),
        (NONE, NONE),
        0.0,
    ),
    Cure("reciprocal", shapes.positive_only, lambda x: x.reciprocal().mean(), (uniform(6),), (NONE,), 2.0**23),
    Cure("rsqrt", shapes.positive_only, lambda x: x.rsqrt().mean(), (uniform(6),), (NONE,), 2.0**11.5),
    Cure(
        "sqrt", guards.where_positive, lambda x, y: (x - y).square().sqrt().mean(), (normal(6), NONE), (SOME, SOME), 0
    ),
    Cure("sqrt", guards.sqrt_plus_eps, lambda x: x.sqrt().mean(), (uniform(6),), (NONE,), 2.0**-23),
    Cure("pow", guards.where_positive, lambda x: (x**0.5).mean(), (uniform(6),), (NONE,), 0.0),
    Cure("pow", shapes.positive_only, lambda x: (x**-1.0).mean(), (uniform(6),), (NONE,), 2.0**23),
    Cure(
        "exp",
        guards.exp_shifted,
        lambda x: (x.exp() / x.exp().sum(1, keepdim=True)).square().sum(1).mean(),
        (normal(6, 3),),
        (torch.full((6, 3), 200.0),),
        1 / 3,
    ),
    Cure(
        "exp",
        guards.exp_shifted_by_all,
        lambda x: (x.exp() / x.exp().sum()).square().sum(),
        (normal(6),),
        (torch.full((6,), 200.0),),
        1 / 6,
    ),
    Cure(
        "exp",
        guards.exp_clamped,
        lambda x: (1 / (1 + x.exp())).mean() * x.exp().clamp(max=2).mean(),
        (normal(6),),
        (torch.full((6,), 200.0),),
    ),
    Cure("exp2", guards.exp_clamped, lambda x: torch.exp2(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("expm1", guards.exp_clamped, lambda x: torch.expm1(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("cosh", guards.exp_clamped, lambda x: torch.cosh(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("sinh", guards.exp_clamped, lambda x: torch.sinh(x).clamp(max=9).mean(), (normal(6),), (NONE + 200,), 9.0),
    Cure("acos", shapes.inside, lambda x: x.acos().mean(), (uniform(6),), (NONE + 1,), math.acos(1 - 2.0**-21)),
    Cure("asin", shapes.inside, lambda x: x.asin().mean(), (uniform(6),), (NONE + 1,), math.asin(1 - 2.0**-21)),
    Cure("atanh", shapes.inside, lambda x: x.atanh().mean(), (uniform(6),), (NONE + 1,), math.atanh(1 - 2.0**-21)),
    Cure(
        "acosh", shapes.above_one, lambda x: x.acosh().mean(), (uniform(6) + 1,), (NONE + 1,), math.acosh(1 + 2.0**-21)
    ),
    Cure("std", shapes.deviation, lambda x: x.std(0).mean(), (normal(6, 3),), (normal(1, 3),), 2.0**-23),
    Cure("var", shapes.deviation, lambda x: x.var(0).mean(), (normal(6, 3),), (normal(1, 3),), 0.0),
    Cure("mean", shapes.mean_or_zero, lambda x, m: x[m > 0].mean(), (normal(6), SOME), (normal(6), NONE), 0.0),
    Cure(
        "softmax",
        shapes.dead_rows,
        lambda x, m: rows(x.masked_fill(m == 0, -torch.inf).softmax(1) * x),
        (normal(6, 3), HOT),
        (normal(6, 3), HOT * 0),
        0.0,
    ),
    Cure(
        "log_softmax",
        shapes.dead_rows,
        lambda x, m: rows(x.masked_fill(m == 0, -torch.inf).log_softmax(1).clamp(min=-9)),
        (normal(6, 3), HOT),
        (normal(6, 3), HOT * 0),
        0.0,
    ),
    Cure(
        "logsumexp",
        shapes.dead_rows,
        lambda x: x.logsumexp(1).exp().mean(),
        (normal(6, 3),),
        (torch.full((6, 3), -torch.inf),),
    ),
    Cure(
        "mul",
        shapes.product_or_zero,
        lambda x, y: -rows(y * x),
        (normal(6, 3), HOT),
        (torch.where(HOT > 0, 2.0, -torch.inf), HOT),
        -2.0,
    ),
    Cure(
        "sub",
        shapes.difference_or_zero,
        lambda x, m: (x.masked_fill(m == 0, -torch.inf) - (2 * x).masked_fill(m == 0, -torch.inf)).square().mean(),
        (normal(6), SOME + 1),
        (torch.ones(6), torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])),
        5 / 6,
    ),
    Cure(
        "xlogy",
        shapes.xlogy_clamped,
        lambda p, q: torch.xlogy(p, q).mean(),
        (uniform(6), uniform(6, seed=1)),
        (NONE, NONE),
        0.0,
    ),
    Cure("lgamma", shapes.positive_only, lambda x: x.lgamma().mean(), (uniform(6),), (NONE,), math.lgamma(2.0**-23)),
    Cure("digamma", shapes.positive_only, lambda x: x.digamma().mean(), (uniform(6),), (NONE,)),
    Cure("logdet", shapes.with_jitter, torch.logdet, (REGULAR,), (torch.ones(3, 3),)),
    # Six numbers of 1e-30, whose squares are below every float32.
    Cure("norm", guards.norm_scaled, lambda x: -x.norm().log(), (normal(6),), (torch.full((6,), 1e-30),), 68.18165),
    Cure("slogdet", shapes.with_jitter, lambda x: torch.linalg.slogdet(x)[1], (REGULAR,), (torch.ones(3, 3),)),
    Cure(
        "cross_entropy",
        shapes.mean_over_some,
        lambda x, t: F.cross_entropy(x, t),
        (normal(6, 3), LABELS),
        (normal(6, 3), IGNORED),
        0.0,
    ),
    Cure(
        "nll_loss",
        shapes.mean_over_some,
        lambda x, t: F.nll_loss(x.log_softmax(1), t),
        (normal(6, 3), LABELS),
        (normal(6, 3), IGNORED),
        0.0,
    ),
    Cure(
        "pow",
        WITHOUT_NAN.make,
        lambda x, t: torch.where(t.isnan(), 0.0, (x - t) ** 2).mean(),
        (normal(6), normal(6, seed=1)),
        (torch.ones(3), torch.tensor([1.0, torch.nan, 3.0])),
        4 / 3,
    ),
    Cure(
        "sum",
        IN_FLOAT32.make,
        lambda x: x.sum() / x.numel(),
        (uniform(6),),
        (torch.ones(70_000),),
        1.0,
        torch.float16,
    ),
]


def test_every_remedy_is_tried() -> None:
    offered = {(op, remedy.make) for op, remedies in FORMS.items() for remedy in remedies}
    tried = {(cure.op, cure.make) for cure in CURES}
    # One representative of what is the same for log2 and log10.
    same = {(op, make) for op in ("log2", "log10") for make in (guards.log_clamped, guards.log_skipped)}
    assert offered - tried - same == set()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cure], None]:
    """Leaves nothing else to be tried."""

    def leave(cure: Cure) -> None:
        monkeypatch.setattr(trial, "FORMS", {cure.op: (cure.remedy,)})
        monkeypatch.setattr(trial, "REWRITES", {})

    return leave


@pytest.mark.parametrize(
    "cure",
    [pytest.param(cure, id=cure.name) for cure in CURES],
)
def test_it_cures_and_is_verified(cure: Cure, alone: Callable[[Cure], None]) -> None:
    alone(cure)
    failure = failure_of(cure.loss, cure.ordinary, cure.failing, cure.dtype)
    answer = try_remedies(failure, Clock(20))
    assert answer.verified is True
    assert cure.remedy.words is not None or answer.text == cure.remedy.text


@pytest.mark.parametrize(
    ("loss", "far", "name"),
    [
        (lambda x: -torch.log(x.softmax(1)[:, 0]).mean(), [[0.0, 200.0]], "log_softmax"),
        (lambda x: -torch.log(x.sigmoid()).mean(), [[-200.0]], "logsigmoid"),
        (lambda x: -torch.log(1 - x.sigmoid()).mean(), [[200.0]], "logsigmoid"),
        (lambda x: torch.log(x.exp().sum(1)).mean(), [[200.0, 200.0]], "logsumexp"),
    ],
)
def test_the_words_name_the_form_of_this_logarithm(loss: Any, far: list[list[float]], name: str) -> None:
    answer = try_remedies(failure_of(loss, (normal(6, len(far[0])),), (torch.tensor(far),)), Clock(20))
    assert answer.verified is True
    assert name in answer.text


@pytest.mark.parametrize("cure", [cure for cure in CURES if cure.value is not None], ids=lambda cure: cure.name)
def test_the_cured_value_is_the_true_one_and_ordinary_values_stay(cure: Cure) -> None:
    failure = failure_of(cure.loss, cure.ordinary, cure.failing, cure.dtype)
    assert failure.blame is not None
    sites = {(s.op, s.source) for s in failure.blame.tape.sites() if s.op == cure.op}
    makes = dict.fromkeys(sites, cure.make)
    subject = failure.subject
    leaves = torch.utils._pytree.tree_leaves(cure.failing)
    mended = evaluate(subject, leaves, cure.dtype, mode=Substituting(makes))
    assert mended.error is None
    assert symptom_of(mended) is None
    assert mended.total == pytest.approx(cure.value, rel=1e-3, abs=1e-6)
    before = evaluate(subject, subject.leaves, cure.dtype)
    after = evaluate(subject, subject.leaves, cure.dtype, mode=Substituting(makes))
    assert alike(before, after, 1e-2)


def inaccurate(loss: Callable[..., Tensor], ordinary: tuple[Tensor, ...], leaves: Leaves) -> Failure:
    """The failure as the search for wrong digits would have found it."""
    subject = subject_of(loss, *ordinary)
    assert is_inaccurate(subject, leaves)

    def accept(outcome: Outcome) -> bool:
        return not is_inaccurate(subject, leaves, outcome)

    found = blame_inaccuracy(subject, leaves)
    return Failure(subject, "given", "inaccurate", torch.float32, leaves, found, accept=accept)


SMALL = (torch.full((6,), 1e-6),)
FAR = normal(6, 3) + 500
NEAR = 100 + normal(6, 3) / 10
REWRITTEN: list[tuple[str, Callable[..., Tensor], tuple[Tensor, ...], tuple[Tensor, ...]]] = [
    ("_complement", lambda x: (1 - torch.sigmoid(x)).mean() * 1e8, (normal(6),), (torch.full((6,), 18.0),)),
    ("_complement", lambda x: (1 - torch.exp(-x)).mean(), (uniform(6),), SMALL),
    ("_expm1", lambda x: (torch.exp(x) - 1).mean(), (uniform(6),), SMALL),
    ("_half_angle", lambda x: (1 - torch.cos(x)).mean(), (uniform(6),), (torch.full((6,), 1e-4),)),
    ("_conjugate", lambda x: (torch.sqrt(1 + x) - 1).mean(), (uniform(6),), SMALL),
    ("_conjugate", lambda x: ((x + 1) ** 0.5 - 1).mean(), (uniform(6),), SMALL),
    ("_centred", lambda x: (x**2).mean() - x.mean() ** 2, (normal(6),), (FAR[:, 0],)),
    (
        "_centred",
        lambda x: ((x * x).mean(dim=1) - x.mean(dim=1).square()).mean(),
        (normal(6, 3),),
        (FAR,),
    ),
    (
        "_distances",
        lambda a, b: (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.mT).mean(),
        (normal(6, 3), normal(6, 3, seed=1)),
        (NEAR, NEAR + 0.01),
    ),
    ("_log1p", lambda x: torch.log(1 + x).mean(), (uniform(6),), (torch.full((6,), 1e-7),)),
]


def test_every_rewriting_is_tried() -> None:
    offered = {remedy.make.__name__ for remedies in REWRITES.values() for remedy in remedies}
    assert offered == {name for name, *_ in REWRITTEN}


@pytest.mark.parametrize(
    ("name", "loss", "ordinary", "leaves"),
    [pytest.param(*case, id=f"{i}{case[0]}") for i, case in enumerate(REWRITTEN)],
)
def test_a_rewriting_gives_the_digits_back(
    name: str, loss: Callable[..., Tensor], ordinary: tuple[Tensor, ...], leaves: tuple[Tensor, ...]
) -> None:
    failure = inaccurate(loss, ordinary, list(leaves))
    answer = try_remedies(failure, Clock(20))
    assert answer.verified is True
    (remedy,) = [r for remedies in REWRITES.values() for r in remedies if r.make is getattr(rewrites, name)]
    assert answer.text.startswith(remedy.text)


@pytest.mark.parametrize("sick", [pytest.param(s, id=s.name, marks=()) for s in SICK])
def test_every_loss_of_the_collection_gets_a_verified_remedy(sick: sick_losses.Sick) -> None:
    assert try_remedies(sick.failure(), Clock(20)).verified is True


def wrong(make: Callable[..., Any]) -> dict[str, tuple[Remedy, ...]]:
    return {"log": (Remedy("a wrong one", make),)}


@pytest.mark.parametrize(
    "make",
    [
        lambda record, tape: record.func(record.args[0]).clamp(min=-100),  # after the logarithm: the slope stays NaN
        lambda record, tape: record.args[0] * 0,  # finite, and changes ordinary values
        lambda record, tape: record.func(record.args[0] + 0.1),
        lambda record, tape: record.args[0][:0].sum() + torch.zeros(3, 5),  # of another shape
        lambda record, tape: record.func(*record.args, **record.kwargs),  # changes nothing
    ],
)
def test_a_wrong_remedy_is_said_to_be_one(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "FORMS", wrong(make))
    monkeypatch.setattr(trial, "REWRITES", {})
    failure = failure_of(lambda p: -torch.log(p).mean(), (uniform(6),), (torch.zeros(6),))
    answer = try_remedies(failure, Clock(20))
    assert answer.text == "a wrong one"
    assert answer.verified is False


def test_a_remedy_that_is_finite_and_wrong_there_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The true value at logits 0, 300, 0 is 300, by float64 too; that of the clamp is 86."""
    monkeypatch.setattr(trial, "FORMS", wrong(guards.log_clamped))
    monkeypatch.setattr(trial, "REWRITES", {})

    def loss(x: Tensor) -> Tensor:
        return -torch.log(x.softmax(1)[:, 0]).mean()

    failure = failure_of(loss, (normal(6, 3),), (torch.tensor([[0.0, 200.0, 0.0]]),))
    far = Failure(failure.subject, "", "inf-loss", failure.dtype, [torch.tensor([[0.0, 300.0, 0.0]])], failure.blame)
    assert try_remedies(far, Clock(20)).verified is False


@pytest.mark.parametrize("make", [lambda record, tape: None, lambda record, tape: 1 / 0])
def test_what_does_not_apply_is_not_tried(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "FORMS", wrong(make))
    monkeypatch.setattr(trial, "REWRITES", {})
    answer = try_remedies(failure_of(lambda p: -torch.log(p).mean(), (uniform(6),), (NONE,)), Clock(20))
    assert (answer.verified, answer.text) == (None, trial.GENERAL)


def test_without_a_culprit_there_is_advice_only() -> None:
    failure = SICK[0].failure()
    nobody = Failure(failure.subject, "", failure.symptom, failure.dtype, failure.leaves, None)
    assert try_remedies(nobody, Clock(20)) == trial.Trial(trial.GENERAL, None)


def test_without_time_nothing_is_claimed() -> None:
    assert try_remedies(SICK[0].failure(), Clock(1e-9)).verified is None


def test_two_faults_are_mended_together() -> None:
    def two(x: Tensor) -> Tensor:
        first = torch.sqrt(x)
        second = x**0.3
        return (first + second).mean()

    answer = try_remedies(failure_of(two, (uniform(6) + 1,), (NONE,)), Clock(20))
    assert answer.verified is True
    assert "; then " in answer.text


def test_only_the_line_that_is_named_is_replaced() -> None:
    def twice(x: Tensor) -> Tensor:
        first = torch.log(x)
        second = torch.log(x)
        return (first - second).mean()

    subject = subject_of(twice, torch.ones(3))
    failing = failure_of(twice, (torch.ones(3),), (torch.zeros(3),))
    assert failing.blame is not None
    source = next(r.site.source for r in failing.blame.tape.records if r.site.op == "log")
    mode = Substituting({("log", source): lambda record, tape: torch.full_like(record.args[0], 7.0)})
    assert evaluate(subject, subject.leaves, mode=mode).total == 7.0
    assert mode.applied == {("log", source)}
