"""What every loss of classes does, and the margin losses against torch and scikit-learn."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from classes import BINARY, MULTICLASS, close, double, draw, each, gradient, values
from sklearn.metrics import hinge_loss

from losszoo_plugins.classification.binary import bce_probabilities
from losszoo_plugins.classification.cross_entropy import nll
from losszoo_plugins.classification.margin import multiclass_hinge, squared_hinge, weston_watkins
from losszoo_plugins.classification.sparse import entmax

NAN = math.nan


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
def test_weston_watkins_is_torchs_times_the_number_of_classes(margin):
    logits, labels = draw(8, 5)
    expected = 5 * F.multi_margin_loss(logits, labels, margin=margin, reduction="none")
    close(weston_watkins(logits, labels, margin=margin), expected)


def test_multiclass_hinge_is_scikit_learns():
    logits, labels = draw(30, 5)
    expected = hinge_loss(labels.numpy(), logits.numpy(), labels=range(5))
    assert multiclass_hinge(logits, labels).mean().item() == pytest.approx(expected, rel=1e-12)


def test_rivals_that_tie_share_the_gradient_of_the_multiclass_hinge():
    assert gradient(multiclass_hinge, double([0.0, 2.0, 2.0]), torch.tensor([0])).tolist() == [[-1.0, 0.5, 0.5]]


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0, 4.0])
def test_sparse_losses_are_not_negative_by_rounding(alpha):
    logits, labels = draw(4000, 5, seed=3)
    logits = logits.float().mul(3).requires_grad_()
    found = entmax(logits, labels, alpha=alpha)
    assert float(found.detach().min()) >= 0
    probabilities = torch.autograd.grad(found.sum(), logits)[0] + F.one_hot(labels, 5)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(4000))
    assert float(probabilities.min()) > -1e-6


@each(MULTICLASS)
def test_extra_dimensions_are_positions(loss):
    logits, labels = draw(2, 3, 4, 5)
    flat = values(loss(logits.permute(0, 2, 3, 1).reshape(-1, 3), labels.reshape(-1)))
    close(values(loss(logits, labels)), flat.view(2, 4, 5))


@each([*MULTICLASS, *BINARY, bce_probabilities])
def test_gradients_are_those_of_finite_differences(loss):
    logits, labels = draw(4, 3, scale=0.7)
    binary = loss in BINARY or loss is bce_probabilities
    inputs = logits.sigmoid() if loss is bce_probabilities else logits
    targets = draw(4, 3, seed=1)[0].gt(0).double() if binary else labels
    torch.autograd.gradcheck(lambda x: values(loss(x, targets)), (inputs.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@each([*MULTICLASS, *BINARY])
def test_values_and_gradients_are_finite_at_extremes(loss, dtype):
    largest = 1e18 if loss is squared_hinge else 1e30  # the square of 1e30 is no float32
    numbers = [0.0, 1.0, -1.0, 1e4, -1e4, largest, -largest]
    pairs = torch.cartesian_prod(*[torch.tensor(numbers, dtype=dtype)] * 2)
    for label in (0, 1):
        targets = torch.full_like(pairs, label) if loss in BINARY else torch.full((len(pairs),), label)
        assert values(loss(pairs, targets)).isfinite().all()
        assert gradient(loss, pairs, targets).isfinite().all()


@each(MULTICLASS)
def test_none_and_one_class_are_fine(loss):
    assert values(loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))).shape == (0,)
    logits = torch.zeros(2, 1) if loss is nll else torch.tensor([[3.0], [-1e4]])
    assert values(loss(logits, torch.tensor([0, 0]))).abs().max() < 1e-6
    if loss is not nll:
        assert gradient(loss, logits, torch.tensor([0, 0])).tolist() == [[0.0], [0.0]]


@each([*MULTICLASS, *BINARY])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_nan_comes_out_as_nan(loss, place):
    logits = torch.zeros(1, 3)
    logits[0, place] = NAN
    targets = torch.ones(1, 3) if loss in BINARY else torch.tensor([0])
    assert values(loss(logits, targets)).isnan().any() == (loss is not nll or place == 0)
