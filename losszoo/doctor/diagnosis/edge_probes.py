"""The edge cases of a signature that are judged, and what an empty batch gives."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.common.text import in_one_line
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.inputs.probes import Probe, edge_cases_of
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.losses.loss import Loss


def edge_probes(search: Search, subject: Subject, dtype: torch.dtype) -> Iterator[Probe]:
    """Those of the signature; what an empty batch gives is a policy, which only the zoo's losses promise."""
    for case in edge_cases_of(subject):
        leaves = tree_leaves(case.inputs)
        if len(leaves) < len(subject.leaves):
            continue
        # Where only names tell the signature, nobody says that classes are excluded.
        unasked = subject.inferred and any(isinstance(x, Tensor) and bool(x.isneginf().any()) for x in leaves)
        probe = Probe(case.label, leaves[: len(subject.leaves)], frozenset({Tag.UNASKED} if unasked else ()))
        if not any(x.numel() for x in leaves if isinstance(x, Tensor)) and not isinstance(subject.call, Loss):
            _note_empty(search, subject, probe, dtype)
        else:
            yield probe


def _note_empty(search: Search, subject: Subject, probe: Probe, dtype: torch.dtype) -> None:
    outcome = evaluate(subject, probe.leaves, dtype)
    if outcome.error is not None:
        search.note(f"an empty batch raises {in_one_line(outcome.error)}")
    elif symptom_of(outcome) is not None:
        search.note(f"an empty batch gives {outcome.values if outcome.values is None else outcome.values.tolist()}")
