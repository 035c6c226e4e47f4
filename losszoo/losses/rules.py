"""The rules of the signatures: shapes and dtypes (``prepare_``), masks (``hide_``), numbers (``check_``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.arguments import (
    BrokenRule,
    CheckContext,
    Inputs,
    check_tensors,
    floating,
    integers,
    like,
    real,
    require,
    rows,
    same_rows,
    shape_of,
    undifferentiated,
    within,
)

# The dtypes that are computed in; narrower ones are converted.
COMPUTED = (torch.float32, torch.float64)
NEUTRAL = {"logits": 0.0, "probabilities": 0.5, "log-probabilities": 0.0}


def prepare_alike(first_name: str) -> Callable[[Inputs, CheckContext], Inputs]:
    def prepare(inputs: Inputs, context: CheckContext) -> Inputs:
        predictions, targets = inputs
        # What is in order is looked at once, here; anything else is converted, or told of, below.
        if not isinstance(predictions, Tensor) or predictions.dtype not in COMPUTED:
            predictions = floating(first_name, predictions)
        if not isinstance(targets, Tensor) or targets.dtype != predictions.dtype or targets.shape != predictions.shape:
            targets = like("targets", targets, predictions, first_name)
        return predictions, targets

    return prepare


def hide_alike(inputs: Inputs, mask: Tensor, context: CheckContext) -> Inputs:
    predictions, targets = inputs
    return torch.where(mask, predictions, NEUTRAL[context.expects]), torch.where(mask, targets, 0.0)


def check_probabilities(name: str, value: Tensor) -> None:
    # Written so that NaN passes: a NaN prediction is an event for the guard, not a wrong argument.
    require(~((value < 0) | (value > 1)), name, "hold probabilities in [0, 1]", value)


def check_binary(inputs: Inputs, context: CheckContext) -> None:
    predictions, targets = inputs
    if targets.numel():
        smallest, largest = torch.aminmax(targets.detach())
        # NaN compares as False.
        if not (smallest.item() >= 0 and largest.item() <= 1):
            require((targets >= 0) & (targets <= 1), "targets", "be in [0, 1]", targets)
    if context.expects == "probabilities":
        check_probabilities("predictions", predictions)


def check_regression(inputs: Inputs, context: CheckContext) -> None:
    finite = torch.isfinite(inputs[1])
    if not bool(finite.all()):
        require(finite, "targets", "be finite", inputs[1])


def prepare_segmentation(inputs: Inputs, context: CheckContext) -> Inputs:
    logits = floating("logits", inputs[0])
    if logits.ndim != 4:
        raise BrokenRule("logits", "have shape (N, C, H, W)", shape_of(logits))
    return logits, like("targets", inputs[1], logits, "logits")


def check_segmentation(inputs: Inputs, context: CheckContext) -> None:
    logits, targets = inputs
    require((targets == 0) | (targets == 1), "targets", "be 0 or 1", targets)
    if context.expects == "probabilities":
        check_probabilities("logits", logits)


def prepare_multiclass(inputs: Inputs, context: CheckContext) -> Inputs:
    logits, targets = inputs
    if not isinstance(logits, Tensor) or logits.dtype not in COMPUTED:
        logits = floating("logits", logits)
    if logits.ndim < 2 or logits.shape[1] < 1:
        raise BrokenRule("logits", "have shape (N, C, ...) with at least one class", shape_of(logits))
    positions = logits.shape[:1] + logits.shape[2:]
    if isinstance(targets, Tensor) and targets.dtype == torch.int64 and targets.shape == positions:
        return logits, targets
    if isinstance(targets, Tensor) and targets.is_floating_point() and targets.shape != positions:
        return logits, like("targets", targets, logits, "logits")
    return logits, integers("targets", targets, positions)


def hide_multiclass(inputs: Inputs, mask: Tensor, context: CheckContext) -> Inputs:
    logits, targets = inputs
    wide = mask.unsqueeze(1)
    fill = 1 / logits.shape[1] if context.expects == "probabilities" else 0.0
    hidden = torch.where(wide, targets, 1 / logits.shape[1]) if targets.is_floating_point() else targets * mask
    return torch.where(wide, logits, fill), hidden


def check_multiclass(inputs: Inputs, context: CheckContext) -> None:
    logits, targets = inputs
    classes = logits.shape[1]
    if targets.is_floating_point():
        require(targets >= 0, "targets", "be probabilities", targets)
        total = targets.sum(1)
        require((total - 1).abs() < 1e-3, "targets", "sum to 1 over the classes", total)
    elif targets.numel():
        smallest, largest = torch.aminmax(targets)
        if smallest.item() < 0 or largest.item() >= classes:
            legal = (targets >= 0) & (targets < classes)
            if context.ignore_index is not None:
                legal |= targets == context.ignore_index
            require(legal, "targets", f"be labels from 0 to {classes - 1}", targets)
    if context.expects == "probabilities":
        check_probabilities("logits", logits)


def prepare_embedding(inputs: Inputs, context: CheckContext) -> Inputs:
    embeddings, labels = inputs
    if not isinstance(embeddings, Tensor) or embeddings.dtype not in COMPUTED or embeddings.ndim != 2:
        embeddings = rows("embeddings", embeddings)
    whole = isinstance(labels, Tensor) and labels.dtype == torch.int64 and not context.any_labels
    if whole and labels.shape == embeddings.shape[:1]:
        return embeddings, labels
    labels = undifferentiated("labels", labels)
    if context.any_labels:
        return embeddings, one_each("labels", labels, embeddings)
    if isinstance(labels, Tensor) and labels.ndim == 2 and labels.shape[0] == embeddings.shape[0]:
        return embeddings, real("labels", labels)
    return embeddings, integers("labels", labels, embeddings.shape[:1])


def check_embedding(inputs: Inputs, context: CheckContext) -> None:
    if inputs[1].ndim == 2 and not context.any_labels:
        require((inputs[1] == 0) | (inputs[1] == 1), "labels", "be 0 or 1 where they are multi-hot", inputs[1])


def hide_rows(inputs: Inputs, mask: Tensor, context: CheckContext) -> Inputs:
    """(N, D) tensors get zero rows, everything else of length N a zero."""
    hidden = (
        torch.where(mask.view(-1, *[1] * (x.ndim - 1)), x, torch.zeros((), dtype=x.dtype, device=x.device))
        for x in inputs
    )
    return tuple(hidden)


def prepare_pair(inputs: Inputs, context: CheckContext) -> Inputs:
    first = rows("first", inputs[0])
    same = undifferentiated("same", inputs[2])
    if not isinstance(same, Tensor) or same.shape != first.shape[:1]:
        raise BrokenRule("same", f"have shape {tuple(first.shape[:1])}", shape_of(same))
    return first, same_rows("first", first, "second", inputs[1]), real("same", same).to(first.dtype)


def check_pair(inputs: Inputs, context: CheckContext) -> None:
    require((inputs[2] == 0) | (inputs[2] == 1), "same", "be 0 or 1", inputs[2])


def prepare_rows(*names: str) -> Callable[[Inputs, CheckContext], Inputs]:
    def prepare(inputs: Inputs, context: CheckContext) -> Inputs:
        first = rows(names[0], inputs[0])
        others = (same_rows(names[0], first, name, x) for name, x in zip(names[1:], inputs[1:], strict=True))
        return first, *others

    return prepare


def prepare_neighbors(inputs: Inputs, context: CheckContext) -> Inputs:
    queries, candidates = rows("queries", inputs[0]), rows("candidates", inputs[2])
    if queries.shape[1] != candidates.shape[1]:
        raise BrokenRule("candidates", f"have shape (M, {queries.shape[1]})", shape_of(candidates))
    targets = one_each if context.any_labels else neighbor_targets
    query_targets = targets("query_targets", inputs[1], queries)
    candidate_targets = targets("candidate_targets", inputs[3], candidates)
    if query_targets.dtype != candidate_targets.dtype:
        raise BrokenRule(
            "candidate_targets",
            f"have the dtype of query_targets, {query_targets.dtype}",
            f"has {candidate_targets.dtype}",
        )
    own = inputs[4]
    if own is not None:
        own = integers("own", own, queries.shape[:1])
    return queries, query_targets, candidates, candidate_targets, own


def one_each(name: str, value: Any, of: Tensor) -> Tensor:
    """Any tensor with one entry for each row."""
    if not isinstance(value, Tensor) or value.shape[:1] != of.shape[:1]:
        raise BrokenRule(name, f"have one entry for each of the {of.shape[0]} rows", shape_of(value))
    checked: Tensor = undifferentiated(name, value)
    return checked


def neighbor_targets(name: str, value: Any, of: Tensor) -> Tensor:
    if isinstance(value, Tensor) and value.is_floating_point() and value.shape == of.shape[:1]:
        return value.to(of.dtype)
    return integers(name, value, of.shape[:1])


def hide_queries(inputs: Inputs, mask: Tensor, context: CheckContext) -> Inputs:
    queries, query_targets = hide_rows(inputs[:2], mask, context)
    return queries, query_targets, *inputs[2:]


def check_neighbors(inputs: Inputs, context: CheckContext) -> None:
    own, count = inputs[4], inputs[2].shape[0]
    if own is not None and not within(own, -1, count - 1):
        require((own >= -1) & (own < count), "own", f"be -1 or an index of the {count} candidates", own)


def prepare_penalty(inputs: Inputs, context: CheckContext) -> Inputs:
    try:
        tensors = [inputs[0]] if isinstance(inputs[0], Tensor) else list(inputs[0])
    except TypeError:
        raise BrokenRule("parameters", "be an iterable of tensors", shape_of(inputs[0])) from None
    check_tensors(("parameters", tensor) for tensor in tensors)
    return ([floating("parameters", tensor) for tensor in tensors],)


def nothing_to_hide(inputs: Inputs, mask: Tensor, context: CheckContext) -> Inputs:
    raise BrokenRule("mask", "be left out: a penalty is one value", shape_of(mask))


def accept(inputs: Inputs, context: CheckContext) -> None:
    """Every finite number is legal."""


def whole(inputs: Inputs) -> torch.Size:
    shape: torch.Size = inputs[0].shape
    return shape


def positions(inputs: Inputs) -> torch.Size:
    shape: torch.Size = inputs[0].shape
    return shape[:1] + shape[2:]


def samples(inputs: Inputs) -> torch.Size:
    shape: torch.Size = inputs[0].shape
    return shape[:1]


def scalar(inputs: Inputs) -> torch.Size:
    return torch.Size(())
