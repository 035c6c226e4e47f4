"""Every remedy of the table cures at least one loss: value, gradient, and nothing else changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sick_losses
import torch
from cures import CURES, NONE, Cure
from sick_losses import SICK, failure_of, normal, subject_of, uniform
from torch import Tensor

from losszoo.doctor.diagnosis.accuracy import blame_inaccuracy, is_inaccurate
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies import proposals, table
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.rewrites import REWRITES
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.table import FORMS
from losszoo.doctor.remedies.try_remedies import GENERAL, Trial, try_remedies
from losszoo.doctor.remedies.writing import Make, Remedy
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_every_remedy_is_tried() -> None:
    offered = {(op, remedy.name) for op, remedies in FORMS.items() for remedy in remedies}
    tried = {(cure.op, cure.remedy.name) for cure in CURES}
    # One representative of what is the same for log2 and log10, and for the kin of exp.
    clamps = (table.LOG_CLAMPED, table.LOG_ABOVE_TINY, table.LOG_SKIPPED)
    same = {(op, clamp.name) for op in ("log2", "log10") for clamp in clamps}
    same |= {(op, table.EXP_BOUNDED_IN_HALF.name) for op in ("exp2", "expm1", "cosh", "sinh")}
    assert offered - tried - same == set()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cure], None]:
    """Leaves nothing else to be tried."""

    def leave(cure: Cure) -> None:
        monkeypatch.setattr(proposals, "FORMS", {cure.op: (cure.remedy,)})
        monkeypatch.setattr(proposals, "REWRITES", {})

    return leave


@pytest.mark.parametrize(
    "cure",
    [pytest.param(cure, id=cure.name) for cure in CURES],
)
def test_it_cures_and_is_verified(cure: Cure, alone: Callable[[Cure], None]) -> None:
    alone(cure)
    failure = failure_of(cure.loss, cure.ordinary, cure.failing, cure.dtype)
    answer = try_remedies(failure, Effort())
    assert answer.verified is True
    assert answer.text.startswith("write ")


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
    answer = try_remedies(failure_of(loss, (normal(6, len(far[0])),), (torch.tensor(far),)), Effort())
    assert answer.verified is True
    assert name in answer.text


def places(subject: Subject, leaves: Leaves, op: str) -> list[Key]:
    """Where an operation is called."""
    watch = Substituting({})
    evaluate(subject, leaves, mode=watch, gradients=False)
    calls = zip(watch.records, watch.spellings, strict=True)
    return [(op, r.site.source, spelling.text) for r, spelling in calls if r.site.op == op]


@pytest.mark.parametrize("cure", [cure for cure in CURES if cure.value is not None], ids=lambda cure: cure.name)
def test_the_cured_value_is_the_true_one_and_ordinary_values_stay(cure: Cure) -> None:
    failure = failure_of(cure.loss, cure.ordinary, cure.failing, cure.dtype)
    assert failure.blame is not None
    subject = failure.subject
    leaves = torch.utils._pytree.tree_leaves(cure.failing)
    makes = dict.fromkeys(places(subject, leaves, cure.op), cure.remedy)
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
    ("complement", lambda x: (1 - torch.sigmoid(x)).mean() * 1e8, (normal(6),), (torch.full((6,), 18.0),)),
    ("complement", lambda x: (1 - torch.exp(-x)).mean(), (uniform(6),), SMALL),
    ("exp minus one", lambda x: (torch.exp(x) - 1).mean(), (uniform(6),), SMALL),
    ("half angle", lambda x: (1 - torch.cos(x)).mean(), (uniform(6),), (torch.full((6,), 1e-4),)),
    ("conjugate", lambda x: (torch.sqrt(1 + x) - 1).mean(), (uniform(6),), SMALL),
    ("conjugate", lambda x: ((x + 1) ** 0.5 - 1).mean(), (uniform(6),), SMALL),
    ("centred", lambda x: (x**2).mean() - x.mean() ** 2, (normal(6),), (FAR[:, 0],)),
    (
        "centred",
        lambda x: ((x * x).mean(dim=1) - x.mean(dim=1).square()).mean(),
        (normal(6, 3),),
        (FAR,),
    ),
    (
        "distances",
        lambda a, b: (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.mT).mean(),
        (normal(6, 3), normal(6, 3, seed=1)),
        (NEAR, NEAR + 0.01),
    ),
    ("log1p", lambda x: torch.log(1 + x).mean(), (uniform(6),), (torch.full((6,), 1e-7),)),
]


def test_every_rewriting_is_tried() -> None:
    offered = {remedy.name for remedies in REWRITES.values() for remedy in remedies}
    assert offered == {name for name, *_ in REWRITTEN}


@pytest.mark.parametrize(
    ("name", "loss", "ordinary", "leaves"),
    [pytest.param(*case, id=f"{i}{case[0]}") for i, case in enumerate(REWRITTEN)],
)
def test_a_rewriting_gives_the_digits_back(
    name: str,
    loss: Callable[..., Tensor],
    ordinary: tuple[Tensor, ...],
    leaves: tuple[Tensor, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (op, remedy) = next((op, r) for op, remedies in REWRITES.items() for r in remedies if r.name == name)
    monkeypatch.setattr(proposals, "FORMS", {})
    monkeypatch.setattr(proposals, "REWRITES", {op: (remedy,)})
    failure = inaccurate(loss, ordinary, list(leaves))
    assert try_remedies(failure, Effort()).verified is True


@pytest.mark.parametrize("sick", [pytest.param(s, id=s.name, marks=()) for s in SICK])
def test_every_loss_of_the_collection_gets_a_verified_remedy(sick: sick_losses.Sick) -> None:
    assert try_remedies(sick.failure(), Effort()).verified is True


def wrong(make: Make) -> dict[str, tuple[Remedy, ...]]:
    return {"log": (Remedy("a wrong one", make),)}


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Make], None]:
    """One form of a logarithm, and nothing else, to be tried."""

    def leave(make: Make) -> None:
        monkeypatch.setattr(proposals, "FORMS", wrong(make))
        monkeypatch.setattr(proposals, "REWRITES", {})

    return leave


@pytest.mark.parametrize(
    "make",
    [
        lambda w: f"torch.log({w.x}).clamp(min=-100)",  # after the logarithm: its derivative stays infinite
        lambda w: f"torch.log({w.x})",  # changes nothing
    ],
)
def test_a_remedy_that_does_not_cure_is_said_not_to(make: Make, only: Callable[[Make], None]) -> None:
    only(make)
    failure = failure_of(lambda p: -torch.log(p).mean(), (uniform(6),), (torch.zeros(6),))
    answer = try_remedies(failure, Effort())
    assert answer.text.startswith("write torch.log(p)")
    assert answer.verified is False


@pytest.mark.parametrize(
    "make",
    [
        lambda w: f"{w.x} * 0",  # finite, and changes ordinary values
        lambda w: f"torch.log({w.x} + 0.1)",
        lambda w: f"torch.log({w.x}.clamp(min=0.05))",  # shows only at a tenth of the example's size
        lambda w: f"{w.x}[:0].sum() + torch.zeros(3, 5)",  # of another shape
    ],
)
def test_a_remedy_that_changes_ordinary_values_is_not_spoken_of(make: Make, only: Callable[[Make], None]) -> None:
    only(make)
    answer = try_remedies(failure_of(lambda p: -torch.log(p).mean(), (uniform(6),), (NONE,)), Effort())
    assert answer == Trial(GENERAL, None)


def test_a_remedy_that_is_finite_and_wrong_there_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The true value at logits 0, 300, 0 is 300, by float64 too; that of the clamp is 86."""
    monkeypatch.setattr(proposals, "FORMS", wrong(table.LOG_ABOVE_TINY.make))
    monkeypatch.setattr(proposals, "REWRITES", {})

    def loss(x: Tensor) -> Tensor:
        return -torch.log(x.softmax(1)[:, 0]).mean()

    failure = failure_of(loss, (normal(6, 3),), (torch.tensor([[0.0, 200.0, 0.0]]),))
    far = Failure(failure.subject, "", "inf-loss", failure.dtype, [torch.tensor([[0.0, 300.0, 0.0]])], failure.blame)
    assert try_remedies(far, Effort()).verified is False


