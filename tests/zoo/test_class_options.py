"""An ignored label, weights of classes and probabilities as targets: on every loss of the signature, and anybody's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from classes import close, create, double, draw, step
from torch import Tensor, nn

import losszoo
from losszoo import UsageError
from losszoo.testing import check_loss, check_signature

SPECS = losszoo.list_losses(signature="multiclass", plugin="losszoo")
EXPECTS = {spec.name: spec.expects for spec in SPECS}
by_name = pytest.mark.parametrize("name", EXPECTS)
differentiated = pytest.mark.parametrize("name", [s.name for s in SPECS if "detached-weights" not in s.tags])
WEIGHT = [0.5, 2.0, 0.0, 1.0]
NAN, INF = math.nan, math.inf


def outputs(name: str, *shape: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions as the loss expects them, labels, and probabilities."""
    logits, labels = draw(*shape, seed=seed)
    q = draw(*shape, seed=seed + 1)[0].softmax(1)
    return (logits.log_softmax(1) if EXPECTS[name] == "log-probabilities" else logits), labels, q


def test_every_loss_of_the_signature_announces_the_options() -> None:
    assert len(SPECS) >= 9
    for spec in SPECS:
        found = {param.name: (param.type, param.default) for param in spec.params}
        assert found["weight"] == ("floats", None), spec.name
        assert found["ignore_index"] == ("int", -100), spec.name


@by_name
@pytest.mark.parametrize("shape", [(7, 4), (3, 4, 2), (2, 4, 2, 3)])
@pytest.mark.parametrize("ignored", [-100, 99, 2])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_an_ignored_label_is_as_if_its_position_were_not_there(
    name: str, shape: tuple[int, ...], ignored: int, weight: list[float] | None
) -> None:
    """Against the loss of the positions that are left, one by one in a row; NaN stands where nobody looks."""
    x, labels, _ = outputs(name, *shape)
    labels[0] = ignored
    gone = labels == ignored
    x = torch.where(gone.unsqueeze(1), NAN, x)
    for reduction in ("mean", "sum", "none"):
        loss = create(name, ignore_index=ignored, weight=weight, reduction=reduction)
        plain = create(name, weight=weight, reduction=reduction)
        found, slope = step(loss, x, labels)
        expected, other = step(plain, x.movedim(1, -1)[~gone], labels[~gone])
        close(found if reduction != "none" else found[~gone], expected)
        close(slope.movedim(1, -1)[~gone], other)
        assert (slope.movedim(1, -1)[gone] == 0).all()
        if reduction == "none":
            assert (found[gone] == 0).all()


@by_name
def test_a_batch_that_is_ignored_whole_is_empty(name: str) -> None:
    x, labels = torch.full((3, 4), NAN), torch.full((3,), -100)
    for reduction in ("mean", "sum"):
        value, slope = step(create(name, reduction=reduction, weight=WEIGHT), x, labels)
        assert value == 0
        assert (slope == 0).all()
    assert create(name, empty="nan")(x, labels).isnan()
    with pytest.raises(UsageError, match="the batch must not be empty, got no element, only masked ones"):
        create(name, empty="raise")(x, labels)
    assert create(name).count(x, labels) == 0


@by_name
@pytest.mark.parametrize("shape", [(40, 4), (10, 4, 2)])
def test_a_class_of_weight_two_counts_twice(name: str, shape: tuple[int, ...]) -> None:
    """Positions in a row, those of class 1 two times, those of class 2 not at all."""
    x, labels, _ = outputs(name, *shape)
    rows, flat = x.movedim(1, -1).reshape(-1, 4), labels.flatten()
    often = torch.cat([(flat != 2).nonzero(), (flat == 1).nonzero()])[:, 0]
    for reduction in ("mean", "sum"):
        found, slope = step(create(name, weight=[1.0, 2.0, 0.0, 1.0], reduction=reduction), x, labels)
        expected, other = step(create(name, reduction=reduction), rows[often], flat[often])
        close(found, expected)
        close(slope.movedim(1, -1).reshape(-1, 4), torch.zeros_like(rows).index_add(0, often, other))


