"""The average precision of each row's ranking of the others, made smooth."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss, pairwise_logits
from losszoo_plugins.closed_form import only_plain
from losszoo_plugins.metric.row_blocks import in_blocks, relations


@loss(signature="embedding", tags=("metric", "ranking"), aliases=("smoothap", "smooth-average-precision"))
def smooth_ap(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: Annotated[float, Range(0, None, bounds="()", search=(0.005, 0.1), log=True)] = 0.01,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""One minus the average precision of the others, ranked by their cosine, with a sigmoid in place of each step.

    .. math:: \ell_i = 1 - \frac{1}{|P_i|} \sum_{p \in P_i} \frac{1 + \sum_{j \in P_i \setminus p} \sigma_{jp}}
        {1 + \sum_{j \ne p} \sigma_{jp}}, \quad \sigma_{jp} = \sigma\Bigl(\frac{s_{ij} - s_{ip}}{\tau}\Bigr)

    For retrieval that is judged by average precision, with several samples of a class in each batch. The query is one
    of its own positives, at a cosine of 1, as its authors count. It is bounded, and a sigmoid is flat: a positive that
    is far behind the negatives, by many temperatures, gets no gradient. Begin with a higher temperature, or with
    another loss. pytorch-metric-learning 2.9 gives this number only where there are as many classes as rows of a
    class: it forms the groups by the wrong one of the two, and needs equal classes in a row. Here neither is needed,
    and time and memory grow with the positives of a row, not with all of its pairs.

    Args:
        embeddings: (N, D).
        labels: (N,) int64, or (N, K) multi-hot; the positives of a row are the others of its label, and itself.
        temperature: tau, the width of a step.
        mask: (N,) rows that take part, as candidates too.

    Returns:
        One value per row, (N,), in [0, 1). A row without another positive takes no part.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
        >>> smooth_ap(embeddings, torch.tensor([0, 0, 1])).values
        tensor([0.3039, 0.1667, 0.0000])

    Reference:
        Brown, Xie, Kalogeiton, Zisserman, "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval", ECCV
        2020, https://arxiv.org/abs/2007.12163.
    """
    count = len(embeddings)
    if count == 0:
        return Unreduced(embeddings.sum(1), embeddings.sum(1))
    most = count if only_plain() else _most(labels)

    def missed(block: slice) -> Tensor:
        logits = pairwise_logits(embeddings[block], embeddings, "cosine", temperature)
        positive, negative = relations(labels, block, mask)
        # The positives of each row, first in it.
        places = positive.to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, :most]
        wanted, there = logits.gather(1, places), positive.gather(1, places)
        # The query itself is the last: its cosine is a constant.
        own = torch.full_like(logits[:, :1], 1 / temperature)
        wanted, there = torch.cat([wanted, own], 1), torch.cat([there, there.new_ones(len(there), 1)], 1)
        steps = torch.sigmoid(logits.unsqueeze(1) - wanted.unsqueeze(2))
        near, far = (torch.where(kind.unsqueeze(1), steps, 0.0).sum(2) for kind in (positive, negative))
        # A positive has a step of 1/2 to itself, where 1 is meant; the query has two, one here and one in the sigmoid.
        ahead = near + torch.sigmoid(own - wanted) + 0.5
        # 1 - ahead / (ahead + far), without the difference.
        shares = torch.where(there, far / (ahead + far), 0.0)
        return shares.sum(1) / there.sum(1)

    def others(block: slice) -> Tensor:
        return relations(labels, block, mask)[0].any(1)

    values = in_blocks(missed, count, 4 * count * (most + 1))
    counted = in_blocks(others, count, 2 * count)
    return Unreduced(torch.where(counted, values, 0.0), counted.to(values.dtype))


def _most(labels: Tensor) -> int:
    """At most so many rows share a label with one."""
    if labels.ndim == 1:
        return int(torch.unique(labels, return_counts=True)[1].max()) - 1
    return int(in_blocks(lambda block: relations(labels, block, None)[0].sum(1), len(labels), 2 * len(labels)).max())
