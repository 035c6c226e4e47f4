"""Softmax over projections on learned directions of the classes, with the angle to the own one multiplied."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss, safe_sqrt
from losszoo_plugins.metric.class_rows import ClassRows, angles, log_odds_of_others
from losszoo_plugins.metric.heads import values_of
from losszoo_plugins.pairs import directions


@loss(signature="embedding", tags=("metric", "learned", "angular"), aliases=("sphere-face", "a-softmax"))
class Sphereface(ClassRows):
    r"""Softmax over projections on learned class directions, with the angle of the own class multiplied.

    .. math:: \ell = -\log \frac{e^{r \psi(\theta_y)}}{e^{r \psi(\theta_y)} + \sum_{c \ne y} e^{r \cos\theta_c}}, \quad
        \psi(\theta) = (-1)^k \cos(m\theta) - 2k, \quad k = \lfloor m\theta / \pi \rfloor

    r is the length of the embedding. The first of the margins on angles; ``arcface`` and ``cosface`` are easier to
    train, as this margin is wide from the start and vanishes for classes that are near each other. Its authors mix it
    with the plain softmax at first, which here is a sum with a schedule. The angle comes from the chords of the two
    directions, not from a polynomial of the cosine, so it keeps its digits near 0 and :math:`\pi`. An embedding of
    length 0 has no angle, and is pushed by the other classes only. Give the optimiser its ``parameters()`` too.

    Args:
        margin: m, a whole number; 1 is a softmax of the projections.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = Sphereface(margin=1, classes=2, dim=2)
        >>> _ = head.weight.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 3.0]]), torch.tensor([0])).values.detach()
        tensor([0.6931])

    Reference:
        Liu, Wen, Yu, Li, Raj, Song, "SphereFace: Deep Hypersphere Embedding for Face Recognition", CVPR 2017,
        https://arxiv.org/abs/1704.08063.
    """

    def __init__(
        self,
        *,
        margin: Annotated[int, Range(1, None, search=(1, 5))] = 4,
        classes: int | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(classes, dim)
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Unreduced:
        rows = self.rows(embeddings, labels, mask)
        theta = self.margin * angles(rows.embeddings, self.of_class(rows)[:, 0])
        turns = (theta.detach() / math.pi).floor().clamp(max=self.margin - 1)
        psi = (1 - 2 * (turns % 2)) * theta.cos() - 2 * turns
        projections = rows.embeddings @ directions(rows.weight).T
        return values_of(rows, log_odds_of_others(projections, lengths(rows.embeddings) * psi, rows.labels))


def lengths(rows: Tensor) -> Tensor:
    """Length of each row, (N,); its squares neither overflow nor vanish, and at 0 the gradient is 0."""
    if rows.numel() == 0:
        return rows.sum(1)
    largest = rows.detach().abs().amax(1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0)
    return scale[:, 0] * safe_sqrt((rows / scale).square().sum(1))
