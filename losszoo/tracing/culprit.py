"""Which operation is to blame for a number that is not finite: the culprit, not the victim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.tracing.finite_check import spoilt
from losszoo.tracing.float64_shadow import Shadow, parted, zero_by_underflow
from losszoo.tracing.operations import FILLS, UNWRITTEN
from losszoo.tracing.tape import Record, Site, Tape, nodes_under

EXPONENTIAL = ("exp", "expm1", "exp2", "cosh", "sinh")
# Of a number of entries, which somebody has computed.
_CHOOSING = ("topk", "narrow")
# An infinite or undefined result of these is never right for what went in, whatever the precision.
_ARITHMETIC = ("sum", "mean", "mul", "square", "pow", "add", "matmul", "bmm", "prod", "cumsum", "norm")


@dataclass(frozen=True)
class Blame:
    """The operation at fault.

    Args:
        record: the culprit.
        victim: the operation that first gave a number that is not finite, or lost its accuracy.
        why: "singular", "overflow", "underflow", "cancellation", "rounding", "swallowed", "clamped", "saturated",
            "hidden", "empty" or "extreme".
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


def culprit(
    tape: Tape, values: Tensor, backward: Callable[[], object], widened: Callable[[], Tape | None]
) -> Blame | None:
    """The culprit of values or gradients that are not finite; None where everything is finite.

    Args:
        tape: of the call that gave the values.
        values: that came out.
        backward: runs the derivative of them.
        widened: records the same call in float64; None where it cannot be made.
    """
    if not _is_spoilt(values):
        victim = _in_backward(tape, values, backward)
        return _of_derivative(tape, victim) if victim is not None else None
    victim = _origin(tape, values)
    return _before(Blame(victim, victim, "singular", False, tape), widened) if victim is not None else None


def _is_spoilt(values: Any) -> bool:
    return any(spoilt(values))


def _of_derivative(tape: Tape, victim: Record) -> Blame:
    infinite = _spoilt_source(tape, victim)
    if infinite is not None and not spoilt(victim.inputs).nan:
        # A forward infinity that was hidden, by a where for instance, until the derivative met it.
        return Blame(_root(tape, infinite), victim, "hidden", True, tape)
    underflow = next(filter(None, (zero_by_underflow(tape, x) for x in victim.inputs)), None)
    return Blame(underflow or victim, victim, "underflow" if underflow else "singular", True, tape)


def _origin(tape: Tape, values: Tensor) -> Record | None:
    """Where the NaN, or else the infinity, of the result was made."""
    last = tape.maker(values) or next((r for r in reversed(tape.records) if _is_spoilt(r.outputs)), None)
    if last is not None:
        return _root(tape, last)
    # The result was made by something that the tape did not see: the first operation that broke anything.
    return next((r for r in tape.records if is_broken(r)), None)


def is_broken(record: Record) -> bool:
    """Whether an operation gave NaN that was not there before, or, unmeant, infinity where everything was finite."""
    if record.site.op in (*FILLS, *UNWRITTEN):
        return False
    return spoilt(record.inputs).breaks(spoilt(record.outputs))


def _root(tape: Tape, record: Record) -> Record:
    """The first of the operations that spoilt this one."""
    while (source := _spoilt_source(tape, record)) is not None:
        record = source
    return record


def _spoilt_source(tape: Tape, record: Record) -> Record | None:
    """The operation that made what spoilt this one; None where it did so itself."""
    made = [(spoilt(x), tape.maker(x, before=record.index)) for x in record.inputs]
    known = [(state, maker) for state, maker in made if maker is not None and maker.site.op not in UNWRITTEN]
    with_nan = [maker for state, maker in known if state.nan]
    infinite = [maker for state, maker in known if state.infinite and not _is_meant(tape, maker)]
    return min(with_nan or infinite, key=lambda maker: maker.index, default=None)


def _is_meant(tape: Tape, maker: Record) -> bool:
    """Whether the infinity was written there on purpose, or was in the input and is only passed on."""
    if spoilt(maker.outputs).nan:
        return False
    sources = [tape.maker(x, before=maker.index) for x in maker.inputs if spoilt(x).infinite]
    if not sources and maker.site.op not in FILLS:
        return False
    return all(source is None or _is_meant(tape, source) for source in sources)


def _in_backward(tape: Tape, values: Tensor, backward: Callable[[], object]) -> Record | None:
    """The operation whose derivative is the first that is not finite."""
    if not values.requires_grad:
        return None
    owners, broken = tape.owners(), list[Any]()

    def watch(node: Any) -> Any:
        def hook(outgoing: Sequence[Tensor | None], incoming: Sequence[Tensor | None]) -> None:
            if not broken and node in owners and spoilt(incoming).breaks(spoilt(outgoing)):
                broken.append(node)

        return node.register_hook(hook)

    handles = [watch(node) for node in nodes_under(values.grad_fn)]
    try:
        backward()
    finally:
        for handle in handles:
            handle.remove()
    site = tape.site_of(broken[0]) if broken else None
    return replace(tape.records[owners[broken[0]]], site=site) if site is not None else None


def _before(blame: Blame, widened: Callable[[], Tape | None]) -> Blame:
    """Walk back to the operation whose float64 shadow parted from it."""
    victim, tape = blame.victim, blame.tape
    if victim.site.op in EXPONENTIAL and not _is_spoilt(victim.inputs):
        return replace(blame, why="overflow")
    chosen = _of_none(tape, victim)
    if chosen is not None:
        return replace(blame, record=chosen, why="empty")
    shadow = Shadow(tape, widened())
    for tensor in victim.inputs:
        maker = tape.maker(tensor, before=victim.index)
        if maker is None:
            continue
        if shadow.aligned and parted(tensor, shadow.of(tensor)):
            record = shadow.first_parted(maker)
            if record is not None:
                return replace(blame, record=record, why=shadow.reason(record))
        record = zero_by_underflow(tape, tensor)
        if record is not None:
            return replace(blame, record=record, why="underflow")
    infinite = spoilt(victim.outputs).infinite and not _is_spoilt(victim.inputs)
    overflowed = infinite and victim.site.op in _ARITHMETIC
    return replace(blame, why="overflow" if overflowed else "singular")


def _of_none(tape: Tape, record: Record) -> Record | None:
    """The selection by number, ``topk(0)``, that left an operation without anything; a mask may well choose nothing."""
    while record.site.op not in _CHOOSING:
        empty = [x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor) and not x.numel()]
        makers = [maker for x in empty if (maker := tape.maker(x, before=record.index)) is not None]
        if not makers:
            return None
        record = max(makers, key=lambda maker: maker.index)
    return record if record.inputs and all(x.numel() for x in record.inputs) else None
