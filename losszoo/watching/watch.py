"""``losszoo.watch``: a notebook or a script watches its own training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from losszoo.errors import NonFiniteError, UsageError
from losszoo.watching.faults import Log
from losszoo.watching.patches import Patches
from losszoo.watching.watch_state import Settings, StoppedError
from losszoo.watching.watch_words import plain_lines
from losszoo.watching.watcher import Watcher

ON_NONFINITE = ("raise", "skip", "note")
_ACTIVE: list[Watch] = []


class Watch:
    """A watch that is on until :meth:`stop`, or to the end of its ``with`` block; made by :func:`watch`."""

    def __init__(self, settings: Settings, tell: Callable[[dict[str, Any]], None]) -> None:
        self.log = Log(tell)
        self._watcher = Watcher(self.log, settings)
        self._patches = Patches(self._watcher)
        self._patches.put_on()
        self._is_on = True
        _ACTIVE.append(self)

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What was found so far, the records of ``losszoo watch --json``."""
        return [fault.to_dict() for fault in self.log.faults]

    def stop(self) -> list[dict[str, Any]]:
        """End the watch, and say what can be said only now; gives the faults."""
        if self._is_on:
            self._is_on = False
            self._patches.take_off()
            self._watcher.finish()
            _ACTIVE.remove(self)
        return self.faults

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.stop()
        if isinstance(error, StoppedError):
            raise NonFiniteError(f"{error}; what losszoo.watch has printed says why") from None


def watch(
    on_nonfinite: str = "raise", out: str | Path = "losszoo-watch", tell: Callable[[str], None] | None = None
) -> Watch:
    """Watch the training of this process: what is wrong is printed while it runs, with the line.

    No code is changed. ``losszoo watch SCRIPT`` does the same for a script from outside.

    Args:
        on_nonfinite: where a loss or gradient is not finite, after the doctor has diagnosed it: "raise" stops, "skip"
            leaves out the step, "note" goes on.
        out: folder for the criterion's inputs; made when the first are written.
        tell: gets each text; by default it is written to stderr.

    Returns:
        The watch; a context manager. ``stop()`` ends it.

    Example:
        >>> import losszoo, torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> with losszoo.watch(tell=lambda text: None) as watched:
        ...     loss = torch.nn.functional.mse_loss(layer(torch.ones(4, 2)).squeeze(1), torch.ones(4))
        ...     loss.backward()
        ...     optimizer.step()
        >>> watched.faults
        []
    """
    if on_nonfinite not in ON_NONFINITE:
        raise UsageError(f"on_nonfinite must be one of {', '.join(ON_NONFINITE)}, got {on_nonfinite!r}")
    if _ACTIVE:
        raise UsageError("one watch is on already; call its stop() first")
    say = tell or (lambda text: print(text, file=sys.stderr, flush=True))
    return Watch(Settings(on_nonfinite, Path(out)), lambda record: say("\n".join(plain_lines(record))))
