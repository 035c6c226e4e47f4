"""What an operation expects, and what it gets: probabilities where logits or their logarithms belong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.right_input import Trial, try_right_input
from losszoo.doctor.silent.recorded_call import Recording, recorded, tensors
from losszoo.doctor.subject.input_kinds import kind_of
from losszoo.doctor.subject.subject import Subject
from losszoo.tracing.tape import Record

# They hand the numbers on, in another shape or kept from the ends.
_HANDING = (
    *("getitem", "squeeze", "unsqueeze", "view", "reshape", "flatten", "permute", "transpose", "t", "contiguous"),
    *("clone", "to", "float", "double", "movedim", "clamp", "masked_select", "expand", "unflatten", "type_as"),
)
_TINY = 1e-3
# What each applies to its input by itself.
_OWN = {
    "cross_entropy": "softmax",
    "log_softmax": "softmax",
    "softmax": "softmax",
    "binary_cross_entropy_with_logits": "sigmoid",
    "multilabel_soft_margin_loss": "sigmoid",
    "logsigmoid": "sigmoid",
    "sigmoid": "sigmoid",
}
_OF_LOGARITHMS = ("kl_div", "nll_loss", "ctc_loss")
_ACTIVATIONS = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Misuse:
    """What is wrong with what an operation gets.

    Args:
        record: the operation that is blamed: the one too many, or the one that gets the wrong numbers.
        cause: in a sentence.
        trial: which remedy is tried.
    """

    record: Record
    cause: str
    trial: Trial


def look_for_misuse(subject: Subject, search: Search) -> None:
    """Finds every operation on the tape that gets what it is not made for."""
    recording = recorded(subject, subject.leaves, torch.float32)
    if recording is None:
        return
    for record in recording.tape.records:
        for found in _misuses(recording, record):
            failure = Failure(
                *(subject, "ordinary input", "misuse", torch.float32, subject.leaves, None),
                shows=partial(_shows, subject, found),
                said=(found.cause, "give the operation what it expects"),
                site=found.record.site,
                trial=partial(try_right_input, subject, found.record.site, found.trial),
            )
            search.add(failure)


def _shows(subject: Subject, found: Misuse, leaves: Any) -> bool:
    """Whether the same misuse is seen on other leaves."""
    recording = recorded(subject, leaves, torch.float32)
    records = recording.tape.records if recording is not None else []
    return recording is not None and any(
        other.record.site == found.record.site for record in records for other in _misuses(recording, record)
    )


def _misuses(recording: Recording, record: Record) -> Iterator[Misuse]:
    given = record.argument("input", 0)
    if not isinstance(given, Tensor) or not given.is_floating_point():
        return
    op = record.site.op
    if op in _OWN:
        yield from _twice(recording, record, given)
    elif op in _OF_LOGARITHMS:
        yield from _no_logarithms(recording, record, given)
    elif op == "poisson_nll_loss" and record.argument("log_input", 2) in (None, True):
        maker = _maker(recording, given, record)
        if maker is not None and maker.site.op == "exp":
            cause = f"poisson_nll_loss takes the logarithm of the rate, and gets the rate: {_at(maker)} comes before it"
            yield Misuse(record, cause, "rate")


def _twice(recording: Recording, record: Record, given: Tensor) -> Iterator[Misuse]:
    """An activation before an operation that applies one by itself."""
    op, maker = record.site.op, _maker(recording, given, record)
    nested = op in _ACTIVATIONS or op in ("logsigmoid", "log_softmax")
    if maker is not None and maker.site.op in _ACTIVATIONS and given.requires_grad:
        # Of two different ones in a row, the first may be a gate or a weight.
        if nested and (maker.site.op != _OWN[op] or not _same_dim(maker, record)):
            return
        again = "again" if maker.site.op == _OWN[op] else "to them"
        cause = (
            f"{_at(maker)} makes probabilities, and {_at(record)} applies {_OWN[op]} {again}: what lies within [0, 1] "
            "is never a sure answer, and a wrong one hardly gets a gradient"
        )
        yield Misuse(maker, cause, "drop")
    elif op == "cross_entropy" and _is_simplex(given, 1 if given.ndim > 1 else 0):
        cause = "cross_entropy takes logits, and gets probabilities: they are at least 0 and sum to 1"
        yield Misuse(record, cause, "logarithm")


def _same_dim(first: Record, second: Record) -> bool:
    dims = [r.argument("dim", 1) for r in (first, second)]
    ndim = next(iter(tensors(second.args)), torch.zeros(1)).ndim
    known = [dim % ndim for dim in dims if isinstance(dim, int)]
    return len(set(known)) < 2


def _no_logarithms(recording: Recording, record: Record, given: Tensor) -> Iterator[Misuse]:
    """Probabilities before an operation that takes their logarithms, or logarithms where it takes none."""
    op, maker = record.site.op, _maker(recording, given, record)
    made = maker is not None and maker.site.op in _ACTIVATIONS
    if made or _is_simplex(given, None):
        low, high = float(given.detach().min()), float(given.detach().max())
        source = f" of {_at(maker)}" if made and maker is not None else ""
        cause = (
            f"{op} takes log-probabilities first, and gets probabilities{source}, between {low:.3g} and {high:.3g}: "
            "its smallest value is not at the right answer"
        )
        yield Misuse(record, cause, "logarithm")
        return
    target = record.argument("target", 1)
    if op != "kl_div" or not isinstance(target, Tensor) or not target.is_floating_point():
        return
    logarithms = bool(record.argument("log_target", 5))
    kind = kind_of(target.detach())[0]
    if not logarithms and kind == "log-probability":
        yield Misuse(record, "the target of kl_div holds log-probabilities, and log_target is not set", "log target")
    elif logarithms and kind == "simplex":
        yield Misuse(record, "the target of kl_div holds probabilities, and log_target=True says logarithms", "no log")


def _is_simplex(x: Tensor, dim: int | None) -> bool:
    """Whether numbers are probabilities that sum to 1, and no plain zeros and ones."""
    kind, along = kind_of(x.detach())
    return kind == "simplex" and (dim is None or along % x.ndim == dim) and x.numel() > x.shape[along]


def _maker(recording: Recording, tensor: Tensor, before: Record) -> Record | None:
    """The operation that made the numbers of a tensor, behind those that only hand them on."""
    maker = recording.tape.maker(tensor, before=before.index)
    while maker is not None and (maker.site.op in _HANDING or _adds_little(maker)) and tensors(maker.args):
        maker = recording.tape.maker(tensors(maker.args)[0], before=maker.index)
    return maker


def _adds_little(record: Record) -> bool:
    """An epsilon, which leaves probabilities what they are."""
    constants = [x for x in record.args if isinstance(x, float)]
    return record.site.op == "add" and len(constants) == 1 and abs(constants[0]) <= _TINY


def _at(record: Record) -> str:
    return f"{record.site.op} at {record.site.source}" if record.site.source else record.site.op
