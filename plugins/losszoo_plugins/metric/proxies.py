"""Distances of embeddings to learned proxies of the classes: one or several rows each, near which a class gathers."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import OverBatch, Range, Unreduced, loss, masked_logsumexp, safe_sqrt, wide
from losszoo_plugins.metric.class_rows import ClassRows, log_odds_of_others
from losszoo_plugins.metric.heads import values_of
from losszoo_plugins.pairs import directions, softplus


@loss(signature="embedding", tags=("metric", "learned", "proxy"), aliases=("proxyanchor", "proxy-anchor-loss"))
class ProxyAnchor(ClassRows):
    r"""Each learned proxy of a class pulls its hardest positives and pushes its hardest negatives in the batch.

    .. math:: \ell = \frac{1}{|P^+|} \sum_{p \in P^+} \log\Bigl(1 + \sum_{y_i = p} e^{-\alpha (s_{ip} - \delta)}\Bigr) +
        \frac{1}{|P|} \sum_{p} \log\Bigl(1 + \sum_{y_i \ne p} e^{\alpha (s_{ip} + \delta)}\Bigr)

    For retrieval with more classes than a batch holds: as quick to train as other proxies, and the rows of a batch
    still count against each other. The first mean is over the proxies that have a positive, the second over all. The
    value is one of the whole batch. Give the optimiser its ``parameters()`` too: the authors use a rate a hundred
    times that of the model (``recipe.loss_lr``).

    Args:
        margin: delta, of the cosine s.
        alpha: how much the hardest rows outweigh the others.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: one value
        of the batch, (1,), > 0. It does not count where no row takes part.

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = ProxyAnchor(margin=0.0, classes=1, dim=2)
        >>> head(torch.zeros(1, 2), torch.tensor([0])).values.item()
        0.6931471824645996

    Reference:
        Kim, Kim, Cho, Kwak, "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020,
        https://arxiv.org/abs/2003.13911.
    """

    def __init__(
        self,
        *,
        margin: Annotated[float, Range(None, None, search=(0.0, 0.5))] = 0.1,
        alpha: Annotated[float, Range(0, None, bounds="()", search=(8.0, 64.0))] = 32.0,
        classes: int | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(classes, dim)
        self.margin, self.alpha = margin, alpha

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> OverBatch:
        rows = self.rows(embeddings, labels, mask)
        cosines = directions(rows.weight) @ directions(rows.embeddings).T
        own = (torch.arange(len(cosines), device=labels.device).unsqueeze(1) == rows.labels) & rows.present
        there = own.any(1)
        pull = softplus(masked_logsumexp(-self.alpha * (cosines - self.margin), own))
        push = softplus(masked_logsumexp(self.alpha * (cosines + self.margin), ~own & rows.present))
        value = torch.where(there, pull, 0.0).sum() / there.sum().clamp(min=1) + push.mean()
        return OverBatch(value.unsqueeze(0), there.any().unsqueeze(0).to(value.dtype))


@loss(signature="embedding", tags=("metric", "learned", "proxy"), aliases=("proxynca", "proxy-nca-plus-plus"))
class ProxyNca(ClassRows):
    r"""Softmax of squared distances to learned proxies of the classes, all of unit length.

    .. math:: \ell = -\log \frac{e^{-s d^2(x, p_y)}}{\sum_{c} e^{-s d^2(x, p_c)}}

    For retrieval: neighbourhood components with one point for each class in place of the other rows, so it needs no
    positives in the batch. The own proxy stands in the denominator, as in ProxyNCA++ and pytorch-metric-learning; the
    first paper leaves it out (``paper=true``), after which the loss has no lower bound. As a squared distance of unit
    vectors is 2 - 2 cos, it is a softmax of 2 s cos. Give the optimiser its ``parameters()`` too, in a run with
    ``recipe.loss_lr`` a rate of their own.

    Args:
        scale: s, of the squared distances; 1 over a temperature.
        paper: leave the own proxy out of the denominator.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,). With ``paper``, and a single class, no row counts.

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = ProxyNca(classes=2, dim=2)
        >>> _ = head.weight.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 3.0]]), torch.tensor([0])).values.item()
        0.6931471824645996

    Reference:
        Movshovitz-Attias, Toshev, Leung, Ioffe, Singh, "No Fuss Distance Metric Learning using Proxies", ICCV 2017,
        https://arxiv.org/abs/1703.07464; Teh, DeVries, Taylor, "ProxyNCA++", ECCV 2020,
        https://arxiv.org/abs/2004.01113.
    """

    def __init__(
        self,
        *,
        scale: Annotated[float, Range(0, None, bounds="()", search=(1.0, 32.0))] = 3.0,
        paper: bool = False,
        classes: int | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(classes, dim)
        self.scale, self.paper = scale, paper

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Unreduced:
        rows = self.rows(embeddings, labels, mask)
        logits = 2 * self.scale * (directions(rows.embeddings) @ directions(rows.weight).T)
        odds = log_odds_of_others(logits, logits.gather(1, rows.labels.unsqueeze(1))[:, 0], rows.labels)
        if not self.paper:
            return values_of(rows, odds)
        counted = rows.present & (odds > -torch.inf)
        return Unreduced(torch.where(counted, odds, 0.0), counted.to(odds.dtype))


@loss(signature="embedding", tags=("metric", "learned", "proxy"), aliases=("softtriple", "soft-triplet-proxies"))
class SoftTriple(ClassRows):
    r"""Softmax over classes of several learned centres, each class as near as a soft choice of its centres.

    .. math:: \ell = -\log \frac{e^{\lambda (S_y - \delta)}}{e^{\lambda (S_y - \delta)}
        + \sum_{c \ne y} e^{\lambda S_c}}, \quad
        S_c = \sum_k \frac{e^{s_{ck} / \gamma}}{\sum_l e^{s_{cl} / \gamma}} \, s_{ck}

    For classes of several looks, such as a product from all sides, without triplets. s are cosines. As a softmax weighs
    the centres, all of a class learn, unlike the nearest alone in ``sub-center-arcface``. With ``reg_weight`` the mean
    distance between the centres of a class is added, so that those that are not needed fall together. It is no term of
    pytorch-metric-learning's; the authors' code takes a root there whose gradient is not finite at equal centres,
    and adds 1e-5 below it. Here that gradient is 0. Give the optimiser its ``parameters()`` too.

    Args:
        centers: of each class, >= 1.
        scale: lambda, of the similarity of a class.
        gamma: temperature of the choice among the centres of a class.
        margin: delta, taken off the similarity of the own class.
        reg_weight: tau, of the mean distance between the centres of a class.
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = SoftTriple(centers=1, margin=0.0, classes=2, dim=2)
        >>> _ = head.weight.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 3.0]]), torch.tensor([0])).values.item()
        0.6931471824645996

    Reference:
        Qian, Shang, Sun, Hu, Li, Jin, "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", ICCV 2019,
        https://arxiv.org/abs/1909.05235.
    """

    def __init__(
        self,
        *,
        centers: Annotated[int, Range(1, None, search=(1, 20))] = 10,
        scale: Annotated[float, Range(0, None, bounds="()", search=(5.0, 50.0))] = 20.0,
        gamma: Annotated[float, Range(0, None, bounds="()", search=(0.02, 1.0))] = 0.1,
        margin: Annotated[float, Range(0, 2, search=(0.0, 0.2))] = 0.01,
        reg_weight: Annotated[float, Range(0, None, search=(0.0, 0.5))] = 0.0,
        classes: int | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__(classes, dim, centers)
        self.centers, self.scale, self.gamma, self.margin = centers, scale, gamma, margin
        self.reg_weight = reg_weight

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Unreduced:
        rows = self.rows(embeddings, labels, mask)
        cosines = self.by_class(directions(rows.embeddings) @ directions(rows.weight).T)
        logits = self.scale * ((cosines / self.gamma).softmax(2) * cosines).sum(2)
        own = logits.gather(1, rows.labels.unsqueeze(1))[:, 0] - self.scale * self.margin
        result = values_of(rows, log_odds_of_others(logits, own, rows.labels))
        if not self.reg_weight or self.centers < 2:
            return result
        spread = self.reg_weight * self._spread(rows.weight)
        return Unreduced(result.values + torch.where(rows.present, spread, 0.0), result.counts)

    def _spread(self, weight: Tensor) -> Tensor:
        """Half of the mean distance of two centres of a class: the paper's sum is over each pair once."""
        centres = directions(weight).view(-1, self.centers, weight.shape[1])
        first, second = torch.triu_indices(self.centers, self.centers, 1, device=weight.device)
        distances = safe_sqrt((centres[:, first] - centres[:, second]).square().sum(2))
        return distances.mean() / 2


