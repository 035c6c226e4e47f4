"""A learned temperature: it is a factor of the rows, so its gradient is that of any network before the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from losszoo.errors import UsageError
from losszoo.losses.similarity import unit
from losszoo.losses.traced import transformed

# The logits of CLIP are at most 100 times the cosine.
LEAST = 0.01


@dataclass(frozen=True)
class Likeness:
    """What makes a logit of two rows.

    Args:
        similarity: of the rows.
        temperature: that divides it.
    """

    similarity: str
    temperature: float = 1.0


def log_temperature(name: str, start: float) -> nn.Parameter:
    """The parameter of a temperature that is learned; of one dimension, as a scalar cannot be sharded.

    Raises:
        UsageError: it starts below the bound that it is held at.
    """
    if start < LEAST:
        raise UsageError(
            f"{name}: temperature must be >= {LEAST} where it is learned, as it is held there, got {start!r}; "
            "give an nn.Parameter as temperature for one without a bound"
        )
    return nn.Parameter(torch.tensor([math.log(start)]))


def bounded_temperature(log: Tensor, *, in_place: bool) -> Tensor:
    """The temperature, at least 0.01 as in CLIP. What is below the bound would have no gradient to come back by."""
    if in_place and not transformed():
        with torch.no_grad():
            log.data.clamp_(min=math.log(LEAST))
    wide = log.reshape(()).to(torch.promote_types(log.dtype, torch.float32))
    return wide.clamp(min=math.log(LEAST)).exp()


def tempered(
    rows: Tensor, columns: Tensor | None, similarity: str, temperature: Tensor
) -> tuple[Tensor, Tensor | None, Likeness]:
    """Rows and columns whose similarity is that of the given ones over the temperature.

    A product is divided where one side is, and where both are by the root. So are squares; a distance where both sides
    are divided by the whole.
    """
    if similarity == "cosine":
        rows, similarity = unit(rows), "dot"
        columns = None if columns is None else unit(columns)
    factor = 1 / temperature if similarity == "euclidean" else temperature.rsqrt()
    return rows * factor, None if columns is None else columns * factor, Likeness(similarity)
