"""An operation that loses the gradient is left out, or its gradient is passed straight through."""

from __future__ import annotations

import torch

from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.tape import Record

_LEFT_OUT = Remedy("tensor itself", lambda w: w.x)
_THROUGH = Remedy("straight through", lambda w: f"({w.x} + ({_same(w)} - {w.x}).detach())")
_FORMS = {
    **dict.fromkeys(("item", "detach", "data", "tensor", "new_tensor"), _LEFT_OUT),
    **dict.fromkeys(("round", "floor", "ceil", "trunc", "fix", "sign", "sgn"), _THROUGH),
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


def keep_gradient(subject: Subject, record: Record, leaf: int) -> tuple[str, bool | None]:
    """Words, and whether the replacement that they tell was run: the same value, and a gradient for the leaf."""
    op = record.site.op
    comparison = op in ("gt", "ge", "lt", "le", "eq", "ne", "greater", "less", "isclose")
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
    return (mended.words, True) if alive and same else (advice, None)
