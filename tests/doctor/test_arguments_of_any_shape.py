"""Dataclasses, dicts, namespaces and lists of tensors, given by an example and found without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import losszoo


@dataclass
class Outputs:
    chosen: Tensor
    rejected: Tensor


@dataclass(frozen=True)
class Frozen:
    chosen: Tensor
    rejected: Tensor


class Pair(NamedTuple):
    chosen: Tensor
    rejected: Tensor


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def preferred(policy: Any, reference: Any) -> Tensor:
    margin = policy.chosen - policy.rejected - (reference.chosen - reference.rejected)
    return -F.logsigmoid(0.1 * margin).mean()


def preferred_naively(policy: Any, reference: Any) -> Tensor:
    margin = policy.chosen - policy.rejected - (reference.chosen - reference.rejected)
    return -torch.log(torch.sigmoid(margin)).mean()


def vae(output: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
    kl = 0.5 * (output["mu"] ** 2 + output["logvar"].clamp(-10, 10).exp() - 1 - output["logvar"].clamp(-10, 10))
    return F.mse_loss(output["x"], batch["x"]) + kl.mean()


class Weighed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.zeros(2))

    def forward(self, losses: list[Tensor]) -> Tensor:
        return (torch.exp(-self.s) * torch.stack(losses) + self.s).sum()


def of_levels(maps: list[Tensor]) -> Tensor:
    first, *others = maps
    return sum((F.smooth_l1_loss(first, other) for other in others), torch.zeros(()))


def gram(feat: Tensor, style: Tensor) -> Tensor:
    a, b = (torch.einsum("bchw,bdhw->bcd", f, f) / f[0].numel() for f in (feat, style))
    return F.mse_loss(a, b)


def negatives_apart(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    far = F.logsigmoid(-torch.einsum("bd,bkd->bk", center, negatives)).sum(1)
    return -(F.logsigmoid((center * context).sum(1)) + far).mean()


def of_lists(preds: Tensor, labels: Tensor) -> Tensor:
    ordered = preds.gather(1, labels.argsort(dim=1, descending=True))
    return (ordered.flip(1).logcumsumexp(1).flip(1) - ordered).sum(1).mean()


def of_lists_naively(preds: Tensor, labels: Tensor) -> Tensor:
    ordered = preds.gather(1, labels.argsort(dim=1, descending=True))
    return (torch.log(ordered.exp().flip(1).cumsum(1).flip(1)) - ordered).sum(1).mean()


HEALTHY = [preferred, vae, Weighed(), of_levels, gram, negatives_apart, of_lists]
SICK = [preferred_naively, of_lists_naively]


def name_of(value: Any) -> str:
    return str(getattr(value, "__name__", type(value).__name__))


@pytest.mark.parametrize("loss", HEALTHY, ids=name_of)
def test_a_healthy_loss_is_examined_without_help(loss: Callable[..., Any]) -> None:
    assert losszoo.examine(loss, effort=3000).verdict == "healthy"


@pytest.mark.parametrize("loss", SICK, ids=name_of)
def test_a_sick_loss_is_examined_without_help(loss: Callable[..., Any]) -> None:
    assert losszoo.examine(loss, effort=6000).verdict == "sick"


@pytest.mark.parametrize("kind", [Outputs, Frozen, Pair, SimpleNamespace], ids=name_of)
def test_an_example_may_hold_objects(kind: Callable[..., Any]) -> None:
    def example() -> tuple[Any, Any]:
        return (
            kind(chosen=normal(8), rejected=normal(8, seed=1)),
            kind(chosen=normal(8, seed=2), rejected=normal(8, seed=3)),
        )

    assert losszoo.examine(preferred, example=example, effort=3000).verdict == "healthy"
    (finding, *_) = losszoo.examine(preferred_naively, example=example, effort=6000).findings
    assert name_of(kind) in finding.input["policy"]
    assert "chosen=torch.tensor(" in finding.input["policy"]


def test_an_object_without_tensors_is_passed_as_it_is() -> None:
    settings = SimpleNamespace(margin=0.5)

    def hinge(scores: Tensor, options: Any) -> Tensor:
        assert options is settings
        return F.relu(options.margin - scores).mean()

    assert losszoo.examine(hinge, example=lambda: (normal(8), settings), effort=2000).verdict == "healthy"
