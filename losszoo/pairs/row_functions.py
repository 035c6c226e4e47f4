"""How a row function is declared: by what it does with its whole row, or with two numbers of its softmax."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from losszoo.errors import UsageError
from losszoo.losses.introspection import parameters_of
from losszoo.losses.returned_values import as_unreduced, changed_in_place
from losszoo.losses.similarity import check_similarity
from losszoo.losses.unreduced import Unreduced
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
        labels: arguments of the row function that are labels.
        learned_temperature: the default of ``learned_temperature``.
        both_views: whether, of two views, the other rows of the own view are candidates too.
    """

    similarity: str = "euclidean"
    temperature: float | None = 1.0
    needs: tuple[str, ...] = ("positive",)
    softmax: Callable[..., Tensor] | None = None
    numbers: Callable[..., Any] | None = None
    symmetric: bool = False
    labels: tuple[str, ...] = ()
    learned_temperature: bool = False
    both_views: bool = False


def contract_of(function: Callable[..., Any]) -> RowContract:
    """What a row function was declared with, or the defaults."""
    contract: RowContract | None = getattr(function, "__losszoo_row__", None)
    return RowContract(labels=_labels_asked_by(function)) if contract is None else contract


def _labels_asked_by(function: Callable[..., Any]) -> tuple[str, ...]:
    asked = parameters_of(getattr(function, "forward", function) if inspect.isclass(function) else function)
    return tuple(name for name in LABELS if name in asked)


@dataclass(frozen=True)
class Row:
    """A row function and what it is called with.

    Args:
        function: ``f(logits, positive, negative, **params)``, or of the odds where ``softmax``.
        params: its hyperparameters.
        needs: which pairs a row cannot do without.
        softmax: whether it is a function of the odds (and the spread).
        extras: which of ``row_labels`` and ``column_labels`` it asks for, or "spread".
        miner: chooses among the pairs; None: all take part.
    """

    function: Callable[..., Any]
    params: Mapping[str, Any]
    needs: tuple[str, ...]
    softmax: bool = False
    extras: tuple[str, ...] = field(default=())
    miner: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None

    @property
    def learned(self) -> tuple[Tensor, ...]:
        """What a row function that is a module learns."""
        function = self.function
        return tuple(x for x in function.parameters() if x.requires_grad) if isinstance(function, nn.Module) else ()


