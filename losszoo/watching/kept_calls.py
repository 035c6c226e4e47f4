"""The calls of criteria since the last step: each is checked, and kept to be made again where its loss breaks."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any

import torch

from losszoo.tracing.authors import Place
from losszoo.watching.criteria import Call, misuses
from losszoo.watching.faults import Fault
from losszoo.watching.own_criteria import Origin, keep_calls
from losszoo.watching.script_lines import place_in, script_frame
from losszoo.watching.watch_state import WatchState

# So many calls of a criterion from one line are checked at first, and then one in so many.
_CLOSE_CALLS, _RARELY = 3, 256
_MOST_CALLS = 16
_MOST_KEPT = 4


class KeptCalls:
    """The calls of one step.

    Args:
        state: of the watch.
    """

    def __init__(self, state: WatchState) -> None:
        self.state = state
        self.calls: list[Call] = []
        self._sites: dict[Any, int] = {}

    def criterion(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any, frame: FrameType) -> Any:
        """Call a criterion of torch, and keep the call."""
        own = script_frame(frame) or frame
        place = Place(own.f_code.co_filename, own.f_lineno)
        key = id(own.f_code), place.line, name
        count = self._sites[key] = self._sites.get(key, 0) + 1
        if count <= _CLOSE_CALLS or not count % _RARELY:
            self.state.quietly(self._look_at, Call(name, function, args, kwargs, place))
        try:
            result = function(*args, **kwargs)
        except Exception:
            self.state.quietly(self._look_at, Call(name, function, args, kwargs, place))
            raise
        self.add(Call(name, function, args, kwargs, place, result))
        return result

    def keep_those_of(self, origin: Origin) -> None:
        """From now on calls of a function of the user are kept as well."""
        if len(self.state.undo) < _MOST_KEPT and not self.state.log.knows("kept", origin.function):
            self.state.undo.append(keep_calls(origin, self._own))

    def has(self, call: Call) -> bool:
        """Whether a call of the same name with the same objects was kept."""
        given = [id(value) for value in (*call.args, *call.kwargs.values())]
        return any(
            kept.name == call.name and [id(value) for value in (*kept.args, *kept.kwargs.values())] == given
            for kept in self.calls
        )

    def add(self, call: Call) -> None:
        """Keep a call that a loss comes from."""
        if torch.is_grad_enabled():
            if len(self.calls) >= _MOST_CALLS:
                del self.calls[0]
            self.calls.append(call)

    def clear(self) -> None:
        """Let go of them."""
        self.calls.clear()

    def _own(self, name: str, function: Any, args: Any, kwargs: Any, frame: FrameType, result: Any) -> None:
        if self.state.active:
            self.add(Call(name, function, args, kwargs, place_in(frame), result, own=True))

    def _look_at(self, call: Call) -> None:
        for kind, cause, remedy in misuses(call, self.state.first.places.get):
            self.state.log.add(Fault(kind, cause, remedy, call.place, self.state.steps), call.name)
