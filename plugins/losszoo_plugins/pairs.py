"""What losses share that set a row's positives against its negatives in one softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import safe_sqrt


def negative_log_share(odds: Tensor) -> Tensor:
    r"""Negative logarithm of the positives' share in a softmax, from the log odds of the negatives.

    .. math:: -\log \frac{1}{1 + e^{o}}

    It keeps its digits both where the share is nearly 0 and where it is nearly 1.

    Args:
        odds: result of :func:`losszoo.log_odds`, any shape; ``-inf`` where there is no negative.

    Returns:
        Shape of ``odds``, >= 0.

    Example:
        >>> negative_log_share(torch.tensor([0.0, 80.0]))
        tensor([ 0.6931, 80.0000])
    """
    return -torch.nn.functional.logsigmoid(-odds)


def directions(rows: Tensor) -> Tensor:
    r"""Rows over their length; a zero row stays zero, with a gradient of 0.

    .. math:: x / \lVert x \rVert_2

    Each row is first divided by its largest entry, so its squares neither overflow nor vanish.

    Args:
        rows: (..., D).

    Returns:
        Shape of ``rows``.

    Example:
        >>> directions(torch.tensor([[3e30, 4e30], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    if rows.numel() == 0:
        return rows
    largest = rows.detach().abs().amax(-1, keepdim=True)
    scaled = rows / torch.where(largest > 0, largest, 1.0)
    length = safe_sqrt((scaled * scaled).sum(-1, keepdim=True))
    # Not "length > 0": NaN stays NaN.
    zero = length == 0
    return torch.where(zero, 0.0, scaled / torch.where(zero, 1.0, length))


def softplus(x: Tensor) -> Tensor:
    r"""Softplus to the last digit; by default torch leaves out :math:`e^{-x}` from 20 on. 0, with no gradient, at -inf.

    .. math:: \log(1 + e^x)

    Example:
        >>> softplus(torch.tensor([-torch.inf, 0.0, 1e4]))
        tensor([0.0000e+00, 6.9315e-01, 1.0000e+04])
    """
    # e^-40 is less than half of the last digit of 40 in float64.
    return torch.nn.functional.softplus(x, threshold=40)
