"""Losses on distances: pairs, triplets, and a row against all others."""

from __future__ import annotations

import math
from collections.abc import Iterable

from losszoo import LossSpec, Param, hookimpl
from losszoo_plugins.params import similarity, temperature


def _margin(bounds: str) -> Param:
    return Param(
        name="margin",
        default=1.0,
        range=(0.0, math.inf),
        bounds=bounds,
        search=(0.05, 2.0),
        summary="how much further away the other class has to be",
    )


_TEMPERATURE = temperature(0.1, (0.02, 1.0), "the more the hard negatives count")
_FACENET = (
    'Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", '
    "CVPR 2015, https://arxiv.org/abs/1503.03832"
)
_HERMANS = (
    'Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, '
    "https://arxiv.org/abs/1703.07737"
)
_MINED = (_margin("[)"), similarity("euclidean"))

SPECS = (
    LossSpec(
        name="contrastive",
        target="losszoo_plugins.metric.pairs:contrastive",
        signature="pair",
        summary="Squared distance of a pair that belongs together, squared hinge of one that does not.",
        formula=r"\ell = \tfrac{1}{2} s\, d^2 + \tfrac{1}{2} (1 - s) \max(0, m - d)^2",
        reference=(
            'Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006, '
            "https://doi.org/10.1109/CVPR.2006.100"
        ),
        params=(_margin("()"),),
        tags=("metric", "pairwise-ranking", "siamese"),
    ),
    LossSpec(
        name="triplet",
        target="losszoo_plugins.metric.triplets:triplet",
        signature="triplet",
        summary="The negative has to be further from the anchor than the positive by a margin.",
        formula=r"\ell = \max(0, d_{ap} - d_{an} + m)",
        reference=_FACENET,
        params=(_margin("[)"),),
        tags=("metric", "triplet"),
    ),
    LossSpec(
        name="triplet-batch-hard",
        target="losszoo_plugins.metric.mining:triplet_batch_hard",
        signature="embedding",
        summary="Triplet of each row with its furthest positive and its closest negative in the batch.",
        formula=r"\ell_i = \max\bigl(0, \max_{p} d_{ip} - \min_{n} d_{in} + m\bigr)",
        reference=_HERMANS,
        params=_MINED,
        tags=("metric", "triplet", "mining"),
    ),
    LossSpec(
        name="triplet-semi-hard",
        target="losszoo_plugins.metric.mining:triplet_semi_hard",
        signature="embedding",
        summary="Triplet of each positive pair with its closest negative beyond the positive.",
        formula=r"\ell_{ip} = \max\bigl(0, d_{ip} - \min_{n: d_{in} > d_{ip}} d_{in} + m\bigr)",
        reference=_FACENET,
        params=_MINED,
        tags=("metric", "triplet", "mining"),
    ),
    LossSpec(
        name="triplet-all",
        target="losszoo_plugins.metric.mining:triplet_all",
        signature="embedding",
        summary="Mean over every triplet of the batch, or over those that still violate the margin.",
        formula=r"\ell_i = \sum_{p} \sum_{n} \max(0, d_{ip} - d_{in} + m)",
        reference=_HERMANS,
        params=(
            _margin("[)"),
            Param(
                name="average",
                type="str",
                default="all",
                choices=("all", "nonzero"),
                summary="which triplets the mean counts: all of them, or those with a loss",
            ),
            similarity("euclidean"),
        ),
        tags=("metric", "triplet"),
    ),
    LossSpec(
        name="info-nce",
        target="losszoo_plugins.metric.softmax:info_nce",
        signature="views",
        summary="Cross-entropy of picking a query's own key among all keys.",
        formula=r"\ell_i = -\log \frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}}",
        reference=(
            'van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018, '
            "https://arxiv.org/abs/1807.03748"
        ),
        params=(
            similarity("cosine"),
            _TEMPERATURE,
            Param(name="symmetric", type="bool", default=False, summary="mean of queries to keys and keys to queries"),
        ),
        tags=("metric", "contrastive", "self-supervised"),
    ),
    LossSpec(
        name="sup-con",
        target="losszoo_plugins.metric.softmax:sup_con",
        signature="embedding",
        summary="Cross-entropy of picking a row of the own class among all others, mean over the own class.",
        formula=(
            r"\ell_i = -\frac{1}{|P_i|} \sum_{p \in P_i}"
            r" \log \frac{e^{s_{ip}/\tau}}{\sum_{j \ne i} e^{s_{ij}/\tau}}"
        ),
        reference=(
            "Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan, "
            '"Supervised Contrastive Learning", NeurIPS 2020, https://arxiv.org/abs/2004.11362'
        ),
        params=(similarity("cosine"), _TEMPERATURE),
        tags=("metric", "contrastive"),
    ),
)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return SPECS
