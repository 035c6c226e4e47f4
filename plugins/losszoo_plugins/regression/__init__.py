"""Losses on a number: squared, absolute, and what lies between them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from losszoo import LossSpec, Param, hookimpl

_SQUARED = "losszoo_plugins.regression.squared"
_ROBUST = "losszoo_plugins.regression.robust"
_REAL = (-math.inf, math.inf)

SPECS = (
    LossSpec(
        name="mse",
        target=f"{_SQUARED}:mse",
        signature="regression",
        summary="Squared error: predicts the mean; right for normal noise, led astray by outliers.",
        formula=r"\ell = (p - t)^2",
        reference='Hodson, "Root-mean-square error (RMSE) or mean absolute error (MAE): when to use them or '
        'not", Geoscientific Model Development 2022, https://doi.org/10.5194/gmd-15-5481-2022',
        tags=("mean",),
    ),
    LossSpec(
        name="custom-mse",
        target=f"{_SQUARED}:custom_mse",
        signature="regression",
        summary="Squared error plus multiples of prediction and target: a first loss with parameters.",
        formula=r"\ell = (p - t)^2 + a\,p + b\,t",
        reference="The losszoo developers, a teaching example with its minimum at p = t - a/2; "
        'the squared error as in Hodson, "Root-mean-square error (RMSE) or mean absolute error (MAE): when '
        'to use them or not", Geoscientific Model Development 2022, '
        "https://doi.org/10.5194/gmd-15-5481-2022",
        params=(
            Param(
                name="param1",
                default=0.1,
                range=_REAL,
                bounds="()",
                search=(-1.0, 1.0),
                summary="a, the multiple of the prediction; moves the minimum to t - a/2",
            ),
            Param(
                name="param2",
                default=0.1,
                range=_REAL,
                bounds="()",
                search=(-1.0, 1.0),
                summary="b, the multiple of the target; shifts the value, never the gradient",
            ),
        ),
        tags=("mean", "example"),
    ),
    LossSpec(
        name="rmse",
        target=f"{_SQUARED}:rmse",
        signature="regression",
        summary="Root of the mean squared error: in the unit of the target.",
        formula=r"\ell = \sqrt{\operatorname{mean}\,(p - t)^2}",
        reference='Chai, Draxler, "Root mean square error (RMSE) or mean absolute error (MAE)? Arguments '
        'against avoiding RMSE in the literature", Geoscientific Model Development 2014, '
        "https://doi.org/10.5194/gmd-7-1247-2014",
        tags=("mean",),
    ),
    LossSpec(
        name="mae",
        target=f"{_ROBUST}:mae",
        signature="regression",
        summary="Absolute error: predicts the median; every outlier pulls alike, however far away.",
        formula=r"\ell = |p - t|",
        reference='Willmott, Matsuura, "Advantages of the mean absolute error (MAE) over the root mean '
        'square error (RMSE) in assessing average model performance", Climate Research 2005, '
        "https://doi.org/10.3354/cr030079",
        tags=("robust", "median"),
    ),
    LossSpec(
        name="huber",
        target=f"{_ROBUST}:huber",
        signature="regression",
        summary="Squared within delta, linear beyond: the mean for ordinary errors, the median for outliers.",
        formula=r"\ell = \begin{cases} \tfrac12 e^2 & |e| \le \delta \\ "
        r"\delta (|e| - \tfrac12 \delta) & |e| > \delta \end{cases}, \quad e = p - t",
        reference='Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics '
        "1964, https://doi.org/10.1214/aoms/1177703732",
        params=(
            Param(
                name="delta",
                default=1.0,
                range=(0.0, math.inf),
                bounds="()",
                log=True,
                search=(0.01, 10.0),
                summary="error beyond which the loss is linear, in the unit of the target",
            ),
        ),
        tags=("robust",),
    ),
    LossSpec(
        name="log-cosh",
        target=f"{_ROBUST}:log_cosh",
        signature="regression",
        summary="Logarithm of the hyperbolic cosine: a Huber loss without a kink in any derivative.",
        formula=r"\ell = \log \cosh (p - t)",
        reference='Saleh, Saleh, "Statistical Properties of the log-cosh Loss Function Used in Machine '
        'Learning", 2022, https://arxiv.org/abs/2208.04564',
        tags=("robust", "smooth"),
    ),
    LossSpec(
        name="quantile",
        target=f"{_ROBUST}:quantile",
        signature="regression",
        summary="Pinball loss: predicts a quantile, for intervals or where too low costs more than too high.",
        formula=r"\ell = \max(q\,e,\ (q - 1)\,e), \quad e = t - p",
        reference='Koenker, Bassett, "Regression Quantiles", Econometrica 1978, https://doi.org/10.2307/1913643',
        params=(
            Param(
                name="quantile",
                default=0.5,
                range=(0.0, 1.0),
                bounds="()",
                search=(0.05, 0.95),
                summary="share of the targets that should lie below the prediction",
            ),
        ),
        tags=("robust", "quantile"),
    ),
)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    return SPECS
