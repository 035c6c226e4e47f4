"""Losses that are carried elsewhere: exported, scripted, copied, pickled, sharded with parameters in bfloat16."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import losszoo


def own(predictions: Tensor, targets: Tensor, *, power: float = 2.0) -> Tensor:
    return (predictions - targets).abs() ** power


class Centers(nn.Module):
    def __init__(self, *, classes: int = 3, dim: int = 3) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.eye(classes, dim))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        number = {"of": 1.0}["of"]  # nothing that TorchScript compiles
        return (embeddings - self.centers[labels]).square().sum(1) * number


LOSSES: dict[str, Any] = {
    "of classes": lambda: losszoo.create("cross-entropy", label_smoothing=0.1),
    "of pairs": lambda: losszoo.create("sup-con"),
    "a learned temperature": lambda: losszoo.create("sup-con", learned_temperature=True),
    "own function": lambda: losszoo.create(own, signature="regression", power=1.5),
    "a learned number": lambda: losszoo.create("huber", delta=nn.Parameter(torch.tensor(0.5))),
    "own module": lambda: losszoo.create(Centers, signature="embedding"),
    "a schedule": lambda: losszoo.create("linear(0, 1, steps=4)*mse + mae"),
    "learned weights": lambda: losszoo.create("uncertainty(cross-entropy, sup-con)"),
    "labels": lambda: losszoo.create({"a": "mse", "b": 0.5 * losszoo.create(own, signature="regression")}),
}


class Model(nn.Module):
    """A network that holds its loss."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.net, self.loss = nn.Linear(4, 3), loss

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Total(Model):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        z = self.net(x)
        if isinstance(self.loss, losszoo.SumLoss) and len(self.loss.signatures) > 1:
            return self.loss.evaluate(dict.fromkeys(self.loss.signatures, (z, y)))
        return self.loss(z, y)


def batch(loss: Any) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    signatures = getattr(loss, "signatures", None) or (loss.signature,)
    y = torch.randn(9, 3, generator=draw) if "regression" in signatures else torch.arange(9) % 3
    return torch.randn(9, 4, generator=draw), y


@pytest.mark.parametrize("name", LOSSES)
def test_it_is_copied_and_pickled(name: str) -> None:
    model = Total(LOSSES[name]())
    x, y = batch(model.loss)
    model(x, y)  # a schedule has counted a step
    state = copy.deepcopy(model.state_dict())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        value, expected = other(x, y), copy.deepcopy(model)(x, y)
        assert torch.equal(value, expected)
        value.backward()
        assert all(p.grad is not None for p in other.parameters())
        assert all(p.grad is None for p in model.parameters())
        other.load_state_dict(state)


@pytest.mark.parametrize("name", LOSSES)
def test_it_is_exported_with_its_network(name: str) -> None:
    model = Total(LOSSES[name]()).eval()
    x, y = batch(model.loss)
    program = torch.export.export(model, (x, y))
    torch.testing.assert_close(program.module()(x, y), model(x, y))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", [*LOSSES, "a bank"])
def test_a_network_that_holds_it_is_scripted(name: str, tmp_path: Path) -> None:
    model = Model(losszoo.MemoryBank("sup-con", size=8) if name == "a bank" else LOSSES[name]())
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "model.pt")(torch.ones(2, 4)), model(torch.ones(2, 4)))


@pytest.fixture
def one_rank() -> Iterator[Any]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("name", ["of classes", "a learned temperature", "own module", "learned weights"])
def test_sharded_with_parameters_in_bfloat16(name: str, one_rank: Any) -> None:
    """FSDP's mixed precision: the loss is that of the same rounded numbers, computed in float32."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    torch.manual_seed(0)
    model = Total(LOSSES[name]())
    rounded = copy.deepcopy(model).bfloat16()
    wide = copy.deepcopy(rounded.loss).float()
    fully_shard(model, mesh=one_rank, mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16))
    x, y = batch(model.loss)
    value = model(x, y)
    assert value.dtype == torch.float32
    outputs = rounded.net(x.bfloat16()).float()
    named = dict.fromkeys(getattr(wide, "signatures", ()), (outputs, y))
    expected = wide.evaluate(named) if len(named) > 1 else wide(outputs, y)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
