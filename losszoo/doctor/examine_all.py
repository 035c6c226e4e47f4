"""Many losses, one after another: each is examined in a process that it cannot take the others down with."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from losszoo.common.text import in_one_line
from losszoo.doctor.in_child import Examiner
from losszoo.doctor.report.examination import Examination
from losszoo.doctor.report.wording import brief
from losszoo.errors import LosszooError
from losszoo.registry.specs import LossSpec


@dataclass(frozen=True)
class ExaminedLoss:
    """A loss with what the doctor said of it.

    Args:
        name: of the loss.
        status: "stable", or "exhibit" for one that is unstable on purpose.
        examination: the answer; None where there is none.
        error: why there is none.
    """

    name: str
    status: str = "stable"
    examination: Examination | None = None
    error: str = ""

    @property
    def verdict(self) -> str:
        """Either "healthy", "sick", "undecided" or "failed": it could not be examined."""
        return self.examination.verdict if self.examination else "failed"

    @property
    def expected(self) -> bool:
        """Whether a stable loss is healthy and an exhibit sick."""
        return self.verdict == ("sick" if self.status == "exhibit" else "healthy")

    @property
    def remark(self) -> str:
        """What to know in one line; empty for a stable loss that is healthy."""
        if self.examination is None:
            return self.error
        findings = self.examination.findings
        if self.verdict == "undecided":
            return self.examination.notes[0]
        if not findings:
            return "an exhibit should be sick" if self.status == "exhibit" else ""
        mark = "exhibit: " if self.status == "exhibit" else ""
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        return f"{mark}{brief(findings[0])}{more}"

    def to_dict(self) -> dict[str, Any]:
        """The document of this loss in ``losszoo doctor --all --json``."""
        nothing = {"target": self.name, "verdict": self.verdict, "error": self.error}
        document = self.examination.to_dict() if self.examination else nothing
        return {**document, "status": self.status, "expected": self.expected}


@dataclass(frozen=True)
class ExaminedLosses:
    """All losses in the order of the registry, and the time it took."""

    losses: tuple[ExaminedLoss, ...]
    seconds: float

    @property
    def verdict(self) -> str:
        """Either "healthy", where every stable loss is and every exhibit is not, or "sick"."""
        return "healthy" if all(loss.expected for loss in self.losses) else "sick"

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo doctor --all --json``."""
        losses = [loss.to_dict() for loss in self.losses]
        return {"verdict": self.verdict, "losses": losses, "seconds": round(self.seconds, 3)}


def examine_all(
    specs: Sequence[LossSpec],
    options: Mapping[str, Any],
    jobs: int = 1,
    on_answer: Callable[[ExaminedLoss], None] = lambda loss: None,
) -> ExaminedLosses:
    """Examine every loss; one that cannot be examined has an error in place of its examination.

    Args:
        specs: of registered losses.
        options: of :func:`losszoo.doctor.examine.examine`; "budget" among them.
        jobs: processes at a time.
        on_answer: called as each is done, in whatever order they are.
    """
    started = time.perf_counter()
    waiting = iter(specs)
    lock = threading.Lock()
    done: dict[str, ExaminedLoss] = {}

    def work(examiner: Examiner) -> None:
        while True:
            with lock:
                spec = next(waiting, None)
            if spec is None:
                return
            loss = ExaminedLoss(spec.name, spec.status)
            try:
                loss = replace(loss, examination=examiner.examine(spec.name, options))
            except LosszooError as error:
                loss = replace(loss, error=str(error))
            except Exception as error:  # a loss that cannot be examined costs itself alone
                loss = replace(loss, error=in_one_line(error))
            with lock:
                done[spec.name] = loss
                on_answer(loss)

    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        examiners = [stack.enter_context(Examiner()) for _ in range(jobs)]
        try:
            for future in [pool.submit(work, examiner) for examiner in examiners]:
                future.result()
        except BaseException:  # Ctrl-C: what waits is not begun, what runs is ended
            waiting = iter(())
            raise
    return ExaminedLosses(tuple(done[spec.name] for spec in specs), time.perf_counter() - started)
