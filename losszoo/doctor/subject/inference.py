"""What kind of input a loss takes: by the names of its arguments, and by trial."""

from __future__ import annotations

from typing import Any

from losszoo.common.text import in_one_line
from losszoo.doctor.subject.answers import NoValueError
from losszoo.doctor.subject.subject import Outcome, evaluate, make_subject
from losszoo.errors import UsageError
from losszoo.losses.introspection import fitting_signatures, infer_signature, unknown_signature
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import example_inputs


def inferred(thing: Any, label: str, seed: int) -> str:
    """The signature by argument names; where several share them, the only one whose input the loss accepts.

    Raises:
        UsageError: that does not tell, or the loss gives no answer on any of them.
    """
    signature = infer_signature(thing)
    if signature is not None:
        return signature
    candidates = fitting_signatures(thing)
    answers = {name: _answer(thing, name, seed) for name in candidates}
    accepted = [name for name, outcome in answers.items() if outcome.error is None]
    # Of several it may be any where its fault is the same on all: nothing is trained by a value without a gradient.
    if len(accepted) == 1 or (accepted and all(answers[name].is_detached for name in accepted)):
        return accepted[0]
    if candidates and not accepted:
        raise refused(label, {name: outcome.error for name, outcome in answers.items() if outcome.error})
    ways = f"as in losszoo doctor {label} --signature {{}} (in Python signature='{{}}')"
    said = unknown_signature(thing, label, accepted or candidates, ways)
    raise UsageError(f"{said}; {_OTHERS}")


def refused(label: str, errors: dict[str, Exception]) -> UsageError:
    """Why a loss cannot be examined on its ordinary inputs, whichever they are: its own fault comes first."""
    for error in errors.values():
        if isinstance(error, NoValueError):
            return UsageError(f"{label}: {error}")
    once = {in_one_line(error): name for name, error in reversed(errors.items())}
    said = "; ".join(f"on {name} it raises {text}" for text, name in reversed(once.items()))
    return UsageError(f"{label} must accept an ordinary input, and {said}; {_OTHERS}")


_OTHERS = (
    "where its inputs are others, give --example FILE:NAME, a function that returns one ordinary tuple of them "
    "(in Python example=)"
)


def _answer(thing: Any, signature: str, seed: int) -> Outcome:
    subject = make_subject(thing, example_inputs(signature, seed=seed), TABLE[signature].arguments, signature)
    return evaluate(subject, subject.leaves)
