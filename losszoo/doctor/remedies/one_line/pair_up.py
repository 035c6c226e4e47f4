"""Both operands get one shape, so that each number meets its partner."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.source_text import written
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.subject import Leaves, Subject
from losszoo.tracing.tape import Site


def surplus_dim(longer: Tensor, shorter: Tensor) -> int | None:
    """The dimension of size 1 without which the longer shape is the shorter one."""
    dims = (d for d in range(longer.ndim) if longer.shape[d] == 1)
    return next((d for d in dims if longer.shape[:d] + longer.shape[d + 1 :] == shorter.shape), None)


def pair_up(subject: Subject, site: Site, first_is_longer: bool, others: set[int]) -> tuple[str, bool | None]:
    """Words, and whether they were run: the loss is finite then, and the order of one input counts."""
    mended = OneSite(subject, site, Remedy("paired", partial(_paired, first_is_longer)))
    usual = mended.evaluate(subject.leaves)
    rolled = mended.evaluate(rolled_rows(subject.leaves, others))
    if usual is None or rolled is None or usual.values is None or rolled.values is None:
        return "give both operands one shape: .squeeze(1) of the one, or [:, None] of the other", None
    finite = bool(usual.values.isfinite().all()) and all(bool(g.isfinite().all()) for g in usual.moved())
    # More than the order of a sum can do.
    paired = abs(usual.total - rolled.total) > 1e-4 * abs(usual.total)
    return mended.words, True if finite and paired else None


def _paired(first_is_longer: bool, w: Writing) -> str | None:
    a, b = w.record.args[:2]
    longer, shorter = (a, b) if first_is_longer else (b, a)
    if not (isinstance(longer, Tensor) and isinstance(shorter, Tensor)):
        return None
    dim = surplus_dim(longer, shorter)
    if dim is None:
        return None
    texts = [w.operand(w.record, 0, "a"), w.operand(w.record, 1, "b")]
    place = 0 if first_is_longer else 1
    texts[place] = f"{texts[place]}.squeeze({dim})"
    code = written(w.record, texts)
    return code.removesuffix(")") + w.rest_of(w.record, skip=2) + ")" if code.startswith("torch.") else code


def rolled_rows(leaves: Leaves, chosen: set[int]) -> Leaves:
    """The rows of some leaves moved on by one."""

    def move(x: Any) -> Any:
        return x.roll(1, 0) if isinstance(x, torch.Tensor) and x.ndim else x

    return [move(x) if index in chosen else x for index, x in enumerate(leaves)]