@loss(signature="embedding", tags=("metric", "learned", "proxy"), aliases=("center-loss", "centre", "centre-loss"))
@wide
class Center(ClassRows):
    r"""Half the squared distance of an embedding to the learned centre of its class.

    .. math:: \ell = \tfrac12 \lVert x - c_y \rVert^2

    Beside a loss that keeps classes apart, such as ``linear-cross-entropy + 0.01*center``: alone it is 0 where all
    embeddings and centres are one point. The centres need a faster rate than the model, 0.5 in the paper: in a run
    ``recipe.loss_lr``, elsewhere ``losszoo.parameter_groups``. The authors move a centre by the mean over the rows of
    its class plus one; here it follows its gradient, as every parameter.

    Args:
        classes: number of classes; none takes it from the data of a run.
        dim: D, width of the embeddings; none takes it from the model of a run.

    Returns:
        From the call on embeddings (N, D), labels (N,) int64 and a boolean mask (N,), which may be left out: values
        and counts, each (N,).

    Raises:
        UsageError: from the call, where sizes are not known, or a label or a shape does not fit them.

    Example:
        >>> head = Center(classes=1, dim=2)
        >>> _ = head.weight.data.zero_()
        >>> head(torch.tensor([[3.0, 4.0]]), torch.tensor([0])).values.item()
        12.5

    Reference:
        Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016,
        https://doi.org/10.1007/978-3-319-46478-7_31.
    """

    def __init__(self, *, classes: int | None = None, dim: int | None = None) -> None:
        super().__init__(classes, dim)

    def forward(self, embeddings: Tensor, labels: Tensor, mask: Tensor | None = None) -> Unreduced:
        rows = self.rows(embeddings, labels, mask)
        values = (rows.embeddings - self.of_class(rows)[:, 0]).square().sum(1) / 2
        return Unreduced(torch.where(rows.present, values, 0.0), rows.present.to(values.dtype))
