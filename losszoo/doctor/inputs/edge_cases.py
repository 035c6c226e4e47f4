"""Edge cases that belong to a signature: what its users meet, whatever the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.example_inputs import example_inputs

Batch = tuple[Any, ...]
Case = tuple[str, Batch]


def battery(signature: str, expects: str = "logits", seed: int = 0) -> Iterator[Case]:
    """Legal edge cases of a signature, each with a label.

    Args:
        signature: one of the table.
        expects: "logits", "probabilities" or "log-probabilities".
        seed: of the ordinary batch that they start from.

    Example:
        >>> [label for label, _ in battery("regression")][:2]
        ['perfect prediction', 'residual 1e-30']
    """
    batch = example_inputs(signature, expects=expects, seed=seed)
    yield from _BATTERIES[signature](batch, expects)
    yield "one sample", _first(batch, 1)
    if signature != "penalty":
        yield "no sample", _first(batch, 0)


def _first(batch: Batch, count: int) -> Batch:
    if isinstance(batch[0], list):
        return ([x[:count] for x in batch[0]],)
    return tuple(x[:count] for x in batch)


def _binary(batch: Batch, expects: str) -> Iterator[Case]:
    predictions, targets = batch
    for label, sure in _sure(targets, expects):
        yield label, (sure, targets)
    for value in (0.0, 1.0):
        yield f"every target {value:g}", (predictions, torch.full_like(targets, value))
    yield "targets of 0.5", (predictions, torch.full_like(targets, 0.5))


def _sure(targets: Tensor, expects: str) -> Iterator[tuple[str, Tensor]]:
    """Predictions that are certain, right and wrong."""
    sizes = (20.0, 30.0, 89.0, 104.0, 1e4) if expects == "logits" else (torch.inf,)
    for size in sizes:
        right = torch.where(targets > 0.5, size, -size)
        for label, logits in (("right", right), ("wrong", -right)):
            yield f"saturated, {label}, by {size:g}", _expected(logits, expects)


def _expected(logits: Tensor, expects: str) -> Tensor:
    if expects == "logits":
        return logits
    probabilities = (logits > 0).to(logits.dtype)
    return probabilities if expects == "probabilities" else torch.where(logits > 0, 0.0, -1e4)


def _multiclass(batch: Batch, expects: str) -> Iterator[Case]:
    outputs, targets = batch
    hot = torch.nn.functional.one_hot(targets, outputs.shape[1]).float()
    for label, sure in _sure(hot, expects):
        if expects != "probabilities":
            yield label, (sure, targets)
    yield "all classes alike", (_uniform(outputs, expects), targets)
    if expects == "logits":
        masked = outputs.clone()
        masked[:, -1] = -torch.inf
        kept = targets % (outputs.shape[1] - 1)
        yield "a class excluded by -inf", (masked, kept)
        only = torch.where(hot > 0, outputs, -torch.inf)
        yield "every other class excluded by -inf", (only, targets)
        yield "logits offset by 1e4", (outputs + 1e4, targets)
    yield "one class only", (outputs, torch.zeros_like(targets))


def _uniform(outputs: Tensor, expects: str) -> Tensor:
    count = outputs.shape[1]
    value = {"logits": 0.0, "probabilities": 1 / count}.get(expects)
    return torch.full_like(outputs, value if value is not None else -torch.tensor(float(count)).log().item())


def _regression(batch: Batch, expects: str) -> Iterator[Case]:
    predictions, targets = batch
    yield "perfect prediction", (targets.clone(), targets)
    # The square of the largest is still a number; beyond it the squared error truly has none in float32.
    for size in (1e-30, 1e-8, 1e4, 1e18):
        yield f"residual {size:g}", (targets + size, targets)
    yield "one outlier of 1e18", (_with_first(predictions, 1e18), targets)
    yield "targets of 0", (predictions, torch.zeros_like(targets))
    yield "constant everything", (torch.ones_like(predictions), torch.ones_like(targets))


def _with_first(x: Tensor, value: float) -> Tensor:
    changed = x.clone()
    changed.view(-1)[0] = value
    return changed


def _segmentation(batch: Batch, expects: str) -> Iterator[Case]:
    logits, targets = batch
    empty = torch.zeros_like(targets)
    for name, mask in (("empty masks", empty), ("full masks", 1 - empty), ("masks", targets)):
        for label, sure in _sure(mask, expects):
            yield f"{name}, {label}", (sure, mask)
    yield "empty masks", (logits, empty)
    yield "a single pixel", (logits[..., :1, :1], targets[..., :1, :1])


def _embedding(batch: Batch, expects: str) -> Iterator[Case]:
    rows, labels = batch
    for label, changed in _geometry(rows):
        yield label, (changed, labels)
    yield "one class only", (rows, torch.zeros_like(labels))
    yield "all different classes", (rows, torch.arange(len(labels)))
    yield "one class and a single other", (rows, (torch.arange(len(labels)) == 0).long())
    centres = torch.eye(int(labels.max()) + 1, rows.shape[1])[labels]
    for size in (1.0, 200.0, 1e4):
        yield f"classes apart by {size:g}", (centres * size, labels)
        yield f"classes mixed up by {size:g}", (centres.roll(1, 0) * size, labels)


def _geometry(rows: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Places where distances and angles have no derivative, or no value."""
    yield "identical rows", rows[:1].expand_as(rows).clone()
    yield "a duplicated row", torch.cat([rows[:1], rows[:1], rows[2:]])
    yield "zero rows", torch.zeros_like(rows)
    yield "a zero row", torch.cat([torch.zeros_like(rows[:1]), rows[1:]])
    for size in (1e-20, 1e-4, 1e3, 1e4):
        yield f"rows times {size:g}", rows * size
    yield "rows far from the origin", rows + 1e3


