"""Losses on the difference of two scores: Bradley-Terry, DPO, IPO and SimPO."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Range, loss, wide


@loss(signature="preference", tags=("preference", "reward"), aliases=("reward-model", "pairwise-logistic"))
@wide
def bradley_terry(
    chosen: Tensor,
    rejected: Tensor,
    *,
    margin: Annotated[float, Range(0, None, search=(0, 2))] = 0.0,
    center: Annotated[float, Range(0, None, search=(0, 0.1))] = 0.0,
) -> Tensor:
    r"""Negative log-likelihood of the Bradley-Terry model: the chosen answer wins by the difference of the rewards.

    .. math:: \ell = -\log \sigma(r_w - r_l - m) + c \, (r_w + r_l)^2

    For reward models, and for any score that is learned from comparisons. Only differences count, so rewards are
    known up to a constant; ``center`` keeps them near 0.

    Args:
        chosen: (N,) rewards of the better answers.
        rejected: (N,) rewards of the worse answers.
        margin: by how much the better must lead.
        center: weight of the squared sum of the two rewards.

    Returns:
        One value per pair, (N,).

    Example:
        >>> import torch
        >>> bradley_terry(torch.tensor([1.0]), torch.tensor([0.0]))
        tensor([0.3133])

    Reference:
        Bradley, Terry, "Rank Analysis of Incomplete Block Designs: I. The Method of Paired Comparisons",
        Biometrika 1952, https://doi.org/10.2307/2334029.
    """
    value = softplus(margin - (chosen - rejected))
    return value + center * (chosen + rejected) ** 2 if center else value


@loss(signature="preference", tags=("preference", "language-model"), aliases=("direct-preference-optimization",))
def dpo(
    chosen: Tensor,
    rejected: Tensor,
    *,
    beta: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 1))] = 0.1,
    label_smoothing: Annotated[float, Range(0, 0.5, bounds="[)", search=(0, 0.3))] = 0.0,
    robust: bool = False,
) -> Tensor:
    r"""Direct preference optimisation: the policy gains on the reference more for the chosen answer.

    .. math:: \ell = -(1 - \epsilon) \log \sigma(\beta \Delta) - \epsilon \log \sigma(-\beta \Delta), \quad
        \Delta = \log \frac{\pi(y_w)}{\pi_{ref}(y_w)} - \log \frac{\pi(y_l)}{\pi_{ref}(y_l)}

    For language models that learn from comparisons without a reward model. Log-probabilities are sums over the
    tokens of an answer; with lengths they become means. With ``robust``, the second term is subtracted and all is
    divided by 1 - 2 epsilon, which makes the loss unbiased where a share epsilon of the comparisons is wrong; it is
    then unbounded below.

    Args:
        chosen: (N,) log-probabilities of the better answers under the policy; log-ratios to the reference where no
            reference is given.
        rejected: (N,) of the worse answers.
        beta: strength of the reference.
        label_smoothing: share of comparisons that are wrong.
        robust: correct for that share instead of smoothing.

    Returns:
        One value per pair, (N,).

    Example:
        >>> import torch
        >>> dpo(torch.tensor([-10.0]), torch.tensor([-20.0]))
        tensor([0.3133])

    Reference:
        Rafailov, Sharma, Mitchell, Ermon, Manning, Finn, "Direct Preference Optimization: Your Language Model is
        Secretly a Reward Model", NeurIPS 2023, https://arxiv.org/abs/2305.18290; robust: Chowdhury, Kini,
        Natarajan, "Provably Robust DPO: Aligning Language Models with Noisy Feedback", ICML 2024,
        https://arxiv.org/abs/2403.00409.
    """
    lead = beta * (chosen - rejected)
    if not label_smoothing:
        return softplus(-lead)
    right, wrong = (1 - label_smoothing) * softplus(-lead), label_smoothing * softplus(lead)
    return (right - wrong) / (1 - 2 * label_smoothing) if robust else right + wrong


@loss(
    signature="preference",
    tags=("preference", "language-model"),
    aliases=("identity-preference-optimization",),
)
@wide
def ipo(
    chosen: Tensor,
    rejected: Tensor,
    *,
    tau: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 1))] = 0.1,
) -> Tensor:
    r"""Identity preference optimisation: the chosen answer leads by 1/(2 tau), and by no more.

    .. math:: \ell = \Bigl(\Delta - \frac{1}{2 \tau}\Bigr)^2

    For comparisons that are all alike certain, on which DPO drives the difference to infinity. The lead is meant per
    token: pass the lengths, or means.

    Args:
        chosen: (N,) log-probabilities of the better answers under the policy; log-ratios to the reference where no
            reference is given.
        rejected: (N,) of the worse answers.
        tau: strength of the reference; the lead that is asked for is 1/(2 tau).

    Returns:
        One value per pair, (N,).

    Example:
        >>> import torch
        >>> ipo(torch.tensor([-10.0]), torch.tensor([-20.0]))
        tensor([25.])

    Reference:
        Azar, Rowland, Piot, Guo, Calandriello, Valko, Munos, "A General Theoretical Paradigm to Understand Learning
        from Human Preferences", AISTATS 2024, https://arxiv.org/abs/2310.12036.
    """
    return (chosen - rejected - 1 / (2 * tau)) ** 2


@loss(signature="preference", tags=("preference", "language-model"), aliases=("simple-preference-optimization",))
def simpo(
    chosen: Tensor,
    rejected: Tensor,
    *,
    beta: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.5, 10))] = 2.0,
    gamma: Annotated[float, Range(0, None, search=(0, 5))] = 1.0,
) -> Tensor:
    r"""Simple preference optimisation: mean log-probabilities instead of a reference model, and a margin.

    .. math:: \ell = -\log \sigma(\beta (\bar\ell_w - \bar\ell_l) - \gamma)

    For language models that learn from comparisons, where a reference model costs too much. The mean over the tokens
    keeps long answers from winning by their length.

    Args:
        chosen: (N,) log-probabilities of the better answers: means over tokens, or sums beside their lengths.
        rejected: (N,) of the worse answers.
        beta: scale of the difference.
        gamma: by how much the scaled difference must lead.

    Returns:
        One value per pair, (N,).

    Example:
        >>> import torch
        >>> simpo(torch.tensor([-1.0]), torch.tensor([-2.0]))
        tensor([0.3133])

    Reference:
        Meng, Xia, Chen, "SimPO: Simple Preference Optimization with a Reference-Free Reward", NeurIPS 2024,
        https://arxiv.org/abs/2405.14734.
    """
    return softplus(gamma - beta * (chosen - rejected))
