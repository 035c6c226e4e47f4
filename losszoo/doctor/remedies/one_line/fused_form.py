"""An activation and the loss behind it as one operation, which never forms what saturates."""

from __future__ import annotations

from torch import Tensor

from losszoo.doctor.diagnosis.relaxed import EPS, bounds_of, is_epsilon
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
    while maker is not None and keeps_from_the_ends(maker):
        maker = tape.maker(maker.inputs[0], before=maker.index)
    return maker if maker is not None and maker.site.op == _FUSED[record.site.op][0] else None


def bound_before(tape: Tape, record: Record) -> Record | None:
    """The operation between the two that keeps a probability away from 0 or 1; None where there is none."""
    maker = tape.maker(record.argument("input", 0), before=record.index)
    return maker if maker is not None and keeps_from_the_ends(maker) else None


def keeps_from_the_ends(record: Record) -> bool:
    """Whether a probability is what it was, but for an epsilon at its ends."""
    if len(record.inputs) != 1 or record.is_reversed:
        return False
    func, args, kwargs = record.func, record.args, record.kwargs
    low, high = bounds_of(record) if record.site.op in ("clamp", "clamp_min", "clamp_max") else (None, None)
    apart = (low is None or low <= EPS) and (high is None or high >= 1 - EPS)
    clamped = (low is not None or high is not None) and apart
    return clamped or (record.site.op == "add" and is_epsilon(func, args, kwargs))


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
