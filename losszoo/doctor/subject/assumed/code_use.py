"""What the code of a loss does with an input before anything else: it tells logits from probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from losszoo.doctor.subject.hints import watched
from losszoo.doctor.subject.subject import Subject
from losszoo.tracing.tape import Record, Tape

# What leaves the meaning of a number as it was: shape, dtype, and bounds that keep a logarithm finite.
_KEEPING = (
    *("reshape", "view", "flatten", "unsqueeze", "squeeze", "float", "to", "double", "clone", "getitem", "type"),
    *("gather", "transpose", "permute", "contiguous", "clamp", "expand", "movedim", "squeeze_", "select", "cat"),
    *("clamp_min", "detach", "type_as", "split", "chunk", "unbind", "stack", "masked_select", "index_select", "narrow"),
)
_ACTIVATIONS = (
    *("sigmoid", "softmax", "log_softmax", "logsigmoid", "softplus", "tanh", "relu", "exp", "normalize", "erf"),
    *("cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss", "multi_margin_loss", "logsumexp"),
    *(
        "multilabel_soft_margin_loss",
        "elu",
        "gelu",
        "leaky_relu",
        "log_sigmoid",
        "layer_norm",
        "batch_norm",
        "sparsemax",
    ),
)
_DIFFERENCES = ("sub", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "pairwise_distance", "cdist", "dist")
_LOGARITHMS = ("log", "log2", "log10", "xlogy")
_POSITIVE = ("sqrt", "rsqrt", "digamma", "lgamma", "reciprocal")
_GEOMETRY = ("matmul", "mm", "bmm", "cosine_similarity", "norm", "einsum", "fft", "conv2d", "var", "std", "svd", "cov")
# What a logit may go through before its activation: a sign, a temperature, an offset.
_SCALING = ("neg", "mul", "div", "add", "sub", "truediv")
_TINY = 1e-2


def uses(subject: Subject) -> dict[int, set[str]]:
    """For each tensor of the input what is done with it; nothing where the loss cannot be watched.

    Words: "activated", "difference" (with another input), "logarithm", "above 0", "within one", "product" (with
    another input), "log-probability", "shares", "index", "geometry".
    """
    found: dict[int, set[str]] = {i: set() for i, x in enumerate(subject.leaves) if isinstance(x, Tensor)}
    try:
        tape, received = watched(subject)
    except Exception:  # the trial has told it already
        return found
    _follow(tape, received, found)
    return found


def _follow(tape: Tape, received: Sequence[Any], found: dict[int, set[str]]) -> None:
    """By identity, through what keeps the meaning."""
    known = {id(x): i for i, x in enumerate(received) if isinstance(x, Tensor)}
    scaled = dict(known)
    for record in tape.records:
        tensors = [x for x in record.args if isinstance(x, Tensor)]
        for nested in (x for x in record.args if isinstance(x, list | tuple)):
            tensors += [x for x in nested if isinstance(x, Tensor)]
        met = [(place, known[id(x)]) for place, x in enumerate(tensors) if id(x) in known]
        for place, leaf in met:
            found[leaf] |= _words(record, place, {other for _, other in met} - {leaf})
        operand = next((scaled[id(x)] for x in tensors if id(x) in scaled), None)
        if operand is not None and record.site.op in _ACTIVATIONS and id(tensors[0]) in scaled:
            found[operand].add("activated")
        if operand is not None and len(tensors) == 1 and (_keeps(record) or record.site.op in _SCALING):
            scaled[id(record.result)] = operand
        if met and met[0][0] == 0 and _keeps(record):
            results = record.result if isinstance(record.result, list | tuple) else [record.result]
            known |= {id(x): met[0][1] for x in results if isinstance(x, Tensor)}


def _keeps(record: Record) -> bool:
    """Whether the result still means what the first operand means."""
    name = record.site.op
    if name == "add" and len(record.args) > 1:
        return isinstance(record.args[1], int | float) and abs(record.args[1]) <= _TINY
    return name in _KEEPING


def _words(record: Record, place: int, others: set[int]) -> set[str]:
    """What one operation says of the operand at a place."""
    name = record.site.op
    words = {
        "activated": name in _ACTIVATIONS and place == 0,
        "logarithm": name in _LOGARITHMS,
        "above 0": name in _POSITIVE or (name == "pow" and _is_root(record)) or _is_denominator(record, place),
        "difference": name in _DIFFERENCES and bool(others),
        "product": name == "mul" and bool(others),
        "log-probability": name in ("nll_loss", "kl_div") and place == 0,
        "shares": name == "kl_div" and place == 1,
        "geometry": name in _GEOMETRY,
        "index": (place > 0 and name in ("gather", "cross_entropy", "nll_loss", "getitem", "multi_margin_loss"))
        or name in ("one_hot", "scatter", "scatter_"),
        "within one": _is_within_one(record, place),
    }
    return {word for word, holds in words.items() if holds}


def _is_denominator(record: Record, place: int) -> bool:
    """Whether something is divided by the operand, as it is."""
    return record.site.op == "div" and place == (0 if record.is_reversed else 1)


def _is_root(record: Record) -> bool:
    exponent = record.args[1] if len(record.args) > 1 else None
    return isinstance(exponent, float) and exponent != round(exponent) and not record.is_reversed


def _is_within_one(record: Record, place: int) -> bool:
    """1 - p, a clamp to [.., 1], and the losses that take probabilities."""
    name, args = record.site.op, record.args
    one_minus = name == "sub" and record.is_reversed and len(args) > 1 and args[1] is not None
    one_minus = one_minus and not isinstance(args[1], Tensor) and args[1] == 1
    high = record.argument("max", 2) if name == "clamp" else None
    clamped = isinstance(high, int | float) and 0.5 < high <= 1
    fused = name in ("binary_cross_entropy", "binary_cross_entropy_with_logits") and place == 1
    return one_minus or clamped or fused or name in ("binary_cross_entropy", "logit")
