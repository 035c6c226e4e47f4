"""What is suggested for a task, and why: plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trait:
    """Something about the training rows that some losses are made for.

    Args:
        name: "imbalance", "order", "label noise", ...
        present: whether it is there, so that such losses are worth a comparison.
        text: what was seen, with its numbers.
        tags: a loss with one of these tags is made for it.
        numbers: the numbers of the text, by name.
    """

    name: str
    present: bool
    text: str
    tags: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SuggestedLoss:
    """A loss that fits.

    Args:
        name: of the loss.
        why: the baseline, the trait that it is made for, or another idea to compare with.
        tag: of the loss, by which it was chosen; "" of the baseline.
        summary: of the loss.
    """

    name: str
    why: str
    tag: str
    summary: str


@dataclass(frozen=True)
class Suggestion:
    """The result of :func:`losszoo.suggest`.

    Args:
        task: its name.
        kind: of the task.
        metric: that decides.
        direction: "max" or "min".
        summary: of the task.
        rows: how many, by part.
        inputs: shape of one row.
        classes: training rows by the name of the class; empty where targets are no labels.
        traits: what was looked at, present or not.
        losses: at most five, the baseline first.
        command: compares them; "" where the command line cannot name the task.
        call: the same in Python, with ``task`` for the task.
        notes: what was not looked at, and why.
        data_notes: what the task tells of its data, as rows that were left out.
    """

    task: str
    kind: str
    metric: str
    direction: str
    summary: str
    rows: Mapping[str, int]
    inputs: tuple[int, ...]
    classes: Mapping[str, int]
    traits: tuple[Trait, ...]
    losses: tuple[SuggestedLoss, ...]
    command: str
    call: str
    notes: Sequence[str] = ()
    data_notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo suggest --json``."""
        return {
            **asdict(self),
            "inputs": list(self.inputs),
            "notes": list(self.notes),
            "data_notes": list(self.data_notes),
        }
