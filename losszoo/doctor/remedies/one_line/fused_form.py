"""An activation and the loss behind it as one operation, which never forms what saturates."""

from __future__ import annotations

from torch import Tensor

from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.subject import Subject
from losszoo.tracing.tape import Record, Site, Tape

# Of each loss the activation that goes before it, and the loss of both.
_FUSED = {
    "binary_cross_entropy": ("sigmoid", "binary_cross_entropy_with_logits"),
    "poisson_nll_loss": ("exp", "poisson_nll_loss"),
}


def activation_before(tape: Tape, record: Record) -> Record | None:
    """The activation whose result a loss gets, where there is one operation for both."""
    given = record.argument("input", 0)
    if record.site.op not in _FUSED or not isinstance(given, Tensor):
        return None
    if record.site.op == "poisson_nll_loss" and record.argument("log_input", 2) in (None, True):
        return None
    maker = tape.maker(given, before=record.index)
    return maker if maker is not None and maker.site.op == _FUSED[record.site.op][0] else None


def fused_form(subject: Subject, site: Site) -> OneSite:
    """The loss with the one operation in place of both."""
    return OneSite(subject, site, Remedy("fused", _fused))


def _fused(w: Writing) -> str | None:
    maker = activation_before(w.tape, w.record)
    if maker is None:
        return None
    # An epsilon is for the logarithm that is no longer taken; the default of the other need not be said.
    full = () if w.record.kwargs.get("full") else ("full",)
    rest = w.rest_of(w.record, without=("input", "log_input", "eps", *full))
    return f"torch.nn.functional.{_FUSED[w.record.site.op][1]}({w.operand(maker, 0)}{rest})"
