"""Changes of one tensor, or of one tensor into another, that keep it legal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from losszoo.doctor.domain import Leaf

# Magnitudes that ordinary training meets: saturation of exp in float32 is at 89 and 104.
LARGE = (20.0, 60.0, 100.0, 1e3)
SMALL = (1e-4, 1e-8, 1e-25)

Change = tuple[str, Tensor]


def changes_of(leaf: Leaf) -> Iterator[Change]:
    """Legal changes of one tensor: fills, repeats, single elements, scales; the plain ones first."""
    maker = _MAKERS.get(leaf.kind)
    if maker is None or not leaf.tensor.numel():
        return
    for label, tensor in itertools.chain(maker(leaf), _declared(leaf)):
        if leaf.legal(tensor):
            yield f"{leaf.name} {label}", tensor.to(leaf.tensor.dtype)


def _declared(leaf: Leaf) -> Iterator[Change]:
    """What the loss's own code says its input may hold."""
    x = leaf.tensor
    if leaf.may_be_nan and leaf.floating:
        changed = x.clone()
        changed.reshape(-1)[0] = torch.nan
        yield "with a NaN, which the loss looks for", changed
        yield "all NaN, which the loss looks for", torch.full_like(x, torch.nan)
    if leaf.ignored is not None:
        yield f"all {leaf.ignored}, which the loss leaves out", torch.full_like(x, leaf.ignored)
        single = torch.full_like(x, leaf.ignored)
        single.reshape(-1)[0] = x.reshape(-1)[0]
        yield f"{leaf.ignored} but for one", single


def copies_of(leaf: Leaf, other: Leaf) -> Iterator[Change]:
    """One tensor as a copy of another of its shape, or as its opposite."""
    x, y = leaf.tensor, other.tensor
    if x.shape != y.shape or leaf.index == other.index or not leaf.floating:
        return
    candidates = [("equal to", y), ("the opposite of", -y.to(x.dtype)), ("nearly", y.to(x.dtype) * (1 + 1e-5))]
    if leaf.kind in ("probability", "binary", "simplex"):
        candidates[1] = ("the opposite of", 1 - y.double())
    for label, tensor in candidates:
        if leaf.legal(tensor):
            yield f"{leaf.name} {label} {other.name}", tensor.to(x.dtype)


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
        yield f"{leaf.name} -inf where excluded", leaf.tensor.masked_fill(excluded, -torch.inf)


def _sure(leaf: Leaf, hot: Tensor) -> Iterator[Change]:
    if leaf.kind in ("probability", "simplex", "binary"):
        yield f"{leaf.name} right with probability 1", hot.to(leaf.tensor.dtype)
        wrong = hot.roll(1, 1) if leaf.kind == "simplex" else 1 - hot
        yield f"{leaf.name} wrong with probability 1", wrong.to(leaf.tensor.dtype)
    if leaf.kind == "real":
        for size in LARGE:
            sure = (hot * 2 - 1) * size
            yield f"{leaf.name} right by {size:g}", sure.to(leaf.tensor.dtype)
            yield f"{leaf.name} wrong by {size:g}", -sure.to(leaf.tensor.dtype)


def _one_hot(leaf: Leaf, labels: Leaf) -> Tensor | None:
    """The labels at the shape of the scores; None where they do not fit."""
    x, y = leaf.tensor, labels.tensor
    if not leaf.floating or leaf.index == labels.index:
        return None
    if labels.kind in ("binary", "simplex", "bool") and x.shape == y.shape:
        return y.double()
    if labels.kind == "label" and labels.classes == 2 and x.shape == y.shape:
        return y.clamp(0, 1).double()
    fits = labels.kind == "label" and x.ndim == y.ndim + 1 and x.shape[:1] == y.shape[:1] and x.shape[2:] == y.shape[1:]
    if not fits or labels.classes > x.shape[1]:
        return None
    hot = torch.nn.functional.one_hot(y.clamp(min=0).long(), x.shape[1]).double()
    return hot.movedim(-1, 1)


def _repeats(x: Tensor) -> Iterator[Change]:
    """Rows and columns that are equal."""
    if x.ndim and len(x) > 1:
        yield "with identical rows", x[:1].expand_as(x).clone()
        yield "with a duplicated row", torch.cat([x[:1], x[:1], x[2:]])
    if x.ndim > 1:
        yield "constant along its last dimension", x[..., :1].expand_as(x).clone()


def _fill(x: Tensor, *values: float) -> Iterator[Change]:
    for value in values:
        yield f"all {value:g}", torch.full_like(x, value)


