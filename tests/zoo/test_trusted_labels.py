"""Losses for wrong labels, calibration, long tails and ordered classes, against their definitions in mpmath, 50 digits.

Derivatives are mpmath's differences of the same definition, so they share nothing with the code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import digamma, gammaln
from scipy.stats import entropy, wasserstein_distance
from sklearn.metrics import brier_score_loss

import losszoo

mp = mpmath.mp.clone()
mp.dps = 50
LOGITS = ([0.3, -1.2, 2.0], [0.0, 0.0, 0.0], [12.0, -3.0, 0.0], [-25.0, 4.0, 5.0], [0.0, 60.0, 61.0])
COUNTS = [900.0, 90.0, 10.0]
FLIPS = [[0.8, 0.1, 0.1], [0.0, 1.0, 0.0], [0.3, 0.2, 0.5]]


def softmax(z: Sequence[Any]) -> list[Any]:
    total = mp.fsum(mp.exp(x) for x in z)
    return [mp.exp(x) / total for x in z]


def tempered(z: Sequence[Any], t1: float, t2: float) -> Callable[[int], Any]:
    """The paper's equations 2 to 5; the normalisation by mpmath's bracketing root finder."""
    t1, t2 = mp.mpf(t1), mp.mpf(t2)

    def exp_t(x):
        return mp.exp(x) if t2 == 1 else (1 + (1 - t2) * x) ** (1 / (1 - t2))

    top = max(z)
    high = mp.log(len(z)) if t2 == 1 else (mp.mpf(len(z)) ** (t2 - 1) - 1) / (t2 - 1)
    shift = mp.findroot(
        lambda x: mp.fsum(exp_t(v - top - x) for v in z) - 1, (mp.mpf(0), high + 1), solver="anderson", tol=1e-80
    )
    p = [exp_t(v - top - shift) for v in z]
    return lambda y: (1 - p[y] ** (1 - t1)) / (1 - t1) - (1 - mp.fsum(x ** (2 - t1) for x in p)) / (2 - t1)


def log_sum(z: Sequence[Any]) -> Any:
    return mp.log(mp.fsum(mp.exp(x) for x in z))


def ldam(z: Sequence[Any], y: int, scale: float) -> Any:
    margins = [mp.mpf(n) ** mp.mpf("-0.25") for n in COUNTS]
    margins = [mp.mpf("0.5") * m / max(margins) for m in margins]
    shifted = [scale * (x - (margins[y] if c == y else 0)) for c, x in enumerate(z)]
    return log_sum(shifted) - shifted[y]


def cumulative(z: Sequence[Any], y: int) -> list[Any]:
    p = softmax(z)
    return [mp.fsum(p[: k + 1]) - (k >= y) for k in range(len(z))]


DEFINITIONS: dict[str, tuple[str, dict[str, Any], Callable[[Sequence[Any], int], Any]]] = {
    "gce": ("generalized-cross-entropy", {}, lambda z, y: (1 - softmax(z)[y] ** mp.mpf("0.7")) / mp.mpf("0.7")),
    "gce, small q": (
        "generalized-cross-entropy",
        {"q": 1e-6},
        lambda z, y: (1 - softmax(z)[y] ** mp.mpf(1e-6)) / mp.mpf(1e-6),
    ),
    "sce": (
        "symmetric-cross-entropy",
        {},
        lambda z, y: -mp.mpf("0.1") * mp.log(softmax(z)[y]) + 4 * (1 - softmax(z)[y]),
    ),
    "forward": (
        "forward-correction",
        {"matrix": [x for row in FLIPS for x in row]},
        lambda z, y: -mp.log(mp.fsum(p * mp.mpf(row[y]) for p, row in zip(softmax(z), FLIPS, strict=True))),
    ),
    "forward, even": (
        "forward-correction",
        {"noise": 0.2},
        lambda z, y: -mp.log(softmax(z)[y] * mp.mpf("0.7") + mp.mpf("0.1")),
    ),
    "bi-tempered": ("bi-tempered", {}, lambda z, y: tempered(z, 0.8, 1.2)(y)),
    "bi-tempered, heavy": ("bi-tempered", {"t1": 0.2, "t2": 4.0}, lambda z, y: tempered(z, 0.2, 4.0)(y)),
    "bi-tempered, softmax": ("bi-tempered", {"t1": 0.5, "t2": 1.0}, lambda z, y: tempered(z, 0.5, 1.0)(y)),
    "brier": ("brier", {}, lambda z, y: mp.fsum((p - (c == y)) ** 2 for c, p in enumerate(softmax(z)))),
    "penalty": (
        "confidence-penalty",
        {},
        lambda z, y: -mp.log(softmax(z)[y]) + mp.mpf("0.1") * mp.fsum(p * mp.log(p) for p in softmax(z)),
    ),
    "poly": ("poly-1", {"epsilon": 2.0}, lambda z, y: -mp.log(softmax(z)[y]) + 2 * (1 - softmax(z)[y])),
    "adjusted": (
        "logit-adjusted",
        {"class_counts": COUNTS, "tau": 1.5},
        lambda z, y: (
            -mp.log(softmax([x + mp.mpf("1.5") * mp.log(n / 1000) for x, n in zip(z, COUNTS, strict=True)])[y])
        ),
    ),
    "ldam": ("ldam", {"class_counts": COUNTS}, lambda z, y: ldam(z, y, 30)),
    "ldam, scale 1": ("ldam", {"class_counts": COUNTS, "scale": 1.0}, lambda z, y: ldam(z, y, 1)),
    "emd": ("emd", {}, lambda z, y: mp.fsum(g**2 for g in cumulative(z, y))),
    "emd, work": ("emd", {"power": 1.0}, lambda z, y: mp.fsum(abs(g) for g in cumulative(z, y))),
    "emd, NIMA": ("emd", {"root": True}, lambda z, y: mp.sqrt(mp.fsum(g**2 for g in cumulative(z, y)) / 3)),
}


@pytest.mark.parametrize("case", DEFINITIONS)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
def test_value_and_gradient_are_those_of_the_definition(case, dtype, rtol):
    name, params, definition = DEFINITIONS[case]
    loss = losszoo.create(name, reduction="sum", **params)
    for row in LOGITS:
        for label in range(3):
            logits = torch.tensor([row], dtype=dtype, requires_grad=True)
            value = loss(logits, torch.tensor([label]))
            value.backward()
            exact = [mp.mpf(x) for x in logits[0].tolist()]
            truth = float(definition(exact, label))
            # torch's log_softmax, as that of every library, is exact to the last digit of the largest logit.
            least = 8 * torch.finfo(dtype).eps
            assert value.item() == pytest.approx(truth, rel=rtol, abs=least)
            step = mp.mpf(10) ** -15
            for place in range(3):
                moved = [
                    definition([x + sign * step * (c == place) for c, x in enumerate(exact)], label) for sign in (1, -1)
                ]
                derivative = float((moved[0] - moved[1]) / (2 * step))
                found = logits.grad[0, place].item()
                assert found == pytest.approx(derivative, rel=10 * rtol, abs=40 * least), (row, label)


@pytest.mark.parametrize("case", DEFINITIONS)
def test_soft_labels_that_are_sure_are_labels_and_a_class_ruled_out_is_no_nan(case):
    name, params, _ = DEFINITIONS[case]
    loss = losszoo.create(name, reduction="none", **params)
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1])
    hot = F.one_hot(labels, 3).double()
    torch.testing.assert_close(loss(logits, hot), loss(logits, labels), rtol=1e-9, atol=1e-12)
    ruled_out = logits.clone()
    ruled_out[torch.arange(5), (labels + 1) % 3] = -math.inf
    leaf = ruled_out.requires_grad_()
    value = loss(leaf, labels)
    value.sum().backward()
    assert value.isfinite().all()
    assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("size", [104.0, 1e4, 1e8])
@pytest.mark.parametrize("name", ["symmetric-cross-entropy", "poly-1", "confidence-penalty", "logit-adjusted", "ldam"])
def test_a_surely_wrong_row_keeps_its_gradient(name, size):
    logits = torch.tensor([[0.0, size]], requires_grad=True)
    losszoo.create(name)(logits, torch.tensor([0])).backward()
    assert logits.grad[0, 0] < -0.05


# Beside other libraries


def test_brier_is_twice_scikit_learns_of_two_classes():
    logits, labels = torch.randn(50, 2, dtype=torch.float64), torch.arange(50) % 2
    ours = losszoo.create("brier")(logits, labels).item()
    assert ours == pytest.approx(2 * brier_score_loss(labels, logits.softmax(1)[:, 1]), rel=1e-12)


def test_emd_of_power_1_is_scipys_wasserstein_distance():
    logits = torch.randn(6, 5, dtype=torch.float64)
    values = losszoo.create("emd", power=1.0, reduction="none")(logits, torch.arange(6) % 5)
    for value, p, label in zip(values, logits.softmax(1).numpy(), torch.arange(6) % 5, strict=True):
        assert value.item() == pytest.approx(wasserstein_distance(range(5), [int(label)], p), rel=1e-10)


def test_confidence_penalty_is_scipys_entropy():
    logits, labels = torch.randn(6, 5, dtype=torch.float64), torch.arange(6) % 5
    values = losszoo.create("confidence-penalty", beta=0.5, reduction="none")(logits, labels)
    expected = F.cross_entropy(logits, labels, reduction="none").numpy() - 0.5 * entropy(logits.softmax(1), axis=1)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-12)


def test_without_counts_there_is_no_long_tail():
    logits, labels = torch.randn(6, 5, dtype=torch.float64), torch.arange(6) % 5
    torch.testing.assert_close(losszoo.create("logit-adjusted")(logits, labels), F.cross_entropy(logits, labels))


def test_bi_tempered_takes_logits_of_any_size():
    """The authors' fixed point oscillates from logits of about 1e3 on; the loss is at most 1 / (1 - t1) = 5."""
    logits = torch.tensor([[-1e30, 0.0, 1e30], [1e4, -1e4, 0.0]], requires_grad=True)
    values = losszoo.create("bi-tempered", reduction="none")(logits, torch.tensor([0, 0]))
    values.sum().backward()
    assert values[0].item() == pytest.approx(5.0, rel=1e-3)
    assert values[1].item() == pytest.approx(0.0, abs=1e-3)
    assert logits.grad.isfinite().all()


