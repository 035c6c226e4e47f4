"""What torch is given instead of its own functions while a script is watched; all of it is taken back."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from losszoo.watching.criteria import FUNCTIONS
from losszoo.watching.watcher import Watcher


class Patches:
    """The seams between torch and one watcher.

    Args:
        watcher: that is reported to.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.thread = threading.get_ident()
        self._undo: list[Callable[[], None]] = []
        self._functions: dict[str, tuple[Any, Any]] = {}
        self._depth = 0  # of calls that torch makes of its own functions

    def put_on(self) -> None:
        """From now on everything is reported."""
        os.register_at_fork(after_in_child=self._in_fork)
        self._replace(Tensor, "backward", self._backward(Tensor.backward))
        self._replace(torch.autograd, "backward", self._backward(torch.autograd.backward))
        self._replace(torch.autograd, "grad", self._grad(torch.autograd.grad))
        for owner in (torch.optim.Optimizer, nn.Module):
            self._replace(owner, "zero_grad", self._zero_grad(owner.zero_grad))
        for name in FUNCTIONS:
            original = getattr(functional, name)
            self._functions[name] = original, self._function(name, original)
            self._replace(functional, name, self._functions[name][1])
        self._scaler()
        self._replace(torch, "compile", self._before_compiling(torch.compile))
        self._replace(torch.jit, "script", self._scripted(torch.jit.script))
        before = register_optimizer_step_pre_hook(self._before_step)
        after = register_optimizer_step_post_hook(self._after_step)
        self._undo += [before.remove, after.remove]
        self.watcher.state.reached.begin()
        self.watcher.state.first.begin()

    def take_off(self) -> None:
        """As it was before."""
        self.watcher.state.active = False
        self.watcher.state.first.on and self.watcher.state.first.end()
        self.watcher.state.reached.end()
        for undo in (self._undo, self.watcher.state.undo):
            while undo:
                undo.pop()()

    def _in_fork(self) -> None:
        """A process that the script has forked is not watched: it has no way to tell."""
        self.watcher.state.active = False
        self.watcher.state.first.on = False

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        own = name in vars(owner)
        old = getattr(owner, name)

        def put_back() -> None:
            if getattr(owner, name) is new:
                setattr(owner, name, old) if own else delattr(owner, name)

        # The compiler runs it as it is, and looks at none of it.
        setattr(owner, name, new)
        self._undo.append(put_back)

    def _is_ours(self) -> bool:
        return self.watcher.state.active and not self._depth and threading.get_ident() == self.thread

    def _backward(self, original: Any) -> Any:
        @functools.wraps(original)
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._is_ours():
                return original(tensors, *args, **kwargs)
            self._depth += 1
            try:
                given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
                if self.watcher.before_backward(given, sys._getframe(1)):
                    original(tensors if isinstance(tensors, Tensor) else given, *args, **kwargs)
                    self.watcher.after_backward()
            finally:
                self._depth -= 1
            return None

        backward._torchdynamo_disable = True  # type: ignore[attr-defined]
        return backward

    def _grad(self, original: Any) -> Any:
        @functools.wraps(original)
        def grad(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_ours():
                self.watcher.before_grad(outputs, sys._getframe(1))
            return original(outputs, *args, **kwargs)

        grad._torchdynamo_disable = True  # type: ignore[attr-defined]
        return grad

    def _zero_grad(self, original: Any) -> Any:
        @functools.wraps(original)
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_ours():
                self.watcher.cleared(owner)
            return original(owner, *args, **kwargs)

        return zero_grad

    def _function(self, name: str, original: Any) -> Any:
        compiling = torch.compiler.is_compiling

        @functools.wraps(original)
        def criterion(*args: Any, **kwargs: Any) -> Any:
            if compiling() or not self._is_ours():
                return original(*args, **kwargs)
            self._depth += 1
            try:
                return self.watcher.kept.criterion(name, original, args, kwargs, sys._getframe(1))
            finally:
                self._depth -= 1

        return criterion

    def _scaler(self) -> None:
        from torch.amp.grad_scaler import GradScaler

        scale, update = GradScaler.scale, GradScaler.update

        @functools.wraps(scale)
        def scaled(scaler: Any, outputs: Any) -> Any:
            result = scale(scaler, outputs)
            if self._is_ours() and scaler.is_enabled() and isinstance(result, Tensor):
                self.watcher.unscaled = result, outputs
            return result

        @functools.wraps(update)
        def updated(scaler: Any, *args: Any, **kwargs: Any) -> Any:
            if not (self._is_ours() and scaler.is_enabled()):
                return update(scaler, *args, **kwargs)
            before = scaler.get_scale()
            result = update(scaler, *args, **kwargs)
            self.watcher.scale_updated(before, scaler.get_scale())
            return result

        self._replace(GradScaler, "scale", scaled)
        self._replace(GradScaler, "update", updated)

    def _before_compiling(self, original: Any) -> Any:
        @functools.wraps(original)
        def compiled(*args: Any, **kwargs: Any) -> Any:
            # The compiler would trace what looks at single operations.
            if self.watcher.state.active:
                self.watcher.look_less()
            return original(*args, **kwargs)

        return compiled

    def _scripted(self, original: Any) -> Any:
        @functools.wraps(original)
        def script(*args: Any, **kwargs: Any) -> Any:
            # TorchScript reads the source of what is called: it must be that of torch.
            for name, (own, _) in self._functions.items():
                setattr(functional, name, own)
            try:
                return original(*args, **{**kwargs, "_frames_up": kwargs.get("_frames_up", 0) + 1})
            finally:
                for name, (_, ours) in self._functions.items():
                    setattr(functional, name, ours)

        return script

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        return self.watcher.step_begins(optimizer, args, kwargs) if self._is_ours() else None

    def _after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._is_ours():
            self.watcher.after_step(optimizer)
