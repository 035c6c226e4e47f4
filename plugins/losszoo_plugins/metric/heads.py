"""Softmax over the angles to learned rows of the classes, with a margin on the angle to the own one."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss
from losszoo_plugins.metric.class_rows import ClassRows, Rows, angles, log_odds_of_others
from losszoo_plugins.pairs import directions, softplus

Scale = Annotated[float, Range(0, None, bounds="()", search=(8.0, 128.0))]
# A right angle: literals are read from the source.
Angle = Annotated[float, Range(0, 1.5707963267948966, bounds="[)", search=(0.1, 0.8))]


class _Head(ClassRows):
    """Cross-entropy of a scale times the cosines, of which that of the own class is another function of its angle."""

    scale: float

    def own(self, theta: Tensor) -> Tensor:
        """In place of the cosine of the own class."""
        raise NotImplementedError

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Unreduced:
        rows = self.rows(embeddings, labels, mask)
        cosines = self.by_class(directions(rows.embeddings) @ directions(rows.weight).T).amax(2)
        own = self.own(self.nearest(rows))
        return values_of(rows, log_odds_of_others(self.scale * cosines, self.scale * own, rows.labels))

    def nearest(self, rows: Rows) -> Tensor:
        """Angle to the nearest learned row of the own class, (N,)."""
        return angles(rows.embeddings.unsqueeze(1), self.of_class(rows)).amin(1)


def values_of(rows: Rows, odds: Tensor) -> Unreduced:
    """Minus the logarithm of the own share of the softmax; 0, and no count, where a row takes no part."""
    return Unreduced(torch.where(rows.present, softplus(odds), 0.0), rows.present.to(odds.dtype))


class _AddedAngle(_Head):
    """A margin added to the angle, as far as the sum stays below pi."""

    margin: float

    def own(self, theta: Tensor) -> Tensor:
        within = theta <= math.pi - self.margin
        return torch.where(within, (theta + self.margin).cos(), theta.cos() - self.margin * math.sin(self.margin))


@loss(signature="embedding", tags=("metric", "learned", "angular"), aliases=("arc-face", "additive-angular-margin"))
class Arcface(_AddedAngle):
    r"""Softmax of cosines to learned class rows, with a margin added to the angle of the own class.

    .. math:: \ell = -\log \frac{e^{s \cos(\theta_y + m)}}{e^{s \cos(\theta_y + m)} + \sum_{c \ne y} e^{s \cos\theta_c}}

    For faces and other retrieval with many classes and clean labels: no mining, and the margin is one arc everywhere.
    With wrong labels or several looks of a class take ``sub-center-arcface``. A large margin from the start may not
    converge; lower it, or the scale. Beyond :math:`\theta_y = \pi - m` the sum would pass :math:`\pi` and the cosine
    rise again, so there it is :math:`\cos\theta_y - m \sin m`, as in its authors' code: it keeps falling, with a step
    down at the seam.

    The angle comes from the chords of the two directions, not from an arc cosine. So at an angle of exactly 0 or
    :math:`\pi` the gradient is finite: that of the own class is 0 there, as no direction is better than another.
    pytorch-metric-learning 2.9 has NaN for all of it. It holds the learned rows: give the optimiser its
    ``parameters()`` too, in a run with ``recipe.loss_lr`` a rate of their own.

    Args:
        scale: s, of the cosines; the larger, the harder the softmax.
        margin: m, in radians.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = Arcface(scale=1.0, margin=0.0, classes=2, dim=2)
        >>> _ = head.weight.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 3.0]]), torch.tensor([0])).values.item()
        0.6931471824645996

    Reference:
        Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019,
        https://arxiv.org/abs/1801.07698.
    """

    def __init__(
        self, *, scale: Scale = 64.0, margin: Angle = 0.5, classes: int | None = None, dim: int | None = None
    ) -> None:
        super().__init__(classes, dim)
        self.scale, self.margin = scale, margin


@loss(
    signature="embedding", tags=("metric", "learned", "angular"), aliases=("subcenter-arcface", "sub-center-arc-face")
)
class SubCenterArcface(_AddedAngle):
    r"""ArcFace with several learned rows of each class, of which the nearest counts.

    .. math:: \ell = -\log \frac{e^{s \cos(\theta_y + m)}}{e^{s \cos(\theta_y + m)} + \sum_{c \ne y} e^{s \cos\theta_c}}
        , \quad \theta_c = \min_k \theta_{ck}

    For wrong labels and classes of several looks: what does not fit gathers at a row of its own. With clean labels one
    row, ``arcface``, keeps the classes tighter. Where two rows of a class are equally near, each has half of the
    gradient. Everything else is as in ``arcface``: the seam beyond :math:`\pi - m`, and the gradient at an angle of 0.

    Args:
        scale: s, of the cosines.
        margin: m, in radians.
        centers: rows of each class, >= 1.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = SubCenterArcface(scale=1.0, margin=0.0, centers=2, classes=1, dim=2)
        >>> head(torch.ones(1, 2), torch.tensor([0])).values.item()
        0.0

    Reference:
        Deng, Guo, Liu, Gong, Zafeiriou, "Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web
        Faces", ECCV 2020, https://doi.org/10.1007/978-3-030-58621-8_43.
    """

    def __init__(
        self,
        *,
        scale: Scale = 64.0,
        margin: Angle = 0.5,
        centers: Annotated[int, Range(1, None, search=(1, 5))] = 3,
        classes: int | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(classes, dim, centers)
        self.scale, self.margin, self.centers = scale, margin, centers


@loss(
    signature="embedding",
    tags=("metric", "learned", "angular"),
    aliases=("cos-face", "am-softmax", "large-margin-cosine", "additive-margin-softmax"),
)
class Cosface(_Head):
    r"""Softmax of cosines to learned class rows, with a margin taken off the cosine of the own class.

    .. math:: \ell = -\log \frac{e^{s (\cos\theta_y - m)}}{e^{s (\cos\theta_y - m)} + \sum_{c \ne y} e^{s \cos\theta_c}}

    As ``arcface``, and easier to train: the margin needs no angle, and falls at every angle alike. The pull fades near
    an angle of 0 and of :math:`\pi`, where a cosine is flat. It holds the learned rows: give the optimiser its
    ``parameters()`` too, in a run with ``recipe.loss_lr`` a rate of their own.

    Args:
        scale: s, of the cosines; the larger, the harder the softmax.
        margin: m, taken off the cosine of the own class.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = Cosface(scale=1.0, margin=0.0, classes=2, dim=2)
        >>> _ = head.weight.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 3.0]]), torch.tensor([0])).values.item()
        0.6931471824645996

    Reference:
        Wang, Wang, Zhou, Ji, Gong, Zhou, Li, Liu, "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR
        2018, https://arxiv.org/abs/1801.09414.
    """

    def __init__(
        self,
        *,
        scale: Scale = 64.0,
        margin: Annotated[float, Range(0, 2, search=(0.1, 0.6))] = 0.35,
        classes: int | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(classes, dim)
        self.scale, self.margin = scale, margin

    def own(self, theta: Tensor) -> Tensor:
        return theta.cos() - self.margin
