"""Which pairs of a row take part: small pure functions of its similarities, for every row function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.errors import UsageError

# Positives and negatives that remain, of (similarities, positive, negative).
Choice = tuple[Tensor, Tensor]

# Distances on the unit sphere below which negatives are drawn as if they were there, and beyond which none is drawn.
_CUTOFF, _BEYOND = 0.5, 1.4


@dataclass(frozen=True)
class Miner:
    """A miner, and what it is told of the rows.

    Args:
        name: one of :data:`MINERS`, or a function of a user's: of similarities (rows, N) without a gradient, positive
            and negative, it returns the pairs of both kinds that remain.
        margin: of those that have one.
        similarity: of the rows.
        temperature: that logits were divided by; a miner sees similarities.
        width: of the rows.
    """

    name: str | Callable[[Tensor, Tensor, Tensor], Choice]
    margin: float
    similarity: str
    temperature: float
    width: int

    def __call__(self, logits: Tensor, positive: Tensor, negative: Tensor) -> Choice:
        similarities = logits.detach() * self.temperature
        if callable(self.name):
            return _checked(self.name(similarities, positive, negative), positive, negative)
        return MINERS[self.name](self, similarities, positive, negative)


def multi_similarity(miner: Miner, similarities: Tensor, positive: Tensor, negative: Tensor) -> Choice:
    """Positives less similar than the hardest negative, and negatives more similar than the hardest positive.

    Within the margin, as in Wang et al., "Multi-Similarity Loss", CVPR 2019.
    """
    hardest_positive = torch.where(positive, similarities, torch.inf).amin(1, keepdim=True)
    hardest_negative = torch.where(negative, similarities, -torch.inf).amax(1, keepdim=True)
    near = positive & (similarities - miner.margin < hardest_negative)
    return near, negative & (similarities + miner.margin > hardest_positive)


def hard(miner: Miner, similarities: Tensor, positive: Tensor, negative: Tensor) -> Choice:
    """The least similar positive and the most similar negative: Hermans et al., 2017."""
    return _best(-similarities, positive), _best(similarities, negative)


def easy_positive(miner: Miner, similarities: Tensor, positive: Tensor, negative: Tensor) -> Choice:
    """The most similar positive and the most similar negative: Xuan et al., WACV 2020."""
    return _best(similarities, positive), _best(similarities, negative)


def semi_hard(miner: Miner, similarities: Tensor, positive: Tensor, negative: Tensor) -> Choice:
    """The most similar positive, and the most similar of the negatives that are further away than it."""
    nearest = torch.where(positive, similarities, -torch.inf).amax(1, keepdim=True)
    return _best(similarities, positive), _best(similarities, negative & (similarities < nearest))


def distance_weighted(miner: Miner, similarities: Tensor, positive: Tensor, negative: Tensor) -> Choice:
    """All positives, and as many negatives, drawn so that all distances on the unit sphere are as likely.

    Wu et al., "Sampling Matters in Deep Embedding Learning", ICCV 2017. What is drawn depends on the similarities
    alone, so that both passes of a streamed gradient, and a step that is repeated, draw the same.
    """
    distances = _distances(miner.similarity, similarities).clamp(min=_CUTOFF)
    dimension = float(miner.width)
    inner = (1 - 0.25 * distances.square()).clamp(min=1e-6)
    weights = (2 - dimension) * distances.log() - 0.5 * (dimension - 3) * inner.log()
    drawn = torch.where(negative & (distances < _BEYOND), weights + _gumbel(similarities), -torch.inf)
    # The largest of weights plus Gumbel noise are a draw without replacement.
    ranked = drawn.sort(dim=1, descending=True).values
    wanted = positive.sum(1, keepdim=True).clamp(min=1, max=drawn.shape[1])
    return positive, (drawn >= ranked.gather(1, wanted - 1)) & (drawn > -torch.inf)


MINERS: dict[str, Callable[[Miner, Tensor, Tensor, Tensor], Choice]] = {
    "multi-similarity": multi_similarity,
    "hard": hard,
    "easy-positive": easy_positive,
    "semi-hard": semi_hard,
    "distance-weighted": distance_weighted,
}


def _best(scores: Tensor, mask: Tensor) -> Tensor:
    """The place of the largest score under the mask in each row; the first of several."""
    first = torch.where(mask, scores, -torch.inf).argmax(1, keepdim=True)
    return torch.zeros_like(mask).scatter(1, first, True) & mask


def _distances(similarity: str, similarities: Tensor) -> Tensor:
    if similarity == "dot":
        raise UsageError("miner must be another one with similarity dot, which says no distance, got distance-weighted")
    if similarity == "cosine":
        return (2 - 2 * similarities).clamp(min=0).sqrt()
    return -similarities if similarity == "euclidean" else (-similarities).sqrt()


def _gumbel(numbers: Tensor) -> Tensor:
    """Noise that depends on the numbers alone, to five places, as other ways to compute them round them differently."""
    places = (1e5 * numbers).round()
    uniform = (43758.5453 * torch.sin(12.9898 * places)).frac().abs().clamp(min=1e-7, max=1 - 1e-6)
    return -(-uniform.log()).log()


def _checked(chosen: Choice, positive: Tensor, negative: Tensor) -> Choice:
    """What a function of a user's has chosen, of those that were there."""
    for mask in chosen if isinstance(chosen, tuple) and len(chosen) == 2 else (None,):
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != positive.shape:
            shape = tuple(positive.shape)
            raise UsageError(f"miner must return two boolean tensors of shape {shape}, (positive, negative)")
    return chosen[0] & positive, chosen[1] & negative