def _first(x: Tensor, *values: float) -> Iterator[Change]:
    """The first row, or the first element of a vector, alone."""
    for value in values:
        if x.ndim and len(x) > 1:
            changed = x.clone()
            changed[0] = value
            yield f"with a first row of {value:g}", changed
        if x.ndim > 1 and x[0].numel() > 1:
            changed = x.clone()
            changed.reshape(-1)[0] = value
            yield f"with a first element of {value:g}", changed


def _real(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, -1.0)
    yield from _repeats(x)
    yield from _first(x, 0.0)
    yield "constant", torch.full_like(x, float(x.double().mean()))
    yield "rounded", x.round()
    for size in LARGE:
        yield f"all {size:g}", torch.full_like(x, size)
        yield f"all {-size:g}", torch.full_like(x, -size)
        yield f"times {size:g}", x * size
        yield from _first(x, size, -size)
    for size in SMALL:
        yield f"times {size:g}", x * size
    # Where squares lose the digits of their differences.
    yield "shifted by 1000", x + 1e3


def _positive(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0)
    yield from _repeats(x)
    yield from _first(x, 0.0)
    for size in (*SMALL, 0.01, 100.0, 1e4):
        yield f"times {size:g}", x * size


def _bounded(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, -1.0)
    yield from _repeats(x)
    yield from _first(x, 0.0, 1.0, -1.0)
    yield "rounded", x.round()


def _probability(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, 0.5)
    yield from _repeats(x)
    yield from _first(x, 0.0, 1.0)
    yield "rounded", x.round()
    yield "times 0.01", x * 0.01
    yield "times 1e-25", x * 1e-25


def _simplex(leaf: Leaf) -> Iterator[Change]:
    x, dim = leaf.tensor, leaf.dim
    count = x.shape[dim]
    for position, label in ((0, "first"), (count - 1, "last")):
        hot = torch.zeros_like(x)
        hot.select(dim, position).fill_(1.0)
        yield f"all on the {label} class", hot
    yield "all on the likeliest class", torch.zeros_like(x).scatter(dim, x.argmax(dim, keepdim=True), 1.0)
    yield "all on the unlikeliest class", torch.zeros_like(x).scatter(dim, x.argmin(dim, keepdim=True), 1.0)
    yield "uniform", torch.full_like(x, 1 / count)
    without = x.clone()
    without.select(dim, 0).fill_(0.0)
    yield "with a class of probability 0", without / without.sum(dim, keepdim=True)
    yield from _repeats(x) if dim != 0 else ()


def _log_probability(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _repeats(x)
    for size in (20.0, 104.0, 1e4):
        low = torch.full_like(x, -size)
        low.select(leaf.dim if x.ndim else 0, 0).fill_(0.0)
        yield f"certain, and {-size:g} elsewhere", low


def _unit(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _repeats(x)
    axis = torch.zeros_like(x)
    axis.select(leaf.dim, 0).fill_(1.0)
    yield "all on the first axis", axis
    yield "all against the first axis", -axis


def _rotation(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    size = x.shape[-1]
    yield "the identity", torch.eye(size, dtype=x.dtype).expand_as(x).clone()
    half = torch.ones(size)
    half[-2:] = -1.0
    yield "half a turn", torch.diag(half).to(x.dtype).expand_as(x).clone()
    yield from _repeats(x)


def _binary(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0)
    yield from _first(x, 0.0, 1.0)
    single = torch.zeros_like(x)
    single.reshape(-1)[0] = 1.0
    yield "with a single 1", single
    yield "complemented", 1 - x
    yield from _repeats(x)


def _bool(leaf: Leaf) -> Iterator[Change]:
    for label, tensor in _binary(Leaf(leaf.index, leaf.name, "binary", leaf.tensor.float())):
        yield label.replace("1", "True").replace("0", "False"), tensor.bool()


def _label(leaf: Leaf) -> Iterator[Change]:
    x = leaf.tensor
    low = int(x.min())
    yield "all the same", torch.full_like(x, max(low, 0))
    if low < 0:
        yield "all ignored", torch.full_like(x, low)
    yield "all the last class", torch.full_like(x, leaf.classes - 1)
    yield "all different", (torch.arange(x.numel()) % max(leaf.classes, 1)).view(x.shape).to(x.dtype)
    single = torch.full_like(x, min(1, leaf.classes - 1))
    single.reshape(-1)[0] = 0
    yield "with a single member of the first class", single
    yield "of one class against a single other", (1 - single).clamp(0, max(leaf.classes - 1, 0))


_MAKERS = {
    "real": _real,
    "positive": _positive,
    "bounded": _bounded,
    "probability": _probability,
    "simplex": _simplex,
    "log-probability": _log_probability,
    "unit": _unit,
    "rotation": _rotation,
    "binary": _binary,
    "bool": _bool,
    "label": _label,
}
