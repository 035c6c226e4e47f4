"""Which plugin is waited for: one that hangs cannot be helped, only named."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType

_PATIENCE_SECONDS = 5.0


class SlowPlugins:
    """Says on stderr, once a plugin, that it is still being loaded.

    One thread measures all of them: to start one for each costs as much as most plugins take.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._loading: tuple[object, float] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> SlowPlugins:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @contextlib.contextmanager
    def loading(self, plugin: object) -> Iterator[None]:
        """What is waited for in here."""
        self._loading = plugin, time.monotonic()
        try:
            yield
        finally:
            self._loading = None

    def _watch(self) -> None:
        told: object = None
        pause = _PATIENCE_SECONDS
        while not self._ended.wait(pause):
            pause = _PATIENCE_SECONDS
            if self._loading is None:
                continue
            plugin, since = self._loading
            left = since + _PATIENCE_SECONDS - time.monotonic()
            if left > 0:
                pause = left
            elif plugin is not told:
                told = plugin
                said = f"{plugin} is still being loaded after {_PATIENCE_SECONDS:g} s; Ctrl-C ends the waiting"
                print(said, file=sys.stderr, flush=True)
