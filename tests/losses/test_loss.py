"""The contract around a pure function: arguments, reductions, masks, weights, errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import losszoo
from losszoo import UsageError

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0], [1.0, 1.0, 1.0], [-2.0, 4.0, 0.0]])
LABELS = torch.tensor([0, 2, 1, 1])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("params", "theirs"),
    [
        ({}, {}),
        ({"weight": [0.2, 3.0, 1.0]}, {"weight": torch.tensor([0.2, 3.0, 1.0])}),
        ({"label_smoothing": 0.1}, {"label_smoothing": 0.1}),
        ({"ignore_index": 1}, {"ignore_index": 1}),
    ],
)
def test_reductions_mean_what_they_mean_in_torch(reduction: str, params: dict, theirs: dict) -> None:
    ours = losszoo.create("cross-entropy", reduction=reduction, **params)(LOGITS, LABELS)
    torch.testing.assert_close(ours, F.cross_entropy(LOGITS, LABELS, reduction=reduction, **theirs))


def test_weights_in_a_mean_divide_by_their_sum() -> None:
    loss = losszoo.create("mse")
    values, targets = torch.tensor([1.0, 2.0, 4.0]), torch.zeros(3)
    # By hand: (1 * 1 + 3 * 4 + 0 * 16) / (1 + 3 + 0)
    assert loss(values, targets, weight=torch.tensor([1.0, 3.0, 0.0])) == 13 / 4


def test_a_weight_per_sample_reaches_every_element() -> None:
    values = torch.tensor([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]])
    # By hand: (2 * (1 + 4) + 1 * (9 + 16)) / (3 * 2 + 3 * 1)
    assert losszoo.create("mse")(values, torch.zeros(2, 3), weight=torch.tensor([2.0, 1.0])) == 35 / 9


def test_an_infinite_value_of_weight_zero_is_dropped() -> None:
    predictions = torch.tensor([1.0, torch.inf], requires_grad=True)
    value = losszoo.create("mae")(predictions, torch.zeros(2), weight=torch.tensor([1.0, 0.0]))
    value.backward()
    assert value == 1
    assert predictions.grad is not None
    assert predictions.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 3), (4, 3)])
def test_masks_may_be_leading_dimensions_or_broadcast(shape: tuple[int, ...]) -> None:
    mask = torch.ones(shape, dtype=torch.bool)
    mask.view(-1)[0] = False
    wide = mask.reshape(4, 1) if shape == (4,) else mask
    kept = wide.expand(4, 3)
    expected = (LOGITS[kept] ** 2).mean()
    torch.testing.assert_close(losszoo.create("mse")(LOGITS, torch.zeros(4, 3), mask=mask), expected)


def test_a_masked_label_may_be_anything() -> None:
    labels = torch.tensor([0, 99, 1, -7])
    mask = torch.tensor([True, False, True, False])
    expected = F.cross_entropy(LOGITS[mask], labels[mask])
    torch.testing.assert_close(losszoo.create("cross-entropy")(LOGITS, labels, mask=mask), expected)


def test_a_pixel_mask_in_a_dense_multiclass_loss() -> None:
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    mask = torch.rand(2, 4, 4) < 0.5
    spoiled = torch.where(mask[:, None], logits, torch.nan)
    expected = F.cross_entropy(logits.movedim(1, -1)[mask], labels[mask])
    torch.testing.assert_close(losszoo.create("cross-entropy")(spoiled, labels, mask=mask), expected)


def test_multilabel_is_binary_on_a_matrix() -> None:
    targets = F.one_hot(LABELS, 3).float()
    expected = F.binary_cross_entropy_with_logits(LOGITS, targets)
    torch.testing.assert_close(losszoo.create("bce")(LOGITS, targets), expected)


def test_inputs_by_name_and_targets_of_another_dtype() -> None:
    loss = losszoo.create("bce")
    expected = loss(LOGITS, torch.ones(4, 3))
    assert torch.equal(loss(predictions=LOGITS, targets=torch.ones(4, 3, dtype=torch.bool)), expected)
    assert torch.equal(loss(LOGITS, targets=torch.ones(4, 3, dtype=torch.float64)), expected)


BAD_CALLS = [
    (
        "cross-entropy",
        (LOGITS, LABELS[:3]),
        {},
        r"targets must have shape \(4,\), got shape \(3,\)",
    ),
    (
        "cross-entropy",
        (LOGITS, torch.tensor([0, 1, 2, 3])),
        {},
        r"targets must be labels from 0 to 2, got 3",
    ),
    (
        "cross-entropy",
        (LOGITS, torch.tensor([0, 1, -1, 2])),
        {},
        r"targets must be labels from 0 to 2, got -1",
    ),
    ("cross-entropy", (LOGITS, torch.full((4, 3), 0.5)), {}, r"targets must sum to 1 over the classes"),
    ("cross-entropy", (LOGITS[0], LABELS), {}, r"logits must have shape \(N, C, \.\.\.\)"),
    (
        "cross-entropy",
        (LOGITS.long(), LABELS),
        {},
        r"logits must be a floating point tensor, got dtype torch.int64",
    ),
    (
        "cross-entropy",
        ([1.0], LABELS),
        {},
        r"logits must be a floating point tensor, got a list",
    ),
    ("bce", (LOGITS, LOGITS), {}, r"targets must be in \[0, 1\], got 2.0"),
    ("bce-probabilities", (LOGITS, torch.ones(4, 3)), {}, r"predictions must hold probabilities in \[0, 1\]"),
    ("mse", (LOGITS[:, :1], LOGITS[:, 0]), {}, r"targets must have the shape of predictions, \(4, 1\)"),
    ("mse", (LOGITS, LOGITS * torch.nan), {}, r"targets must be finite, got nan"),
    ("dice", (LOGITS, LOGITS), {}, r"logits must have shape \(N, C, ...\) with one spatial dimension or more"),
    (
        "dice",
        (torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 1.5)),
        {},
        r"targets must be in \[0, 1\], got 1.5",
    ),
    ("nca", (LOGITS, LABELS.float()), {}, r"labels must be an integer tensor"),
    ("nca", (LOGITS[:, 0], LABELS), {}, r"embeddings must have shape \(N, D\)"),
    ("nca", (LOGITS, torch.full((4, 2), 0.5)), {}, r"labels must be 0 or 1 where they are multi-hot"),
    ("contrastive", (LOGITS, LOGITS, LABELS), {}, r"same must be in \[0, 1\], or -1 in place of 0, got 2"),
    ("contrastive", (LOGITS, LOGITS[:3], LABELS), {}, r"second must have the shape of first"),
    ("contrastive", (LOGITS, LOGITS, LABELS[:2]), {}, r"same must have shape \(4,\)"),
    ("triplet", (LOGITS, LOGITS, LOGITS[:2]), {}, r"negatives must have the shape of anchors"),
    ("info-nce", (LOGITS, LOGITS[:, :2]), {}, r"keys must have shape \(M, 3\), M >= 4: the key of each query, then"),
    ("modern-nca", (LOGITS, LABELS, LOGITS[:, :2], LABELS), {}, r"candidates must have shape \(M, 3\)"),
    (
        "modern-nca",
        (LOGITS, LABELS, LOGITS, LABELS.float()),
        {},
        r"candidate_targets must have the dtype of query_targets",
    ),
    (
        "modern-nca",
        (LOGITS, LABELS, LOGITS, LABELS, torch.tensor([0, 1, 2, 9])),
        {},
        r"own must be -1 or an index of the 4",
    ),
    ("l2", (3.0,), {}, r"parameters must be an iterable of tensors"),
    ("l2", ([LOGITS],), {"mask": torch.ones(4, dtype=torch.bool)}, r"mask must"),
    ("mse", (LOGITS,), {}, r"inputs must be predictions, targets, got none for targets"),
    ("mse", (LOGITS, LOGITS, LOGITS), {}, r"inputs must be predictions, targets, got 3"),
    (
        "mse",
        (LOGITS, LOGITS),
        {"target": LOGITS},
        r"inputs must be predictions, targets, got target",
    ),
    (
        "mse",
        (LOGITS, LOGITS),
        {"mask": torch.ones(4)},
        r"mask must be a boolean tensor, as mask\.bool\(\) gives it .*, got dtype torch.float32",
    ),
    (
        "mse",
        (LOGITS, LOGITS),
        {"mask": torch.ones(5, dtype=torch.bool)},
        r"mask must have shape \(4, 3\), one that broadcasts",
    ),
    (
        "mse",
        (LOGITS, LOGITS),
        {"weight": torch.tensor([1.0, 1.0, -1.0, 1.0])},
        r"weight must be finite and >= 0, got -1",
    ),
    (
        "mse",
        (LOGITS, LOGITS),
        {"weight": torch.tensor([1.0, torch.nan, 1.0, 1.0])},
        r"weight must be finite and >= 0, got nan",
    ),
    (
        "mse",
        (LOGITS, LOGITS),
        {"denominator": -1},
        r"denominator must be finite and >= 0, got -1",
    ),
]


@pytest.mark.parametrize(("name", "inputs", "extra", "message"), BAD_CALLS)
def test_a_bad_argument_is_named_with_its_rule_and_value(name: str, inputs: tuple, extra: dict, message: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: {message}") as caught:
        losszoo.create(name)(*inputs, **extra)
    assert isinstance(caught.value, ValueError)
    assert "losszoo 0." in str(caught.value)


def test_checks_of_numbers_can_be_left_out() -> None:
    assert losszoo.create("bce", validate=False)(LOGITS, LOGITS).isfinite()
    with pytest.raises(UsageError, match="targets must be in"):
        losszoo.create("bce", validate=True)(LOGITS, LOGITS)


def test_a_nan_prediction_is_no_wrong_argument() -> None:
    assert losszoo.create("bce-probabilities")(LOGITS * torch.nan, torch.ones(4, 3)).isnan()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"reduction": "average"}, "reduction must be one of mean, sum, none"),
        ({"empty": "ignore"}, "empty must be one of zero, nan, raise"),
        ({"signature": "binari"}, "signature must be one of"),
        ({"expects": "odds"}, "expects must be one of"),
    ],
)
def test_a_bad_policy_is_refused(how: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create("mse", **how)


def test_a_denominator_goes_with_a_mean() -> None:
    with pytest.raises(UsageError, match="denominator must go with reduction='mean'"):
        losszoo.create("mse", reduction="sum")(LOGITS, LOGITS, denominator=3)


def test_a_denominator_of_zero_is_the_empty_policy() -> None:
    assert losszoo.create("mse")(LOGITS, LOGITS, denominator=0) == 0
    assert losszoo.create("mse", empty="nan")(LOGITS, LOGITS, denominator=torch.tensor(0)).isnan()


def test_a_loss_that_mixes_elements_takes_masks_of_samples_only() -> None:
    def spread(logits: Tensor, targets: Tensor) -> Tensor:
        return logits.flatten(1).std(1)

    loss = losszoo.create(spread, signature="segmentation")
    maps, mask = torch.randn(3, 1, 2, 2), torch.ones(3, 1, 2, 2, dtype=torch.bool)
    mask[1] = False
    torch.testing.assert_close(loss(maps, maps * 0, mask=mask), loss(maps[[0, 2]], maps[[0, 2]] * 0))
    mask[2, 0, 0, 0] = False
    with pytest.raises(UsageError, match="mask must select whole samples"):
        loss(maps, maps * 0, mask=mask)


def test_a_loss_shows_who_it_is() -> None:
    assert "huber(delta=2.0), reduction='sum'" in repr(losszoo.create("huber", delta=2.0, reduction="sum"))


@pytest.mark.parametrize("name", ["multiclass", "embedding", "regression"])
def test_values_for_something_else_than_samples_are_refused(name: str) -> None:
    inputs = (torch.randn(4, 3), torch.randn(4, 3)) if name == "regression" else (LOGITS, LABELS)
    with pytest.raises(UsageError, match=r"values for each of the 4 samples, got the shape \(3,\)"):
        losszoo.create(lambda x, y: x.sum(0), signature=name)(*inputs)


def test_weight_zero_drops_the_gradient_of_what_is_not_finite_too() -> None:
    predictions = torch.tensor([torch.inf, 1.0], requires_grad=True)
    value = losszoo.create("mse")(predictions, torch.zeros(2), weight=torch.tensor([0.0, 1.0]))
    value.backward()
    assert value == 1
    assert predictions.grad is not None
    assert predictions.grad.tolist() == [0.0, 2.0]


def test_the_ignored_label_may_stand_there_without_being_named() -> None:
    labels = torch.tensor([0, -100, 1, 1])
    for name in ("cross-entropy", "softmax-focal"):
        keep = torch.tensor([0, 2, 3])
        loss = losszoo.create(name)
        torch.testing.assert_close(loss(LOGITS, labels), loss(LOGITS[keep], labels[keep]))


def test_a_nan_count_is_not_nothing() -> None:
    loss = losszoo.create("mse", validate=False)
    assert loss(LOGITS, LOGITS, weight=torch.tensor([torch.nan, 1.0, 1.0, 1.0])).isnan()
    assert loss(LOGITS, LOGITS, denominator=torch.tensor(torch.nan)).isnan()


@pytest.mark.parametrize(
    ("denominator", "message"),
    [
        (torch.tensor([2.0, 4.0]), r"denominator must be one real number, got shape \(2,\)"),
        (torch.tensor(-1.0), "denominator must be finite and >= 0, got -1.0"),
        (torch.tensor(torch.nan), "denominator must be finite and >= 0, got nan"),
    ],
)
def test_a_denominator_is_one_number(denominator: Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create("mse")(LOGITS, LOGITS, denominator=denominator)


def test_a_scalar_is_an_element_and_not_a_reduced_loss() -> None:
    value = losszoo.create("mse")(torch.tensor(2.0), torch.tensor(0.0), weight=torch.tensor(2.0))
    assert value == 4


@pytest.mark.parametrize("name", ["l1", "l2", "elastic-net"])
def test_penalties_know_the_empty_policy(name: str) -> None:
    assert losszoo.create(name)([]) == 0
    assert losszoo.create(name, empty="nan")([]).isnan()
    with pytest.raises(UsageError, match="the batch must not be empty"):
        losszoo.create(name, empty="raise")([])


def test_the_last_step_is_not_taken_on_nothing() -> None:
    @losszoo.finish(torch.exp)
    def grows(predictions: Tensor, targets: Tensor) -> Tensor:
        return predictions - targets

    loss = losszoo.create(grows, signature="regression")
    assert loss(LOGITS, LOGITS, mask=torch.zeros(4, dtype=torch.bool)) == 0
    assert loss(LOGITS, LOGITS) == 1
    with pytest.raises(UsageError, match="denominator must be left out, as this loss has a last step"):
        loss(LOGITS, LOGITS, denominator=4)


def test_half_values_of_a_core_are_widened_before_they_are_summed() -> None:
    def halves(predictions: Tensor, targets: Tensor) -> losszoo.Unreduced:
        values = torch.full((4,), 6e4, dtype=torch.float16)
        return losszoo.Unreduced(values, torch.ones(4, dtype=torch.int64))

    value = losszoo.create(halves, signature="regression")(LOGITS, LOGITS)
    assert value.dtype == torch.float32
    assert value == 6e4


def test_rows_that_see_each_other_cannot_be_masked_from_outside() -> None:
    def spread(embeddings: Tensor, labels: Tensor) -> Tensor:
        return torch.cdist(embeddings, embeddings).sum(1)

    with pytest.raises(UsageError, match="mask must be left out, as the rows of this loss see each other"):
        losszoo.create(spread)(LOGITS, LABELS, mask=torch.ones(4, dtype=torch.bool))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: losszoo.create(losszoo.create("mse"), reduction="sum"),
            "is a loss of the zoo already and takes no options",
        ),
        (lambda: losszoo.create(losszoo.create("focal"), gamma=5.0), "is a loss of the zoo already"),
        (lambda: losszoo.create("bce", expects="probabilities"), "must go with a loss of your own, got 'bce'"),
        (lambda: losszoo.create("uncertainty(mse, mae, tasks=5)"), "tasks must be left out where losses stand inside"),
    ],
)
def test_an_option_that_could_not_act_is_refused(make: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_an_error_of_the_core_carries_the_name_of_the_loss() -> None:
    with pytest.raises(UsageError, match=r"^cross-entropy: .*\(a loss of plugin classification, losszoo 0"):
        losszoo.create("cross-entropy", weight=[1.0] * 9)(LOGITS, torch.softmax(LOGITS, 1))
    with pytest.raises(UsageError, match=r"^mse: weight must be a real tensor, got a list"):
        losszoo.create("mse")(LOGITS, LOGITS, weight=[1, 2, 3, 4])


def test_every_announced_signature_can_be_called_and_has_an_example() -> None:
    from losszoo.losses.signatures import TABLE
    from losszoo.losses.signatures.example_inputs import example_inputs

    assert list(TABLE) == [spec.name for spec in losszoo.list_signatures()]
    for name, signature in TABLE.items():
        inputs = example_inputs(name)
        assert len(signature.arguments) <= len(inputs) <= len(signature.arguments) + len(signature.optional)


@pytest.mark.parametrize(
    ("loss", "fitting"),
    [
        (lambda predictions, targets: predictions - targets, ["binary", "regression"]),
        (lambda logits, targets: logits - targets, ["multiclass", "segmentation"]),
    ],
)
def test_a_signature_that_several_share_is_named_as_the_error_says(loss: Any, fitting: list[str]) -> None:
    with pytest.raises(UsageError, match=f"those of {fitting[0]} and of {fitting[1]}: say which, as in ") as refused:
        losszoo.create(loss)
    assert f"losszoo.create(..., signature='{fitting[0]}')" in str(refused.value)
    for signature in fitting:
        assert losszoo.create(loss, signature=signature).signature == signature
