"""Losses of two views of the same things, beside ``info-nce``: SimCLR, CLIP, SigLIP, n-pairs."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from losszoo import (
    Range,
    Unreduced,
    functional,
    log_odds,
    loss,
    pairwise,
    pairwise_logits,
    softmax_row,
)
from losszoo_plugins.closed_form import transformed
from losszoo_plugins.pairs import negative_log_share, softplus

# Pairs whose matrix is held, 4 MB in float32; more are streamed, and can be differentiated once.
_FEW = 2**20


@loss(
    signature="views", tags=("metric", "contrastive", "self-supervised"), aliases=("ntxent", "simclr", "nt-xent-loss")
)
@softmax_row(similarity="cosine", temperature=0.5, needs=("positive",), temperature_search=(0.05, 1.0), both_views=True)
def nt_xent(odds: Tensor) -> Tensor:
    r"""Cross-entropy of the other view of each row among all other rows of both views: SimCLR.

    .. math:: \ell_i = -\tfrac12 \sum_{a \in \{q_i, k_i\}}
        \log \frac{e^{s_{q_i k_i}/\tau}}{\sum_{b \ne a} e^{s_{ab}/\tau}}

    For self-supervised training on two augmentations of the same samples. Both views are rows, and each has 2N - 2
    negatives: those of the other view, as in ``info-nce``, and those of its own. A log-sum-exp, so a low temperature
    loses nothing; pytorch-metric-learning 2.9 adds 1.2e-38 to the share, so its loss ends at 87.3, without a gradient.

    Args:
        queries: (N, D) embeddings.
        keys: (M, D) embeddings, M >= N; row i is the other view of query i, and those below the first N are negatives
            of all.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count.

    Returns:
        One value per query, (N,), >= 0: the mean of its own and its key's.

    Example:
        >>> import losszoo
        >>> losszoo.create("nt-xent")(torch.zeros(2, 3), torch.zeros(2, 3))
        tensor(1.0986)

    Reference:
        Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", ICML
        2020, https://arxiv.org/abs/2002.05709.
    """
    return negative_log_share(odds)


@loss(signature="views", tags=("metric", "contrastive", "multimodal", "learned"), aliases=("clip-loss", "openclip"))
@softmax_row(similarity="cosine", temperature=0.07, needs=("positive",), symmetric=True, learned_temperature=True)
def clip(odds: Tensor) -> Tensor:
    r"""Cross-entropy of the right text of each image and of the right image of each text, with a learned scale: CLIP.

    .. math:: \ell_i = -\tfrac12 \log \frac{e^{t s_{ii}}}{\sum_j e^{t s_{ij}}}
        - \tfrac12 \log \frac{e^{t s_{ii}}}{\sum_j e^{t s_{ji}}}, \quad t = 1/\tau \le 100

    For pairs of two kinds, such as image and text. It is ``info-nce`` in both directions, and its temperature is
    learned: the parameter ``log_temperature`` starts at the logarithm of 0.07, a scale of 14.3, and is held at 0.01
    from below, as an unbounded scale diverges. Give the optimiser its ``parameters()`` too, without weight decay.

    Args:
        queries: (N, D) embeddings, such as those of images.
        keys: (M, D) embeddings, M >= N; row i belongs to query i, and those below the first N are negatives of all.
        similarity: s, of a query to a key; a distance is its negative.
        temperature: what the similarities are divided by, at the start where it is learned; 1 over the scale.
        learned_temperature: whether the temperature is learned.
        symmetric: mean of queries to keys, and of keys to queries.

    Returns:
        One value per query, (N,), >= 0.

    Example:
        >>> import losszoo
        >>> loss = losszoo.create("clip")
        >>> loss(torch.zeros(2, 3), torch.zeros(2, 3)).item(), loss.temperature
        (0.6931471824645996, 0.07000000029802322)

    Reference:
        Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger, Sutskever, "Learning
        Transferable Visual Models From Natural Language Supervision", ICML 2021, https://arxiv.org/abs/2103.00020.
    """
    return negative_log_share(odds)


@loss(
    signature="views",
    tags=("metric", "contrastive", "multimodal", "learned"),
    aliases=("sigmoid-contrastive", "siglip-loss"),
    name="siglip",
)
@pairwise(similarity="cosine", temperature=0.1, needs=("positive",), symmetric=False, learned_temperature=True)
class SigLIP(nn.Module):
    r"""Each pair of a query and a key by itself: whether they belong together, with a learned scale and bias: SigLIP.

    .. math:: \ell_i = -\sum_j \log \sigma\bigl(y_{ij} (t s_{ij} + b)\bigr), \quad y_{ii} = 1, \; y_{ij} = -1

    For pairs of two kinds, such as image and text. No softmax, so a pair does not need the other pairs, and small
    batches serve. The value of a query is a sum over all keys, and the mean divides by N, not by N squared, as its
    authors do. The scale t is 1 over the learned temperature, at most 100; the bias begins at -10, so that the many
    negatives of the first steps cost little. Give the optimiser its ``parameters()`` too, without weight decay.

    Args:
        bias: b at the start.
        similarity: s, of a query to a key; a distance is its negative.
        temperature: 1/t, at the start where it is learned.
        learned_temperature: whether the temperature is learned.
        symmetric: mean of queries to keys, and of keys to queries; of as many of both, the mean over N is the same.

    Returns:
        One value per query, (N,), >= 0.

    Example:
        >>> import losszoo
        >>> losszoo.create("siglip", bias=0.0)(torch.zeros(2, 3), torch.zeros(2, 3)).item()
        1.3862943649291992

    Reference:
        Zhai, Mustafa, Kolesnikov, Beyer, "Sigmoid Loss for Language Image Pre-Training", ICCV 2023,
        https://arxiv.org/abs/2303.15343.
    """

    def __init__(self, *, bias: Annotated[float, Range(None, None, search=(-20.0, 0.0))] = -10.0) -> None:
        super().__init__()
        # Of one dimension, as a scalar cannot be sharded.
        self.shift = nn.Parameter(torch.tensor([float(bias)]))

    def forward(self, logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        shifted = logits + self.shift.to(logits.dtype)
        # Of two views a row has one positive. What is no negative is infinitely far away, and costs nothing.
        own = positive.to(torch.uint8).argmax(1, keepdim=True)
        near = softplus(-shifted.gather(1, own)).squeeze(1)
        return near + softplus(torch.where(negative, shifted, -torch.inf)).sum(1)


@loss(signature="views", tags=("metric", "contrastive"), aliases=("npairs", "n-pair", "multiclass-n-pair"))
def n_pairs(
    queries: Tensor,
    keys: Tensor,
    *,
    l2_reg: Annotated[float, Range(0, None, search=(1e-4, 0.1), log=True)] = 0.0,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Cross-entropy of the own positive among those of the other pairs, by dot products.

    .. math:: \ell_i = \log \Bigl(1 + \sum_{j \ne i} e^{a_i^T p_j - a_i^T p_i}\Bigr)
        + \tfrac{\lambda}{4} \bigl(\lVert a_i \rVert^2 + \lVert p_i \rVert^2\bigr)

    For N pairs of N different classes. Dot products have no scale of their own, so lengths grow; the regulariser holds
    them. The factor of a quarter is that of TensorFlow's. Without regulariser it is ``info-nce(similarity=dot,
    temperature=1)``, which also takes candidates from other processes and memory banks. pytorch-metric-learning draws
    the pairs from labels, and divides rows by their length unless told otherwise; here the data has the pairs, and a
    row its length.

    Args:
        queries: (N, D) anchors.
        keys: (M, D), M >= N; row i is the positive of anchor i, and those below the first N are negatives of all.
        l2_reg: lambda, of the squared lengths.
        mask: (N,) pairs that take part.

    Returns:
        One value per pair, (N,), >= 0.

    Example:
        >>> n_pairs(torch.zeros(2, 3), torch.ones(2, 3)).values
        tensor([0.6931, 0.6931])

    Reference:
        Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NeurIPS 2016,
        https://papers.nips.cc/paper/6200-improved-deep-metric-learning-with-multi-class-n-pair-loss-objective.
    """
    if transformed() or len(queries) * len(keys) <= _FEW:
        values = _few_pairs(queries, keys, mask)
    else:
        values = functional.info_nce(queries, keys, similarity="dot", temperature=1.0, mask=mask, reduction="none")
    if l2_reg != 0:
        own = keys[: len(queries)]
        quarter = 0.25 * l2_reg  # before the square, which may not fit where its share does
        values = values + (quarter * queries * queries).sum(1) + (quarter * own * own).sum(1)
    if mask is None:
        return Unreduced(values)
    return Unreduced(torch.where(mask, values, 0.0), mask.to(values.dtype))


def _few_pairs(queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    """Of n-pairs, on the whole matrix, which can be differentiated twice; what is masked is no candidate."""
    own = torch.eye(len(queries), len(keys), dtype=torch.bool, device=queries.device)
    others = ~own
    if mask is not None:
        others = others & torch.cat([mask, mask.new_ones(len(keys) - len(queries))])
    return negative_log_share(log_odds(pairwise_logits(queries, keys, "dot"), own, others))
