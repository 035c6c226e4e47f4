"""Divergences of two distributions and of two softmaxes, by scipy, mpmath and torch."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax
from torch import Tensor

from losszoo import UsageError, create
from losszoo.testing import check_signature

mpmath.mp.dps = 50


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


STUDENT, TEACHER, LABELS = 3 * draw(6, 4), 3 * draw(6, 4, seed=1), torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("signature", ["distillation", "divergence"])
def test_the_signatures(signature: str) -> None:
    assert check_signature(signature).failed == {}


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("shape", [(5, 10), (2, 3, 4), ()])
def test_kl_div_is_that_of_torch(log_target: bool, shape: tuple[int, ...]) -> None:
    x, q = draw(*shape).log_softmax(-1), draw(*shape, seed=1).softmax(-1)
    x = x - 1  # torch does not ask for a sum of 1 either
    q = q.log() if log_target else q
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    value = create("kl-div", log_target=log_target)(ours, q)
    expected = torch.nn.KLDivLoss(reduction="none", log_target=log_target)(theirs, q).mean()
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_directions_of_kl_div_are_those_of_scipy() -> None:
    p, q = softmax(STUDENT.numpy(), axis=1), softmax(TEACHER.numpy(), axis=1)
    for beta in (0.5, 0.2):
        mixture = beta * q + (1 - beta) * p
        both = beta * rel_entr(q, mixture) + (1 - beta) * rel_entr(p, mixture)
        for direction, expected in (("forward", rel_entr(q, p)), ("reverse", rel_entr(p, q)), ("jensen-shannon", both)):
            for log_target in (False, True):
                target = torch.tensor(np.log(q) if log_target else q)
                loss = create("kl-div", direction=direction, share=beta, log_target=log_target, reduction="none")
                np.testing.assert_allclose(loss(STUDENT.log_softmax(1), target), expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("direction", ["forward", "jensen-shannon"])
def test_what_the_targets_never_show_costs_nothing(direction: str) -> None:
    """torch 2.13: NaN at a target of 0 beside a log-probability of -infinity."""
    x = torch.tensor([0.0, -torch.inf], requires_grad=True)
    value = create("kl-div", direction=direction)(x, torch.tensor([1.0, 0.0]))
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-7)
    assert x.grad[0].isfinite()
    assert not x.grad[1].isnan()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_knowledge_distillation_is_the_divergence_of_scipy_times_the_square(temperature: float) -> None:
    q, p = (softmax(x.numpy() / temperature, axis=1) for x in (TEACHER, STUDENT))
    expected = temperature**2 * rel_entr(q, p).sum(1)
    loss = create("knowledge-distillation", temperature=temperature, reduction="none")
    np.testing.assert_allclose(loss(STUDENT, TEACHER), expected, rtol=1e-9)
    np.testing.assert_allclose(loss(STUDENT.float(), TEACHER.float()), expected, rtol=1e-5, atol=1e-5)


def test_the_teacher_gets_no_gradient() -> None:
    for name in ("knowledge-distillation", "decoupled-kd"):
        student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
        create(name)(student, teacher).backward()
        assert teacher.grad is None
        assert student.grad.any()


def test_the_gradient_hardly_depends_on_the_temperature_where_it_is_high() -> None:
    """To that of half the squared difference of centred logits over the classes (Hinton, section 2.1)."""
    student = STUDENT.clone().requires_grad_()
    create("knowledge-distillation", temperature=1e4, reduction="sum")(student, TEACHER).backward()
    centred = [x - x.mean(1, keepdim=True) for x in (STUDENT, TEACHER)]
    torch.testing.assert_close(student.grad, (centred[0] - centred[1]) / 4, rtol=1e-3, atol=1e-3)


def decoupled(student: list[float], teacher: list[float], label: int, alpha: float, beta: float, t: float) -> float:
    """The paper's two divergences in 50 digits."""
    p, q = ([mpmath.exp(mpmath.mpf(x) / t) for x in row] for row in (student, teacher))
    p, q = ([x / mpmath.fsum(row) for x in row] for row in (p, q))

    def divergence(a: list[mpmath.mpf], b: list[mpmath.mpf]) -> mpmath.mpf:
        return mpmath.fsum(x * (mpmath.log(x) - mpmath.log(y)) for x, y in zip(a, b, strict=True))

    other_p, other_q = ([x for c, x in enumerate(row) if c != label] for row in (p, q))
    rest_p, rest_q = mpmath.fsum(other_p), mpmath.fsum(other_q)
    sure = divergence([q[label], rest_q], [p[label], rest_p])
    shares = divergence([x / rest_q for x in other_q], [x / rest_p for x in other_p])
    return float(t**2 * (alpha * sure + beta * shares))


