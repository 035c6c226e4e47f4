"""Losses of pairs and triplets: the mined ones on the matrix of distances or the cube of triplets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pairwise_distance

from losszoo.bench.peers.dense_pairs import logits_of, pairs_of
from losszoo.bench.peers.peer import by_name


def contrastive(first: Tensor, second: Tensor, same: Tensor, *, margin: float) -> Tensor:
    distance = pairwise_distance(first, second, eps=0.0)
    return (same * distance.square() + (1 - same) * (margin - distance).relu().square()).mean() / 2


def triplet(anchors: Tensor, positives: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    near = pairwise_distance(anchors, positives, eps=0.0)
    return (near - pairwise_distance(anchors, negatives, eps=0.0) + margin).relu().mean()


def triplet_batch_hard(embeddings: Tensor, labels: Tensor, *, margin: float, similarity: str) -> Tensor:
    positive, negative = pairs_of(labels)
    distances = -logits_of(embeddings, embeddings, similarity)
    furthest = distances.masked_fill(~positive, -torch.inf).amax(1)
    closest = distances.masked_fill(~negative, torch.inf).amin(1)
    return (furthest - closest + margin).relu()[positive.any(1) & negative.any(1)].mean()


def triplet_semi_hard(embeddings: Tensor, labels: Tensor, *, margin: float, similarity: str) -> Tensor:
    """The closest negative beyond each positive, or the furthest one, by a cube of rows, positives, negatives."""
    positive, negative = pairs_of(labels)
    distances = -logits_of(embeddings, embeddings, similarity)
    beyond = negative[:, None, :] & (distances[:, None, :] > distances[:, :, None])
    closest = distances[:, None, :].masked_fill(~beyond, torch.inf).amin(2)
    furthest = distances.masked_fill(~negative, -torch.inf).amax(1, keepdim=True)
    chosen = torch.where(beyond.any(2), closest, furthest)
    return (distances - chosen + margin).relu()[positive & negative.any(1, keepdim=True)].mean()


def triplet_all(embeddings: Tensor, labels: Tensor, *, margin: float, average: str, similarity: str) -> Tensor:
    positive, negative = pairs_of(labels)
    distances = -logits_of(embeddings, embeddings, similarity)
    losses = (distances[:, :, None] - distances[:, None, :] + margin).relu()
    losses = losses[positive[:, :, None] & negative[:, None, :]]
    return losses[losses > 0].mean() if average == "nonzero" else losses.mean()


TRIPLETS = by_name(contrastive, triplet, triplet_batch_hard, triplet_semi_hard, triplet_all)
