"""Distances on either side of a boundary that is learned."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from losszoo import Range, Unreduced, UsageError, loss, pairwise
from losszoo_plugins.closed_form import only_plain


@loss(signature="embedding", tags=("metric", "contrastive", "learned"), aliases=("margin-loss", "margin-based"))
@pairwise(similarity="euclidean", temperature=None, needs=("candidate",))
class Margin(nn.Module):
    r"""Positives within a boundary, negatives beyond it, each by a margin; where the boundary lies is learned.

    .. math:: \ell_i = \sum_{p} \max(0, \alpha + d_{ip} - \beta) + \sum_{n} \max(0, \alpha + \beta - d_{in})

    For retrieval. Unlike ``contrastive`` it does not ask positives to come to a point, and unlike triplets it needs no
    third row. The boundary is one number, or one of each class, for classes of different width. All pairs of the batch
    count, and the mean is over the terms above 0. As most negatives are far, its authors draw them by their distance:
    without that the positives of a trained embedding outweigh them. Made for rows of length 1, whose distances are at
    most 2. pytorch-metric-learning goes through triplets, so it counts a pair once for each third row; on pairs it is
    the same. Give the optimiser its ``parameters()`` too, without weight decay.

    Args:
        margin: alpha, how far from the boundary a pair costs nothing.
        beta: the boundary at the start.
        learned: whether the boundary is learned.
        per_class: whether each class has its own.
        classes: number of classes; none takes it from the data of a run.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.

    Returns:
        From the call on embeddings (N, D) and labels (N,) int64: (N,), the sum over the row's pairs, which counts as
        many as have a loss.

    Raises:
        UsageError: fewer classes than one; from the call, per class, where classes are not known, or a label does not
            fit them.

    Example:
        >>> import losszoo
        >>> loss = losszoo.create("margin", margin=0.5, beta=1.0)
        >>> loss(torch.tensor([[0.0], [1.0], [1.75]]), torch.tensor([0, 0, 1])).item()
        0.625

    Reference:
        Wu, Manmatha, Smola, Kraehenbuehl, "Sampling Matters in Deep Embedding Learning", ICCV 2017,
        https://arxiv.org/abs/1706.07567.
    """

    def __init__(
        self,
        *,
        margin: Annotated[float, Range(0, None, search=(0.05, 0.5))] = 0.2,
        beta: Annotated[float, Range(None, None, search=(0.5, 1.5))] = 1.2,
        learned: bool = True,
        per_class: bool = False,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.margin, self.beta, self.learned = margin, beta, learned
        self.per_class, self.classes = per_class, classes
        if classes is not None and classes < 1:
            raise UsageError(f"classes must be at least 1, got {classes}")
        self.boundary: Tensor | None = None
        self._make_boundary()

    def set_sizes(self, classes: int, dim: int) -> None:
        """The number of classes of the data, where it was left open."""
        self.classes = classes if self.classes is None else self.classes
        self._make_boundary()

    def _make_boundary(self) -> None:
        if self.boundary is not None or (self.per_class and self.classes is None):
            return
        boundary = torch.full((self.classes if self.per_class and self.classes else 1,), float(self.beta))
        del self.boundary
        if self.learned:
            self.boundary = nn.Parameter(boundary)
        else:
            self.register_buffer("boundary", boundary)

    def forward(self, logits: Tensor, positive: Tensor, negative: Tensor, row_labels: Tensor) -> Unreduced:
        beta = self._of_rows(row_labels).to(logits.dtype)
        near = torch.where(positive, (self.margin - logits - beta).relu(), 0.0)
        far = torch.where(negative, (self.margin + beta + logits).relu(), 0.0)
        costs = near + far
        return Unreduced(costs.sum(1), (costs > 0).sum(1).to(logits.dtype))

    def _of_rows(self, labels: Tensor) -> Tensor:
        """(rows, 1) or (1,): the boundary of each row."""
        if self.boundary is None:
            raise UsageError("classes must be given where no run takes them from its data, got classes=None")
        if not self.per_class:
            return self.boundary
        if labels.ndim != 1 or labels.is_floating_point():
            raise UsageError(f"labels must be class indices, of shape (N,), got {tuple(labels.shape)} {labels.dtype}")
        if labels.device.type == "cpu" and not only_plain():
            wrong = (labels < 0) | (labels >= len(self.boundary))
            if bool(wrong.any()):
                raise UsageError(f"labels must be from 0 to {self.classes}-1, got {labels[wrong][0].item()}")
        return self.boundary[labels].unsqueeze(1)
