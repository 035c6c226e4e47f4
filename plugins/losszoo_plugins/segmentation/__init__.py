"""Losses on maps: how smooth they are, and how well they overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable

from losszoo import LossSpec, Param, hookimpl

_ACTIVATION = Param(
    name="activation",
    type="str",
    default="none",
    choices=("none", "sigmoid"),
    summary="what is smoothed: the prediction as given, or its probability",
)
_TOTAL_VARIATION = (
    'Javanmardi, Sajjadi, Liu, Tasdizen, "Unsupervised Total Variation Loss for Semi-supervised Deep '
    'Learning of Semantic Segmentation", 2016, https://arxiv.org/abs/1605.01368'
)

SPECS = (
    LossSpec(
        name="smoothness",
        target="losszoo_plugins.segmentation.smooth:smoothness",
        signature="segmentation",
        summary="Mean absolute difference of neighbouring pixels; a term of a sum, blind to the targets.",
        formula=r"\ell = \operatorname{mean}_{i,j} |x_{i+1,j} - x_{i,j}| + "
        r"\operatorname{mean}_{i,j} |x_{i,j+1} - x_{i,j}|",
        reference='Rudin, Osher, Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms", '
        "Physica D 1992, https://doi.org/10.1016/0167-2789(92)90242-F",
        params=(_ACTIVATION,),
        tags=("regularizer", "total-variation", "per-map"),
    ),
    LossSpec(
        name="smooth-segmentation",
        target="losszoo_plugins.segmentation.smooth:smooth_segmentation",
        signature="segmentation",
        summary="Binary cross-entropy plus smoothness: right pixels in few, unbroken regions.",
        formula=r"\ell = a \operatorname{mean}_{i,j} \text{bce}(x_{ij}, t_{ij}) + b\,\text{smoothness}(x)",
        reference=_TOTAL_VARIATION,
        params=(
            Param(
                name="bce_weight",
                default=0.7,
                range=(0.0, math.inf),
                bounds="[)",
                search=(0.0, 1.0),
                summary="a, the weight of the cross-entropy",
            ),
            Param(
                name="smoothness_weight",
                default=0.3,
                range=(0.0, math.inf),
                bounds="[)",
                search=(0.0, 1.0),
                summary="b, the weight of the smoothness",
            ),
            _ACTIVATION,
        ),
        tags=("total-variation", "per-map"),
    ),
    LossSpec(
        name="dice",
        target="losszoo_plugins.segmentation.overlap:dice",
        signature="segmentation",
        summary="One minus the soft Dice overlap of each map: a small object counts as much as a large one.",
        formula=r"\ell = 1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}, \quad p = \sigma(x)",
        reference='Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric '
        'Medical Image Segmentation", 3DV 2016, https://arxiv.org/abs/1606.04797; without squares as in '
        'Drozdzal, Vorontsov, Chartrand, Kadoury, Pal, "The Importance of Skip Connections in Biomedical '
        'Image Segmentation", 2016, https://arxiv.org/abs/1608.04117',
        params=(
            Param(
                name="smooth",
                default=1.0,
                range=(0.0, math.inf),
                bounds="[)",
                log=True,
                search=(0.01, 100.0),
                summary="s, pixels added to overlap and sizes; above 0 an empty map can be predicted right",
            ),
        ),
        tags=("overlap", "imbalance", "per-map"),
    ),
)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    return SPECS
