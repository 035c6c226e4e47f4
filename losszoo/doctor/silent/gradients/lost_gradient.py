"""Where the gradient of an input is lost: the operation that gets it and passes none on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.silent.recorded_call import Recording, moves, tensors
from losszoo.tracing.tape import Record

# Plain numbers, arrays and new tensors are made of a tensor by these; autograd sees none of it.
NUMBERS = ("item", "float", "int", "tolist", "numpy", "array", "tensor", "new_tensor")
DETACHING = ("detach", "data")
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne", "greater", "greater_equal", "less", "less_equal", "isclose")
PIECEWISE = ("round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "heaviside", "floor_divide", "floordiv")
INDICES = ("argmax", "argmin", "argsort", "bucketize", "searchsorted")
# Of these nothing but the shape, or whether it is a number at all, is asked.
_SHAPES = (
    *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "size", "dim", "numel", "len"),
    *("new_zeros", "new_ones", "new_full", "new_empty", "isfinite", "isnan", "isinf", "format", "repr", "str", "bool"),
)


def cuts_of(recording: Recording, leaf: int) -> Iterator[Record]:
    """The operations that get what depends on a leaf with a gradient, and give what has none; the first first.

    Those that give indices beside numbers, such as ``topk``, come last.
    """
    source, beside = recording.sources[leaf], list[Record]()
    lives = {id(recording.given[leaf])}
    for record in recording.tape.records:
        if not lives.intersection(map(id, tensors((record.args, record.kwargs)))) or record.site.op in _SHAPES:
            continue
        made = tensors(record.result)
        living = [x for x in made if has_derivative(x, source)]
        lives.update(map(id, living))
        if not living and _holds_numbers(record):
            yield record
        elif any(not x.is_floating_point() for x in made if isinstance(x, Tensor)):
            beside.append(record)
    yield from beside


def has_derivative(tensor: Tensor, source: Tensor) -> bool:
    """Whether a tensor has a derivative by a source that is not 0 everywhere."""
    if not isinstance(tensor, Tensor) or not tensor.requires_grad:
        return False
    generator = torch.Generator().manual_seed(0)
    # Equal weights would give 0 for what always sums to 1.
    weights = torch.rand(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype) + 0.5
    total = (tensor * weights).sum()
    try:
        (gradient,) = torch.autograd.grad(
            total.real if total.is_complex() else total, source, retain_graph=True, allow_unused=True
        )
    except RuntimeError:  # something that it needs was overwritten since
        return True
    return gradient is not None and bool(gradient.ne(0).any())


def _holds_numbers(record: Record) -> bool:
    """Whether the result can go on into the value: truth values, indices and numbers, and no shapes."""
    return moves(record) or any(
        isinstance(x, Tensor | int) and not isinstance(x, bool) for x in tree_leaves(record.result)
    )


def why_lost(record: Record) -> str:
    """Why an operation passes no gradient on, as the end of a sentence."""
    op = record.site.op
    if op in NUMBERS:
        made = {"numpy": "an array", "array": "an array", "tensor": "a new tensor", "new_tensor": "a new tensor"}
        return f"{op} makes {made.get(op, 'a plain number')} of it, which is detached from the graph"
    if op in DETACHING:
        return f"{op} leaves it detached from the graph"
    if op in COMPARISONS:
        return f"{op} is a comparison, which has no derivative"
    if op in PIECEWISE:
        return f"the derivative of {op} is 0 everywhere"
    whole = any(isinstance(x, Tensor) and not x.is_floating_point() for x in tensors(record.result))
    if op in INDICES or (whole and any(x.requires_grad for x in record.outputs)):
        return f"{op} gives indices, which have no derivative"
    if any(x.requires_grad for x in record.outputs):
        return f"the derivative of {op} is 0 there"
    if any(x.requires_grad for x in record.inputs) and not any(x.requires_grad for x in record.outputs):
        return f"{op} gives a result that is detached from the graph (no_grad, or no derivative)"
    return f"{op} passes no gradient on"
