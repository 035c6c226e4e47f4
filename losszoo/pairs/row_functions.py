"""How a row function is declared: by what it does with its whole row, or with two numbers of its softmax."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

from losszoo.errors import UsageError
from losszoo.losses.introspection import parameters_of
from losszoo.losses.similarity import check_similarity
from losszoo.pairs.log_odds import log_odds, spread

# What a row may need at least one of; a candidate is either.
PAIRS = ("positive", "negative", "candidate")
# What a row function is told of the labels where it has arguments of these names.
LABELS = ("row_labels", "column_labels")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class RowContract:
    """What the zoo must know to run a row function.

    Args:
        similarity: the default.
        temperature: the default; None for a loss that has none.
        needs: which pairs a row cannot do without.
        softmax: the loss as a function of the log odds (and the spread), where it is one: see :func:`softmax_row`.
        numbers: the row function for labels that are floating numbers.
        symmetric: the default of a loss over views that offers the mean of both directions.
    """

    similarity: str = "euclidean"
    temperature: float | None = 1.0
    needs: tuple[str, ...] = ("positive",)
    softmax: Callable[..., Tensor] | None = None
    numbers: Callable[..., Any] | None = None
    symmetric: bool = False


def contract_of(core: Callable[..., Any]) -> RowContract:
    """What a row function was declared with, or the defaults."""
    contract: RowContract = getattr(core, "__losszoo_row__", RowContract())
    return contract


def pairwise(
    *,
    similarity: str = "euclidean",
    temperature: float | None = 1.0,
    needs: tuple[str, ...] = ("positive",),
    temperature_search: tuple[float, float] | None = None,
    symmetric: bool | None = None,
) -> Callable[[F], F]:
    r"""Declare a pure row function as a loss over pairs.

    The function receives ``logits``, ``positive`` and ``negative``, each (rows, N): similarity of the row to every
    candidate divided by the temperature, and which candidates share its label or do not. Its own place is neither.
    It returns one value per row. Rows that lack what ``needs`` names take no part; the function sees such a row
    with every pair both positive and negative, so it need not handle emptiness, and its result there is dropped.
    It is called with some of the rows at a time, so a row must not look at another one; where it has arguments
    ``row_labels`` and ``column_labels`` it is given the labels too.

    Args:
        similarity: the default; the user may choose another one.
        temperature: the default; None for a loss that has no temperature.
        needs: which of "positive", "negative" and "candidate" (either) a row must have at least one of.
        temperature_search: (low, high) that a tuner explores.
        symmetric: the default of ``symmetric``, the mean of both directions, for a loss over views that offers it.

    Raises:
        UsageError: an unknown similarity, temperature or need.

    Example:
        >>> @pairwise(similarity="dot")
        ... def closest(logits, positive, negative):
        ...     return -logits.where(positive, -torch.inf).amax(1)
        >>> closest.__losszoo_row__.similarity
        'dot'
    """
    contract = _checked(similarity, temperature, needs, symmetric)

    def mark(function: F) -> F:
        function.__losszoo_row__ = contract  # type: ignore[attr-defined]
        return function

    return mark


def softmax_row(
    *,
    similarity: str = "euclidean",
    temperature: float | None = 1.0,
    needs: tuple[str, ...] = ("positive",),
    numbers: Callable[..., Any] | None = None,
    temperature_search: tuple[float, float] | None = None,
    symmetric: bool | None = None,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    r"""Declare a loss over pairs that sees of its row no more than two numbers of the softmax.

    .. math:: o_i = \log \sum_{j \in N_i} e^{s_{ij}} - \log \sum_{j \in P_i} e^{s_{ij}}, \qquad
        r_i = \log \sum_{j \in P_i} e^{s_{ij}} - \frac{1}{|P_i|} \sum_{j \in P_i} s_{ij}

    The log odds o of the negatives against the positives, and the spread r of the positives. The function receives
    ``odds`` (and ``spread``, if it has that argument), each (rows,), and returns one value per row. The engine knows
    the gradient of both in closed form, so such a loss is several times faster than a row function at large. What
    the decorator returns is called as any row function: ``f(logits, positive, negative)``.

    Args:
        similarity: the default; the user may choose another one.
        temperature: the default; None for a loss that has no temperature.
        needs: which of "positive", "negative" and "candidate" (either) a row must have at least one of. Without a
            positive the odds are ``+inf``, else without a negative ``-inf``.
        numbers: row function (see :func:`pairwise`) that takes over where the labels are floating numbers.
        temperature_search: (low, high) that a tuner explores.
        symmetric: the default of ``symmetric``, the mean of both directions, for a loss over views that offers it.

    Raises:
        UsageError: an unknown similarity, temperature or need.

    Example:
        >>> import torch
        >>> @softmax_row(similarity="cosine", temperature=0.1)
        ... def share(odds):
        ...     return torch.nn.functional.softplus(odds)
        >>> share(torch.zeros(1, 2), torch.tensor([[True, False]]), torch.tensor([[False, True]]))
        tensor([0.6931])
    """
    contract = _checked(similarity, temperature, needs, symmetric)

    def mark(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        spreads = wants_spread(function)

        @functools.wraps(function)
        def row(logits: Tensor, positive: Tensor, negative: Tensor, **params: Any) -> Tensor:
            odds = log_odds(logits, positive, negative)
            return function(odds, spread(logits, positive), **params) if spreads else function(odds, **params)

        row.__losszoo_row__ = replace(contract, softmax=function, numbers=numbers)  # type: ignore[attr-defined]
        return row

    return mark


@functools.lru_cache(maxsize=1024)
def wants_spread(function: Callable[..., Any]) -> bool:
    """Whether a function of the odds asks for the spread too."""
    return "spread" in parameters_of(function)


def _checked(similarity: str, temperature: float | None, needs: tuple[str, ...], symmetric: bool | None) -> RowContract:
    check_similarity(similarity, 1.0 if temperature is None else temperature)
    if not set(needs) <= set(PAIRS):
        raise UsageError(f"needs must be of {' and '.join(PAIRS[:2])}, or candidate, however: needs={needs!r}")
    return RowContract(similarity, temperature, tuple(needs), symmetric=bool(symmetric))
