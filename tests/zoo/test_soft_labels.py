"""Soft labels, as mixup and distillation give them, on every multiclass loss: values from elsewhere, and gradients."""

from __future__ import annotations

import math
import weakref
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from classes import TAGS, create
from sklearn.metrics import hinge_loss
from torch import Tensor
from torch.func import grad, jacfwd, vmap

import losszoo
from losszoo_plugins.classification.cross_entropy import topk_softmax
from losszoo_plugins.classification.focal import softmax_focal
from losszoo_plugins.classification.margin import multiclass_hinge, weston_watkins
from losszoo_plugins.classification.sparse import entmax, sparsemax

NAMES = [spec.name for spec in losszoo.list_losses(plugin="losszoo") if spec.signature == "multiclass"]
EXPECTS = {spec.name: spec.expects for spec in losszoo.list_losses(plugin="losszoo")}
by_name = pytest.mark.parametrize("name", NAMES)
# The losses of one class per target, whose soft form is the expectation.
HARD = ["softmax-focal", "topk-softmax", "multiclass-hinge", "weston-watkins"]
by_hard = pytest.mark.parametrize("name", HARD)
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")


def draw(name: str, *shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs (N, C, ...) as the loss expects them, and probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits, q = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    outputs = {"logits": logits, "log-probabilities": logits.log_softmax(1), "probabilities": logits.softmax(1)}
    return outputs[EXPECTS[name]], q.softmax(1)


class Kept:
    """A tensor that a graph keeps."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


MANY = [2.0, -1.0, 0.5, 0.0, 300.0, -300.0, 1.5, -0.25, 298.0, 3.0, -2.0, 1.0]
FOCAL_OF_MANY = 281.07367961855364


def unreduced(result: Any) -> Tensor:
    return getattr(result, "values", result) if isinstance(result, losszoo.Unreduced) else result


@pytest.mark.parametrize(
    ("loss", "logits", "q", "expected"),
    [
        # mpmath, 300 digits: -sum_c q_c (1 - p_c)^gamma log p_c from p = exp(z) / sum exp(z) as it stands.
        (partial(softmax_focal, gamma=2.0), [1.0, -0.5, 2.0], [0.25, 0.25, 0.5], 0.84776041613701124),
        (partial(softmax_focal, gamma=0.5), [1.0, -0.5, 2.0], [0.75, 0.0, 0.25], 0.94037436446524535),
        (partial(softmax_focal, gamma=2.0), [500.0, 0.0, -500.0], [0.5, 0.25, 0.25], 375.0),
        (partial(softmax_focal, gamma=2.0), MANY, [0.125] * 4 + [0.0625] * 8, FOCAL_OF_MANY),
        (partial(softmax_focal, gamma=0.0), [0.0, 0.0, 0.0], [0.5, 0.25, 0.25], 1.0986122886681097),
        # mpmath: the logarithm of the sum over the k largest and c, less z_c, for each c.
        (partial(topk_softmax, k=2), [1.0, -0.5, 2.0, 0.25], [0.25, 0.25, 0.375, 0.125], 1.4365302460219061),
        (partial(topk_softmax, k=1), [1.0, -0.5, 2.0, 0.25], [0.5, 0.5, 0.0, 0.0], 1.9460757109053862),
        (partial(topk_softmax, k=2), [1e4, 0.0, -1e4, 5.0], [0.5, 0.25, 0.25, 0.0], 7500.0),
        # By hand: costs of the classes 1.5, 3, 0 and 1.5, 5.5, 0.
        (multiclass_hinge, [1.0, -0.5, 2.5], [0.5, 0.25, 0.25], 0.5 * 2.5 + 0.25 * 4.0),
        (weston_watkins, [1.0, -0.5, 2.5], [0.5, 0.25, 0.25], 0.5 * 2.5 + 0.25 * 6.5),
    ],
)
def test_expected_losses_are_those_of_mpmath_and_by_hand(loss: Any, logits: Any, q: Any, expected: float) -> None:
    found = unreduced(loss(torch.tensor([logits], dtype=torch.float64), torch.tensor([q], dtype=torch.float64)))
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64), rtol=1e-12, atol=0)


def test_expected_margins_are_torchs_and_scikit_learns() -> None:
    logits, q = draw("multiclass-hinge", 7, 5)
    every = torch.arange(5).expand(7, 5)
    each = [F.multi_margin_loss(logits, every[:, c], reduction="none") * 5 for c in range(5)]
    torch.testing.assert_close(weston_watkins(logits, q), (torch.stack(each, 1) * q).sum(1), rtol=1e-12, atol=1e-14)
    rows, labels = logits.repeat_interleave(5, 0), every.flatten()
    crammer_singer = hinge_loss(labels, rows, sample_weight=q.flatten() / 7, labels=range(5))
    assert math.isclose(multiclass_hinge(logits, q).mean().item(), crammer_singer, rel_tol=1e-12)


def test_focal_without_discount_is_torchs_cross_entropy_with_class_weights() -> None:
    logits, q = draw("softmax-focal", 6, 4, 3)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.0], dtype=torch.float64)
    loss = losszoo.create("softmax-focal", gamma=0.0, weight=weight.tolist())
    torch.testing.assert_close(loss(logits, q), F.cross_entropy(logits, q, weight) * 6 * 3 / (6 * 3))


@by_name
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 2), (5, 1), (0, 4)])
def test_one_hot_labels_are_the_label_exactly(name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    logits = draw(name, *shape)[0].to(dtype)
    labels = torch.arange(logits[:, 0].numel()).view(logits[:, 0].shape) % shape[1]
    soft = F.one_hot(labels, shape[1]).movedim(-1, 1).to(dtype)
    loss = create(name, reduction="none")
    results = []
    for targets in (labels, soft):
        leaf = logits.clone().requires_grad_()
        values = loss(leaf, targets)
        results.append((values.detach(), torch.autograd.grad(values.sum(), leaf)[0]))
    exact = name in HARD
    for hard, same in zip(*results, strict=True):
        torch.testing.assert_close(same, hard, **({"rtol": 0, "atol": 0} if exact else {}))


@by_hard
def test_one_hot_labels_beside_soft_ones_are_the_label_exactly(name: str) -> None:
    """Also where every class is tried, as one row needs it, or as nobody may look."""
    logits, q = draw(name, 6, 4)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    loss = create(name, reduction="none")
    mixed = torch.where(torch.arange(6).unsqueeze(1) < 5, F.one_hot(labels, 4).double(), q)
    assert loss(logits, mixed)[:5].equal(loss(logits, labels)[:5])
    assert loss(logits, mixed.requires_grad_())[:5].equal(loss(logits, labels)[:5])


@pytest.mark.parametrize("name", [name for name in NAMES if "detached-weights" not in TAGS[name]])
@pytest.mark.parametrize("classes", [4, 9])
def test_gradients_of_logits_and_labels_are_those_of_finite_differences(name: str, classes: int) -> None:
    """The labels move on the simplex, where alone they are probabilities."""
    logits, q = draw(name, 2, classes)
    loss = create(name, reduction="none", validate=False)
    fixed = partial(loss, targets=q)
    inputs = (logits.requires_grad_(), q.log().requires_grad_())
    for function, given in ((lambda x, u: loss(x, u.softmax(1)), inputs), (fixed, inputs[:1])):
        torch.autograd.gradcheck(function, given)
        torch.autograd.gradgradcheck(function, given, atol=1e-4)


@by_name
@pytest.mark.parametrize("place", [0, 1])
def test_transforms_give_the_same_gradients(name: str, place: int) -> None:
    inputs = draw(name, 3, 4)
    loss = create(name)
    leaves = [x.clone().requires_grad_() for x in inputs]
    expected = torch.autograd.grad(loss(*leaves), leaves)[place]
    torch.testing.assert_close(grad(loss, place)(*inputs), expected)
    torch.testing.assert_close(jacfwd(loss, place)(*inputs), expected)
    each = vmap(grad(lambda x, y: loss(x.unsqueeze(0), y.unsqueeze(0)), place))(*inputs)
    torch.testing.assert_close(each / 3, expected)


@by_hard
@pytest.mark.parametrize("classes", [4, 9, 30])
def test_the_loss_of_soft_labels_is_the_expectation_of_that_of_labels(name: str, classes: int) -> None:
    logits, q = draw(name, 5, classes, seed=1)
    weight = {"weight": torch.linspace(0, 2, classes).tolist()} if name == "softmax-focal" else {}
    loss = create(name, reduction="none", **weight)
    expected = sum(q[:, c] * loss(logits, torch.full((5,), c)) for c in range(classes))
    torch.testing.assert_close(loss(logits, q), expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(loss(logits, q.requires_grad_()), expected, rtol=1e-12, atol=1e-14)


@by_hard
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_expected_losses_are_finite_at_extremes(name: str, dtype: torch.dtype) -> None:
    numbers = torch.tensor([0.0, 1.0, -1e4, 1e30, -1e30], dtype=dtype)
    drawn = torch.randint(5, (400, 12), generator=torch.Generator().manual_seed(0))
    loss = create(name, reduction="none")
    few, many = torch.cartesian_prod(numbers, numbers, numbers), numbers[drawn]
    for q in ([0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [1e-30, 1.0, 0.0], [1 / 12] * 12, [0.0, 0.1] + [0.09] * 10):
        logits = (few if len(q) == 3 else many).clone().requires_grad_()
        values = loss(logits, torch.tensor(q, dtype=dtype).expand(logits.shape))
        assert values.isfinite().all()
        assert torch.autograd.grad(values.sum(), logits)[0].isfinite().all()


@by_hard
@pytest.mark.parametrize("more", [0, 8])
def test_a_class_without_share_has_no_part_were_its_cost_infinite(name: str, more: int) -> None:
    """Against the losses of labels, as the cost of a class that is ruled out is infinite."""
    logits = torch.tensor([[1.0, -0.5, -math.inf, 0.25], [0.0, -math.inf, 2.0, -math.inf]])
    q = torch.tensor([[0.25, 0.5, 0.0, 0.25], [0.75, 0.0, 0.25, 0.0]])
    if more:
        logits = torch.cat([logits, torch.randn(2, more, generator=torch.Generator().manual_seed(0))], 1)
        q = torch.cat([q / 2, torch.full((2, more), 0.5 / more)], 1)
    loss = create(name, reduction="none")
    expected, slope = torch.zeros(2), torch.zeros_like(q)
    for row, c in q.nonzero().tolist():
        leaf = logits[row : row + 1].clone().requires_grad_()
        value = q[row, c] * loss(leaf, torch.tensor([c]))
        expected[row] += value.item()
        slope[row] += torch.autograd.grad(value.sum(), leaf)[0][0]
    for learned in (False, True):
        leaf = logits.clone().requires_grad_()
        found = loss(leaf, q.clone().requires_grad_(learned))
        torch.testing.assert_close(found.detach(), expected)
        torch.testing.assert_close(torch.autograd.grad(found.sum(), leaf)[0], slope)
    each = vmap(grad(lambda x, y: loss(x.unsqueeze(0), y.unsqueeze(0)).sum()))(logits, q)
    torch.testing.assert_close(each, slope)


@by_hard
def test_memory_grows_with_the_classes_and_not_with_their_square(name: str) -> None:
    """What is kept for the gradient, in numbers; the square would be 200 times the logits."""
    logits = torch.randn(8, 200, requires_grad=True)
    kept: weakref.WeakSet[Kept] = weakref.WeakSet()

    def keep(x: Tensor) -> Kept:
        kept.add(one := Kept(x))
        return one

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x.tensor):
        value = create(name)(logits, torch.randn(8, 200).softmax(1))
    assert value.requires_grad
    sizes = {x.tensor.data_ptr(): x.tensor.untyped_storage().nbytes() // 4 for x in kept}
    assert sum(sizes.values()) < 20 * logits.numel()


@pytest.mark.parametrize("alpha", [1.01, 1.3, 1.5, 2.0, 3.0])
def test_entmax_labels_have_the_gradient_of_their_entropy(alpha: float) -> None:
    """In closed form: what d/dq of -<q, z> - H(q) is on the simplex, at a q with zeros too."""
    logits = torch.tensor([[1.0, -0.5, 2.0, 0.25]], dtype=torch.float64)
    q = torch.tensor([[0.5, 0.0, 0.25, 0.25]], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(entmax(logits, q, alpha=alpha).sum(), q)
    expected = q.detach().pow(alpha - 1) / (alpha - 1) - logits
    centred = [x - x.mean(1, keepdim=True) for x in (found, expected)]
    torch.testing.assert_close(*centred, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("loss", [sparsemax, entmax])
def test_labels_that_are_the_prediction_stand_still(loss: Any) -> None:
    """The loss is 0 and smallest where q is what the logits predict: q of two equal logits is a half."""
    q = torch.tensor([[0.5, 0.5]], dtype=torch.float64, requires_grad=True)
    value = loss(torch.zeros(1, 2, dtype=torch.float64), q)
    assert abs(value.item()) < 1e-15
    (slope,) = torch.autograd.grad(value.sum(), q)
    assert slope[0, 0] == slope[0, 1]


@by_name
def test_a_compiler_gives_the_same(name: str) -> None:
    inputs = draw(name, 3, 4)
    loss = create(name)
    results = []
    for call in (loss, torch.compile(loss, backend="aot_eager")):
        leaves = [x.clone().requires_grad_() for x in inputs]
        value = call(*leaves)
        results.append((value.detach(), *torch.autograd.grad(value, leaves)))
    torch.testing.assert_close(results[1], results[0])


@by_hard
def test_masks_weights_and_counts_of_soft_labels(name: str) -> None:
    """A masked position is as if it were not there, whatever stands in it."""
    logits, q = draw(name, 4, 3)
    loss = create(name)
    spoilt, mask = torch.cat([logits, torch.full_like(logits[:1], math.nan)]), torch.tensor([True] * 4 + [False])
    found = loss(spoilt, torch.cat([q, q[:1]]), mask=mask)
    torch.testing.assert_close(found, loss(logits, q))
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0], dtype=torch.float64)
    again = torch.tensor([0, 1, 1, 3])
    torch.testing.assert_close(loss(logits, q, weight=weight), loss(logits[again], q[again]))
