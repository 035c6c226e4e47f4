"""Writes in place: into the caller's tensors, and into what the derivative still needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.out_of_place import out_of_place
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, forward
from losszoo.tracing.operations import operation, written_by
from losszoo.tracing.tape import Site, Tape, plain

# More than this share of the value is no rounding.
_OTHER = 1e-4
_MOST_SITES = 12


class Writes(Tape):
    """Notes where something is written in place, and leaves out the writes of some sites.

    Args:
        left_out: sites whose writes are not made.
    """

    def __init__(self, left_out: Sequence[Site] = ()) -> None:
        super().__init__(everything=True)
        self.left_out = left_out
        self.written: list[tuple[Site, int]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        target = written_by(func, args, kwargs or {})
        if target is not None:
            site = self.site_here(operation(func))
            self.written.append((site, memory_of(target)))
            if site in self.left_out:
                return target
        return super().__torch_function__(func, types, args, kwargs)


def memory_of(tensor: Tensor) -> int:
    """What tells the memory of a tensor that is alive from that of others."""
    try:
        return int(plain(tensor).untyped_storage().data_ptr())
    except (NotImplementedError, RuntimeError):  # without memory
        return 0


def look_for_written_inputs(subject: Subject, search: Search) -> None:
    """Finds that a call changes the caller's tensors so that a second call on them gives another value."""
    tape = Writes()
    called = _called(subject, tape)
    if called is None:
        return
    values, given, after = called
    changed = [i for i, (x, y) in enumerate(zip(given, after, strict=True)) if isinstance(x, Tensor) and _differ(x, y)]
    if not changed:
        return
    first, second = evaluate(subject, given, gradients=False), evaluate(subject, after, gradients=False)
    if first.values is None or second.values is None or not _is_other(first.total, second.total):
        return
    index = next((i for i in changed if _is_other(first.total, _total(subject, given, i, after[i]))), changed[0])
    name = subject.names[owner_of(subject, index)]
    site = next((site for site, memory in tape.written if memory == values[index]), None)
    at = f"{site.op} at {site.source}" if site is not None else "the loss"
    cause = f"{at} writes into {name}, which is the caller's: a second call on it gives {second.total:.6g} in place of "
    failure = Failure(
        *(subject, "ordinary input", "misuse", torch.float32, subject.leaves, None),
        shows=partial(_changes_its_value, subject),
        said=(f"{cause}{first.total:.6g}", f"write into a copy: {name} = {name}.clone() before this line"),
        site=site,
        trial=partial(_with_copy, subject, index, name),
    )
    search.add(failure)


def owner_of(subject: Subject, index: int) -> int:
    """Which argument a leaf belongs to."""
    owners = [place for place, value in enumerate(subject.inputs) for _ in tree_leaves(value)]
    return owners[index]


def _called(subject: Subject, tape: Tape | None) -> tuple[list[int], Leaves, Leaves] | None:
    """The memory of the leaves that one call got, and their numbers before and after it; None where it raises."""
    memory, before, given = list[int](), list[Any](), list[Any]()

    def watched(*args: Any, **kwargs: Any) -> Any:
        given[:] = tree_leaves((args, kwargs))
        memory[:] = [memory_of(x) if isinstance(x, Tensor) else 0 for x in given]
        before[:] = [x.detach().clone() if isinstance(x, Tensor) else x for x in given]
        return call(*args, **kwargs)

    try:
        with torch.enable_grad(), computing_in(subject.call, torch.float32) as (call, _):
            forward(subject, watched, subject.leaves, torch.float32, tape)
    except Exception:  # told where the loss is evaluated
        return None
    if len(given) != len(subject.leaves):
        return None
    return memory, before, [x.detach() if isinstance(x, Tensor) else x for x in given]


def _differ(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or not torch.equal(one.nan_to_num(), other.nan_to_num())


def _is_other(one: float, other: float) -> bool:
    return abs(one - other) > _OTHER * max(abs(one), abs(other), 1e-6)


def _total(subject: Subject, given: Leaves, index: int, tensor: Tensor) -> float:
    leaves = list(given)
    leaves[index] = tensor
    return evaluate(subject, leaves, gradients=False).total


def _changes_its_value(subject: Subject, leaves: Leaves) -> bool:
    called = _called(subject.with_leaves(leaves), None)
    if called is None:
        return False
    _, given, after = called
    totals = [evaluate(subject, x, gradients=False).total for x in (given, after)]
    return _is_other(*totals)


def _with_copy(subject: Subject, index: int, name: str) -> tuple[str, bool | None]:
    """Whether a call that gets a copy gives the same value and leaves the caller's tensor as it is."""

    def copying(*args: Any, **kwargs: Any) -> Any:
        leaves = iter(range(len(subject.leaves)))
        args, kwargs = tree_map(lambda x: x.clone() if next(leaves) == index else x, (args, kwargs))
        return subject.call(*args, **kwargs)

    copied = replace(subject, call=copying)
    called = _called(copied, None)
    same = not _is_other(evaluate(subject, subject.leaves).total, evaluate(copied, subject.leaves).total)
    kept = called is not None and not _differ(called[1][index], called[2][index])
    return f"write into a copy: {name} = {name}.clone() before this line", True if same and kept else None


def look_for_overwritten_graph(subject: Subject, search: Search) -> bool:
    """Finds the write that the derivative does not survive; whether the loss has one."""
    if evaluate(subject, subject.leaves).error is None:
        return False
    tape = Writes()
    if evaluate(subject, subject.leaves, mode=tape, gradients=False).error is not None:
        return False
    sites = list(dict.fromkeys(site for site, _ in tape.written))[:_MOST_SITES]
    if not sites or not _survives(subject, sites, subject.leaves):
        return False
    guilty = [x for x in sites if not _survives(subject, [other for other in sites if other != x], subject.leaves)]
    if not guilty:
        return False
    site = guilty[0]
    search.add(
        Failure(
            *(subject, "ordinary input", "raises", torch.float32, subject.leaves, None),
            shows=lambda leaves: not _survives(subject, (), leaves) and _survives(subject, sites, leaves),
            said=(
                f"{site.op} at {site.source} writes over a tensor that the derivative of an earlier operation needs: "
                "backward raises an error on every input",
                "compute this out of place, into a new tensor",
            ),
            site=site,
            trial=partial(out_of_place, subject, guilty),
        )
    )
    return True


def _survives(subject: Subject, left_out: Sequence[Site], leaves: Leaves) -> bool:
    """Whether value and gradient can be computed when some writes are not made."""
    return evaluate(subject, leaves, mode=Writes(left_out)).error is None