@by_name
def test_a_weight_multiplies_what_stands_in_torchs_mean(name: str) -> None:
    """The weights and the divisor are those of torch's nll_loss, called with the values of the loss for each class."""
    x, labels, q = outputs(name, 9, 4)
    plain, each = create(name, reduction="none"), torch.arange(4)
    costs = torch.stack([plain(x, each[c].expand(9)) for c in range(4)], 1)
    close(create(name, weight=WEIGHT)(x, labels), F.nll_loss(-costs, labels, weight_of()))
    values = create(name, weight=WEIGHT, reduction="none")(x, labels)
    close(values, F.nll_loss(-costs, labels, weight_of(), reduction="none"))
    hot = F.one_hot(labels, 4).double()
    close(create(name, weight=WEIGHT, reduction="none")(x, hot), values)
    close(create(name, weight=WEIGHT)(x, hot), values.sum() / 9)
    if name not in ("sparsemax", "entmax", "brier", "emd", "evidential"):  # the expectation over the label
        close(create(name, weight=WEIGHT, reduction="none")(x, q), (q * weight_of() * costs).sum(1))


def weight_of() -> Tensor:
    return torch.tensor(WEIGHT, dtype=torch.float64)


@pytest.mark.parametrize(
    ("q", "weight", "expected"),
    # Logits (0, 0), so p = (1/2, 1/2). Sparsemax of r by hand: |r|^2 / 2 - |p|^2 / 2 + <p - r, z>.
    [
        ([0.5, 0.5], [1.0, 3.0], 2 * ((0.25**2 + 0.75**2) / 2 - 0.25)),  # s 2, r (1/4, 3/4)
        ([0.75, 0.25], [2.0, 2.0], 2 * ((0.75**2 + 0.25**2) / 2 - 0.25)),
        ([1.0, 0.0], [0.0, 5.0], 0.0),
        ([0.25, 0.75], [3.0, 1.0], 0.0),  # s 3/2, r (1/2, 1/2): the prediction
    ],
)
def test_weighed_probabilities_are_those_of_what_is_drawn(q: Any, weight: Any, expected: float) -> None:
    loss = create("sparsemax", weight=weight)
    value, slope = step(loss, double([0.0, 0.0]), double(q))
    close(value, torch.tensor(expected, dtype=torch.float64))
    # s (p - r), and s r = w q.
    drawn = torch.tensor([w * x for w, x in zip(weight, q, strict=True)], dtype=torch.float64)
    close(slope[0], drawn.sum() / 2 - drawn)


@differentiated
def test_gradients_with_all_options_are_those_of_finite_differences(name: str) -> None:
    x, labels, q = outputs(name, 5, 4, 2)
    labels[1] = 7
    for targets, ignored in ((labels, 7), (q, -100)):
        loss = create(name, weight=[0.5, 2.0, 0.25, 1.0], ignore_index=ignored, reduction="none")
        torch.autograd.gradcheck(lambda z, f=loss, t=targets: f(z, t), (x.clone().requires_grad_(),))


@by_name
def test_weights_ask_for_a_gradient_and_a_compiler_follows(name: str) -> None:
    """A sum is linear in the weights of labels: its slope is the sum of the values of a class."""
    x, labels, _ = outputs(name, 8, 4)
    labels[0] = -100
    w = weight_of().requires_grad_()
    loss = create(name, weight=w, reduction="sum", validate=False)
    (found,) = torch.autograd.grad(loss(x, labels), w)
    values = create(name, reduction="none")(x, labels)
    close(found, torch.stack([values[labels == c].sum() for c in range(4)]))
    for reduction in ("mean", "none"):
        eager = create(name, weight=WEIGHT, reduction=reduction)
        compiled = torch.compile(eager, backend="aot_eager")
        torch.testing.assert_close(compiled(x, labels), eager(x, labels))