# Evidence


def by_scipy(z: np.ndarray, y: int, form: str, kl_weight: float) -> float:
    """Sensoy et al. 2018, equations 3 to 5 and the divergence, in SciPy's gamma functions."""
    alpha = 1 + np.logaddexp(0, z)
    q = np.eye(len(z))[y]
    total = alpha.sum()
    first = {
        "mse": ((q - alpha / total) ** 2 + alpha * (total - alpha) / (total**2 * (total + 1))).sum(),
        "log": np.log(total) - np.log(alpha[y]),
        "digamma": digamma(total) - digamma(alpha[y]),
    }[form]
    tilde = q + (1 - q) * alpha
    divergence = gammaln(tilde.sum()) - gammaln(tilde).sum() - gammaln(len(z))
    divergence += ((tilde - 1) * (digamma(tilde) - digamma(tilde.sum()))).sum()
    return first + kl_weight * divergence


@pytest.mark.parametrize("form", ["mse", "log", "digamma"])
@pytest.mark.parametrize("row", [*LOGITS[:4], [1e3, 1e3 + 5, -1e3], [1e4, 2e4, 3e4]])
def test_evidence_is_scipys(form, row):
    for label in range(3):
        expected = by_scipy(np.array(row), label, form, 0.5)
        for dtype, rtol in ((torch.float32, 2e-5), (torch.float64, 1e-9)):
            loss = losszoo.create("evidential", form=form, kl_weight=0.5)
            value = loss(torch.tensor([row], dtype=dtype), torch.tensor([label]))
            assert value.item() == pytest.approx(expected, rel=rtol, abs=1e-9)


