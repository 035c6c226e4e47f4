"""Sums of losses: weights, schedules, penalties, learned weights."""

from __future__ import annotations

import copy
import json
import math
import pickle

import pytest
import torch

import losszoo
from losszoo import UsageError
from losszoo.losses.sums.schedules import Schedule

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]], requires_grad=True)
LABELS = torch.tensor([0, 2])


def test_a_sum_is_the_sum() -> None:
    predictions, targets = torch.randn(5), torch.rand(5)
    total = losszoo.create("0.7*mse - 2*mae + huber(delta=0.3)")(predictions, targets)
    parts = [losszoo.create(name)(predictions, targets) for name in ("mse", "mae", "huber(delta=0.3)")]
    torch.testing.assert_close(total, 0.7 * parts[0] - 2 * parts[1] + parts[2])


def test_terms_are_there_one_by_one() -> None:
    loss = losszoo.create("0.7*mse + mae + mae")
    values = loss.values(lambda leaf: (torch.ones(2) * 3, torch.ones(2)))
    assert {label: value.item() for label, value in values.items()} == {"mse": 4.0, "mae": 2.0, "mae #2": 2.0}
    torch.testing.assert_close(loss.combine(values), torch.tensor(6.8))


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("linear(0, 1, epochs=4)*mse", [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]),
        ("cosine(1, 0, epochs=2)*mse", [1.0, 0.5, 0.0, 0.0]),
        ("step(1, 3, epochs=2)*mse", [1.0, 1.0, 3.0, 3.0]),
        ("constant(0.3)*mse", [0.3, 0.3]),
        ("2*linear(1, 0, epochs=2)*constant(0.5)*mse", [1.0, 0.5, 0.0]),
        ("linear(0, 1, epochs=2)*(mse)", [0.0, 0.5, 1.0]),
    ],
)
def test_schedules_over_epochs(text: str, weights: list[float]) -> None:
    loss = losszoo.create(text)
    for epoch, weight in enumerate(weights):
        loss.set_epoch(epoch)
        assert loss(torch.tensor([2.0]), torch.tensor([0.0])).item() == pytest.approx(4 * weight, abs=1e-6)


def test_the_cosine_is_half_a_wave_at_a_quarter() -> None:
    # cos(pi/4) = sqrt(2)/2: 1 - (1 - sqrt(2)/2)/2.
    assert Schedule("cosine", 1.0, 0.0, epochs=4).at(1) == pytest.approx(0.5 + math.sqrt(2) / 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sine", 0.0), "a schedule must be one of"),
        (("linear", math.inf), "start and end must be finite"),
        (("linear", 0.0, 1.0, 0), "epochs must be a whole number >= 1"),
        (("linear", 0.0, 1.0, 1.5), "epochs must be a whole number >= 1"),
    ],
)
def test_impossible_schedules(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Schedule(*arguments)


def test_the_epoch_is_in_the_state() -> None:
    loss = losszoo.create("linear(0, 1, epochs=4)*mse")
    loss.set_epoch(3)
    other = losszoo.create("linear(0, 1, epochs=4)*mse")
    other.load_state_dict(loss.state_dict())
    assert other.epoch == 3
    assert copy.deepcopy(loss).epoch == 3


def test_a_penalty_in_a_sum_asks_for_parameters() -> None:
    loss = losszoo.create("cross-entropy + 0.5*l2")
    weights = [torch.tensor([3.0, 4.0])]
    expected = torch.nn.functional.cross_entropy(LOGITS, LABELS) + 0.5 * 25
    torch.testing.assert_close(loss(LOGITS, LABELS, parameters=weights), expected)
    torch.testing.assert_close(loss(LOGITS, LABELS, parameters=iter(weights)), expected)
    with pytest.raises(UsageError, match="must be called with parameters="):
        loss(LOGITS, LABELS)


def test_terms_of_unlike_signatures_take_inputs_by_signature() -> None:
    loss = losszoo.create("cross-entropy + 0.1*nca")
    embeddings = torch.randn(4, 2)
    inputs = {
        "multiclass": (torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])),
        "embedding": (embeddings, torch.tensor([0, 1, 0, 1])),
    }
    expected = math.log(2) + 0.1 * losszoo.create("nca")(*inputs["embedding"])
    torch.testing.assert_close(loss.evaluate(inputs), expected)
    with pytest.raises(UsageError, match="must have one signature, got multiclass and embedding"):
        loss(*inputs["multiclass"])


