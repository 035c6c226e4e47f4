"""Every loss of the zoo passes the conformance suite that it ships; and what only its own losses owe."""

from __future__ import annotations

import itertools

import pytest
import torch

import losszoo
from losszoo.losses.signatures.example_inputs import example_inputs
from losszoo.losses.sums.data_sizes import set_sizes
from losszoo.testing import Check, Subject, parametrize_losses
from losszoo.testing.ordinary_inputs import changed, value_and_gradients

SPECS = {spec.name: spec for spec in losszoo.list_losses(plugin="losszoo")}
STABLE = [name for name, spec in SPECS.items() if spec.status == "stable"]
# What the page of an exhibit says, and nothing else.
KNOWN = {"nca-ratio": {"check_battery": "a sum underflows once classes are about 100 temperatures apart"}}


@parametrize_losses(SPECS.values(), known_failures=KNOWN)
def test_conformance(loss: Subject, check: Check) -> None:
    check(loss)


EXTREMES = (1e4, -1e4, 1e-30)
# Probabilities have no scale, exponentials of a log-rate or a shape of 1e4 are beyond every dtype, and a box times -1
# is none.
UNSCALED = ("counts", "boxes", "survival-weibull")
SCALED = [n for n in STABLE if SPECS[n].expects == "logits" and SPECS[n].signature not in UNSCALED]
# What is scaled beside the first input: the other side of a pair.
OTHERS = {"pair": (0, 1), "triplet": (0, 1, 2), "views": (0, 1), "neighbors": (0, 2)}


@pytest.mark.parametrize(("name", "scale"), list(itertools.product(SCALED, EXTREMES)))
def test_extreme_scales_stay_finite(name: str, scale: float) -> None:
    spec = SPECS[name]
    # The parameters of a combiner are losses, which are not negative.
    scaled = (lambda x: abs(x * scale)) if "combiner" in spec.tags else (lambda x: x * scale)
    inputs = changed(example_inputs(spec.signature), scaled, OTHERS.get(spec.signature, (0,)))
    loss = losszoo.create(name)
    set_sizes(loss, classes=6, dim=4)
    value, gradients = value_and_gradients(loss, inputs, spec.signature)
    assert torch.isfinite(value)
    assert all(torch.isfinite(g).all() for g in gradients)


def test_every_exhibit_names_a_stable_twin_that_agrees_with_it() -> None:
    exhibits = [spec for spec in SPECS.values() if spec.status == "exhibit"]
    assert {spec.name for spec in exhibits} == {"softmax-nll-eps", "nca-ratio", "nca-epsilon"}
    for spec in exhibits:
        twin = SPECS[spec.stable_twin or ""]
        assert twin.status == "stable"
        inputs = example_inputs(spec.signature, expects=spec.expects, dtype=torch.float64)
        torch.testing.assert_close(
            losszoo.create(spec.name)(*inputs), losszoo.create(twin.name)(*inputs), rtol=1e-6, atol=1e-6
        )
