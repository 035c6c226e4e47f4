"""A weight that is made of the mean of the batch, where each sample should have its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.inputs.probes import batch_size, select
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record, Tape

# Minus the logarithm of a probability: exp(-x) is the probability again, of one sample and of no mean.
_ENTROPIES = ("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
_DEFAULTS = {"ignore_index": -100, "label_smoothing": 0.0}
_DIFFERS = 1e-2
_SAME = 1e-4
_MOST_ROWS = 16


@dataclass(frozen=True)
class _Early:
    """A mean, and the product of it with a weight that is made of it."""

    mean: Record
    product: Record
    key: Key


def look_for_early_means(subject: Subject, search: Search) -> None:
    """A cross-entropy is averaged first, and then turned into the probability that weighs it, as in a focal loss."""
    early = _early_of(subject) if batch_size(subject) > 1 else None
    if early is None:
        return
    whole, rows = _totals(subject, subject.leaves)
    mean = sum(rows) / max(len(rows), 1)
    if not rows or not math.isfinite(whole) or not abs(whole - mean) > _DIFFERS * abs(mean):
        return
    op, count = early.mean.site.op, len(rows)
    cause = (
        f"{op} is a mean of the batch already, and the weight at {early.product.site.source} is made of it: one number "
        f"for all samples, so hard ones are not weighted. {count} samples give {whole:.4g} together, and {mean:.4g} on "
        "the average of each alone"
    )
    search.add(
        Failure(
            subject,
            "every row alone beside the batch",
            "misuse",
            torch.float32,
            subject.leaves,
            None,
            shows=partial(_differs, subject),
            said=(cause, f'keep the samples apart: {op}(..., reduction="none"), and take the mean at the end'),
            site=early.mean.site,
            trial=partial(_tried, subject, early.key, mean),
        )
    )


def _early_of(subject: Subject) -> _Early | None:
    tape = Substituting({})
    if evaluate(subject, subject.leaves, torch.float32, mode=tape).error is not None:
        return None
    for made in tape.records:
        if not _is_mean(tape, made):
            continue
        product = _weighted(tape, made)
        if product is not None:
            return _Early(made, product, (made.site.op, made.site.source, tape.spellings[made.index].text))
    return None


def _is_mean(tape: Tape, made: Record) -> bool:
    """Whether a single number comes out: of a cross-entropy that averages, or of the mean of one that does not."""
    result = made.result
    if not isinstance(result, Tensor) or result.ndim or not result.requires_grad:
        return False
    if made.site.op == "mean":
        maker = tape.maker(made.args[0])
        return maker is not None and maker.site.op in _ENTROPIES and made.args[0].numel() > 1
    return made.site.op in _ENTROPIES and made.kwargs.get("reduction", "mean") == "mean"


def _weighted(tape: Tape, mean: Record) -> Record | None:
    """The product of the mean, or of what is proportional to it, and of something that is made of exp(-mean)."""
    plain, weights = {id(mean.result)}, set[int]()
    for later in tape.records[mean.index + 1 :]:
        given = {id(x) for x in later.inputs}
        if not isinstance(later.result, Tensor):
            continue
        negative = later.site.op == "exp" and _is_negated(tape, later.args[0], mean)
        if later.site.op == "mul" and given & plain and given & weights:
            return later
        if negative or given & weights:
            weights.add(id(later.result))
        elif later.site.op in ("mul", "div") and given & plain and len(given) == 1:
            plain.add(id(later.result))
    return None


def _is_negated(tape: Tape, x: object, mean: Record) -> bool:
    maker = tape.maker(x)
    return maker is not None and maker.site.op in ("neg", "mul") and maker.args[0] is mean.result and _is_below(maker)


def _is_below(maker: Record) -> bool:
    """Whether a negated loss came out: below 0."""
    return bool((maker.result <= 0).all())


def _totals(
    subject: Subject, leaves: Leaves, remedies: Mapping[Key, Remedy] | None = None
) -> tuple[float, list[float]]:
    """The value of the batch, and of each of its rows alone; no rows where one has no value."""
    chosen = [
        leaves,
        *(select(subject, leaves, torch.tensor([i])) for i in range(min(batch_size(subject), _MOST_ROWS))),
    ]
    found = [evaluate(subject, x, torch.float32, mode=Substituting(remedies or {}), gradients=False) for x in chosen]
    if batch_size(subject) > _MOST_ROWS or any(outcome.error is not None for outcome in found):
        return math.nan, []
    whole, *rows = (outcome.total for outcome in found)
    return whole, rows


def _differs(subject: Subject, leaves: Leaves) -> bool:
    whole, rows = _totals(subject.with_leaves(leaves), leaves)
    return bool(rows) and abs(whole - sum(rows) / len(rows)) > _DIFFERS * abs(whole)


def _apart(w: Writing) -> str:
    """The same without the mean."""
    if w.record.site.op == "mean":
        return w.x
    usual = [name for name, value in _DEFAULTS.items() if w.record.kwargs.get(name) == value]
    rest = w.rest_of(w.record, 2, without=("reduction", *usual))
    return f"torch.nn.functional.{w.record.site.op}({w.x}, {w.y}{rest}, reduction='none')"


def _tried(subject: Subject, key: Key, mean: float) -> tuple[str, bool | None]:
    """Kept apart, the batch is the mean of its rows, and a batch of one has the value and gradient that it had."""
    remedies = {key: Remedy("apart", _apart)}
    mended = Substituting(remedies)
    whole = evaluate(subject, subject.leaves, torch.float32, mode=mended)
    one = select(subject, subject.leaves, torch.tensor([0]))
    before, after = (_averaged(evaluate(subject, one, mode=Substituting(x))) for x in ({}, remedies))
    text = mended.words.get(key)
    if text is None or whole.error is not None or not alike(before, after, _SAME):
        return "", None
    if whole.values is not None and whole.values.ndim:
        text += ", and take the mean at the end"
    return (text, True) if abs(whole.total - mean) <= _SAME * (1 + abs(mean)) else ("", None)


def _averaged(outcome: Outcome) -> Outcome:
    """One number, as the mean at the end makes it."""
    return outcome if outcome.values is None else replace(outcome, values=outcome.values.mean())