def test_binary_and_segmentation_terms_share_their_inputs() -> None:
    maps, masks = torch.randn(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    loss = losszoo.create("0.7*bce + 0.3*smoothness")
    assert loss.signature == "segmentation"
    torch.testing.assert_close(loss(maps, masks), losszoo.create("smooth-segmentation")(maps, masks))


def test_a_weight_of_zero_switches_a_nan_off() -> None:
    predictions = torch.tensor([torch.inf], requires_grad=True)
    loss = losszoo.create("linear(0, 1, epochs=2)*mse + mae")
    assert loss(predictions, torch.zeros(1)).isinf()
    assert losszoo.create("linear(0, 1, epochs=2)*mse")(predictions, torch.zeros(1)) == 0


def test_learned_weights() -> None:
    loss = losszoo.create("uncertainty(mse, 0.5*mae)")
    names = [name for name, _ in loss.named_parameters()]
    assert len(names) == 1
    # Kendall's sum at log-variances 0: half of each loss.
    value = loss(torch.tensor([2.0]), torch.tensor([0.0]))
    assert value.item() == pytest.approx(0.5 * 4 + 0.5 * 0.5 * 2)
    value.backward()
    assert all(p.grad is not None and (p.grad != 0).any() for p in loss.parameters())
    alone = losszoo.create("uncertainty", tasks=3)
    assert alone([torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)]).item() == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("text", "params", "message"),
    [
        ("focal(bce)", {}, "arguments of focal must be given by name"),
        ("mse + mae", {"delta": 1.0}, "parameters must go with a single loss"),
        ("2*mse", {"delta": 1.0}, "parameters must go with a single loss"),
        ("hubr", {}, r"unknown loss 'hubr': did you mean huber\?"),
        ("huber(delta=-1)", {}, r"huber: delta must be in \(0, inf\), got -1"),
        ("huber(delta=x)", {}, "huber: delta must be a number, got 'x'"),
        ("huber(dleta=1)", {}, r"huber has no parameter 'dleta': did you mean delta\?"),
    ],
)
def test_what_cannot_be_composed(text: str, params: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create(text, **params)


def test_a_term_that_is_switched_off_spoils_no_gradient() -> None:
    embeddings = (torch.eye(4) * 1e3).repeat(2, 1).requires_grad_()
    loss = losszoo.create("linear(0, 1, epochs=20)*nca-ratio + 0.5*nca-stable")
    loss(embeddings + torch.arange(8.0)[:, None], torch.arange(4).repeat(2)).backward()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


def test_a_schedule_alone_that_starts_at_zero_keeps_its_graph() -> None:
    predictions = torch.ones(2, requires_grad=True)
    losszoo.create("linear(0, 1, epochs=2)*mse")(predictions, torch.zeros(2)).backward()
    assert predictions.grad is not None
    assert predictions.grad.tolist() == [0.0, 0.0]


def test_terms_that_count_different_things() -> None:
    maps, masks = torch.randn(4, 4, 4, 4), torch.ones(4, 4, 4, 4)
    with pytest.raises(UsageError, match=r"unreduced terms of a sum must have one shape, got \(4, 4\), \(4, 4, 4, 4\)"):
        losszoo.create("bce + smoothness", reduction="none")(maps, masks)
    loss = losszoo.create("bce + smoothness")
    with pytest.raises(UsageError, match=r"denominator must be a mapping by label \(bce, smoothness\)"):
        loss(maps, masks, denominator=256)
    halves = [(maps[:1], masks[:1]), (maps[1:], masks[1:])]
    whole = {"bce": 256, "smoothness": 16}
    torch.testing.assert_close(sum(loss(*half, denominator=whole) for half in halves), loss(maps, masks))


def test_losses_that_are_made_can_be_summed() -> None:
    first, second = (
        losszoo.create("mse"),
        losszoo.create(lambda predictions, targets: predictions - targets, signature="regression"),
    )
    x, t = torch.randn(4), torch.randn(4)
    for total in (0.5 * first + second, second + first * 0.5, sum([0.5 * first, second]), -(-0.5 * first - second)):
        torch.testing.assert_close(total(x, t), 0.5 * first(x, t) + second(x, t))
    assert [term.label for term in (first + 2 * first + second).terms] == ["mse", "mse #2", "<lambda>"]
    learned = 2 * losszoo.create("uncertainty(mse, mae)") + losszoo.create("linear(1, 0, epochs=2)*huber")
    assert len(list(learned.parameters())) == 1
    assert "2*uncertainty(mse, mae) + linear(1, 0, epochs=2)*huber" in repr(learned)
    torch.testing.assert_close(
        learned(x, t), 2 * losszoo.create("uncertainty(mse, mae)")(x, t) + losszoo.create("huber")(x, t)
    )
    with pytest.raises(UsageError, match="the weight of a loss must be finite, got inf"):
        math.inf * first
    for wrong in (lambda: first + 1, lambda: first * second, lambda: "2" * first, lambda: first - 3):
        with pytest.raises(TypeError):
            wrong()


def test_terms_of_one_signature_take_inputs_by_label() -> None:
    a, b, ta, tb = torch.randn(8), torch.randn(5), torch.randn(8), torch.randn(5)
    loss = losszoo.create("mse + 0.5*mae + huber")
    total = loss.evaluate({"mse": (a, ta), "regression": (b, tb)}, mask={"mse": torch.arange(8) < 3})
    expected = ((a - ta)[:3] ** 2).mean() + 0.5 * (b - tb).abs().mean() + torch.nn.functional.huber_loss(b, tb)
    torch.testing.assert_close(total, expected)
    learned = losszoo.create("uncertainty(mse, mae)")
    # Kendall's sum at log-variances 0: half of each loss.
    expected = 0.5 * (((a - ta) ** 2).mean() + (b - tb).abs().mean())
    torch.testing.assert_close(learned.evaluate({"mse": (a, ta), "mae": (b, tb)}), expected)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"multiclass": (LOGITS, LABELS)}, r"hold those of sup-con, under 'sup-con' or 'embedding', got 'multiclass'"),
        ({}, r"hold those of cross-entropy, under 'cross-entropy' or 'multiclass', got none"),
        ({"multiclas": (LOGITS, LABELS)}, r"by label or signature \(cross-entropy, sup-con, .*got 'multiclas'"),
        ({"multiclass": LOGITS}, r"inputs\['multiclass'\] must be a tuple of arguments, got a Tensor"),
    ],
)
def test_a_term_without_inputs_is_named(inputs: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        losszoo.create("cross-entropy + sup-con").evaluate(inputs)


@pytest.mark.parametrize("name", ["weight", "mask", "denominator"])
def test_what_is_given_by_label_has_a_term(name: str) -> None:
    loss, x = losszoo.create("mse + 0.5*mae"), torch.ones(3)
    with pytest.raises(UsageError, match=rf"{name} must be by the label of a term \(mse, mae\), got 'maee'"):
        loss(x, x, **{name: {"mse": x > 0 if name == "mask" else x.sum(), "maee": x.sum()}})


def test_a_weight_is_not_set_in_the_copy_that_is_shown() -> None:
    loss = losszoo.create("0.5*mse + mae")
    with pytest.raises(UsageError, match=r"the weight of mse must be set where the loss is made, .* would do nothing"):
        loss.weights["mse"] = 3
    with pytest.raises(UsageError, match="the weight of mae must be set where"):
        loss.weights.update(mae=2)
    weights = loss.weights
    assert copy.deepcopy(weights) == pickle.loads(pickle.dumps(weights)) == {"mse": 0.5, "mae": 1.0}
    assert json.dumps(weights) == '{"mse": 0.5, "mae": 1.0}'
