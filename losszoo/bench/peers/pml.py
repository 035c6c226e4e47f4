"""The peers ``pml`` and ``pml-supcon``: pytorch-metric-learning, with its options set to the zoo's definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from losszoo.bench.peers.peer import Call, Peer

_PACKAGE = "pytorch-metric-learning"


def _distance(similarity: str) -> Any:
    """Of unnormalised embeddings, except for the cosine."""
    from pytorch_metric_learning import distances

    if similarity == "cosine":
        return distances.CosineSimilarity()
    if similarity == "dot":
        return distances.DotProductSimilarity(normalize_embeddings=False)
    return distances.LpDistance(normalize_embeddings=False, power=2 if similarity == "squared-euclidean" else 1)


def _reducer(average: str = "all") -> Any:
    from pytorch_metric_learning import reducers

    return reducers.AvgNonZeroReducer() if average == "nonzero" else reducers.MeanReducer()


def nca(*, similarity: str, temperature: float) -> Call:
    from pytorch_metric_learning.losses import NCALoss

    loss: Call = NCALoss(softmax_scale=1 / temperature, distance=_distance(similarity))
    return loss


def sup_con(*, similarity: str, temperature: float) -> Call:
    """Its own reducer, which leaves out a row without a positive, whose loss is 0."""
    from pytorch_metric_learning.losses import SupConLoss

    loss: Call = SupConLoss(temperature=temperature, distance=_distance(similarity))
    return loss


def info_nce(*, similarity: str, temperature: float, symmetric: bool) -> Call:
    from pytorch_metric_learning.losses import NTXentLoss

    return _views(NTXentLoss(temperature=temperature, distance=_distance(similarity)), symmetric)


def info_nce_by_sup_con(*, similarity: str, temperature: float, symmetric: bool) -> Call:
    """With one positive a row both losses are the same, and this one needs no tensor of pairs times pairs."""
    return _views(sup_con(similarity=similarity, temperature=temperature), symmetric)


def _views(loss: Any, symmetric: bool) -> Call:
    """Queries against keys; symmetric is the zoo's mean of both directions, not one softmax over both views."""

    def one_way(first: Tensor, second: Tensor) -> Tensor:
        labels = torch.arange(len(first), device=first.device)
        found: Tensor = loss(embeddings=first, labels=labels, ref_emb=second, ref_labels=labels.clone())
        return found

    if symmetric:
        return lambda queries, keys: (one_way(queries, keys) + one_way(keys, queries)) / 2
    return one_way


def triplet_all(*, margin: float, average: str, similarity: str) -> Call:
    from pytorch_metric_learning.losses import TripletMarginLoss

    loss: Call = TripletMarginLoss(margin=margin, distance=_distance(similarity), reducer=_reducer(average))
    return loss


def triplet_batch_hard(*, margin: float, similarity: str) -> Call:
    from pytorch_metric_learning.miners import BatchHardMiner

    loss: Any = triplet_all(margin=margin, average="all", similarity=similarity)
    miner = BatchHardMiner(distance=_distance(similarity))

    def mined(embeddings: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = loss(embeddings, labels, miner(embeddings, labels))
        return found

    return mined


_MAKERS: Mapping[str, Callable[..., Call]] = {
    "nca": nca,
    "sup-con": sup_con,
    "info-nce": info_nce,
    "triplet-all": triplet_all,
    "triplet-batch-hard": triplet_batch_hard,
}
_DIFFERENT = {
    "contrastive": "its loss of a pair is the distance, or the margin minus it, and the zoo's half the square of that",
    "triplet-semi-hard": "it takes every negative inside the margin, the zoo the closest one beyond the positive",
    "modern-nca": "it does not leave a query's own place out of the candidates",
}
PEERS = {
    "pml": Peer("pml", _PACKAGE, makers=_MAKERS, different=_DIFFERENT),
    "pml-supcon": Peer("pml-supcon", _PACKAGE, makers={"info-nce": info_nce_by_sup_con}),
}
