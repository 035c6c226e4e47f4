"""What the zoo announces of its losses stays as it was before each loss was written once; cards say what is so.

A loss has the options of its signature beside what it had.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path

import pytest
import torch
from sklearn.metrics import root_mean_squared_error
from torch.nn import functional

import losszoo
from losszoo import LossSpec, Param, create, list_losses, list_signatures

# Taken from `losszoo list --json` when the manifests were still written by hand.
BEFORE = json.loads((Path(__file__).parent / "announced.json").read_text())
SPECS = {spec.name: spec for spec in list_losses() if spec.name in BEFORE}
ROWS = [name for name, spec in SPECS.items() if hasattr(losszoo.create(name), "streaming")]
OPTIONS = {spec.name: {p.name: p.default for p in spec.option_params()} for spec in list_signatures()}
INTERNAL = ("odds", "spread", "logits", "positive", "negative")


@pytest.mark.parametrize("name", BEFORE)
def test_nothing_announced_has_changed(name: str) -> None:
    spec, before = SPECS[name], BEFORE[name]
    plain = json.loads(json.dumps(spec.to_dict()))
    for key in ("target", "signature", "expects", "tags", "status", "stable_twin"):
        assert plain[key] == before[key], key
    had = [p["name"] for p in before["params"]]
    params = [p for p in spec.params if p.name in had or p.name not in OPTIONS[spec.signature]]
    assert [p.name for p in params] == had
    for param, was in zip(params, before["params"], strict=True):
        now = json.loads(json.dumps(spec.to_dict()))["params"][spec.params.index(param)]
        for key in ("type", "default", "range", "log", "choices", "search"):
            assert now[key] == was[key], (param.name, key)
        assert param.interval == interval(was), param.name


def interval(was: dict[str, object]) -> str:
    fields = {key: value for key, value in was.items() if value is not None}
    if was["range"] is not None:
        low, high = was["range"]  # type: ignore[misc]
        fields["range"] = (-float("inf") if low is None else low, float("inf") if high is None else high)
    return Param(**fields).interval  # type: ignore[arg-type]


def original(spec: LossSpec) -> object:
    module, name = spec.target.split(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", SPECS)
def test_the_source_says_what_python_says(name: str) -> None:
    """The defaults that were read are those of the imported function; every parameter is explained."""
    spec = SPECS[name]
    thing = original(spec)
    function = thing.__init__ if inspect.isclass(thing) else thing  # type: ignore[misc]
    python = OPTIONS[spec.signature] | {
        key: parameter.default
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty and key != "mask"
    }
    read = {param.name: param.default for param in spec.params}
    row = getattr(thing, "__losszoo_row__", None)
    if row is not None:
        python["similarity"] = row.similarity
        if row.temperature is not None:
            python["temperature"] = row.temperature
        if spec.signature == "views":
            python["symmetric"] = row.symmetric
    assert read == python
    assert all(param.summary for param in spec.params)
    assert spec.description
    assert thing.__losszoo_loss__.signature == spec.signature  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ROWS)
def test_the_card_of_a_pair_loss_speaks_of_what_a_user_gives(name: str) -> None:
    doc = inspect.getdoc(original(SPECS[name])) or ""
    arguments = re.findall(r"^    (\w+):", doc.partition("Args:")[2].partition("Returns:")[0], re.MULTILINE)
    assert not set(arguments) & set(INTERNAL)
    assert {"similarity"} <= set(arguments)
    assert {"embeddings", "labels"} <= set(arguments) or {"first", "second"} <= set(arguments) or "queries" in arguments


def test_dice_of_a_whole_batch_is_had_as_the_card_says() -> None:
    """Against the formula of the overlap over all pixels of the batch, written out in float64."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 4, 5, generator=generator, dtype=torch.float64)
    targets = (torch.rand(3, 2, 4, 5, generator=generator) > 0.7).double()
    p = logits.sigmoid()
    overlap, sizes = (p * targets).sum((0, 2, 3)), p.sum((0, 2, 3)) + targets.sum((0, 2, 3))
    expected = (1 - (2 * overlap + 1) / (sizes + 1)).mean()

    torch.testing.assert_close(create("dice", over="batch")(logits, targets), expected)


def test_rmse_of_several_outputs_is_over_all_elements() -> None:
    """scikit-learn's is the mean of the roots of the outputs."""
    predictions, targets = torch.tensor([[1.0, 10.0], [3.0, 0.0]]), torch.zeros(2, 2)
    assert create("rmse")(predictions, targets).item() == pytest.approx(27.5**0.5)
    assert root_mean_squared_error(targets, predictions) == pytest.approx((5**0.5 + 50**0.5) / 2)


def test_soft_targets_of_focal_are_the_mean_of_both_labels_losses() -> None:
    """From the losses of the labels themselves, in the shares of the target."""
    loss = create("focal", alpha=0.25, reduction="none")
    x = torch.tensor([0.7])
    one, zero = loss(x, torch.ones(1)), loss(x, torch.zeros(1))
    torch.testing.assert_close(loss(x, torch.tensor([0.3])), 0.3 * one + 0.7 * zero)


def test_names_that_torch_has_are_the_same_as_the_card_says() -> None:
    """torch's own functions."""
    e = torch.tensor([-3.0, -0.2, 0.0, 0.4, 5.0])
    zero = torch.zeros(5)
    torch.testing.assert_close(create("huber", delta=0.5)(e, zero) / 0.5, functional.smooth_l1_loss(e, zero, beta=0.5))
    z, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 2, 1, 1])
    torch.testing.assert_close(create("weston-watkins")(z, y) / 3, functional.multi_margin_loss(z, y))
    many = (torch.arange(12).reshape(4, 3) % 2).float()
    torch.testing.assert_close(
        create("multilabel-soft-margin")(z, many), functional.multilabel_soft_margin_loss(z, many)
    )


def test_clip_is_the_symmetric_form() -> None:
    """torch's cross-entropy in both directions of the cosines over the temperature."""
    generator = torch.Generator().manual_seed(2)
    first, second = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    logits = functional.normalize(first) @ functional.normalize(second).T / 0.07
    own = torch.arange(5)
    expected = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(create("info-nce", symmetric=True, temperature=0.07)(first, second), expected)
