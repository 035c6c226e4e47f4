"""How two boxes lie: what the losses and the metric have in common."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Along(NamedTuple):
    """Two intervals along one axis, (N,) each; all but ``extent`` as shares of the extent of both together.

    Args:
        first: length of the first.
        second: length of the second.
        shared: length of what both cover.
        low: by how much the first begins before the second.
        high: by how much the first ends behind the second.
        meet: whether they overlap or touch.
        extent: from the first beginning to the last end.
    """

    first: Tensor
    second: Tensor
    shared: Tensor
    low: Tensor
    high: Tensor
    meet: Tensor
    extent: Tensor

    @property
    def first_only(self) -> Tensor:
        """Of the first, what the second does not cover: from the ends, as lengths nearly alike would cancel."""
        return torch.where(self.meet, torch.relu(self.low) + torch.relu(self.high), self.first)

    @property
    def second_only(self) -> Tensor:
        """Of the second, what the first does not cover."""
        return torch.where(self.meet, torch.relu(-self.low) + torch.relu(-self.high), self.second)


class Compared(NamedTuple):
    """Two boxes.

    Args:
        covered: IoU, (N,).
        missed: 1 - IoU, (N,), with digits of its own where boxes nearly agree; 1 for two boxes without an area that
            are not equal.
        empty: share of the smallest box around both that neither covers, (N,).
        across: along x.
        down: along y.
    """

    covered: Tensor
    missed: Tensor
    empty: Tensor
    across: Along
    down: Along


def compared(first: Tensor, second: Tensor) -> Compared:
    """Boxes (N, 4) against boxes (N, 4).

    Shares of areas do not change where an axis is scaled, so each axis is measured by its extent: no area overflows,
    and boxes that are flat along an axis in the same place are compared along the other one.
    """
    x, y = (_along(first[:, axis::2], second[:, axis::2]) for axis in (0, 1))
    only = x.first * y.first_only + y.shared * x.first_only + x.second * y.second_only + y.shared * x.second_only
    union = x.shared * y.shared + only
    # Below it the inverse leaves the dtype. Boxes that are so small a share of both extents have nothing in common.
    some = union > torch.finfo(union.dtype).tiny
    whole = torch.where(some, union, 1.0)
    covered, missed = x.shared * y.shared / whole, torch.where(some, only / whole, 1.0)
    # Where they meet, what neither covers are the corners at which one box is further out along x, the other along y.
    corners = sum(torch.relu(-(side * end)) for side in (x.low, x.high) for end in (y.low, y.high))
    empty = torch.where(x.meet & y.meet, corners, 1 - union)
    return Compared(covered, missed, empty, x, y)


def _along(first: Tensor, second: Tensor) -> Along:
    """Of intervals (N, 2)."""
    begin, end = torch.maximum(first[:, 0], second[:, 0]), torch.minimum(first[:, 1], second[:, 1])
    extent = torch.maximum(first[:, 1], second[:, 1]) - torch.minimum(first[:, 0], second[:, 0])
    flat = extent <= 0
    scale = torch.where(flat, 1.0, extent)

    def share(length: Tensor, if_flat: float) -> Tensor:
        return torch.where(flat, if_flat, length / scale)

    return Along(
        first=share(first[:, 1] - first[:, 0], 1.0),
        second=share(second[:, 1] - second[:, 0], 1.0),
        shared=share(torch.relu(end - begin), 1.0),
        low=share(second[:, 0] - first[:, 0], 0.0),
        high=share(first[:, 1] - second[:, 1], 0.0),
        meet=end >= begin,
        extent=extent,
    )
