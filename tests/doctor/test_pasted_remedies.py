"""A remedy that is called verified is pasted into the loss, as its words say, and run on inputs nobody has seen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import pytest
import torch
from collection import CASES, Case
from fresh import fresh
from pasting import edits_of, is_pasteable, module_after, pasted
from popular_losses import POPULAR, Popular, dice, gaussian_likelihood, tversky
from sick_losses import SICK, Sick, failure_of, normal, uniform
from torch import Tensor
from torch.utils._pytree import tree_leaves
from two_faults import TWO_FAULTS

import losszoo
from losszoo.doctor.diagnosis.accuracy import blame_inaccuracy, is_inaccurate
from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import judge, symptom_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies.try_remedies import try_remedies
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.resolve import subjects_of
from losszoo.doctor.subject.subject import Subject, evaluate

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Of a value or a gradient, by the norm: the last digits of float32, more of half precision, next to none of float64.
NEAR = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 5e-2, torch.float64: 1e-4}


def changed(subject: Subject, mended: Callable[..., Any], dtype: torch.dtype, count: int) -> list[str]:
    """The fresh ordinary inputs, of those where the loss is right as it is, on which a pasted remedy changes it."""
    other = replace(subject, call=mended)
    moved, seen = [], 0
    for number, leaves in enumerate(fresh(subject, count)):
        sizes = [float(leaves[index].double().square().mean().sqrt()) for index in subject.trained]
        before, truth = evaluate(subject, leaves, dtype), evaluate(subject, leaves, torch.float64)
        finite = all(x.values is not None and symptom_of(x) is None for x in (before, truth))
        if not finite or distance(truth, before, sizes) > 10 * NEAR[dtype]:
            continue
        seen += 1
        after, wide = evaluate(other, leaves, dtype), evaluate(other, leaves, torch.float64)
        # A loss that has lost some digits in float32 may come nearer to the truth.
        same = distance(before, after, sizes) < NEAR[dtype] or distance(truth, after, sizes) < NEAR[dtype]
        if not same or not distance(truth, wide, sizes) < NEAR[torch.float64]:
            moved.append(f"{number}: {before.total} became {after.total}, {truth.total} became {wide.total}")
    assert seen >= count // 4, f"the loss itself is right on {seen} of {count}"
    return moved


def distance(one: Outcome, other: Outcome, sizes: list[float]) -> float:
    """The largest relative difference of the values and of each gradient.

    A gradient that is less than a hundredth of the value over the size of the input is measured by that: where it is
    truly 0, as of a vector of unit length, nothing but last digits is left of it.
    """
    if one.values is None or other.values is None or one.values.shape != other.values.shape:
        return float("inf")
    value = float(one.values.double().norm())
    floors = [1e-12, *(0.01 * value / size for size in sizes), *(1e-12 for _ in one.gradients[len(sizes) :])]
    pairs = zip([one.values, *one.gradients], [other.values, *other.gradients], floors, strict=True)
    return max(_relative(a, b, floor) for a, b, floor in pairs)


def _relative(a: Tensor | None, b: Tensor | None, floor: float) -> float:
    """A gradient that is not there is one of 0."""
    if a is None or b is None:
        return max((float(x.double().norm()) for x in (a, b) if x is not None), default=0.0) / max(floor, 1e-12)
    return float((a.double() - b.double()).norm()) / max(float(a.double().norm()), floor, 1e-12)


@pytest.mark.parametrize("popular", POPULAR, ids=lambda popular: popular.name)
def test_popular_losses(popular: Popular) -> None:
    failure = popular.failure()
    answer = try_remedies(failure, Effort())
    assert answer.verified is True
    mended = next(p.loss for p in module_after(answer.text, popular.loss).POPULAR if p.name == popular.name)
    assert changed(failure.subject, mended, failure.dtype, 20) == []
    cured = evaluate(replace(failure.subject, call=mended), failure.leaves, failure.dtype)
    assert cured.error is None
    assert symptom_of(cured) is None


@pytest.mark.parametrize("sick", SICK, ids=lambda sick: sick.name)
def test_known_defects(sick: Sick) -> None:
    failure = sick.failure()
    answer = try_remedies(failure, Effort())
    mended = getattr(module_after(answer.text, sick.loss), sick.name)
    assert changed(failure.subject, mended, failure.dtype, 20) == []
    cured = evaluate(replace(failure.subject, call=mended), failure.leaves, failure.dtype)
    assert symptom_of(cured) is None


def test_a_variance_is_no_count() -> None:
    """``a / n.clamp(min=1)`` would move the ordinary value of a Gaussian likelihood."""
    popular = next(p for p in POPULAR if p.loss is gaussian_likelihood)
    answer = try_remedies(popular.failure(), Effort())
    assert answer.verified is True
    assert "clamp(min=1)" not in answer.text


@pytest.mark.parametrize("loss", [dice, tversky])
def test_an_overlap_fails_on_fewer_inputs_after_its_remedy(loss: Callable[..., Tensor]) -> None:
    """Nothing to find and nothing found, surely and nearly so: the pasted line makes no input worse."""
    popular = next(p for p in POPULAR if p.loss is loss)
    answer = try_remedies(popular.failure(), Effort())
    mended = getattr(module_after(answer.text, loss), popular.name)
    bits = popular.ordinary[1]
    for logits in (-500.0, -200.0, -100.0, -80.0, -20.0, 0.0, 20.0, 200.0):
        for targets in (bits, bits * 0, bits * 0 + 1):
            x = torch.full((8,), logits, requires_grad=True)
            value = mended(x, targets)
            value.backward()
            assert bool(torch.isfinite(value))
            assert x.grad is not None
            assert bool(torch.isfinite(x.grad).all())


def test_the_batch_that_failed_is_enough() -> None:
    """The example is the batch with the NaN: remedies are tried on others of its kind."""

    def naive(logits: Tensor, targets: Tensor) -> Tensor:
        return -torch.log(torch.softmax(logits, 1)).gather(1, targets[:, None]).mean()

    failing = torch.tensor([[0.0, -200.0, 3.0], [0.0, 2.0, -1.0]]), torch.tensor([1, 0])
    found = losszoo.examine(naive, example=lambda: failing, budget=60.0).findings[0]
    assert found.verified is True
    assert found.remedy.startswith(
        "write torch.log_softmax(logits, 1) instead of torch.log(torch.softmax(logits, 1)) at "
    )


def shares_of(z: Tensor) -> Tensor:
    return z.softmax(1)


def test_a_name_of_another_function_is_told_as_such() -> None:
    def naive(logits: Tensor) -> Tensor:
        return -shares_of(logits)[:, 0].log().mean()

    failure = failure_of(naive, (normal(6, 3),), (torch.tensor([[0.0, 200.0, 0.0]]),))
    answer = try_remedies(failure, Effort())
    assert answer.verified is True
    lead, _, where = answer.text.partition(", where ")
    assert not is_pasteable(answer.text)
    assert lead.startswith("write torch.log_softmax(x, 1)[:, 0] instead of shares_of(logits)[:, 0].log() at ")
    assert where.startswith("x is z at test_pasted_remedies.py:")


def test_a_name_that_means_something_else_by_then_is_not_used() -> None:
    def naive(x: Tensor) -> Tensor:
        p = x.softmax(1)
        x = p[:, 0]
        return -torch.log(x).mean()

    answer = try_remedies(failure_of(naive, (normal(6, 3),), (torch.tensor([[0.0, 200.0, 0.0]]),)), Effort())
    assert answer.verified is True
    assert "log_softmax(x," not in answer.text


def test_code_keeps_together_in_its_place() -> None:
    def naive(x: Tensor, y: Tensor) -> Tensor:
        return -torch.log(x.exp() / y.exp()).mean()

    failure = failure_of(naive, (normal(6), normal(6, seed=1)), (torch.full((6,), 200.0), torch.full((6,), 150.0)))
    answer = try_remedies(failure, Effort())
    assert answer.verified is True
    assert answer.text.startswith("write (x - y) instead of torch.log(x.exp() / y.exp()) at ")


def test_a_line_that_does_more_than_the_operation_is_not_replaced() -> None:
    """Inside of torch's own distribution nothing can be pasted; the words do not say that it can."""

    def naive(scale: Tensor, y: Tensor) -> Tensor:
        return -torch.distributions.Normal(0.0, scale, validate_args=False).log_prob(y).mean()

    failure = failure_of(naive, (uniform(6), normal(6)), (torch.zeros(6), normal(6)))
    answer = try_remedies(failure, Effort())
    assert "instead of torch.distributions" not in answer.text