def pairwise(
    *,
    similarity: str = "euclidean",
    temperature: float | None = 1.0,
    needs: tuple[str, ...] = ("positive",),
    temperature_search: tuple[float, float] | None = None,
    symmetric: bool | None = None,
    learned_temperature: bool = False,
    both_views: bool = False,
) -> Callable[[F], F]:
    r"""Declare a pure row function as a loss over pairs.

    The function receives ``logits``, ``positive`` and ``negative``, each (rows, N): similarity of the row to every
    candidate divided by the temperature, and which candidates share its label or do not. Its own place is neither.
    It returns one value per row. Rows that lack what ``needs`` names take no part; the function sees such a row
    with every pair both positive and negative, so it need not handle emptiness, and its result there is dropped.
    It is called with some of the rows at a time, so a row must not look at another one; where it has arguments
    ``row_labels`` and ``column_labels`` it is given the labels too. An ``nn.Module`` class whose ``forward`` is such a
    function learns its parameters; their gradient is streamed with that of the rows.

    Args:
        similarity: the default; the user may choose another one.
        temperature: the default; None for a loss that has no temperature.
        needs: which of "positive", "negative" and "candidate" (either) a row must have at least one of.
        temperature_search: (low, high) that a tuner explores.
        symmetric: the default of ``symmetric``, the mean of both directions, for a loss over views that offers it.
        learned_temperature: the default of ``learned_temperature``: whether the temperature is learned.
        both_views: for a loss over views: the other rows of the own view are negatives too, and the keys are rows as
            well; the value of a query is the mean of its own and its key's.

    Raises:
        UsageError: an unknown similarity, temperature or need.

    Example:
        >>> @pairwise(similarity="dot")
        ... def closest(logits, positive, negative):
        ...     return -logits.where(positive, -torch.inf).amax(1)
        >>> closest.__losszoo_row__.similarity
        'dot'
    """
    contract = replace(
        _checked(similarity, temperature, needs, symmetric),
        learned_temperature=learned_temperature,
        both_views=both_views,
    )

    def mark(function: F) -> F:
        function.__losszoo_row__ = replace(contract, labels=_labels_asked_by(function))  # type: ignore[attr-defined]
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
    learned_temperature: bool = False,
    both_views: bool = False,
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
        learned_temperature: the default of ``learned_temperature``: whether the temperature is learned.
        both_views: for a loss over views: the other rows of the own view are negatives too, and the keys are rows as
            well; the value of a query is the mean of its own and its key's.

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
    contract = replace(
        _checked(similarity, temperature, needs, symmetric),
        learned_temperature=learned_temperature,
        both_views=both_views,
    )

    def mark(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        spreads = wants_spread(function)

        @functools.wraps(function)
        def row(logits: Tensor, positive: Tensor, negative: Tensor, **params: Any) -> Tensor:
            odds = log_odds(logits, positive, negative)
            return function(odds, spread(logits, positive), **params) if spreads else function(odds, **params)

        row.__losszoo_row__ = replace(contract, softmax=function, numbers=numbers)  # type: ignore[attr-defined]
        return row

    return mark


def taking_part(row: Row, positive: Tensor, negative: Tensor) -> Tensor:
    """(rows,): which rows have what they need, from whether they have a positive and a negative."""
    valid = None
    for need in row.needs:
        has = positive if need == "positive" else negative if need == "negative" else positive | negative
        valid = has if valid is None else valid & has
    return torch.ones_like(positive) if valid is None else valid


def answer(row: Row, *inputs: Tensor, **extras: Tensor) -> Unreduced:
    """The function's answer in one form, after a look at its shape, its gradient, and what became of its inputs."""
    # A compiler or a function transform follows operations only.
    looking = not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())
    changes = 0
    for x in inputs if looking else ():
        changes -= 0 if x.is_inference() else x._version
    result = row.function(*inputs, **row.params, **extras)
    in_order = isinstance(result, Tensor) and result.is_floating_point() and result.dtype.itemsize >= 4
    unreduced = Unreduced(result) if in_order else as_unreduced(result)
    for x in inputs if looking else ():
        changes += 0 if x.is_inference() else x._version
    if changes:
        raise changed_in_place()
    rows = inputs[0].shape[:1]
    if unreduced.values.shape != rows:
        raise UsageError(
            f"a row function must return one value per row, {tuple(rows)}, got {tuple(unreduced.values.shape)}"
        )
    if unreduced.counts is not None and unreduced.counts.requires_grad:
        raise UsageError(
            "the counts of a row function must not depend on its logits, got counts with a gradient; detach them"
        )
    if torch.is_grad_enabled() and inputs[0].requires_grad and not unreduced.values.requires_grad:
        raise UsageError(
            "a row function must be differentiable in its logits, got values without a gradient; "
            "look for detach(), item(), argmax, a comparison, or torch.no_grad()"
        )
    return unreduced


def row_of(
    function: Callable[..., Any], contract: RowContract, params: Mapping[str, Any], *, numbers: bool, whole: bool
) -> Row:
    """The row function in the form that is called.

    Args:
        function: as it was declared.
        contract: what it was declared with.
        params: its hyperparameters.
        numbers: whether the labels are floating numbers.
        whole: whether whole rows are at hand, so that a function of the odds is called by its own name.
    """
    if numbers and contract.numbers is not None:
        function, contract = contract.numbers, contract_of(contract.numbers)
    elif contract.softmax is not None and not whole:
        extras = ("spread",) if wants_spread(contract.softmax) else ()
        return Row(contract.softmax, params, contract.needs, True, extras)
    return Row(function, params, contract.needs, False, contract.labels)


@functools.lru_cache(maxsize=256)
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function through ``torch.compile``, once for all losses that use it."""
    made: Callable[..., Any] = torch.compile(function)
    return made


@functools.lru_cache(maxsize=1024)
def wants_spread(function: Callable[..., Any]) -> bool:
    """Whether a function of the odds has an argument ``spread``."""
    return "spread" in parameters_of(function)


def _checked(similarity: str, temperature: float | None, needs: tuple[str, ...], symmetric: bool | None) -> RowContract:
    check_similarity(similarity, 1.0 if temperature is None else temperature)
    if not set(needs) <= set(PAIRS):
        raise UsageError(f"needs must be of {' and '.join(PAIRS[:2])}, or candidate, got {needs!r}")
    return RowContract(similarity, temperature, tuple(needs), symmetric=bool(symmetric))
