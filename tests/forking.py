"""Starting ``losszoo`` as a process of its own that need not import torch first: it is forked from one that has.

Most of the time of a short command goes by as torch, its compiler and scikit-learn are imported. Tests of what a
command does, and not of how it starts, fork it from a process that holds these libraries and nothing of losszoo. It is
a real process and a child of this one: it has its own streams, session and exit code, and can be killed.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pickle
import socket
import subprocess
import sys
from functools import cache
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
# What is read of an environment before any line of losszoo runs.
_READ_AT_START = ("PYTHON", "PYTORCH", "TORCH", "OMP_", "MKL_", "OPENBLAS_", "LD_")
_SERVER = """
import os, pickle, runpy, signal, socket, sys
import sklearn.datasets, sklearn.metrics, sklearn.model_selection, torch, torch._dynamo

requests = socket.socket(fileno=int(sys.argv[1]))
requests.send(pickle.dumps(len(os.listdir("/proc/self/task"))))
while True:
    message, streams, *_ = socket.recv_fds(requests, 1 << 20, 3)
    if not message:
        os._exit(0)
    between = os.fork()
    if between == 0:  # its end gives the next one to the process that asked
        forked = os.fork()
        if forked == 0:
            break
        requests.send(pickle.dumps(forked))
        os._exit(0)
    os.waitpid(between, 0)
    for stream in streams:
        os.close(stream)
requests.close()
asked = pickle.loads(message)
if asked["session"]:
    os.setsid()
for number, stream in enumerate(streams):
    os.dup2(stream, number)
for stream in {*streams} - {0, 1, 2}:
    os.close(stream)
os.chdir(asked["folder"])
os.environ.clear()
os.environ.update(asked["environment"])
sys.path[0], sys.argv[1:] = os.getcwd(), asked["arguments"]
runpy.run_module("losszoo", run_name="__main__", alter_sys=True)
"""


@cache
def _server() -> socket.socket | None:
    """Where to ask for a process; None where none can be forked safely."""
    if not sys.platform.startswith("linux"):
        return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", _SERVER, str(theirs.fileno())]
        # The allocator of pyarrow would start a thread.
        environment = {**os.environ, "JE_ARROW_MALLOC_CONF": "background_thread:false"}
        options = {"pass_fds": [theirs.fileno()], "stdin": subprocess.DEVNULL, "env": environment}
        server = subprocess.Popen(command, **options)

    @atexit.register
    def end() -> None:  # it ends when nobody can ask any more
        ours.close()
        server.wait()

    if pickle.loads(ours.recv(100)) > 1:
        ours.close()
        return None
    return ours


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """``subprocess.Popen``; ``[sys.executable, "-m", "losszoo", ...]`` is forked where its environment allows it."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *others: Any) -> None:
        # The arguments of CPython 3.11 to 3.14, whose places have not changed.
        (_, _, cwd, env, _, _, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite) = others[:13]
        session = others[18]
        environment = dict(os.environ if env is None else env)
        losszoo = list(args[:3]) == [sys.executable, "-m", "losszoo"] and executable is None and not shell
        if not (losszoo and preexec_fn is None and _starts_alike(environment) and (server := _server())):
            super()._execute_child(args, executable, preexec_fn, *others)  # type: ignore[misc]
            return
        asked = {
            "arguments": list(map(str, args[3:])),
            "folder": os.fspath(cwd or os.getcwd()),
            "environment": environment,
            "session": session,
        }
        streams = [own if own != -1 else number for number, own in enumerate((p2cread, c2pwrite, errwrite))]
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        try:
            socket.send_fds(server, [pickle.dumps(asked)], streams)
            self.pid = pickle.loads(server.recv(100))
            while _parent(self.pid) != os.getpid():  # until the process between has ended
                pass
        finally:
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 0)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def run(command: list[str], *, timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """``subprocess.run(command, capture_output=True, text=True, check=False, ...)`` by :class:`Popen`."""
    with Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _starts_alike(environment: dict[str, str]) -> bool:
    own = {key: value for key, value in os.environ.items() if key.startswith(_READ_AT_START)}
    return own == {key: value for key, value in environment.items() if key.startswith(_READ_AT_START)}


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stream:
        return int(stream.read().rpartition(")")[2].split()[1])
