"""Legal changes of a tensor of each kind: fills, repeats, single elements, scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from typing import NamedTuple

import torch
from torch import Tensor

from losszoo.doctor.subject.input_kinds import Leaf

# Magnitudes that ordinary training meets: saturation of exp in float32 is at 89 and 104.
LARGE = (20.0, 60.0, 100.0, 1e3)
SMALL = (1e-4, 1e-8, 1e-25)


class Tag(Enum):
    """What tells a probe from others, where it matters.

    Attributes:
        EDGE: a value that only closes the domain.
        FAR: numbers smaller or larger than training meets.
        NEARLY: a tensor that is nearly another.
        ONE_ROW: a batch of one.
        IDENTICAL_ROWS: every row is the first.
        ENLARGED: a hundred times as large, or more.
        EXCLUDING: scores of -inf where no label of the input is.
        UNASKED: nothing says that the loss is called with such an input.
    """

    EDGE = auto()
    FAR = auto()
    NEARLY = auto()
    ONE_ROW = auto()
    IDENTICAL_ROWS = auto()
    ENLARGED = auto()
    EXCLUDING = auto()
    UNASKED = auto()


Tags = frozenset[Tag]


class Change(NamedTuple):
    """A tensor in the place of an ordinary one, in words, and what tells it from others."""

    label: str
    tensor: Tensor
    tags: Tags = frozenset()


# Of a maker: most changes have no tags.
Made = Change | tuple[str, Tensor]


def _repeats(x: Tensor) -> Iterator[Made]:
    """Rows and columns that are equal."""
    if x.ndim and len(x) > 1:
        yield Change("with identical rows", x[:1].expand_as(x).clone(), frozenset({Tag.IDENTICAL_ROWS}))
        yield "with a duplicated row", torch.cat([x[:1], x[:1], x[2:]])
    if x.ndim > 1:
        first = x[..., :1].expand_as(x)
        # What is excluded by -inf stays so, and nothing else is: a row of -inf alone is no row of scores.
        yield "constant along its last dimension", torch.where(x.isfinite() & first.isfinite(), first, x)


def _times(x: Tensor, size: float) -> Change:
    return Change(f"times {size:g}", x * size, frozenset({Tag.ENLARGED} if size >= 100 else ()))


def _fill(x: Tensor, *values: float) -> Iterator[tuple[str, Tensor]]:
    for value in values:
        yield f"all {value:g}", torch.full_like(x, value)


def _first(x: Tensor, *values: float) -> Iterator[tuple[str, Tensor]]:
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


def _real(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, -1.0)
    yield from _repeats(x)
    yield from _first(x, 0.0)
    finite = x[x.isfinite()].double()
    yield "constant", torch.where(x.isfinite(), float(finite.mean()) if len(finite) else 0.0, x)
    yield "rounded", x.round()
    for size in LARGE:
        yield f"all {size:g}", torch.full_like(x, size)
        yield f"all {-size:g}", torch.full_like(x, -size)
        yield _times(x, size)
        yield from _first(x, size, -size)
    for size in SMALL:
        yield _times(x, size)
    # Where squares lose the digits of their differences.
    yield "shifted by 1000", x + 1e3
    if x.ndim > 1 and len(x) > 3:
        yield "in equal pairs of rows, shifted by 300", x[torch.arange(len(x)) // 2] * 10 + 300


def _positive(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _fill(x, 1.0)
    yield from _repeats(x)
    for size in (*SMALL, 0.01, 100.0, 1e4):
        yield _times(x, size)
    # Of what is positive 0 may be no member.
    for label, tensor in (*_fill(x, 0.0), *_first(x, 0.0)):
        yield Change(f"{label}, the edge of its domain", tensor, frozenset({Tag.EDGE}))


def _bounded(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, -1.0)
    yield from _repeats(x)
    yield from _first(x, 0.0, 1.0, -1.0)
    yield "rounded", x.round()


def _probability(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, 0.5)
    yield from _repeats(x)
    yield from _first(x, 0.0, 1.0)
    yield "rounded", x.round()
    yield "times 0.01", x * 0.01
    yield "times 1e-25", x * 1e-25


def _simplex(leaf: Leaf) -> Iterator[Made]:
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


def _log_probability(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _repeats(x)
    for size in (20.0, 104.0, 1e4):
        low = torch.full_like(x, -size)
        low.select(leaf.dim if x.ndim else 0, 0).fill_(0.0)
        yield f"certain, and {-size:g} elsewhere", low


def _unit(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _repeats(x)
    axis = torch.zeros_like(x)
    axis.select(leaf.dim, 0).fill_(1.0)
    yield "all on the first axis", axis
    yield "all against the first axis", -axis


def _rotation(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    size = x.shape[-1]
    yield "the identity", torch.eye(size, dtype=x.dtype).expand_as(x).clone()
    half = torch.ones(size)
    half[-2:] = -1.0
    yield "half a turn", torch.diag(half).to(x.dtype).expand_as(x).clone()
    yield from _repeats(x)


def _bits(leaf: Leaf) -> Iterator[Made]:
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0)
    yield from _first(x, 0.0, 1.0)
    single = torch.zeros_like(x)
    single.reshape(-1)[0] = 1.0
    yield "with a single 1", single
    yield "complemented", 1 - x
    yield from _repeats(x)


def _bool(leaf: Leaf) -> Iterator[Made]:
    for change in (Change(*made) for made in _bits(Leaf(leaf.index, leaf.name, "bits", leaf.tensor.float()))):
        yield change.label.replace("1", "True").replace("0", "False"), change.tensor.bool()


def _label(leaf: Leaf) -> Iterator[Made]:
    x, last = leaf.tensor, max(leaf.classes - 1, 0)
    for label, changed in _relabelled(leaf, last):
        yield label, changed if leaf.sentinel is None else torch.where(x == leaf.sentinel, x, changed)


def _relabelled(leaf: Leaf, last: int) -> Iterator[tuple[str, Tensor]]:
    x = leaf.tensor
    low = int(x.min()) if leaf.sentinel is None else 0
    yield "all the same", torch.full_like(x, max(low, 0))
    if low < 0:
        yield "all ignored", torch.full_like(x, low)
    yield "all the last class", torch.full_like(x, last)
    yield "all different", (torch.arange(x.numel()) % (last + 1)).view(x.shape).to(x.dtype)
    single = torch.full_like(x, min(1, last))
    first = int((x.reshape(-1) != leaf.sentinel).int().argmax()) if leaf.sentinel is not None else 0
    single.reshape(-1)[first] = 0
    yield "with a single member of the first class", single
    yield "of one class against a single other", (1 - single).clamp(0, last)


def _complex(leaf: Leaf) -> Iterator[Made]:
    """Where the phase is lost, where the size is, and where its square underflows."""
    x = leaf.tensor
    yield from _fill(x, 0.0, 1.0, -1.0)
    yield from _first(x, 0.0)
    yield from _repeats(x)
    yield "on the unit circle", torch.polar(torch.ones_like(x.abs()), x.angle())
    yield "real", torch.complex(x.real, torch.zeros_like(x.real))
    yield "imaginary", torch.complex(torch.zeros_like(x.real), x.imag)
    yield from (_times(x, size) for size in SMALL)


MAKERS: Mapping[str, Callable[[Leaf], Iterator[Made]]] = {
    "real": _real,
    "positive": _positive,
    "bounded": _bounded,
    "probability": _probability,
    "simplex": _simplex,
    "log-probability": _log_probability,
    "unit": _unit,
    "rotation": _rotation,
    "bits": _bits,
    "bool": _bool,
    "label": _label,
    "complex": _complex,
}