@by_name
def test_masks_and_weights_of_a_call_go_with_the_options(name: str) -> None:
    x, labels, _ = outputs(name, 6, 4)
    labels[2] = -100
    mask, weight = torch.tensor([True, False, True, True, True, True]), torch.arange(6.0, dtype=torch.float64)
    left = torch.tensor([0, 3, 4, 5])
    loss = create(name, weight=WEIGHT)
    close(loss(x, labels, mask=mask, weight=weight), loss(x[left], labels[left], weight=weight[left]))
    close(loss.count(x, labels, mask=mask, weight=weight), (weight * weight_of()[labels.clamp(min=0)])[left].sum())


@by_name
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_the_options_too(name: str, dtype: torch.dtype) -> None:
    x, labels, q = (t.to(dtype) if t.is_floating_point() else t for t in outputs(name, 6, 4))
    q = q.float() / q.float().sum(1, keepdim=True)
    labels[2] = -100
    loss = create(name, weight=WEIGHT)
    for targets in (labels, q):
        torch.testing.assert_close(loss(x, targets), loss(x.float(), targets))


# What is refused ---------------------------------------------------------------------------------------------


@by_name
def test_probabilities_have_no_label_to_ignore(name: str) -> None:
    """As in torch, whose cross_entropy takes no ignore_index >= 0 with them."""
    x, _, q = outputs(name, 3, 4)
    with pytest.raises(UsageError, match=r"ignore_index must be no class where targets are probabilities, .* got 2"):
        create(name, ignore_index=2)(x, q)
    close(create(name, ignore_index=7)(x, q), create(name)(x, q))
    with pytest.raises(RuntimeError, match="ignore_index is not supported for floating point target"):
        F.cross_entropy(x, q, ignore_index=2)


@by_name
@pytest.mark.parametrize("weight", [[1.0, 2.0], [1.0] * 4])
def test_as_many_weights_as_classes_or_one(name: str, weight: list[float]) -> None:
    x, labels = torch.zeros(2, 3, dtype=torch.float64), torch.tensor([0, 1])
    with pytest.raises(UsageError, match=rf"weight must have one entry per class, C=3, got {len(weight)} of them"):
        create(name, weight=weight)(x, labels)
    with pytest.raises(UsageError, match=r"one entry per class, C=3, got shape \(3, 1\)"):
        create(name, weight=torch.ones(3, 1))(x, labels)
    close(create(name, weight=3.0)(x, labels), create(name)(x, labels))


@by_name
@pytest.mark.parametrize("weight", [[0.0, 0.0, 0.0], [-1.0, 1.0, 1.0], [NAN, 1.0, 1.0], [INF, 1.0, 1.0], 0.0, "heavy"])
def test_weights_that_are_none_are_refused_where_they_are_given(name: str, weight: Any) -> None:
    for wrong in (weight, weight if isinstance(weight, str) else torch.tensor(weight)):
        with pytest.raises(UsageError, match=f"{name}: weight must be"):
            create(name, weight=wrong)
    loss = create(name, weight=[1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="weight must be"):
        loss.weight = weight
    assert loss.weight == [1.0, 2.0, 3.0]


def test_a_weight_of_all_zeros_is_refused_in_one_sentence() -> None:
    said = r"sparsemax: weight must be finite and >= 0, with at least one number above 0, got \[0.0, 0.0\]"
    with pytest.raises(UsageError, match=said):
        create("sparsemax", weight=[0.0, 0.0])


@by_name
def test_a_label_that_is_neither_a_class_nor_ignored_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="targets must be labels from 0 to 2"):
        create(name, ignore_index=7)(torch.zeros(2, 3), torch.tensor([0, -100]))


# Anybody's ---------------------------------------------------------------------------------------------------


def own(logits: Tensor, targets: Tensor, *, power: float = 1.0) -> Tensor:
    """Not announced anywhere, and with no word of the options."""
    cost = (-logits.log_softmax(1)) ** power
    if targets.is_floating_point():
        return (targets * cost).sum(1)
    return cost.gather(1, targets.unsqueeze(1)).squeeze(1)


