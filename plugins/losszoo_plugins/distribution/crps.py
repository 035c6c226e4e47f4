"""The continuous ranked probability score: an absolute error for distributions."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from losszoo import UsageError, loss, wide
from losszoo_plugins.distribution.columns import columns, positive

_FAR = 40.0


@loss(
    signature="distribution",
    tags=("probabilistic", "proper", "robust"),
    aliases=("continuous-ranked-probability-score", "energy-score"),
)
@wide
def crps(
    parameters: Tensor,
    targets: Tensor,
    *,
    form: Literal["normal", "ensemble"] = "normal",
    fair: bool = False,
    scale: Literal["softplus", "exp"] = "softplus",
) -> Tensor:
    r"""Continuous ranked probability score: how far a distribution is from a number, in the unit of the target.

    .. math:: \ell = \int (F(y) - 1[y \ge t])^2 \, dy
              = \sigma \Bigl( z (2 \Phi(z) - 1) + 2 \varphi(z) - \tfrac{1}{\sqrt \pi} \Bigr),
              \quad z = (t - \mu) / \sigma

    For distributions, where outliers must not rule: it grows as the absolute error does, and not as its square, and a
    scale that is far too small costs no more than that. Of an ensemble it is the mean error of its members less half
    their mean distance, :math:`\frac1M \sum_i |x_i - t| - \frac{1}{2 M^2} \sum_{ij} |x_i - x_j|`, by one sort. The
    plain form rewards members that stand too close together; the ``fair`` one divides by M (M - 1) and does not. A run
    has two columns: it is for the normal form.

    Args:
        parameters: (..., 2): mean, and the raw scale r; of an ensemble (..., M), its members.
        targets: (...), finite.
        form: of the distribution.
        fair: of an ensemble, whether it is judged as a sample of a distribution.
        scale: how r becomes the standard deviation: by softplus or exp, plus 1e-6.

    Returns:
        One value per target; >= 0 unless ``fair``.

    Raises:
        UsageError: another number of columns; one member alone where ``fair``.

    Example:
        >>> crps(torch.tensor([[0.0, 1.0, 3.0]]), torch.tensor([2.0]), form="ensemble")
        tensor([0.6667])

    Reference:
        Gneiting, Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of the American
        Statistical Association 2007, https://doi.org/10.1198/016214506000001437.
    """
    if form == "ensemble":
        return _of_ensemble(parameters - targets.unsqueeze(-1), fair)
    mean, raw = columns(parameters, "mean", "scale")
    deviation = positive(raw, scale)
    error = targets - mean
    # There the normal density is 0 in float64 too, and e / sigma^2, of the derivative of z, may leave float32.
    far = error.abs() > _FAR * deviation
    near = torch.where(far, 0.0, error)
    z = near / deviation
    density = torch.where(far, 0.0, torch.exp(-0.5 * torch.square(z)) / math.sqrt(2 * math.pi))
    distance = torch.where(far, error.abs(), near * torch.erf(z / math.sqrt(2)))
    return distance + deviation * (2 * density - 1 / math.sqrt(math.pi))


def _of_ensemble(errors: Tensor, fair: bool) -> Tensor:
    """From the errors of the members, (..., M): their distances are those of the members, and lose no digits."""
    members = errors.shape[-1]
    if members < 1 + fair:
        raise UsageError(f"parameters must have at least {1 + fair} members of an ensemble, got {members}")
    order = errors.sort(-1).values
    # In order, member i is the larger one of i pairs and the smaller one of M - 1 - i.
    places = torch.arange(members, dtype=errors.dtype, device=errors.device)
    pairs = members * (members - 1) if fair else members * members
    return errors.abs().mean(-1) - ((2 * places - (members - 1)) / pairs * order).sum(-1)
