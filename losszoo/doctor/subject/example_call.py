"""How a loss is called with what an example returns: by place, by name, or with the whole batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError
from losszoo.losses.introspection import parameters_of, positional_names
from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE

Example = Callable[[], Any]


@dataclass(frozen=True)
class ExampleCall:
    """One ordinary call.

    Args:
        inputs: in the order of the names.
        names: of the arguments.
        keywords: those of the last inputs, which are passed by name.
        remark: what was assumed of it; "" where nothing was.
    """

    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    remark: str = ""


def call_with(loss: Any, example: Example, signature: str | None) -> ExampleCall:
    """The call that an example stands for.

    Args:
        loss: is called.
        example: returns a tuple of inputs, one tensor, or a dict: a keyword batch, or the only argument.
        signature: whose names the arguments have; None for the loss's own.

    Raises:
        UsageError: it returns something else, or what no loss could be called with.
    """
    made = _made(example)
    if isinstance(made, Mapping):
        return _of_batch(loss, {str(key): value for key, value in made.items()})
    names = TABLE[signature].arguments if signature else argument_names(loss)
    if isinstance(made, Tensor):
        return ExampleCall((made,), names)
    if not isinstance(made, Sequence) or isinstance(made, str | bytes) or not len(made):
        came = "an empty one" if made in ((), []) else f"something of type {type(made).__name__}"
        raise UsageError(f"the example must return one ordinary tuple of inputs, or a dict of them, got {came}")
    inputs = tuple(made)
    if not takes(loss, len(inputs)) and takes(loss, 1):
        whole = "list" if isinstance(made, list) else "tuple"
        return ExampleCall((made,), names, remark=f"the {whole} of the example is passed as one argument")
    return ExampleCall(inputs, names)


def argument_names(loss: Any) -> tuple[str, ...]:
    """The names of the arguments; without those that say nothing (``*inputs``)."""
    if isinstance(loss, Loss):
        return TABLE[loss.signature].arguments
    try:
        return positional_names(loss)
    except (TypeError, ValueError):
        return ()


def _made(example: Example) -> Any:
    try:
        with foreign_code():
            made = example()
    except (Exception, SystemExit) as error:
        raise UsageError(f"the example must return a tuple of inputs, got the error {in_one_line(error)}") from error
    tensors = [x for x in tree_leaves(made) if isinstance(x, Tensor)]
    for x in tensors:
        if x.layout != torch.strided or x.is_meta:
            raise UsageError(f"the example must hold dense tensors with values, got {x.layout} on {x.device}")
    if tensors and not any(x.numel() for x in tensors):
        raise UsageError(
            f"the example must hold at least one number, got {', '.join(str(tuple(x.shape)) for x in tensors)}"
        )
    return made


def _of_batch(loss: Any, batch: dict[str, Any]) -> ExampleCall:
    """By name where the names fit, else the whole batch as the only argument.

    Raises:
        UsageError: neither is possible.
    """
    parameters = _parameters(loss)
    named = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    required = [name for name in named if parameters[name].default is inspect.Parameter.empty]
    fits = set(required) <= set(batch)
    if fits and (takes_any or set(batch) <= set(named)) and (named or takes_any):
        keys = tuple(batch)
        remark = f"the example is a dict: the loss is called with {', '.join(f'{key}=' for key in keys)}"
        return ExampleCall(tuple(batch.values()), keys, keys, remark)
    if takes(loss, 1):
        name = next(iter(parameters), "batch")
        return ExampleCall((batch,), (name,), remark=f"the example is a dict: it is passed as {name}")
    raise UsageError(
        f"the dict of the example must have the names of the arguments, {', '.join(named) or 'none by name'}, "
        f"got {', '.join(batch) or 'an empty one'}"
    )


def _parameters(loss: Any) -> dict[str, inspect.Parameter]:
    return parameters_of(loss.forward if isinstance(loss, nn.Module) else loss)


def takes(loss: Any, count: int) -> bool:
    """Whether so many arguments can be passed by place; True where that cannot be read."""
    try:
        inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).bind(*[None] * count)
    except ValueError:
        return True
    except TypeError:
        return False
    return True
