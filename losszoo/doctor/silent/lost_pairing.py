"""Two inputs of as many numbers that broadcasting compares all with all, where each has its partner."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.pair_up import pair_up, rolled_rows, surplus_dim
from losszoo.doctor.silent.averaged_pairs import has_only_averages
from losszoo.doctor.silent.recorded_call import Recording, differs, recorded, tensors
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record

# Whoever gives a tensor another shape by these may want all pairs.
_RESHAPING = (
    *("unsqueeze", "squeeze", "reshape", "view", "view_as", "reshape_as", "expand", "expand_as", "broadcast_to"),
    *("transpose", "t", "permute", "movedim", "swapaxes", "flatten", "unflatten", "repeat", "tile", "stack", "cat"),
    *("getitem", "narrow", "select", "chunk", "split", "unbind", "gather", "take_along_dim", "diagonal", "meshgrid"),
    *("repeat_interleave", "adjoint", "atleast_2d", "index_select", "rearrange", "einsum", "outer", "cartesian_prod"),
)
_COMPARING = ("eq", "ne", "gt", "ge", "lt", "le", "where", "logical_and", "logical_or", "isclose")


def look_for_lost_pairing(subject: Subject, search: Search) -> None:
    """Finds an operation that makes all pairs of two inputs whose shapes came in as they are."""
    recording = recorded(subject, subject.leaves, torch.float32)
    if recording is None or not recording.values.numel():
        return
    for record in recording.tape.records:
        if (pair := _all_pairs(record)) is None:
            continue
        origins = [_origin(recording, x, record) for x in pair]
        if None in origins and has_only_averages(subject, recording, record, pair):
            search.add(_of_averages(subject, record))
            return
        if None in origins or not all(origins) or (origins[0] or set()) & (origins[1] or set()):
            continue
        _tell(subject, search, recording, record, pair, origins[1] or set())
        return


def _all_pairs(record: Record) -> tuple[Tensor, Tensor] | None:
    """The operands, where (N, 1) meets (N,) and each number of the one meets all of the other's."""
    if record.site.op in _COMPARING or len(record.args) < 2:
        return None
    a, b = record.args[:2]
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)) or a.numel() != b.numel() or abs(a.ndim - b.ndim) != 1:
        return None
    longer, shorter = (a, b) if a.ndim > b.ndim else (b, a)
    if surplus_dim(longer, shorter) is None:
        return None
    try:
        together = _together(a, b)
    except RuntimeError:
        return None
    made = next(iter(tensors(record.result)), None)
    whole = made is not None and (made.shape == together or (made.ndim == 0 and _is_loss(record)))
    return (longer, shorter) if whole and together.numel() > a.numel() else None


def _together(a: Tensor, b: Tensor) -> torch.Size:
    shape: torch.Size = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
    return shape


def _is_loss(record: Record) -> bool:
    """One of torch's own losses, which broadcast their two inputs before they reduce."""
    return record.site.op.endswith("_loss") or record.site.op == "kl_div"


def _origin(recording: Recording, tensor: Tensor, before: Record) -> set[int] | None:
    """The leaves that a tensor was computed from; None where the loss gave one of them another shape."""
    leaves = {id(x): index for index, x in enumerate(recording.given) if isinstance(x, Tensor)}
    waiting, found, seen = [(tensor, before.index)], set[int](), set[int]()
    while waiting:
        x, index = waiting.pop()
        if id(x) in leaves:
            found.add(leaves[id(x)])
            continue
        maker = recording.tape.maker(x, before=index)
        if maker is None or maker.index in seen:
            continue
        seen.add(maker.index)
        if maker.site.op in _RESHAPING or maker.kwargs.get("keepdim") or any(x is True for x in maker.args[1:]):
            return None
        waiting += [(y, maker.index) for y in tensors((maker.args, maker.kwargs))]
    return found


def _tell(
    subject: Subject,
    search: Search,
    recording: Recording,
    record: Record,
    pair: tuple[Tensor, Tensor],
    others: set[int],
) -> None:
    longer, shorter = pair
    together = tuple(_together(longer, shorter))
    first, second = (tuple(x.shape) for x in record.args[:2])
    said = f"{record.site.op} makes {together} of {first} and {second}"
    if not _is_lost(subject, others, subject.leaves):
        search.note(f"{said}, all pairs of two inputs, at {record.site.source}: is it meant?")
        return
    failure = Failure(
        *(subject, "ordinary input", "broadcast", torch.float32, subject.leaves, None),
        shows=lambda leaves: _is_seen(leaves, subject) and _is_lost(subject, others, leaves),
        said=(f"{said}: each is compared with all, and the order of either changes nothing", "give both one shape"),
        site=record.site,
        trial=partial(pair_up, subject, record.site, longer is record.args[0], others),
        of_shapes=True,
    )
    search.add(failure)


def _of_averages(subject: Subject, record: Record) -> Failure:
    """Without a trial: there may be several such products, and one line mends them all, where the shape is made."""
    first, second = (tuple(x.shape) for x in record.args[:2])
    cause = (
        f"mul makes {tuple(record.result.shape)} of {first} and {second}: each is multiplied with all, and only the "
        "averages of the two count"
    )
    said = (cause, "give both one shape: leave out what makes the column, or make one of the other too")
    return Failure(
        *(subject, "ordinary input", "broadcast", torch.float32, subject.leaves, None),
        shows=lambda leaves: _is_seen(leaves, subject) and all(map(torch.equal, leaves, subject.leaves)),
        said=said,
        site=record.site,
        of_shapes=True,
    )


def _is_seen(leaves: Leaves, subject: Subject) -> bool:
    """Whether an input still has two rows: one row has no other partner."""
    return all(len(leaves[i]) > 1 for i, x in enumerate(subject.leaves) if isinstance(x, Tensor) and x.ndim)


def _is_lost(subject: Subject, others: set[int], leaves: Leaves) -> bool:
    """Whether the rows of some inputs may be exchanged among themselves, and the value stays."""
    usual = evaluate(subject, leaves, torch.float64, gradients=False)
    rolled = evaluate(subject, rolled_rows(leaves, others), torch.float64, gradients=False)
    if usual.values is None or rolled.values is None or usual.values.shape != rolled.values.shape:
        return False
    return not differs(usual.values.mean(), rolled.values.mean(), 1e-9)
