"""Cross-entropy and its relatives: on log-probabilities, through a softmax, over the largest logits."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import log_softmax

from losszoo import Floats, Range, Unreduced, loss, wide
from losszoo_plugins.signatures._shared import class_weights

from .expectation import expect
from .labels import Labels, pick, read, weighted_sum

ClassWeight = Annotated[Floats | None, Range(0, None)]
# torch leaves out labels of -100 unless it is told another one; here they are left out before, or illegal.
_NO_LABEL = -(2**63)


@loss(
    signature="multiclass",
    tags=("probabilistic", "proper"),
    aliases=(
        "ce",
        "softmax-cross-entropy",
        "softmax-loss",
        "categorical-cross-entropy",
        "categorical-crossentropy",
        "sparse-categorical-cross-entropy",
        "sparse-categorical-crossentropy",
        "soft-target-cross-entropy",
        "label-smoothing",
        "label-smoothing-cross-entropy",
        "log-loss",
        "multinomial-logistic",
    ),
)
@wide
def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    weight: ClassWeight = None,
    label_smoothing: Annotated[float, Range(0, 1, search=(0, 0.3))] = 0.0,
) -> Tensor | Unreduced:
    r"""Cross-entropy on logits, with class weights and label smoothing.

    .. math:: \ell = -\sum_c w_c \left((1 - \varepsilon) q_c + \tfrac{\varepsilon}{C}\right) \log p_c,
        \quad p = \operatorname{softmax}(z)

    The default for one class out of many. Classes may be ruled out by a logit of -inf, unless they are
    smoothed over. Labels are smoothed where ``label_smoothing`` asks for it, usually by 0.1.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q.
        weight: w, one number per class; none weighs all alike. A mean over int64 targets divides by the weights of
            the targets.
        label_smoothing: share of the target spread evenly over all classes.

    Returns:
        One value per position, (N, ...); of labels with class weights also what each counts.

    Example:
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])

    Reference:
        Bridle, "Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum Mutual
        Information Estimation of Parameters", NeurIPS 1989,
        https://mlanthology.org/neurips/1989/bridle1989neurips-training; label smoothing as in Szegedy, Vanhoucke,
        Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
        https://arxiv.org/abs/1512.00567.
    """
    if weight is None and not targets.is_floating_point():
        return functional.cross_entropy(
            logits, targets, label_smoothing=label_smoothing, ignore_index=_NO_LABEL, reduction="none"
        )
    # Where torch multiplies an infinite cost by a weight or a share of 0, it gives NaN.
    labels = read(logits, targets)
    cost = -log_softmax(labels.logits, -1)
    if weight is None:
        values, each, counts = pick(cost, labels), cost.new_ones(cost.shape[-1:]), None
    else:
        # Smoothed labels are weighed, and not weighed labels smoothed: so the signature cannot do it.
        each = class_weights(weight, logits)
        values, counts = _weighed(cost, labels, each)
    if label_smoothing > 0:
        values = (1 - label_smoothing) * values + label_smoothing * weighted_sum(cost, each) / cost.shape[-1]
    return Unreduced(values, counts)


def _weighed(cost: Tensor, labels: Labels, weight: Tensor) -> tuple[Tensor, Tensor | None]:
    if labels.targets.is_floating_point():
        return weighted_sum(cost, labels.targets * weight), None
    own, counts = pick(cost, labels), weight[labels.targets]
    return torch.where((counts == 0) & ~own.isfinite(), 0.0, own) * counts, counts


@loss(
    signature="multiclass",
    tags=("probabilistic", "proper"),
    aliases=("nll-loss", "negative-log-likelihood"),
    expects="log-probabilities",
)
@wide
def nll(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Negative log-likelihood of log-probabilities.

    .. math:: \ell = -\sum_c q_c \log p_c

    For models that end in ``log_softmax`` or in another normalised logarithm.

    Args:
        logits: log-probabilities, (N, C, ...), <= 0.
        targets: (N, ...) int64, or (N, C, ...) probabilities q.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> nll(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0]))
        tensor([1.3863])

    Reference:
        Fisher, "On the Mathematical Foundations of Theoretical Statistics", Philosophical Transactions of the
        Royal Society A 1922, https://doi.org/10.1098/rsta.1922.0009.
    """
    labels = read(logits, targets)
    return pick(-labels.logits, labels)


