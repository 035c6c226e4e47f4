"""Penalties on the size of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss


@loss(
    signature="penalty",
    tags=("regularizer", "sparse"),
    aliases=("lasso", "l1-penalty", "l1-regularization"),
)
def l1(parameters: Iterable[Tensor]) -> Tensor:
    r"""Sum of absolute parameters: drives many of them to zero.

    .. math:: \ell = \sum_j |w_j|

    For sparse parameters, as ``cross-entropy + 1e-4*l1``. The gradient of a parameter at 0 is 0. For the absolute
    error of a prediction see ``mae``.

    Args:
        parameters: tensors of any shape; half precision is summed in float32.

    Returns:
        One value for all of them, shape (); 0 where there are none.

    Example:
        >>> l1([torch.tensor([3.0, -4.0]), torch.tensor(1.0)])
        tensor(8.)

    Reference:
        Tibshirani, "Regression Shrinkage and Selection via the Lasso", Journal of the Royal Statistical
        Society B 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x.
    """
    return _total(parameters, torch.abs)


@loss(
    signature="penalty",
    tags=("regularizer",),
    aliases=("ridge", "tikhonov", "weight-decay", "l2-penalty", "l2-regularization"),
)
def l2(parameters: Iterable[Tensor]) -> Tensor:
    r"""Sum of squared parameters: keeps all of them small.

    .. math:: \ell = \sum_j w_j^2

    For small parameters, as ``cross-entropy + 1e-4*l2``; no factor of one half, and no root. Under plain SGD this is
    the optimiser's ``weight_decay`` of twice the weight; under Adam it is not the same thing. For the squared error of
    a prediction see ``mse``.

    Args:
        parameters: tensors of any shape; half precision is summed in float32.

    Returns:
        One value for all of them, shape (); 0 where there are none.

    Example:
        >>> l2([torch.tensor([3.0, -4.0]), torch.tensor(1.0)])
        tensor(26.)

    Reference:
        Hoerl, Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 1970,
        https://doi.org/10.1080/00401706.1970.10488634.
    """
    return _total(parameters, torch.square)


@loss(signature="penalty", tags=("regularizer", "sparse"), aliases=("elasticnet",))
def elastic_net(
    parameters: Iterable[Tensor], *, l1_ratio: Annotated[float, Range(0, 1, search=(0, 1))] = 0.5
) -> Tensor:
    r"""A mix of l1 and l2: sparse, but correlated parameters stay together.

    .. math:: \ell = r \sum_j |w_j| + \tfrac{1 - r}{2} \sum_j w_j^2

    For sparse parameters where several carry the same information: ``l1`` alone keeps one of them at random. Mixed as
    scikit-learn mixes them.

    Args:
        parameters: tensors of any shape; half precision is summed in float32.
        l1_ratio: r, share of the absolute values: 1 is l1, 0 is half of l2.

    Returns:
        One value for all of them, shape (); 0 where there are none.

    Example:
        >>> elastic_net([torch.tensor([3.0, -4.0])], l1_ratio=0.5)
        tensor(9.7500)

    Reference:
        Zou, Hastie, "Regularization and Variable Selection via the Elastic Net", Journal of the Royal
        Statistical Society B 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x.
    """
    # The factor goes inside the square: at l1_ratio = 1 a square that overflows would be 0 * inf = NaN.
    root = math.sqrt((1 - l1_ratio) / 2)
    return _total(parameters, lambda w: l1_ratio * w.abs() + (root * w).square())


def widen(values: Tensor) -> Tensor:
    """Half precision to float32, in which a sum of many terms can be held; float64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _total(parameters: Iterable[Tensor], term: Callable[[Tensor], Tensor]) -> Tensor:
    total = torch.zeros((), dtype=torch.float32)
    for values in parameters:
        total = total + term(widen(values)).sum()
    return total
