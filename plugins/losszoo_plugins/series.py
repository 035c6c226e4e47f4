"""Functions that cancel near a point, where their series stands."""

from __future__ import annotations

import torch
from torch import Tensor

# The series of e^s - 1 - s to s = 1/2: the next term is below the last digit of float64.
_NEAR, _TERMS = 0.5, 15


def excess(s: Tensor) -> Tensor:
    r"""What the exponential has beyond its tangent at 0, >= 0, to the last digits.

    .. math:: e^s - 1 - s

    Example:
        >>> excess(torch.tensor([1e-4, 1.0]))
        tensor([5.0002e-09, 7.1828e-01])
    """
    near = s.abs() < _NEAR
    small = torch.where(near, s, 0.0)
    series = torch.ones_like(small)
    for term in range(_TERMS, 2, -1):
        series = 1 + series * small / term
    far = torch.where(near, 1.0, s)
    return torch.where(near, series * small * small / 2, torch.expm1(far) - far)
