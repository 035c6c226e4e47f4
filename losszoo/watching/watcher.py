"""The one that watches: what the patches of torch report to it, and what it makes of that."""

from __future__ import annotations

import math
import os
import sys
import time
import weakref
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from losszoo.watching.explaining.nonfinite_answer import NonFiniteAnswer
from losszoo.watching.faults import NON_FINITE, Fault, Log
from losszoo.watching.first_backwards import FirstBackwards
from losszoo.watching.kept_calls import KeptCalls
from losszoo.watching.optimizer_watch import OptimizerWatch, finite_norm, held_twice
from losszoo.watching.script_lines import place_in, script_frame
from losszoo.watching.watch_state import Settings, WatchState

# Where one of these was told, it is no news that parameters get no gradient.
_NO_GRADIENT_FOLLOWS = {"detached", "no-backward", "unreached", "no-optimizer"}
# So many steps, or calls of backward, are looked at closely.
_CLOSE_STEPS, _CLOSE_BACKWARDS = 4, 40
_FALLS = 12


class Watcher:
    """What torch reports to while a script runs.

    Args:
        log: of what is found.
        settings: how to watch.
    """

    def __init__(self, log: Log, settings: Settings) -> None:
        self.state = WatchState(log, settings)
        self.kept = KeptCalls(self.state)
        self.unscaled: tuple[Any, Any] = (None, None)
        self._losses = FirstBackwards(self.state, self.kept)
        self._nonfinite = NonFiniteAnswer(self.state, self.kept)
        self._started = time.perf_counter()
        self._skipped = self._falls = self._bare_steps = 0

    # Backward

    def before_backward(self, tensors: Sequence[Any], frame: FrameType) -> bool:
        """What the start of ``backward`` shows; False where it is to be left out."""
        self.state.backwards += 1
        own = script_frame(frame)
        self.state.last = own, own.f_lineno if own is not None else 0
        loss = next((t for t in tensors if isinstance(t, Tensor)), None)
        if loss is None:
            return True
        for watch in self.state.optimizers.values():
            watch.before_backward()
        if self.state.first.on or self.state.backwards <= _CLOSE_STEPS:
            self.state.quietly(self._losses.learn, loss, frame)
        value = self.unscaled[1] if self.unscaled[0] is loss else loss
        number = value.item() if value.numel() == 1 else float(value.detach().sum())
        if not math.isfinite(number) and not bool(torch.isfinite(value.detach()).all()):
            return self._nonfinite.to_loss(value)
        return True

    def after_backward(self) -> None:
        """Nothing of a scaled loss is kept."""
        self.unscaled = None, None

    def before_grad(self, outputs: Any, frame: FrameType) -> None:
        """``torch.autograd.grad`` is another way to a gradient."""
        self.state.graph_calls += 1
        loss = outputs if isinstance(outputs, Tensor) else outputs[0] if outputs else None
        if isinstance(loss, Tensor) and loss.numel() == 1 and not math.isfinite(loss.item()):
            own = script_frame(frame)
            self.state.last = own, own.f_lineno if own is not None else 0
            self._nonfinite.to_loss(loss)

    # Steps

    def step_begins(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """A step; one with a closure is looked at when the closure has computed the gradient."""
        closure = kwargs.get("closure", next((a for a in args if callable(a) and a is not optimizer), None))
        if closure is None:
            self.before_step(optimizer)
            return None
        looked: list[bool] = []

        def watched() -> Any:
            value = closure()
            if not looked and self.state.active:
                looked.append(True)
                self.before_step(optimizer)
            return value

        if "closure" in kwargs:
            return args, {**kwargs, "closure": watched}
        return tuple(watched if a is closure else a for a in args), kwargs

    def before_step(self, optimizer: Optimizer) -> None:
        """The gradients that a step is about to use."""
        self.state.steps += 1
        watch = self._of(optimizer)
        parameters = watch.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = finite_norm(gradients)
        told = list(watch.before_step(parameters, gradients, norm))
        if watch.steps == 1:
            told += held_twice(parameters, self.state.reached.name_of)
        if watch.steps <= 2 and not gradients and not self.state.backwards and not self.state.graph_calls:
            told += self._without_backward()
        told += self.state.reached.in_eval(optimizer, parameters)
        told += self.state.reached.in_no_optimizer(self.state.steps)
        for note in self.state.reached.take_notes():
            self.state.log.note(note)
        self._tell_of_step(told, sys._getframe(1))
        if not math.isfinite(norm) or self._nonfinite.drops_step:
            if not self._nonfinite.drops_step:
                kind = "nan-gradient" if math.isnan(norm) else "inf-gradient"
                self._nonfinite.to_gradient(kind)
            if self.state.settings.on_nonfinite == "skip":
                for parameter in parameters:
                    parameter.grad = None
                self._skipped += 1
        self._nonfinite.drops_step = False

    def _tell_of_step(self, told: Iterable[tuple[str, str, str]], frame: FrameType) -> None:
        known = {fault.kind for fault in self.state.log.faults}
        for kind, cause, remedy in told:
            if kind in ("unreached", "no-gradient") and known & _NO_GRADIENT_FOLLOWS:
                continue
            # Each parameter without a gradient is told once; of the others each kind.
            which = cause[:60] if kind == "no-gradient" else ""
            self.state.log.add(Fault(kind, cause, remedy, place_in(frame), self.state.steps), kind, which)

    def after_step(self, optimizer: Optimizer) -> None:
        """A step has ended: what was kept for it is let go of."""
        self._of(optimizer).after_step()
        self.kept.clear()
        self.state.last = None, 0
        if self.state.first.on:
            self.state.first.forget()
            if self.state.steps >= _CLOSE_STEPS or self.state.backwards >= _CLOSE_BACKWARDS:
                self.look_less()

    def look_less(self) -> None:
        """The first steps are over."""
        if self.state.first.end():
            self.state.reached.end()

    def cleared(self, owner: Any) -> None:
        """``zero_grad`` of an optimizer, or of a module."""
        watches = [self._of(owner)] if isinstance(owner, Optimizer) else list(self.state.optimizers.values())
        for watch in watches:
            watch.cleared()

    def _without_backward(self) -> list[tuple[str, str, str]]:
        self._bare_steps += 1
        cause = "the optimizer takes steps, and backward was never called: no parameter has a gradient"
        return [("no-backward", cause, "call loss.backward() before optimizer.step()")] if self._bare_steps == 2 else []

    def _of(self, optimizer: Optimizer) -> OptimizerWatch:
        watch = self.state.optimizers.get(id(optimizer))
        if watch is None or watch.optimizer() is not optimizer:
            watch = OptimizerWatch(weakref.ref(optimizer), self.state.reached.name_of)
            self.state.optimizers[id(optimizer)] = watch
        return watch

    # GradScaler

    def scale_updated(self, before: float, after: float) -> None:
        """The scale after a step; each overflow halves it."""
        self._falls = self._falls + 1 if after < before else 0 if after > before else self._falls
        if after == before:
            self._falls = 0
        if self._falls == _FALLS:
            cause = (
                f"the scale has fallen {_FALLS} times on end, to {after:g}: every gradient overflows in half precision"
            )
            remedy = "look for what is not finite by itself: run without GradScaler, or in bfloat16"
            self.state.log.add(Fault("falling-scale", cause, remedy, place_in(sys._getframe(2)), self.state.steps))

    # The end

    def finish(self, whole: bool = True) -> None:
        """What can be said only now.

        Args:
            whole: the script has come to its end.
        """
        if self.state.first.on:
            self.state.first.end()
        self.state.reached.end()
        kinds = {fault.kind for fault in self.state.log.faults}
        for watch in self.state.optimizers.values():
            if not kinds & {"zeroed-before-step", *_NO_GRADIENT_FOLLOWS, *NON_FINITE}:
                for kind, cause, remedy in watch.silent(5):
                    self.state.log.add(Fault(kind, cause, remedy, self._losses.place, self.state.steps), kind)
        for kind, cause, remedy in self.state.reached.in_no_optimizer(self.state.steps, at_end=True):
            self.state.log.add(Fault(kind, cause, remedy, self._losses.place, self.state.steps), kind)
        told = {"detached", "falling-scale", *NON_FINITE}
        if self.state.backwards >= 3 and not self.state.steps and self.state.reached.never_moved() and not kinds & told:
            cause = f"backward was called {self.state.backwards} times, and the optimizer never took a step"
            self.state.log.add(Fault("never-steps", cause, "call optimizer.step() after backward", self._losses.place))
        if whole and not self.state.backwards and not self.state.graph_calls and "no-backward" not in kinds:
            self.state.log.note(f"the script never calls backward in this process: {_why_not()}")
        for note in self.state.reached.take_notes():
            self.state.log.note(note)

    def document(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "backwards": self.state.backwards,
            "steps": self.state.steps,
            "skipped": self._skipped,
            "stopped": self._nonfinite.stops > 0,
            "seconds": round(time.perf_counter() - self._started, 3),
            "rank": self.state.log.rank,
            "pid": os.getpid(),
        }


def _why_not() -> str:
    """What else there may be to watch."""
    times = os.times()
    others = times.children_user + times.children_system
    if others < 1:
        return "there was nothing to watch"
    return (
        f"those that it has started computed for {others:.0f} s and are not watched; call losszoo.watch() at the top "
        "of the function that they run"
    )
