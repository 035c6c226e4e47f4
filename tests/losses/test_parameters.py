"""A parameter that is set takes effect, is checked, is shown, and is carried along; one that cannot be set says so."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo import MemoryBank, UsageError
from losszoo.losses.signatures.example_inputs import example_inputs

# (loss, parameter, a value that is not the default)
SETTABLE = [
    ("focal", "gamma", 0.5),
    ("bce", "pos_weight", 3.0),
    ("cross-entropy", "weight", [1.0, 2.0, 0.5]),
    ("cross-entropy", "label_smoothing", 0.3),
    ("softmax-focal", "gamma", 1.0),
    ("topk-softmax", "k", 1),
    ("entmax", "alpha", 1.7),
    ("huber", "delta", 0.1),
    ("quantile", "quantile", 0.9),
    ("contrastive", "margin", 4.0),
    ("triplet", "margin", 5.0),
    ("triplet-all", "margin", 4.0),
    ("sup-con", "temperature", 0.7),
    ("sup-con", "similarity", "euclidean"),
    ("info-nce", "temperature", 0.7),
    ("info-nce", "symmetric", True),
    ("nca-stable", "temperature", 3.0),
    ("modern-nca", "similarity", "cosine"),
    ("elastic-net", "l1_ratio", 0.9),
    ("smooth-segmentation", "bce_weight", 0.1),
]


def inputs_of(loss: Any, seed: int = 0) -> tuple[Any, ...]:
    return example_inputs(loss.signature, expects=loss.identity.expects, seed=seed)


@pytest.mark.parametrize(("name", "parameter", "value"), SETTABLE)
def test_a_parameter_that_is_set_is_the_one_that_is_computed_with(name: str, parameter: str, value: Any) -> None:
    """As one that :func:`losszoo.create` is given."""
    loss, wanted = losszoo.create(name), losszoo.create(name, **{parameter: value})
    inputs = inputs_of(loss)
    before = loss(*inputs)
    setattr(loss, parameter, value)
    assert getattr(loss, parameter) == value
    assert f"{parameter}={value!r}" in repr(loss)
    for made in (loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(made(*inputs), wanted(*inputs))
        assert getattr(made, parameter) == value
    assert not torch.equal(before, wanted(*inputs))


def test_every_announced_parameter_can_be_read_set_and_is_shown_or_says_why_not() -> None:
    for spec in losszoo.list_losses():
        loss = losszoo.create(spec.name)
        for param in spec.params:
            if hasattr(loss, "log_temperature") and "temperature" in param.name:
                assert getattr(loss, param.name) == pytest.approx(param.default)
                with pytest.raises(UsageError, match="must be given where the loss is made"):
                    setattr(loss, param.name, param.default)
                continue
            assert getattr(loss, param.name) == param.default
            try:
                setattr(loss, param.name, param.default)
            except UsageError as error:
                raise AssertionError(f"{spec.name}.{param.name}: {error}") from None
            assert f"{param.name}={param.default!r}" in repr(loss)


@pytest.mark.parametrize(
    ("name", "parameter", "value", "message"),
    [
        ("focal", "gamma", -1.0, r"focal: gamma must be in \[0, inf\), got -1.0 \(a loss of plugin"),
        ("focal", "gamma", "2", "focal: gamma must be a number"),
        ("sup-con", "temperature", 0.0, r"sup-con: temperature must be in \(0, inf\)"),
        ("sup-con", "similarity", "l3", "sup-con: similarity must be one of"),
        ("focal", "reduction", "avg", "reduction must be one of"),
        ("focal", "gama", 1.0, r"focal has no parameter 'gama', and setting it would do nothing: did you mean gamma\?"),
        ("cross-entropy", "weights", [1.0], r"did you mean weight\?"),
        ("sup-con", "temp", 0.1, r"did you mean temperature\?"),
        ("focal + 2*huber", "gamma", 1.0, r"gamma is a parameter of focal: set it there, as in \.losses\[0\]\.gamma"),
        ("focal + 2*huber", "dleta", 1.0, r"delta is a parameter of huber"),
    ],
)
def test_what_cannot_be_set(name: str, parameter: str, value: Any, message: str) -> None:
    loss = losszoo.create(name)
    with pytest.raises(UsageError, match=message):
        setattr(loss, parameter, value)
    assert "gama" not in repr(loss)
    loss.note = "anything else is an attribute, as in torch"
    assert loss.note.startswith("anything")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(
            (text, "temperature")
            for text in ("triplet-batch-hard", "triplet-semi-hard", "triplet-all", "mse", "mse + mae")
        ),
        *((text, "symmetric") for text in ("triplet-all", "sup-con", "nca", "cross-entropy")),
        *(
            (text, name)
            for text in ("bce", "bce + dice")
            for name in ("similarity", "streaming", "relation", "expects")
        ),
        ("sup-con + mse", "streaming"),
    ],
)
def test_an_option_that_does_not_apply_is_not_there(text: str, name: str) -> None:
    loss = losszoo.create(text)
    assert not hasattr(loss, name)
    assert name not in getattr(loss, "parameter_names", ())
    with pytest.raises(
        UsageError, match=rf"({name} must be given where the loss is made|has no {name}).* would do nothing"
    ):
        setattr(loss, name, 0.5)


def test_reduction_and_empty_are_set_as_in_torch() -> None:
    loss = losszoo.create("mse")
    loss.reduction, loss.empty = "sum", "nan"
    assert loss(torch.ones(3), torch.zeros(3)) == 3
    assert loss(torch.ones(0), torch.zeros(0)).isnan()
    assert (loss.reduction, loss.empty) == ("sum", "nan")


@pytest.mark.parametrize("text", ["focal", "sup-con", "focal + bce", "uncertainty(mse, mae)"])
@pytest.mark.parametrize("name", ["weight", "mask", "denominator"])
def test_what_belongs_to_a_call_is_no_attribute(text: str, name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} must be given with each call, loss\(\.\.\., {name}="):
        setattr(losszoo.create(text), name, torch.ones(4))


def test_in_a_sum() -> None:
    loss = losszoo.create("huber(delta=1) + 2*huber(delta=2)")
    predictions, targets = torch.tensor([5.0]), torch.zeros(1)
    loss.losses[0].delta = 3.0
    # Huber: delta (|e| - delta / 2) beyond delta.
    assert loss(predictions, targets).item() == pytest.approx(3 * (5 - 1.5) + 2 * 2 * (5 - 1))
    assert "huber(delta=3.0)" in repr(loss)


def test_a_bank_computes_with_the_new_temperature() -> None:
    inputs = inputs_of(losszoo.create("sup-con"))
    set_later, given = MemoryBank("sup-con", size=8), MemoryBank("sup-con", size=8, temperature=0.9)
    set_later.loss.temperature = 0.9
    for _ in range(2):
        assert torch.equal(set_later(*inputs), given(*inputs))
    with pytest.raises(UsageError, match=r"temperature is a parameter of sup-con: set it there, as in \.loss\.temp"):
        set_later.temperature = 0.1
    with pytest.raises(UsageError, match="size must be given where the bank is made"):
        set_later.size = 3


def test_streaming_and_relation_are_set_too() -> None:
    loss = losszoo.create("nca-stable")
    rows = torch.randn(6, 2)
    loss.relation = lambda rows, columns: (rows[:, None] - columns).abs() < 0.5
    near = loss(rows, torch.tensor([0.0, 0.1, 5.0, 5.1, 9.0, 9.1]))
    loss.relation, loss.streaming = None, losszoo.Streaming(dense=True)
    torch.testing.assert_close(loss(rows, torch.tensor([0, 0, 1, 1, 2, 2])), near)


def tilted(predictions: Tensor, targets: Tensor, *, tilt: float = 0.5) -> Tensor:
    error = targets - predictions
    return torch.maximum(tilt * error, (tilt - 1) * error)


def test_a_function_of_ones_own() -> None:
    loss = losszoo.create(tilted, signature="regression")
    loss.tilt = 0.9
    assert loss(torch.zeros(1), torch.ones(1)).item() == pytest.approx(0.9)
    assert "tilted(tilt=0.9)" in repr(loss)


def test_a_compiled_loss() -> None:
    torch._dynamo.reset()
    loss = losszoo.create("huber")
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    predictions, targets = torch.tensor([5.0]), torch.zeros(1)
    assert compiled(predictions, targets).item() == pytest.approx(5 - 0.5)
    compiled.delta = 3.0
    assert compiled(predictions, targets).item() == pytest.approx(3 * (5 - 1.5))
    assert compiled.delta == loss.delta == 3.0


class Scaled(nn.Module):
    """Holds a parameter as it is, as a number made of it, and as a buffer; and something learned."""

    def __init__(self, scale: float = 1.0, weight: tuple[float, ...] = (1.0, 1.0), width: int = 2) -> None:
        super().__init__()
        self.scale, self.root = scale, scale**0.5
        self.register_buffer("weight", torch.tensor(weight))
        self.learned = nn.Parameter(torch.randn(width))

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self.root * self.weight * self.learned.exp() * (predictions - targets) ** 2


def test_a_module_follows_whatever_its_constructor_makes_of_a_parameter() -> None:
    loss = losszoo.create(Scaled, signature="regression", reduction="none")
    learned = loss.function.learned
    with torch.no_grad():
        learned.fill_(0.0)
    loss.scale, loss.weight = 9.0, (1.0, 2.0)
    assert loss(torch.full((1, 2), 2.0), torch.zeros(1, 2)).tolist() == [[12.0, 24.0]]
    assert loss.function.learned is learned
    assert (loss.scale, loss.root) == (9.0, 3.0)
    assert "Scaled(scale=9.0, weight=(1.0, 2.0))" in repr(loss)
    with pytest.raises(UsageError, match="width cannot be set to 3: parameters of the loss would change their shape"):
        loss.width = 3
    with pytest.raises(UsageError, match=r"learned is learned; set loss\.function\.learned, in place"):
        loss.learned = torch.zeros(2)
    for made in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        made.scale = 4.0
        assert made.root == 2.0
    assert loss.root == 3.0


def test_a_module_that_is_made_already_gets_the_attribute() -> None:
    loss = losszoo.create(nn.HuberLoss(reduction="none"), signature="regression")
    loss.delta = 3.0
    assert loss(torch.tensor([5.0]), torch.zeros(1)).item() == pytest.approx(3 * (5 - 1.5))
    assert loss.function.delta == loss.delta == 3.0
    assert "delta=3.0" in repr(loss)
    with pytest.raises(UsageError, match=r"did you mean delta\?"):
        loss.dleta = 1.0


def test_sizes_that_come_from_the_data_stay() -> None:
    loss = losszoo.create("linear-cross-entropy", classes=3, dim=4)
    embeddings, labels = inputs_of(loss)
    before = loss(embeddings, labels)
    loss.chunk = 2
    assert loss.function.chunk == 2
    torch.testing.assert_close(loss(embeddings, labels), before)
    for name, value in (("classes", 5), ("bias", False)):
        with pytest.raises(UsageError, match=f"{name} cannot be set to {value}: parameters of the loss would change"):
            setattr(loss, name, value)


def test_an_object_that_is_called_keeps_its_parameters_to_itself() -> None:
    class Power:
        def __init__(self, power: float = 2.0) -> None:
            self.power = power

        def __call__(self, predictions: Tensor, targets: Tensor) -> Tensor:
            return (predictions - targets).abs() ** self.power

    loss = losszoo.create(Power(3.0), signature="regression")
    assert loss(torch.tensor([2.0]), torch.zeros(1)) == 8
    loss.power = 1.0
    assert loss(torch.tensor([2.0]), torch.zeros(1)) == 2


def test_a_state_holds_what_is_learned_and_leaves_parameters_as_they_are_set() -> None:
    loss = losszoo.create("huber")
    loss.delta = 3.0
    loss.load_state_dict(losszoo.create("huber").state_dict())
    assert loss.delta == 3.0


def test_the_ignored_label_can_be_changed() -> None:
    loss = losszoo.create("cross-entropy")
    logits = torch.randn(3, 2)
    loss.ignore_index = 9
    torch.testing.assert_close(
        loss(logits, torch.tensor([0, 9, 1])),
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 9, 1]), ignore_index=9),
    )
    theirs = losszoo.create(torch.nn.CrossEntropyLoss(), signature="multiclass")
    torch.testing.assert_close(
        theirs(logits, torch.tensor([0, -100, 1])),
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, -100, 1])),
    )


def test_a_module_that_has_a_core_of_its_own() -> None:
    class Nested(nn.Module):
        def __init__(self, function: float = 1.0) -> None:
            super().__init__()
            self.function, self.policy = function, "own"

        def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
            return self.function * (predictions - targets)

    loss = losszoo.create(Nested(3.0), signature="regression")
    assert isinstance(loss.function, Nested)
    assert loss(torch.ones(1), torch.zeros(1)) == 3
    loss.function.function = 5.0
    assert loss(torch.ones(1), torch.zeros(1)) == 5


def test_what_is_looked_for_and_not_there() -> None:
    loss = losszoo.create("focal")
    assert not hasattr(loss, "delta")
    with pytest.raises(AttributeError, match="'Loss' object has no attribute 'delta'"):
        loss.delta  # noqa: B018
