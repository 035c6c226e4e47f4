"""Whether weights and optimizer are still finite: looked at from time to time, and when a step comes near an overflow.

No optimizer adds up more than the squares of all gradients. While their sum since the last look, and the largest number
that was seen then, are far below the largest number of the dtype, a step cannot overflow, and costs no look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from losszoo.tracing.finite_check import DTYPES, largest_of_each, measurable
from losszoo.training.guard.optimizer_state import parameters_of, with_inner

# Of the largest number of a dtype; a step that may lead beyond it is looked at closely.
_NEAR = 1 / 16
# An entry of an optimizer's state: of which parameter (or under which name), what it is called, its numbers.
Entry = tuple[Any, str, Tensor]


class Soundness:
    """What is known about the numbers in weights and optimizer.

    Args:
        modules: whose parameters are looked at.
        optimizer: whose parameters and state are looked at.
        names: of the parameters, those of the optimizer alone too.
    """

    def __init__(
        self, modules: nn.ModuleList, optimizer: torch.optim.Optimizer, names: Callable[[], Mapping[Tensor, str]]
    ) -> None:
        self.modules, self.optimizer, self.names = modules, optimizer, names
        self._added, self._held, self._most = 0.0, 0.0, math.inf
        parameters = self._parameters()
        # An infinity that is there from the start is meant, as a transition that is ruled out; NaN in what is trained
        # never is: it comes from a checkpoint of a run that was lost.
        found = [parameters[at] for at in _not_finite(parameters)]
        self._meant = {id(x) for x in found if not (x.requires_grad and bool(x.isnan().any()))}

    def spoilt(self) -> str | None:
        """The name of a parameter, or of a part of the optimizer's state, that is not finite; None where all are."""
        parameters = [p for p in self._parameters() if id(p) not in self._meant]
        for at in _not_finite(parameters):
            return self.names().get(parameters[at], "a parameter")
        return self.spoilt_state()

    def spoilt_state(self) -> str | None:
        """The same for the optimizer's state alone; what is seen here is what :meth:`near` starts from."""
        entries = [entry for entry in self._entries() if id(entry[0]) not in self._meant]
        sizes = largest_of_each([tensor for _, _, tensor in entries])
        used = [size / torch.finfo(tensor.dtype).max for size, (_, _, tensor) in zip(sizes, entries, strict=True)]
        for share, (parameter, name, _) in zip(used, entries, strict=True):
            if not math.isfinite(share):
                return f"{name} of {self.names().get(parameter, 'the optimizer')}"
        dtypes = {tensor.dtype for tensor in (*parameters_of(self.optimizer), *(tensor for _, _, tensor in entries))}
        self._most = min((torch.finfo(dtype).max for dtype in dtypes if dtype in DTYPES), default=math.inf)
        self._added, self._held = 0.0, max(used, default=0.0)
        return None

    def near(self, norm: float) -> bool:
        """Whether a step with a gradient of this norm may overflow something."""
        return self._held + (self._added + norm * norm) / self._most > _NEAR

    def add(self, norm: float) -> None:
        """A step with a gradient of this norm was taken."""
        self._added += norm * norm

    def _parameters(self) -> list[Tensor]:
        every = dict.fromkeys([*self.modules.parameters(), *parameters_of(self.optimizer)])
        return [parameter for parameter in every if measurable(parameter)]

    def _entries(self) -> Iterator[Entry]:
        for optimizer in with_inner(self.optimizer):
            for owner, held in optimizer.state.items():
                for name, value in held.items() if isinstance(held, Mapping) else [("state", held)]:
                    for leaf in tree_leaves(value):
                        # A single number beside many is a count, or a bound that begins at infinity.
                        if measurable(leaf) and (leaf.dim() > 0 or (isinstance(owner, Tensor) and owner.dim() == 0)):
                            yield owner, str(name), leaf


def _not_finite(tensors: list[Tensor]) -> list[int]:
    return [at for at, size in enumerate(largest_of_each(tensors)) if not math.isfinite(size)]
