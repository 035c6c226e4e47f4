"""The processes that compute the cells: local ones, or those of Ray; both through joblib, with the same code."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from losszoo.common.text import counted, in_one_line
from losszoo.comparison.worker import end_with
from losszoo.errors import UsageError

BACKENDS = ("local", "ray")
_REACHABLE_WITHIN = 5.0
_UP_WITHIN = 60.0  # an actor, where there is a CPU for it
_IDLE = 600  # seconds until a process without work ends


class WorkersDiedError(Exception):
    """A worker has ended in the midst of a cell; what the others computed may be lost with it."""


class Pool(ABC):
    """Runs a function over cells, some at a time.

    Args:
        jobs: how many at a time.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """What the function gives for every item.

        Raises:
            WorkersDiedError: a worker was killed, or ended itself.
        """
        from joblib import Parallel, delayed

        # joblib computes in this very process where it is told of one job, and a hung or killed cell would take the
        # command with it. So it is told of two, and the pool has one.
        options = {"n_jobs": max(2, self.jobs), "batch_size": 1, "pre_dispatch": self.ahead, "max_nbytes": None}
        try:
            done: list[Any] = Parallel(backend=self.backend(), **options)(delayed(function)(item) for item in items)
        except self.deaths() as error:
            self.close()
            raise WorkersDiedError(in_one_line(error)) from error
        except BaseException:
            self.close()
            raise
        return done

    @property
    def ahead(self) -> int:
        """How many cells are handed out before the first has ended."""
        return self.jobs

    @abstractmethod
    def backend(self) -> Any:
        """What joblib takes for it."""

    @abstractmethod
    def deaths(self) -> tuple[type[BaseException], ...]:
        """What is raised when a worker has died."""

    @abstractmethod
    def close(self) -> None:
        """Stop the workers at once."""


class LocalPool(Pool):
    """Processes of this machine. They stay between rounds: importing torch takes a second.

    Args:
        jobs: how many processes.
        begin: called in each of them when it starts.
    """

    def __init__(self, jobs: int, begin: Callable[[], None]) -> None:
        super().__init__(jobs)
        self.begin = begin
        self.executor: Any = None

    @property
    def ahead(self) -> int:
        return 2 * self.jobs  # the next cell waits at the worker

    def backend(self) -> Any:
        return _processes()(self)

    def deaths(self) -> tuple[type[BaseException], ...]:
        from joblib.externals.loky.process_executor import BrokenProcessPool

        return (BrokenProcessPool,)

    def close(self) -> None:
        if self.executor is not None:
            self.executor.shutdown(wait=True, kill_workers=True)
            self.executor = None


@functools.cache
def _processes() -> Any:
    from joblib._parallel_backends import LokyBackend
    from joblib.executor import get_memmapping_executor

    class Processes(LokyBackend):  # type: ignore[misc,unused-ignore]
        """joblib's own processes, also where there is one."""

        def __init__(self, pool: LocalPool) -> None:
            super().__init__()
            self.pool = pool

        def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
            self._workers = get_memmapping_executor(
                self.pool.jobs,
                timeout=_IDLE,
                initializer=self.pool.begin,
                env=self._prepare_worker_env(n_jobs=self.pool.jobs),
                context_id=parallel._id,
            )
            self.pool.executor = self._workers
            self.parallel = parallel
            return n_jobs

    return Processes


class RayPool(Pool):
    """Workers of a Ray cluster.

    Args:
        jobs: how many cells at a time.
    """

    def backend(self) -> Any:
        return _actors()(self)

    def deaths(self) -> tuple[type[BaseException], ...]:
        from ray.exceptions import RayError

        return (RayError,)

    def close(self) -> None:
        """joblib has ended the actors; the cluster is left by :func:`open_pool`."""


