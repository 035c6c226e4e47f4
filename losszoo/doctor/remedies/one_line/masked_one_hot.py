"""A one-hot form of labels of which some stand for none: nothing is hot there."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.answers import Refusal
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.authors import raised_at
from losszoo.tracing.tape import Site

_SAME = 1e-5


def masked_one_hot(subject: Subject, refusal: Refusal) -> tuple[str, bool | None]:
    """Words, and whether they were tried: an answer where the loss had none, and the same one elsewhere."""
    if refusal.sentinel is None:
        return refusal.remedy, None
    usual, site = evaluate(subject, subject.leaves, torch.float32), Site("one_hot", raised_at(refusal.error))
    form = OneSite(subject, site, Remedy("masked one-hot", partial(_masked, sentinel=refusal.sentinel)))
    same, cured = form.evaluate(subject.leaves), form.evaluate(refusal.leaves)
    if same is None or cured is None or symptom_of(cured) is not None or not alike(usual, same, _SAME):
        return refusal.remedy, None
    return form.words, True


def _masked(w: Writing, sentinel: int) -> str | None:
    labels = w.record.args[0]
    if not isinstance(labels, Tensor):
        return None
    known = w.let(f"{w.x} != {sentinel}", "known")
    return f"{w.callee}(torch.where({known}, {w.x}, 0){w.rest}) * {known}[..., None]"
