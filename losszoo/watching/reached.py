"""Which parameters a gradient reaches, which modules hold them, and which optimizer steps them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from losszoo.common.text import counted
from losszoo.tracing.tape import nodes_under
from losszoo.watching.optimizer_watch import OptimizerWatch, Told

# Steps after which an update by hand must have shown itself.
_JUDGED = 8
_MOST_SCANS = 4
_SAMPLE = 1000
_IN_EVAL = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


@dataclass
class Reached:
    """What the first steps have shown of parameters and modules.

    Modules are known by weak references: none is kept alive.
    """

    held: set[int] = field(default_factory=set)  # parameters of every optimizer seen
    watching: bool = False
    _modules: dict[int, weakref.ref[nn.Module]] = field(default_factory=dict)
    _outermost: set[int] = field(default_factory=set)  # called by the script, not by another module
    _scalar: set[int] = field(default_factory=set)  # gave a loss
    _stack: list[int] = field(default_factory=list)
    _handles: list[Any] = field(default_factory=list)
    _leaves: dict[int, Tensor] = field(default_factory=dict)
    _samples: dict[int, Tensor] = field(default_factory=dict)
    _scans: int = 0
    _judged: bool = False
    _names: dict[int, str] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)
    _evals: dict[tuple[int, int], int] = field(default_factory=dict)
    _with_modes: dict[int, list[weakref.ref[nn.Module]]] = field(default_factory=dict)

    def begin(self) -> None:
        """Look at every call of a module."""
        hooks = nn.modules.module
        self.watching = True
        self._handles = [
            hooks.register_module_forward_pre_hook(self._enters),
            hooks.register_module_forward_hook(self._leaves_it, always_call=True),
        ]

    def end(self) -> None:
        """Look at none any more."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.watching = False

    def _enters(self, module: nn.Module, args: Any) -> None:
        if id(module) not in self._modules:
            self._modules[id(module)] = weakref.ref(module)
        if not self._stack:
            self._outermost.add(id(module))
        self._stack.append(id(module))

    def _leaves_it(self, module: nn.Module, args: Any, result: Any) -> None:
        while self._stack and self._stack.pop() != id(module):
            pass
        if isinstance(result, Tensor) and result.ndim == 0:
            self._scalar.add(id(module))

    def look(self, loss: Tensor) -> None:
        """Note which leaves this loss sends a gradient to."""
        for node in nodes_under(loss.grad_fn):
            leaf = getattr(node, "variable", None)
            if isinstance(leaf, nn.Parameter) and id(leaf) not in self._leaves:
                self._leaves[id(leaf)] = leaf
                self._samples[id(leaf)] = _sample(leaf)

    def optimizers(self) -> None:
        """Look for optimizers; they may be made at any time before their first step."""
        if self._scans < _MOST_SCANS:
            self._scans += 1
            for optimizer in _live_optimizers():
                self.held |= {id(p) for group in optimizer.param_groups for p in group["params"]}

    def alive(self) -> list[nn.Module]:
        """The modules that were called."""
        return [module for ref in list(self._modules.values()) if (module := ref()) is not None]

    def names(self, watches: Iterable[OptimizerWatch] = ()) -> dict[str, Tensor]:
        """Every parameter by its name."""
        found: dict[str, Tensor] = {}
        roots = [m for m in self.alive() if id(m) in self._outermost]
        for number, module in enumerate(roots):
            for name, parameter in module.named_parameters():
                key = name if len(roots) == 1 or name not in found else f"{type(module).__name__}.{name}"
                found.setdefault(key if key not in found else f"{number}.{key}", parameter)
        known = {id(p) for p in found.values()}
        for watch in watches:
            for number, held in enumerate(watch.parameters()):
                if id(held) not in known:
                    found[f"parameter {number} of the optimizer"] = held
        return found

    def name_of(self, parameter: Tensor) -> str:
        """The name of a parameter, or its shape where no module has one for it."""
        for name, known in self.names().items():
            if known is parameter:
                return name
        return f"a parameter of shape {tuple(parameter.shape)}"

    def never_moved(self) -> bool:
        """Whether optimizers hold some of what gets a gradient, and none of it has changed since it was first seen."""
        ours = [leaf for key, leaf in self._leaves.items() if key in self.held]
        return bool(ours) and not any(_has_moved(leaf, self._samples[id(leaf)]) for leaf in ours)

    def in_eval(self, optimizer: Optimizer, parameters: Sequence[Tensor]) -> Iterator[Told]:
        """A model that is stepped while it is in eval mode, though that changes what it computes."""
        if id(optimizer) not in self._with_modes or self.watching:
            own = {id(p) for p in parameters}
            self._with_modes[id(optimizer)] = [
                weakref.ref(module)
                for module in self.alive()
                if id(module) in self._outermost
                and any(isinstance(m, _IN_EVAL) for m in module.modules())
                and any(id(p) in own for p in module.parameters())
            ]
        for ref in self._with_modes[id(optimizer)]:
            module = ref()
            key = id(optimizer), id(ref)
            if module is None or module.training:
                self._evals.pop(key, None)
                continue
            times = self._evals[key] = self._evals.get(key, 0) + 1
            if times == 3:
                what = sorted({type(m).__name__ for m in module.modules() if isinstance(m, _IN_EVAL)})
                cause = f"{type(module).__name__} is in eval mode while it is trained: {' and '.join(what)} do nothing"
                cause = cause.replace("do nothing", "work as in a test")
                yield "left-in-eval", cause, "call model.train() before the training steps, after each evaluation"

    def in_no_optimizer(self, steps: int, at_end: bool = False) -> Iterator[Told]:
        """Parameters that get a gradient, and that nobody steps."""
        if self._judged or not (steps >= _JUDGED or (at_end and steps >= 3)):
            return
        self._judged = True
        for optimizer in _live_optimizers():
            self.held |= {id(p) for group in optimizer.param_groups for p in group["params"]}
        loose = [
            leaf
            for key, leaf in self._leaves.items()
            if key not in self.held and leaf.requires_grad and not _has_moved(leaf, self._samples[key])
        ]
        if not self.held or not loose:
            self._leaves.clear()
            return
        by_mistake = [leaf for leaf in loose if self._is_by_mistake(leaf)]
        names = [self.name_of(leaf) for leaf in by_mistake or loose]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        if by_mistake:
            cause = f"{shown}: a gradient in every step, and no optimizer holds {'it' if len(names) == 1 else 'them'}"
            yield "no-optimizer", cause, "pass them to the optimizer, or requires_grad_(False) where they are to stay"
        else:
            self._notes.append(
                f"{counted(len(names), 'parameter')} ({shown}) get a gradient, and no optimizer holds them; "
                "requires_grad_(False) would save that work where it is meant"
            )
        self._leaves.clear()

    def _is_by_mistake(self, leaf: Tensor) -> bool:
        """Whether it cannot be meant: made after the optimizer, in no module, or a parameter of the loss itself."""
        modules = self.alive()
        owners = [m for m in modules if any(p is leaf for p in m._parameters.values())]
        if not owners:
            return not any(p is leaf for m in modules for p in m.parameters())
        roots = [m for m in modules if id(m) in self._outermost and any(p is leaf for p in m.parameters())]
        if not roots:  # called inside a module that does not know of it
            return True
        if any(id(m) in self._scalar and id(m) in self._outermost for m in owners):
            return True
        return self._was_replaced(leaf, roots)

    def _was_replaced(self, leaf: Tensor, roots: Sequence[nn.Module]) -> bool:
        """Whether an optimizer of its model holds parameters that no called module has any more."""
        known = {id(p) for m in self.alive() for p in m.parameters()}
        for optimizer in _live_optimizers():
            held = [p for group in optimizer.param_groups for p in group["params"]]
            shares = any(id(p) in {id(q) for root in roots for q in root.parameters()} for p in held)
            if shares and any(id(p) not in known and p.grad is None for p in held):
                return True
        return False

    def take_notes(self) -> list[str]:
        """What is worth knowing, once."""
        notes, self._notes = self._notes, []
        return notes


def _live_optimizers() -> list[Optimizer]:
    """Every optimizer of this process; of a foreign object only its type is asked, which wakes nothing."""
    return [
        value for value in gc.get_objects() if issubclass(type(value), Optimizer) and hasattr(value, "param_groups")
    ]


def _sample(parameter: Tensor) -> Tensor:
    with torch.no_grad():
        return parameter.detach().reshape(-1)[:_SAMPLE].clone()


def _has_moved(parameter: Tensor, before: Tensor) -> bool:
    now = _sample(parameter)
    return now.shape != before.shape or not bool(torch.equal(now, before))
