"""What a replay gives, and a replay in a process of its own. Torch-free: the process loads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from losszoo.common.child_process import ChildProcess, EndedError
from losszoo.doctor.report.examination import Finding
from losszoo.errors import UsageError


@dataclass(frozen=True)
class Replay:
    """What a bundle gave when its step was repeated.

    Args:
        bundle: path of the file.
        format: of the bundle.
        reproduced: whether loss or gradient is non-finite again.
        where: "loss", "gradient" or "input"; None where it was not reproduced.
        op: the operation that first gave a non-finite result.
        source: the line that called it.
        kind: "half-precision-overflow" (finite in float32), "float32-overflow" (finite in float64), "structural"
            (finite in neither) or "input"; None where it was not reproduced or could not be told.
        term: which terms of a sum are bad.
        event: as it was written down in the run.
        versions: that the bundle was written with.
        findings: of the doctor, on the arguments that the loss was called with.
        notes: why it may not have been reproduced, and whatever else is worth knowing.
    """

    bundle: str
    format: int
    reproduced: bool
    where: str | None
    op: str | None
    source: str | None
    kind: str | None
    term: str | None
    event: Mapping[str, Any]
    versions: Mapping[str, str]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo replay --json``."""
        from losszoo.common.files import jsonable

        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "findings"}
        found: dict[str, Any] = jsonable({**plain, "findings": [finding.to_dict() for finding in self.findings]})
        return found


def replay_apart(
    path: str, *, budget: float, examine: bool = True, process: ChildProcess | None = None, **options: Any
) -> Replay:
    """As :func:`losszoo.replay`, in a process of its own with hard limits; what it found before it ended is told.

    The step and then the doctor may take ``budget`` seconds each. On a CPU of Linux the step may take the memory
    that is free, and the doctor 1.8 GB more than the step has left; on a GPU memory is not bounded.

    Args:
        path: of the bundle.
        budget: seconds.
        examine: hand the arguments of the loss to the doctor.
        process: a fresh one, which a caller can end early; by default one of its own.
        options: "step" (a target, or None), "loss", "task" (text), "device" and "trust" of :func:`losszoo.replay`.

    Raises:
        UsageError: as :func:`losszoo.replay`, or the step did not end, or has ended its process.
    """
    request = {"path": path, "budget": budget, "examine": examine, "task": None, **options}
    with process or ChildProcess("step") as process:
        try:
            replayed: Replay = process.ask("losszoo.crash_replay.replay_child:answers", request, budget)
        except EndedError as ended:
            raise UsageError(f"the step of {path} cannot be repeated: {ended}") from None
        if not (examine and replayed.reproduced):
            return replayed
        try:
            replayed = process.answer(budget)
        except EndedError as ended:
            replayed = replace(replayed, notes=(*replayed.notes, f"the doctor gave no answer: {ended}"))
    return replayed
