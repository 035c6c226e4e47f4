"""Every operation of one call: who called it, on what, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor, peek_interpreter_stack
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from losszoo.tracing.authors import Place, applying_frame, author_frame, place_of
from losszoo.tracing.finite_check import entries
from losszoo.tracing.operations import is_reversed, is_unchanging, operation, written_by


@dataclass(frozen=True)
class Site:
    """An operation and the line that called it."""

    op: str
    place: Place | None = None

    @property
    def source(self) -> str | None:
        """``file.py:12``."""
        return str(self.place) if self.place is not None else None

    @property
    def code(self) -> str | None:
        """What is written there."""
        return self.place.text if self.place is not None else None


@dataclass(frozen=True)
class Record:
    """One operation of a call.

    Args:
        index: its place in the call.
        site: its name and line.
        func: what torch was asked to do.
        args: as they were before it ran.
        kwargs: likewise.
        result: what came out.
        applied: the line that called the custom autograd function in whose ``forward`` it ran.
    """

    index: int
    site: Site
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    applied: Place | None = None

    @property
    def inputs(self) -> list[Tensor]:
        """The floating tensors that went in."""
        return floating((self.args, self.kwargs))

    @property
    def outputs(self) -> list[Tensor]:
        """The floating tensors that came out."""
        return floating(self.result)

    @property
    def statistics(self) -> list[Tensor]:
        """The running mean and variance that a normalization wrote beside its result."""
        return floating(self.args[1:3]) if self.site.op in ("batch_norm", "instance_norm") else []

    def argument(self, name: str, position: int) -> Any:
        """An argument, given by name or by position; None where it was left out."""
        return self.kwargs.get(name, self.args[position] if len(self.args) > position else None)

    @property
    def is_reversed(self) -> bool:
        """Whether the second operand stands first, as in ``1 / x`` and ``1 - x``."""
        return is_reversed(self.func)


class Tape(TorchFunctionMode):
    """Writes down every operation on floating numbers.

    What is written in place, into a view or with ``out=`` is copied before: every record keeps the numbers that its
    operation saw.

    Args:
        everything: also operations that give no floating numbers, such as comparisons.
    """

    def __init__(self, everything: bool = False) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.outer: FrameType | None = None
        self._everything = everything
        self._makers: dict[int, int] = {}
        self._owners: dict[Any, int] = {}
        self._settled = 0
        self._replaced: list[Tensor] = []  # held, so that none gives its identity to another

    def __enter__(self) -> Any:
        """Of what runs inside, the caller's frame is the outer end."""
        self.outer = sys._getframe(1)
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *raised: Any) -> None:
        """The frame is let go of, and its variables with it."""
        self.outer = None
        super().__exit__(*raised)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        target = written_by(func, args, kwargs)
        if target is not None:
            return self._in_place(func, args, kwargs, target)
        result = func(*args, **kwargs)
        name = operation(func)
        if name and (self._everything or floating(result)):
            self._write(name, func, args, kwargs, result)
        return result

    def _in_place(self, func: Any, args: Any, kwargs: Any, target: Tensor) -> Any:
        self.owners()  # of the graph as it is before
        copies = self._copies_of_aliases(target)
        result = func(*args, **kwargs)
        given = {key: value for key, value in kwargs.items() if key != "out"}  # what is overwritten is no operand
        args, kwargs = _exchanged((args, given), copies)
        index = len(self.records)
        self._write(operation(func), func, args, kwargs, target)
        for tensor, copy in copies.values():
            if len(self.records) > index and _differs(plain(tensor), copy):
                self._makers[id(plain(tensor))] = index
        self.owners()
        return result

    def _copies_of_aliases(self, target: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
        """Copies of everything on the tape that shares the numbers of a tensor, which take its place in the records."""
        shared = _storage(target)
        held = [x for record in self.records for x in tree_leaves((record.args, record.kwargs, record.result))]
        known = [x for x in (target, target._base, *held) if isinstance(x, Tensor) and _storage(x) == shared]
        copies = {id(x): (x, plain(x).clone()) for x in known}
        for identity, (tensor, copy) in copies.items():
            maker = self._makers.get(id(plain(tensor)))
            if maker is not None:
                self._makers[id(copy)] = maker
            self._replaced += [tensor, copy] if identity != id(target) else [copy]
        for index, record in enumerate(self.records):
            if any(id(x) in copies for x in tree_leaves((record.args, record.kwargs, record.result))):
                args, kwargs, result = _exchanged((record.args, record.kwargs, record.result), copies)
                self.records[index] = replace(record, args=args, kwargs=kwargs, result=result)
        return copies

    def _write(self, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        if any(result is given for given in args) and is_unchanging(func):
            return  # a cast to what it is already: its maker is still the one before
        if peek_interpreter_stack() is not None:
            args, kwargs, result = (tree_map(plain, value) for value in (args, kwargs, result))
        site, applied = self.site_here(name), place_of(applying_frame(self.outer))
        record = Record(len(self.records), site, func, tuple(args), kwargs, result, applied)
        self.records.append(record)
        # What is only handed on, as broadcast_tensors does with tensors of one shape, was made before.
        given = {id(x) for x in tensors_in((args, kwargs))}
        for made in tensors_in(result):
            if id(made) not in given:
                self._makers[id(made)] = record.index

    def site_here(self, op: str) -> Site:
        """An operation at the author's line that runs."""
        return Site(op, place_of(self.author_frame()))

    def author_frame(self) -> FrameType | None:
        """The frame of the author whose line runs."""
        return author_frame(self.outer)

    def maker(self, tensor: Any, before: int | None = None) -> Record | None:
        """The operation that made a tensor."""
        index = self._makers.get(id(plain(tensor)))
        return self.records[index] if index is not None and (before is None or index < before) else None

    def owners(self) -> dict[Any, int]:
        """For each node of the graph the index of the operation that made it; one operation may make several."""
        for record in self.records[self._settled :]:
            for tensor in record.outputs:
                for node in nodes_under(_maker_node(tensor), known=self._owners):
                    self._owners[node] = record.index
        self._settled = len(self.records)
        return self._owners

    def site_of(self, node: Any) -> Site | None:
        """The operation behind a node of the graph, and its line; a custom autograd function goes by its own name."""
        index = self.owners().get(node)
        if index is None:
            return None
        record = self.records[index]
        if not isinstance(node, BackwardCFunction):
            return record.site
        own: Any = node
        return Site(own._forward_cls.__name__, record.applied or record.site.place)


def plain(value: Any) -> Any:
    """The numbers of all samples, where ``torch.func.vmap`` or ``grad`` shows an operation those of one.

    Its wrappers refuse to be looked at, and are dead once their call has ended.
    """
    while isinstance(value, Tensor) and is_functorch_wrapped_tensor(value):
        value = get_unwrapped(value)
    return value


def floating(values: Any) -> list[Tensor]:
    """The floating tensors in there."""
    return [x for x in tensors_in(values) if x.is_floating_point() or x.is_complex()]


def tensors_in(values: Any) -> list[Tensor]:
    """Every tensor in there; what an operation takes and gives is mostly plain, and then needs no general walk."""
    found: list[Tensor] = []
    _gather(values, found)
    return found


def _gather(value: Any, found: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, tuple | list):
        for item in value:
            _gather(item, found)
    elif type(value) is dict:
        for item in value.values():
            _gather(item, found)
    elif value is not None and not isinstance(value, int | float | str | torch.dtype | torch.device):
        found += [x for x in tree_leaves(value) if isinstance(x, Tensor)]


def nodes_under(root: Any, known: Container[Any] = ()) -> list[Any]:
    """Every node of the graph under a root that is not known yet."""
    seen: dict[Any, None] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen and node not in known:
            seen[node] = None
            waiting += [parent for parent, _ in node.next_functions]
    return list(seen)


def _maker_node(tensor: Tensor) -> Any:
    """The node that made a tensor; of a view that was made without a graph torch refuses to say."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def _exchanged(values: Any, copies: dict[int, tuple[Tensor, Tensor]]) -> Any:
    exchange: Callable[[Any], Any] = lambda x: copies[id(x)][1] if id(x) in copies else x  # noqa: E731
    return tree_map(exchange, values)


def _storage(tensor: Any) -> int:
    """What tells the memory of a tensor from that of others."""
    whole = plain(tensor)
    try:
        return int(whole.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse, or without memory
        return id(whole)


def _differs(one: Tensor, other: Tensor) -> bool:
    """Whether any number has changed; NaN is as it was."""
    if one.shape != other.shape:
        return True
    a, b = entries(one.detach()), entries(other.detach())
    return a is not None and b is not None and bool((a.ne(b) & ~(a.isnan() & b.isnan())).any())
