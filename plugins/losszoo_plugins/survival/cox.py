"""The partial likelihood of proportional hazards."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from losszoo import Unreduced, loss


@loss(
    signature="survival",
    tags=("survival", "probabilistic"),
    aliases=("cox-ph", "partial-likelihood", "proportional-hazards", "deepsurv"),
)
def cox(
    risks: Tensor,
    times: Tensor,
    events: Tensor,
    strata: Tensor | None = None,
    *,
    ties: Literal["efron", "breslow"] = "efron",
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Minus the partial log-likelihood of a proportional hazards model: who has an event, of all that are still seen.

    .. math:: \ell_i = \log \Bigl(\sum_{t_j \ge t_i} e^{\eta_j} - \tfrac{k_i}{d_i} \sum_{j \in D_i} e^{\eta_j}\Bigr)
        - \eta_i \quad \text{for every event } i

    For times of which some are only known to be longer (censored). It orders rows and tells no time: hazards follow
    with a baseline that is estimated afterwards. D is the set of the d events at one time, of which i is the k-th,
    counted from 0; "breslow" leaves the second sum out, which is the same where no two events are tied.

    A batch is compared in itself, so it needs several events; large batches are better. The sums are cumulative over
    the sorted times, each relative to its own largest risk: N log N numbers, and exact at any risk. pycox adds 1e-7 to
    a risk set whose largest risk it has subtracted over the whole batch, so far below that risk every event costs 16.1
    less its own risk.

    Args:
        risks: (N,), eta, the logarithm of the hazard up to a constant.
        times: (N,), >= 0, of the event or of the last sight.
        events: (N,), 1 where the time is that of an event, else 0.
        strata: (N,) int64; rows of different strata are not compared.
        ties: how events at the same time are counted.
        mask: boolean, (N,); False rows take no part, as candidates neither.

    Returns:
        One value per row, (N,), >= 0; 0, and no count, for a row without an event. The mean is that over the events.

    Example:
        >>> cox(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 1.0, 0.0])).values
        tensor([1.0986, 0.6931, 0.0000])

    Reference:
        Cox, "Regression Models and Life-Tables", JRSS B 1972, https://doi.org/10.1111/j.2517-6161.1972.tb00899.x;
        Efron, "The Efficiency of Cox's Likelihood Function for Censored Data", JASA 1977,
        https://doi.org/10.1080/01621459.1977.10480613.
    """
    there = torch.ones_like(events, dtype=torch.bool) if mask is None else mask
    if strata is None:
        values = _one_stratum(risks, times, events, there, ties)
    else:
        values = torch.zeros_like(risks)
        for stratum in torch.unique(strata):
            own = there & (strata == stratum)
            values = torch.where(own, _one_stratum(risks, times, events, own, ties), values)
    counted = there & (events > 0)
    return Unreduced(torch.where(counted, values, 0.0), counted.to(risks.dtype))


def _one_stratum(risks: Tensor, times: Tensor, events: Tensor, there: Tensor, ties: str) -> Tensor:
    """The values of all rows; those of rows that are not there, or have no event, mean nothing."""
    if not len(risks):
        return risks
    # A quarter of the largest number below 0 is nothing beside any risk, and, unlike -inf, has a difference to itself.
    nothing = torch.finfo(risks.dtype).min / 4
    order = times.argsort(descending=True, stable=True)
    risk, died = risks[order], (there & (events > 0))[order]
    first, last = _ends(times[order])
    fixed = torch.where(there[order], risk.detach(), nothing)
    # 1, with the derivative of an exponent.
    one = torch.exp(risk - risk.detach())
    largest, sums = (x[last] for x in _cumulative(fixed, one))
    if ties == "efron":
        tied = torch.where(died, one * torch.exp(fixed - largest), 0.0)
        tied = torch.zeros_like(risk).scatter_add(0, first, tied)[first]
        below = torch.nn.functional.pad(died.to(torch.int64).cumsum(0), (1, 0))
        place, count = below[:-1] - below[first], below[last + 1] - below[first]
        # Of a row without an event nothing: behind all events of its time nothing would be left of their sum.
        sums = sums - torch.where(died, place / count.clamp(min=1).to(risk.dtype) * tied, 0.0)
    return torch.empty_like(risk).scatter(0, order, (largest - risk) + sums.log())


def _cumulative(fixed: Tensor, one: Tensor) -> tuple[Tensor, Tensor]:
    """Of all places up to each the largest exponent, and the sum of exponents relative to it, in log2 N passes.

    A difference of exponents is exact at any size, which the logarithm of a sum is not: of 1e4 it has three digits left
    in float32, as torch's ``logcumsumexp`` and its gradient have.
    """
    largest, sums, step = fixed, one, 1
    while step < len(fixed):
        before, here = largest[:-step], largest[step:]
        top = torch.maximum(before, here)
        added = sums[step:] * torch.exp(here - top) + sums[:-step] * torch.exp(before - top)
        largest, sums = torch.cat([largest[:step], top]), torch.cat([sums[:step], added])
        step *= 2
    return largest, sums


def _ends(time: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last place of those with the same time, of sorted times."""
    places = torch.arange(len(time), device=time.device)
    changes = time[1:] != time[:-1]
    starts = torch.cat([changes.new_ones(1), changes])
    stops = torch.cat([changes, changes.new_ones(1)])
    first = torch.where(starts, places, 0).cummax(0).values
    last = torch.where(stops, places, len(time)).flip(0).cummin(0).values.flip(0)
    return first, last
