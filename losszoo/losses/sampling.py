"""Drawing a random share of the candidates, so that a step over neighbours costs less."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_neighbors(count: int, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """Indices of a random share of ``count`` candidates, without replacement.

    For losses of the signature ``neighbors``: the harness draws a new share at each step, before the
    candidates are encoded, so that both the encoder and the pair matrix become smaller by that factor.

    Args:
        count: number of candidates, >= 1.
        rate: share that is drawn, in (0, 1].
        generator: source of randomness; None is torch's global one. The indices live on its device.

    Returns:
        (max(1, round(rate * count)),) int64, in ascending order.

    Raises:
        ValueError: where ``count`` or ``rate`` is out of range.

    Example:
        >>> sample_neighbors(4, 1.0)
        tensor([0, 1, 2, 3])
    """
    if count < 1:
        raise ValueError(f"count must be >= 1, got {count!r}")
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be in (0, 1], got {rate!r}")
    device = "cpu" if generator is None else generator.device
    drawn = torch.randperm(count, generator=generator, device=device)[: max(1, round(rate * count))]
    return drawn.sort().values
