"""Which operation is to blame: the culprit, not the victim."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from losszoo.common.plain_data import all_finite
from losszoo.doctor.diagnosis.float64_shadow import Shadow, parted, zero_by_underflow
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, forward
from losszoo.tracing.tape import Record, Site, Tape

# What fills with infinity means it.
FILLS = ("where", "masked_fill", "full", "full_like", "tensor", "new_tensor", "new_full", "fill", "setitem", "clone")


@dataclass(frozen=True)
class Blame:
    """The operation at fault.

    Args:
        record: the culprit.
        victim: the operation that first gave a number that is not finite, or lost its accuracy.
        why: "singular", "overflow", "underflow", "cancellation", "rounding", "swallowed" or "hidden".
        backward: it is the derivative that breaks.
        tape: of the call.
    """

    record: Record
    victim: Record
    why: str
    backward: bool
    tape: Tape

    @property
    def site(self) -> Site:
        """Operation and line."""
        return self.record.site

    @property
    def key(self) -> tuple[str, str | None]:
        """What makes two failures the same."""
        return self.site.op, self.site.source


def blame(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype, tape: Tape | None = None) -> Blame | None:
    """The culprit of a non-finite loss or gradient on these leaves; None where everything is finite.

    Args:
        subject: whose loss.
        leaves: the failing input.
        dtype: it fails in.
        tape: a fresh one, by default; another kind may change the loss while it writes.
    """
    tape = tape or Tape()
    with torch.enable_grad(), computing_in(subject.call, dtype) as (call, learned):
        values, sources = forward(subject, call, leaves, dtype, tape)
        spoilt = not bool(torch.isfinite(values).all())
        if spoilt:
            victim = _origin(tape, values)
            backward = False
        else:
            victim = _in_backward(tape, values, [*sources, *learned])
            backward = True
    if victim is None:
        return None
    if backward:
        infinite = _spoilt_source(tape, victim)
        if infinite is not None and not any(bool(x.isnan().any()) for x in victim.inputs):
            # A forward infinity that was hidden, by a where for instance, until the derivative met it.
            return Blame(_root(tape, infinite), victim, "hidden", backward, tape)
        underflow = next(filter(None, (zero_by_underflow(tape, x) for x in victim.inputs)), None)
        return Blame(underflow or victim, victim, "underflow" if underflow else "singular", backward, tape)
    return _culprit(subject, leaves, dtype, Blame(victim, victim, "singular", backward, tape))


def _origin(tape: Tape, values: Tensor) -> Record | None:
    """Where the NaN, or else the infinity, of the result was made."""
    last = _last_maker(tape, values)
    if last is not None:
        return _root(tape, last)
    # The result was made by something that the tape did not see: the first operation that broke anything.
    return next((r for r in tape.records if breaks(r.inputs, r.outputs) and r.site.op not in FILLS), None)


def _root(tape: Tape, record: Record) -> Record:
    """The first of the operations that spoilt this one."""
    while (source := _spoilt_source(tape, record)) is not None:
        record = source
    return record


def _last_maker(tape: Tape, values: Tensor) -> Record | None:
    return tape.maker(values) or next((r for r in reversed(tape.records) if not all_finite(r.outputs)), None)


def _spoilt_source(tape: Tape, record: Record) -> Record | None:
    """The operation that made what spoilt this one; None where it did so itself."""
    made = [(x, tape.maker(x, before=record.index)) for x in record.inputs]
    with_nan = [maker for x, maker in made if maker is not None and bool(x.isnan().any())]
    if with_nan:
        return min(with_nan, key=lambda maker: maker.index)
    infinite = [
        maker for x, maker in made if maker is not None and bool(x.isinf().any()) and not _is_meant(tape, maker)
    ]
    return min(infinite, key=lambda maker: maker.index) if infinite else None


def _is_meant(tape: Tape, maker: Record) -> bool:
    """Whether the infinity was written there on purpose, or was in the input and is only passed on."""
    if any(bool(x.isnan().any()) for x in maker.outputs):
        return False
    spoilt = [tape.maker(x, before=maker.index) for x in maker.inputs if bool(x.isinf().any())]
    if not spoilt and maker.site.op not in FILLS:
        return False
    return all(source is None or _is_meant(tape, source) for source in spoilt)


def _in_backward(tape: Tape, values: Tensor, sources: Sequence[Tensor]) -> Record | None:
    """The operation whose derivative is the first that is not finite."""
    if not values.requires_grad:
        return None
    owners = _owners(tape)
    broken: list[Record] = []

    def watch(node: Any) -> Any:
        def hook(outgoing: Sequence[Tensor | None], incoming: Sequence[Tensor | None]) -> None:
            if not broken and node in owners and breaks(_present(incoming), _present(outgoing)):
                broken.append(_named_after(node, owners[node]))

        return node.register_hook(hook)

    handles = [watch(node) for node in _nodes(values.grad_fn)]
    share = torch.full_like(values, 1 / max(values.numel(), 1))
    torch.autograd.grad(values, list(sources), share, allow_unused=True)
    for handle in handles:
        handle.remove()
    return broken[0] if broken else None


def _named_after(node: Any, record: Record) -> Record:
    """An autograd function of the author's own goes by its own name: its derivative is no operation's."""
    own = re.fullmatch(r"(\w+)Backward", node.name())
    return replace(record, site=replace(record.site, op=own[1])) if own else record


def _present(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [g for g in gradients if g is not None]


def _owners(tape: Tape) -> dict[Any, Record]:
    """The operation that made each node of the graph; one operation may make several."""
    owners: dict[Any, Record] = {}
    for record in tape.records:
        for tensor in record.outputs:
            if tape.maker(tensor) is not record:
                continue  # written into later: its node is the write's
            for node in _nodes(_maker_node(tensor), known=owners):
                owners[node] = record
    return owners


def _maker_node(tensor: Tensor) -> Any:
    """The node that made a tensor; of a view that was made without a graph torch refuses to say."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def _nodes(root: Any, known: Any = ()) -> list[Any]:
    """Every node of the graph under a root that is not known yet."""
    seen: dict[Any, None] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen and node not in known:
            seen[node] = None
            waiting += [parent for parent, _ in node.next_functions]
    return list(seen)


