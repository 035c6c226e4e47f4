"""Operations of torch that have no derivative: backward raises an error on every input."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.keep_gradient import step_behind
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.tape import Site

# The node that stands in the graph for such an operation.
_NODE = "NotImplemented"


def look_for_missing_derivative(subject: Subject, search: Search) -> bool:
    """Finds the operation without a derivative; whether the loss has one."""
    site = _site_without_derivative(subject)
    if site is None:
        return False

    def shows(leaves: Leaves) -> bool:
        return evaluate(subject, leaves).error is not None and evaluate(subject, leaves, gradients=False).error is None

    remedy = "use a smooth form of it: of a step, torch.sigmoid((x - threshold) / temperature)"
    cause = f"{site.op} has no derivative in torch: backward raises an error on every input"
    failure = Failure(
        *(subject, "ordinary input", "raises", torch.float32, subject.leaves, None, shows),
        said=(cause, remedy),
        site=site,
        trial=partial(step_behind, subject, site, remedy),
    )
    search.add(failure)
    return True


def _site_without_derivative(subject: Subject) -> Site | None:
    try:
        tape, _ = record(subject, subject.leaves, torch.float32)
    except Exception:  # the loss raises before there is a graph
        return None
    made = ((x, r.site) for r in tape.records for x in tree_leaves(r.result) if isinstance(x, Tensor))
    return next((site for x, site in made if x.grad_fn is not None and x.grad_fn.name().endswith(_NODE)), None)
