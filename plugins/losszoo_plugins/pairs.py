"""What losses share that set a row's positives against its negatives in one softmax."""

from __future__ import annotations

import torch
from torch import Tensor


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
