"""A failed step repeated as often as it is wanted: where it breaks, and whether a wider dtype cures it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from losszoo.common.seeding import Randomness
from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import UsageError
from losszoo.losses.arguments import shape_of
from losszoo.losses.loss import Loss
from losszoo.tracing.finite_check import spoilt
from losszoo.tracing.tape import nodes_under
from losszoo.tracing.widen import Widened

Step = Callable[[], Tensor]
# From the content of a bundle to what computes its loss.
MakeStep = Callable[[dict[str, Any]], Step]
# A wider dtype in which the step is finite says what it lacked in its own.
WIDER = ((torch.float32, "half-precision-overflow"), (torch.float64, "float32-overflow"))


@dataclass
class Repetition:
    """Repeats the step of a bundle, each time from copies and from the random state before it."""

    content: dict[str, Any]
    make: MakeStep
    randomness: Randomness
    calls: list[tuple[Loss, tuple[Any, ...]]] = field(default_factory=list)

    def fresh(self, dtype: torch.dtype | None = None) -> dict[str, Any]:
        """A copy of the content; its tensors are widened to ``dtype``, and the batch is where the step computes."""
        content = copy.deepcopy(self.content)
        content["batch"] = tree_map(self._placed, content.get("batch"))
        return content if dtype is None else tree_map(Widened(dtype).wide, content)

    def step(self, content: dict[str, Any]) -> Step:
        """A fresh step."""
        made = self.make(content)
        if not callable(made):
            raise UsageError(f"make_step must return a function without arguments, got {kind_name(made)}")
        return made

    def _placed(self, value: Any) -> Any:
        return value.to(self.randomness.device) if isinstance(value, Tensor) else value

    def run(self, step: Step) -> Tensor:
        """The loss of a fresh step.

        Raises:
            UsageError: the step raises, or its loss is not one number with a graph.
        """
        self.randomness.restore(_with_data(self.content["random"], self.randomness))
        with torch.enable_grad():
            loss = step()
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            came = shape_of(loss)
            raise UsageError(f"a step must give one number in a tensor with a graph, got {came}; return the loss")
        return loss

    def ready(self) -> Step:
        """A fresh step that only waits to be run."""
        return partial(self.run, self.step(self.fresh()))

    def watched(self, step: Step) -> Tensor:
        """As :meth:`run`; the calls of losses of the zoo are remembered."""

        def remember(module: nn.Module, args: Any) -> None:
            if isinstance(module, Loss):
                self.calls.append((module, tree_map(detached, args)))

        handle = nn.modules.module.register_module_forward_pre_hook(remember)
        try:
            return self.run(step)
        finally:
            handle.remove()


def _with_data(state: Mapping[str, Any], randomness: Randomness) -> dict[str, Tensor]:
    """The state of the sources that are here."""
    return {key: value for key, value in state.items() if key != "cuda" or randomness.device.type == "cuda"}


def detached(value: Any) -> Any:
    """A copy that can be computed with again; lists too, since a penalty takes one."""
    return value.detach().clone().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def where_broken(loss: Tensor) -> str | None:
    """Either "loss" or "gradient", where one of them is not finite."""
    if any(spoilt(loss)):
        return "loss"
    leaves = [node.variable for node in nodes_under(loss.grad_fn) if hasattr(node, "variable")]
    if not leaves:
        return None
    gradients = torch.autograd.grad(loss.sum(), leaves, allow_unused=True, retain_graph=True)
    return "gradient" if any(spoilt(gradients)) else None


def kind_of(again: Repetition) -> tuple[str | None, list[str]]:
    """What the step is in wider dtypes."""
    for dtype, kind in WIDER:
        try:
            content = again.fresh(dtype)
            with Widened(dtype):
                finite = where_broken(again.run(again.step(content))) is None
        except (Exception, SystemExit) as error:  # code that insists on a dtype
            name = str(dtype).removeprefix("torch.")
            return None, [
                f"the step cannot be repeated in {name}, so the kind of failure is not known: {in_one_line(error)}"
            ]
        if finite:
            return kind, []
    return "structural", []
