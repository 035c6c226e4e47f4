"""A product of all pairs of labels and scores of which only averages count: the pairing was lost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.silent.recorded_call import Recording, differs
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.tape import Record, Site, Tape


def has_only_averages(subject: Subject, recording: Recording, record: Record, pair: tuple[Tensor, Tensor]) -> bool:
    """Whether one of the two is of labels, and value and gradient stay when each product is that with their average.

    Pairs on purpose, as in a ranking loss, are told apart by their number: what follows is no mean of the product.
    """
    if record.site.op != "mul" or not isinstance(record.result, Tensor) or record.result.ndim != 2:
        return False
    derived = {i: recording.derived(i) for i in range(len(subject.leaves)) if isinstance(recording.given[i], Tensor)}
    sides = [{i for i, found in derived.items() if id(x) in found} for x in pair]
    if not all(sides) or sides[0] & sides[1] or not any(_are_labels(subject, side) for side in sides):
        return False
    usual = evaluate(subject, subject.leaves, torch.float64)
    averaged = evaluate(subject, subject.leaves, torch.float64, mode=_Averaged(record.site))
    if usual.values is None or averaged.values is None:
        return False
    pairs = [(usual.values, averaged.values), *zip(usual.gradients, averaged.gradients, strict=True)]
    return not any(differs(a, b, 1e-9) for a, b in pairs)


def _are_labels(subject: Subject, leaves: set[int]) -> bool:
    """Whether these are whole numbers, or all 0 and 1."""
    given = [subject.leaves[i] for i in leaves]
    return all(not x.is_floating_point() or bool(((x == 0) | (x == 1)).all()) for x in given)


class _Averaged(Tape):
    """Gives the mean over the rows in the place of each row of one product."""

    def __init__(self, site: Site) -> None:
        super().__init__(everything=True)
        self.site = site

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        count = len(self.records)
        result = super().__torch_function__(func, types, args, kwargs)
        written = len(self.records) > count and self.records[-1].site == self.site
        if not written or not isinstance(result, Tensor) or result.ndim != 2:
            return result
        return result.mean(0, keepdim=True).expand_as(result)