class Own(nn.Module):
    """With a learned ``weight`` of its own, which is not that of the classes."""

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.power = power
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.weight * own(logits, targets, power=self.power)


class TakesWeight(nn.Module):
    """What it takes itself is its own affair."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.factor = weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.factor * own(logits, targets)


@pytest.mark.parametrize("loss", [own, Own])
def test_a_loss_of_ones_own_has_the_options_without_a_line(loss: Any) -> None:
    logits, labels = draw(7, 4)
    labels[3] = -1
    made = create(loss, signature="multiclass", weight=WEIGHT, ignore_index=-1, power=1.0)
    expected = F.cross_entropy(logits, labels, weight_of(), ignore_index=-1)
    torch.testing.assert_close(made(logits, labels), expected, check_dtype=False)
    made.weight, made.ignore_index = None, 0
    assert made.weight is None
    labels[3] = 2
    torch.testing.assert_close(made(logits, labels), F.cross_entropy(logits, labels, ignore_index=0), check_dtype=False)
    assert {"weight", "ignore_index", "power"} <= set(made.parameter_names)
    with pytest.raises(UsageError, match=r"wieght|no parameter|unexpected"):
        create(loss, signature="multiclass", wieght=WEIGHT)
    assert "failed" not in str(check_loss(loss, signature="multiclass"))


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("ignore_index", 1.5, "must be a whole number, got 1.5"),
        ("ignore_index", "first", "must be a whole number, got 'first'"),
        ("weight", "balanced", "must be a finite number, a flat sequence .*, got 'balanced'"),
        ("weight", [1.0, -1.0], r"must be in \[0, inf\), every entry, got \[1.0, -1.0\]"),
        ("weight", [0.0, 0.0], "must be finite and >= 0, with at least one number above 0"),
    ],
)
@pytest.mark.parametrize("loss", [own, Own])
def test_options_of_a_loss_of_ones_own_have_their_ranges(loss: Any, option: str, value: Any, rule: str) -> None:
    with pytest.raises(UsageError, match=f"{loss.__name__}: {option} {rule}"):
        create(loss, signature="multiclass", **{option: value})
    made = create(loss, signature="multiclass")
    with pytest.raises(UsageError, match=f"{option} {rule}"):
        setattr(made, option, value)


def named_by_words(logits: Tensor, targets: Tensor, *, weight: str = "alike") -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none") * (2.0 if weight == "double" else 1.0)


def test_a_loss_that_takes_an_option_itself_is_given_it() -> None:
    logits, labels = draw(7, 4)
    close(
        create(named_by_words, signature="multiclass", weight="double")(logits, labels),
        2 * F.cross_entropy(logits, labels),
    )
    made = create(TakesWeight, signature="multiclass", weight=3.0)
    close(made(logits, labels), 3 * F.cross_entropy(logits, labels))


@by_name
def test_shapes_are_known_without_numbers(name: str) -> None:
    """On the meta device, where networks are laid out before they are filled."""
    x, labels, q = (y.to("meta") for y in outputs(name, 6, 4, 5))
    loss = create(name, weight=WEIGHT, reduction="none")
    assert loss(x, labels).shape == loss(x, q).shape == (6, 5)
    assert create(name)(x, labels).device.type == "meta"


def test_the_suite_tells_an_option_that_does_something_else() -> None:
    with pytest.raises(AssertionError, match=r"check_signature_options.*The options of the signature"):
        check_loss(TakesWeight, signature="multiclass")
    assert "failed" not in str(check_signature("multiclass"))


def test_options_stand_in_expressions_and_sums() -> None:
    logits, labels = draw(7, 4)
    labels[0] = 3
    total = create("0.5*sparsemax(weight=[1, 2, 3, 4], ignore_index=3) + weston-watkins(weight=[1, 0, 1, 0])")
    parts = create("sparsemax", weight=[1, 2, 3, 4], ignore_index=3), create("weston-watkins", weight=[1, 0, 1, 0])
    close(total(logits, labels), 0.5 * parts[0](logits, labels) + parts[1](logits, labels))
