"""The parameters of a loss after it is made: their names, and how a new value takes effect."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.losses.introspection import parameters_of, positional_names
from losszoo.losses.sums.words import OF_ALL, OF_MINING

# What torch keeps in a module for itself.
_TORCHS = frozenset(vars(nn.Module()))
# What a state may be compared by, and set to.
_PLAIN = (bool, int, float, complex, str, bytes, type(None), Tensor)
_MISSING = object()
# What belongs to one batch, and not to a loss.
_OF_A_CALL = ("weight", "mask", "denominator")
# What other losses have, or all have where they are made.
_OF_OTHERS = ("similarity", "temperature", "symmetric", "streaming", "relation")
_OF_MAKING = ("expects", *OF_ALL, *OF_MINING)


def defaults_of(function: Callable[..., Any], *, of_class: bool) -> dict[str, Any]:
    """The parameters of a function (its keywords), or of the constructor of a class, with their defaults.

    Example:
        >>> def focal(predictions, targets, *, gamma=2.0): ...
        >>> defaults_of(focal, of_class=False)
        {'gamma': 2.0}
    """
    taken = () if of_class else (*positional_names(function), "mask")
    return {
        name: None if p.default is p.empty else p.default
        for name, p in parameters_of(function).items()
        if name not in taken and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


def attributes_of(function: Any) -> Iterator[str]:
    """What can be set on a module or an object that is called: its numbers and texts, and its buffers."""
    if inspect.isroutine(function) or not hasattr(function, "__dict__"):
        return
    yield from (name for name in vars(function) if name not in _TORCHS and not name.startswith("_"))
    yield from function._buffers if isinstance(function, nn.Module) else ()


def set_attribute(function: Any, name: str, value: Any) -> None:
    """A buffer keeps its dtype and device."""
    buffer = function._buffers.get(name) if isinstance(function, nn.Module) else None
    if buffer is not None:
        value = torch.as_tensor(value, dtype=buffer.dtype, device=buffer.device)
    setattr(function, name, value)


def refuse_misspelt(name: str, known: Iterable[str], whose: str) -> None:
    """An attribute with the name of an argument of a call, or nearly that of a parameter, would do nothing.

    Raises:
        UsageError: names the parameter that may be meant.
    """
    known = list(known)
    _refuse_of_a_call(name, whose)
    _refuse_of_others(name, whose)
    begun = [candidate for candidate in known if len(name) > 2 and candidate.startswith(name)]
    near = [*begun, *difflib.get_close_matches(name, known, n=1, cutoff=0.75)]
    if near:
        raise UsageError(f"{whose} has no parameter {name!r}, and setting it would do nothing: did you mean {near[0]}?")


def _refuse_of_a_call(name: str, whose: str) -> None:
    if name in _OF_A_CALL:
        raise UsageError(
            f"{whose}: {name} must be given with each call, loss(..., {name}=...); as an attribute it would do nothing"
        )


def _refuse_of_others(name: str, whose: str) -> None:
    """Attributes of other losses, which have no effect here."""
    if name in _OF_MAKING:
        raise UsageError(
            f"{whose}: {name} must be given where the loss is made, losszoo.create(..., {name}=...); as an attribute "
            "it would do nothing"
        )
    if name in _OF_OTHERS:
        raise UsageError(f"{whose} has no {name}, and setting it would do nothing")


def refuse_inside(whole: nn.Module, name: str, value: Any) -> None:
    """An attribute of a module that holds losses, with the name of a parameter of one of them, would do nothing.

    Raises:
        UsageError: whose parameter it is, or that it is an argument of a call.
    """
    own = name.startswith("_") or name in {**vars(whole), **whole._buffers, **whole._modules}
    if own or hasattr(type(whole), name) or isinstance(value, nn.Module):
        return
    _refuse_of_a_call(name, type(whole).__name__)
    for path, part in whole.named_modules():
        for known in getattr(part, "parameter_names", ()) if path else ():
            if known == name or difflib.get_close_matches(name, [known], n=1, cutoff=0.75):
                way = re.sub(r"\.(\d+)", r"[\1]", path)
                raise UsageError(
                    f"{known} is a parameter of {part.identity.name}: set it there, as in .{way}.{known}; "
                    f"{type(whole).__name__}.{name} would do nothing"
                )
    _refuse_of_others(name, type(whole).__name__)


def remake(
    function: Any, made: Callable[[Mapping[str, Any]], Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Make of ``function`` what the constructor would make of it with other parameters, keeping what it has learned.

    Both are constructed anew, from the same random numbers: what differs between the two is set. So a number that the
    constructor derives from a parameter follows it too.

    Raises:
        UsageError: what it learns depends on the parameter, or something that cannot be set.
    """
    with torch.random.fork_rng(devices=[]):
        old, new = (_seeded(made, params) for params in (before, after))
    if _shapes(new) != _shapes(function):
        raise UsageError("parameters of the loss would change their shape; make a new loss")
    changes = [
        (part, name, value)
        for path, part in _parts(function).items()
        for name, value in _differences(_parts(old)[path], _parts(new)[path])
    ]
    for part, name, value in changes:
        set_attribute(part, name, value)


