"""Work in a child process with a time limit that it cannot delay, and a memory limit that it sets itself."""

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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import IO, Any, Self

from losszoo.common.timeouts import BUSY, is_over

# Seconds after a time limit, in which the process tells what it has found before it is ended.
GRACE = 3.0
# Loading torch takes a second or two; on a machine where it takes longer than this nothing can be said.
_START = 120.0
_CODE = "import sys; sys.path[:] = {path!r}; from losszoo.common.child_main import main; main({module!r})"
_LAST_WORDS = 300
# Seconds between two looks at several processes.
_POLL = 0.3


class EndedError(Exception):
    """The process was ended, or has ended itself, before it gave an answer; the text says how.

    Attributes:
        code: its exit code, below 0 for a signal; None where it was ended as the time was up.
        last_line: of what it wrote to stderr, where that was kept.
    """

    def __init__(self, message: str, code: int | None = None, last_line: str = "") -> None:
        super().__init__(message)
        self.code, self.last_line = code, last_line


class ChildProcess:
    """A process that does one piece of work after another; where one ends it, the next gets a new process.

    Ctrl-C reaches the parent alone, which ends the process on its way out, with all that it has started; one whose
    parent is gone ends itself.

    Args:
        what: runs there, in the words of an EndedError.
        environment: of the process; None for that of the parent.
        keep_stderr: for :attr:`EndedError.last_line`; else it is the parent's.
        computing: a time limit counts what the process computes, as :func:`losszoo.common.timeouts.is_over`; one that
            is late is asked for its lines by SIGUSR2 first.
    """

    def __init__(
        self,
        what: str = "loss",
        environment: Mapping[str, str] | None = None,
        keep_stderr: bool = False,
        computing: bool = False,
    ) -> None:
        self.what, self.environment, self.keep_stderr = what, environment, keep_stderr
        self.computing = computing
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[Any] = queue.Queue()
        self._noise: list[bytes] = []
        self._drain: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ask(self, job: str, request: Mapping[str, Any], seconds: float | None, grace: float = GRACE) -> Any:
        """The first answer of a job.

        Args:
            job: "package.module:function"; the function takes the request, and yields its answers.
            request: plain data.
            seconds: time limit of the job, which the start of a process does not count in; None for no limit.
            grace: seconds after it, in which the job may end by itself.

        Raises:
            EndedError: there is no answer.
            Exception: what the job raises.
        """
        self._start(job.partition(":")[0])
        self._send((job, dict(request)))
        return self.answer(seconds, grace)

    def answer(self, seconds: float | None, grace: float = GRACE) -> Any:
        """The next answer of the same job, as :meth:`ask`."""
        try:
            answer = self._next(None if seconds is None else seconds + grace)
        except queue.Empty:
            self.close()
            late = f"stopped after {seconds:g} s, the time limit (--budget), within a call that does not return"
            raise EndedError(late) from None
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if answer is None:
            raise self._last_words()
        if isinstance(answer, EndedError):
            self.close()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _next(self, seconds: float | None) -> Any:
        """The next answer, waited for as long as it may take.

        Raises:
            queue.Empty: it takes longer.
        """
        process = self._process
        if seconds is None or not self.computing or process is None:
            return self._answers.get(timeout=seconds)
        began, before = time.monotonic(), computed_by(process.pid) or 0.0
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=_POLL)
            passed, computed = time.monotonic() - began, computed_by(process.pid)
            # Where it is not known, it is only known to be more than a tenth of what passes.
            if passed > seconds / BUSY if computed is None else is_over(passed, computed - before, seconds):
                if hasattr(signal, "SIGUSR2"):
                    process.send_signal(signal.SIGUSR2)
                    time.sleep(_POLL)  # to write them
                raise queue.Empty

    def _start(self, module: str) -> None:
        if self._process is not None:
            return
        self._answers, self._noise = queue.Queue(), []
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path, module=module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self.keep_stderr else None,
            start_new_session=True,
            env=self.environment,
        )
        threading.Thread(target=_read, args=(self._process, self._answers, self.what), daemon=True).start()
        if self._process.stderr is not None:
            self._drain = threading.Thread(target=_drain, args=(self._process.stderr, self._noise), daemon=True)
            self._drain.start()
        try:
            if self._answers.get(timeout=_START) is None:
                self._answers.put(None)
        except queue.Empty:
            self.close()
            raise EndedError(f"a process of its own has not started within {_START:g} s") from None

    def _send(self, value: Any) -> None:
        """A process that has ended cannot be written to; its answers tell that it has ended."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(pickle.dumps(value))
            process.stdin.flush()

    def _last_words(self) -> EndedError:
        """How a process ended that gave no answer."""
        process = self._process
        if process is None:  # closed meanwhile, by Ctrl-C in another thread
            return EndedError(f"the process that the {self.what} ran in was ended")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)
        code = process.poll() or 0
        self.close()
        if self._drain is not None:
            self._drain.join(timeout=GRACE)  # what was printed last may still be on its way
        lines = b"".join(self._noise).decode(errors="replace").strip().splitlines()
        last = lines[-1][-_LAST_WORDS:] if lines else ""
        if code >= 0:
            return EndedError(
                f"the {self.what} has ended the process that it ran in, with exit code {code}", code, last
            )
        name = signal.Signals(-code).name
        why = ", as the system does where memory runs out" if name == "SIGKILL" else ""
        return EndedError(f"the process that the {self.what} ran in was ended by {name}{why}", code, last)

    def interrupt(self) -> None:
        """Ctrl-C for the process: what it does may come to an end in order."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End the process, with all that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def ask_in_parallel(
    job: str,
    requests: Sequence[Mapping[str, Any]],
    processes: int,
    what: str,
    *,
    keep_stderr: bool = False,
    patience: float = 0.0,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Any]:
    """The first answer to each request, by several processes; what was raised instead stands in its place.

    Where the block is left early, as by Ctrl-C, every process is interrupted first, and killed in the end.

    Args:
        job: as of :meth:`ChildProcess.ask`, without a time limit.
        requests: each goes to the first process that is free.
        processes: how many at a time.
        what: runs there, in the words of an EndedError.
        keep_stderr: as of :class:`ChildProcess`.
        patience: seconds in which an interrupted process may end by itself.
        meanwhile: called again and again in this thread.
    """
    children = [ChildProcess(what, keep_stderr=keep_stderr) for _ in range(processes)]
    answers: list[Any] = [None] * len(requests)
    waiting = list(enumerate(requests))[::-1]

    def serve(child: ChildProcess) -> None:
        # The system ends a process with the thread that has started it: each thread keeps its own to the end.
        with child:
            while waiting:
                try:
                    place, request = waiting.pop()
                except IndexError:  # another thread has taken the last one
                    return
                try:
                    answers[place] = child.ask(job, request, None)
                except Exception as error:
                    answers[place] = error

    with ThreadPoolExecutor(max(1, processes)) as threads:
        served = [threads.submit(serve, child) for child in children]
        try:
            while wait(served, _POLL).not_done:
                meanwhile()
        except BaseException:
            waiting.clear()
            for child in children:
                child.interrupt()
            try:
                wait(served, patience)
            finally:
                while wait(served, 0.1).not_done:  # one may only be starting now
                    for child in children:
                        child.close()
            raise
    for future in served:
        future.result()
    return answers


def computed_by(pid: int) -> float | None:
    """Seconds that the first thread of a process has computed; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/stat") as file:
            # Behind the name in brackets; fields 14 and 15, in ticks.
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(process: subprocess.Popen[bytes], answers: queue.Queue[Any], what: str) -> None:
    """Hand on answers as they come, and None at the end of the process."""
    assert process.stdout is not None
    with process.stdout:
        try:
            while True:
                answers.put(pickle.load(process.stdout))
        except EOFError:
            answers.put(None)
        except Exception:  # bytes that are no pickle raise nearly anything
            # Of a process that was killed as it wrote, its end is told; one that lives has written between the answers.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=GRACE)
            alive = process.poll() is None
            answers.put(EndedError(f"the {what} has written into the pipe of its process's answers") if alive else None)


def _drain(stream: IO[bytes], noise: list[bytes]) -> None:
    """Keep the last lines: a pipe that is not read would stop the process."""
    with stream:
        for line in stream:
            noise.append(line)
            del noise[:-20]
