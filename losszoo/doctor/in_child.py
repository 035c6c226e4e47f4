"""Work in a process of its own, with a bound on memory and an end that no loss can put off."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from losszoo.doctor.report.examination import Examination, undecided

# Seconds after the time limit, in which the process tells what it has found before it is ended.
GRACE = 3.0
# Loading torch takes a second or two; on a machine where it takes longer than this nothing can be said.
_START = 120.0
_CODE = "import sys; sys.path[:] = {path!r}; from losszoo.doctor.child_main import main; main()"


class EndedError(Exception):
    """The process was ended, or has ended itself, before it gave an answer; the text says how."""


class Apart:
    """A process that does one piece of work after another; where one ends it, the next gets a new process."""

    # What runs there, in the words of an EndedError.
    what = "loss"
    # Of the process, where the user has not set it.
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[Any] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ask(self, job: str, request: Mapping[str, Any], seconds: float) -> Any:
        """The first answer of a job.

        Args:
            job: "package.module:function"; the function takes the request, and yields its answers.
            request: plain data.
            seconds: time limit; :data:`GRACE` after it the process is ended.

        Raises:
            EndedError: there is no answer.
            Exception: what the job raises.
        """
        self._start()
        self._send((job, dict(request)))
        return self.answer(seconds)

    def answer(self, seconds: float) -> Any:
        """The next answer of the same job, as :meth:`ask`."""
        try:
            answer = self._answers.get(timeout=seconds + GRACE)
        except queue.Empty:
            self.close()
            late = f"broken off after {seconds:g} s, the time limit (--budget), within a call that does not return"
            raise EndedError(late) from None
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if answer is None:
            raise EndedError(self._last_words())
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _start(self) -> None:
        if self._process is not None:
            return
        self._answers = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**self.environment, **os.environ},
        )
        threading.Thread(target=_read, args=(self._process, self._answers), daemon=True).start()
        try:
            if self._answers.get(timeout=_START) is None:
                self._answers.put(None)
        except queue.Empty:
            self.close()
            raise EndedError(f"a process of its own has not started within {_START:g} s") from None

    def _send(self, value: Any) -> None:
        """A process that has ended takes nothing; that it has is read from its answers."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(pickle.dumps(value))
            self._process.stdin.flush()

    def _last_words(self) -> str:
        """How a process ended that gave no answer."""
        process = self._process
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)
        code = process.poll()
        self.close()
        if code is None or code >= 0:
            return f"the {self.what} has ended the process that it ran in, with exit code {code or 0}"
        name = signal.Signals(-code).name
        why = ", as the system does where memory runs out" if name == "SIGKILL" else ""
        return f"the process that the {self.what} ran in was ended by {name}{why}"

    def close(self) -> None:
        """End the process, with all that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


class Examiner(Apart):
    """A process that examines one loss after another.

    Example:
        >>> with Examiner() as examiner:
        ...     found = examiner.examine("mse", {"budget": 600.0, "effort": 20})
        >>> found.verdict  # so few evaluations do not suffice
        'undecided'
    """

    # What torch.jit.script is given runs as it is written, so that its operations are seen.
    environment: ClassVar[Mapping[str, str]] = {"PYTORCH_JIT": "0"}

    def examine(self, target: str, options: Mapping[str, Any], example: str | None = None) -> Examination:
        """The answer of the process; an undecided one where it was ended, or has ended itself.

        Args:
            target: name, expression or target of the loss.
            options: of :func:`losszoo.examine`; "budget" among them.
            example: target of the function that makes an ordinary input.

        Raises:
            LosszooError: what ``losszoo.examine`` raises.
        """
        began = time.monotonic()
        request = {"target": target, "example": example, "options": dict(options)}
        try:
            found: Examination = self.ask("losszoo.doctor.child_main:examination", request, options["budget"])
        except EndedError as ended:
            return undecided(target, str(ended), time.monotonic() - began)
        return found


def _read(process: subprocess.Popen[bytes], answers: queue.Queue[Any]) -> None:
    """Hand on answers as they come, and None at the end of the process."""
    assert process.stdout is not None
    with process.stdout, contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            answers.put(pickle.load(process.stdout))
    answers.put(None)
