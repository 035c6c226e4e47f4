"""A loss as a function: made once for each choice of parameters, and called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from losszoo.creation import create
from losszoo.errors import UnknownNameError, UsageError
from losszoo.functional.describe import OF_A_CALL, OF_MAKING, described, inputs_of, keyword_of, signature_of
from losszoo.registry.registry import installed
from losszoo.registry.specs import LossSpec

# What is made once and kept; anything else, such as a tensor of class weights, is used for one call and let go.
_PLAIN = (bool, int, float, str, type(None))
# Choices of each loss.
_MOST = 64
_FUNCTIONS: dict[str, tuple[LossSpec, Callable[..., Tensor]]] = {}


def names() -> list[str]:
    """The losses, as they are named here."""
    return [name.replace("-", "_") for name in installed().losses]


def function_of(name: str) -> Callable[..., Tensor]:
    """The function of a loss, by its name or alias with underscores.

    Raises:
        AttributeError: there is no such loss; says the nearest ones.

    Example:
        >>> import torch
        >>> function_of("focal")(torch.zeros(2), torch.ones(2), gamma=1.0)
        tensor(0.3466)
    """
    if name.startswith("_"):
        raise AttributeError(f"module 'losszoo.functional' has no attribute {name!r}")
    try:
        spec = installed().loss(name.replace("_", "-"))
    except UnknownNameError as error:
        raise AttributeError(f"module 'losszoo.functional' has no attribute {name!r}: {error}") from None
    kept = _FUNCTIONS.get(spec.name)
    if kept is None or kept[0] is not spec:
        kept = _FUNCTIONS[spec.name] = spec, _function(spec)
    return kept[1]


def _function(spec: LossSpec) -> Callable[..., Tensor]:
    inputs = inputs_of(spec)
    kept: dict[str, nn.Module] = {}
    keywords = {keyword_of(param.name): param.name for param in spec.params}

    def call(*args: Any, **given: Any) -> Tensor:
        named = {name: given.pop(name) for name in inputs if name in given}
        how = {name: given.pop(name) for name in OF_A_CALL if name in given}
        options = {name: given.pop(name) for name in OF_MAKING if name in given}
        params = {keywords.get(name, name): value for name, value in given.items()}
        # By their text: 1, True and 1.0 are three.
        choice = f"{list(options.items())} {list(params.items())}"
        plain = all(map(_is_plain, (*options.values(), *params.values())))
        loss = kept.get(choice) if plain else None
        if loss is None:
            loss = _made(spec.name, options, params)
            if plain:
                _keep(kept, choice, loss)
        value: Tensor = loss(*args, **named, **how)
        return value

    call.__name__ = call.__qualname__ = spec.name.replace("-", "_")
    call.__module__ = "losszoo.functional"
    call.__doc__ = described(spec)
    call.__signature__ = signature_of(spec)  # type: ignore[attr-defined]
    return call


def _keep(kept: dict[str, nn.Module], choice: str, loss: nn.Module) -> None:
    if len(kept) >= _MOST:
        del kept[next(iter(kept))]
    kept[choice] = loss


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(isinstance(x, _PLAIN) for x in value))


def _made(name: str, options: Mapping[str, Any], params: Mapping[str, Any]) -> nn.Module:
    loss = create(name, **options, **params)
    if next(loss.parameters(), None) is not None or next(loss.buffers(), None) is not None:
        raise UsageError(
            f"{name} keeps numbers of its own (it learns or counts), got a call as a function, which keeps "
            f"nothing; make it once, loss = losszoo.create({name!r}), and call that"
        )
    return loss
