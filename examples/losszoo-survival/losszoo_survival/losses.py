"""Losses of survival analysis."""

import torch

from losszoo import Unreduced, masked_logsumexp


def cox(risks, exits, deaths, *, mask=None):
    r"""Minus the partial log-likelihood of a proportional hazards model, with Breslow's rule for ties.

    .. math:: \ell_i = \log \sum_{j: t_j \ge t_i} e^{r_j} - r_i \text{ for every event } i

    The mean is that over the deaths.

    Args:
        risks: (N,) logarithms of the hazard, up to a constant.
        exits: (N,) of the event, or of the last sight.
        deaths: (N,) 1 where there was an event, 0 where the row was lost from sight.
        mask: (N,) rows that take part, as candidates too.

    Returns:
        One value per row; 0, and no count, for a row without an event.

    Example:
        >>> cox(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.ones(2)).values
        tensor([0.6931, 0.0000])

    Reference:
        Cox, "Regression Models and Life-Tables", JRSS B 1972.
    """
    at_risk = exits[None, :] >= exits[:, None]
    present = torch.ones_like(deaths) if mask is None else mask.to(deaths.dtype)
    if mask is not None:
        at_risk = at_risk & mask[None, :]
    counted = deaths * present > 0
    # A row without an event is at risk itself, so its sum is never empty.
    values = masked_logsumexp(risks.expand(len(risks), -1), at_risk) - risks
    return Unreduced(torch.where(counted, values, 0.0), counted.to(risks.dtype))


def exponential_survival(risks, exits, deaths, *, mask=None):
    r"""Minus the log-likelihood of a constant hazard, the exponential of the risk.

    .. math:: \ell_i = t_i e^{r_i} - \delta_i r_i

    Above a risk of 30 the hazard goes on as a straight line, so that value and gradient stay finite.

    Args:
        risks: (N,) logarithms of the hazard.
        exits: (N,) of the event, or of the last sight.
        deaths: (N,) 1 where there was an event, 0 where the row was lost from sight.
        mask: (N,) rows that take part.

    Returns:
        One value per row.

    Example:
        >>> exponential_survival(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.ones(2))
        tensor([1., 2.])

    Reference:
        Kalbfleisch, Prentice, "The Statistical Analysis of Failure Time Data", Wiley 2002.
    """
    bounded = risks.clamp(max=30.0)
    hazard = bounded.exp() * (1 + risks - bounded)
    values = exits * hazard - deaths * risks
    return values if mask is None else Unreduced(torch.where(mask, values, 0.0), mask.to(values.dtype))
