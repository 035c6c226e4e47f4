"""An operation that loses the gradient is left out, or its gradient is passed straight through."""

from __future__ import annotations

import torch

from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.tape import Record, Site

_LEFT_OUT = Remedy("tensor itself", lambda w: w.x)
_THROUGH = Remedy("straight through", lambda w: f"({w.x} + ({_same(w)} - {w.x}).detach())")
_COMPARISONS = ("gt", "ge", "lt", "le", "greater", "less")
_FORMS = {
    **dict.fromkeys(("item", "detach", "data", "tensor", "new_tensor"), _LEFT_OUT),
    **dict.fromkeys(("round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "int", "long"), _THROUGH),
}
_STEP = Remedy("soft step behind a step", lambda w: _behind(w, _same(w), f"torch.sigmoid({w.x})"))
_FORMS |= {
    "argmax": Remedy("soft argmax behind", lambda w: _soft_argmax(w)),
    **dict.fromkeys(_COMPARISONS, Remedy("soft step behind", lambda w: _soft_step(w))),
}
_ADVICE = {
    "item": "leave out .item(), and use the tensor itself",
    "float": "leave out float(), and use the tensor itself",
    "int": "leave out int(), and use the tensor itself",
    "tolist": "leave out .tolist(), and use the tensor itself",
    "numpy": "compute this with torch in place of numpy",
    "array": "compute this with torch in place of numpy",
    "tensor": "use the tensor itself, without torch.tensor(...)",
    "new_tensor": "use the tensor itself, without new_tensor(...)",
    "detach": "leave out .detach(), if this is to be trained",
    "data": "leave out .data, if this is to be trained",
    "argmax": "compare the scores themselves (cross_entropy of logits), or use a soft argmax: (x.softmax(-1) * "
    "torch.arange(x.shape[-1])).sum(-1)",
}
_SOFT = "use a smooth form in place of the comparison: torch.sigmoid((x - threshold) / temperature)"
_OTHER = "compute the value from the tensors themselves, with operations that have a derivative"


def _same(w: Writing) -> str:
    return f"{w.callee}({w.x}{w.rest})"


def _soft_argmax(w: Writing) -> str | None:
    """The index as it is, and the gradient of the mean index under a softmax."""
    dim = w.record.argument("dim", 1)
    if not isinstance(dim, int) or w.record.argument("keepdim", 2):
        return None
    soft = f"torch.softmax({w.x}, {dim}).movedim({dim}, -1) @ torch.arange({w.x}.shape[{dim}], dtype={w.x}.dtype)"
    return _behind(w, _same(w), soft)


def _soft_step(w: Writing) -> str:
    """The truth value as it is, and the gradient of a logistic step."""
    a, b = w.parts
    larger = w.record.site.op in ("gt", "ge", "greater")
    hard = f"{_same(w)}.to({w.x}.dtype)"
    return _behind(w, hard, f"torch.sigmoid({a} - {b})" if larger else f"torch.sigmoid({b} - {a})")


def _behind(w: Writing, hard: str, soft: str) -> str:
    part = w.let(soft, "soft")
    return f"{part} + ({hard} - {part}).detach()"


def keep_gradient(subject: Subject, record: Record, leaf: int) -> tuple[str, bool | None]:
    """Words, and whether the replacement that they tell was run: the same value, and a gradient for the leaf."""
    op = record.site.op
    comparison = op in (*_COMPARISONS, "eq", "ne", "isclose")
    advice = _SOFT if comparison else _ADVICE.get(op, _OTHER)
    if op not in _FORMS:
        return advice, None
    usual, mended = evaluate(subject, subject.leaves), OneSite(subject, record.site, _FORMS[op])
    outcome = mended.evaluate(subject.leaves)
    if usual.values is None or outcome is None or outcome.values is None:
        return advice, None
    gradient = outcome.gradients[sorted(subject.trained).index(leaf)]
    alive = gradient is not None and bool(gradient.isfinite().all() and gradient.ne(0).any())
    same = usual.values.shape == outcome.values.shape and torch.allclose(usual.values, outcome.values, 1e-4, 1e-6)
    words = f"{mended.words}; or {_ADVICE['argmax'].partition(',')[0]}" if op == "argmax" else mended.words
    return (words, True) if alive and same else (advice, None)


def step_behind(subject: Subject, site: Site, advice: str) -> tuple[str, bool | None]:
    """For a step that has no derivative: its value, and the gradient of a logistic one."""
    usual, mended = evaluate(subject, subject.leaves, gradients=False), OneSite(subject, site, _STEP)
    outcome = mended.evaluate(subject.leaves)
    if usual.values is None or outcome is None or outcome.values is None or site.op != "heaviside":
        return advice, None
    alive = all(bool(g.isfinite().all()) for g in outcome.moved()) and any(bool(g.ne(0).any()) for g in outcome.moved())
    same = usual.values.shape == outcome.values.shape and torch.allclose(usual.values, outcome.values, 1e-4, 1e-6)
    return (mended.words, True) if alive and same else (advice, None)
