"""A student that is taught by a slow copy of itself: the teacher's outputs are centred and sharpened."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from losszoo import Range, Unreduced, UsageError, loss
from losszoo_plugins.closed_form import only_plain

Temperature = Annotated[float, Range(0, None, bounds="()", search=(0.01, 0.5), log=True)]


@loss(
    signature="views",
    tags=("self-supervised", "teacher", "detached-weights", "stateful"),
    aliases=("self-distillation",),
)
class Dino(nn.Module):
    r"""Cross-entropy of the student's softmax against a sharpened and centred one of a teacher.

    .. math:: \ell_i = -\sum_d t_{id} \log s_{id}, \quad s = \operatorname{softmax}(q / \tau_s), \quad
        t = \operatorname{softmax}\bigl((k - c) / \tau_t\bigr)

    For self-supervised training with a teacher that is a moving average of the student, and sees the other view:
    queries are the student's outputs, keys the teacher's, which get no gradient. The centre c keeps one column from
    winning everywhere, the low temperature keeps all from being alike. The centre moves after each batch in training,
    :math:`c \leftarrow m c + (1 - m) \bar k`: a batch is judged by the centre of those before it. It is the buffer
    ``center``, saved and resumed with the loss; in evaluation, without gradients, and under a transform it stays. Both
    directions are the mean of two calls. With several processes in a loop of your own, give each the teacher's outputs
    of all of them, or average the buffer.

    Args:
        student_temperature: of the student's softmax.
        teacher_temperature: of the teacher's softmax; the lower, the sharper.
        momentum: m, how much of the centre stays in each step.
        dim: D, width of the outputs; none takes it from the model of a run, or from the first batch.

    Returns:
        From the call on queries (N, D), keys (N, D) and a boolean mask (N,), which may be left out: one value per
        query, (N,), >= 0.

    Raises:
        UsageError: from the call, for outputs of another width.

    Example:
        >>> head = Dino(dim=2)
        >>> head(torch.zeros(1, 2), torch.ones(1, 2)).values
        tensor([0.6931])

    Reference:
        Caron, Touvron, Misra, Jegou, Mairal, Bojanowski, Joulin, "Emerging Properties in Self-Supervised Vision
        Transformers", ICCV 2021, https://arxiv.org/abs/2104.14294.
    """

    center: Tensor

    def __init__(
        self,
        *,
        student_temperature: Temperature = 0.1,
        teacher_temperature: Temperature = 0.04,
        momentum: Annotated[float, Range(0, 1, search=(0.9, 0.999))] = 0.9,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        if dim is not None and dim < 1:
            raise UsageError(f"dim must be at least 1, got {dim}")
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.momentum, self.dim = momentum, dim
        # Of one number until the width is known: as that number is 0, it is the centre of any width.
        self.register_buffer("center", torch.zeros(dim or 1))

    def set_sizes(self, classes: int, dim: int) -> None:
        """The width of the outputs, where it was left open."""
        if self.dim is None:
            self.dim, self.center = dim, self.center.new_zeros(dim)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Unreduced:
        if self.dim is None:
            self.set_sizes(0, queries.shape[1])
        if queries.shape[1] != self.dim:
            raise UsageError(f"queries must have shape (N, {self.dim}), got {tuple(queries.shape)}")
        outputs = keys[: len(queries)].detach()
        wanted = ((outputs - self.center.to(outputs.dtype)) / self.teacher_temperature).softmax(1)
        values = -(wanted * (queries / self.student_temperature).log_softmax(1)).sum(1)
        if self.training and torch.is_grad_enabled() and not only_plain():
            self._move(outputs if mask is None else outputs[mask])
        return Unreduced(values) if mask is None else Unreduced(torch.where(mask, values, 0.0), mask.to(values.dtype))

    @torch.no_grad()
    def _move(self, outputs: Tensor) -> None:
        """The centre moves by the rows that took part; of none it stays."""
        if len(outputs):
            self.center = torch.lerp(outputs.mean(0).to(self.center.dtype), self.center, self.momentum)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
