"""What an examination says: typed values for Python, one document for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# The worst first.
SYMPTOMS = (
    "nan-loss",
    "inf-loss",
    "nan-gradient",
    "inf-gradient",
    "no-gradient",
    "wrong-gradient",
    "broadcast",
    "misuse",
    "vanished-gradient",
    "inaccurate",
    "raises",
)


@dataclass(frozen=True)
class Finding:
    """One way in which a loss breaks.

    Args:
        symptom: one of :data:`SYMPTOMS`.
        dtype: "float32", "bfloat16", "float16" or "float64".
        probe: what was done to an ordinary input, in words.
        op: the operation that is to blame.
        source: the line of the loss that called it, ``file.py:12``.
        cause: why, in a sentence.
        remedy: what cures it: code to write instead of the operation, with the author's names; else a sentence.
        input: the smallest input found, one line of Python for each argument by its name.
        verified: the remedy's code was run in place of the operation, and value and gradient were right on this input
            and unchanged on ordinary ones, where it was run too; of a fault that no number shows, the evidence of the
            cause was gone; False: it changes nothing on ordinary ones and does not cure this one; None: there is no
            code to try.
        paste: one line of Python that calls the loss on that input.
        code: text of the source line.
    """

    symptom: str
    dtype: str
    probe: str
    op: str | None
    source: str | None
    cause: str
    remedy: str
    input: Mapping[str, str] = field(default_factory=dict)
    verified: bool | None = None
    paste: str = ""
    code: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record in the document."""
        return asdict(self)


@dataclass(frozen=True)
class Strip:
    """How far a loss goes in one dtype: a state for each scale of its input.

    Args:
        dtype: name of the dtype.
        what: what is scaled, ``|logits|``.
        scales: largest absolute value of the input, ascending.
        states: for each scale "finite", "beyond" (the true value is larger than the dtype can hold: no fault of
            the loss), "vanished", "inaccurate", "out-of-memory", "raises" or "non-finite".
        limit: the largest scale up to which value and gradient are finite; None: at every scale tried.
        floor: the smallest scale down to which they are; None: at every scale tried.
    """

    dtype: str
    what: str
    scales: tuple[float, ...]
    states: tuple[str, ...]
    limit: float | None
    floor: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record in the document."""
        return {**asdict(self), "scales": list(self.scales), "states": list(self.states)}


@dataclass(frozen=True)
class Examination:
    """The doctor's answer.

    Args:
        target: name, expression or target, as given.
        signature: one of the table, or "" where an example told what to call the loss with.
        findings: the ways in which it breaks, the most telling one first.
        range: for each dtype, the largest scale of the input up to which value and gradient are finite.
        seconds: time taken.
        strips: the measurements behind ``range``.
        notes: what is worth knowing and is no defect: a true infinity, a random loss, what was not tried and why.
        probes: how many inputs were tried.
        complete: False where effort or time did not suffice for what should be tried.
        error: of the doctor itself, where it has failed; "" otherwise.
    """

    target: str
    signature: str
    findings: tuple[Finding, ...]
    range: Mapping[str, float]
    seconds: float
    strips: tuple[Strip, ...] = ()
    notes: tuple[str, ...] = ()
    probes: int = 0
    complete: bool = True
    error: str = ""

    @property
    def verdict(self) -> str:
        """Either "healthy", "sick", or "undecided": nothing was found, and not all that should be was tried."""
        if self.findings:
            return "sick"
        return "healthy" if self.complete else "undecided"

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo doctor --json``."""
        return {
            "target": self.target,
            "signature": self.signature,
            "verdict": self.verdict,
            "findings": [finding.to_dict() for finding in self.findings],
            "range": dict(self.range),
            "strips": [strip.to_dict() for strip in self.strips],
            "notes": list(self.notes),
            "probes": self.probes,
            "complete": self.complete,
            "seconds": round(self.seconds, 3),
            **({"error": self.error} if self.error else {}),
        }


def undecided(target: str, why: str, seconds: float, error: str = "") -> Examination:
    """The answer where there is none, and why."""
    return Examination(target, "", (), {}, seconds, notes=(why,), complete=False, error=error)
