"""The peer ``torchvision``: its focal loss."""

from __future__ import annotations

from torch import Tensor

from losszoo.bench.peers.peer import Peer


def focal(predictions: Tensor, targets: Tensor, *, gamma: float, alpha: float | None) -> Tensor:
    from torchvision.ops import sigmoid_focal_loss

    # A negative alpha is its way to weigh both labels alike.
    weight = -1.0 if alpha is None else alpha
    losses: Tensor = sigmoid_focal_loss(predictions, targets, alpha=weight, gamma=gamma, reduction="mean")
    return losses


PEERS = {"torchvision": Peer("torchvision", "torchvision", formulas={"focal": focal})}
