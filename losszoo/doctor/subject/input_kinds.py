"""What a tensor of an ordinary input may legally be: probabilities stay probabilities, labels stay labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.subject.sentinel_labels import sentinel_of
from losszoo.doctor.subject.subject import Subject
from losszoo.doctor.subject.trained_leaves import is_given, leaf_names
from losszoo.losses.signatures import TABLE

# So few numbers of one sign, or within [-1, 1], are chance.
_FEW = 6
_SCORE_NAMES = ("logit", "score", "energ", "sim", "attn", "attention")
_TOLERANCE = 1e-3

KINDS = (
    *("real", "positive", "bounded", "probability", "simplex", "log-probability"),
    *("unit", "rotation", "bits", "bool", "label", "complex", "other"),
)


@dataclass(frozen=True)
class Leaf:
    """One tensor of the input.

    Args:
        index: among the leaves.
        name: of its argument.
        kind: one of :data:`KINDS`.
        tensor: the ordinary value.
        dim: along which a simplex sums to 1 or a unit vector has its length.
        classes: how many labels there may be.
        given: comes from the data, and is not trained.
        logits: unbounded scores, in which -inf means "excluded".
        excludes: something says that there are such scores: the signature, the example, or the loss looks for them.
        may_be_nan: the loss itself looks at it for NaN.
        ignored: the label that the loss leaves out.
        sentinel: whole number in the example that stands for "no label"; where it stands it stays.
    """

    index: int
    name: str
    kind: str
    tensor: Tensor
    dim: int = -1
    classes: int = 0
    given: bool = False
    logits: bool = False
    excludes: bool = False
    may_be_nan: bool = False
    ignored: int | None = None
    sentinel: int | None = None

    @property
    def floating(self) -> bool:
        """Whether it holds floating numbers."""
        return self.tensor.is_floating_point()

    def legal(self, tensor: Tensor) -> bool:
        """Whether a changed value is still of this kind."""
        known = tensor[~tensor.isnan()] if self.may_be_nan else tensor
        return self.kind in ("real", "complex") or _is_of(self, known)


def leaves_of(subject: Subject) -> list[Leaf]:
    """Every tensor of the ordinary input, with its kind."""
    owners = leaf_names(subject.inputs, subject.names)
    leaves = [
        _leaf(subject, index, name, tensor)
        for index, (name, tensor) in enumerate(zip(owners, subject.leaves, strict=True))
        if isinstance(tensor, Tensor)
    ]
    leaves = [_with_classes(leaf, leaves, subject.picking) for leaf in leaves]
    # A sigmoid of each score excludes none, unless the loss itself looks for infinities.
    normalized, infinite = subject.normalized, subject.may_be_infinite
    leaves = [replace(x, logits=x.logits and (normalized is None or x.index in normalized)) for x in leaves]
    leaves = [replace(x, logits=True) if x.index in infinite and x.kind == "real" else x for x in leaves]
    said = bool(subject.signature) and not subject.inferred
    return [replace(x, excludes=said or x.index in infinite or _has_excluded(x)) for x in leaves]


def _has_excluded(leaf: Leaf) -> bool:
    return leaf.floating and bool(torch.isneginf(leaf.tensor).any())


def _leaf(subject: Subject, index: int, name: str, tensor: Tensor) -> Leaf:
    kind, dim = kind_of(tensor)
    if kind in _BY_CHANCE and index in subject.trained and not _is_within_one(subject, index, name):
        kind = _BY_CHANCE[kind]
    if subject.signature:
        kind = TABLE[subject.signature].leaf_kinds(subject.expects).get(name, kind)
    if kind == "label" and subject.assumed and "len" in name:
        kind = "other"  # the lengths of what was assumed fit it, and no others do
    sentinel = sentinel_of(tensor) if kind == "label" else None
    labels = tensor[tensor != sentinel] if sentinel is not None else tensor
    classes = int(labels.max()) + 1 if kind == "label" and labels.numel() else 0
    given = is_given(name) or index not in subject.trained
    said: dict[str, Any] = {"may_be_nan": index in subject.may_be_nan, "ignored": subject.ignored.get(index)}
    return Leaf(index, name, kind, tensor, dim, classes, given, sentinel=sentinel, **said)


# Numbers that merely happen to lie within 1 may be larger elsewhere: costs, coordinates, features.
_BY_CHANCE = {"probability": "positive", "bounded": "real"}
_BOUNDED_NAMES = ("prob", "conf", "cosine", "corr", "alpha", "gate", "sigmoid")


def _is_within_one(subject: Subject, index: int, name: str) -> bool:
    named = any(word in name.lower() for word in _BOUNDED_NAMES) or name.lower() in ("p", "q")
    return index in subject.within_one or named


def kind_of(tensor: Tensor) -> tuple[str, int]:
    """Kind, and the dim along which it holds.

    Example:
        >>> kind_of(torch.tensor([[0.2, 0.8], [0.5, 0.5]]))
        ('simplex', -1)
        >>> kind_of(torch.tensor([0, 2, 1]))
        ('label', -1)
    """
    if tensor.dtype == torch.bool:
        return "bool", -1
    if tensor.is_complex():
        return "complex", -1
    if not tensor.is_floating_point():
        known = tensor[tensor != sentinel_of(tensor)] if tensor.numel() else tensor
        whole = tensor.numel() > 0 and bool((known >= -1).all()) and tensor.ndim > 0
        return ("label", -1) if whole else ("other", -1)
    if not tensor.numel():
        return "real", -1
    return _floating_kind(tensor.double())


def _floating_kind(x: Tensor) -> tuple[str, int]:
    if bool(((x == 0) | (x == 1)).all()):
        return "bits", -1
    if bool((x >= 0).all()):
        return _nonnegative_kind(x)
    if bool((x <= 0).all()) and x.numel() >= _FEW:
        dim = _dim_where(x.exp(), lambda v, d: v.sum(d))
        return ("log-probability", dim) if dim is not None else ("real", -1)
    if x.ndim >= 2 and x.shape[-1] == x.shape[-2] and x.shape[-1] in (2, 3) and _is_orthogonal(x):
        return "rotation", -1
    dim = _dim_where(x, lambda v, d: v.norm(dim=d))
    if dim is not None and x.ndim >= 2:
        return "unit", dim
    bounded = bool((x.abs() <= 1).all()) and x.numel() >= 2 * _FEW
    return ("bounded", -1) if bounded else ("real", -1)


def _nonnegative_kind(x: Tensor) -> tuple[str, int]:
    dim = _dim_where(x, lambda v, d: v.sum(d))
    if dim is not None:
        return "simplex", dim
    if x.numel() >= 2 and bool((x <= 1).all()):
        return "probability", -1
    return ("positive", -1) if x.numel() >= _FEW or x.numel() == 1 else ("real", -1)


def _dim_where(x: Tensor, measure: Any) -> int | None:
    """The dim along which a measure is 1 everywhere."""
    for dim in (-1, 1):
        if x.ndim > abs(dim) - (dim < 0) and x.shape[dim] > 1 and _near(measure(x, dim), 1.0):
            return dim
    return None


def _near(x: Tensor, value: float) -> bool:
    return bool((x - value).abs().max() < _TOLERANCE)


def _is_orthogonal(x: Tensor) -> bool:
    return _near(x @ x.mT - torch.eye(x.shape[-1], dtype=x.dtype) + 1, 1.0)


_LABEL_NAMES = ("label", "target", "class", "truth")


def is_change_of_values(subject: Subject, leaves: Sequence[Any]) -> bool:
    """Whether an input is certainly legal: the sizes of the ordinary one, and no whole numbers but its classes.

    Other whole numbers may be lengths or indices; and embeddings beside labels do not say how many classes there are.
    """
    known = leaves_of(subject)
    for leaf in known:
        x = leaves[leaf.index]
        if x.shape != leaf.tensor.shape:
            return False
        whole = not leaf.floating and leaf.tensor.dtype != torch.bool
        among_seen = whole and _is_class(leaf, known) and bool(torch.isin(x, leaf.tensor).all())
        if whole and not among_seen and not torch.equal(x, leaf.tensor):
            return False
    return True


def _is_class(leaf: Leaf, leaves: Sequence[Leaf]) -> bool:
    """Whether whole numbers are classes: they pick among scores, or their name says so."""
    named = any(word in leaf.name.lower() for word in _LABEL_NAMES) or leaf.name.lower() == "y"
    return leaf.kind == "label" and (named or any(_picks(leaf, other) for other in leaves))


def _with_classes(leaf: Leaf, leaves: Sequence[Leaf], picking: frozenset[int] | None) -> Leaf:
    """A label's range as the scores beside it have it; scores are logits where labels pick among them."""
    if leaf.kind == "label":
        scores = [x for x in leaves if _picks(leaf, x)]
        classes = max([leaf.classes, *(x.tensor.shape[1] for x in scores)])
        return replace(leaf, classes=classes)
    labels = [x for x in leaves if x.kind == "label" and _picks(x, leaf)]
    if leaf.kind == "real" and any(picking is None or x.index in picking for x in labels):
        return replace(leaf, logits=any(word in leaf.name.lower() for word in _SCORE_NAMES))
    return leaf


