"""Seesaw loss: classes are balanced by how often they have come, and by how wrong the prediction is."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from losszoo import Range, Unreduced, UsageError, loss, masked_logsumexp
from losszoo_plugins.closed_form import transformed

from .expectation import expect
from .labels import Labels, all_but, read


@loss(
    signature="multiclass",
    tags=("imbalance", "long-tail", "detached-weights", "stateful"),
    aliases=("seesaw-loss",),
)
class Seesaw(nn.Module):
    r"""Cross-entropy that pushes a rare class down less for frequent ones, and more where it is predicted wrongly.

    .. math:: \ell = \log\Bigl(1 + \sum_{j \ne y} M_{yj} C_{yj} e^{z_j - z_y}\Bigr), \quad
        M_{yj} = \min\bigl(1, n_j / n_y\bigr)^p, \quad C_{yj} = \max\bigl(1, \sigma_j / \sigma_y\bigr)^q

    For a long tail of classes, as in instance segmentation, where nobody knows the counts beforehand: n counts the
    labels that have come in training, this batch included. Mitigation M weakens the push on a rarer class j;
    compensation C strengthens it where j is more probable than the target. Both are weights without a gradient, so the
    gradient is not the derivative of the value. They are formed as logarithms, :math:`q [z_j - z_y]_+`, and the sum
    is one of exponents: mmdetection divides probabilities that it first bounds by ``eps`` = 0.01, so its compensation
    stops growing at a ratio of 100.

    The counts are the buffer ``counts``, saved and resumed with the loss; in evaluation, without gradients and under
    ``torch.func`` they stay, and with none all classes are alike. Of probabilities the likeliest class is counted. With
    several processes each counts its own labels: add the buffers up where their data differ.

    Args:
        p: strength of the mitigation; 0 is none.
        q: strength of the compensation; 0 is none.
        classes: C; none takes it from the data of a run, or from the first batch.

    Returns:
        From the call on logits (N, C, ...), targets (N, ...) int64 or (N, C, ...) probabilities, and a boolean mask
        (N, ...), which may be left out: one value per position, (N, ...), >= 0.

    Raises:
        UsageError: from the call, for logits of another number of classes.

    Example:
        >>> loss = Seesaw(classes=2)
        >>> loss(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])).values
        tensor([0.1269, 6.0025])

    Reference:
        Wang, Zhang, Zang, Cao, Pang, Gong, Chen, Liu, Loy, Lin, "Seesaw Loss for Long-Tailed Instance Segmentation",
        CVPR 2021, https://arxiv.org/abs/2008.10032.
    """

    counts: Tensor

    def __init__(
        self,
        *,
        p: Annotated[float, Range(0, None, search=(0.2, 2))] = 0.8,
        q: Annotated[float, Range(0, None, search=(0.5, 4))] = 2.0,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        if classes is not None and classes < 1:
            raise UsageError(f"classes must be at least 1, got {classes}")
        self.p, self.q, self.classes = p, q, classes
        # Whole numbers: half precision holds none above 65504. One 0 until the classes are known: all are alike then.
        self.register_buffer("counts", torch.zeros(classes or 1, dtype=torch.int64))

    def set_sizes(self, classes: int, dim: int) -> None:
        """The number of classes of the data, where it was left open: a saved state has one count for each."""
        if self.classes is None:
            self.counts = self.counts.new_zeros(classes)

    def forward(self, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Unreduced:
        classes = logits.shape[1]
        if self.classes is None:
            self.classes = classes
            self.counts = self.counts if len(self.counts) == classes else self.counts.new_zeros(classes)
        if classes != self.classes:
            raise UsageError(f"logits must have shape (N, {self.classes}, ...), got {tuple(logits.shape)}")
        labels = read(logits, targets)
        if self.training and torch.is_grad_enabled() and not transformed():
            self._count(labels, mask)
        frequency = self.counts.to(logits.device).clamp(min=1).to(logits.dtype).log()
        values = expect(partial(_pushed, frequency=frequency, p=self.p, q=self.q), labels)
        return Unreduced(values) if mask is None else Unreduced(torch.where(mask, values, 0.0), mask.to(values.dtype))

    @torch.no_grad()
    def _count(self, labels: Labels, mask: Tensor | None) -> None:
        came = labels.targets.argmax(-1) if labels.targets.is_floating_point() else labels.targets
        came = came.reshape(-1) if mask is None else came[mask]
        self.counts = self.counts.to(came.device) + one_hot(came, self.classes or 1).sum(0)

    def extra_repr(self) -> str:
        return f"classes={self.classes}"


def _pushed(logits: Tensor, index: Tensor, *, frequency: Tensor, p: float, q: float) -> Tensor:
    """The logarithm of 1 + the weighted exponents of the others, relative to the target."""
    own = index.unsqueeze(-1)
    ahead = logits - logits.gather(-1, own)
    rarer = torch.relu(frequency[index].unsqueeze(-1) - frequency)
    weights = q * torch.relu(ahead.detach()) - p * rarer
    return softplus(masked_logsumexp(ahead + weights, all_but(own, logits.shape[-1])))
