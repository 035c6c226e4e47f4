"""Losses of all labels of a row together: as torch.nn has them, and ZLPR."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from losszoo import Floats, Range, loss
from losszoo_plugins.classification.labels import along_classes


@loss(signature="multilabel", tags=("multilabel", "probabilistic"), aliases=("multilabel-soft-margin-loss",))
def multilabel_soft_margin(
    label_logits: Tensor, has_labels: Tensor, *, weight: Annotated[Floats | None, Range(0, None)] = None
) -> Tensor:
    r"""Mean over the labels of a row of their binary cross-entropy.

    .. math:: \ell = -\frac{1}{C} \sum_c w_c \left(t_c \log \sigma(z_c) + (1 - t_c) \log \sigma(-z_c)\right)

    For rows of several labels, each a question of its own. It is ``bce`` with one value per row, so that masks and
    weights of rows are at hand; as in torch the weights of labels do not change the divisor.

    Args:
        label_logits: (N, C), or (C,).
        has_labels: in [0, 1], shape of ``label_logits``.
        weight: of each label, (C,).

    Returns:
        One value per row, (N,).

    Raises:
        UsageError: another number of weights than of labels.

    Example:
        >>> multilabel_soft_margin(torch.tensor([[0.0, -9.0]]), torch.tensor([[1.0, 0.0]]))
        tensor([0.3466])

    Reference:
        Zhang, Zhou, "Multilabel Neural Networks with Applications to Functional Genomics and Text Categorization",
        IEEE TKDE 2006, https://doi.org/10.1109/TKDE.2006.162.
    """
    values = -has_labels * logsigmoid(label_logits) - (1 - has_labels) * logsigmoid(-label_logits)
    rows = label_logits.unsqueeze(0) if label_logits.ndim == 1 else label_logits
    return (along_classes("weight", weight, rows) * values).mean(-1)


@loss(signature="label-lists", tags=("multilabel", "margin"), aliases=("multilabel-margin-loss",))
def multilabel_margin(
    label_logits: Tensor,
    label_lists: Tensor,
    *,
    margin: Annotated[float, Range(0, None, log=True, search=(0.1, 10))] = 1.0,
) -> Tensor:
    r"""Hinge of each label of a row against each class that is none.

    .. math:: \ell = \frac{1}{C} \sum_{j \in Y} \sum_{i \notin Y} \max(0,\; m - (z_j - z_i))

    For rows of several labels where only their order counts, not a threshold; ``zlpr`` is smooth and learns the
    threshold too. As in torch the divisor is C, not the number of pairs, so rows of many labels count more. Time and
    memory grow with the square of C.

    Args:
        label_logits: (N, C), or (C,).
        label_lists: the labels of each row, ended by -1, int64 of the shape of ``label_logits``.
        margin: m, the lead that costs nothing.

    Returns:
        One value per row, (N,); 0 where a row has no label, or all.

    Example:
        >>> import losszoo
        >>> loss = losszoo.create("multilabel-margin")
        >>> loss(torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]]))
        tensor(0.8500)

    Reference:
        Elisseeff, Weston, "A Kernel Method for Multi-labelled Classification", NeurIPS 2001,
        https://proceedings.neurips.cc/paper/2001/hash/39dcaf7a053dc372fbc391d4e6b5d693-Abstract.html.
    """
    behind = torch.relu(margin - (label_logits.unsqueeze(-1) - label_logits.unsqueeze(-2)))
    other = (label_lists == 0).to(behind.dtype)
    return torch.einsum("...ji,...j,...i->...", behind, label_lists, other) / label_logits.shape[-1]


@loss(
    signature="multilabel",
    tags=("multilabel", "imbalance"),
    aliases=("multilabel-categorical-cross-entropy", "multilabel-cross-entropy"),
)
def zlpr(label_logits: Tensor, has_labels: Tensor) -> Tensor:
    r"""Labels of a row above 0 and above all others, which are below 0: cross-entropy for several labels.

    .. math:: \ell = \log\Bigl(1 + \sum_{i \notin Y} e^{z_i}\Bigr) + \log\Bigl(1 + \sum_{j \in Y} e^{-z_j}\Bigr)

    For rows with few labels out of many: unlike in ``bce`` the hardest class has most of the gradient, whatever the
    imbalance. 0 is the threshold; the values are no calibrated probabilities.

    Args:
        label_logits: (N, C), or (C,).
        has_labels: in [0, 1], shape of ``label_logits``; a share t counts in both sums.

    Returns:
        One value per row, (N,).

    Example:
        >>> zlpr(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]))
        tensor([1.7918])

    Reference:
        Su, Zhu, Murtadha, Pan, Wen, Liu, "ZLPR: A Novel Loss for Multi-label Classification", 2022,
        https://arxiv.org/abs/2208.02955.
    """
    return _above_zero(label_logits, 1 - has_labels) + _above_zero(-label_logits, has_labels)


def _above_zero(scores: Tensor, share: Tensor) -> Tensor:
    """log(1 + sum of share times e^score)."""
    some = share > 0
    sizes = torch.where(some, scores + torch.where(some, share, 1.0).log(), -torch.inf).detach()
    top = torch.relu(sizes.amax(-1))
    # The largest term is e^top, and so no other overflows; only one without share could, which counts 0 times.
    terms = share * (scores - top.unsqueeze(-1)).clamp(max=80).exp()
    return top + torch.log1p(torch.expm1(-top) + terms.sum(-1))
