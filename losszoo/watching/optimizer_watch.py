"""What is checked of one optimizer from step to step."""

from __future__ import annotations

import math
import weakref
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import counted
from losszoo.training.guard.clip import gradient_norm

# So many steps decide what never happens.
PATIENCE = 20
# A norm is compared with the median of so many before it.
_NORMS = 200
_FEWEST = 20
SPIKE = 1e3

# kind, cause, remedy
Told = tuple[str, str, str]


@dataclass
class OptimizerWatch:
    """One optimizer.

    Args:
        optimizer: watched without being kept alive.
        name_of: names a parameter.
    """

    optimizer: weakref.ref[torch.optim.Optimizer]
    name_of: Callable[[Tensor], str]
    steps: int = 0
    zeroed: bool = True  # since the last step, or before the first
    zeroed_after_backward: bool = False
    backwards: int = 0  # since the last step
    _consumed: Any = None  # the gradient that the last step has used
    _stale: int = 0
    _bare: int = 0
    _told: bool = False
    _silent: dict[int, Tensor] = field(default_factory=dict)  # had no gradient, or 0 everywhere, in every step
    _norms: deque[float] = field(default_factory=lambda: deque(maxlen=_NORMS))
    _sorted: list[float] = field(default_factory=list)

    def parameters(self) -> list[Tensor]:
        """Those of all groups."""
        optimizer = self.optimizer()
        return [] if optimizer is None else [p for group in optimizer.param_groups for p in group["params"]]

    def before_backward(self) -> None:
        """A gradient that was cleared by hand is no longer the one that the last step has used."""
        self.zeroed_after_backward = False
        self.backwards += 1
        if self._consumed is not None and self._stale < 3 and not self.zeroed:
            with torch.no_grad():
                if not self._consumed.is_sparse and not bool(self._consumed.any()):
                    self.zeroed = True

    def cleared(self) -> None:
        """``zero_grad`` was called, of the optimizer or of a module."""
        self.zeroed = True
        self.zeroed_after_backward = self.backwards > 0

    def before_step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], norm: float) -> Iterator[Told]:
        """What this step shows.

        Args:
            parameters: all of them.
            gradients: those that there are.
            norm: of them.
        """
        self.steps += 1
        yield from self._clearing(gradients, norm)
        if self.steps <= PATIENCE:
            yield from self._silence(parameters)
        if gradients and math.isfinite(norm):
            yield from self._spike(norm)

    def after_step(self) -> None:
        """What the next step is compared with."""
        with_gradient = next((p.grad for p in self.parameters() if p.grad is not None), None)
        if self._stale < 3:
            self._consumed = with_gradient
        self.backwards = 0

    def _clearing(self, gradients: Sequence[Tensor], norm: float) -> Iterator[Told]:
        kept = self._consumed is not None and any(g is self._consumed for g in gradients)
        if self.steps > 1 and kept and not self.zeroed and self.backwards:
            self._stale += 1
            if self._stale == 2:
                yield (
                    "not-zeroed",
                    "no gradient is cleared between the steps: each step uses the sum of all gradients so far",
                    "call optimizer.zero_grad() after each step, or before each backward",
                )
        if self.zeroed_after_backward and not norm:
            self._bare += 1
            if self._bare == 2:
                yield (
                    "zeroed-before-step",
                    "zero_grad is called between backward and step: the step finds no gradient",
                    "call zero_grad before backward",
                )
        self.zeroed = False

    def _silence(self, parameters: Sequence[Tensor]) -> Iterator[Told]:
        # The gradient of a bias may be 0 by symmetry, as where the means of two batches are compared.
        silent = {
            id(p): p for p in parameters if p.requires_grad and (p.grad is None or (p.ndim > 1 and _is_zero(p.grad)))
        }
        self._silent = silent if self.steps == 1 else {key: p for key, p in self._silent.items() if key in silent}
        whole = len(self._silent) == sum(p.requires_grad for p in parameters)
        if self.steps == PATIENCE or (self.steps == 3 and whole and all(p.grad is None for p in parameters)):
            yield from self.silent(self.steps)

    def silent(self, fewest: int) -> Iterator[Told]:
        """Parameters without a gradient in all steps so far, where these were enough."""
        if self.steps < fewest or not self._silent or self._told:
            return
        self._told = True
        parameters = [p for p in self.parameters() if p.requires_grad]
        names = [self.name_of(p) for p in parameters if id(p) in self._silent]
        if not names or self._bare > 1:
            return
        steps = min(self.steps, PATIENCE)
        if len(names) == len(parameters):
            cause = f"none of the {counted(len(names), 'parameter')} of the optimizer had a gradient in {steps} steps"
            remedy = "give the optimizer the parameters of the model that computes the loss, and detach nothing between"
            yield "unreached", cause, remedy
            return
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        none = all(p.grad is None for p in parameters if id(p) in self._silent)
        what = "no gradient" if none else "a gradient of 0, or none,"
        remedy = "use them in forward without detach, or requires_grad_(False) where they are to stay as they are"
        yield "no-gradient", f"{shown}: {what} in {steps} steps", remedy

    def _spike(self, norm: float) -> Iterator[Told]:
        known = self._sorted
        if len(known) >= _FEWEST:
            median = known[len(known) // 2]
            # A fit that has converged has norms near 0: only what is above all that was seen counts.
            if norm > SPIKE * median > 0 and norm > 10 * known[-1]:
                yield (
                    "gradient-spike",
                    f"the norm of the gradient is {norm:.3g}, {norm / median:.3g} times the median of the "
                    f"{len(known)} steps before",
                    "torch.nn.utils.clip_grad_norm_(parameters, max_norm) before the step; look at this batch",
                )
        if len(self._norms) == self._norms.maxlen:
            del known[bisect_left(known, self._norms[0])]
        self._norms.append(norm)
        insort(known, norm)


def held_twice(parameters: Sequence[Tensor], name_of: Callable[[Tensor], str]) -> Iterator[Told]:
    """Parameters that stand more than once in the groups of an optimizer."""
    seen: set[int] = set()
    twice = [p for p in parameters if id(p) in seen or seen.add(id(p))]  # type: ignore[func-returns-value]
    if twice:
        names = ", ".join(dict.fromkeys(name_of(p) for p in twice[:4]))
        yield "held-twice", f"the optimizer holds {names} twice, and steps it twice", "pass every parameter once"


def finite_norm(gradients: Sequence[Tensor]) -> float:
    """The norm of gradients of any layout; not finite if, and only if, an entry is not."""
    if not gradients:
        return 0.0
    try:
        with torch.no_grad():
            norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients)))))
            return norm if norm < math.inf else gradient_norm(gradients)
    except (RuntimeError, NotImplementedError):  # sparse ones
        with torch.no_grad():
            return gradient_norm([g.coalesce().values() if g.is_sparse else g.to_dense() for g in gradients])


def _is_zero(gradient: Tensor) -> bool:
    with torch.no_grad():
        values = gradient._values() if gradient.is_sparse else gradient
        return not bool(values.any())
