"""The processes that compute the cells: local ones, or those of Ray, with the same code."""

from __future__ import annotations

import contextlib
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from losszoo.common.child_process import EndedError, ask_in_parallel
from losszoo.common.text import counted, in_one_line
from losszoo.comparison.cell import Cell
from losszoo.comparison.worker import WorkerSettings, work
from losszoo.errors import UsageError

BACKENDS = ("local", "ray")
_REACHABLE_WITHIN = 5.0
_JOB = "losszoo.comparison.worker:work_on_request"


# The record of a cell; None where another command computes it; an error where its worker has died.
Answer = dict[str, Any] | EndedError | None


class Pool(ABC):
    """Computes cells, some at a time.

    Args:
        jobs: how many at a time.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    @abstractmethod
    def map(self, cells: Sequence[Cell], settings: WorkerSettings) -> list[Answer]:
        """What :func:`work` gives for every cell, in their order."""


class LocalPool(Pool):
    """Processes of this machine."""

    def map(self, cells: Sequence[Cell], settings: WorkerSettings) -> list[Answer]:
        requests = [{"cell": cell, "settings": settings} for cell in cells]
        answers = ask_in_parallel(_JOB, requests, min(self.jobs, len(cells)), "cell")
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, EndedError):
                raise answer
        return [answer if isinstance(answer, EndedError) else answer["record"] for answer in answers]


class RayPool(Pool):
    """Workers of a Ray cluster, which places each cell on a CPU that is free."""

    def map(self, cells: Sequence[Cell], settings: WorkerSettings) -> list[Answer]:
        import ray
        from ray.exceptions import RayError

        # A cell that has ended its worker is not tried again by Ray, but by the schedule.
        remote_work = ray.remote(num_cpus=1, max_retries=0)(work)
        waiting = list(cells)[::-1]
        running: dict[Any, Cell] = {}
        answers: dict[Cell, Answer] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                cell = waiting.pop()
                running[remote_work.remote(cell, settings)] = cell
            (ended,), _ = ray.wait(list(running), num_returns=1)
            cell = running.pop(ended)
            try:
                answers[cell] = ray.get(ended)
            except RayError as error:
                answers[cell] = EndedError(in_one_line(error))
        return [answers[cell] for cell in cells]


def cpus_of_cluster() -> int:
    """Of all nodes that are alive.

    Raises:
        UsageError: there is none.
    """
    import ray

    cpus = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call, unused-ignore]
    if cpus < 1:
        raise UsageError("a Ray cluster must have a CPU to compute on, got none; start a node: ray start --address ...")
    return cpus


@contextlib.contextmanager
def open_pool(backend: str, jobs: int | None, cells: int, address: str | None) -> Iterator[Pool]:
    """The workers, as long as they are needed.

    Args:
        backend: one of :data:`BACKENDS`.
        jobs: cells at a time; None is one, and with Ray as many as the cluster has CPUs.
        cells: that are to be computed; more workers are not started.
        address: of the cluster.

    Raises:
        UsageError: Ray is not installed, or not reachable; more jobs than CPUs. Says the command that helps.
    """
    if backend == "local":
        yield LocalPool(min(jobs or 1, cells))
        return
    _require_ray()
    import ray

    _connect(ray, jobs, address)
    try:
        cpus = cpus_of_cluster()
        if jobs is not None and jobs > cpus:
            raise UsageError(
                f"jobs must be at most the {counted(cpus, 'CPU')} of the Ray cluster {address}, got jobs={jobs}; leave "
                "--jobs out to use all of them, or add a node with: ray start --address ..."
            )
        yield RayPool(min(jobs or cpus, cells))
    finally:
        ray.shutdown()


def check_pool(backend: str, address: str | None) -> None:
    """What can be refused before anything is computed.

    Raises:
        UsageError: an unknown backend, Ray that is missing or does not answer.
    """
    if backend not in BACKENDS:
        raise UsageError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if address is not None and backend != "ray":
        raise UsageError(f"address must be given with --backend ray, got address={address!r} with --backend {backend}")
    if backend == "ray":
        _require_ray()
        if address is not None and address != "auto":
            _, separator, port = address.removeprefix("ray://").rpartition(":")
            if not separator or not port.isdigit():
                raise UsageError(f"address must be HOST:PORT, ray://HOST:PORT or auto, got {address!r}")
            _check_listening(address, address.removeprefix("ray://"))


def _require_ray() -> None:
    import importlib.util

    if importlib.util.find_spec("ray") is None:
        raise UsageError('Ray is not installed: pip install "losszoo[ray]"')


def _connect(ray: Any, jobs: int | None, address: str | None) -> None:
    import logging

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"num_cpus": jobs or os.cpu_count(), "include_dashboard": False}
    elif "://" not in address:
        place = address if address != "auto" else _running()
        _check_listening(address, place)
        _check_token(place)
    try:
        ray.init(address=address or "local", **options)
    except Exception as error:  # of many kinds, by how it is reached
        raise _unreachable(address or "local", in_one_line(error)) from error


def _check_token(address: str) -> None:
    """Of a cluster that asks for another token Ray says after 20 s that it does not answer."""
    try:
        from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
        from ray._raylet import GcsClient  # type: ignore[attr-defined, unused-ignore]
        from ray.exceptions import AuthenticationError
    except ImportError:  # an older Ray, which has no tokens
        return
    try:
        ensure_token_if_auth_enabled(create_token_if_missing=False)
        GcsClient(address=address)
    except AuthenticationError as error:
        raise UsageError(
            f"the token of the Ray cluster must be known here, got an answer from {address} that this process is not "
            "authenticated; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what `ray get-auth-token` prints on the "
            "head node"
        ) from error
    except Exception as error:  # of many kinds, by who listens there
        raise _unreachable(address, in_one_line(error)) from error


def _running() -> str:
    """Where the cluster of this machine listens that "auto" means.

    Raises:
        UsageError: none runs here.
    """
    from ray._private.services import canonicalize_bootstrap_address

    try:
        place: str | None = canonicalize_bootstrap_address("auto")
    except ConnectionError as error:
        raise _unreachable("auto", in_one_line(error)) from error
    if place is None:
        raise _unreachable("auto", "no cluster runs on this machine")
    return place


def _check_listening(address: str, place: str) -> None:
    """A port at which no process listens is reported in seconds; Ray itself tries for minutes."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_REACHABLE_WITHIN).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, getattr(error, "strerror", None) or str(error)) from error


def _unreachable(address: str, reason: str) -> UsageError:
    return UsageError(
        f"address must be that of a Ray cluster, got {address}, which does not answer ({reason}); "
        "start one with: ray start --head"
    )
