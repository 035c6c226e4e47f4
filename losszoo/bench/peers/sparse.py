"""The peers ``entmax`` and ``entmax-k100``: the entmax package with a full sort, and with a sort of the largest 100."""

from __future__ import annotations

from torch import Tensor

from losszoo.bench.peers.peer import Call, Peer


def sparsemax(logits: Tensor, targets: Tensor) -> Tensor:
    return _sparsemax(logits, targets, None)


def sparsemax_of_some(logits: Tensor, targets: Tensor) -> Tensor:
    return _sparsemax(logits, targets, 100)


def _sparsemax(logits: Tensor, targets: Tensor, k: int | None) -> Tensor:
    from entmax import sparsemax_loss

    losses: Tensor = sparsemax_loss(logits, targets, k)
    return losses.mean()


def entmax(*, alpha: float) -> Call:
    return _entmax(alpha, None)


def entmax_of_some(*, alpha: float) -> Call:
    return _entmax(alpha, 100)


def _entmax(alpha: float, k: int | None) -> Call:
    """Exact at 1.5 and 2, otherwise by its bisection, which sorts nothing and so takes no k."""
    from entmax import entmax15_loss, entmax_bisect_loss

    if alpha == 2:
        return lambda logits, targets: _sparsemax(logits, targets, k)
    if alpha == 1.5:
        return lambda logits, targets: entmax15_loss(logits, targets, k).mean()
    return lambda logits, targets: entmax_bisect_loss(logits, targets, alpha).mean()


PEERS = {
    "entmax": Peer("entmax", "entmax", formulas={"sparsemax": sparsemax}, makers={"entmax": entmax}),
    "entmax-k100": Peer(
        "entmax-k100", "entmax", formulas={"sparsemax": sparsemax_of_some}, makers={"entmax": entmax_of_some}
    ),
}
