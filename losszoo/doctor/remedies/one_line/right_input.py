"""An operation gets what it expects: logits without an activation, probabilities as logarithms."""

from __future__ import annotations

from typing import Literal

import torch

from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Site

Trial = Literal["drop", "logarithm", "rate", "log target", "no log"]
_SURE = 30.0
_ROUNDING = 1e-5


def _first(w: Writing) -> str:
    return w.operand(w.record, 0 if w.record.args else "input", "x")


def _others(w: Writing, without: tuple[str, ...] = ()) -> str:
    return w.rest_of(w.record, without=("input", *without))


def _logarithm(w: Writing) -> str | None:
    """log_softmax in place of softmax, else the logarithm of what there is."""
    given = w.record.argument("input", 0)
    maker = w.tape.maker(given)
    if maker is not None and maker.site.op == "softmax":
        inside = f"torch.log_softmax({w.operand(maker, 0)}{w.rest_of(maker, without=('_stacklevel', 'dtype'))})"
    elif maker is not None and maker.site.op == "sigmoid":
        inside = f"torch.nn.functional.logsigmoid({w.operand(maker, 0)})"
    else:
        inside = f"{_first(w)}.log()"
    # The default need not be said.
    without = () if w.record.argument("log_target", 5) else ("log_target",)
    return f"{w.callee}({inside}{_others(w, without)})"


_REMEDIES = {
    "drop": Remedy("without the activation", lambda w: w.x),
    "logarithm": Remedy("of the logarithm", _logarithm),
    "rate": Remedy("of a rate", lambda w: f"{w.callee}({_first(w)}{_others(w, ('log_input',))}, log_input=False)"),
    "log target": Remedy(
        "log target", lambda w: f"{w.callee}({_first(w)}{_others(w, ('log_target',))}, log_target=True)"
    ),
    "no log": Remedy("no log target", lambda w: f"{w.callee}({_first(w)}{_others(w, ('log_target',))})"),
}
_ADVICE = {
    "drop": "leave out the activation: the loss applies it by itself",
    "logarithm": "give it the logarithms: log_softmax of the logits, or .log() of the probabilities",
    "rate": "leave out exp, or set log_input=False",
    "log target": "set log_target=True",
    "no log": "leave out log_target=True",
}


def try_right_input(subject: Subject, site: Site, trial: Trial) -> tuple[str, bool | None]:
    """Words, and whether they were run: finite on the ordinary input, and a sure wrong answer gets a gradient."""
    mended = OneSite(subject, site, _REMEDIES[trial])
    ordinary = mended.evaluate(subject.leaves)
    if ordinary is None or not _is_finite(ordinary):
        return _ADVICE[trial], None
    words = mended.words
    good = _pulls(subject, mended) if trial == "drop" else trial == "rate" or ordinary.total >= -_ROUNDING
    return (words, True) if good else (_ADVICE[trial], None)


def _is_finite(outcome: Outcome) -> bool:
    numbers = [outcome.values, *outcome.moved()]
    return all(bool(x.isfinite().all()) for x in numbers if x is not None)


def _pulls(subject: Subject, mended: OneSite) -> bool:
    """Whether sure answers, of which some are wrong, get a gradient that they did not get before."""
    sure: Leaves = [x * _SURE if i in subject.trained else x for i, x in enumerate(subject.leaves)]
    before, after = evaluate(subject, sure), mended.evaluate(sure)
    if after is None or before.error is not None:
        return False
    lengths = [
        torch.stack([g.norm() for g in o.moved()]).norm() for o in (before, after) if any(True for _ in o.moved())
    ]
    return len(lengths) == 2 and bool(lengths[1] > 10 * lengths[0]) and _is_finite(after)
