"""What a row's softmax says of its positives and negatives, by plain operations on whole rows."""

from __future__ import annotations

import torch
from torch import Tensor


def log_odds(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Log odds that the softmax of a row picks a negative rather than a positive.

    .. math:: o_i = \log \sum_{j \in N_i} e^{s_{ij}} - \log \sum_{j \in P_i} e^{s_{ij}}

    Each sum is taken relative to its own largest term, so neither can underflow, and two large logarithms are never
    subtracted.

    Args:
        logits: (rows, N).
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.

    Returns:
        (rows,): ``+inf`` where a row has no positive, else ``-inf`` where it has no negative.

    Example:
        >>> positive = torch.tensor([[True, False, False]])
        >>> log_odds(torch.zeros(1, 3), positive, ~positive)
        tensor([0.6931])
    """
    if logits.numel() == 0:
        return logits.sum(1) + torch.inf
    (far, negative_sum), (near, positive_sum) = _peak_and_sum(logits, negative), _peak_and_sum(logits, positive)
    # The peaks are constants: what they add to a logarithm they take from its terms.
    odds = torch.where(negative_sum != 0, far - near, -torch.inf) + (_log(negative_sum) - _log(positive_sum))
    return torch.where(positive_sum != 0, odds, torch.inf)


def spread(logits: Tensor, positive: Tensor) -> Tensor:
    r"""By how much the log-sum-exp of a row's positives exceeds their mean.

    .. math:: r_i = \log \sum_{j \in P_i} e^{s_{ij}} - \frac{1}{|P_i|} \sum_{j \in P_i} s_{ij}

    Args:
        logits: (rows, N).
        positive: (rows, N), boolean.

    Returns:
        (rows,), >= log(number of positives); 0 where there is none.

    Example:
        >>> spread(torch.zeros(1, 3), torch.tensor([[True, True, False]]))
        tensor([0.6931])
    """
    if logits.numel() == 0:
        return logits.sum(1)
    near, positive_sum = _peak_and_sum(logits, positive)
    counts = positive.sum(1).clamp(min=1).unsqueeze(1)
    # Divided before the sum, which could overflow.
    gap = (torch.where(positive, near.unsqueeze(1) - logits, 0.0) / counts).sum(1)
    return torch.where(positive_sum != 0, gap + _log(positive_sum), 0.0)


def _peak_and_sum(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The largest logit under the mask as a constant, and the sum of the terms relative to it; 0 and 0 for none."""
    peak = torch.where(mask, logits.detach(), -torch.inf).amax(1, keepdim=True)
    peak = torch.where(peak == -torch.inf, 0.0, peak)
    terms = torch.where(mask, (logits - peak).clamp(max=0.0), -torch.inf).exp()
    return peak.squeeze(1), terms.sum(1)


def _log(total: Tensor) -> Tensor:
    """Logarithm of a sum >= 1; of an empty one 0 without a gradient."""
    return torch.where(total != 0, total, 1.0).log()
