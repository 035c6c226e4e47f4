"""The process that replays for another one: the step, then the doctor, each within its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from losszoo.common.process_memory import bound_data, free_memory
from losszoo.common.text import kind_name
from losszoo.common.timeouts import TimeUpError, alarm
from losszoo.crash_replay.repeat_step import MakeStep
from losszoo.crash_replay.replay import in_parts
from losszoo.crash_replay.replayed import Replay
from losszoo.doctor.examination_child import MEMORY, late
from losszoo.errors import UsageError
from losszoo.registry.import_target import resolve


def answers(request: Mapping[str, Any]) -> Iterator[Replay]:
    """The work of ``replay_apart`` in its process: the step, then the doctor's answer too.

    Args:
        request: "path", "step" (a target, or None), "loss", "task", "device", "examine", "trust" of
            :func:`losszoo.replay`, and "budget".

    Raises:
        UsageError: as :func:`losszoo.replay`, or the step does not end.
    """
    path, budget, on_cpu = request["path"], request["budget"], request["device"].startswith("cpu")
    if on_cpu:
        bound_data(free_memory())
    try:
        with alarm(budget):
            step = _made_by(request["step"])
            parts = in_parts(path, step, *(request[name] for name in ("loss", "task", "device", "examine", "trust")))
            replayed = next(parts)
    except TimeUpError:
        raise UsageError(
            f"the step of {path} must end within {budget:g} s, the time limit, and it did not; --budget SECONDS gives "
            "it more"
        ) from None
    yield replayed
    if on_cpu:
        bound_data(MEMORY)
    try:
        with alarm(budget):
            replayed = next(parts, replayed)
    except TimeUpError:
        replayed = replace(replayed, notes=(*replayed.notes, f"the doctor gave no answer: {late(budget)}"))
    yield replayed


def _made_by(target: str | None) -> MakeStep | None:
    """The function that ``--step`` names."""
    if target is None:
        return None
    found = resolve(target)
    if not callable(found):
        raise UsageError(f"--step must name a function that takes the bundle, got {target}, {kind_name(found)}")
    make: MakeStep = found
    return make
