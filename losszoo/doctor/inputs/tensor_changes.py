"""Changes of one tensor, or of one tensor into another, that keep it legal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from losszoo.doctor.inputs.mutations import LARGE, MAKERS, Change, Made, Tag
from losszoo.doctor.subject.input_kinds import Leaf, labels_beside


def changes_of(leaf: Leaf) -> Iterator[Change]:
    """Legal changes of one tensor: fills, repeats, single elements, scales; the plain ones first."""
    return (change._replace(label=f"{leaf.name} {change.label}") for change in unnamed_changes(leaf))


def unnamed_changes(leaf: Leaf) -> Iterator[Change]:
    """As :func:`changes_of`; the labels do not say of which tensor."""
    maker = MAKERS.get(leaf.kind)
    if maker is None or not leaf.tensor.numel():
        return
    for made in itertools.chain(maker(leaf), _declared(leaf)):
        change = Change(*made)
        if leaf.legal(change.tensor):
            yield change._replace(tensor=change.tensor.to(leaf.tensor.dtype))


def _declared(leaf: Leaf) -> Iterator[Made]:
    """What the loss's own code says its input may hold."""
    x = leaf.tensor
    if leaf.may_be_nan and leaf.floating:
        changed = x.clone()
        changed.reshape(-1)[0] = torch.nan
        yield "with a NaN, which the loss looks for", changed
        yield "all NaN, which the loss looks for", torch.full_like(x, torch.nan)
    if leaf.ignored is not None:
        yield f"all {leaf.ignored}, which the loss leaves out", torch.full_like(x, leaf.ignored)
        if x.ndim > 1 and len(x) > 1:
            row = x.clone()
            row[0] = leaf.ignored
            yield f"with a first row of {leaf.ignored}, which the loss leaves out", row
        single = torch.full_like(x, leaf.ignored)
        single.reshape(-1)[0] = x.reshape(-1)[0]
        yield f"{leaf.ignored} but for one", single


def copies_of(leaf: Leaf, other: Leaf) -> Iterator[Change]:
    """One tensor as a copy of another of its shape, or as its opposite."""
    x, y = leaf.tensor, other.tensor
    if x.shape != y.shape or leaf.index == other.index or not (leaf.floating or leaf.kind == "complex"):
        return
    if y.is_complex() and not x.is_complex():
        return
    opposite = 1 - y.double() if leaf.kind in ("probability", "bits", "simplex") else -y.to(x.dtype)
    nearly = Change("nearly", y.to(x.dtype) * (1 + 1e-5), frozenset({Tag.NEARLY}))
    for label, tensor, tags in (Change("equal to", y), Change("the opposite of", opposite), nearly):
        if leaf.legal(tensor):
            if leaf.kind == "positive" and bool((tensor == 0).any()):
                tags |= {Tag.EDGE}
            yield Change(f"{leaf.name} {label} {other.name}", tensor.to(x.dtype), tags)


def scores_for(leaf: Leaf, labels: Leaf) -> Iterator[Change]:
    """Scores or probabilities that are sure of the labels, rightly and wrongly."""
    hot = _one_hot(leaf, labels)
    if hot is None:
        return
    yield from _sure(leaf, hot)
    if leaf.logits and leaf.tensor.ndim == 2:
        # The last class is excluded wherever it is not the answer.
        excluded = torch.zeros_like(leaf.tensor, dtype=torch.bool)
        excluded[:, -1] = hot[:, -1] == 0
        masked = leaf.tensor.masked_fill(excluded, -torch.inf)
        tags = {Tag.EXCLUDING} if leaf.excludes else {Tag.EXCLUDING, Tag.UNASKED}
        yield Change(f"{leaf.name} -inf where excluded", masked, frozenset(tags))


def _sure(leaf: Leaf, hot: Tensor) -> Iterator[Change]:
    if leaf.kind in ("probability", "simplex", "bits"):
        yield Change(f"{leaf.name} right with probability 1", hot.to(leaf.tensor.dtype))
        wrong = hot.roll(1, 1) if leaf.kind == "simplex" else 1 - hot
        yield Change(f"{leaf.name} wrong with probability 1", wrong.to(leaf.tensor.dtype))
    if leaf.kind == "real":
        for size in LARGE:
            sure = (hot * 2 - 1) * size
            yield Change(f"{leaf.name} right by {size:g}", sure.to(leaf.tensor.dtype))
            yield Change(f"{leaf.name} wrong by {size:g}", -sure.to(leaf.tensor.dtype))


def _one_hot(leaf: Leaf, labels: Leaf) -> Tensor | None:
    """The labels at the shape of the scores; None where they do not fit."""
    x, y = leaf.tensor, labels.tensor
    if not leaf.floating or leaf.index == labels.index:
        return None
    if labels.kind in ("bits", "simplex", "bool") and x.shape == y.shape:
        return y.double()
    if labels.kind == "label" and labels.classes == 2 and x.shape == y.shape:
        return y.clamp(0, 1).double()
    picked = labels_beside(x, y) if labels.kind == "label" else None
    if picked is None or labels.classes > x.shape[1]:
        return None
    known = torch.where((picked >= 0) & (picked < x.shape[1]), picked, 0)
    hot = torch.nn.functional.one_hot(known.long(), x.shape[1]).double()
    return hot.movedim(-1, 1)
