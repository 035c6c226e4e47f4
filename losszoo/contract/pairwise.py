"""A loss over pairs, written as what one row of the pair matrix does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from losszoo.contract.answers import as_unreduced
from losszoo.contract.arguments import Inputs
from losszoo.contract.loss import Identity, Loss
from losszoo.contract.reduction import Policy, keep
from losszoo.contract.similarity import check_similarity, pairwise_logits
from losszoo.contract.unreduced import Unreduced
from losszoo.errors import UsageError

# What a row may need at least one of.
PAIRS = ("positive", "negative")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class RowContract:
    """What the zoo must know to run a row function: its similarity, and which pairs a row cannot do without."""

    similarity: str
    temperature: float | None
    needs: tuple[str, ...]


def pairwise(
    *, similarity: str = "euclidean", temperature: float | None = 1.0, needs: tuple[str, ...] = ("positive",)
) -> Callable[[F], F]:
    r"""Declare a pure row function as a loss over pairs.

    The function receives ``logits``, ``positive`` and ``negative``, each (rows, N): similarity of the row to every
    candidate divided by the temperature, and which candidates share its label or do not. Its own place is neither.
    It returns one value per row. Rows that lack what ``needs`` names take no part; the function sees such a row
    with every pair both positive and negative, so it need not handle emptiness, and its result there is dropped.

    Args:
        similarity: the default; the user may choose another one.
        temperature: the default; None for a loss that has no temperature.
        needs: which of "positive" and "negative" a row must have at least one of.

    Example:
        >>> @pairwise(similarity="dot")
        ... def closest(logits, positive, negative):
        ...     return -logits.where(positive, -torch.inf).amax(1)
        >>> closest.__losszoo_row__.similarity
        'dot'
    """
    check_similarity(similarity, 1.0 if temperature is None else temperature)
    if not set(needs) <= set(PAIRS):
        raise UsageError(f"needs must be of {' and '.join(PAIRS)}, however: needs={needs!r}")

    def mark(function: F) -> F:
        function.__losszoo_row__ = RowContract(similarity, temperature, tuple(needs))  # type: ignore[attr-defined]
        return function

    return mark


class PairwiseLoss(Loss):
    r"""A loss over pairs made from a row function and a similarity.

    Args:
        core: row function ``f(logits, positive, negative, **params) -> (rows,)``, marked by :func:`pairwise` or not.
        identity: its signature is "embedding" (positive = same label, or a shared one where labels are multi-hot)
            or "views" (positive = the same row of the other view). Its params may hold ``similarity``,
            ``temperature`` and, for views, ``symmetric``: the mean of queries-to-keys and keys-to-queries.
        policy: reduction and empty policy.
        validate: as in :class:`Loss`.

    Example:
        >>> def closest(logits, positive, negative):
        ...     return -logits.where(positive, -torch.inf).amax(1)
        >>> loss = PairwiseLoss(closest, Identity("closest", "embedding"))
        >>> loss(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([0, 0, 1]))
        tensor(2.)
    """

    _leaves_rows_out = True

    def __init__(
        self,
        core: Callable[..., Any],
        identity: Identity,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        validate: bool | None = None,
    ) -> None:
        if identity.signature not in ("embedding", "views"):
            raise UsageError(
                f"{identity.name}: a row function must have the signature embedding or views, "
                f"however: signature={identity.signature!r}"
            )
        super().__init__(core, identity, policy, validate)
        contract: RowContract = getattr(core, "__losszoo_row__", RowContract("euclidean", 1.0, ("positive",)))
        _check_row_params(identity, contract)
        self._needs = contract.needs
        self.similarity: str = self._params.pop("similarity", contract.similarity)
        self.temperature: float = self._params.pop("temperature", contract.temperature or 1.0)
        self.symmetric: bool = self._params.pop("symmetric", False)

    def _values(self, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        rows = inputs[0]
        columns = inputs[1] if self.signature == "views" else rows
        logits = pairwise_logits(rows, columns, self.similarity, self.temperature)
        positive, negative = self._pairs(inputs, mask)
        there = self._rows(logits, positive, negative, mask)
        if not self.symmetric:
            return there
        back = self._rows(logits.T, positive.T, negative.T, mask)
        counts = None if there.counts is None or back.counts is None else (there.counts + back.counts) / 2
        return Unreduced((there.values + back.values) / 2, counts)

    def _pairs(self, inputs: Inputs, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Which candidates are positive, and which negative; one's own place and masked rows are neither."""
        size, device = inputs[0].shape[0], inputs[0].device
        own = torch.eye(size, dtype=torch.bool, device=device)
        allowed = own.new_ones(()) if mask is None else mask[:, None] & mask[None, :]
        if self.signature == "views":
            return own & allowed, ~own & allowed
        same = same_label(inputs[1])
        return same & ~own & allowed, ~same & ~own & allowed

    def _rows(self, logits: Tensor, positive: Tensor, negative: Tensor, mask: Tensor | None) -> Unreduced:
        """The row function on every row, with rows that take no part replaced by a harmless one and then dropped."""
        valid = torch.ones(logits.shape[0], dtype=torch.bool, device=logits.device)
        for name, pairs in zip(PAIRS, (positive, negative), strict=True):
            valid = valid & pairs.any(1) if name in self._needs else valid
        valid = valid if mask is None else valid & mask
        lacking = ~valid[:, None]
        result = as_unreduced(self.core(logits, positive | lacking, negative | lacking, **self._params))
        if result.values.shape != valid.shape:
            raise UsageError(
                f"a row function must return one value per row, {tuple(valid.shape)}, "
                f"however: it returned {tuple(result.values.shape)}"
            )
        return keep(result, valid)


def _check_row_params(identity: Identity, contract: RowContract) -> None:
    params, name = identity.params, identity.name
    if "temperature" in params and contract.temperature is None:
        came = params["temperature"]
        raise UsageError(f"{name}: temperature must be left out, as this loss has none, however: {came!r}")
    try:
        check_similarity(params.get("similarity", contract.similarity), params.get("temperature", 1.0))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if "symmetric" in params and identity.signature != "views":
        raise UsageError(f"{name}: symmetric must go with views, however: the signature is {identity.signature}")


def same_label(labels: Tensor) -> Tensor:
    """(N, N): which rows share a label; (N, K) multi-hot labels share one where any is 1 in both."""
    if labels.ndim == 1:
        return labels[:, None] == labels[None, :]
    hot = labels.float()
    return hot @ hot.T > 0
