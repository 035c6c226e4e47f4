"""Losses that are a parabola near 0 and grow more slowly far away: smooth L1, Charbonnier, Barron's family, Tukey."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, wide
from losszoo_plugins.closed_form import expm1

# Below it, alpha / 2 times a logarithm no longer has all digits in float32, and the limit at 0 is exact.
_LOGARITHMIC = 1e-20


@loss(signature="regression", tags=("robust",), aliases=("smooth-l1-loss",))
@wide
def smooth_l1(
    predictions: Tensor,
    targets: Tensor,
    *,
    beta: Annotated[float, Range(0, None, search=(0.01, 10))] = 1.0,
) -> Tensor:
    r"""Absolute error with a rounded tip: squared within beta, and a gradient of 1 beyond it.

    .. math:: \ell = \begin{cases} e^2 / (2 \beta) & |e| < \beta \\ |e| - \beta / 2 & |e| \ge \beta \end{cases},
              \quad e = p - t

    For boxes and other regression with outliers. It is ``huber`` divided by its delta, so the gradient far away does
    not depend on ``beta``. At ``beta=0`` it is the absolute error.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        beta: error up to which the loss is squared, in the unit of the target.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> smooth_l1(torch.tensor([0.5, 3.0]), torch.tensor([0.0, 0.0]))
        tensor([0.1250, 2.5000])

    Reference:
        Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083.
    """
    error = predictions - targets
    if beta == 0:
        return error.abs()
    capped = error.clamp(-beta, beta)
    return capped / beta * (error - 0.5 * capped)


@loss(
    signature="regression",
    tags=("robust", "smooth"),
    aliases=("pseudo-huber", "generalized-charbonnier"),
)
@wide
def charbonnier(
    predictions: Tensor,
    targets: Tensor,
    *,
    delta: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 10))] = 1.0,
) -> Tensor:
    r"""Pseudo-Huber loss: squared near 0 and linear far away, smooth in between.

    .. math:: \ell = \delta^2 \Bigl(\sqrt{1 + (e / \delta)^2} - 1\Bigr), \quad e = p - t

    For outliers, with an optimiser that uses curvature; in image restoration, for sharper results than the squared
    error. Near 0 it is :math:`e^2 / 2`, far away :math:`\delta |e|`. Others write
    :math:`\sqrt{e^2 + \epsilon^2}`: with :math:`\delta = \epsilon` that is this divided by delta, plus epsilon.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        delta: error at which the loss bends, in the unit of the target.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> charbonnier(torch.tensor([1e-3, 1e4]), torch.tensor([0.0, 0.0]))
        tensor([5.0000e-07, 9.9990e+03])

    Reference:
        Charbonnier, Blanc-Feraud, Aubert, Barlaud, "Deterministic edge-preserving regularization in computed imaging",
        IEEE Transactions on Image Processing 1997, https://doi.org/10.1109/83.551699.
    """
    error = predictions - targets
    bent = error / delta
    # sqrt(1 + x^2) - 1 = x^2 / (1 + sqrt(1 + x^2)) cancels nowhere, and the quotient is at most 1: no square is formed.
    return delta * error * (bent / (1 + torch.hypot(torch.ones_like(bent), bent)))


@loss(
    signature="regression",
    tags=("robust", "smooth"),
    aliases=("barron", "general-robust", "geman-mcclure", "cauchy", "welsch"),
)
@wide
def adaptive_robust(
    predictions: Tensor,
    targets: Tensor,
    *,
    alpha: Annotated[float, Range(None, 2, search=(-2, 2))] = 1.0,
    c: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 10))] = 1.0,
) -> Tensor:
    r"""Barron's family: one number goes from the squared error to losses that forget outliers.

    .. math:: \ell = \frac{|\alpha - 2|}{\alpha}
              \left( \Bigl( \frac{(e / c)^2}{|\alpha - 2|} + 1 \Bigr)^{\alpha / 2} - 1 \right), \quad e = p - t

    For choosing by a search how robust a regression is to be. ``alpha`` of 2 is half the squared error, 1 is
    Charbonnier's, 0 Cauchy's, -2 Geman and McClure's; from -1e9 down it is Welsch's. Below 0 the loss is bounded, so
    the gradient fades on a far outlier, which is what such a loss is for; at Welsch's, :math:`e = 14 c` has none that
    float32 can hold. Both limits, at 0 and at 2, are the formula's own: kornia's Cauchy and Geman-McClure losses give
    inf and NaN in float32 at an error of 1e20, where the true values are 91.4 and 2.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        alpha: shape; the smaller, the less an outlier counts.
        c: scale, the error at which the loss bends, in the unit of the target.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> adaptive_robust(torch.tensor([0.5, 1e20]), torch.tensor([0.0, 0.0]), alpha=-2.0)
        tensor([0.1176, 2.0000])

    Reference:
        Barron, "A General and Adaptive Robust Loss Function", CVPR 2019, https://arxiv.org/abs/1701.03077.
    """
    error = (predictions - targets) / c
    width = 2 - alpha
    if width == 0:
        return 0.5 * error.square()
    log, far = _log_one_plus_square(error / math.sqrt(width))
    if abs(alpha) < _LOGARITHMIC:
        return 0.5 * width * log
    value = width / alpha * expm1(0.5 * alpha * log)
    if alpha <= 1:
        return value
    # Towards 2 the width vanishes and the logarithm grows: its error is multiplied by width / 2 here, and not by 1.
    outer = torch.where(far, error, 1.0)
    return torch.where(far, ((outer.square() + width) * torch.exp(-0.5 * width * log) - width) / alpha, value)


def _log_one_plus_square(x: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + x^2), of which no square overflows; and where x^2 is above 1."""
    far = x.abs() > 1
    near_x, far_x = torch.where(far, 0.0, x), torch.where(far, x, 1.0).abs()
    return torch.where(far, 2 * far_x.log() + torch.log1p(far_x.reciprocal().square()), near_x.square().log1p()), far


