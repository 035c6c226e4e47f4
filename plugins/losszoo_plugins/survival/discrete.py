"""Survival in intervals of time: hazards, and shares of the events."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import Range, Unreduced, loss, masked_logsumexp


@loss(
    signature="survival-hazards",
    tags=("survival", "probabilistic", "proper"),
    aliases=("discrete-hazard", "nnet-survival", "discrete-time-survival"),
)
def logistic_hazard(hazard_logits: Tensor, bins: Tensor, events: Tensor) -> Tensor:
    r"""Minus the log-likelihood of hazards of intervals: whether a row that has come so far has its event there.

    .. math:: \ell = -\sum_{j \le b - \delta} \log \sigma(-z_j) - \delta \log \sigma(z_b)

    For a whole curve of survival without an assumption of its form: binary cross-entropy over the intervals that a row
    has come through. Rows are apart, so batches may be small.

    Args:
        hazard_logits: (N, T).
        bins: (N,) int64, b, the interval of the event, or the last one survived; -1 for none.
        events: (N,), delta, 1 where there was an event, else 0.

    Returns:
        One value per row, (N,), >= 0.

    Example:
        >>> logistic_hazard(torch.zeros(2, 3), torch.tensor([1, 2]), torch.tensor([1.0, 0.0]))
        tensor([1.3863, 2.0794])

    Reference:
        Gensheimer, Narasimhan, "A Scalable Discrete-Time Survival Model for Neural Networks", PeerJ 2019,
        https://doi.org/10.7717/peerj.6257; Kvamme, Borgan, "Continuous and Discrete-Time Survival Prediction with
        Neural Networks", Lifetime Data Analysis 2021, https://doi.org/10.1007/s10985-021-09532-6.
    """
    interval = torch.arange(hazard_logits.shape[1], device=bins.device)
    there, own = interval <= bins.unsqueeze(1), interval == bins.unsqueeze(1)
    has_event = own & (events > 0).unsqueeze(1)
    return torch.where(there, F.softplus(torch.where(has_event, -hazard_logits, hazard_logits)), 0.0).sum(1)


@loss(signature="survival-masses", tags=("survival", "ranking"), aliases=("deep-hit",))
def deephit(
    mass_logits: Tensor,
    bins: Tensor,
    events: Tensor,
    *,
    alpha: Annotated[float, Range(0, 1, search=(0, 1))] = 0.2,
    sigma: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.05, 1))] = 0.1,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Likelihood of the interval of an event, and a penalty of pairs whose order is wrong.

    .. math:: \ell_i = -\alpha \log m_i + \frac{1 - \alpha}{N} \sum_{j \text{ later}}
        e^{-\left(F_i(b_i) - F_j(b_i)\right) / \sigma}

    For rankings by risk with a curve of survival. m is the softmax share of the interval of the event, or of all later
    ones of a row that is lost from sight; F is the share of events up to an interval. The softmax has one interval
    more, of logit 0, for later than all. Row j is later than the event of i if its bin is, or if it has survived that
    bin.

    All shares are logarithms: pycox has log(relu(1 - cumsum) + 1e-7) for who is lost from sight, of which no gradient
    is left where all later shares underflow. The second term is as large as e^(1 / sigma).

    Args:
        mass_logits: (N, T).
        bins: (N,) int64, b, the interval of the event, or the last one survived; -1 for none.
        events: (N,), 1 where there was an event, else 0.
        alpha: share of the likelihood.
        sigma: how far apart two rows should be.
        mask: boolean, (N,); False rows take no part, in pairs neither.

    Returns:
        One value per row, (N,), >= 0.

    Example:
        >>> deephit(torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([1.0, 0.0]), alpha=1.0).values
        tensor([1.0986, 1.0986])

    Reference:
        Lee, Zame, Yoon, van der Schaar, "DeepHit: A Deep Learning Approach to Survival Analysis with Competing Risks",
        AAAI 2018, https://doi.org/10.1609/aaai.v32i1.11842; in the form of Kvamme, Borgan, Scheel, "Time-to-Event
        Prediction with Neural Networks and Cox Regression", JMLR 2019, https://jmlr.org/papers/v20/18-424.html.
    """
    there = torch.ones_like(events, dtype=torch.bool) if mask is None else mask
    died = (events > 0) & there
    logs = F.pad(mass_logits, (0, 1)).log_softmax(1)
    interval = torch.arange(logs.shape[1], device=bins.device)
    own = torch.where(died.unsqueeze(1), interval == bins.unsqueeze(1), interval > bins.unsqueeze(1))
    likelihood = -masked_logsumexp(logs, own)
    # by_bin[i, j] is how much of row j has happened up to the bin of row i.
    by_bin = logs.exp().cumsum(1).T[bins.clamp(min=0)]
    later = (bins.unsqueeze(1) < bins) | ((bins.unsqueeze(1) == bins) & ~died)
    pairs = later & died.unsqueeze(1) & there
    lead = torch.where(pairs, by_bin.diagonal().unsqueeze(1) - by_bin, 0.0)
    ranking = torch.where(pairs, torch.exp(-lead / sigma), 0.0).sum(1) / there.sum().clamp(min=1)
    values = alpha * likelihood + (1 - alpha) * ranking
    return Unreduced(values) if mask is None else Unreduced(torch.where(mask, values, 0.0), mask.to(values.dtype))
