"""The peers ``entmax`` and ``entmax-k100``: the entmax package with a full sort, and with a sort of the largest 100."""

from __future__ import annotations

from torch import Tensor

from losszoo.bench.peers.peer import Call, Peer


def _peer(name: str, k: int | None) -> Peer:
    """Sparsemax and entmax by a sort of the largest k; None sorts all."""

    def sparsemax(logits: Tensor, targets: Tensor) -> Tensor:
        from entmax import sparsemax_loss

        losses: Tensor = sparsemax_loss(logits, targets, k)
        return losses.mean()

    def entmax(*, alpha: float) -> Call:
        """Exact at 1.5 and 2, otherwise by its bisection, which sorts nothing and so takes no k."""
        from entmax import entmax15_loss, entmax_bisect_loss

        if alpha == 2:
            return sparsemax
        if alpha == 1.5:
            return lambda logits, targets: entmax15_loss(logits, targets, k).mean()
        return lambda logits, targets: entmax_bisect_loss(logits, targets, alpha).mean()

    return Peer(name, "entmax", formulas={"sparsemax": sparsemax}, makers={"entmax": entmax})


PEERS = {"entmax": _peer("entmax", None), "entmax-k100": _peer("entmax-k100", 100)}
