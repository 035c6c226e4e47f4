"""Losses of one positive against drawn negatives: BPR, sampled softmax, self-adversarial negative sampling."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Range, loss, masked_logsumexp


@loss(
    signature="negatives",
    tags=("recommendation", "ranking"),
    aliases=("bayesian-personalized-ranking", "bpr-loss"),
)
def bpr(positive: Tensor, negatives: Tensor, *, accidental: Tensor | None = None) -> Tensor:
    r"""Bayesian personalised ranking: the positive beats each drawn negative.

    .. math:: \ell = -\frac{1}{M} \sum_j \log \sigma(s^+ - s^-_j)

    For recommenders that learn from clicks, where what was not clicked is only less liked. Each negative counts
    alike; where most are easy, ``self-adversarial`` or ``sampled-softmax`` look at the hard ones.

    Args:
        positive: (N,) scores of the right candidates.
        negatives: (N, M) scores of drawn ones.
        accidental: (N, M) negatives that are right by accident.

    Returns:
        One value per positive, (N,); 0 where all negatives are accidental.

    Example:
        >>> bpr(torch.tensor([1.0]), torch.tensor([[0.0, 1.0]]))
        tensor([0.5032])

    Reference:
        Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from Implicit Feedback",
        UAI 2009, https://arxiv.org/abs/1205.2618.
    """
    values = softplus(negatives - positive[:, None])
    if accidental is None:
        return values.mean(1)
    drawn = (~accidental).to(values.dtype)
    return (values * drawn).sum(1) / drawn.sum(1).clamp(min=1)


@loss(
    signature="negatives",
    tags=("recommendation", "retrieval", "probabilistic"),
    aliases=("sampled-softmax-loss",),
)
def sampled_softmax(
    positive: Tensor, negatives: Tensor, *, log_q: Tensor | None = None, accidental: Tensor | None = None
) -> Tensor:
    r"""Cross-entropy of the positive among itself and the drawn negatives, corrected for how they were drawn.

    .. math:: \ell = -s^+ + \log\Bigl(e^{s^+} + \sum_j e^{s^-_j - \log(M q_j)}\Bigr)

    For catalogues of millions, where a softmax over all is too dear. With ``log_q``, a popular candidate that is drawn
    often counts less, and the sum estimates that over the whole catalogue. Without it, the drawn candidates are the
    whole catalogue: plain cross-entropy, as in-batch losses have it, which is biased against popular candidates.

    Args:
        positive: (N,) scores of the right candidates.
        negatives: (N, M) scores of drawn ones.
        log_q: (M,) or (N, M) log-probabilities with which they were drawn.
        accidental: (N, M) negatives that are right by accident.

    Returns:
        One value per positive, (N,).

    Example:
        >>> sampled_softmax(torch.zeros(1), torch.zeros(1, 3))
        tensor([1.3863])

    Reference:
        Bengio, Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language
        Model", IEEE Transactions on Neural Networks 2008, https://doi.org/10.1109/TNN.2007.912312.
    """
    if log_q is not None:
        # The sum over M draws, each divided by its expected count M q, estimates the sum over the catalogue.
        negatives = negatives - log_q - math.log(negatives.shape[1])
    # The differences are formed first: of scores near 1e8 a sum keeps no digit of the loss.
    leads = negatives - positive[:, None]
    drawn = torch.ones_like(leads, dtype=torch.bool) if accidental is None else ~accidental
    return softplus(masked_logsumexp(leads, drawn))


@loss(
    signature="negatives",
    tags=("knowledge-graph", "detached-weights"),
    aliases=("nssa", "self-adversarial-negative-sampling", "rotate-loss"),
)
def self_adversarial(
    positive: Tensor,
    negatives: Tensor,
    *,
    margin: Annotated[float, Range(0, None, search=(1, 24))] = 9.0,
    temperature: Annotated[float, Range(0, None, search=(0, 2))] = 1.0,
    accidental: Tensor | None = None,
) -> Tensor:
    r"""Negative sampling in which the model's own scores say how much each negative counts.

    .. math:: \ell = -\log \sigma(\gamma + s^+) - \sum_j w_j \log \sigma(-\gamma - s^-_j), \quad
        w = \operatorname{softmax}(\alpha s^-)

    For embeddings of knowledge graphs, where scores are minus a distance and most negatives are easy. The weights
    have no gradient. The authors' code halves the value; this is the paper's.

    Args:
        positive: (N,) scores of the right candidates.
        negatives: (N, M) scores of drawn ones.
        margin: gamma, the distance up to which a triple is held to be true.
        temperature: alpha, sharpness of the weights; 0 weighs all negatives alike.
        accidental: (N, M) negatives that are right by accident.

    Returns:
        One value per positive, (N,).

    Example:
        >>> self_adversarial(torch.tensor([-9.0]), torch.tensor([[-9.0, -9.0]]))
        tensor([1.3863])

    Reference:
        Sun, Deng, Nie, Tang, "RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space", ICLR 2019,
        https://arxiv.org/abs/1902.10197.
    """
    sharp = temperature * negatives.detach()
    if accidental is not None:
        # A row of nothing but accidental hits has no weights; the second factor makes them 0.
        sharp = sharp.masked_fill(accidental, torch.finfo(sharp.dtype).min)
    weights = torch.softmax(sharp, 1)
    if accidental is not None:
        weights = weights * ~accidental
    return softplus(-margin - positive) + (weights * softplus(margin + negatives)).sum(1)
