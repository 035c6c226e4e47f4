"""The one that watches: what the patches of torch report to it, and what it makes of that."""

from __future__ import annotations

import math
import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from losszoo.common.text import in_one_line
from losszoo.tracing.authors import Place
from losszoo.tracing.finite_check import spoilt
from losszoo.training.guard.crash_bundle import Bundles
from losszoo.watching.criteria import Call, misuses
from losszoo.watching.faults import Fault, Log
from losszoo.watching.first_steps import FirstSteps
from losszoo.watching.loss_statements import is_told, ranks_wait
from losszoo.watching.nonfinite import Scene, explain, write_bundle
from losszoo.watching.optimizer_watch import OptimizerWatch, finite_norm, held_twice
from losszoo.watching.own_criteria import keep_calls, origin_under
from losszoo.watching.reached import Reached
from losszoo.watching.script_lines import place_in, script_frame

# So many steps, or calls of backward, are looked at closely.
_CLOSE_STEPS, _CLOSE_BACKWARDS = 4, 40
# So many calls of a criterion from one line are checked at first, and then one in so many.
_CLOSE_CALLS, _RARELY = 3, 256
# A term is told that was so much larger than the other one, each time in the first steps.
_DROWNS = 1e5
_FALLS = 12
_MOST_CALLS = 16
_MOST_KEPT = 4


class StoppedError(BaseException):
    """A loss or gradient is not finite, and the script is to stop. No ``except Exception`` swallows it."""


@dataclass
class Settings:
    """How to watch.

    Args:
        on_nonfinite: "raise", "skip" or "note".
        out: folder of the bundles.
    """

    on_nonfinite: str = "raise"
    out: Path = Path("losszoo-watch")


