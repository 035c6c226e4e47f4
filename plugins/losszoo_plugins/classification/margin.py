"""Margin losses: 0 once the score of the target exceeds the others by the margin."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, wide

from .expectation import expect
from .labels import all_but, read

Margin = Annotated[float, Range(0, None, log=True, search=(0.1, 10))]


@loss(signature="binary", tags=("margin",), aliases=("svm", "binary-hinge"))
def hinge(predictions: Tensor, targets: Tensor, *, margin: Margin = 1.0) -> Tensor:
    r"""Hinge loss of a binary score.

    .. math:: \ell = \max(0,\; m - (2t - 1)\, x)

    The loss of the support vector machine: correct predictions beyond the margin have no say.

    Args:
        predictions: scores, any shape.
        targets: 0 or 1, shape of ``predictions``; values between shrink the score.
        margin: m, the lead that costs nothing.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> hinge(torch.tensor([2.0, 0.5, 0.5]), torch.tensor([1.0, 1.0, 0.0]))
        tensor([0.0000, 0.5000, 1.5000])

    Reference:
        Cortes, Vapnik, "Support-Vector Networks", Machine Learning 1995, https://doi.org/10.1007/BF00994018.
    """
    return torch.relu(margin - (2 * targets - 1) * predictions)


@loss(signature="binary", tags=("margin",), aliases=("l2-svm",))
@wide
def squared_hinge(predictions: Tensor, targets: Tensor, *, margin: Margin = 1.0) -> Tensor:
    r"""Squared hinge loss of a binary score.

    .. math:: \ell = \max(0,\; m - (2t - 1)\, x)^2

    The hinge without its kink; large violations weigh more, outliers too.

    Args:
        predictions: scores, any shape.
        targets: 0 or 1, shape of ``predictions``; values between shrink the score.
        margin: m, the lead that costs nothing.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> squared_hinge(torch.tensor([2.0, 0.5, 0.5]), torch.tensor([1.0, 1.0, 0.0]))
        tensor([0.0000, 0.2500, 2.2500])

    Reference:
        Chang, Hsieh, Lin, "Coordinate Descent Method for Large-scale L2-loss Linear Support Vector Machines",
        JMLR 2008, https://www.jmlr.org/papers/v9/chang08a.html.
    """
    return hinge(predictions, targets, margin=margin).square()


@loss(signature="multiclass", tags=("margin",), aliases=("crammer-singer", "categorical-hinge", "multiclass-svm"))
def multiclass_hinge(logits: Tensor, targets: Tensor, *, margin: Margin = 1.0) -> Tensor:
    r"""Hinge loss of the target class against the largest other class.

    .. math:: \ell = \max\left(0,\; m + \max_{j \ne y} z_j - z_y\right)

    The multiclass support vector machine; its value bounds the error rate from above. Rivals that tie share
    the gradient.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        margin: m, the lead that costs nothing.

    Returns:
        One value per position, (N, ...); 0 where there is one class only.

    Example:
        >>> multiclass_hinge(torch.tensor([[1.0, 0.5, 3.0]]), torch.tensor([0]))
        tensor([3.])

    Reference:
        Crammer, Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines", JMLR
        2001, https://www.jmlr.org/papers/v2/crammer01a.html.
    """

    def cost(rows: Tensor, index: Tensor) -> Tensor:
        target = index.unsqueeze(-1)
        rival = torch.where(all_but(target, rows.shape[-1]), rows, -torch.inf).amax(-1)
        return torch.relu(margin + (rival - rows.gather(-1, target).squeeze(-1)))

    return expect(cost, read(logits, targets))


@loss(signature="multiclass", tags=("margin",), aliases=("multiclass-margin",))
def weston_watkins(logits: Tensor, targets: Tensor, *, margin: Margin = 1.0) -> Tensor:
    r"""Hinge loss of the target class against every other class.

    .. math:: \ell = \sum_{j \ne y} \max(0,\; m + z_j - z_y)

    Every class inside the margin pays, not only the strongest. torch's ``multi_margin_loss`` is ``multi-margin``,
    this divided by C.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        margin: m, the lead that costs nothing.

    Returns:
        One value per position, (N, ...); 0 where there is one class only.

    Example:
        >>> weston_watkins(torch.tensor([[1.0, 0.5, 3.0]]), torch.tensor([0]))
        tensor([3.5000])

    Reference:
        Weston, Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", ESANN 1999,
        https://www.esann.org/proceedings/1999.
    """

    def cost(rows: Tensor, index: Tensor) -> Tensor:
        return _behind(rows, index, margin).sum(-1)

    return expect(cost, read(logits, targets))


@loss(signature="multiclass", tags=("margin",), aliases=("multi-margin-loss",))
@wide
def multi_margin(
    logits: Tensor, targets: Tensor, *, p: Annotated[int, Range(1, 2)] = 1, margin: Margin = 1.0
) -> Tensor:
    r"""Hinge loss of the target class against every other class, or its square, over the number of classes.

    .. math:: \ell = \frac{1}{C} \sum_{j \ne y} \max(0,\; m + z_j - z_y)^p

    ``weston-watkins`` as torch has it. With weights of the classes, a mean divides by the weights of the labels, as of
    all losses here; torch's divides by their number.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        p: power, 1 or 2.
        margin: m, the lead that costs nothing.

    Returns:
        One value per position, (N, ...); 0 where there is one class only.

    Example:
        >>> multi_margin(torch.tensor([[1.0, 0.5, 3.0]]), torch.tensor([0]), p=2)
        tensor([3.0833])

    Reference:
        Weston, Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", ESANN 1999,
        https://www.esann.org/proceedings/1999.
    """

    def cost(rows: Tensor, index: Tensor) -> Tensor:
        behind = _behind(rows, index, margin)
        return (behind.square() if p == 2 else behind).mean(-1)

    return expect(cost, read(logits, targets))


def _behind(rows: Tensor, index: Tensor, margin: float) -> Tensor:
    """(..., C): what each class lacks to be a margin below the target; 0 for the target itself."""
    target = index.unsqueeze(-1)
    behind = torch.relu(margin + (rows - rows.gather(-1, target)))
    return torch.where(all_but(target, rows.shape[-1]), behind, 0.0)