@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
@pytest.mark.parametrize(("alpha", "beta", "temperature"), [(1.0, 8.0, 4.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0)])
def test_decoupled_kd_is_right_in_fifty_digits(size: float, alpha: float, beta: float, temperature: float) -> None:
    loss = create("decoupled-kd", alpha=alpha, beta=beta, temperature=temperature, reduction="none")
    values = loss(size * STUDENT, size * TEACHER, LABELS)
    rows = zip((size * STUDENT).tolist(), (size * TEACHER).tolist(), LABELS.tolist(), strict=True)
    expected = [decoupled(s, t, label, alpha, beta, temperature) for s, t, label in rows]
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


def test_both_parts_together_are_knowledge_distillation_where_the_weight_is_that_of_the_teacher() -> None:
    wrong = 1 - softmax(TEACHER.numpy() / 4, axis=1)[np.arange(6), LABELS]
    values = [
        create("decoupled-kd", alpha=1.0, beta=w, reduction="none")(
            STUDENT[i : i + 1], TEACHER[i : i + 1], LABELS[i : i + 1]
        )
        for i, w in enumerate(wrong.tolist())
    ]
    torch.testing.assert_close(torch.cat(values), create("knowledge-distillation", reduction="none")(STUDENT, TEACHER))


def test_a_teacher_that_is_certain_leaves_a_gradient() -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    value = create("decoupled-kd", temperature=1.0)(student, torch.tensor([[1e4, 5.0, 0.0]]), torch.tensor([0]))
    value.backward()
    assert value.isfinite()
    # The other classes are taught although the teacher gives them no probability that float32 holds.
    shares = softmax([5.0, 0.0])
    np.testing.assert_allclose(student.grad[0, 1:], 8 * (0.5 - shares) + np.array([1 / 3, 1 / 3]), rtol=1e-5)


def test_labels_that_are_left_out_are_the_answers_of_the_teacher() -> None:
    loss = create("decoupled-kd")
    torch.testing.assert_close(loss(STUDENT, TEACHER), loss(STUDENT, TEACHER, TEACHER.argmax(1)))


@pytest.mark.parametrize("name", ["knowledge-distillation", "decoupled-kd"])
def test_maps_have_a_value_at_each_place(name: str) -> None:
    student, teacher, labels = draw(2, 4, 3, 5), draw(2, 4, 3, 5, seed=1), torch.arange(30).view(2, 3, 5) % 4
    loss = create(name, reduction="none")
    flat = [x.movedim(1, -1).reshape(30, 4) for x in (student, teacher)]
    torch.testing.assert_close(loss(student, teacher, labels), loss(*flat, labels.flatten()).view(2, 3, 5))


def test_log_softmax_of_one_class_is_no_answer() -> None:
    one = torch.zeros(3, 1, requires_grad=True)
    for name in ("knowledge-distillation", "decoupled-kd"):
        assert create(name)(one, torch.ones(3, 1)).item() == 0
    assert log_softmax([1.0]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("inputs", "rule"),
    [
        ((torch.zeros(2, 3), torch.zeros(2, 4)), "teacher must have the shape of student"),
        ((torch.zeros(2), torch.zeros(2)), r"student must have shape \(N, C, ...\)"),
        ((torch.zeros(2, 3), torch.full((2, 3), torch.nan)), "teacher must be finite"),
        ((torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0, 3])), "labels must be from 0 to 3-1, got 3"),
    ],
)
def test_what_does_not_fit_is_refused(inputs: tuple[Tensor, ...], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        create("decoupled-kd")(*inputs)
