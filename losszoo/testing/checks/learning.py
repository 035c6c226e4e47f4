"""Ten steps downhill: the loss falls, and the predictions become better."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from losszoo.losses.example_inputs import Batch
from losszoo.registry.compatibility import COMBINER
from losszoo.testing.check import check, require
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import SAMPLED, changed, learned_places, with_leaves

# Shapes the predictions whatever the targets are, or the parameters whatever the data are.
REGULARIZER = "regularizer"
_STEPS, _STRIDE = 10, 0.1


@check()
def check_descent(subject: Subject) -> None:
    """Ten steps down its own gradient lower the loss."""
    loss = subject.make()
    before, after = (loss(*inputs).item() for inputs in _descend(subject))
    came = f"{before:g} before, {after:g} after"
    require(after < before, "ten steps must lower the loss", came, "look for a wrong sign, or a detached part")


@check(
    signatures=SAMPLED,
    without=(REGULARIZER,),
    because="it has no targets to learn",
)
def check_learning(subject: Subject) -> None:
    """Ten steps order the predictions better: targets apart, errors smaller, own class nearer."""
    score = _SCORES[subject.signature]
    before, after = (score(*inputs).item() for inputs in _descend(subject))
    came = f"{before:g} before, {after:g} after"
    advice = "look for a wrong sign, or for targets and predictions that are swapped"
    require(after > before, f"ten steps must raise {_MEANING[subject.signature]}", came, advice)


@check(signatures=("penalty",), without=(COMBINER,), because="it is no penalty on parameters")
def check_shrinking(subject: Subject) -> None:
    """Ten steps make the parameters of a penalty smaller."""
    before, after = (sum(x.square().sum().item() for x in inputs[0]) for inputs in _descend(subject))
    came = f"{before:g} before, {after:g} after"
    require(after < before, "ten steps must lower the sum of squares", came, "look for a wrong sign")


def _descend(subject: Subject) -> tuple[Batch, Batch]:
    """What the loss was given before the steps, and what after them."""
    inputs, leaves = with_leaves(_unconstrained(subject), subject.signature)
    loss, start = subject.make(), changed(inputs, lambda x: x.detach().clone())
    for _ in range(_STEPS):
        value = loss(*_linked(inputs, subject))
        gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
        _step(leaves, gradients)
    with torch.no_grad():
        return _linked(start, subject), _linked(changed(inputs, torch.detach), subject)


@torch.no_grad()
def _step(leaves: list[Tensor], gradients: tuple[Tensor, ...]) -> None:
    """A step as long as a tenth of what moves, so that the scale of a loss does not matter."""
    slope = torch.stack([g.norm() for g in gradients]).norm()
    size = torch.stack([x.norm() for x in leaves]).norm()
    if slope > 0:
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf -= _STRIDE * size / slope * gradient


def _unconstrained(subject: Subject) -> Batch:
    """An ordinary batch whose predictions are logits."""
    return Subject(subject.name, subject.target, subject.signature).batch(rows=12, seed=1)


def _linked(inputs: Batch, subject: Subject) -> Batch:
    """The inputs with logits turned into what the loss expects."""
    over_classes = subject.signature == "multiclass"
    links: dict[str, Callable[[Tensor], Tensor]] = {
        "probabilities": (lambda x: x.softmax(1)) if over_classes else torch.sigmoid,
        "log-probabilities": (lambda x: x.log_softmax(1)) if over_classes else logsigmoid,
    }
    link = links.get(subject.expects)
    return changed(inputs, link, learned_places(subject.signature)) if link else inputs


def _contrast(scores: Tensor, mine: Tensor) -> Tensor:
    """Mean score of what is mine minus the mean of the rest."""
    return scores[mine].mean() - scores[~mine].mean()


def _nearness(first: Tensor, second: Tensor, same: Tensor, other: Tensor) -> Tensor:
    """How near pairs of one kind are, in units of the distance of the others."""
    distances = torch.cdist(first, second)
    near, far = distances[same].mean(), distances[other].mean()
    return -near / far


def _of_classes(logits: Tensor, targets: Tensor) -> Tensor:
    return _contrast(logits, torch.nn.functional.one_hot(targets, logits.shape[1]).bool())


def _of_embedding(embeddings: Tensor, labels: Tensor) -> Tensor:
    same = labels[:, None] == labels[None, :]
    return _nearness(embeddings, embeddings, same & ~torch.eye(len(labels), dtype=torch.bool), ~same)


def _of_triplets(anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    far, near = (torch.linalg.vector_norm(anchors - others, dim=1) for others in (negatives, positives))
    gap: Tensor = (far - near).mean()
    return gap


def _of_views(queries: Tensor, keys: Tensor) -> Tensor:
    own = torch.eye(len(queries), dtype=torch.bool)
    return _nearness(queries, keys, own, ~own)


def _of_neighbors(queries: Tensor, labels: Tensor, candidates: Tensor, others: Tensor, own: Tensor) -> Tensor:
    same = labels[:, None] == others[None, :]
    itself = own[:, None] == torch.arange(len(candidates))
    return _nearness(queries, candidates, same & ~itself, ~same)


_SCORES: Mapping[str, Callable[..., Tensor]] = {
    "binary": lambda predictions, targets: _contrast(predictions, targets > 0.5),
    "segmentation": lambda logits, targets: _contrast(logits, targets > 0.5),
    "multiclass": _of_classes,
    "regression": lambda predictions, targets: -(predictions - targets).abs().mean(),
    "embedding": _of_embedding,
    "pair": lambda first, second, same: -_contrast((first - second).norm(dim=1), same > 0.5),
    "triplet": _of_triplets,
    "views": _of_views,
    "neighbors": _of_neighbors,
}

_MEANING = {
    "binary": "predictions where the target is 1 over those where it is 0",
    "segmentation": "logits where the target is 1 over those where it is 0",
    "multiclass": "the target's logit over the others",
    "regression": "minus the mean error",
    "embedding": "the nearness of the own class, against other classes",
    "pair": "the nearness of pairs that are the same, against those that are not",
    "triplet": "the distance of the negative over that of the positive",
    "views": "the nearness of the own view, against other views",
    "neighbors": "the nearness of candidates of the own class, against others",
}
