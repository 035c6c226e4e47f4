"""What was measured: a row for every loss, size and peer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from losszoo.bench.cost_model import Forecast

# Less than this is not told apart from what a process takes by itself; a ratio counts it as so much.
LEAST_BYTES = 1 << 20


@dataclass(frozen=True)
class Cell:
    """One side of a row.

    Args:
        name: the zoo's, or a peer's.
        status: "ok", "memory" (it does not fit into the limit), "timeout", "killed", "raised" or "no-answer".
        said: why it is not "ok".
        seconds: median of forward and backward; None where it was not timed.
        low, high: quartiles.
        fastest: the sample that the machine disturbed least.
        samples: how many.
        first_call: seconds of the first call.
        extra_bytes: peak of one step beyond its inputs; None where it was not measured.
    """

    name: str
    status: str = "ok"
    said: str = ""
    seconds: float | None = None
    low: float | None = None
    high: float | None = None
    fastest: float | None = None
    samples: int = 0
    first_call: float | None = None
    extra_bytes: int | None = None


@dataclass(frozen=True)
class Row:
    """One loss at one size, beside one peer or alone.

    Args:
        loss: as it was asked for.
        signature: of the loss.
        size: as it is written, 8192 or 512x1000.
        first, second: the numbers of the size; None where there is no second one.
        dim: width of embeddings; None for losses without any.
        zoo: what the zoo's loss took.
        peer: what the peer took; None where there is none.
        agreement: values and gradients of both, before anything was timed.
        ratio: how many times faster the zoo is, median of paired samples with quartiles; None where not both ran.
        memory_ratio: how many times less memory it takes; None where both take less than can be told apart.
    """

    loss: str
    signature: str
    size: str
    first: int
    second: int | None
    dim: int | None
    zoo: Cell
    peer: Cell | None = None
    agreement: dict[str, Any] | None = None
    ratio: dict[str, Any] | None = None

    @property
    def differs(self) -> bool:
        """Whether the two computed different losses."""
        return self.agreement is not None and not self.agreement["agrees"]

    @property
    def memory_ratio(self) -> float | None:
        if self.peer is None or self.differs or None in (self.zoo.extra_bytes, self.peer.extra_bytes):
            return None
        mine, theirs = (max(LEAST_BYTES, cell.extra_bytes or 0) for cell in (self.zoo, self.peer))
        return None if mine == theirs == LEAST_BYTES else theirs / mine

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "memory_ratio": self.memory_ratio}


@dataclass(frozen=True)
class Report:
    """All rows, on what they were measured, and what was left out.

    Args:
        machine: see :func:`losszoo.bench.machine.describe`.
        settings: everything that decides the numbers.
        rows: in order of loss, size and peer.
        notes: which peers could not answer, and why.
        forecasts: what larger sizes will take, where that was asked for.
        seconds: of the whole measurement.
    """

    machine: dict[str, Any]
    settings: dict[str, Any]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    forecasts: list[Forecast] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """ "differs" from a peer, "failed" to give a value, "agrees" with peers, or "not-compared": there was none."""
        if any(row.differs for row in self.rows):
            return "differs"
        if any(row.zoo.status != "ok" for row in self.rows):
            return "failed"
        return "agrees" if any(row.agreement is not None for row in self.rows) else "not-compared"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        rows, forecasts = ([one.to_dict() for one in several] for several in (self.rows, self.forecasts))
        return {"verdict": self.verdict, **vars(self), "rows": rows, "forecasts": forecasts}