def _picks(label: Leaf, scores: Leaf) -> bool:
    """Whether labels index the second dim of the scores."""
    x = scores.tensor
    fits = scores.floating and labels_beside(x, label.tensor) is not None
    return fits and x.shape[1] >= label.classes and x.shape[1] > 1


def labels_beside(scores: Tensor, labels: Tensor) -> Tensor | None:
    """One label for each row or pixel of the scores, also where they keep a dim of 1 for the classes; else None."""
    if labels.ndim == scores.ndim >= 2 and labels.shape[1] == 1 < scores.shape[1]:
        labels = labels[:, 0]
    fits = scores.ndim == labels.ndim + 1 and scores.shape[:1] == labels.shape[:1]
    return labels if fits and scores.shape[2:] == labels.shape[1:] else None


def _is_of(leaf: Leaf, x: Tensor) -> bool:
    if not x.numel():
        return True
    if leaf.kind == "label":
        low = 0 if leaf.sentinel is not None else min(0, int(leaf.tensor.min()))
        legal = (x >= low) & (x < max(leaf.classes, 1))
        for outside in {leaf.ignored, leaf.sentinel} - {None}:
            legal |= x == outside
        return bool(legal.all())
    if leaf.kind == "other":
        return bool((x == leaf.tensor).all()) if x.shape == leaf.tensor.shape else True
    return bool(_CHECKS[leaf.kind](x.double(), leaf.dim))


_CHECKS: dict[str, Any] = {
    "bool": lambda x, dim: True,
    "bits": lambda x, dim: bool(((x == 0) | (x == 1)).all()),
    "positive": lambda x, dim: bool((x >= 0).all()),
    "bounded": lambda x, dim: bool((x.abs() <= 1).all()),
    "probability": lambda x, dim: bool(((x >= 0) & (x <= 1)).all()),
    "simplex": lambda x, dim: bool(((x >= 0) & (x <= 1)).all()) and _near(x.sum(dim), 1.0),
    "log-probability": lambda x, dim: bool((x <= 0).all()),
    "unit": lambda x, dim: _near(x.norm(dim=dim), 1.0),
    "rotation": lambda x, dim: _is_orthogonal(x),
}
