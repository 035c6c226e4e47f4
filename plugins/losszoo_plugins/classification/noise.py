"""Losses for labels of which some are wrong."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from losszoo import Floats, Range, UsageError, loss, wide
from losszoo_plugins.closed_form import expm1

from .labels import pick, read


@loss(
    signature="multiclass",
    tags=("probabilistic", "noisy-labels", "bounded"),
    aliases=("gce", "lq-loss", "truncated-cross-entropy"),
)
@wide
def generalized_cross_entropy(
    logits: Tensor, targets: Tensor, *, q: Annotated[float, Range(0, 1, bounds="(]", search=(0.1, 1))] = 0.7
) -> Tensor:
    r"""Between cross-entropy and the absolute error: a label that looks wrong counts less.

    .. math:: \ell = \frac{1 - p_y^q}{q}, \quad p = \operatorname{softmax}(z)

    For wrong labels. Towards q = 0 it is cross-entropy, at 1 the probability of the other classes. It is at most 1/q,
    so the gradient of a label that the model finds impossible fades, which is what protects from wrong labels and
    slows the start of training: with many classes take a smaller q.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        q: 0 is excluded and is cross-entropy; 1 the most robust.

    Returns:
        One value per position, (N, ...), in [0, 1/q].

    Example:
        >>> generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([2]), q=1.0)
        tensor([0.7500])

    Reference:
        Zhang, Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
        NeurIPS 2018, https://arxiv.org/abs/1805.07836.
    """
    labels = read(logits, targets)
    return pick(-expm1(q * log_softmax(labels.logits, -1)) / q, labels)


@loss(signature="multiclass", tags=("probabilistic", "noisy-labels"), aliases=("sce", "symmetric-ce"))
@wide
def symmetric_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    alpha: Annotated[float, Range(0, None, search=(0.01, 6))] = 0.1,
    beta: Annotated[float, Range(0, None, search=(0.1, 1))] = 1.0,
    log_zero: Annotated[float, Range(None, 0, bounds="[)", search=(-8, -2))] = -4.0,
) -> Tensor:
    r"""Cross-entropy in both directions: the reverse one is bounded and forgives wrong labels.

    .. math:: \ell = -\alpha \log p_y - \beta A (1 - p_y), \quad p = \operatorname{softmax}(z)

    For wrong labels, where a bounded loss alone learns too slowly. A stands for the logarithm of 0 in the reverse
    cross-entropy, whose label probabilities are 0 and 1. Other code clamps p, and where it does the gradient of a
    label that looks impossible is exactly 0; here it is that of the formula.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        alpha: weight of cross-entropy.
        beta: weight of the reverse cross-entropy.
        log_zero: A, below 0.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> symmetric_cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([3.1386])

    Reference:
        Wang, Ma, Chen, Luo, Yi, Bailey, "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019,
        https://arxiv.org/abs/1908.06112.
    """
    labels = read(logits, targets)
    log_p = log_softmax(labels.logits, -1)
    reverse = beta * log_zero * expm1(log_p)
    return pick(reverse - alpha * log_p if alpha else reverse, labels)


@loss(signature="multiclass", tags=("probabilistic", "noisy-labels"), aliases=("noise-adaptation", "loss-correction"))
@wide
def forward_correction(
    logits: Tensor,
    targets: Tensor,
    *,
    noise: Annotated[float, Range(0, 1, bounds="[)", search=(0, 0.5))] = 0.1,
    matrix: Annotated[Floats | None, Range(0, 1)] = None,
) -> Tensor:
    r"""Cross-entropy of the labels as they were recorded, of which it is known how often each class becomes another.

    .. math:: \ell = -\log \sum_c T_{cy} \, p_c, \quad p = \operatorname{softmax}(z)

    For wrong labels with a known confusion: the softmax then learns the true classes. Without a matrix a share
    ``noise`` of the labels of each class is wrong, spread evenly over the others.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        noise: share of the labels that are wrong.
        matrix: T, (C, C), or its rows one after the other: in row c the probabilities of each label where c is true.
            It takes the place of ``noise``.

    Returns:
        One value per position, (N, ...).

    Raises:
        UsageError: another number of entries than C^2, or a row that does not sum to 1.

    Example:
        >>> forward_correction(torch.tensor([[100.0, 0.0]]), torch.tensor([1]), noise=0.25)
        tensor([1.3863])

    Reference:
        Patrini, Rozza, Menon, Nock, Qu, "Making Deep Neural Networks Robust to Label Noise: A Loss Correction
        Approach", CVPR 2017, https://arxiv.org/abs/1609.03683.
    """
    labels = read(logits, targets)
    classes = labels.logits.shape[-1]
    log_t = _transitions(matrix, noise, classes, labels.logits).log()
    # log of a mixture: the logarithms are added before anything is summed. A class that cannot become the label is
    # ruled out by -inf, which a sum of exponentials takes without a NaN as long as one term is finite.
    terms = log_softmax(labels.logits, -1).unsqueeze(-1) + log_t
    possible = terms != -torch.inf
    log_mixture = torch.logsumexp(torch.where(possible, terms, torch.finfo(terms.dtype).min), -2)
    return pick(torch.where(possible.any(-2), -log_mixture, torch.inf), labels)


def _transitions(matrix: Floats | None, noise: float, classes: int, like: Tensor) -> Tensor:
    if matrix is None:
        wrong = noise / max(1, classes - 1)
        eye = torch.eye(classes, dtype=like.dtype, device=like.device)
        return eye * (1 - noise - wrong if classes > 1 else 1 - wrong) + wrong
    given = torch.as_tensor(matrix, dtype=like.dtype, device=like.device)
    if given.numel() != classes**2:
        raise UsageError(f"matrix must have C^2 entries, C={classes}, got {given.numel()} of them")
    rows = given.reshape(classes, classes)
    wrong_row = ((rows.sum(1) - 1).abs() > 1e-3).nonzero()
    if wrong_row.numel():
        row = int(wrong_row[0])
        raise UsageError(f"matrix must have rows that sum to 1, got {rows[row].sum().item():g} in row {row}")
    return rows


@loss(signature="multiclass", tags=("noisy-labels", "bounded"), aliases=("bi-tempered-logistic", "tempered-softmax"))
@wide
def bi_tempered(
    logits: Tensor,
    targets: Tensor,
    *,
    t1: Annotated[float, Range(0, 1, bounds="[)", search=(0.2, 0.95))] = 0.8,
    t2: Annotated[float, Range(1, None, search=(1, 4))] = 1.2,
) -> Tensor:
    r"""Cross-entropy with two temperatures: one bounds the loss, the other gives the softmax a heavy tail.

    .. math:: \ell = -\log_{t_1} p_y - \frac{1 - \sum_c p_c^{2 - t_1}}{2 - t_1}, \quad
        p_c = \exp_{t_2}(z_c - \lambda(z)), \quad \sum_c p_c = 1

    For wrong labels: with t1 < 1 an outlier far from the boundary costs at most 1/(1 - t1), with t2 > 1 one near the
    boundary pulls less. At t2 = 1 the probabilities are a softmax; at t1 towards 1 the loss is cross-entropy. The
    normalisation is found by bisection, for logits of any size; the fixed point of the authors' code does not
    converge for large ones. For probabilities as targets it differs from the paper by a term of the targets alone.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        t1: of the logarithm; the smaller, the sooner the loss levels off.
        t2: of the softmax; the larger, the heavier its tail.

    Returns:
        One value per position, (N, ...), >= 0.

    Example:
        >>> bi_tempered(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.0089])

    Reference:
        Amid, Warmuth, Anil, Koren, "Robust Bi-Tempered Logistic Loss Based on Bregman Divergences", NeurIPS 2019,
        https://arxiv.org/abs/1906.03361.
    """
    labels = read(logits, targets)
    log_p = log_softmax(labels.logits, -1) if t2 == 1 else _log_tempered_softmax(labels.logits, t2 - 1)
    powers = torch.exp((2 - t1) * log_p).sum(-1, keepdim=True)
    return pick(-expm1((1 - t1) * log_p) / (1 - t1) - (1 - powers) / (2 - t1), labels)


def _log_tempered_softmax(logits: Tensor, k: float) -> Tensor:
    r"""log p with p = (1 + k (\lambda - z))^{-1/k} that sum to 1."""
    behind = logits - logits.detach().amax(-1, keepdim=True)
    with torch.no_grad():
        low = torch.zeros_like(behind[..., :1])
        # With all classes at the largest logit the sum is C exp_t(-lambda); there it is 1 or less.
        high = low + math.expm1(k * math.log(logits.shape[-1])) / k
        for _ in range(2 + torch.finfo(logits.dtype).bits):
            middle = 0.5 * (low + high)
            above = torch.exp(_log_tempered(middle - behind, k)).sum(-1, keepdim=True) > 1
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    shift = 0.5 * (low + high)
    # Newton's steps from the solution move nothing, but they carry its first and second derivative in the logits.
    for _ in range(2):
        log_p = _log_tempered(shift - behind, k)
        shift = shift + (log_p.exp().sum(-1, keepdim=True) - 1) / torch.exp((1 + k) * log_p).sum(-1, keepdim=True)
    return _log_tempered(shift - behind, k)


def _log_tempered(distance: Tensor, k: float) -> Tensor:
    """log of (1 + k d)^(-1/k), with d at least 0 but for rounding."""
    return -torch.log1p(k * distance.clamp(min=0)) / k
