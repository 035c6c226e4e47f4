"""Evidence instead of probabilities: the parameters of a Dirichlet distribution over them."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import Range, loss

from .labels import all_but, read


@loss(
    signature="multiclass",
    tags=("probabilistic", "uncertainty"),
    aliases=("evidential-classification", "dirichlet-evidential", "deep-evidential-classification"),
)
def evidential(
    logits: Tensor,
    targets: Tensor,
    *,
    form: Literal["mse", "log", "digamma"] = "mse",
    kl_weight: Annotated[float, Range(0, None, search=(0, 1))] = 0.1,
) -> Tensor:
    r"""Evidence for each class, and doubt where there is none: a Dirichlet distribution over the probabilities.

    .. math:: \ell = \sum_c (q_c - \alpha_c / S)^2 + \frac{\alpha_c (S - \alpha_c)}{S^2 (S + 1)}
        + \lambda \, KL(\operatorname{Dir}(\tilde \alpha) \,\|\, \operatorname{Dir}(1)), \quad
        \alpha = 1 + \operatorname{softplus}(z), \; S = \sum_c \alpha_c, \; \tilde \alpha = q + (1 - q) \alpha

    For a model that says how sure it is in one pass: C / S is its doubt. The squared form is above; with
    ``form="log"`` the first part is :math:`\sum_c q_c (\log S - \log \alpha_c)`, with "digamma" the same of
    :math:`\psi`. The divergence takes evidence from wrong classes; raise its weight slowly from 0, or all evidence
    goes. Predictions are those of the logits, in the same order as the evidence.

    Args:
        logits: (N, C, ...), of which the evidence is the softplus.
        targets: (N, ...) int64, or (N, C, ...) probabilities q.
        form: of the first part.
        kl_weight: lambda.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> evidential(torch.full((1, 2), -100.0), torch.tensor([0]))
        tensor([0.6667])

    Reference:
        Sensoy, Kaplan, Kandemir, "Evidential Deep Learning to Quantify Classification Uncertainty", NeurIPS 2018,
        https://arxiv.org/abs/1806.01768.
    """
    labels = read(logits, targets)
    q = labels.targets
    if not q.is_floating_point():
        q = (~all_but(q.unsqueeze(-1), labels.logits.shape[-1])).to(logits.dtype)
    evidence = F.softplus(labels.logits)
    alpha = 1 + evidence
    total = alpha.sum(-1, keepdim=True)
    if form == "mse":
        mean = alpha / total
        first = (q - mean).square().sum(-1) + (mean * (1 - mean) / (total + 1)).sum(-1)
    elif form == "log":
        first = (q * (total.log() - alpha.log())).sum(-1)
    else:
        # The difference of two digammas of large numbers has few digits in float32.
        first = (q * (_digamma(total) - _digamma(alpha))).sum(-1).to(logits.dtype)
    return first + kl_weight * _divergence((1 - q) * evidence).to(logits.dtype) if kl_weight else first


def _digamma(x: Tensor) -> Tensor:
    return torch.digamma(x.double())


def _divergence(evidence: Tensor) -> Tensor:
    """KL of Dir(1 + evidence) from Dir(1), in float64: its terms are large and nearly cancel."""
    evidence = evidence.double()
    alpha = 1 + evidence
    total, classes = alpha.sum(-1, keepdim=True), alpha.new_tensor(float(alpha.shape[-1]))
    normal = torch.lgamma(total).squeeze(-1) - torch.lgamma(alpha).sum(-1) - torch.lgamma(classes)
    return normal + (evidence * (torch.digamma(alpha) - torch.digamma(total))).sum(-1)
