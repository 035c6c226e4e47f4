"""Triplets mined in the batch: the hardest, the semi-hard, or all, without a cube of triplets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss, pairwise
from losszoo_plugins.closed_form import only_plain, transformed

Margin = Annotated[float, Range(0, None, search=(0.05, 2))]


@loss(
    signature="embedding",
    tags=("metric", "triplet", "mining"),
    aliases=("batch-hard", "batch-hard-triplet", "hard-triplet", "triplet-hard"),
)
@pairwise(similarity="euclidean", temperature=None, needs=("positive", "negative"))
def triplet_batch_hard(logits: Tensor, positive: Tensor, negative: Tensor, *, margin: Margin = 1.0) -> Tensor:
    r"""Triplet loss of each row with its furthest positive and its closest negative in the batch.

    .. math:: \ell_i = \max\bigl(0, \max_{p} d_{ip} - \min_{n} d_{in} + m\bigr)

    For retrieval and re-identification, with several samples a class in each batch. A wrong label is always the
    hardest one, so it suffers from noisy labels. The embedding can collapse to one point at first, where the loss
    equals the margin; lower the learning rate or start with ``triplet-all``.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        margin: m, how much further the closest negative has to be than the furthest positive.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.

    Returns:
        One value per row, (N,), >= 0. A row without a positive or without a negative takes no part.

    Example:
        >>> import losszoo
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1])
        >>> losszoo.create("triplet-batch-hard", reduction="none")(embeddings, labels)
        tensor([0.5000, 1.5000, 0.0000])

    Reference:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737.
    """
    if logits.numel() == 0:
        return logits.sum(1)
    furthest = torch.where(positive, logits, torch.inf).amin(1)
    closest = torch.where(negative, logits, -torch.inf).amax(1)
    return torch.relu(closest - furthest + margin)


@loss(
    signature="embedding",
    tags=("metric", "triplet", "mining"),
    aliases=("semi-hard-triplet", "triplet-semihard", "batch-semi-hard-triplet"),
)
@pairwise(similarity="euclidean", temperature=None, needs=("positive", "negative"))
def triplet_semi_hard(logits: Tensor, positive: Tensor, negative: Tensor, *, margin: Margin = 1.0) -> Unreduced:
    r"""Triplet loss of each positive pair with the closest negative beyond the positive, else the furthest.

    .. math:: \ell_{ip} = \max\bigl(0, d_{ip} - \min_{n: d_{in} > d_{ip}} d_{in} + m\bigr)

    The closest negative that is still further away than the positive; where there is none, the furthest negative.
    FaceNet looks only at negatives within the margin behind the positive; that band is not applied, so a pair whose
    negative lies beyond it costs nothing and counts in the mean. Easier than the hardest negative, which can
    collapse the embedding early in training.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        margin: m, how much further the negative has to be.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.

    Returns:
        (N,), the sum over the row's positives, which counts as many. A row without a positive or without a
        negative takes no part.

    Example:
        >>> import losszoo
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [-0.5], [-1.5]]), torch.tensor([0, 0, 1, 1])
        >>> losszoo.create("triplet-semi-hard", reduction="none")(embeddings, labels)
        tensor([0.5000, 0.5000, 0.5000, 0.5000])

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering",
        CVPR 2015, https://arxiv.org/abs/1503.03832.
    """
    negatives = _ascending(-logits, negative)
    positives = _ascending(-logits, positive)[:, : _most(positive)]
    beyond = torch.searchsorted(negatives.detach().contiguous(), positives.detach().contiguous(), right=True)
    chosen = negatives.gather(1, torch.minimum(beyond, negative.sum(1, keepdim=True) - 1).clamp(min=0))
    there = positives < torch.inf
    losses = torch.where(there, torch.relu(torch.where(there, positives, 0.0) - chosen + margin), 0.0)
    # What is not finite was sorted behind the padding, and is to come out.
    lost = torch.where(positive, logits.detach() * 0.0, 0.0).sum(1)
    return Unreduced(losses.sum(1) + lost, positive.sum(1).to(logits.dtype))


@loss(
    signature="embedding",
    tags=("metric", "triplet"),
    aliases=("batch-all", "batch-all-triplet", "triplet-batch-all"),
)
@pairwise(similarity="euclidean", temperature=None, needs=("positive", "negative"))
def triplet_all(
    logits: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: Margin = 1.0,
    average: Literal["all", "nonzero"] = "all",
) -> Unreduced:
    r"""Triplet loss over all triplets of the batch, or over those that violate the margin.

    .. math:: \ell_i = \sum_{p} \sum_{n} \max(0, d_{ip} - d_{in} + m)

    Smoother than mining. Late in training most triplets are satisfied and make the mean small; "nonzero" then
    divides by the triplets that are not. The sum over negatives is read off their sorted distances, so memory and
    time grow with the pairs, not with the triplets.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        margin: m, how much further the negative has to be.
        average: which triplets the mean counts: all of them, or those with a loss.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.

    Returns:
        (N,), the sum over the row's triplets, which counts as many. A row without a positive or without a
        negative takes no part.

    Example:
        >>> import losszoo
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [1.5], [9.0]]), torch.tensor([0, 0, 1, 2])
        >>> losszoo.create("triplet-all")(embeddings, labels)
        tensor(0.5000)

    Reference:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737.
    """
    hinges = _TransformedHinges if transformed() else _Hinges
    sums, active, *_ = hinges.apply(logits, positive, negative, margin)  # type: ignore[no-untyped-call]
    counts = active if average == "nonzero" else (positive.sum(1) * negative.sum(1)).to(logits.dtype)
    return Unreduced(sums, counts)


def _hinges(logits: Tensor, positive: Tensor, negative: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over all pairs of a positive and a negative of the hinge of their distances, how many are above 0, slopes.

    Only the positives, mostly the fewer, are sorted, by how far they reach. A negative is then within the reach of
    those of them that come first: as many hinges that pull at it, whose sum is that many times its
    own logit less a prefix sum. How many negatives a positive reaches is read off the same numbers.
    """
    most = _most(positive)
    # Minus the reach, so that the furthest comes first.
    reach, places = torch.where(positive, logits - margin, torch.inf).sort(1)
    reach, places = reach[:, :most].contiguous(), places[:, :most]
    hinges = torch.searchsorted(reach, logits.contiguous())
    hinges = hinges * negative
    # In float64, as the two parts of a sum may nearly cancel.
    finite = torch.where(reach < torch.inf, reach, 0.0).double()
    prefix = torch.nn.functional.pad(finite.cumsum(1), (1, 0))
    sums = (hinges * logits.double() - prefix.gather(1, hinges)).sum(1)
    slopes = hinges.to(logits.dtype)
    reached = torch.zeros_like(prefix).scatter_add_(1, hinges, torch.ones_like(logits, dtype=torch.float64))
    reached = reached.flip(1).cumsum(1).flip(1)[:, 1:]
    slopes.scatter_add_(1, places, -reached.to(logits.dtype))
    return sums.to(logits.dtype), hinges.sum(1).to(logits.dtype), slopes


