"""What a row's softmax says of its positives and negatives: of whole rows, and of a block in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.pairs.pair_masks import Masks

# A term of e^-60 of the largest counts for nothing, and one that underflowed would cost forty times as much.
_FLOOR = -60.0
_NOTHING = torch.empty(0)


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


@dataclass
class SoftmaxBlock:
    """Odds and spread of a block of rows, and then the gradients of the loss, in two buffers and few passes.

    Args:
        scores: (rows, M), logits (``sign`` 1) or their negatives (``sign`` -1). Own places are overwritten.
        sign: see above.
        masks: who is positive and who negative.
        terms: (rows, M), a buffer; the scores themselves where they are not looked at again.
        bound: what no logit exceeds, and none is further below than an exponential can tell; None where unknown.
        positive_sum: (rows, 1), sum of the positives' terms, once the values are known.
        negative_sum: (rows, 1), the same of the negatives.
        nearest: (rows, 1), the best score of a row, where it was looked for.
    """

    scores: Tensor
    sign: float
    masks: Masks
    terms: Tensor
    bound: float | None = None
    positive_sum: Tensor = _NOTHING
    negative_sum: Tensor = _NOTHING
    nearest: Tensor | None = None

    def values(self, spreads: bool) -> tuple[Tensor, ...]:
        """(rows,) log odds, and the spread where it is asked for."""
        masks, terms = self.masks, self.terms
        near, far = self._peaks()
        if near is not far:
            self.nearest = torch.maximum(near, far) if self.sign > 0 else torch.minimum(near, far)
        inside, all_inside = slice(masks.start, masks.stop), masks.stop - masks.start == terms.shape[1]
        band, measured = terms[:, inside], self.scores[:, inside]
        if not all_inside:
            for part, out in zip(masks.outside(self.scores), masks.outside(terms), strict=True):
                self._below(far, part, out)
        self._below(near if near is far else masks.choose(near, far), measured, band)
        gap = self._gap(band) if spreads else None
        terms.clamp_(_FLOOR, 0.0).exp_()
        if masks.positive is None or not all_inside:
            masks.fill_own(terms, 0.0)
        self.positive_sum, self.negative_sum = masks.positive_sum(band), masks.negative_sum(terms)
        # Nothing to sum is an infinity of the right sign, whatever stands for its peak.
        positive_log = self.positive_sum.log()
        odds = self.negative_sum.log() - positive_log
        if near is not far:
            odds += far - near if self.sign > 0 else near - far
        return (odds.squeeze(1),) if gap is None else (odds.squeeze(1), gap.add_(positive_log).squeeze(1))

    def gradients(self, odds: Tensor, spread: Tensor | None = None) -> Tensor:
        """Gradients of the loss on the scores, (rows, M), in the buffer, from its gradients on odds and spread."""
        drawn = odds if spread is None else odds - spread
        tiny = torch.finfo(odds.dtype).tiny
        by_negative = (odds if self.sign > 0 else -odds).unsqueeze(1) / self.negative_sum.clamp(min=tiny)
        by_positive = (-drawn if self.sign > 0 else drawn).unsqueeze(1) / self.positive_sum.clamp(min=tiny)
        self.masks.scale(self.terms, by_positive, by_negative)
        if spread is not None:
            each = (spread if self.sign < 0 else -spread).unsqueeze(1) / self.masks.positive_counts(self.terms)
            self.masks.add_to_positives(self.terms, each)
            if self.masks.positive is None:
                self.masks.fill_own(self.terms, 0.0)
        return self.terms

    def _peaks(self) -> tuple[Tensor, Tensor]:
        """The best positive and the best negative of each row; or one bound for all, where none can be far below it."""
        if self.bound is not None:
            peak = self.scores.new_full((), self.bound)
            return peak, peak
        self.masks.fill_own(self.scores, -self.sign * torch.inf)
        return self.masks.nearest(self.scores, self.sign), self.masks.furthest(self.scores, self.sign)

    def _below(self, peak: Tensor, scores: Tensor, out: Tensor) -> None:
        first, second = (scores, peak) if self.sign > 0 else (peak, scores)
        torch.sub(first, second, out=out)

    def _gap(self, below: Tensor) -> Tensor:
        """How far the positives are below their peak, on average."""
        self.masks.fill_own(self.terms, 0.0)
        # Divided before the sum, which could overflow.
        return self.masks.positive_sum(below / -self.masks.positive_counts(self.terms))
