"""What was found while a script ran: typed values, each told once, and the document at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from losszoo.doctor.report.examination import Finding
from losszoo.tracing.authors import Place

# The headline of each kind. The order is that of a summary: the worst first.
KINDS: Mapping[str, str] = {
    "nan-loss": "The loss is NaN",
    "inf-loss": "The loss is infinite",
    "nan-gradient": "The gradient is NaN",
    "inf-gradient": "The gradient is infinite",
    "labels": "Targets out of range",
    "detached": "No gradient leaves the loss",
    "unreached": "The optimizer's parameters get no gradient",
    "never-steps": "The optimizer never takes a step",
    "no-backward": "Steps without a backward",
    "zeroed-before-step": "The gradients are cleared before the step",
    "not-zeroed": "The gradients are never cleared",
    "pairing": "Pairing lost by broadcasting",
    "activation": "An activation applied twice, or the wrong input",
    "held-twice": "A parameter that is stepped twice",
    "no-optimizer": "Parameters that no optimizer holds",
    "no-gradient": "Parameters that never get a gradient",
    "left-in-eval": "The model is left in eval mode",
    "gradient-spike": "A gradient far above its median",
    "falling-scale": "The scale of GradScaler falls without end",
    "drowned-term": "One term drowns the others",
}
NON_FINITE = ("nan-loss", "inf-loss", "nan-gradient", "inf-gradient")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Args:
        kind: one of :data:`KINDS`.
        cause: why, in a sentence or two.
        remedy: what cures it.
        place: the line of the script.
        step: how many steps had been taken.
        op: the operation that is to blame, of a number that is not finite.
        diagnosis: what the doctor says of this loss on this batch.
        bundle: path of the criterion's inputs.
        rank: of the process.
    """

    kind: str
    cause: str
    remedy: str = ""
    place: Place | None = None
    step: int = 0
    op: str | None = None
    diagnosis: tuple[Finding, ...] = ()
    bundle: str | None = None
    rank: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The record in the document."""
        first = self.diagnosis[0] if self.diagnosis else None
        blamed = first if first is not None and first.source else None
        return {
            "kind": self.kind,
            "headline": KINDS[self.kind],
            "source": blamed.source if blamed else str(self.place) if self.place else None,
            "code": (blamed.code or "").strip() if blamed else self.place.text if self.place else None,
            "called_at": str(self.place) if self.place else None,
            "op": self.op,
            "step": self.step,
            "rank": self.rank,
            "cause": self.cause,
            "remedy": self.remedy,
            "bundle": self.bundle,
            "diagnosis": [asdict(finding) for finding in self.diagnosis],
        }


@dataclass
class Log:
    """Everything that was found.

    Args:
        tell: is called with the record of each fault, or a note, at the moment in which it is found.
        rank: of this process.
    """

    tell: Callable[[dict[str, Any]], None]
    rank: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _known: set[Any] = field(default_factory=set)

    def knows(self, *key: Any) -> bool:
        """Whether this was told; from now on it is."""
        known = key in self._known
        self._known.add(key)
        return known

    def add(self, fault: Fault, *more: Any) -> None:
        """Tell a fault, unless the same was told of the same line.

        Args:
            fault: what was found.
            more: what tells it from others of its kind and line.
        """
        if not self.knows(fault.kind, fault.place, *more):
            fault = replace(fault, rank=self.rank)
            self.faults.append(fault)
            self.tell({"fault": fault.to_dict()})

    def note(self, text: str) -> None:
        """Tell what is worth knowing and is no fault."""
        if text not in self.notes:
            self.notes.append(text)
            self.tell({"note": text})
