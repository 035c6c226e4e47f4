"""Losses of the neighbourhood: how much of the softmax over the other rows falls on the own class."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, Param, hookimpl
from losszoo_plugins.params import similarity, temperature

_TEMPERATURE = temperature(1.0, (0.05, 20.0), "the fewer neighbours count")
_EUCLIDEAN = (similarity("euclidean"), _TEMPERATURE)
_GOLDBERGER = (
    'Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004, '
    "https://papers.nips.cc/paper/2566-neighbourhood-components-analysis"
)

SPECS = (
    LossSpec(
        name="nca",
        target="losszoo_plugins.nca.leave_one_out:nca",
        signature="embedding",
        summary="How unlikely a row's random neighbour is of its class: bounded below, so it has a minimum.",
        formula=(
            r"\ell_i = -\log p_i, \quad"
            r" p_i = \sum_{j: y_j = y_i} \operatorname{softmax}_{j \ne i}(-d_{ij}^2 / \tau)"
        ),
        reference=_GOLDBERGER,
        params=(similarity("squared-euclidean"), _TEMPERATURE),
        tags=("nca", "neighbours", "embedding"),
    ),
    LossSpec(
        name="nca-stable",
        target="losszoo_plugins.nca.contrast:nca_stable",
        signature="embedding",
        summary="Log odds of a neighbour of another class, finite wherever the embedding is.",
        formula=(
            r"\ell_i = \log \sum_{j: y_j \ne y_i} e^{-d_{ij}/\tau}"
            r" - \log \sum_{j \ne i: y_j = y_i} e^{-d_{ij}/\tau}"
        ),
        reference=_GOLDBERGER,
        params=_EUCLIDEAN,
        tags=("nca", "neighbours", "embedding", "unbounded"),
    ),
    LossSpec(
        name="nca-difference",
        target="losszoo_plugins.nca.contrast:nca_difference",
        signature="embedding",
        summary="Probability of the other classes minus that of the own one: bounded, blind to hopeless rows.",
        formula=r"\ell_i = P_i^{\text{diff}} - P_i^{\text{same}}",
        reference=_GOLDBERGER,
        params=_EUCLIDEAN,
        tags=("nca", "neighbours", "embedding", "bounded"),
    ),
    LossSpec(
        name="nca-ratio",
        target="losszoo_plugins.nca.exhibits:nca_ratio",
        signature="embedding",
        summary="Logarithm of a ratio of two softmax sums, taken literally: infinite once a sum underflows.",
        formula=r"\ell_i = -\log \frac{P_i^{\text{same}}}{P_i^{\text{diff}}}",
        reference=_GOLDBERGER,
        params=_EUCLIDEAN,
        tags=("nca", "neighbours", "embedding", "underflow"),
        status="exhibit",
        stable_twin="nca-stable",
    ),
    LossSpec(
        name="nca-epsilon",
        target="losszoo_plugins.nca.exhibits:nca_epsilon",
        signature="embedding",
        summary="The ratio with an epsilon in both sums: finite, without a gradient where it is needed.",
        formula=r"\ell_i = -\log \frac{P_i^{\text{same}} + \epsilon}{P_i^{\text{diff}} + \epsilon}",
        reference=_GOLDBERGER,
        params=(
            Param(
                name="eps",
                default=1e-10,
                range=(0.0, 1.0),
                bounds="()",
                log=True,
                search=(1e-12, 1e-3),
                summary="added to both sums",
            ),
            *_EUCLIDEAN,
        ),
        tags=("nca", "neighbours", "embedding", "underflow", "vanishing-gradient"),
        status="exhibit",
        stable_twin="nca-stable",
    ),
    LossSpec(
        name="modern-nca",
        target="losszoo_plugins.nca.modern:modern_nca",
        signature="neighbors",
        summary="Soft nearest neighbours over drawn candidates, for classes and for numbers.",
        formula=(
            r"\ell_i = -\log \frac{\sum_{j: y_j = y_i} e^{-d_{ij}/\tau}}{\sum_j e^{-d_{ij}/\tau}}"
            r" \quad\text{or}\quad \Bigl(\sum_j \operatorname{softmax}_j(-d_{ij}/\tau)\, y_j - y_i\Bigr)^2"
        ),
        reference=(
            'Ye, Yin, Zhan, Chao, "Revisiting Nearest Neighbor for Tabular Data: A Deep Tabular Baseline '
            'Two Decades Later", ICLR 2025, https://arxiv.org/abs/2407.03257'
        ),
        params=_EUCLIDEAN,
        tags=("nca", "neighbours", "tabular", "regression"),
    ),
)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return SPECS
