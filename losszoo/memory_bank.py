"""Cross-batch memory: the rows of earlier batches as candidates of this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from losszoo.common.text import shown
from losszoo.creation import create
from losszoo.errors import UsageError
from losszoo.losses.arguments import as_mask
from losszoo.losses.loss import Loss
from losszoo.losses.older_rows import OlderRows
from losszoo.losses.parameters import refuse_inside
from losszoo.losses.reduction import expand
from losszoo.losses.signatures import TABLE
from losszoo.losses.sums.leaves import leaves
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.losses.traced import left_out_of_scripts
from losszoo.pairs.pairwise_loss import PairwiseLoss


class MemoryBank(nn.Module):
    r"""A loss over embeddings whose candidates are this batch and the rows of the batches before it.

    .. math:: \ell_i = f\bigl((s_{ij})_{j \in B \cup M}\bigr), \quad i \in B

    A row of the batch B is compared with B and the bank M; a row of the bank with none, and it gets no gradient. Then B
    takes the place of the oldest rows. For losses that want more candidates than a batch holds, at the cost of a
    matrix product: embeddings drift slowly, so those of earlier batches still serve. Give a network some epochs
    (``warmup``) before its first embeddings are compared with later ones.

    Only in training mode are rows put in; in evaluation mode the bank is only looked at. A row that is masked, or that
    holds NaN or infinity, is not put in. What is kept is in the ``state_dict``: a run resumes from it exactly.
    With ``views`` the keys of queries are kept and are negatives of later queries, as in momentum contrast; where the
    loss is ``symmetric``, keys meet the queries of their own batch only. Further keys of a batch are not kept.
    Over several ranks every rank keeps its own rows, and with ``Streaming(ranks="gather")`` or ``"ring"`` the
    candidates are the batches and banks of all ranks. Leave the bank outside of DistributedDataParallel, which would
    overwrite each rank's with that of rank 0.

    Args:
        loss: what :func:`losszoo.create` takes (a name, a call, an expression, a function or module of your own), or a
            loss that is made already; of the signature embedding or views. One that is no row function
            (:func:`losszoo.pairwise`) is called with the rows of the bank below those of the batch, and what it returns
            for them is dropped; it must have the signature embedding and return one value per row.
        size: rows that are kept, >= 1; of a larger batch, its last ones.
        warmup: batches in training mode after which the bank is looked at, >= 0.
        options: for :func:`losszoo.create`.

    Raises:
        UsageError: another signature, or a number out of range; from the call, embeddings or labels that are unlike
            those in the bank.

    Example:
        >>> bank = MemoryBank("nca-stable", size=4)
        >>> rows, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1])
        >>> bank(rows, labels), bank.filled
        (tensor(0.), 2)
        >>> bank(rows, labels)
        tensor(-0.3069)

    Reference:
        Wang, Zhang, Huang, Scott, "Cross-Batch Memory for Embedding Learning", CVPR 2020, arXiv:1912.06798; He, Fan,
        Wu, Xie, Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020,
        arXiv:1911.05722.
    """

    # TorchScript would read these at run time, and knows no such types.
    if TYPE_CHECKING:
        embeddings: Tensor
        labels: Tensor | None

    def __init__(self, loss: str | Callable[..., Any], size: int = 4096, warmup: int = 0, **options: Any) -> None:
        super().__init__()
        for name, value, least in (("size", size, 1), ("warmup", warmup, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"{name} must be an integer >= {least}, got {value!r}")
            if value >= 2**63:
                raise UsageError(f"{name} must be an integer that fits 64 bits, got {shown(value)}")
        self.loss = create(loss, **options)
        self._leaf = _leaf_of(self.loss)
        self.size, self.warmup = size, warmup
        self.register_buffer("embeddings", torch.empty(size, 0))
        labelled = not self._leaf[0].rules.two_ways
        self.register_buffer("labels", torch.empty(size, 0, dtype=torch.long) if labelled else None)
        self.reset()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "size" and "size" in self.__dict__:
            raise UsageError(
                f"size must be given where the bank is made, got size={value!r} for one of {self.size} rows"
            )
        refuse_inside(self, name, value)
        super().__setattr__(name, value)

    @property
    def signature(self) -> str:
        """Name of the signature."""
        return self._leaf[0].signature

    @property
    def filled(self) -> int:
        """How many rows are kept."""
        return self._filled

    @torch.jit.unused
    def forward(self, *inputs: Any, **how: Any) -> Tensor:
        """The loss of one batch, which is then put into the bank.

        Args:
            inputs: embeddings (N, D) and labels (N,) or (N, K), or queries (N, D) and keys (M, D), by position or by
                name.
            how: ``weight``, ``mask`` and ``denominator`` of :class:`losszoo.Loss`, for the rows of the batch.

        Returns:
            One number, or the N unreduced values where ``reduction="none"``.
        """
        value: Tensor = self.loss(*inputs, older=self._older(), **how)
        if self.training:
            self._remember(inputs, how)
        return value

    def count(self, *inputs: Any, **how: Any) -> Tensor:
        """What a mean over this batch divides by, with the bank as it is; nothing is put in."""
        if isinstance(self.loss, SumLoss):
            raise UsageError("count must be asked of one loss, got a sum, whose terms have one each")
        return self.loss.count(*inputs, older=self._older(), **how)

    def reset(self) -> None:
        """Forget all rows, and their width."""
        self._filled = self._place = self._batches = 0
        self.embeddings = self.embeddings.new_empty(self.size, 0)
        if self.labels is not None:
            self.labels = self.labels.new_empty(self.size, 0, dtype=torch.long)

    def extra_repr(self) -> str:
        """Shown by ``print(bank)``."""
        return f"size={self.size}, warmup={self.warmup}, filled={self.filled}"

    def get_extra_state(self) -> dict[str, int]:
        """How many rows are kept, where the next one goes, and how many batches have been."""
        return {"filled": self._filled, "place": self._place, "batches": self._batches}

    def set_extra_state(self, state: Mapping[str, int]) -> None:
        """The same, from ``load_state_dict``."""
        self._filled, self._place, self._batches = (int(state[name]) for name in ("filled", "place", "batches"))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in ("embeddings", "labels"):
            own, saved = getattr(self, name), state_dict.get(prefix + name)
            if own is None or saved is None:
                continue  # torch says which one is missing
            if saved.shape[0] != self.size:
                raise UsageError(
                    f"size must be that of the memory bank that was saved, {saved.shape[0]}, got {self.size}"
                )
            if name == "embeddings" and self._filled and own.shape[1] != saved.shape[1]:
                raise UsageError(
                    f"embeddings must have the width of those in the memory bank, D={own.shape[1]}, "
                    f"got D={saved.shape[1]} in what was saved; reset() forgets them"
                )
            setattr(self, name, torch.empty_like(saved, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _older(self) -> OlderRows:
        filled = self._filled if self._batches >= self.warmup else 0
        return OlderRows(self.embeddings[:filled], None if self.labels is None else self.labels[:filled])

    # What is kept outlives an inference mode, in which it could not be written over later.
    @torch.inference_mode(False)
    @torch.no_grad()
    def _remember(self, inputs: tuple[Any, ...], how: Mapping[str, Any]) -> None:
        """Put a batch in, over the oldest rows."""
        leaf = self._leaf[0]
        rules = leaf.rules
        named = {name: how[name] for name in rules.arguments if name in how}
        rows, labels = rules.remembered(rules.check(rules.bind(inputs, named), leaf._context))
        OlderRows(self.embeddings[: self._filled], self.labels).check(rows, labels)
        keep = torch.isfinite(rows).all(1)
        if how.get("mask") is not None:
            keep &= expand(as_mask(how["mask"]), rows.shape[:1], "mask")
        kept = keep.nonzero().squeeze(1)[-self.size :]
        place = (self._place + torch.arange(kept.shape[0], device=rows.device)) % self.size
        self.embeddings = _written(self.embeddings, place, rows[kept], self._filled == 0)
        if labels is not None and self.labels is not None:
            self.labels = _written(self.labels, place, labels[kept], self._filled == 0)
        self._batches += 1
        self._place = (self._place + kept.shape[0]) % self.size
        self._filled = min(self._filled + kept.shape[0], self.size)


left_out_of_scripts(MemoryBank)


def _written(kept: Tensor, place: Tensor, rows: Tensor, first: bool) -> Tensor:
    """What is kept, with rows written to their places; the first rows say of what shape and dtype it is."""
    if first:
        kept = rows.new_zeros(kept.shape[0], *rows.shape[1:])
    return kept.index_copy_(0, place.to(kept.device), rows.to(kept))


def _leaf_of(loss: Loss | SumLoss) -> tuple[Loss]:
    """A loss over embeddings or views in it, in a tuple, so that it is no second child of the bank.

    Raises:
        UsageError: there is none, or another one beside it.
    """
    found = [leaf for leaf in leaves(loss) if not leaf.rules.on_parameters]
    signatures = {leaf.signature for leaf in found}
    if len(signatures) != 1 or not found[0].rules.keeps_rows:
        came = " and ".join(sorted(signatures or {leaf.signature for leaf in leaves(loss)}))
        able = " or ".join(name for name, rules in TABLE.items() if rules.keeps_rows)
        raise UsageError(f"a memory bank must be given a loss of the signature {able}, got {came}")
    for leaf in found:
        if leaf.rules.two_ways and not isinstance(leaf, PairwiseLoss):
            raise UsageError(
                f"{leaf.identity.name}: with a memory bank, a loss over views must be a row function "
                "(losszoo.pairwise), as older keys have no queries"
            )
    return (found[0],)
