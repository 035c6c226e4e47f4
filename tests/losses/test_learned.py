"""Numbers of a loss that are learned: a temperature, and any parameter that is given as an nn.Parameter."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

import losszoo
from losszoo import UsageError
from losszoo.losses.signatures.example_source import Source

SIMILARITIES = ("cosine", "dot", "euclidean", "squared-euclidean")
OVER_PAIRS = {"info-nce": "", "info-nce ": "symmetric=true", "sup-con": "", "nca": "", "modern-nca": ""}
X, T = torch.tensor([0.3, -2.0, 1.5]), torch.tensor([1.0, 0.0, 1.0])


def batch(loss: Any, rows: int = 12) -> tuple[Tensor, ...]:
    inputs: tuple[Tensor, ...] = loss.rules.example(Source(rows=rows, dtype=torch.float64))
    return inputs


def test_the_temperature_of_clip() -> None:
    """Radford et al. 2021: cross-entropy over cosines times exp(logit_scale), in torch's own operations."""
    queries, keys = torch.randn(2, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07), dtype=torch.float64))
    logits = logit_scale.exp() * F.normalize(queries) @ F.normalize(keys).T
    expected = (F.cross_entropy(logits, torch.arange(8)) + F.cross_entropy(logits.T, torch.arange(8))) / 2
    expected.backward()
    loss = losszoo.create("info-nce", symmetric=True, temperature=0.07, learned_temperature=True).double()
    with torch.no_grad():
        loss.log_temperature.fill_(math.log(0.07))
    value = loss(queries, keys)
    value.backward()
    torch.testing.assert_close(value, expected)
    # The logarithm of the temperature is that of the scale with the other sign.
    torch.testing.assert_close(loss.log_temperature.grad, -logit_scale.grad.reshape(1))


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("name", OVER_PAIRS)
def test_its_gradient_and_that_of_the_rows(name: str, similarity: str) -> None:
    """By gradcheck in float64, in blocks and as a whole matrix, with a mask and weights."""
    options = {"symmetric": True} if OVER_PAIRS[name] else {}
    for dense in (False, True):
        temperature = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))
        way = losszoo.Streaming(dense=dense)
        loss = losszoo.create(name.strip(), similarity=similarity, temperature=temperature, streaming=way, **options)
        inputs = batch(loss)
        mask = torch.arange(12) != 3
        weight = torch.linspace(0.5, 2, 12, dtype=torch.float64)

        def value(
            number: Tensor, rows: Tensor, loss: Any = loss, inputs: Any = inputs, how: Any = (mask, weight)
        ) -> Tensor:
            call = {"mask": how[0], "weight": how[1]}
            found: Tensor = functional_call(loss, {"temperature": number}, (rows, *inputs[1:]), call)
            return found

        rows = inputs[0].clone().requires_grad_()
        assert torch.autograd.gradcheck(value, (temperature.detach().requires_grad_(), rows))
        fixed = losszoo.create(name.strip(), similarity=similarity, temperature=0.7, **options)
        torch.testing.assert_close(loss(*inputs), fixed(*inputs))


@pytest.mark.parametrize("name", ["sup-con", "triplet-batch-hard"])
def test_many_blocks_are_one_matrix(name: str) -> None:
    """More pairs than are worked through at once."""
    number, start = ("temperature", 0.5) if name == "sup-con" else ("margin", 0.2)
    gradients = []
    for dense in (False, True):
        parameter = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        way = losszoo.Streaming(dense=dense, memory=8)
        loss = losszoo.create(name, streaming=way, **{number: parameter})
        loss(*batch(loss, rows=800)).backward()
        gradients.append(parameter.grad)
    torch.testing.assert_close(*gradients)