def _pair(batch: Batch, expects: str) -> Iterator[Case]:
    first, second, same = batch
    for label, changed in _geometry(first):
        yield f"first: {label}", (changed, second, same)
    yield "identical pairs", (first, first.clone(), same)
    yield "opposite pairs", (first, -first, same)
    yield "zero rows on both sides", (torch.zeros_like(first), torch.zeros_like(second), same)
    for value in (0.0, 1.0):
        yield f"identical pairs, every same {value:g}", (first, first.clone(), torch.full_like(same, value))


def _triplet(batch: Batch, expects: str) -> Iterator[Case]:
    anchors, positives, negatives = batch
    for label, changed in _geometry(anchors):
        yield f"anchors: {label}", (changed, positives, negatives)
    yield "identical positives", (anchors, anchors.clone(), negatives)
    yield "identical negatives", (anchors, positives, anchors.clone())
    yield "everything identical", (anchors, anchors.clone(), anchors.clone())


def _views(batch: Batch, expects: str) -> Iterator[Case]:
    queries, keys = batch
    for label, changed in _geometry(queries):
        yield f"queries: {label}", (changed, keys)
        yield f"both: {label}", (changed, changed.clone())
    yield "identical views", (queries, queries.clone())
    yield "opposite views", (queries, -queries)


def _neighbors(batch: Batch, expects: str) -> Iterator[Case]:
    queries, targets, candidates, candidate_targets, own = batch
    for label, changed in _geometry(candidates):
        yield f"candidates: {label}", (changed[: len(queries)].clone(), targets, changed, candidate_targets, own)
    other = torch.full_like(candidate_targets, int(targets.max()) + 1)
    yield "no candidate of the own class", (queries, targets, candidates, other, torch.full_like(own, -1))


def _penalty(batch: Batch, expects: str) -> Iterator[Case]:
    (parameters,) = batch
    for value in (0.0, 1e-30, 1e10):
        yield f"every parameter {value:g}", ([torch.full_like(p, value) for p in parameters],)


_BATTERIES: dict[str, Callable[[Batch, str], Iterator[Case]]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _regression,
    "segmentation": _segmentation,
    "embedding": _embedding,
    "pair": _pair,
    "triplet": _triplet,
    "views": _views,
    "neighbors": _neighbors,
    "penalty": _penalty,
}
