"""The measurement: every loss at every size, alone and beside each peer, a fresh process for every number."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from losszoo.bench.ask_worker import ask
from losszoo.bench.bench_result import Cell, Report, Row
from losszoo.bench.contender import ZOO
from losszoo.bench.forecast import forecasts_of
from losszoo.bench.machine import describe
from losszoo.bench.peers import Peer, every_peer, peer_of
from losszoo.bench.subjects import Subject, is_wide
from losszoo.bench.workload import Size, Workload, parse_sizes
from losszoo.errors import UsageError

# A side that ends so will not do better at a larger size.
_HOPELESS = ("memory", "timeout", "killed")
_INSTALL = "pip install 'losszoo[bench]'"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the numbers.

    Args:
        sizes: as written; None takes the usual ones of each signature.
        dims: widths of embeddings.
        classes: of labels and logits; None takes the usual number.
        against: names or targets of peers; None takes all that are installed and can answer.
        device: where everything stands.
        dtype: "float32" or "float64".
        repeats: samples of a cell; None goes by the budget.
        budget: seconds for the samples of a cell.
        threads: of torch; None leaves it to torch.
        memory_limit: bytes that a process may take.
        timeout: seconds that a process may take.
        predict: rows to predict the cost of.
        seed: of the inputs.
    """

    memory_limit: int
    sizes: str | None = None
    dims: tuple[int, ...] = (64,)
    classes: int | None = None
    against: tuple[str, ...] | None = None
    device: str = "cpu"
    dtype: str = "float32"
    repeats: int | None = None
    budget: float = 4.0
    threads: int | None = None
    timeout: float = 300.0
    predict: tuple[int, ...] = ()
    seed: int = 0


def bench(subjects: Sequence[Subject], settings: Settings, on_cell: Callable[[str], None] | None = None) -> Report:
    """Measure time and peak memory of losses beside their peers.

    Args:
        subjects: the losses.
        settings: sizes, peers, limits.
        on_cell: told what is measured next.

    Raises:
        UsageError: sizes or peers that cannot be, before anything is measured.
    """
    began = time.monotonic()
    for subject in subjects:
        parse_sizes(settings.sizes, subject.signature)
    peers, notes = choose(settings.against, subjects)
    session = _Session(settings, on_cell or (lambda text: None), notes)
    rows = [row for subject in subjects for row in session.rows(subject, peers)]
    machine = describe(settings.device, peers) | {"threads": session.threads}
    told = dataclasses.asdict(settings) | {"memory_by": session.memory_by, "memory_bounded": session.bounded}
    found = forecasts_of(rows, settings.predict, notes)
    return Report(machine, told, rows, list(dict.fromkeys(notes)), found, time.monotonic() - began)


def choose(against: Sequence[str] | None, subjects: Sequence[Subject]) -> tuple[list[Peer], list[str]]:
    """The peers that are installed and can compute the loss, and notes on the others.

    Raises:
        UsageError: an unknown name, or peers of which none is installed.
    """
    peers = [peer_of(name) for name in against] if against is not None else list(every_peer())
    useful = peers if against else [peer for peer in peers if any(s.loss in peer.losses for s in subjects)]
    missing = [peer for peer in useful if peer.version is None]
    # torchvision has to be built for the installed torch, so the extra leaves it out.
    ways = {"torchvision": "install the build that belongs to your torch"}
    notes = [
        f"{peer.name}: {peer.distribution} is not installed; {ways.get(peer.distribution, _INSTALL)}"
        for peer in missing
    ]
    if against and len(missing) == len(peers):
        raise UsageError(f"against must name a peer that is installed, got none: {'; '.join(notes)}")
    return [peer for peer in useful if peer.version is not None], notes


