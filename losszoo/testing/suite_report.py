"""What the suite says of a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from losszoo.testing.check import ConformanceError

PASSED, KNOWN, SKIPPED, FAILED = "passed", "known", "skipped", "failed"


@dataclass(frozen=True)
class Outcome:
    """What one rule says: "passed", "known" (it fails, as was said before), "skipped" or "failed", and why."""

    check: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What all rules say of one loss.

    Args:
        loss: as it was given.
        outcomes: one for each rule, in the order of the suite.

    Example:
        >>> report = Report("focal", (Outcome("check_pickle", "passed"), Outcome("check_state_dict", "skipped", "why")))
        >>> print(report)
        focal: 1 passed, 1 skipped
        >>> report.skipped
        {'check_state_dict': 'why'}
    """

    loss: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> tuple[str, ...]:
        """Names of the rules that hold."""
        return tuple(self._reasons(PASSED))

    @property
    def known(self) -> dict[str, str]:
        """Known failures, with the reasons that were given for them."""
        return self._reasons(KNOWN)

    @property
    def skipped(self) -> dict[str, str]:
        """Rules that do not concern the loss, with the reasons."""
        return self._reasons(SKIPPED)

    @property
    def failed(self) -> dict[str, str]:
        """Broken rules: what was said."""
        return self._reasons(FAILED)

    def __str__(self) -> str:
        counts = {status: len(self._reasons(status)) for status in (PASSED, KNOWN, SKIPPED, FAILED)}
        return f"{self.loss}: {', '.join(f'{count} {status}' for status, count in counts.items() if count)}"

    def raise_failures(self) -> None:
        """Raise one error that names every broken rule, where there is any."""
        if self.failed:
            lines = "".join(f"\n  {said}" for said in self.failed.values())
            raise ConformanceError(f"{self}{lines}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        rows = [{"check": o.check, "status": o.status, "reason": o.reason} for o in self.outcomes]
        return {"loss": self.loss, "checks": rows}

    def _reasons(self, status: str) -> dict[str, str]:
        return {o.check: o.reason for o in self.outcomes if o.status == status}
