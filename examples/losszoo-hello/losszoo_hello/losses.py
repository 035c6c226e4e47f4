"""Losses with one value per element or sample."""

from typing import Annotated

from torch import Tensor

from losszoo import Range, loss

CUTOFF = 4.685  # 95 % as efficient as squared error where residuals are normal, with deviation 1


@loss(signature="regression", aliases=("soft-cutoff",))
def hello_biweight(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Squared error near 0, constant far away: outliers do not pull.

    .. math:: \ell = \tfrac{c^2}{6} \left(1 - (1 - \min(r/c, 1)^2)^3\right), \quad r = |p - t|, \quad c = 4.685

    For targets with gross errors, in units of the deviation of the others.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.

    Returns:
        One value per element.

    Reference:
        Beaton, Tukey, "The Fitting of Power Series", Technometrics 1974,
        https://doi.org/10.1080/00401706.1974.10489171.
    """
    # Cut before it is squared: the square of a large residual overflows, and the slope out there is 0 anyway.
    v = ((predictions - targets) / CUTOFF).clamp(-1, 1).square()
    # 1 - (1 - v)^3, multiplied out: nothing cancels where v is small.
    return CUTOFF**2 / 6 * v * (3 - v * (3 - v))


@loss(signature="multiclass", tags=("noisy-labels",))
def noise_robust_crossentropy(
    logits: Tensor, targets: Tensor, *, q: Annotated[float, Range(0, 1, bounds="(]", search=(0.1, 1))] = 0.7
) -> Tensor:
    r"""Between cross-entropy and absolute error: forgives wrong labels.

    .. math:: \ell = (1 - p_y^q) / q, \quad p = \operatorname{softmax}(z)

    For labels of which some are wrong: a sample whose label the model finds absurd pulls less.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities.
        q: doubt in the labels: towards 0 it is cross-entropy, 1 is the absolute error of the probability.

    Returns:
        One value per sample.

    Reference:
        Zhang, Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
        NeurIPS 2018, https://arxiv.org/abs/1805.07836.
    """
    # 1 - p^q from log p: it keeps its digits at p near 0, at p near 1, and at small q.
    values = -(q * logits.log_softmax(1)).expm1() / q
    if targets.is_floating_point():  # probabilities of the classes, as the signature allows
        return (targets * values).sum(1)
    return values.gather(1, targets.unsqueeze(1)).squeeze(1)
