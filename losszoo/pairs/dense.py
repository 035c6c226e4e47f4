"""The whole pair matrix at once, by plain operations: to be compiled, traced, or differentiated twice."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from losszoo.losses.reduction import keep
from losszoo.losses.similarity import pairwise_logits, plain_logits
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.blocks import whole_rows
from losszoo.pairs.row_functions import taking_part
from losszoo.pairs.streamed import Job


def dense(
    rows: Tensor,
    columns: Tensor,
    job: Job,
    mask: Tensor | None,
    *,
    twice: bool = False,
    symmetric: bool = False,
    hides_columns: bool = True,
) -> Unreduced:
    """Values and counts of every row.

    Args:
        rows: (N, D).
        columns: (M, D).
        job: what is done with them; its row function takes whole rows.
        mask: (N,), False where a row takes no part.
        twice: whether the result can be differentiated twice, and transformed.
        symmetric: the mean over both directions; the way back begins at the first N columns, the rows' other view.
        hides_columns: whether a masked row is no column either, as the first N columns are the rows or their other
            view.
    """
    logits = (plain_logits if twice else pairwise_logits)(rows, columns, job.similarity, job.temperature)
    positive, negative = job.pair_labels.pairs(slice(0, rows.shape[0]))
    count = rows.shape[0]
    if mask is not None:
        allowed = mask.unsqueeze(1)
        if hides_columns:
            allowed = allowed & torch.cat([mask, mask.new_ones(columns.shape[0] - count)])
        positive, negative = positive & allowed, negative & allowed
    there = _directed(job, logits, positive, negative, mask)
    if not symmetric:
        return there
    logits, positive, negative = (x[:, :count].T for x in (logits, positive, negative))
    return halfway(there, _directed(replace(job, pair_labels=job.pair_labels.back()), logits, positive, negative, mask))


def _directed(job: Job, logits: Tensor, positive: Tensor, negative: Tensor, mask: Tensor | None) -> Unreduced:
    """The row function on every row, with rows that take no part replaced by a harmless one and then dropped."""
    valid = taking_part(job.row, positive.any(1), negative.any(1))
    valid = valid if mask is None else valid & mask
    # Of a harmless row the logits too: a row of infinite ones has a gradient of NaN, which no later `where` removes.
    logits = torch.where(valid.unsqueeze(1), logits, 0.0)
    unreduced = whole_rows(job.row, job.pair_labels, slice(0, logits.shape[0]), logits, positive, negative, valid)
    return keep(unreduced, valid)


def halfway(there: Unreduced, back: Unreduced) -> Unreduced:
    """The mean of both directions."""
    first, second = (torch.ones_like(x.values) if x.counts is None else x.counts for x in (there, back))
    return Unreduced((there.values + back.values) / 2, (first + second) / 2)
