"""What the suite is run on: a loss that can be made again and again, and its ordinary batches."""

from __future__ import annotations

import copy
import unittest
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from losszoo.common.seeding import seed_torch
from losszoo.creation import create
from losszoo.errors import NotApplicableError, UsageError
from losszoo.losses.introspection import name_of
from losszoo.losses.loss import Loss
from losszoo.losses.reduction import Policy
from losszoo.losses.signatures.example_inputs import Batch, example_inputs
from losszoo.losses.sums.data_sizes import set_sizes
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed
from losszoo.registry.specs import LossSpec


class NotApplicable(unittest.SkipTest):
    """A rule does not concern a loss, and why. No error: pytest and unittest show it as a skipped test."""


@dataclass(frozen=True)
class Subject:
    """A loss under test.

    Args:
        name: as the user gave it.
        target: what ``losszoo.create`` takes.
        signature: of the table.
        expects: what its predictions are.
        options: signature, expects and hyperparameters that it is made with.
        spec: its announcement; None where it is in no registry.
    """

    name: str
    target: Any
    signature: str
    expects: str = "logits"
    options: Mapping[str, Any] = field(default_factory=dict)
    spec: LossSpec | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def doctor(self) -> str:
        """The command that examines it."""
        own = f" --signature {self.signature}" if self.spec is None else ""
        return f"losszoo doctor {self.name!r}{own}" if " " in self.name else f"losszoo doctor {self.name}{own}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Of its announcement."""
        return self.spec.tags if self.spec else ()

    def make(self, reduction: str = "mean", empty: str = "zero", **params: Any) -> Loss:
        """The loss anew, always with the same parameters; in evaluation where calls in training move its state."""
        made = _make(self.target, {**self.options, **params}, reduction, empty)
        return made.eval() if "stateful" in self.tags else made

    def batch(self, rows: int = 6, seed: int = 0, dtype: torch.dtype = torch.float32) -> Batch:
        """An ordinary batch of 3 classes, or of 4 dimensions."""
        return example_inputs(self.signature, expects=self.expects, rows=rows, seed=seed, dtype=dtype)

    def must_take(self, reduction: str = "mean", **how: Any) -> None:
        """Go on only where the contract lets the loss be called like that.

        Raises:
            NotApplicable: it says that this cannot be.
        """
        try:
            self.make(reduction)(*self.batch(), **how)
        except NotApplicableError as error:
            raise NotApplicable(str(error)) from error


def subject_of(target: Any, *, signature: str | None = None, expects: str | None = None, **params: Any) -> Subject:
    """A subject from whatever ``losszoo.create`` takes, or from an announcement; a subject is given back.

    Raises:
        UsageError: there is no such loss, it cannot be made, or it is a sum of several.
    """
    if isinstance(target, Subject):
        return target
    if isinstance(target, LossSpec):
        target = target.name
    said = {key: value for key, value in (("signature", signature), ("expects", expects)) if value is not None}
    loss = _make(target, {**said, **params})
    return Subject(_name_of(target), target, loss.signature, loss.identity.expects, {**said, **params}, _spec(target))


def _name_of(target: Any) -> str:
    if isinstance(target, str):
        return target
    own = target.identity.name if isinstance(target, Loss) else name_of(target)
    return str(own)


def _spec(target: Any) -> LossSpec | None:
    """The announcement of a registered loss, of a call of it, or of one that was made from it."""
    if isinstance(target, Loss):
        name = target.identity.name if target.identity.owner else ""
    else:
        name = parse(target)[0].call.name if isinstance(target, str) else ""
    return installed().losses.get(installed().own_name(name))


def _make(target: Any, options: Mapping[str, Any], reduction: str = "mean", empty: str = "zero") -> Loss:
    # A module that draws its first parameters draws the same ones every time, and torch's random state stays.
    with torch.random.fork_rng(devices=[]):
        seed_torch(0)
        if isinstance(target, nn.Module) and (target.state_dict() or isinstance(target, Loss)):
            target = copy.deepcopy(target)  # the user's own module keeps its parameters
        if isinstance(target, Loss):
            target.policy = Policy(reduction, empty)
            return target
        made = create(target, reduction=reduction, empty=empty, **options)
        # As many classes as an ordinary batch has rows: no label of a check is beyond.
        set_sizes(made, classes=6, dim=4)
    if not isinstance(made, Loss):
        raise UsageError(f"the suite must be given one loss, got {target!r}, a sum; give it the terms")
    return made
