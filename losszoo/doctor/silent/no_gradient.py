"""Inputs that no gradient reaches."""

from __future__ import annotations

import torch

from losszoo.doctor.diagnosis.search import Failure, Search
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate


def look_for_no_gradient(subject: Subject, search: Search) -> None:
    """A loss that no gradient leaves trains nothing, whatever its value."""

    def shows(leaves: Leaves) -> bool:
        return evaluate(subject, leaves, torch.float32).is_detached

    cause = (
        "no gradient reaches any input: the value was detached on its way (detach, item, numpy, argmax, round, a "
        "comparison, no_grad, or a tensor made anew from numbers)"
    )
    remedy = "compute the loss from the tensors themselves, with operations that have a derivative"
    if subject.trained and shows(subject.leaves):
        leaves = subject.leaves
        search.add(
            Failure(subject, "ordinary input", "no-gradient", torch.float32, leaves, None, shows, said=(cause, remedy))
        )
