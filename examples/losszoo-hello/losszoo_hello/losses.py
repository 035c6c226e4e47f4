"""Losses with one value per element or sample."""

from torch import Tensor

CUTOFF = 4.685  # 95 % as efficient as squared error where residuals are normal, with deviation 1


def tukey_biweight(predictions: Tensor, targets: Tensor) -> Tensor:
    """Squared error near 0, constant beyond the cutoff."""
    # Cut before it is squared: the square of a large residual overflows, and the slope out there is 0 anyway.
    v = ((predictions - targets) / CUTOFF).clamp(-1, 1).square()
    # 1 - (1 - v)^3, multiplied out: nothing cancels where v is small.
    return CUTOFF**2 / 6 * v * (3 - v * (3 - v))


def generalized_cross_entropy(logits: Tensor, targets: Tensor, *, q: float = 0.7) -> Tensor:
    """From cross-entropy (q towards 0) to the absolute error of the probability (q = 1)."""
    # 1 - p^q from log p: it keeps its digits at p near 0, at p near 1, and at small q.
    values = -(q * logits.log_softmax(1)).expm1() / q
    if targets.is_floating_point():  # probabilities of the classes, as the signature allows
        return (targets * values).sum(1)
    return values.gather(1, targets.unsqueeze(1)).squeeze(1)