@loss(signature="regression", tags=("robust", "bounded"), aliases=("biweight", "bisquare", "tukey"))
def tukey_biweight(
    predictions: Tensor,
    targets: Tensor,
    *,
    c: Annotated[float, Range(0, None, bounds="()", log=True, search=(1, 10))] = 4.685,
) -> Tensor:
    r"""Tukey's biweight: an error beyond c is an outlier, counts the same at any distance and has no gradient.

    .. math:: \ell = \frac{c^2}{6} \Bigl(1 - \bigl(1 - \min(1, e^2 / c^2)\bigr)^3\Bigr), \quad e = p - t

    For data with gross errors, from a start that is nearly right: a prediction farther than ``c`` from its target
    never moves. Near 0 it is half the squared error. The default has 95 % of the efficiency of the mean where the
    noise is normal with a standard deviation of 1.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        c: error beyond which the gradient is 0, in the unit of the target.

    Returns:
        One value per element, shape of ``predictions``, in [0, c^2 / 6].

    Example:
        >>> tukey_biweight(torch.tensor([0.1, 100.0]), torch.tensor([0.0, 0.0]))
        tensor([0.0050, 3.6582])

    Reference:
        Beaton, Tukey, "The Fitting of Power Series, Meaning Polynomials, Illustrated on Band-Spectroscopic Data",
        Technometrics 1974, https://doi.org/10.2307/1267936.
    """
    share = ((predictions - targets) / c).clamp(-1, 1).square()
    # 1 - (1 - r)^3 = r (3 - 3 r + r^2), which does not cancel near 0.
    return c * c / 6 * share * (3 - 3 * share + share.square())


@loss(signature="regression", tags=("margin", "median"), aliases=("svr", "epsilon-tube"))
@wide
def epsilon_insensitive(
    predictions: Tensor,
    targets: Tensor,
    *,
    epsilon: Annotated[float, Range(0, None, search=(0.01, 1))] = 0.1,
    power: Annotated[int, Range(1, 2)] = 1,
) -> Tensor:
    r"""Loss of support vector regression: errors up to epsilon cost nothing.

    .. math:: \ell = \max(0, |p - t| - \epsilon)^k

    For targets that are known up to a tolerance. Within it there is no gradient, so predictions stay where they are.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        epsilon: tolerance, in the unit of the target.
        power: k; 1 predicts a median, 2 a mean.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> epsilon_insensitive(torch.tensor([0.05, 1.1]), torch.tensor([0.0, 0.0]))
        tensor([0., 1.])

    Reference:
        Drucker, Burges, Kaufman, Smola, Vapnik, "Support Vector Regression Machines", NIPS 1996.
    """
    beyond = torch.relu((predictions - targets).abs() - epsilon)
    return beyond if power == 1 else beyond.square()
