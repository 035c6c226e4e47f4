"""One way in which a loss fails, and whether other inputs show it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from losszoo.doctor.diagnosis.judge import judge
from losszoo.doctor.inputs.mutations import Tags
from losszoo.doctor.inputs.probes import Probe
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject
from losszoo.tracing.culprit import Blame
from losszoo.tracing.tape import Site


@dataclass(frozen=True)
class Failure:
    """One way to fail.

    Args:
        subject: whose.
        probe: the first that shows it, in words.
        symptom: of the examination's list.
        dtype: it fails in.
        leaves: the failing input.
        blame: the operation at fault.
        shows: whether other leaves fail in the same way; by default, whether they show the same symptom.
        accept: whether an outcome is a cure; by default, whether it is finite and near the truth.
        error: what was raised.
        said: cause and remedy, where no number is wrong.
        site: operation and line, where no number is wrong.
        trial: tries a remedy of its own; gives its words, and whether it cures.
        tags: of the probe.
        of_shapes: it shows on inputs of these shapes alone.
    """

    subject: Subject
    probe: str
    symptom: str
    dtype: torch.dtype
    leaves: Leaves
    blame: Blame | None
    shows: Callable[[Leaves], bool] | None = None
    accept: Callable[[Outcome], bool] | None = None
    error: Exception | None = None
    said: tuple[str, str] | None = None
    site: Site | None = None
    trial: Callable[[], tuple[str, bool | None]] | None = None
    tags: Tags = frozenset()
    of_shapes: bool = False

    def fails_on(self, leaves: Leaves) -> bool:
        """Whether these leaves show it too."""
        if self.shows is not None:
            return self.shows(leaves)
        verdict = judge(self.subject, leaves, self.dtype)
        return verdict.sick and verdict.symptom == self.symptom


def failure_by(
    fails: Callable[..., bool], subject: Subject, probe: Probe, symptom: str, culprit: Blame | None
) -> Failure:
    """A failure in float32 with a measure of its own: ``fails(leaves)``, and ``fails(leaves, outcome)`` once mended."""
    return Failure(
        subject,
        probe.label,
        symptom,
        torch.float32,
        probe.leaves,
        culprit,
        shows=fails,
        accept=lambda outcome: not fails(probe.leaves, outcome),
        tags=probe.all_tags,
    )