@dataclass
class Watcher:
    """The state of one watch.

    Args:
        log: of what is found.
        settings: how to watch.
    """

    log: Log
    settings: Settings
    active: bool = True
    started: float = field(default_factory=time.perf_counter)
    backwards: int = 0
    graph_calls: int = 0
    steps: int = 0
    stops: int = 0
    skipped: int = 0
    first: FirstSteps = field(default_factory=FirstSteps)
    reached: Reached = field(default_factory=Reached)
    optimizers: dict[int, OptimizerWatch] = field(default_factory=dict)
    unscaled: tuple[Any, Any] = (None, None)
    undo: list[Callable[[], None]] = field(default_factory=list)
    _inside: bool = False
    _calls: list[tuple[Any, ...]] = field(default_factory=list)
    _sites: dict[Any, int] = field(default_factory=dict)
    _last: tuple[FrameType | None, int] = (None, 0)
    _last_place: Place | None = None
    _first_backward: Place | None = None
    _terms: dict[Any, list[float]] = field(default_factory=dict)
    _falls: int = 0
    _bare_steps: int = 0
    _evals: dict[int, int] = field(default_factory=dict)
    _bundles: Bundles | None = None
    _drop_step: bool = False

    # Criteria

    def criterion(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any, frame: FrameType) -> Any:
        """Call a criterion, and keep the call until the step has ended."""
        own = script_frame(frame) or frame
        place = Place(own.f_code.co_filename, own.f_lineno)
        key = id(own.f_code), place.line, name
        count = self._sites[key] = self._sites.get(key, 0) + 1
        if count <= _CLOSE_CALLS or not count % _RARELY:
            self._quietly(self._look_at, Call(name, function, args, kwargs, place))
        try:
            result = function(*args, **kwargs)
        except Exception:
            self._quietly(self._look_at, Call(name, function, args, kwargs, place))
            raise
        if torch.is_grad_enabled():
            if len(self._calls) >= _MOST_CALLS:
                del self._calls[0]
            self._calls.append((name, function, args, kwargs, place, result))
        return result

    def _look_at(self, call: Call) -> None:
        for kind, cause, remedy in misuses(call, self.first.places.get):
            self.log.add(Fault(kind, cause, remedy, call.place, self.steps), call.name)

    # Backward

    def before_backward(self, tensors: Sequence[Any], frame: FrameType) -> bool:
        """What the start of ``backward`` shows; False where it is to be left out."""
        self.backwards += 1
        own = script_frame(frame)
        self._last = own, own.f_lineno if own is not None else 0
        loss = next((t for t in tensors if isinstance(t, Tensor)), None)
        if loss is None:
            return True
        for watch in self.optimizers.values():
            watch.before_backward()
        if self.first.on or self.backwards <= _CLOSE_STEPS:
            self._quietly(self._learn, loss, frame)
        value = self.unscaled[1] if self.unscaled[0] is loss else loss
        number = value.item() if value.numel() == 1 else float(value.detach().sum())
        if not math.isfinite(number) and not bool(torch.isfinite(value.detach()).all()):
            return self._broken(_kind(value, "loss"), False)
        return True

    def after_backward(self) -> None:
        """Nothing of a scaled loss is kept."""
        self.unscaled = None, None

    def before_grad(self, outputs: Any, frame: FrameType) -> None:
        """``torch.autograd.grad`` is another way to a gradient."""
        self.graph_calls += 1
        loss = outputs if isinstance(outputs, Tensor) else outputs[0] if outputs else None
        if isinstance(loss, Tensor) and loss.numel() == 1 and not math.isfinite(loss.item()):
            own = script_frame(frame)
            self._last = own, own.f_lineno if own is not None else 0
            self._broken(_kind(loss, "loss"), False)

    def _learn(self, loss: Tensor, frame: FrameType) -> None:
        place = place_in(frame)
        self._first_backward = self._first_backward or place
        self.reached.optimizers()
        if loss.grad_fn is None:
            self._detached(loss, place)
            return
        self.reached.look(loss)
        for pairing in self.first.pairings:
            shapes = f"{pairing.shapes[0]} and {pairing.shapes[1]}"
            n = pairing.shapes[0][0]
            cause = f"{pairing.op} makes {(n, n)} of {shapes}: every prediction is compared with every target"
            remedy = "give both the same shape: predictions.squeeze(-1), or targets.unsqueeze(-1)"
            self.log.add(Fault("pairing", cause, remedy, pairing.place, self.steps))
        self.first.pairings.clear()
        self._weigh_terms()
        own, line = self._last
        if own is None or ranks_wait() or not is_told(own, line):
            origin = origin_under(loss.grad_fn, self.first.makers)
            if origin is not None and len(self.undo) < _MOST_KEPT and not self.log.knows("kept", origin.function):
                self.undo.append(keep_calls(origin, self._keep))

    def _keep(self, name: str, function: Any, args: Any, kwargs: Any, frame: FrameType, result: Any) -> None:
        """A call of the user's own criterion."""
        if self.active and torch.is_grad_enabled():
            if len(self._calls) >= _MOST_CALLS:
                del self._calls[0]
            self._calls.append((name, function, args, kwargs, place_in(frame), result, True))

    def _detached(self, loss: Tensor, place: Place | None) -> None:
        if not self.reached.held:
            return
        if loss.requires_grad:
            cause = "backward is called on a tensor without a graph: it was detached, or made anew from numbers"
        else:
            cause = "the loss has no graph: it was detached, made from numbers, or computed under no_grad"
        remedy = "compute the loss from the outputs of the model (without detach, item, numpy or torch.tensor)"
        self.log.add(Fault("detached", cause, remedy, place, self.steps))

    def _weigh_terms(self) -> None:
        for term in self.first.terms:
            one, other = (abs(value) for value in term.values)
            small, large = sorted((one, other))
            told = large / small if small > 0 and math.isfinite(large) else 0.0
            ratios = self._terms.setdefault(term.place, [])
            ratios.append(told)
            if len(ratios) == 3 and min(ratios) >= _DROWNS:
                which = "first" if one > other else "second"
                cause = (
                    f"the {which} term of the sum is {large:.3g}, the other one {small:.3g}: {told:.1g} times as much"
                )
                self.log.add(
                    Fault("drowned-term", cause, "weigh the terms, or take the mean in both", term.place, self.steps)
                )
        self.first.terms.clear()

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
            if not looked and self.active:
                looked.append(True)
                self.before_step(optimizer)
            return value

        if "closure" in kwargs:
            return args, {**kwargs, "closure": watched}
        return tuple(watched if a is closure else a for a in args), kwargs

    def before_step(self, optimizer: Optimizer) -> None:
        """The gradients that a step is about to use."""
        self.steps += 1
        watch = self._of(optimizer)
        parameters = watch.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = finite_norm(gradients)
        told = list(watch.before_step(parameters, gradients, norm))
        if watch.steps == 1:
            told += held_twice(parameters, self.reached.name_of)
        if watch.steps <= 2 and not gradients and not self.backwards and not self.graph_calls:
            told += self._without_backward()
        told += self.reached.in_eval(optimizer, parameters)
        told += self.reached.in_no_optimizer(self.steps)
        for note in self.reached.take_notes():
            self.log.note(note)
        if told:
            place = place_in(sys._getframe(1))
            known = {fault.kind for fault in self.log.faults}
            for kind, cause, remedy in told:
                if kind in ("unreached", "no-gradient") and known & _NO_GRADIENT_FOLLOWS:
                    continue
                # Each parameter without a gradient is told once; of the others each kind.
                which = cause[:60] if kind == "no-gradient" else ""
                self.log.add(Fault(kind, cause, remedy, place, self.steps), kind, which)
        if not math.isfinite(norm) or self._drop_step:
            if not self._drop_step:
                kind = "nan-gradient" if math.isnan(norm) else "inf-gradient"
                self._broken(kind, True)
            if self.settings.on_nonfinite == "skip":
                for parameter in parameters:
                    parameter.grad = None
                self.skipped += 1
        self._drop_step = False

    def after_step(self, optimizer: Optimizer) -> None:
        """A step has ended: what was kept for it is let go of."""
        self._of(optimizer).after_step()
        self._calls.clear()
        self._last = None, 0
        if self.first.on:
            self.first.forget()
            if self.steps >= _CLOSE_STEPS or self.backwards >= _CLOSE_BACKWARDS:
                self.look_less()

    def look_less(self) -> None:
        """The first steps are over."""
        if self.first.end():
            self.reached.end()

    def cleared(self, owner: Any) -> None:
        """``zero_grad`` of an optimizer, or of a module."""
        watches = [self._of(owner)] if isinstance(owner, Optimizer) else list(self.optimizers.values())
        for watch in watches:
            watch.cleared()

    def _without_backward(self) -> list[tuple[str, str, str]]:
        self._bare_steps += 1
        cause = "the optimizer takes steps, and backward was never called: no parameter has a gradient"
        return [("no-backward", cause, "call loss.backward() before optimizer.step()")] if self._bare_steps == 2 else []

    def _of(self, optimizer: Optimizer) -> OptimizerWatch:
        watch = self.optimizers.get(id(optimizer))
        if watch is None or watch.optimizer() is not optimizer:
            watch = OptimizerWatch(weakref.ref(optimizer), self.reached.name_of)
            self.optimizers[id(optimizer)] = watch
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
            self.log.add(Fault("falling-scale", cause, remedy, place_in(sys._getframe(2)), self.steps))

    # What is not finite

    def _broken(self, kind: str, of_gradient: bool) -> bool:
        """Tell it; True where the script is to go on with its backward."""
        frame, line = self._last
        place = Place(frame.f_code.co_filename, line) if frame is not None else None
        if not self.log.knows("broken", place) and len(self.log.faults) < 50:
            self._quietly(self._tell_broken, kind, of_gradient, frame, line, place)
        if self.settings.on_nonfinite == "raise":
            self.stops += 1
            raise StoppedError(f"{kind} at {place}")
        # Ranks that wait for each other must all call backward; the gradient is dropped on all of them.
        if self.settings.on_nonfinite == "skip" and not of_gradient and not ranks_wait():
            self._drop_step = True
            return False
        return True

    def _tell_broken(
        self, kind: str, of_gradient: bool, frame: FrameType | None, line: int, place: Place | None
    ) -> None:
        broken = self.first.broken
        if self.first.on:
            self.first.end()
        calls = [Call(*call) for call in self._calls]
        scene = Scene(
            frame,
            line,
            calls,
            self.reached.names(self.optimizers.values()),
            of_gradient,
            broken,
        )
        explained = explain(scene)
        first = explained.findings[0] if explained.findings else None
        op = first.op if first else explained.site.op if explained.site else None
        if frame is None or not is_told(frame, line):  # a framework calls backward: the criterion's line says more
            place = next((c.place for c in calls if any(spoilt(c.result))), calls[-1].place if calls else place)
        where = (explained.place or place) if not (first and first.source) else explained.place
        event = {"step": self.steps + 1, "epoch": None, "where": "gradient" if of_gradient else "loss", "what": None}
        event |= {"op": op, "source": first.source if first and first.source else str(where) if where else None}
        bundle = None
        if self.log.rank == 0 or explained.inputs:
            self._bundles = self._bundles or Bundles(self.settings.out)
            bundle = write_bundle(self._bundles, explained, event, self.log.note)
        fault = Fault(kind, explained.cause, explained.remedy, where, self.steps, op, explained.findings, bundle)
        self.log.add(fault)

    def _quietly(self, work: Callable[..., None], *args: Any) -> None:
        """A check that fails by itself is told once, and never stops the script."""
        if self._inside:
            return
        self._inside, active, self.active = True, self.active, False
        try:
            work(*args)
        except Exception as error:  # of whatever kind the script's objects may be
            self.log.note(f"a check could not be made: {in_one_line(error)}")
        finally:
            self._inside, self.active = False, active

    # The end

    def finish(self, whole: bool = True) -> None:
        """What can be said only now.

        Args:
            whole: the script has come to its end.
        """
        if self.first.on:
            self.first.end()
        self.reached.end()
        kinds = {fault.kind for fault in self.log.faults}
        for watch in self.optimizers.values():
            if not kinds & {"zeroed-before-step", *_NO_GRADIENT_FOLLOWS, *_NON_FINITE}:
                for kind, cause, remedy in watch.silent(5):
                    self.log.add(Fault(kind, cause, remedy, self._first_backward, self.steps), kind)
        for kind, cause, remedy in self.reached.in_no_optimizer(self.steps, at_end=True):
            self.log.add(Fault(kind, cause, remedy, self._first_backward, self.steps), kind)
        told = {"detached", "falling-scale", *_NON_FINITE}
        if self.backwards >= 3 and not self.steps and self.reached.never_moved() and not kinds & told:
            cause = f"backward was called {self.backwards} times, and the optimizer never took a step"
            self.log.add(Fault("never-steps", cause, "call optimizer.step() after backward", self._first_backward))
        if whole and not self.backwards and not self.graph_calls and "no-backward" not in kinds:
            self.log.note("the script never calls backward in this process: there was nothing to watch")
        for note in self.reached.take_notes():
            self.log.note(note)

    def document(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "backwards": self.backwards,
            "steps": self.steps,
            "skipped": self.skipped,
            "stopped": self.stops > 0,
            "seconds": round(time.perf_counter() - self.started, 3),
            "rank": self.log.rank,
            "pid": os.getpid(),
        }


# Where one of these was told, it is no news that parameters get no gradient.
_NO_GRADIENT_FOLLOWS = {"detached", "no-backward", "unreached", "no-optimizer"}
_NON_FINITE = ("nan-loss", "inf-loss", "nan-gradient", "inf-gradient")


def _kind(value: Tensor, what: str) -> str:
    return f"{'nan' if bool(value.detach().isnan().any()) else 'inf'}-{what}"