def test_one_wrong_row_among_many_right_ones_is_no_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The true loss of the first row is 180 and the clamp gives 86: 0.6 % of the mean of 200 rows of 80."""
    monkeypatch.setattr(proposals, "FORMS", wrong(table.LOG_ABOVE_TINY.make))
    monkeypatch.setattr(proposals, "REWRITES", {})

    def loss(x: Tensor) -> Tensor:
        return -torch.log(x.softmax(1)[:, 0]).mean()

    failure = failure_of(loss, (normal(6, 3),), (torch.tensor([[0.0, 200.0, 0.0]]),))
    rows = torch.tensor([[0.0, 180.0, 0.0]] + 200 * [[0.0, 80.0, 0.0]])
    far = Failure(failure.subject, "", "inf-loss", failure.dtype, [rows], failure.blame)
    assert try_remedies(far, Effort()).verified is False


def test_what_cancels_in_the_truth_too_does_not_refuse_a_cure() -> None:
    """The true value is log 2, a difference of two numbers of 3e6 whose last digit is 0.25."""
    failure = failure_of(
        lambda x: (torch.log(x.exp().sum(1)) - x[:, 0]).mean(), (normal(6, 2),), (torch.full((6, 2), 3e6),)
    )
    assert try_remedies(failure, Effort()).verified is True


@pytest.mark.parametrize("make", [lambda w: None, lambda w: "1 / 0"])
def test_what_does_not_apply_is_not_tried(make: Make, only: Callable[[Make], None]) -> None:
    only(make)
    answer = try_remedies(failure_of(lambda p: -torch.log(p).mean(), (uniform(6),), (NONE,)), Effort())
    assert (answer.verified, answer.text) == (None, GENERAL)


def test_a_form_that_is_not_made_on_ordinary_inputs_is_not_verified(only: Callable[[Make], None]) -> None:
    """Of no zero it has nothing to say: what the pasted line would do there was never tried."""
    only(lambda w: f"torch.log({w.x}.clamp(min=0.5))" if bool((w.record.args[0] == 0).any()) else None)
    answer = try_remedies(failure_of(lambda p: -torch.log(p).mean(), (uniform(6),), (NONE,)), Effort())
    assert answer.verified is None


def test_without_a_culprit_there_is_advice_only() -> None:
    failure = SICK[0].failure()
    nobody = Failure(failure.subject, "", failure.symptom, failure.dtype, failure.leaves, None)
    assert try_remedies(nobody, Effort()) == Trial(GENERAL, None)


def test_without_time_nothing_is_claimed() -> None:
    assert try_remedies(SICK[0].failure(), Effort(1e-9)).verified is None


def test_two_faults_are_mended_together() -> None:
    def two(x: Tensor) -> Tensor:
        first = torch.sqrt(x)
        second = x**0.3
        return (first + second).mean()

    answer = try_remedies(failure_of(two, (uniform(6) + 1,), (NONE,)), Effort())
    assert answer.verified is True
    assert "; then " in answer.text


def test_a_form_that_is_not_needed_is_left_out() -> None:
    """Once the logarithm is taken of the operand itself, nothing needs to bound the cosh."""

    def log_cosh(x: Tensor) -> Tensor:
        return torch.log(torch.cosh(x)).mean()

    answer = try_remedies(failure_of(log_cosh, (normal(6),), (NONE + 200,)), Effort())
    assert answer.verified is True
    assert answer.text.startswith(
        "write (torch.abs(x) + torch.nn.functional.softplus(-2 * torch.abs(x)) - math.log(2))"
    )
    assert "; then " not in answer.text


def test_only_the_line_that_is_named_is_replaced() -> None:
    def twice(x: Tensor) -> Tensor:
        first = torch.log(x)
        second = torch.log(x)
        return (first - second).mean()

    subject = subject_of(twice, torch.ones(3))
    first, _ = places(subject, subject.leaves, "log")
    mode = Substituting({first: Remedy("seven", lambda w: f"torch.full_like({w.x}, 7.0)")})
    assert evaluate(subject, subject.leaves, mode=mode).total == 7.0
    assert mode.applied() == {first: "torch.full_like(_0_, 7.0)"}
