"""Ordered classes as intervals of one score: the ordered logit and probit models."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

from losszoo import Range, UsageError, loss
from losszoo_plugins.closed_form import only_plain
from losszoo_plugins.ordinal.heads import CutPoints
from losszoo_plugins.ordinal.probability import LOG_ROOT, log1mexp, log_normal_below

# The series leaves out terms of the fourth power of it over 1920.
_NARROW = 1e-3
# Far below the distance of any two levels that rows have, and its inverse is a finite gradient.
_LEAST = 1e-12


@loss(
    signature="ordinal",
    tags=("ordinal", "probabilistic", "proper"),
    aliases=("proportional-odds", "cumulative-logit", "ordered-probit", "cumulative-link"),
)
class OrderedLogit(nn.Module):
    r"""Negative log-likelihood of an interval of a noisy score: the ordered logit model.

    .. math:: \ell = -\log \bigl(F(c_y - x) - F(c_{y-1} - x)\bigr), \quad c_{-1} = -\infty, \; c_{K-1} = \infty

    For grades that are cut from one scale. It is the model of statsmodels' ``OrderedModel`` and R's ``polr``: a score x
    for each row, ordered cut points c, and noise of distribution F. The difference of two nearly equal probabilities
    is never formed, so a score far from its interval has its whole gradient.

    The cut points are needed to predict, so in a run they belong to the head, and the loss is given the logits
    :math:`x - c_k`. They are taken in descending order, whatever order they come in. With ``levels`` the loss holds
    the cut points itself, in ``cuts()``, and takes scores (N,) too: give the optimiser its ``parameters()``. Its cut
    points stay in order after any step. Where two of them are equal, the level between has probability 0; below a
    distance of 1e-12 the logarithm goes on as its tangent, which leads them apart.

    Args:
        link: "logit", where F is the logistic distribution, or "probit", where it is the normal one.
        levels: K, at least 2, for scores, whose cut points the loss holds; none is for logits.

    Returns:
        From the call on logits (N, K - 1), or scores (N,), and levels (N,) int64 from 0 to K - 1: one value per row.

    Raises:
        UsageError: from the call, for scores without ``levels``, or a level that is too high for them.

    Example:
        >>> OrderedLogit()(torch.tensor([[1.0, -1.0]]), torch.tensor([1]))
        tensor([0.7719])

    Reference:
        McCullagh, "Regression Models for Ordinal Data", Journal of the Royal Statistical Society B 1980,
        https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.
    """

    def __init__(
        self, *, link: Literal["logit", "probit"] = "logit", levels: Annotated[int | None, Range(2, None)] = None
    ) -> None:
        super().__init__()
        self.link, self.levels = link, levels
        self.cuts = None if levels is None else CutPoints(levels)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        falling, gaps = self._logits(logits, labels)
        highest = falling.shape[1]
        # The logits at both ends of the interval; the lowest level has none below, the highest none above.
        lower = falling.gather(1, (labels - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        upper = falling.gather(1, labels.clamp(max=highest - 1).unsqueeze(1)).squeeze(1)
        gap = pad(gaps, (1, 1), value=1.0).gather(1, labels.unsqueeze(1)).squeeze(1)
        compute = _probit if self.link == "probit" else _logit
        return compute(lower, upper, gap, labels > 0, labels < highest).to(logits.dtype)

    def _logits(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Descending logits (N, K - 1), and how far each is above the next, (N, K - 2)."""
        if logits.ndim == 2:
            falling = logits.sort(1, descending=True).values
            return falling, falling[:, :-1] - falling[:, 1:]
        if self.cuts is None or self.levels is None:
            raise UsageError("levels must be given for scores (N,), got none; logits have shape (N, K - 1)")
        if labels.device.type == "cpu" and not only_plain(labels) and bool((labels >= self.levels).any()):
            raise UsageError(f"labels must be levels from 0 to {self.levels}-1, got {int(labels.max())}")
        # In float64 a score far from all cut points keeps its distance to each.
        falling = logits.double().unsqueeze(1) - self.cuts().double()
        # Not the difference of those: beside a large score it has no digits.
        return falling, self.cuts.gaps().to(falling.dtype).expand(len(logits), -1)

    def extra_repr(self) -> str:
        return f"link={self.link}, levels={self.levels}"


def _logit(lower: Tensor, upper: Tensor, gap: Tensor, has_lower: Tensor, has_upper: Tensor) -> Tensor:
    r"""Minus the logarithm of F(lower) - F(upper), by F(a) - F(b) = F(a) F(-b) (1 - e^{b - a}) of the logistic F."""
    ends = torch.where(has_lower, softplus(-lower), 0.0) + torch.where(has_upper, softplus(upper), 0.0)
    return ends - torch.where(has_lower & has_upper, _log_width(gap), 0.0)


def _log_width(gap: Tensor) -> Tensor:
    """log(1 - e^-gap), finite at 0."""
    tiny = gap < _LEAST
    return torch.where(tiny, _log(gap), log1mexp(torch.where(tiny, 1.0, gap)))


def _log(gap: Tensor) -> Tensor:
    """The logarithm, which goes on as its tangent below the least gap."""
    inside = gap.clamp(min=_LEAST)
    return torch.log(inside) + (gap - inside) / _LEAST


def _probit(lower: Tensor, upper: Tensor, gap: Tensor, has_lower: Tensor, has_upper: Tensor) -> Tensor:
    """The same of the normal distribution, in float64."""
    lower, upper, gap = lower.double(), upper.double(), gap.double()
    one_end = -log_normal_below(torch.where(has_lower, lower, -upper))
    # In the left tail, where a probability keeps its digits.
    right = lower + upper > 0
    high, low = torch.where(right, -upper, lower), torch.where(right, -lower, upper)
    middle = 0.5 * (high + low)
    inner = has_lower & has_upper
    narrow = inner & ((1 + middle.abs()) * gap < _NARROW)
    # Of a narrow interval: the density in its middle, times its width, and the next term of the series in the width.
    thin, at = torch.where(narrow, gap, 0.1), torch.where(narrow, middle, 0.0)
    density = _log(thin) - LOG_ROOT - at.square() / 2 + torch.log1p((at.square() - 1) * thin.square() / 24)
    direct = inner & ~narrow
    high, low = log_normal_below(torch.where(direct, high, 1.0)), log_normal_below(torch.where(direct, low, 0.0))
    return torch.where(inner, -torch.where(narrow, density, high + log1mexp(high - low)), one_end)