@functools.cache
def _actors() -> Any:
    import ray
    from joblib.pool import MemmappingPool, PicklingPool
    from ray.util.joblib.ray_backend import RayBackend
    from ray.util.multiprocessing import Pool as ActorPool

    class InTurn(ActorPool):  # type: ignore[misc,unused-ignore]
        """Ray draws who gets the next cell, so that two may wait for one actor while another one is idle."""

        _turn = -1

        def _start_actor_pool(self, processes: int) -> None:
            """Those that come up in time: for one that was to run on a node that has just died, nobody waits."""
            started: list[Any] = [self._new_actor_entry() for _ in range(processes)]  # type: ignore[no-untyped-call, unused-ignore]
            calls = {actor.ping.remote(): (actor, count) for actor, count in started}
            ready, late = ray.wait(list(calls), num_returns=processes, timeout=_UP_WITHIN)
            while not ready:  # the cluster computes for others: a first CPU is waited for
                ready, late = ray.wait(list(calls), num_returns=1)
            ray.get(ready)
            for call in late:
                ray.kill(calls[call][0])
            self._pool_actor, self._actor_pool = None, [calls[call] for call in ready]

        def _random_actor_index(self) -> int:
            self._turn = (self._turn + 1) % len(self._actor_pool)
            return self._turn

    class Actors(RayBackend):  # type: ignore[misc,unused-ignore]
        """Ray's own, also where there is one, and as many as the cluster has CPUs for when a round begins."""

        def __init__(self, pool: RayPool) -> None:
            super().__init__()
            self.pool = pool

        def configure(  # type: ignore[override,unused-ignore]
            self, n_jobs: int = 1, parallel: Any = None, prefer: Any = None, require: Any = None, **options: Any
        ) -> int:
            PicklingPool.__bases__ = (InTurn,)  # as Ray does it with its own pool
            # An actor that asks for no CPU has none to itself, and Ray would put all of them on one node.
            options = {**self.backend_kwargs, **options, "ray_remote_args": {"num_cpus": 1}}
            self._pool = MemmappingPool(min(self.pool.jobs, cpus_of_cluster()), **options)
            self.parallel = parallel
            return n_jobs

    return Actors


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
        pool: Pool = LocalPool(min(jobs or 1, cells), functools.partial(end_with, os.getpid()))
        try:
            yield pool
        finally:
            pool.close()
        return
    ray = _import_ray()
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
        if address is not None:
            _check_address(address)


def _require_ray() -> None:
    import importlib.util

    if importlib.util.find_spec("ray") is None:
        raise UsageError('Ray is not installed: pip install "losszoo[ray]"')


def _import_ray() -> Any:
    _require_ray()
    import ray

    return ray


def _connect(ray: Any, jobs: int | None, address: str | None) -> None:
    import logging

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"num_cpus": jobs or os.cpu_count(), "include_dashboard": False}
    elif "://" not in address:
        found = address if address != "auto" else _running()
        _check_listening(address, found)
        _check_token(found)
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


def _check_address(address: str) -> None:
    """A port that nobody listens at is told in seconds; Ray itself tries for minutes."""
    _, separator, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not separator or not port.isdigit():
        raise UsageError(f"address must be HOST:PORT, ray://HOST:PORT or auto, got {address!r}")
    _check_listening(address, address.removeprefix("ray://"))


def _running() -> str:
    """Where the cluster of this machine listens that "auto" means.

    Raises:
        UsageError: none runs here.
    """
    from ray._private.services import canonicalize_bootstrap_address

    try:
        found: str | None = canonicalize_bootstrap_address("auto")
    except ConnectionError as error:
        raise _unreachable("auto", in_one_line(error)) from error
    if found is None:
        raise _unreachable("auto", "no cluster runs on this machine")
    return found


def _check_listening(address: str, found: str) -> None:
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_REACHABLE_WITHIN).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, in_one_line(error)) from error


def _unreachable(address: str, said: str) -> UsageError:
    return UsageError(
        f"address must be that of a Ray cluster, got {address}, which does not answer ({said}); "
        "start one with: ray start --head"
    )
