"""``@losszoo.loss`` and ``Range``: what a loss says of itself beside its docstring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])

# A number, or several: the type of class weights. `losszoo.losses_in` knows it by this name.
Floats = float | Sequence[float] | Tensor


@dataclass(frozen=True)
class Range:
    """The legal values of a number, written beside its type: ``gamma: Annotated[float, Range(0, None)] = 2.0``.

    Args:
        low: the least; None for no bound.
        high: the largest; None for no bound.
        bounds: which ends are legal, in interval notation: "[]", "()", "[)", "(]".
        log: True where a search should step in the logarithm.
        search: (low, high) that a tuner explores; the legal range where that is finite.

    Example:
        >>> Range(0, None, search=(0.5, 5))
        Range(low=0, high=None, bounds='[]', log=False, search=(0.5, 5))
    """

    low: float | None
    high: float | None
    bounds: str = field(default="[]", kw_only=True)
    log: bool = field(default=False, kw_only=True)
    search: tuple[float, float] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Declaration:
    """What :func:`loss` was given; the same is read from the source without running it."""

    signature: str
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    status: str
    stable_twin: str | None
    expects: str
    name: str | None


def loss(
    *,
    signature: str,
    tags: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    status: str = "stable",
    stable_twin: str | None = None,
    expects: str = "logits",
    name: str | None = None,
) -> Callable[[F], F]:
    """Declare a function, a row function or an ``nn.Module`` class as a loss. It is called as before, at no cost.

    Summary, formula, parameters and reference stand in its docstring and its annotations. A plugin offers all
    losses of a module with :func:`losszoo.losses_in`, which reads them from the source: so write literals.

    Args:
        signature: what the loss is called with, such as "binary" or "embedding".
        tags: free words to filter by.
        aliases: other names by which it is found; results and configs show its own.
        status: "stable", or "exhibit" for a known-unstable form that is kept to teach.
        stable_twin: for an exhibit, the loss to use instead.
        expects: what the predictions are: "logits", "probabilities" or "log-probabilities".
        name: the loss's name; the function's with dashes where it is left out.

    Example:
        >>> @loss(signature="regression", aliases=("squared-error",))
        ... def square(predictions, targets):
        ...     return (predictions - targets) ** 2
        >>> square.__losszoo_loss__.signature
        'regression'
    """
    declaration = Declaration(signature, tuple(tags), tuple(aliases), status, stable_twin, expects, name)

    def mark(function: F) -> F:
        function.__losszoo_loss__ = declaration  # type: ignore[attr-defined]
        return function

    return mark


def declared(thing: Any) -> Declaration | None:
    """What a function or class was declared with."""
    found = getattr(thing, "__losszoo_loss__", None)
    return found if isinstance(found, Declaration) else None