def test_it_is_held_at_one_hundredth_and_comes_back() -> None:
    loss = losszoo.create("sup-con", temperature=0.011, learned_temperature=True)
    optimizer = torch.optim.SGD(loss.parameters(), lr=1.0)
    inputs = (torch.eye(4).repeat(2, 1), torch.arange(4).repeat(2))  # the colder, the better
    for _ in range(3):
        optimizer.zero_grad()
        with torch.no_grad():
            loss.log_temperature -= 5.0
        loss(*inputs).backward()
        assert loss.temperature == pytest.approx(0.01)
        assert loss.log_temperature.item() == pytest.approx(math.log(0.01))
    wrong = (torch.eye(4).repeat(2, 1), torch.arange(8) // 2)  # the warmer, the better
    loss.zero_grad()
    loss(*wrong).backward()
    optimizer.step()
    assert loss.temperature > 0.011
    with pytest.raises(UsageError, match=r"temperature must be >= 0.01 where it is learned"):
        losszoo.create("sup-con", temperature=0.001, learned_temperature=True)


def test_it_is_a_parameter_like_any() -> None:
    loss = losszoo.create("linear(0, 1, steps=3)*mse + info-nce(learned_temperature=true)")
    (name,) = dict(loss.named_parameters())
    assert name == "losses.1.log_temperature"
    (parameter,) = loss.parameters()
    with torch.no_grad():
        parameter.fill_(-1.0)
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert other.losses[1].temperature == pytest.approx(math.exp(-1))
        assert next(other.parameters()) is not parameter
    fresh = losszoo.create("linear(0, 1, steps=3)*mse + info-nce(learned_temperature=true)")
    fresh.load_state_dict(loss.state_dict())
    assert fresh.losses[1].temperature == pytest.approx(math.exp(-1))
    for half in (torch.bfloat16, torch.float16):
        narrow = losszoo.create("sup-con", learned_temperature=True).to(half)
        value = narrow(torch.eye(4).to(half), torch.tensor([0, 0, 1, 1]))
        value.backward()
        assert (value.dtype, narrow.log_temperature.grad.dtype) == (torch.float32, half)


def test_a_parameter_that_is_given_is_the_parameter_of_the_loss() -> None:
    """The gradient by delta where |x| > delta is |x| - delta, else 0 (Huber 1964)."""
    delta = nn.Parameter(torch.tensor(1.0))
    loss = losszoo.create("huber", delta=delta, reduction="sum")
    assert loss.delta is delta
    assert [*loss.parameters()] == [delta]
    loss(torch.tensor([0.5, 3.0, -4.0]), torch.zeros(3)).backward()
    torch.testing.assert_close(delta.grad, torch.tensor(5.0))

    def own(predictions: Tensor, targets: Tensor, *, scale: Any = 1.0) -> Tensor:
        return scale * (predictions - targets) ** 2

    scale = nn.Parameter(torch.tensor(2.0))
    loss = losszoo.create(own, signature="regression", scale=scale)
    loss(X, T).backward()
    torch.testing.assert_close(scale.grad, ((X - T) ** 2).mean())
    assert list(loss.state_dict()) == ["scale"]
    with torch.no_grad():
        delta.fill_(-1.0)
    with pytest.raises(UsageError, match=r"huber: delta must be in \(0, inf\), got -1.0"):
        losszoo.create("huber", delta=nn.Parameter(torch.tensor(-1.0)))


def plain(predictions: Tensor, targets: Tensor, *, scale: Any = 1.0) -> Tensor:
    return float(scale) * (predictions - targets) ** 2


def half_plain(predictions: Tensor, targets: Tensor, *, scale: Any = 1.0) -> Tensor:
    return scale * float(scale) * (predictions - targets) ** 2


def unused(predictions: Tensor, targets: Tensor, *, scale: Any = 1.0) -> Tensor:
    return (predictions - targets) ** 2


@pytest.mark.parametrize(
    ("loss", "name", "match"),
    [
        (plain, "scale", "the gradient by it is .*, and it gives none"),
        (half_plain, "scale", "the gradient by it is .*, and it gives"),
        (unused, "scale", "no value depends on it"),
        ("focal", "gamma", "the gradient by it is .*, and it gives none"),
        ("cross-entropy", "label_smoothing", "with a tensor it raises TypeError"),
        ("cross-entropy", "ignore_index", "ignore_index must be a whole number"),
        ("mse", "gamma", "mse has no parameter 'gamma'"),
    ],
)
def test_what_would_silently_never_learn_is_refused(loss: Any, name: str, match: str) -> None:
    signature = None if isinstance(loss, str) else "regression"
    with pytest.raises(UsageError, match=match):
        losszoo.create(loss, signature=signature, **{name: nn.Parameter(torch.tensor(0.5))})


def test_what_cannot_be_said() -> None:
    parameter = nn.Parameter(torch.ones(3))
    with pytest.raises(UsageError, match=r"pos_weight must be one floating number to be learned, got shape \(3,\)"):
        losszoo.create("bce", pos_weight=parameter)
    with pytest.raises(UsageError, match="has no parameter 'learned_temperature'"):
        losszoo.create("triplet-batch-hard", learned_temperature=True)
    with pytest.raises(UsageError, match="learned_temperature must be true or false, got 'yes'"):
        losszoo.create("sup-con", learned_temperature="yes")
    loss = losszoo.create("sup-con", learned_temperature=True)
    with pytest.raises(UsageError, match="temperature must be given where the loss is made"):
        loss.temperature = 0.5
    with pytest.raises(UsageError, match="temperature must be given where the loss is made to be learned"):
        losszoo.create("sup-con").temperature = nn.Parameter(torch.tensor(0.5))
    given = losszoo.create("sup-con", temperature=nn.Parameter(torch.tensor(0.5)))
    with pytest.raises(UsageError, match=r"temperature is learned; set loss.temperature.data"):
        given.temperature = 0.5
    with torch.no_grad():
        given.temperature.fill_(-1.0)
    with pytest.raises(UsageError, match=r"^sup-con: temperature must be in \(0, inf\).*, got -1.0"):
        given(torch.eye(2), torch.tensor([0, 0]))


def test_beside_a_memory_bank() -> None:
    """Against a difference quotient."""
    bank = losszoo.MemoryBank("sup-con(temperature=0.5, learned_temperature=true)", size=12).double()
    rows, labels = batch(losszoo.create("sup-con"))
    bank(rows.flip(1), labels)
    values = []
    for step in (1e-6, -1e-6, 0.0):
        other = copy.deepcopy(bank)
        with torch.no_grad():
            other.loss.log_temperature += step
        values.append(other(rows, labels))
    values[2].backward()
    expected = ((values[0] - values[1]) / 2e-6).detach().reshape(1)
    torch.testing.assert_close(other.loss.log_temperature.grad, expected, rtol=1e-6, atol=1e-8)


def checkpoint(folder: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(Path(folder, "checkpoint.pt"), weights_only=False)
    return state


def test_a_run_trains_it_at_its_own_rate(tmp_path: Path) -> None:
    text = "modern-nca(learned_temperature=true)"
    settings = {"recipe.loss_lr": 0.05, "model.trunk": "linear"}
    result = losszoo.run(text, "digits", epochs=1, set=settings, out=str(tmp_path))
    state = checkpoint(result.run_dir)
    assert [(group["lr"], group["weight_decay"]) for group in state["optimizer"]["param_groups"]][1:] == [(0.05, 0.0)]
    # Adam's first steps are as long as its rate.
    steps, moved = result.steps, abs(state["loss"]["losses.0.log_temperature"].item())
    assert 0.05 < moved <= 1.1 * 0.05 * steps
    assert json.loads(Path(result.run_dir, "config.json").read_text())["recipe"]["loss_lr"] == 0.05
    again = losszoo.run(resume=result.run_dir)
    assert again.metrics == result.metrics


def test_a_rate_for_nothing_is_said(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 1, "out": str(tmp_path)}
    result = losszoo.run("cross-entropy", "digits", set={"recipe.loss_lr": 0.1, "model.trunk": "linear"}, **options)
    assert "recipe.loss_lr has no effect: this loss has no parameters of its own" in result.notes
    plain = losszoo.run("cross-entropy", "digits", set={"model.trunk": "linear"}, **options)
    assert "loss_lr" not in json.loads(Path(plain.run_dir, "config.json").read_text())["recipe"]
    with pytest.raises(UsageError, match=r"recipe.loss_lr must be in \(0, inf\), .*got 0"):
        losszoo.run("cross-entropy", "digits", set={"recipe.loss_lr": 0.0}, **options)


def test_groups_for_an_optimizer_of_ones_own() -> None:
    model = nn.ModuleDict({"net": nn.Linear(3, 2), "loss": losszoo.create("sup-con", learned_temperature=True)})
    groups = losszoo.parameter_groups(model, model["loss"], lr=1e-3, loss_lr=0.1, weight_decay=0.01)
    assert [(len(group["params"]), group["lr"], group["weight_decay"]) for group in groups] == [
        (2, 1e-3, 0.01),
        (1, 0.1, 0.0),
    ]
    assert torch.optim.AdamW(groups).param_groups[1]["params"][0] is model["loss"].log_temperature
    alone = losszoo.parameter_groups(nn.Linear(1, 1), losszoo.create("mse"), lr=1e-3)
    assert [group["lr"] for group in alone] == [1e-3]
    same = losszoo.parameter_groups(model["net"], model["loss"], lr=1e-3)
    assert [group["lr"] for group in same] == [1e-3, 1e-3]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"lr": 0.0}, "lr must be a finite number > 0, got 0.0"),
        ({"lr": 1e-3, "loss_lr": -1.0}, "loss_lr must be a finite number > 0, got -1.0"),
        ({"lr": 1e-3, "weight_decay": math.nan}, "weight_decay must be a finite number >= 0, got nan"),
        ({"lr": 1e-3, "loss": "mse"}, "loss must be an nn.Module, got a str; make it with losszoo.create"),
        ({"lr": 1e-3, "model": None}, "model must be an nn.Module, got None"),
    ],
)
def test_groups_that_cannot_be(given: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        losszoo.parameter_groups(**{"model": nn.Linear(1, 1), "loss": losszoo.create("mse"), **given})
