"""An example on which the loss has no answer: what is wrong with it, and the example without that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.subject.answers import Outcome, Refusal
from losszoo.doctor.subject.hints import is_whole, with_hints
from losszoo.doctor.subject.sentinel_labels import sentinel_of
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.finite_check import spoilt


def without_ignored(subject: Subject, outcome: Outcome, dtype: torch.dtype) -> Subject | None:
    """The subject with labels of the first class for ignored ones, where only those made it raise; else None."""
    for index, leaf in enumerate(subject.leaves):
        sentinel = sentinel_of(leaf) if isinstance(leaf, Tensor) and is_whole(leaf) and leaf.numel() else None
        if sentinel is None or outcome.error is None:
            continue
        leaves = list(subject.leaves)
        leaves[index] = leaf.masked_fill(leaf == sentinel, 0)
        if evaluate(subject, leaves, dtype).error is None:
            name = subject.names[min(index, len(subject.names) - 1)]
            remedy = (
                f"replace the ignored labels first, {name}.masked_fill({name} == {sentinel}, 0), and leave their "
                f"places out with a mask, {name} != {sentinel}"
            )
            refusal = Refusal(list(subject.leaves), outcome.error, remedy, sentinel)
            said = f"the loss raises for the label {sentinel} of the example: it is examined with 0 in its place"
            repaired = subject.with_leaves(leaves)
            return replace(repaired, refusals=(refusal,), remarks=(*subject.remarks, said))
    return None


def without_nan(subject: Subject, outcome: Outcome, dtype: torch.dtype) -> Subject:
    """The subject with zeros for the NaN and infinity that its example holds, where they come out of the loss."""
    if outcome.error is not None or not spoilt([outcome.values, *outcome.moved()]).nan:
        return subject  # an infinity of an infinite input is the true value
    may_be = with_hints(subject).may_be_nan
    bad = [i for i, x in enumerate(subject.leaves) if i not in may_be and _is_spoilt(x)]
    if not bad:
        return subject
    leaves = [x.nan_to_num(0.0, 0.0, -torch.inf) if i in bad else x for i, x in enumerate(subject.leaves)]
    repaired = subject.with_leaves(leaves)
    if any(spoilt([*_parts(evaluate(repaired, leaves, dtype))])):
        return subject
    names = ", ".join(dict.fromkeys(subject.names[min(i, len(subject.names) - 1)] for i in bad))
    said = f"the example holds NaN or infinity in {names}: it is examined with 0 in their place"
    return replace(repaired, remarks=(*subject.remarks, said))


def _parts(outcome: Outcome) -> Sequence[Tensor]:
    return [x for x in (outcome.values, *outcome.gradients) if x is not None]


def _is_spoilt(x: Any) -> bool:
    """Whether it holds NaN, or +infinity; minus infinity is a way to exclude."""
    return isinstance(x, Tensor) and x.is_floating_point() and bool((x.isnan() | (x == torch.inf)).any())
