"""What the graphs of the first losses show: a loss without one, a lost pairing, a term that drowns the other."""

from __future__ import annotations

import math
from types import FrameType
from typing import Any

from torch import Tensor

from losszoo.tracing.authors import Place
from losszoo.watching.explaining.loss_statements import ranks_wait
from losszoo.watching.explaining.script_statements import is_told
from losszoo.watching.faults import Fault
from losszoo.watching.kept_calls import KeptCalls
from losszoo.watching.own_criteria import maker_under
from losszoo.watching.script_lines import place_in
from losszoo.watching.watch_state import WatchState

# A term is told that was so much larger than the other one, each time in the first steps.
_DROWNS = 1e5


class FirstBackwards:
    """The checks of a loss before its backward.

    Args:
        state: of the watch.
        kept: calls, where those of the user's own criterion go.
    """

    def __init__(self, state: WatchState, kept: KeptCalls) -> None:
        self.state = state
        self.kept = kept
        self.place: Place | None = None  # of the first backward
        self._terms: dict[Any, list[float]] = {}

    def learn(self, loss: Tensor, frame: FrameType) -> None:
        """Look at a loss of the first steps."""
        state, place = self.state, place_in(frame)
        self.place = self.place or place
        state.reached.optimizers()
        if loss.grad_fn is None:
            self._detached(loss, place)
            return
        state.reached.look(loss)
        self._tell_pairings()
        self._weigh_terms()
        own, line = state.last
        if own is None or ranks_wait() or not is_told(own, line):
            maker = maker_under(loss.grad_fn, state.first.makers)
            if maker is not None and maker.origin is not None:
                self.kept.keep_those_of(maker.origin)
                if maker.call is not None and not self.kept.has(maker.call):
                    self.kept.add(maker.call)

    def _detached(self, loss: Tensor, place: Place | None) -> None:
        if not self.state.reached.held:
            return
        if loss.requires_grad:
            cause = "backward is called on a tensor without a graph: it was detached, or made anew from numbers"
        else:
            cause = "the loss has no graph: it was detached, made from numbers, or computed under no_grad"
        remedy = "compute the loss from the outputs of the model (without detach, item, numpy or torch.tensor)"
        self.state.log.add(Fault("detached", cause, remedy, place, self.state.steps))

    def _tell_pairings(self) -> None:
        for pairing in self.state.first.pairings:
            shapes = f"{pairing.shapes[0]} and {pairing.shapes[1]}"
            n = pairing.shapes[0][0]
            cause = f"{pairing.op} makes {(n, n)} of {shapes}: every prediction is compared with every target"
            remedy = "give both the same shape: predictions.squeeze(-1), or targets.unsqueeze(-1)"
            self.state.log.add(Fault("pairing", cause, remedy, pairing.place, self.state.steps))
        self.state.first.pairings.clear()

    def _weigh_terms(self) -> None:
        for term in self.state.first.terms:
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
                remedy = "weigh the terms, or take the mean in both"
                self.state.log.add(Fault("drowned-term", cause, remedy, term.place, self.state.steps))
        self.state.first.terms.clear()
