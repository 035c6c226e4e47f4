"""What a guard finds out about a bad step in a custom training loop: operation, line, and a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.plain_data import all_finite
from losszoo.common.seeding import Randomness, State
from losszoo.common.text import in_one_line
from losszoo.tracing.first_nonfinite import first_non_finite
from losszoo.tracing.tape import Site
from losszoo.training.guard.crash_bundle import Bundles, pack
from losszoo.training.guard.events import Event, of_weights
from losszoo.training.guard.optimizer_state import parameters_of


@dataclass(frozen=True)
class Watched:
    """What a guard watches over, and where its bundles go.

    Args:
        modules: whose state a bundle holds.
        optimizer: of them.
        bundles: None writes none.
    """

    modules: Sequence[nn.Module]
    optimizer: torch.optim.Optimizer
    bundles: Bundles | None

    def state(self) -> Any:
        """The state of the one module, or a list of states where there are several."""
        states = [module.state_dict() for module in self.modules]
        return states[0] if len(states) == 1 else states

    def names(self) -> dict[Tensor, str]:
        """The names of the parameters: numbered by module where there are several, by group where they are of none."""
        several = len(self.modules) > 1
        named: dict[Tensor, str] = {
            parameter: f"{number}.{name}" if several else name
            for number, module in enumerate(self.modules)
            for name, parameter in module.named_parameters()
        }
        for number, group in enumerate(self.optimizer.param_groups):
            for index, parameter in enumerate(group["params"]):
                named.setdefault(parameter, f"group {number}, parameter {index}")
        return named

    def norms(self) -> dict[str, float]:
        """The gradient norm of every parameter that has a gradient, in float64 so that none overflows on the way."""
        names, found = self.names(), {}
        for parameter in parameters_of(self.optimizer):
            if parameter.grad is not None:
                values = parameter.grad._values() if parameter.grad.is_sparse else parameter.grad
                found[names[parameter]] = float(torch.linalg.vector_norm(values.abs().double()))
        return found

    def spread(self) -> bool:
        """Whether several processes compute each step together: one alone cannot repeat it."""
        return any(isinstance(m, nn.parallel.DistributedDataParallel) for top in self.modules for m in top.modules())


@dataclass(frozen=True)
class Failure:
    """A bad step, and what its caller gave to look into it; called with the event, it adds what it has found.

    Args:
        watched: modules, optimizer and bundles.
        randomness: of the process.
        before: random state when the last step had ended.
        loss: value of the loss.
        norms: gradient norm by name of the parameter.
        batch: any nest.
        again: computes the loss again.
    """

    watched: Watched
    randomness: Randomness
    before: State
    loss: float
    norms: Mapping[str, float]
    batch: Any = None
    again: Callable[[], Tensor] | None = None

    def __call__(self, event: Event) -> Event:
        """The event with operation, line and bundle, as far as they can be known."""
        bundles = self.watched.bundles
        # Copied now: the step is repeated below, which may change more than is put back.
        content = bundles.collect(self._content, event.step) if bundles else None
        if self.again is not None and not of_weights(event):
            event = self._repeat(event, self.again)
        if event.op is None and not of_weights(event) and not all_finite(self.batch):
            event = replace(event, where="input")
        if bundles is None or content is None:
            return event
        told = {key: value for key, value in asdict(event).items() if key != "bundle"}
        content["event"] = {**told, "loss": self.loss, "gradient_norms": dict(self.norms)}
        path = bundles.write(content, event.step)
        return replace(event, bundle=str(path) if path else None)

    def _content(self) -> dict[str, Any]:
        parts = {
            "event": {},
            "batch": self.batch,
            "model": self.watched.state(),
            "optimizer": self.watched.optimizer.state_dict(),
            "random": self.before,
            "config": None,
        }
        return pack("guard", parts)

    def _repeat(self, event: Event, again: Callable[[], Tensor]) -> Event:
        """Operation and line, from the step computed again; an attempt that fails does not hide the event."""
        if self.watched.spread():
            return _with(event, "not repeated, as the model is distributed; pass bundles and replay one")
        try:
            origin = self._origin(again)
        except (Exception, SystemExit) as error:
            return _with(event, f"again() raised {in_one_line(error)}")
        if origin is None:
            return _with(event, "no operation breaks when computed again; does again() hold the whole forward pass?")
        return replace(event, op=origin.op, source=origin.source)

    def _origin(self, again: Callable[[], Tensor]) -> Site | None:
        """From the random state before the step, else from the present one, where others have drawn in between."""
        present, after = self.randomness.state(), self.randomness.whole_state()

        def repeated(state: State) -> Tensor:
            self.randomness.restore(state)
            return again()

        try:
            tries = (first_non_finite(partial(repeated, state)) for state in (self.before, present))
            return next((origin for origin in tries if origin is not None), None)
        finally:
            self.randomness.restore_whole(after)
            self.watched.optimizer.zero_grad(set_to_none=True)


def _with(event: Event, detail: str) -> Event:
    return replace(event, detail="; ".join(filter(None, [event.detail, detail])))
