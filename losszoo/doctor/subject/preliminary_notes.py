"""What is worth knowing of a loss before it is examined."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from losszoo.common.seeding import seed_torch
from losszoo.common.text import in_one_line
from losszoo.creation import create
from losszoo.doctor.subject.dtypes import in_dtype
from losszoo.doctor.subject.global_settings import settings_kept
from losszoo.doctor.subject.readiness import own_dtype
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.losses.loss import Loss
from losszoo.registry.registry import installed


def colder(subject: Subject) -> list[Subject]:
    """A registered loss with a temperature, at a hundredth: there similarities of 1 become logits of 100."""
    if not isinstance(subject.call, Loss):
        return []
    identity = subject.call.identity
    spec = installed().losses.get(identity.name)
    if spec is None or not any(param.name == "temperature" for param in spec.params):
        return []
    params = {**identity.params, "temperature": 0.01}
    return [replace(subject, call=create(identity.name, **params), target=f"{identity.name}(temperature=0.01)")]


def facts(subject: Subject) -> list[str]:
    """What is worth knowing of a loss before it is examined: that it is random, or writes into its inputs."""
    notes = list(subject.remarks)
    first = evaluate(subject, subject.leaves, gradients=False)
    other = evaluate(replace(subject, seed=subject.seed + 1), subject.leaves, gradients=False)
    if first.values is not None and other.values is not None and not _same(first.values, other.values):
        notes.append(f"{subject.target} draws random numbers: every call was seeded with {subject.seed}")
    exact = evaluate(subject, subject.leaves, torch.float64, gradients=False)
    if exact.error is not None and first.error is None:
        notes.append(
            f"{subject.target} does not run in float64 ({in_one_line(exact.error)}): what float32 loses is not told"
        )
    with settings_kept() as changed:
        written = _written(subject)
    if changed:
        notes.append(f"{subject.target} changes {', '.join(changed)} for the whole program: put back after every call")
    if written:
        notes.append(f"{subject.target} writes into {', '.join(written)}: every call was given a copy")
    return notes


def _same(a: Tensor, b: Tensor) -> bool:
    """Alike, a NaN in the same place included."""
    return torch.equal(a.nan_to_num(), b.nan_to_num())


def _written(subject: Subject) -> list[str]:
    """The arguments that a call changes."""
    copies = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in subject.leaves]
    seed_torch(subject.seed)
    try:
        with torch.no_grad():
            subject.answer(in_dtype(subject.call, own_dtype(subject)), copies)
    except (Exception, SystemExit):  # it needs a gradient to be called
        return []
    changed = [
        index
        for index, (was, now) in enumerate(zip(subject.leaves, copies, strict=True))
        if isinstance(was, Tensor) and not _same(was, now)
    ]
    return [subject.names[min(index, len(subject.names) - 1)] for index in changed]