@pytest.mark.parametrize("name", TWO_FAULTS)
def test_the_input_that_is_shown_is_cured(name: str) -> None:
    """The smallest input is one of this fault alone: pasted, the remedy beside it makes it finite."""
    loss, ordinary = TWO_FAULTS[name]
    verified = [f for f in losszoo.examine(loss, example=lambda: ordinary).findings if f.verified]
    assert verified
    for finding in verified:
        mended = getattr(module_after(finding.remedy, loss), name)
        inputs = [eval(text, {"torch": torch}).requires_grad_() for text in finding.input.values()]  # noqa: S307
        value = mended(*inputs)
        value.backward()
        assert bool(torch.isfinite(value)), finding
        assert all(x.grad is None or bool(torch.isfinite(x.grad).all()) for x in inputs), finding


def _failure(case: Case) -> Failure | None:
    """The case on its failing input, as the search would have found it."""
    ((_, subject),) = subjects_of(case.loss, None, None, case.inputs, 0)
    leaves, dtype = tree_leaves(case.failing()), getattr(torch, case.dtype)
    if case.symptom != "inaccurate":
        verdict = judge(subject, leaves, dtype)
        if verdict.leaves is None or verdict.symptom is None or not verdict.sick:
            return None
        found = blame(subject, verdict.leaves, dtype)
        return Failure(subject, "given", verdict.symptom, dtype, verdict.leaves, found)

    def accept(outcome: Outcome) -> bool:
        return not is_inaccurate(subject, leaves, outcome)

    return Failure(subject, "", "inaccurate", dtype, leaves, blame_inaccuracy(subject, leaves), accept=accept)


