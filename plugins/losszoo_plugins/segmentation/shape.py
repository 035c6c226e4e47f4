"""A loss on the shape of thin regions: clDice, on soft skeletons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import Range, Unreduced, UsageError, loss
from losszoo_plugins.segmentation.maps import counted, hidden, probabilities, spatial

_POOLS: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@loss(
    signature="segmentation",
    tags=("overlap", "shape", "per-map"),
    aliases=("soft-cldice", "centerline-dice"),
)
def cldice(
    logits: Tensor,
    targets: Tensor,
    *,
    iterations: Annotated[int, Range(1, None, search=(1, 10))] = 3,
    smooth: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 100))] = 1.0,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Centreline Dice: whether the skeleton of each region lies within the other, so that thin lines stay connected.

    .. math:: \ell = 1 - \frac{2 \, T_p T_s}{T_p + T_s}, \quad
        T_p = \frac{\sum_i s(p)_i t_i + s}{\sum_i s(p)_i + s}, \; T_s = \frac{\sum_i s(t)_i p_i + s}{\sum_i s(t)_i + s}

    For vessels, roads and nerves, beside ``dice``: a gap of one pixel costs Dice nothing and this one a lot. The soft
    skeleton is made by repeated erosion and opening; ``iterations`` is at least half the width of the thickest line.
    It takes logits: MONAI's takes activated maps, and is silently wrong on logits.

    Args:
        logits: (N, C, H, W), or with one or three spatial dimensions.
        targets: maps of that shape, 0 or 1; or labels (N, ...).
        iterations: of the skeleton.
        smooth: s, pixels added.
        mask: boolean, shape of ``logits``; False pixels take no part.

    Returns:
        One value per map, (N, C), in [0, 1].

    Raises:
        UsageError: more than three spatial dimensions.

    Example:
        >>> line = torch.zeros(1, 1, 5, 5)
        >>> line[..., 2, :] = 1.0
        >>> cldice(200 * line - 100, line).values
        tensor([[0.]])

    Reference:
        Shit, Paetzold, Sekuboyina, Ezhov, Unger, Zhylka, Pluim, Bauer, Menze, "clDice - a Novel Topology-Preserving
        Loss Function for Tubular Structure Segmentation", CVPR 2021, https://arxiv.org/abs/2003.07311.
    """
    if logits.ndim - 2 not in _POOLS:
        raise UsageError(f"logits must have one to three spatial dimensions, got shape {tuple(logits.shape)}")
    if not logits.numel():
        return Unreduced(logits.flatten(2).sum(2), logits.new_zeros(logits.shape[:2]))
    p, t = hidden(probabilities(hidden(logits, mask))[0], mask), hidden(targets, mask)
    pixels = spatial(logits)
    of_p, of_t = _skeleton(p, iterations), _skeleton(t, iterations)
    precision = ((of_p * t).sum(pixels) + smooth) / (of_p.sum(pixels) + smooth)
    recall = ((of_t * p).sum(pixels) + smooth) / (of_t.sum(pixels) + smooth)
    there = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask
    return counted(1 - 2 * precision * recall / (precision + recall), there.flatten(2).any(2))


def _skeleton(maps: Tensor, iterations: int) -> Tensor:
    """What each erosion leaves that an opening takes away."""
    found = torch.relu(maps - _dilated(_eroded(maps)))
    for _ in range(iterations):
        maps = _eroded(maps)
        gone = torch.relu(maps - _dilated(_eroded(maps)))
        found = found + torch.relu(gone - found * gone)
    return found


def _eroded(maps: Tensor) -> Tensor:
    """The least of each pixel and its neighbours along the axes."""
    axes = range(2, maps.ndim)
    least = maps
    for axis in axes:
        kernel = [3 if other == axis else 1 for other in axes]
        least = torch.minimum(least, -_POOLS[len(axes)](-maps, kernel, 1, [size // 2 for size in kernel]))
    return least


def _dilated(maps: Tensor) -> Tensor:
    """The largest of each pixel and all its neighbours."""
    return _POOLS[maps.ndim - 2](maps, 3, 1, 1)
