"""Cross-entropy from hidden states: the logits of all samples never stand in memory together."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from losszoo import Unreduced, UsageError, differentiable_again, loss
from losszoo_plugins.closed_form import only_plain, transformed

# Logits in memory at a time, where the user names no chunk: 16 MB in float32.
_LOGITS = 2**22


@loss(
    signature="embedding",
    tags=("probabilistic", "proper", "memory"),
    aliases=("cut-cross-entropy", "fused-linear-cross-entropy", "chunked-cross-entropy"),
)
class LinearCrossEntropy(nn.Module):
    r"""Cross-entropy of a linear layer on hidden states, without storing the matrix of logits.

    .. math:: \ell = -z_y + \log \sum_c e^{z_c}, \quad z = W h + b

    It holds the linear layer. For many classes, such as a vocabulary, where the logits of a batch are far larger than
    hidden states and weights. They are computed for some rows at a time, and once more for the gradient: memory grows
    with ``chunk`` times C, not with N times C. It is torch's own ``linear_cross_entropy`` where the installed torch has
    it. A gradient with ``create_graph=True``, and the transforms of ``torch.func``, form all logits. Give the optimiser
    its ``parameters()`` too.

    Args:
        classes: C; none takes it from the data of a run.
        dim: D, width of the hidden states; none takes it from the model of a run.
        bias: whether the linear layer has one.
        chunk: rows whose logits are in memory together, >= 1; none is as many as fill 16 MB in float32.
        ignore_index: label that takes no part in value or gradient.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> loss = LinearCrossEntropy(classes=4, dim=2)
        >>> loss(torch.zeros(1, 2), torch.tensor([3])).values.shape
        torch.Size([1])

    Reference:
        Wijmans, Huval, Hertzberg, Koltun, Kraehenbuehl, "Cut Your Losses in Large-Vocabulary Language Models", ICLR
        2025, https://arxiv.org/abs/2411.09009.
    """

    def __init__(
        self,
        classes: int | None = None,
        dim: int | None = None,
        bias: bool = True,
        chunk: int | None = None,
        ignore_index: int = -100,
    ) -> None:
        super().__init__()
        self.classes, self.dim, self.bias = classes, dim, bias
        self.chunk, self.ignore_index = chunk, ignore_index
        self.layer: nn.Linear | None = None
        for name, value in (("classes", classes), ("dim", dim), ("chunk", chunk)):
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, got {value}")
        self._make_layer()

    def set_sizes(self, classes: int, dim: int) -> None:
        """Sizes of the data, for what was left open."""
        self.classes = classes if self.classes is None else self.classes
        self.dim = dim if self.dim is None else self.dim
        self._make_layer()

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Unreduced:
        layer = self._checked_layer(embeddings, labels, mask)
        present = labels != self.ignore_index if mask is None else mask & (labels != self.ignore_index)
        rows, index = torch.where(present.unsqueeze(1), embeddings, 0.0), torch.where(present, labels, 0)
        weight, bias = layer.weight.to(rows.dtype), None if layer.bias is None else layer.bias.to(rows.dtype)
        chunk = self.chunk or max(1, _LOGITS // layer.out_features)
        values = cross_entropy_in_chunks(rows, weight, bias, index, chunk)
        return Unreduced(torch.where(present, values, 0.0), present.to(rows.dtype))

    def extra_repr(self) -> str:
        return f"classes={self.classes}, dim={self.dim}"

    def _make_layer(self) -> None:
        if self.layer is None and self.classes is not None and self.dim is not None:
            self.layer = nn.Linear(self.dim, self.classes, self.bias)

    def _checked_layer(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None) -> nn.Linear:
        if self.layer is None:
            raise UsageError(
                "classes and dim must be given where no run takes them from its data, got "
                f"classes={self.classes}, dim={self.dim}"
            )
        if embeddings.shape[1] != self.dim:
            raise UsageError(f"embeddings must have shape (N, {self.dim}), got {tuple(embeddings.shape)}")
        if labels.ndim != 1:
            raise UsageError(f"labels must be class indices, of shape (N,), got {tuple(labels.shape)}")
        if embeddings.device.type == "cpu" and not only_plain():
            wrong = ((labels < 0) | (labels >= self.layer.out_features)) & (labels != self.ignore_index)
            wrong = wrong if mask is None else wrong & mask
            if bool(wrong.any()):
                raise UsageError(f"labels must be from 0 to {self.classes}-1, got {labels[wrong][0].item()}")
        return self.layer


def cross_entropy_in_chunks(rows: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, chunk: int) -> Tensor:
    """Cross-entropy of ``rows @ weight.T + bias``, (N,), with the logits of ``chunk`` rows at a time."""
    plain = partial(_plain, labels=labels)
    if transformed():
        return plain(rows, weight, bias)
    if hasattr(nn, "LinearCrossEntropyOptions"):
        options = nn.LinearCrossEntropyOptions(batch_chunk_size=chunk, chunking_method=None)
        values = functional.linear_cross_entropy(
            rows, weight, labels, linear_bias=bias, reduction="none", options=options
        )
    else:
        values = Chunked.apply(rows, weight, bias, labels, chunk)  # type: ignore[no-untyped-call]
    return differentiable_again(values, plain, rows, weight, bias)


def _plain(rows: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    return functional.cross_entropy(functional.linear(rows, weight, bias), labels, reduction="none")


class Chunked(Function):
    """The same in operations that every torch has. Keeps its inputs and one number per row."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, chunk: int) -> Tensor:
        values, totals = torch.empty_like(rows[:, 0]), torch.empty_like(rows[:, 0])
        for start in range(0, len(rows), chunk):
            part = slice(start, start + chunk)
            logits = functional.linear(rows[part], weight, bias)
            totals[part] = logits.logsumexp(1)
            values[part] = totals[part] - logits.gather(1, labels[part, None])[:, 0]
        ctx.save_for_backward(rows, weight, bias, labels, totals)
        ctx.chunk = chunk
        ctx.set_materialize_grads(False)
        return values

    @staticmethod
    @torch.no_grad()
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None, None
        rows, weight, bias, labels, totals = ctx.saved_tensors
        to_rows, to_weight = torch.empty_like(rows), torch.zeros_like(weight)
        to_bias = None if bias is None else torch.zeros_like(bias)
        for start in range(0, len(rows), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            outer = grad[part, None]
            slope = functional.linear(rows[part], weight, bias).sub_(totals[part, None]).exp_().mul_(outer)
            slope.scatter_add_(1, labels[part, None], -outer)
            torch.mm(slope, weight, out=to_rows[part])
            to_weight.addmm_(slope.T, rows[part])
            if to_bias is not None:
                to_bias += slope.sum(0)
        return to_rows, to_weight, to_bias, None, None
