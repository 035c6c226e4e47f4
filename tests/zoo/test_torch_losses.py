"""torch's own sample inputs of its loss modules through the losses of these names: same value, same gradient."""

from __future__ import annotations

import sys
import types
import unittest
from typing import Any

import pytest
import torch
from torch import nn

import losszoo

# torch's samples need expecttest for nothing but the base class of its own tests.
try:
    import expecttest  # noqa: F401
except ImportError:
    sys.modules["expecttest"] = types.ModuleType("expecttest")
    sys.modules["expecttest"].TestCase = unittest.TestCase  # type: ignore[attr-defined]
from torch.testing._internal import common_modules

NAMES = {
    nn.L1Loss: "mae",
    nn.MSELoss: "mse",
    nn.SmoothL1Loss: "smooth-l1",
    nn.HuberLoss: "huber",
    nn.PoissonNLLLoss: "poisson-nll",
    nn.CosineEmbeddingLoss: "cosine-embedding",
    nn.KLDivLoss: "kl-div",
    nn.MarginRankingLoss: "margin-ranking",
    nn.HingeEmbeddingLoss: "hinge-embedding",
    nn.SoftMarginLoss: "soft-margin",
    nn.MultiLabelSoftMarginLoss: "multilabel-soft-margin",
    nn.MultiLabelMarginLoss: "multilabel-margin",
    nn.MultiMarginLoss: "multi-margin",
    nn.BCELoss: "bce-probabilities",
    nn.BCEWithLogitsLoss: "bce",
    nn.NLLLoss: "nll",
    nn.CrossEntropyLoss: "cross-entropy",
}
# Weights of elements are an argument of a call here.
OF_ELEMENTS = ("bce", "bce-probabilities")


def samples() -> list[Any]:
    torch.manual_seed(0)
    found = []
    for info in common_modules.module_db:
        name = NAMES.get(info.module_cls)
        if name is None:
            continue
        drawn = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=True)
        for place, sample in enumerate(drawn):
            found.append(pytest.param(info.module_cls, name, sample, id=f"{name}-{place}-{sample.desc}"))
    return found


def made(name: str, params: dict[str, Any], inputs: Any) -> Any:
    """The loss of this name with torch's parameters, as a function of the inputs."""
    params, call = dict(params), {}
    reduction = params.pop("reduction", "mean")
    if reduction == "batchmean":
        # Of a number without a batch torch gives the number.
        reduction, params = "mean", params | ({"reducer": "batch-mean"} if inputs[0].ndim else {})
    if name in OF_ELEMENTS and "weight" in params:
        call["weight"] = params.pop("weight").expand(inputs[0].shape)
        if reduction == "mean":
            call["denominator"] = inputs[0].numel()
    for key, value in params.items():
        if isinstance(value, torch.Tensor):
            params[key] = value.tolist()
    loss = losszoo.create(name, reduction=reduction, **params)
    return lambda *given: loss(*given, **call)


def gradients(value: torch.Tensor, inputs: Any) -> list[torch.Tensor]:
    leaves = [x for x in inputs if x.requires_grad]
    return list(torch.autograd.grad(value.sum(), leaves, materialize_grads=True, allow_unused=True))


def unlike_torch(name: str, sample: Any) -> bool:
    """Weights below 0, which torch draws and no loss here takes."""
    weight = sample.constructor_input.kwargs.get("weight")
    return weight is not None and bool((weight < 0).any())


def wanted_of(module: type[nn.Module], params: dict[str, Any], inputs: Any) -> torch.Tensor:
    """torch's value. Of Poisson's loss the one that torch approximates: ours has neither its epsilon nor Stirling."""
    if module is not nn.PoissonNLLLoss:
        value: torch.Tensor = module(**params)(*inputs)
        return value
    own = params | {"full": False, "reduction": "none", "eps": 1e-300}
    values = nn.PoissonNLLLoss(**own)(*inputs)
    if params.get("full"):
        values = values + torch.lgamma(inputs[1] + 1)
    return {"none": values, "sum": values.sum(), "mean": values.mean()}[params.get("reduction", "mean")]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize(("module", "name", "sample"), samples())
def test_a_sample_of_torch(module: type[nn.Module], name: str, sample: Any) -> None:
    if name not in {spec.name for spec in losszoo.list_losses()}:
        pytest.skip(f"{name} is not there yet")
    params = sample.constructor_input.kwargs
    inputs = [x.detach().clone().requires_grad_(x.requires_grad) for x in sample.forward_input.args]
    if unlike_torch(name, sample):
        with pytest.raises(losszoo.UsageError, match="weight must be"):
            made(name, params, inputs)(*inputs)
        return
    if name == "kl-div":
        # torch takes logarithms of numbers of both signs; where they are NaN there is nothing to compare.
        for x in inputs:
            x.data.nan_to_num_(nan=-0.5)
        inputs[1] = inputs[1].detach().abs()
    wanted = wanted_of(module, params, inputs)
    value = made(name, params, inputs)(*inputs)
    torch.testing.assert_close(value.reshape(wanted.shape), wanted, rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(gradients(value, inputs), gradients(wanted, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