def breaks(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """NaN that was not there before, or infinity where everything was finite."""
    nan = any(bool(x.isnan().any()) for x in outputs)
    infinite = any(bool(x.isinf().any()) for x in outputs)
    had_nan = any(bool(x.isnan().any()) for x in inputs)
    had_infinite = any(bool(x.isinf().any()) for x in inputs)
    return not had_nan and (nan or (infinite and not had_infinite))


def _culprit(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype, found: Blame) -> Blame:
    """Walk back to the operation whose float64 shadow parted from it."""
    victim, tape = found.victim, found.tape
    if victim.site.op in ("exp", "expm1", "exp2", "cosh", "sinh") and all_finite(victim.inputs):
        return replace(found, why="overflow")
    shadow = Shadow(subject, leaves, tape, dtype)
    for tensor in victim.inputs:
        maker = tape.maker(tensor, before=victim.index)
        if maker is None:
            continue
        if shadow.aligned and parted(tensor, shadow.of(tensor)):
            record = shadow.first_parted(maker)
            if record is not None:
                return replace(found, record=record, why=shadow.reason(record))
        record = zero_by_underflow(tape, tensor)
        if record is not None:
            return replace(found, record=record, why="underflow")
    infinite = any(bool(x.isinf().any()) for x in victim.outputs) and all_finite(victim.inputs)
    overflowed = infinite and not _is_singular(victim)
    return replace(found, why="overflow" if overflowed else "singular")


def _is_singular(record: Record) -> bool:
    """Whether an infinite or undefined result is right for what went in, whatever the precision."""
    return record.site.op not in ("sum", "mean", "mul", "square", "pow", "add", "matmul", "prod", "cumsum", "norm")