class _Hinges(torch.autograd.Function):
    """Sums, and how many hinges are above 0; the slopes are found with the sums."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, positive: Tensor, negative: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        sums, active, slopes = _hinges(logits, positive, negative, margin)
        ctx.save_for_backward(slopes)
        ctx.mark_non_differentiable(active)
        return sums, active

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * grad.unsqueeze(1), None, None, None


class _TransformedHinges(torch.autograd.Function):
    """The same for a transform, in the form that it asks for, and which a compiler does not take."""

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, positive: Tensor, negative: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
        return _hinges(logits, positive, negative, margin)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        _, active, slopes = output
        ctx.mark_non_differentiable(active, slopes)
        ctx.save_for_backward(slopes)
        ctx.save_for_forward(slopes)

    backward = staticmethod(_Hinges.backward)

    @staticmethod
    def jvp(ctx: Any, logits: Tensor, *_: None) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return (slopes * logits).sum(1), None, None


def _ascending(distances: Tensor, mask: Tensor) -> Tensor:
    """Distances under the mask from the smallest up, then infinity for the rest of each row."""
    return torch.where(mask, distances, torch.inf).sort(1).values


def _most(mask: Tensor) -> int:
    """The largest number of True in a row. A compiler or a transform cannot know it, and takes them all."""
    if only_plain() or mask.numel() == 0:
        return mask.shape[1]
    return int(mask.sum(1).amax())