def _mended_case(index: int) -> tuple[str, str, list[str]]:
    """A case of the collection: what became of its remedy, and what is wrong with it."""
    torch.set_num_threads(1)
    case = CASES[index]
    failure = _failure(case)
    answer = try_remedies(failure, Effort(1e9)) if failure is not None else None
    if failure is None or answer is None or not answer.verified:
        return case.name, "none", []
    if not is_pasteable(answer.text):
        return case.name, "told", []
    mended = next(c.loss for c in module_after(answer.text, case.loss).CASES if c.name == case.name)
    wrong = changed(failure.subject, mended, failure.dtype, 100)
    cured = evaluate(replace(failure.subject, call=mended), failure.leaves, failure.dtype)
    if cured.error is not None or symptom_of(cured) is not None:
        wrong.append("it does not cure")
    return case.name, "pasted", [f"{answer.text}: {said}" for said in wrong]


@pytest.mark.sweep
def test_every_verified_remedy_of_the_collection_leaves_ordinary_values_alone() -> None:
    """100 fresh ordinary inputs each, over seeds and scales: none changed, in the loss's dtype and in float64."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(_mended_case, range(len(CASES))))
    came = [how for _, how, _ in answers]
    assert {name: wrong for name, _, wrong in answers if wrong} == {}
    assert came.count("pasted") >= 0.8 * len(CASES)
    # A value without a name at the line can only be told.
    assert came.count("told") <= 0.02 * len(CASES)


def test_the_words_are_read_as_a_person_reads_them() -> None:
    remedy = "write a / b.clamp(min=1) instead of a / mask.sum() at f.py:2, where b = mask.sum()"
    (edit,) = edits_of(remedy)
    assert (edit.old, edit.file, edit.line) == ("a / mask.sum()", "f.py", 2)
    assert pasted(remedy, "def f(a, mask):\n    return a / mask.sum()\n") == (
        "def f(a, mask):\n    return (lambda b: (a / b.clamp(min=1)))(mask.sum())\n"
    )
