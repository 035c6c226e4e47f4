"""The peer ``torch``: the losses that torch itself has."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from losszoo.bench.peers.peer import Call, Peer


def cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float, ignore_index: int) -> Tensor:
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing, ignore_index=ignore_index)


def nll(logits: Tensor, targets: Tensor, *, ignore_index: int) -> Tensor:
    return F.nll_loss(logits, targets, ignore_index=ignore_index)


def multiclass_hinge_of_all(logits: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    # torch divides by the number of classes.
    return F.multi_margin_loss(logits, targets, margin=margin) * logits.shape[1]


def huber(predictions: Tensor, targets: Tensor, *, delta: float) -> Tensor:
    return F.huber_loss(predictions, targets, delta=delta)


def triplet(anchors: Tensor, positives: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    return F.triplet_margin_loss(anchors, positives, negatives, margin=margin, eps=0.0)


_FORMULAS: Mapping[str, Call] = {
    "cross-entropy": cross_entropy,
    "nll": nll,
    "bce": F.binary_cross_entropy_with_logits,
    "bce-probabilities": F.binary_cross_entropy,
    "weston-watkins": multiclass_hinge_of_all,
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": huber,
    "triplet": triplet,
}
PEERS = {"torch": Peer("torch", "torch", formulas=_FORMULAS)}
