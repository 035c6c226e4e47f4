"""Weights of several losses, learned with the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from torch import Tensor, nn

from losszoo import Range, loss
from losszoo_plugins.penalties.norms import widen

# A standard deviation of 2e-9, less than a float32 loss resolves; exp(40) = 2e17 is far from overflow.
_LEAST_LOG_VARIANCE = -40.0


@loss(
    signature="penalty",
    tags=("combiner", "multi-task", "learned"),
    aliases=("uncertainty-weighting", "homoscedastic-uncertainty", "multi-task-uncertainty"),
)
class Uncertainty(nn.Module):
    r"""Uncertainty weighting: learned weights of several losses, as in uncertainty(bce, dice).

    .. math:: \ell = \tfrac12 \sum_i \left( e^{-s_i} L_i + s_i \right)

    Uncertainty weighting: a sum of losses, each divided by a noise level that is learned. For several losses on one
    model whose scales differ or drift, in place of weights set by hand: in an expression ``uncertainty(bce, dice)``,
    in Python ``losszoo.create("uncertainty", tasks=2)([loss_a, loss_b])``. Give the optimiser its ``parameters()``
    too, without weight decay. At the minimum :math:`s_i = \log L_i`, so each loss is divided by its own size. A loss
    that reaches 0 has no such minimum, and its :math:`s_i` falls without end. Each loss has the factor of one half
    that the paper has for regression. For classification the paper leaves it out, :math:`e^{-s_i} L_i + \tfrac12
    s_i`: that is this loss of twice the value.

    Below :math:`s = -40` the factor :math:`e^{-s}` continues as its tangent, :math:`e^{40} (-39 - s)`. So a bad
    step cannot overflow it (the tangent is finite down to :math:`s = -10^{20}`), and unlike a clamp it leaves
    a gradient that leads back.

    Args:
        tasks: number of losses that are weighed. The parameter ``log_variances`` (tasks,) starts at 0, a weight of
            1/2 each.

    Returns:
        From the call on an iterable of ``tasks`` loss tensors, one per task and each averaged to one number:
        their weighed sum, shape (). An empty tensor stands for a task that a batch has no targets of: it is left
        out with its :math:`s_i`, as in ``loss(age=(predictions, targets), size=None)`` of a sum.

    Raises:
        ValueError: from the call, when there is not one loss per task.

    Example:
        >>> weigh = Uncertainty(tasks=2)
        >>> weigh([torch.tensor(1.0), torch.tensor(3.0)])
        tensor(2., grad_fn=<MulBackward0>)

    Reference:
        Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
        Semantics", CVPR 2018, https://arxiv.org/abs/1705.07115.
    """

    leaves_out_empty = True

    def __init__(self, tasks: Annotated[int, Range(1, None)] = 2) -> None:
        super().__init__()
        self.tasks = tasks
        self.log_variances = nn.Parameter(torch.zeros(tasks))

    def forward(self, parameters: Iterable[Tensor]) -> Tensor:
        losses = [widen(loss) for loss in parameters]
        if len(losses) != self.tasks:
            raise ValueError(
                f"uncertainty must have one loss per task, got tasks={self.tasks} and {len(losses)} losses; "
                "give it one each, or create it with the number of them as tasks"
            )
        there = [task for task, loss in enumerate(losses) if loss.numel()]
        log_variances = widen(self.log_variances)
        if len(there) < self.tasks:
            log_variances = log_variances[there]
        bounded = log_variances.clamp(min=_LEAST_LOG_VARIANCE)
        precisions = torch.exp(-bounded) * (1 + (bounded - log_variances))
        return 0.5 * (precisions * torch.stack([losses[task].mean() for task in there]) + log_variances).sum()

    def extra_repr(self) -> str:
        return f"tasks={self.tasks}"
