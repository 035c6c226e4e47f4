"""A student's softmax against that of a teacher, both flattened by a temperature."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, masked_logsumexp
from losszoo_plugins.pairs import softplus
from losszoo_plugins.series import excess

Temperature = Annotated[float, Range(0, None, bounds="()", search=(1.0, 20.0))]


@loss(
    signature="distillation",
    tags=("distillation", "probabilistic"),
    aliases=("kd", "soft-target", "hinton-distillation", "distillation-loss"),
)
def knowledge_distillation(
    student: Tensor, teacher: Tensor, labels: Tensor | None = None, *, temperature: Temperature = 4.0
) -> Tensor:
    r"""Divergence of the teacher's softened probabilities from the student's, times the temperature squared.

    .. math:: \ell = T^2 \sum_c q_c \log \frac{q_c}{p_c}, \quad q = \operatorname{softmax}(t / T), \quad
        p = \operatorname{softmax}(s / T)

    For training a small model on the answers of a large one, beside the labels: ``0.9*knowledge-distillation`` and a
    tenth of ``cross-entropy`` in Hinton's paper. The gradient of the softened divergence shrinks with the square of the
    temperature; the factor undoes that, so the weight of the term keeps its meaning. It is a divergence of each row;
    torch's ``kl_div`` with its default mean divides by the classes too. The teacher gets no gradient.

    Args:
        student: (N, C, ...) logits.
        teacher: (N, C, ...) logits.
        labels: (N, ...) int64, which do not matter here: they may be passed as to ``decoupled-kd``.
        temperature: T; the higher, the more the small probabilities of the teacher count.

    Returns:
        One value per sample, (N, ...), >= 0.

    Example:
        >>> import losszoo
        >>> losszoo.create("knowledge-distillation", temperature=1.0)(torch.zeros(1, 2), torch.tensor([[1e3, 0.0]]))
        tensor(0.6931)

    Reference:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531.
    """
    return temperature**2 * divergence(teacher / temperature, student / temperature)


@loss(signature="distillation", tags=("distillation", "probabilistic"), aliases=("dkd", "decoupled-distillation"))
def decoupled_kd(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    alpha: Annotated[float, Range(0, None, search=(0.0, 4.0))] = 1.0,
    beta: Annotated[float, Range(0, None, search=(0.0, 10.0))] = 8.0,
    temperature: Temperature = 4.0,
) -> Tensor:
    r"""Distillation in two parts with a weight each: how sure of the own class, and the shares of the other classes.

    .. math:: \ell = T^2 \bigl[\alpha \operatorname{KL}(b^t \Vert b^s) + \beta
        \operatorname{KL}(\hat q^t \Vert \hat q^s)\bigr]

    b are the two probabilities of the own class and of all others together, :math:`\hat q` the shares of the others
    among themselves. In ``knowledge-distillation`` the second part has the weight :math:`1 - q_y`: a sure teacher
    teaches nothing of the others. Here that weight is given. The authors' code masks the own class by subtracting 1000
    from its logit, and takes logarithms of probabilities that round to 0; here both parts are made of log-sum-exps.
    With one class there are no others, and the value is 0.

    Args:
        student: (N, C, ...) logits.
        teacher: (N, C, ...) logits.
        labels: (N, ...) int64; none takes the teacher's answers.
        alpha: of the part of the own class.
        beta: of the part of the others.
        temperature: T.

    Returns:
        One value per sample, (N, ...), >= 0.

    Example:
        >>> import losszoo
        >>> teacher = torch.tensor([[1.0, 0.0, 0.0]])
        >>> losszoo.create("decoupled-kd", alpha=0.0)(torch.zeros(1, 3), teacher, torch.tensor([0]))
        tensor(0.)

    Reference:
        Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", CVPR 2022, https://arxiv.org/abs/2203.08679.
    """
    classes = student.shape[-1]
    if classes < 2:
        return 0 * student.sum(-1)
    own = teacher.argmax(-1) if labels is None else labels
    others = torch.arange(classes, device=student.device) != own.unsqueeze(-1)
    target, rest = (_odds_and_others(x / temperature, own, others) for x in (teacher, student))
    (wanted, wanted_others), (odds, given_others) = target, rest
    # KL of two events, by their log odds: both logarithms are softplus, which keep their digits near 0 and 1.
    p = torch.sigmoid(wanted)
    sure = p * (softplus(-odds) - softplus(-wanted)) + (1 - p) * (softplus(odds) - softplus(wanted))
    shares = divergence(wanted_others, given_others)
    return temperature**2 * (alpha * sure + beta * shares)


def _odds_and_others(logits: Tensor, own: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Log odds of the own class against all others, and the logits of the others alone, (..., C - 1)."""
    rest = masked_logsumexp(logits, others)
    odds = logits.gather(-1, own.unsqueeze(-1)).squeeze(-1) - rest
    # The places of the others: all that come before the own one, and all that come after it.
    places = torch.arange(logits.shape[-1] - 1, device=logits.device).expand(*logits.shape[:-1], -1)
    return odds, logits.gather(-1, places + (places >= own.unsqueeze(-1)))


def divergence(wanted: Tensor, given: Tensor) -> Tensor:
    r"""KL of two softmaxes over the last dimension, from their logits.

    .. math:: \sum_c q_c (\log q_c - \log p_c) = \sum_c q_c (e^{\delta_c} - 1 - \delta_c), \quad
        \delta = \log p - \log q

    Both are the same, as probabilities sum to 1. No term of the second is below 0, so that nothing cancels where the
    two nearly agree, as they do at a high temperature.

    Example:
        >>> divergence(torch.tensor([1e3, 0.0]), torch.zeros(2))
        tensor(0.6931)
    """
    log_wanted, log_given = wanted.log_softmax(-1), given.log_softmax(-1)
    q, gap = log_wanted.exp(), log_given - log_wanted
    near = gap.abs() < 0.5
    # Far apart the exponential may not be a number, while q times it is p.
    terms = torch.where(near, q * excess(torch.where(near, gap, 0.0)), log_given.exp() - q * (1 + gap))
    return terms.sum(-1)
