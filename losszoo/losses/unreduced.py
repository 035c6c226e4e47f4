"""What a pure loss function gives back when a plain tensor of values does not say enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


class Unreduced(NamedTuple):
    """Unreduced values and how much each of them counts in a mean.

    A loss returns a plain tensor when every value counts once. It returns this where the mean's denominator is
    something else: class weights, an ignored index, a row without positives, a sum over a varying number of pairs.

    Args:
        values: one per element, sample or row. Where ``counts`` is 0 the value must be 0 and carry no gradient.
        counts: same shape, >= 0: ``mean`` is ``sum(values) / sum(counts)``. None: every value counts once.
    """

    values: Tensor
    counts: Tensor | None = None


class OverBatch(Unreduced):
    """Values that belong to no sample, as each is made of all of them: one Dice per class over a whole batch.

    What stands for a sample elsewhere is refused for them: a weight of samples, and the parts of a batch added up by
    ``denominator``. A mask is the function's own keyword ``mask``.

    Args:
        values: any shape, such as one per class.
        counts: same shape, as in :class:`Unreduced`.
    """

    __slots__ = ()


def wide(function: F) -> F:
    """Declare a pure function whose values may leave the range of float32 where their mean, or its root, does not.

    A square does: of 1e20 among a hundred zeros the mean fits float32. Where what comes out on the CPU is not finite,
    it is computed once more in float64, gradient included, and given in float32. Ordinary numbers cost nothing.

    Example:
        >>> import torch, losszoo
        >>> losszoo.create("mse")(torch.tensor([2e19, 0.0]), torch.zeros(2))
        tensor(2.0000e+38)
    """
    function.__losszoo_wide__ = True  # type: ignore[attr-defined]
    return function


def finish(last_step: Callable[[Tensor], Tensor]) -> Callable[[F], F]:
    """Declare what happens to the reduced value: ``rmse`` is the square root of a mean, not a mean of roots.

    With ``reduction="none"`` the step is applied to each value.

    Example:
        >>> import torch
        >>> @finish(torch.sqrt)
        ... def root(predictions, targets):
        ...     return (predictions - targets) ** 2
        >>> root.__losszoo_finish__(torch.tensor(9.0))
        tensor(3.)
    """

    def mark(function: F) -> F:
        function.__losszoo_finish__ = last_step  # type: ignore[attr-defined]
        return function

    return mark