def _seeded(made: Callable[[Mapping[str, Any]], Any], params: Mapping[str, Any]) -> Any:
    torch.default_generator.manual_seed(0)
    return made(params)


def _parts(function: Any) -> dict[str, Any]:
    return dict(function.named_modules()) if isinstance(function, nn.Module) else {"": function}


def _shapes(function: Any) -> list[Any]:
    if not isinstance(function, nn.Module):
        return []
    parts = [(path, type(part)) for path, part in function.named_modules()]
    return [*parts, *((name, x.shape) for name, x in (*function.named_parameters(), *function.named_buffers()))]


def _differences(old: Any, new: Any) -> Iterator[tuple[str, Any]]:
    """Attributes and buffers in which two objects of one class differ."""
    if isinstance(old, nn.Module):
        for name, p in old._parameters.items():
            if not _same(p, new._parameters[name]):
                raise UsageError(f"the learned {name} starts from it; make a new loss")
        yield from ((name, x) for name, x in new._buffers.items() if not _same(x, old._buffers[name]))
    for name in {**vars(old), **vars(new)}:
        if name in _TORCHS:
            continue
        was, becomes = vars(old).get(name, _MISSING), vars(new).get(name, _MISSING)
        if _same(was, becomes):
            continue
        if not _is_plain(becomes):
            raise UsageError(f"{type(new).__name__}.{name}, {kind_name(becomes)}, is computed from it; make a new loss")
        yield name, becomes


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    return (
        all(map(_is_plain, value)) if isinstance(value, list | tuple | set | frozenset) else isinstance(value, _PLAIN)
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two attributes, each of an object of its own, are the same thing."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and bool(torch.equal(one, other))
    if inspect.ismethod(one):
        return one.__func__ is other.__func__
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, (*_PLAIN, set, frozenset)) and bool(one == other)


@contextmanager
def in_single(function: nn.Module) -> Iterator[None]:
    """A block in which the half precision parameters and buffers of a module are float32; their gradients flow back."""
    swapped: list[tuple[dict[str, Any], str, Tensor, Tensor]] = []
    for part in function.modules():
        tables: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
        for table in tables:
            for name, x in table.items():
                if x is not None and x.dtype in (torch.float16, torch.bfloat16):
                    swapped.append((table, name, x, x.float()))
    if not swapped:
        yield
        return
    try:
        for table, name, _, wide in swapped:
            table[name] = wide
        yield
    finally:
        for table, name, narrow, _ in swapped:
            now, table[name] = table[name], narrow
            if isinstance(narrow, nn.Parameter):
                continue
            # A buffer may have been counted up, in place or as a new tensor.
            if now.shape == narrow.shape:
                with torch.no_grad():
                    narrow.copy_(now)
            else:
                table[name] = now.detach().to(narrow.dtype)
