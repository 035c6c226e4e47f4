"""One call of a loss with its graph, and the same call with one operation's result moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, forward
from losszoo.tracing.tape import Record, Site, Tape, plain

# No operation is asked for more derivatives than this.
MOST_RECORDS = 2000


@dataclass(frozen=True)
class Recording:
    """Every operation of one call.

    Args:
        tape: of the call, with operations that give whole numbers or truth values.
        values: that came out, with their graph.
        given: the leaves as the loss got them.
        sources: for each trained leaf the tensor that its gradient is asked of.
        learned: parameters of the loss.
    """

    tape: Tape
    values: Tensor
    given: Leaves
    sources: dict[int, Tensor]
    learned: list[Tensor]

    def derived(self, leaf: int) -> set[int]:
        """Identities of all tensors that were computed from a leaf, whether a gradient passes or not."""
        found = {id(self.given[leaf])}
        for record in self.tape.records:
            if found.intersection(map(id, tensors((record.args, record.kwargs)))):
                found.update(map(id, tensors(record.result)))
        return found

    def reaching(self) -> set[int]:
        """Indices of the operations that the values were computed from, as far as tensors tell."""
        last = self.tape.maker(self.values)
        waiting, found = [last] if last is not None else [], set[int]()
        while waiting:
            record = waiting.pop()
            if record.index not in found:
                found.add(record.index)
                makers = (self.tape.maker(x, before=record.index) for x in tensors((record.args, record.kwargs)))
                waiting += [maker for maker in makers if maker is not None]
        return found


def recorded(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype) -> Recording | None:
    """A call on these leaves; None where it raises, or takes too many operations."""
    try:
        recording = _recorded(subject, leaves, dtype)
    except Exception:  # told where the loss is evaluated
        return None
    fits = len(recording.tape.records) <= MOST_RECORDS and len(recording.given) == len(subject.leaves)
    return recording if fits else None


def _recorded(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype) -> Recording:
    tape, given = Tape(everything=True), list[Any]()
    with torch.enable_grad(), computing_in(subject.call, dtype) as (call, learned):

        def watched(*args: Any, **kwargs: Any) -> Any:
            given[:] = tree_leaves((args, kwargs))
            return call(*args, **kwargs)

        values, sources = forward(subject, watched, leaves, dtype, tape)
    return Recording(tape, values, given, dict(zip(sorted(subject.trained), sources, strict=True)), learned)


def tensors(values: Any) -> list[Tensor]:
    """Every tensor in there, of any dtype, and the arrays that share its numbers."""
    return [plain(x) for x in tree_leaves(values) if isinstance(x, Tensor | np.ndarray)]


class Moved(Tape):
    """Adds a number to what one operation on one line gives, each time.

    Args:
        site: operation and line.
        step: is added.
    """

    def __init__(self, site: Site, step: float) -> None:
        super().__init__(everything=True)
        self.site = site
        self.step = step

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        count = len(self.records)
        result = super().__torch_function__(func, types, args, kwargs)
        written = len(self.records) > count and self.records[-1].site == self.site
        return tree_map(self._moved, result) if written else result

    def _moved(self, value: Any) -> Any:
        floating = isinstance(value, float) or (isinstance(value, Tensor) and value.is_floating_point())
        array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        return value + self.step if floating or array else value


def with_moved(subject: Subject, leaves: Sequence[Any], site: Site, step: float) -> Outcome:
    """What the loss gives in float64 when the result of an operation is another."""
    return evaluate(subject, leaves, torch.float64, mode=Moved(site, step))


def differs(one: Tensor | None, other: Tensor | None, tolerance: float = 1e-9) -> bool:
    """Whether two float64 results are different; what is not there is 0."""
    if one is None or other is None:
        return any(x is not None and bool(x.ne(0).any()) for x in (one, other))
    if one.shape != other.shape:
        return True
    scale = torch.maximum(one.abs().max(), other.abs().max()) if one.numel() else torch.ones(())
    return bool(((one - other).abs() > tolerance * scale).any())


def moves(record: Record) -> bool:
    """Whether an operation gives numbers that can be moved a little."""
    return any(
        isinstance(x, float)
        or (isinstance(x, Tensor) and x.is_floating_point())
        or (isinstance(x, np.ndarray) and x.dtype.kind == "f")
        for x in tree_leaves(record.result)
    )