# What is refused


@pytest.mark.parametrize(
    ("name", "params", "rule"),
    [
        ("forward-correction", {"matrix": [0.5, 0.5]}, r"matrix must have C\^2 entries, C=3, got 2 of them"),
        (
            "forward-correction",
            {"matrix": [1.0, 0, 0, 0, 0.5, 0, 0, 0, 1]},
            r"matrix must have rows that sum to 1, got 0.5 in row 1",
        ),
        ("logit-adjusted", {"class_counts": [1.0, 2.0]}, r"class_counts must have one entry per class, C=3, got 2"),
        ("ldam", {"class_counts": [1.0, 2.0]}, r"class_counts must have one entry per class, C=3, got 2"),
        ("ldam", {"class_counts": [1.0, 2.0, 0.0]}, r"class_counts must be in \(0, inf\), every entry"),
        ("bi-tempered", {"t1": 1.0}, r"t1 must be in \[0, 1\)"),
        ("quality-focal", {"beta": 0.5}, r"beta must be in \[1, inf\)"),
    ],
)
def test_what_is_refused(name, params, rule):
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        losszoo.create(name, **params)(torch.zeros(2, 3), torch.tensor([0, 2]))


def test_a_run_tells_the_counts_of_its_training_rows(tmp_path):
    """On a task with 1 % positives the balanced softmax finds more of them than cross-entropy."""
    recall = {}
    for name in ("cross-entropy", "logit-adjusted"):
        run = losszoo.run(name, "digits-rare", epochs=15, metric=["balanced_accuracy"], out=tmp_path)
        recall[name] = run.metrics["test"]["balanced_accuracy"]
    assert recall["logit-adjusted"] > recall["cross-entropy"]