@loss(signature="multiclass", tags=("probabilistic",), status="exhibit", stable_twin="cross-entropy")
def softmax_nll_eps(
    logits: Tensor, targets: Tensor, *, eps: Annotated[float, Range(0, 1, log=True, search=(1e-12, 1e-3))] = 1e-8
) -> Tensor:
    r"""Cross-entropy as log(softmax + eps): the gradient vanishes for confident wrong predictions.

    .. math:: \ell = -\sum_c q_c \log(p_c + \epsilon), \quad p = \operatorname{softmax}(z)

    An exhibit, seen in much code and kept to teach: where the softmax underflows the value stops at
    :math:`-\log \epsilon` and the gradient is gone, just where the prediction is most wrong.
    Use ``cross-entropy``.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q.
        eps: number added to the probability.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> softmax_nll_eps(torch.tensor([[1000.0, 0.0]]), torch.tensor([1]))
        tensor([18.4207])

    Reference:
        Goodfellow, Bengio, Courville, "Deep Learning", MIT Press 2016, section 6.2.2.3 (why it fails),
        https://www.deeplearningbook.org.
    """
    labels = read(logits, targets)
    return pick(-torch.log(torch.softmax(labels.logits, -1) + eps), labels)


@loss(
    signature="multiclass",
    tags=("probabilistic", "top-k"),
    aliases=("top-k-softmax", "topk-entropy", "top-k-entropy", "truncated-top-k-entropy"),
)
def topk_softmax(logits: Tensor, targets: Tensor, *, k: Annotated[int, Range(1, None, search=(1, 20))] = 5) -> Tensor:
    r"""Cross-entropy over the k largest logits and the target.

    .. math:: \ell = -z_y + \log \sum_{j \in \operatorname{top}_k(z) \cup \{y\}} e^{z_j}

    For many classes, where the gradient should go to the strongest rivals only. A target that ties with the
    k-th largest logit is among the k.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        k: number of logits that are kept; from the number of classes on it is cross-entropy.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> topk_softmax(torch.zeros(1, 10), torch.tensor([3]), k=2)
        tensor([0.6931])

    Reference:
        Lapin, Hein, Schiele, "Loss Functions for Top-k Error: Analysis and Insights", CVPR 2016,
        https://arxiv.org/abs/1512.00486 (truncated top-k entropy and its relatives).
    """
    return expect(partial(_topk, k=min(k, logits.shape[1])), read(logits, targets))


def _topk(logits: Tensor, index: Tensor, *, k: int) -> Tensor:
    """Logits (..., C), classes (...)."""
    rows, target = logits.reshape(-1, logits.shape[-1]), index.reshape(-1, 1)
    strongest = rows.detach().scatter(-1, target, -torch.inf).topk(k, -1).indices
    # Picked by index, which remembers k + 1 places of a row; a gather would keep all logits for the gradient.
    kept = rows[torch.arange(len(rows), device=rows.device).unsqueeze(1), torch.cat((target, strongest), -1)]
    own, rivals = kept[:, :1], torch.where(strongest == target, -torch.inf, kept[:, 1:])
    first, last = rivals[:, :-1], rivals[:, -1:]
    # The target is among the k largest where fewer than k rivals exceed it: the k-th rival then has no place.
    last = torch.where(own >= last, -torch.inf, last)
    return -log_softmax(torch.cat((own, first, last), -1), -1)[:, 0].view(index.shape)
