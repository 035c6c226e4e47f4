"""One side of a comparison, ready to be called: the zoo's loss or a peer's on the inputs of a workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from losszoo.bench.peers import peer_of
from losszoo.bench.workload import Workload
from losszoo.bench.workload_inputs import Inputs
from losszoo.creation import create

ZOO = "losszoo"


@dataclass
class Side:
    """A loss, its inputs, and the tensors that get a gradient."""

    function: Callable[..., Any]
    inputs: Inputs
    leaves: list[Tensor]
    last: Tensor | None = field(default=None, init=False)

    def step(self) -> None:
        """Forward and backward, the gradients new."""
        for leaf in self.leaves:
            leaf.grad = None
        value: Tensor = self.function(*self.inputs).mean()
        value.backward()  # type: ignore[no-untyped-call]
        self.last = value.detach()

    @property
    def value(self) -> float:
        """Of the last step."""
        return float("nan") if self.last is None else float(self.last)

    def gradients(self) -> Tensor:
        """Those of the last step, in one row; zeros where the value does not depend on an input."""
        grads = [torch.zeros_like(x) if x.grad is None else x.grad for x in self.leaves]
        return torch.cat([grad.flatten() for grad in grads])


def function_of(name: str, workload: Workload) -> Callable[..., Any]:
    """The loss as the zoo makes it by default, or a peer's answer."""
    if name == ZOO:
        own = ":" in workload.loss
        described: dict[str, Any] = {"signature": workload.signature, "expects": workload.expects} if own else {}
        return create(workload.loss, **described, **workload.given).to(workload.device)
    return peer_of(name).answer(workload.loss, workload.params, workload.given)


def settle(device: torch.device) -> None:
    """Start what every first call would pay for otherwise: worker threads, the autograd engine, a CUDA context."""
    x = torch.randn(512, 512, device=device, requires_grad=True)
    (x @ x).logsumexp(1).sum().backward()  # type: ignore[no-untyped-call]
    synchronize(device)


def synchronize(device: torch.device) -> None:
    """Wait for what was asked of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
