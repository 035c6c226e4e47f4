"""The operation at fault and its remedy, where another one shows it: libraries, empty choices, factors, bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import LABELS, examine
from sick_losses import culprit_line, normal, uniform
from torch import Tensor
from torch.distributions import Laplace, Normal, kl_divergence
from torch.nn import functional as F

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ACTIONS = normal(6, 2, seed=3)
MASK = torch.eye(6)


def policy(mean: Tensor, log_std: Tensor) -> Tensor:
    deviation = log_std.exp()  # culprit
    return -Normal(mean, deviation, validate_args=False).log_prob(ACTIONS).mean()


def laplace(centre: Tensor, log_scale: Tensor) -> Tensor:
    both = Laplace(centre, torch.exp(log_scale), validate_args=False)  # culprit
    return -both.log_prob(ACTIONS).mean() + 0.1 * both.entropy().mean()


def to_the_prior(mean: Tensor, log_var: Tensor) -> Tensor:
    deviation = torch.exp(0.5 * log_var)  # culprit
    posterior = Normal(mean, deviation, validate_args=False)
    return kl_divergence(posterior, Normal(torch.zeros_like(mean), torch.ones_like(mean))).mean()


def clipped_ratio(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    ratio = (logprobs - old_logprobs).exp()  # culprit
    return -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


def importance(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    ratio = torch.exp(logprobs - old_logprobs)  # culprit
    return -(torch.minimum(ratio, torch.full_like(ratio, 1.2)) * advantages).mean()


def bounded_afterwards(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    difference = old_logprobs - logprobs
    estimate = torch.exp(difference) - 1 - difference  # culprit
    return estimate.clamp(max=10.0).mean()


def bounded_by_where(log_rate: Tensor, counts: Tensor) -> Tensor:
    rate = log_rate.exp()  # culprit
    return (torch.where(log_rate > 50, torch.zeros_like(rate), rate) - counts * log_rate).mean()


def hardest(logits: Tensor, targets: Tensor) -> Tensor:
    each = F.cross_entropy(logits, targets, reduction="none")
    return each.topk(len(each) // 4).values.mean()  # culprit


def hardest_by_index(errors: Tensor) -> Tensor:
    _, places = torch.topk(errors.abs(), k=int(0.3 * len(errors)))  # culprit
    return errors[places].square().mean()


def hardest_of_each(errors: Tensor) -> Tensor:
    worst = errors.square().topk(errors.shape[0] // 2, dim=0)[0]  # culprit
    return worst.mean()


def spoken(logits: Tensor, targets: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    logp = logits.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(logp, targets, frames, lengths)  # culprit


def spoken_sum(logp: Tensor, targets: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    total = F.ctc_loss(logp.log_softmax(-1), targets, frames, lengths, 0, "sum")  # culprit
    return total / len(targets)


def aligned(points: Tensor, targets: Tensor) -> Tensor:
    u, _, v = torch.linalg.svd(points.mT @ targets)  # culprit
    return (points @ (u @ v) - targets).square().mean()


def orthogonal_part(a: Tensor) -> Tensor:
    u, _, v = torch.svd(a)  # culprit
    return (u @ v.mT - torch.eye(3)).square().mean()


def main_axis(a: Tensor) -> Tensor:
    _, vectors = torch.linalg.eigh(a.mT @ a)  # culprit
    return vectors[:, -1].abs().sum()


def filled_quotient(predictions: Tensor, targets: Tensor) -> Tensor:
    ratio = (predictions - targets).abs() / (predictions.abs() + targets.abs())  # culprit
    ratio[ratio.isnan()] = 0.0
    return ratio.mean()


def mean_of_pairs(scores: Tensor, relevance: Tensor) -> Tensor:
    better = relevance[:, None] > relevance[None, :]
    return F.softplus(scores[None, :] - scores[:, None])[better].mean()  # culprit


def mean_of_active(anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    hinge = F.relu((anchors - positives).pow(2).sum(1) - (anchors - negatives).pow(2).sum(1) + 0.2)
    return hinge.sum() / (hinge > 0).sum()  # culprit


def powers(a: Tensor, b: Tensor) -> Tensor:
    agreement = (2 * (a * b).mean(1) + 1e-3) / (a.square().mean(1) + b.square().mean(1) + 1e-3)
    return 1 - (agreement**0.3).mean()  # culprit


def phases(predicted: Tensor, clean: Tensor) -> Tensor:
    turned = torch.angle(predicted) - torch.angle(clean)  # culprit
    return turned.abs().mean()


def spectrum_weight(images: Tensor, targets: Tensor) -> Tensor:
    size = torch.fft.fft2(images - targets).abs()
    weight = size / size.amax((-2, -1), keepdim=True)  # culprit
    return (weight.detach() * size.square()).mean()


SPEECH = (normal(2, 9, 5), torch.randint(1, 5, (2, 3)), torch.tensor([9, 8]), torch.tensor([3, 2]))
SPOKEN = (SPEECH[0].transpose(0, 1).contiguous(), *SPEECH[1:])
LOGPROBS = -uniform(6, 4) * 3
CASES: list[tuple[Callable[..., Tensor], tuple[Tensor, ...], str]] = [
    (policy, (normal(6, 2), normal(6, 2, seed=1) - 1), "exp"),
    (laplace, (normal(6, 2), normal(6, 2, seed=1) - 1), "exp"),
    (clipped_ratio, (LOGPROBS + 0.1 * normal(6, 4), LOGPROBS, normal(6, 4, seed=1)), "exp"),
    (importance, (LOGPROBS + 0.1 * normal(6, 4), LOGPROBS, normal(6, 4, seed=1)), "exp"),
    (bounded_afterwards, (LOGPROBS + 0.1 * normal(6, 4), LOGPROBS), "exp"),
    (bounded_by_where, (normal(6), torch.tensor([0.0, 3.0, 1.0, 2.0, 5.0, 1.0])), "exp"),
    (hardest, (normal(8, 3), torch.arange(8) % 3), "topk"),
    (hardest_by_index, (normal(8),), "topk"),
    (hardest_of_each, (normal(6, 3),), "topk"),
    (spoken, SPEECH, "ctc_loss"),
    (spoken_sum, SPOKEN, "ctc_loss"),
    (aligned, (normal(6, 3), normal(6, 3, seed=1)), "svd"),
    (orthogonal_part, (normal(3, 3),), "svd"),
    (main_axis, (normal(6, 3),), "eigh"),
    (filled_quotient, (normal(6), normal(6, seed=1)), "div"),
    (mean_of_pairs, (normal(6), LABELS), "mean"),
    (mean_of_active, (normal(6, 3), normal(6, 3, seed=1), normal(6, 3, seed=2)), "div"),
    (powers, (normal(6, 4), normal(6, 4) + 0.1 * normal(6, 4, seed=1)), "pow"),
    (phases, (torch.complex(normal(6), normal(6, seed=1)), torch.complex(normal(6, seed=2), normal(6))), "angle"),
    (spectrum_weight, (uniform(2, 4, 4), uniform(2, 4, 4, seed=1)), "div"),
]


def magnitudes(predicted: Tensor, clean: Tensor) -> Tensor:
    return (predicted.abs() - clean.abs()).square().mean()


def complex_error(predicted: Tensor, clean: Tensor) -> Tensor:
    return (predicted - clean).abs().square().mean() + (predicted.real - clean.real).abs().mean()


def bounded_ratio(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    ratio = (logprobs - old_logprobs).clamp(-20, 20).exp()
    return -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


def at_least_one(errors: Tensor) -> Tensor:
    return errors.square().topk(max(1, len(errors) // 4)).values.mean()


def patient(logits: Tensor, targets: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    logp = logits.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(logp, targets, frames, lengths, zero_infinity=True)


def nuclear(a: Tensor) -> Tensor:
    return torch.linalg.svd(a)[1].sum()


def aligned_without_gradient(points: Tensor, targets: Tensor) -> Tensor:
    u, _, v = torch.linalg.svd((points.mT @ targets).detach())
    return (points @ (u @ v) - targets).square().mean()


def largest_eigenvalue(a: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(a.mT @ a).sum()


def bounded_policy(mean: Tensor, log_std: Tensor) -> Tensor:
    return -Normal(mean, F.softplus(log_std) + 1e-3, validate_args=False).log_prob(ACTIONS).mean()


COMPLEX = (torch.complex(normal(6), normal(6, seed=1)), torch.complex(normal(6, seed=2), normal(6, seed=3)))
HEALTHY: list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = [
    (magnitudes, COMPLEX),
    (complex_error, COMPLEX),
    (bounded_ratio, (LOGPROBS + 0.1 * normal(6, 4), LOGPROBS, normal(6, 4, seed=1))),
    (at_least_one, (normal(8),)),
    (patient, SPEECH),
    (nuclear, (normal(6, 3),)),
    (aligned_without_gradient, (normal(6, 3), normal(6, 3, seed=1))),
    (largest_eigenvalue, (normal(6, 3),)),
    (bounded_policy, (normal(6, 2), normal(6, 2, seed=1))),
]


@pytest.mark.parametrize(("loss", "inputs"), [pytest.param(*case, id=case[0].__name__) for case in HEALTHY])
def test_the_mended_forms_are_left_alone(loss: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    numbers = ("nan-loss", "inf-loss", "nan-gradient", "inf-gradient")
    assert [f for f in examine(loss, *inputs, effort=1500).findings if f.symptom in numbers] == []


@pytest.mark.parametrize(("loss", "inputs", "op"), [pytest.param(*case, id=case[0].__name__) for case in CASES])
def test_operation_line_and_a_verified_remedy(loss: Callable[..., Tensor], inputs: tuple[Tensor, ...], op: str) -> None:
    finding = examine(loss, *inputs, effort=3000).findings[0]
    assert (finding.op, finding.source) == (op, culprit_line(loss))
    assert finding.verified is True
    assert finding.remedy.startswith("write ")
    # A form without the exponential stands where its result is used.
    assert finding.source.partition(":")[0] in finding.remedy


def test_a_bound_that_changes_a_number_which_the_dtype_holds_is_no_cure() -> None:
    """A rate of 1e-8 times an exponential that overflows: the product is ordinary, and a bound makes it another."""

    def deviance(scores: Tensor, rates: Tensor) -> Tensor:
        return (rates * torch.exp(-scores) + scores).mean()

    found = examine(deviance, normal(8), (normal(8, seed=1).abs() + 0.5) * 1e-8)
    assert [f.op for f in found.findings] == ["exp"]
    assert found.findings[0].verified is not True


def test_labels_that_keep_the_dim_of_the_classes_are_labels() -> None:
    """Maps of (N, 1, H, W), as segmentation keeps them: a power of 0 breaks where every pixel is right for sure."""

    def focal_overlap(logits: Tensor, labels: Tensor) -> Tensor:
        hot = F.one_hot(labels[:, 0], logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        shares = logits.softmax(1)
        both, all_of_them = (shares * hot).sum((2, 3)), (shares + hot).sum((2, 3))
        return (1 - (2 * both + 1e-5) / (all_of_them + 1e-5)).pow(0.75).mean()  # culprit

    labels = torch.arange(2 * 16).reshape(2, 1, 4, 4) % 3
    finding = examine(focal_overlap, normal(2, 3, 4, 4), labels).findings[0]
    assert (finding.symptom, finding.op, finding.probe) == ("nan-gradient", "pow", "logits right by 20")
    assert finding.verified is True
