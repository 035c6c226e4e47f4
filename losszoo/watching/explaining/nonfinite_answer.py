"""What a loss or gradient that is not finite leads to: it is explained, and then the script stops, skips or goes on."""

from __future__ import annotations

from types import FrameType

from torch import Tensor

from losszoo.tracing.authors import Place
from losszoo.tracing.finite_check import spoilt
from losszoo.training.guard.crash_bundle import Bundles
from losszoo.watching.explaining.loss_statements import ranks_wait
from losszoo.watching.explaining.nonfinite import Scene, explain, write_bundle
from losszoo.watching.explaining.script_statements import is_told
from losszoo.watching.faults import Fault
from losszoo.watching.kept_calls import KeptCalls
from losszoo.watching.watch_state import StoppedError, WatchState

_MOST_FAULTS = 50


class NonFiniteAnswer:
    """The answer, as the settings ask for it.

    Args:
        state: of the watch.
        kept: calls of this step.
    """

    def __init__(self, state: WatchState, kept: KeptCalls) -> None:
        self.state = state
        self.kept = kept
        self.stops = 0
        self.drops_step = False  # the loss of this step was left out
        self._bundles = Bundles(state.settings.out)

    def to_loss(self, loss: Tensor) -> bool:
        """True where the script is to go on with its backward."""
        return self._answer("nan-loss" if bool(loss.detach().isnan().any()) else "inf-loss", False)

    def to_gradient(self, kind: str) -> None:
        """The gradient of a loss that was finite."""
        self._answer(kind, True)

    def _answer(self, kind: str, of_gradient: bool) -> bool:
        state = self.state
        frame, line = state.last
        place = Place(frame.f_code.co_filename, line) if frame is not None else None
        if not state.log.knows("broken", place) and len(state.log.faults) < _MOST_FAULTS:
            state.quietly(self._tell, kind, of_gradient, frame, line, place)
        if state.settings.on_nonfinite == "raise":
            self.stops += 1
            raise StoppedError(f"{kind} at {place}")
        # Ranks that wait for each other must all call backward; the gradient is dropped on all of them.
        if state.settings.on_nonfinite == "skip" and not of_gradient and not ranks_wait():
            self.drops_step = True
            return False
        return True

    def _tell(self, kind: str, of_gradient: bool, frame: FrameType | None, line: int, place: Place | None) -> None:
        state, calls = self.state, list(self.kept.calls)
        broken = state.first.broken
        if state.first.on:
            state.first.end()
        names = state.reached.names(state.optimizers.values())
        explained = explain(Scene(frame, line, calls, names, of_gradient, broken))
        first = explained.findings[0] if explained.findings else None
        op = first.op if first else explained.site.op if explained.site else None
        if frame is None or not is_told(frame, line):  # a framework calls backward: the criterion's line says more
            place = next((c.place for c in calls if any(spoilt(c.result))), calls[-1].place if calls else place)
        where = (explained.place or place) if not (first and first.source) else explained.place
        source = first.source if first and first.source else str(where) if where else None
        event = {"step": state.steps + 1, "epoch": None, "where": "gradient" if of_gradient else "loss", "what": None}
        bundle = None
        if state.log.rank == 0 or explained.inputs:
            bundle = write_bundle(self._bundles, explained, event | {"op": op, "source": source}, state.log.note)
        fault = Fault(kind, explained.cause, explained.remedy, where, state.steps, op, explained.findings, bundle)
        state.log.add(fault)