# Yes and no


def of_asymmetric(x: Any, t: int, clip: str, gammas: tuple[int, int]) -> Any:
    p = 1 / (1 + mp.exp(-x))
    if t:
        return -((1 - p) ** gammas[0]) * mp.log(p)
    shifted = max(p - mp.mpf(clip), mp.mpf(0))
    return -(shifted ** gammas[1]) * mp.log(1 - shifted)


@pytest.mark.parametrize(("clip", "gammas"), [("0.05", (1, 4)), ("0", (0, 2)), ("0.2", (2, 1))])
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_asymmetric_is_its_definition(clip, gammas, target, dtype):
    loss = losszoo.create("asymmetric", clip=float(clip), gamma_pos=gammas[0], gamma_neg=gammas[1])
    rtol = 2e-5 if dtype is torch.float32 else 1e-9
    for number in (-100.0, -20.0, -2.0, 0.0, 0.7, 5.0, 30.0):
        x = torch.tensor([number], dtype=dtype, requires_grad=True)
        value = loss(x, torch.tensor([float(target)], dtype=dtype))
        value.backward()
        exact = mp.mpf(number)
        assert value.item() == pytest.approx(float(of_asymmetric(exact, target, clip, gammas)), rel=rtol, abs=1e-30)
        derivative = mp.diff(lambda x: of_asymmetric(x, target, clip, gammas), exact, h=mp.mpf(10) ** -15)
        assert x.grad.item() == pytest.approx(float(derivative), rel=rtol, abs=1e-30)


def test_a_positive_at_minus_100_has_its_gradient():
    """timm 1.0: exactly 0, by a clamped logarithm. The derivative of -(1 - p) log p at -100 is -1."""
    x = torch.tensor([-100.0], requires_grad=True)
    losszoo.create("asymmetric")(x, torch.ones(1)).backward()
    assert x.grad.item() == pytest.approx(-1.0)


def test_asymmetric_of_equal_exponents_is_focal():
    x, t = torch.randn(50, dtype=torch.float64) * 5, (torch.arange(50) % 2).double()
    ours = losszoo.create("asymmetric", gamma_neg=2.0, gamma_pos=2.0, clip=0.0)(x, t)
    torch.testing.assert_close(ours, losszoo.create("focal", gamma=2.0)(x, t))


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.5])
def test_quality_focal_is_its_definition(beta):
    loss = losszoo.create("quality-focal", beta=beta)
    for x in (-30.0, -1.0, 0.0, 0.5, 20.0):
        for y in (0.0, 0.3, 1.0):
            p = 1 / (1 + mp.exp(-mp.mpf(x)))
            t = mp.mpf(y)
            expected = abs(t - p) ** mp.mpf(beta) * (-t * mp.log(p) - (1 - t) * mp.log(1 - p))
            value = loss(torch.tensor([x], dtype=torch.float64), torch.tensor([y], dtype=torch.float64))
            assert value.item() == pytest.approx(float(expected), rel=1e-10, abs=1e-30)
