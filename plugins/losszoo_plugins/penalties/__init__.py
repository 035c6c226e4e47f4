"""Penalties: terms on parameters rather than predictions, and the learned weights of several losses."""

from __future__ import annotations

import math
from collections.abc import Iterable

from losszoo import LossSpec, Param, hookimpl

_NORMS = "losszoo_plugins.penalties.norms"

SPECS = (
    LossSpec(
        name="l1",
        target=f"{_NORMS}:l1",
        signature="penalty",
        summary="Sum of absolute parameters: drives many of them to zero.",
        formula=r"\ell = \sum_j |w_j|",
        reference='Tibshirani, "Regression Shrinkage and Selection via the Lasso", Journal of the Royal '
        "Statistical Society B 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x",
        tags=("regularizer", "sparse"),
    ),
    LossSpec(
        name="l2",
        target=f"{_NORMS}:l2",
        signature="penalty",
        summary="Sum of squared parameters: keeps all of them small.",
        formula=r"\ell = \sum_j w_j^2",
        reference='Hoerl, Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", '
        "Technometrics 1970, https://doi.org/10.1080/00401706.1970.10488634",
        tags=("regularizer",),
    ),
    LossSpec(
        name="elastic-net",
        target=f"{_NORMS}:elastic_net",
        signature="penalty",
        summary="Between l1 and l2: sparse, but correlated parameters stay together.",
        formula=r"\ell = r \sum_j |w_j| + \tfrac{1 - r}{2} \sum_j w_j^2",
        reference='Zou, Hastie, "Regularization and Variable Selection via the Elastic Net", Journal of the '
        "Royal Statistical Society B 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x",
        params=(
            Param(
                name="l1_ratio",
                default=0.5,
                range=(0.0, 1.0),
                search=(0.0, 1.0),
                summary="r, share of the absolute values: 1 is l1, 0 is half of l2",
            ),
        ),
        tags=("regularizer", "sparse"),
    ),
    LossSpec(
        name="uncertainty",
        target="losszoo_plugins.penalties.uncertainty:Uncertainty",
        signature="penalty",
        summary="Learned weights of several losses, one noise level each: uncertainty(bce, dice).",
        formula=r"\ell = \tfrac12 \sum_i \left( e^{-s_i} L_i + s_i \right)",
        reference='Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene '
        'Geometry and Semantics", CVPR 2018, https://arxiv.org/abs/1705.07115',
        params=(
            Param(
                name="tasks",
                type="int",
                default=2,
                range=(1, math.inf),
                bounds="[)",
                summary="number of losses that are weighed",
            ),
        ),
        tags=("combiner", "multi-task", "learned"),
    ),
)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    return SPECS
