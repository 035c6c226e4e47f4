"""Inputs and terms without a gradient are found and named; what is detached on purpose is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from collection.case import binary, classes, normal, uniform
from silently import line_of, noted, told
from torch import Tensor, nn

X, Y, Z = normal(8, 5), normal(8, 5, seed=1), normal(8, 5, seed=2)
LABELS = classes(8, 5)


# Nothing is trained.
def by_argmax(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(1).float() - labels.float()).square().mean()


def by_topk_indices(logits: Tensor, labels: Tensor) -> Tensor:
    best = torch.topk(logits, 1, dim=1)
    return F.mse_loss(best.indices[:, 0].float(), labels.float())


def by_sign(predictions: Tensor, targets: Tensor) -> Tensor:
    return (torch.sign(predictions) - torch.sign(targets)).abs().mean()


def by_floor(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.l1_loss(torch.floor(predictions * 4), targets)


def by_comparison(logits: Tensor, targets: Tensor) -> Tensor:
    hard = (torch.sigmoid(logits) > 0.5).float()
    return 1 - (2 * (hard * targets).sum() + 1) / (hard.sum() + targets.sum() + 1)


def by_numpy(predictions: Tensor, targets: Tensor) -> Tensor:
    error = predictions.detach().numpy() - targets.numpy()
    return torch.tensor(np.abs(error).mean(), requires_grad=True)


def by_detach(predictions: Tensor, targets: Tensor) -> Tensor:
    scaled = predictions.detach() * 2
    return (scaled - targets).square().mean()


def by_no_grad(predictions: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        error = predictions - targets
    return error.square().mean()


def by_rewrap(predictions: Tensor, targets: Tensor) -> Tensor:
    fresh = torch.tensor(predictions, requires_grad=True)
    return (fresh - targets).square().mean()


def by_list(predictions: Tensor, targets: Tensor) -> Tensor:
    rows = [float(row.sum()) for row in predictions]
    return (torch.tensor(rows) - targets.sum(1)).abs().mean()


@pytest.mark.parametrize(
    ("loss", "inputs", "op", "line"),
    [
        (by_argmax, (X, LABELS), "argmax", "argmax"),
        (by_topk_indices, (X, LABELS), "topk", "topk"),
        (by_sign, (X, Y), "sign", "sign"),
        (by_floor, (X, Y), "floor", "floor"),
        (by_comparison, (X, binary(8, 5)), "gt", "> 0.5"),
        (by_numpy, (X, Y), "detach", "detach"),
        (by_detach, (X, Y), "detach", "detach"),
        (by_no_grad, (X, Y), "sub", "error = "),
        (by_rewrap, (X, Y), "tensor", "torch.tensor"),
        (by_list, (X, Y), "float", "float(row"),
    ],
)
def test_nothing_is_trained(loss: Callable[..., Any], inputs: tuple[Any, ...], op: str, line: str) -> None:
    (finding,) = told(loss, *inputs, symptom="no-gradient")
    assert (finding.op, finding.source) == (op, line_of(loss, line))
    assert finding.cause.startswith("no gradient reaches any input: ")


# One argument, or one term, of several is not trained.
def one_by_item(images: Tensor, wanted: Tensor, scores: Tensor) -> Tensor:
    adversarial = F.softplus(-scores).mean()
    return F.l1_loss(images, wanted) + 0.1 * adversarial.item()


def one_by_float(images: Tensor, wanted: Tensor, scores: Tensor) -> Tensor:
    return F.l1_loss(images, wanted) + float(scores.square().mean())


def one_by_round(images: Tensor, wanted: Tensor, scores: Tensor) -> Tensor:
    return F.l1_loss(images, wanted) + torch.round(scores * 3).abs().mean()


def one_by_detach(images: Tensor, wanted: Tensor, scores: Tensor) -> Tensor:
    return F.l1_loss(images, wanted) + scores.detach().square().mean()


def one_by_new_tensor(images: Tensor, wanted: Tensor, scores: Tensor) -> Tensor:
    parts = torch.tensor([scores.square().mean(), scores.abs().mean()])
    return F.l1_loss(images, wanted) + parts.sum()


@pytest.mark.parametrize(
    ("loss", "op", "line"),
    [
        (one_by_item, "item", "item()"),
        (one_by_float, "float", "float("),
        (one_by_round, "round", "round"),
        (one_by_detach, "detach", "detach"),
        (one_by_new_tensor, "tensor", "torch.tensor"),
    ],
)
def test_one_argument_is_not_trained(loss: Callable[..., Any], op: str, line: str) -> None:
    (finding,) = told(loss, X, Y, Z, symptom="no-gradient")
    assert (finding.op, finding.source) == (op, line_of(loss, line))
    assert finding.cause.startswith("scores moves the value and gets no gradient")


def term_by_item(predictions: Tensor, targets: Tensor) -> Tensor:
    smooth = (predictions[:, 1:] - predictions[:, :-1]).square().mean()
    return F.mse_loss(predictions, targets) + 0.5 * smooth.item()


def term_by_float(predictions: Tensor, targets: Tensor) -> Tensor:
    penalty = float(predictions.abs().mean())
    return F.mse_loss(predictions, targets) + penalty


def term_by_list(predictions: Tensor, targets: Tensor) -> Tensor:
    norms = sum(predictions.norm(dim=1).tolist())
    return F.mse_loss(predictions, targets) + norms


@pytest.mark.parametrize("loss", [term_by_item, term_by_float, term_by_list])
def test_one_term_is_not_trained(loss: Callable[..., Any]) -> None:
    (finding,) = told(loss, X, Y, symptom="no-gradient")
    assert finding.op in ("item", "float", "tolist")
    assert finding.cause.startswith("a term of predictions adds to the value and to no gradient")


def test_the_remedy_is_run() -> None:
    (item,) = told(one_by_item, X, Y, Z, symptom="no-gradient")
    assert item.remedy.startswith("write adversarial instead of adversarial.item()")
    assert item.verified
    (term,) = told(term_by_item, X, Y, symptom="no-gradient")
    assert term.remedy.startswith("write smooth instead of smooth.item()")
    assert term.verified
    (sign,) = told(by_sign, X, Y, symptom="no-gradient")
    assert "detach()" in sign.remedy


def test_a_new_leaf_is_named_beside_the_cut() -> None:
    def rewrapped(logits: Tensor, targets: Tensor) -> Tensor:
        hard = (logits > 0).float()
        hard = torch.tensor(hard, requires_grad=True)
        return (hard - targets).square().mean()

    (finding,) = told(rewrapped, X, binary(8, 5), symptom="no-gradient")
    assert finding.op == "gt"
    assert f"tensor at {line_of(rewrapped, 'torch.tensor')} makes a new leaf" in finding.cause


def test_a_nan_that_becomes_a_constant() -> None:
    def swallows(logits: Tensor, labels: Tensor) -> Tensor:
        p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
        value = -(torch.log(p) * (1 - p)).mean()
        return value if torch.isfinite(value) else torch.tensor(0.0, requires_grad=True)

    (finding,) = told(swallows, X, LABELS, symptom="no-gradient", effort=2000)
    assert "constant without a graph" in finding.cause
    assert "log_softmax" in finding.remedy
    assert finding.verified


class Curvature(nn.Module):
    """Of a network at points."""

    def __init__(self, keep: bool = True) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, network: nn.Module, points: Tensor) -> Tensor:
        value = network(points)
        first = torch.autograd.grad(value.sum(), points, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), points, create_graph=self.keep)[0]
        return (second + torch.sin(points)).square().mean()


def network(activation: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), activation, nn.Linear(8, 1))


def test_a_network_that_its_curvature_does_not_train() -> None:
    points = torch.linspace(0, 3, 8)[:, None].requires_grad_()
    (finding,) = told(Curvature(), network(nn.ReLU()), points, symptom="no-gradient")
    assert "network" in finding.cause
    assert "ReLU" in finding.cause
    (finding,) = told(Curvature(keep=False), network(nn.Tanh()), points, symptom="no-gradient")
    assert "create_graph" in finding.cause
    assert not told(Curvature(), network(nn.Tanh()), points, symptom="no-gradient")


def test_an_operation_without_a_derivative_is_named() -> None:
    def step(predictions: Tensor, targets: Tensor) -> Tensor:
        over = torch.heaviside(predictions, torch.tensor(0.5))
        return (over - targets).abs().mean()

    (finding,) = told(step, X, Y, symptom="raises")
    assert (finding.op, finding.source) == ("heaviside", line_of(step, "torch.heaviside"))
    assert "has no derivative" in finding.cause
    assert finding.verified is True
    assert "torch.sigmoid(predictions)" in finding.remedy


def mean_index(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.argmax(1).float() - targets.sum(1)).abs().mean()


def share_above(logits: Tensor, targets: Tensor) -> Tensor:
    return ((logits > 0.2).float() - targets).square().mean()


def share_below(logits: Tensor, targets: Tensor) -> Tensor:
    return ((logits < targets).float().mean() - 0.3).square()


@pytest.mark.parametrize(
    ("loss", "op", "soft"),
    [
        (mean_index, "argmax", "torch.softmax(logits, 1).movedim(1, -1)"),
        (share_above, "gt", "torch.sigmoid(logits - 0.2)"),
        (share_below, "lt", "torch.sigmoid(targets - logits)"),
    ],
)
def test_a_step_keeps_its_value_and_gets_a_gradient(loss: Callable[..., Tensor], op: str, soft: str) -> None:
    finding = next(found for found in told(loss, X, Y, symptom="no-gradient") if found.op == op)
    assert finding.verified is True
    assert soft in finding.remedy


def test_a_truth_value_that_is_used_as_one_has_no_verified_step() -> None:
    def chosen(logits: Tensor, targets: Tensor) -> Tensor:
        return (targets * ((logits > 0.2) & (logits < 2)).float()).mean()

    (finding,) = told(chosen, X, Y, symptom="no-gradient")
    assert finding.verified is None


# Healthy.
def straight_through(logits: Tensor, targets: Tensor) -> Tensor:
    hard = logits + (torch.round(logits) - logits).detach()
    return (hard - targets).square().mean()


def linear_straight_through(logits: Tensor, targets: Tensor) -> Tensor:
    hard = logits + (torch.sign(logits) - logits).detach()
    return -(hard * targets).mean()


def codebook(features: Tensor, codes: Tensor) -> Tensor:
    nearest = codes[torch.cdist(features, codes).argmin(1)]
    quantised = features + (nearest - features).detach()
    commitment = F.mse_loss(features, nearest.detach()) + F.mse_loss(nearest, features.detach())
    return quantised.square().mean() + commitment


def commitment_only(features: Tensor, codes: Tensor) -> Tensor:
    nearest = codes[torch.cdist(features, codes).argmin(1)]
    return F.mse_loss(features, nearest.detach())


def sim_siam(prediction: Tensor, projection: Tensor) -> Tensor:
    return -F.cosine_similarity(prediction, projection.detach(), dim=1).mean()


def distilled(student: Tensor, other: Tensor) -> Tensor:
    wanted = other.detach().softmax(1)
    return F.kl_div(student.log_softmax(1), wanted, reduction="batchmean")


def own_teacher(student: Tensor, noisy: Tensor) -> Tensor:
    with torch.no_grad():
        wanted = noisy.softmax(1)
    return -(wanted * student.log_softmax(1)).sum(1).mean()


def detached_weights(predictions: Tensor, targets: Tensor) -> Tensor:
    error = (predictions - targets).abs()
    weights = (error / error.max()).detach()
    return (weights * error).sum() / weights.sum()


def detached_focal(logits: Tensor, labels: Tensor) -> Tensor:
    error = F.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-error.detach())) ** 2 * error).mean()


def stable_max(logits: Tensor, labels: Tensor) -> Tensor:
    top = logits.max(1, keepdim=True).values.detach()
    logsumexp = (logits - top).exp().sum(1).log() + logits.max(1).values.detach()
    return (logsumexp - logits.gather(1, labels[:, None])[:, 0]).mean()


def stable_number(predictions: Tensor) -> Tensor:
    top = predictions.max().item()
    total = (predictions - top).exp().sum().log()
    return total + float(predictions.max())


def hard_negatives(logits: Tensor, labels: Tensor) -> Tensor:
    error = F.cross_entropy(logits, labels, reduction="none")
    return error[torch.topk(error, 4).indices].mean()


def masked(predictions: Tensor, targets: Tensor, scores: Tensor) -> Tensor:
    chosen = (scores > 0).float()
    return ((predictions - targets).square() * chosen).sum() / chosen.sum().clamp(min=1)


def counted(predictions: Tensor, targets: Tensor) -> Tensor:
    error = (predictions - targets).square()
    count = (error > 0.01).sum().item()
    return error.sum() / max(count, 1)


def scaled_by_number(predictions: Tensor, targets: Tensor) -> Tensor:
    scale = targets.abs().mean().item() + predictions.detach().abs().mean().item()
    return (predictions - targets).square().mean() / scale


def policy(logprobs: Tensor, rewards: Tensor) -> Tensor:
    advantages = (rewards - rewards.mean()).detach()
    return -(logprobs * advantages).mean()


def satisfied_hinge(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.relu(1 - predictions * targets).mean()


def sure_margin(anchors: Tensor, others: Tensor) -> Tensor:
    return F.relu(0.1 - (anchors - others).norm(dim=1)).mean()


def wrapped_angle(predictions: Tensor, targets: Tensor) -> Tensor:
    turn = 2 * torch.pi
    difference = predictions - targets
    return (difference - turn * torch.round(difference / turn)).abs().mean()


def gumbel(logits: Tensor, targets: Tensor) -> Tensor:
    soft = (logits + 0.1).softmax(1)
    hard = F.one_hot(soft.argmax(1), 5).to(soft.dtype)
    return ((hard - soft).detach() + soft - targets).square().mean()


def logged(predictions: Tensor, targets: Tensor) -> Tensor:
    value = (predictions - targets).square().mean()
    _ = f"{value.item():.3f} {float(predictions.abs().max())} {predictions.detach().numpy().mean()}"
    return value


def pseudo_labels(weak: Tensor, strong: Tensor) -> Tensor:
    sure, picked = weak.softmax(1).max(1)
    return (F.cross_entropy(strong, picked, reduction="none") * (sure > 0.1)).mean()


CONTROLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (straight_through, (X, Y)),
    (linear_straight_through, (X, Y)),
    (codebook, (X, Y)),
    (commitment_only, (X, Y)),
    (sim_siam, (X, Y)),
    (distilled, (X, Y)),
    (own_teacher, (X, Y)),
    (detached_weights, (X, Y)),
    (detached_focal, (X, LABELS)),
    (stable_max, (X, LABELS)),
    (stable_number, (X,)),
    (hard_negatives, (X, LABELS)),
    (masked, (X, Y, Z)),
    (counted, (X, Y)),
    (scaled_by_number, (X, Y)),
    (policy, (X, Y)),
    (satisfied_hinge, (torch.full((8,), 3.0), torch.ones(8))),
    (sure_margin, (X, 5 + uniform(8, 5))),
    (wrapped_angle, (X * 3, Y)),
    (gumbel, (X, Y)),
    (logged, (X, Y)),
    (pseudo_labels, (X, Y)),
]


@pytest.mark.parametrize(("loss", "inputs"), CONTROLS)
def test_what_is_detached_on_purpose_is_no_fault(loss: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    assert not told(loss, *inputs, symptom="no-gradient")


@pytest.mark.parametrize("loss", [sim_siam, commitment_only])
def test_what_cannot_be_told_is_a_note(loss: Callable[..., Any]) -> None:
    assert "gets no gradient, which may be meant" in noted(loss, X, Y)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [(stable_max, (X, LABELS)), (stable_number, (X,)), (logged, (X, Y)), (distilled, (X, Y)), (own_teacher, (X, Y))],
)
def test_a_gradient_that_is_right_is_not_spoken_of(loss: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    assert "gradient" not in noted(loss, *inputs)