@dataclass
class _Session:
    """The requests to child processes, and the facts that hold for all their answers."""

    settings: Settings
    on_cell: Callable[[str], None]
    notes: list[str]
    threads: int | None = None
    memory_by: str | None = None
    bounded: bool | None = None
    hopeless: dict[str, tuple[str, str]] = field(default_factory=dict)

    def rows(self, subject: Subject, peers: Iterable[Peer]) -> Iterable[Row]:
        """One for every size and peer; one alone where no peer answers."""
        answering = list(self._answering(subject, peers))
        for dim in self.settings.dims if is_wide(subject.signature) else self.settings.dims[:1]:
            self.hopeless = {}
            for size in parse_sizes(self.settings.sizes, subject.signature):
                yield from self._at(subject, size, dim, answering)

    def _answering(self, subject: Subject, peers: Iterable[Peer]) -> Iterable[str]:
        for peer in peers:
            reason = peer.refusal(subject.loss, subject.given)
            if reason is None:
                yield peer.name
            elif self.settings.against or subject.loss in peer.different:
                self.notes.append(reason)

    def _at(self, subject: Subject, size: Size, dim: int, peers: list[str]) -> list[Row]:
        fixed = {name: getattr(self.settings, name) for name in ("dtype", "device", "seed")}
        workload = subject.workload(size, dim, self.settings.classes, **fixed)
        measured = {name: self._memory(workload, name, subject.text, str(size)) for name in (ZOO, *peers)}
        silent = [name for name in peers if measured[name].status == "no-answer"]
        self.notes += [measured[name].said for name in silent]
        blank = Row(
            subject.text,
            subject.signature,
            str(size),
            workload.first,
            workload.second,
            dim if is_wide(subject.signature) else None,
            measured[ZOO],
        )
        rows = [dataclasses.replace(blank, peer=measured[name]) for name in peers if name not in silent]
        timed = [self._timed(row, workload) for row in rows or [blank]]
        return self._zoo_timed_too(timed, workload)

    def _memory(self, workload: Workload, name: str, text: str, size: str) -> Cell:
        if name in self.hopeless:
            status, size = self.hopeless[name]
            return Cell(name, status, f"not started, as it ended so at {size}")
        self.on_cell(f"{text} {size}: memory of {name}")
        answer = self._ask("memory", workload, [name])
        if answer["status"] in _HOPELESS:
            self.hopeless[name] = answer["status"], size
        self.memory_by, self.bounded = answer.get("by", self.memory_by), answer.get("bounded", self.bounded)
        return Cell(name, answer["status"], answer.get("said", ""), extra_bytes=answer.get("extra_bytes"))

    def _timed(self, row: Row, workload: Workload) -> Row:
        """The row with the times of those that fit into memory: side by side, or of the one that is left."""
        cells = [cell for cell in (row.zoo, row.peer) if cell is not None and cell.status == "ok"]
        if not cells or (row.peer is not None and cells == [row.zoo]):
            return row
        self.on_cell(f"{row.loss} {row.size}: time of {' and '.join(cell.name for cell in cells)}")
        answer = self._ask("time", workload, [cell.name for cell in cells])
        if answer["status"] != "ok":
            guilty = answer.get("side", cells[-1].name)
            (ended,) = (cell for cell in cells if cell.name == guilty)
            changed = dataclasses.replace(ended, status=answer["status"], said=answer["said"])
            return dataclasses.replace(row, zoo=changed) if guilty == ZOO else dataclasses.replace(row, peer=changed)
        known = {cell.name: _with_time(cell, answer) for cell in cells}
        zoo, peer = known.get(ZOO, row.zoo), known.get(row.peer.name, row.peer) if row.peer else None
        agreement, ratio = answer.get("agreement"), answer.get("ratio")
        return dataclasses.replace(row, zoo=zoo, peer=peer, agreement=agreement, ratio=ratio)

    def _zoo_timed_too(self, rows: list[Row], workload: Workload) -> list[Row]:
        """Beside a peer without a result, the zoo has the time of another row, or one measured alone."""
        waiting = [row for row in rows if row.zoo.status == "ok" and row.zoo.seconds is None]
        if not waiting:
            return rows
        done = [row.zoo for row in rows if row.zoo.seconds is not None]
        zoo = done[0] if done else self._timed(dataclasses.replace(waiting[0], peer=None), workload).zoo
        return [dataclasses.replace(row, zoo=zoo) if row in waiting else row for row in rows]

    def _ask(self, what: str, workload: Workload, sides: list[str]) -> dict[str, Any]:
        names = ("threads", "memory_limit", "timeout", "budget", "repeats")
        limits = {name: getattr(self.settings, name) for name in names}
        request = {"what": what, "workload": workload.to_dict(), "sides": sides, **limits}
        answer = ask(request, self.settings.timeout)
        self.threads = answer.get("threads", self.threads)
        return answer


def _with_time(cell: Cell, answer: dict[str, Any]) -> Cell:
    first_call, spread = answer["first_call"][cell.name], answer.get("seconds", {}).get(cell.name)
    if spread is None:
        return dataclasses.replace(cell, first_call=first_call)
    names = {"seconds": "median", "low": "low", "high": "high", "fastest": "least", "samples": "samples"}
    timed = {field: spread[name] for field, name in names.items()}
    return dataclasses.replace(cell, first_call=first_call, **timed)
