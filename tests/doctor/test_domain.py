"""What a tensor may be is read off its numbers, its name and its neighbours."""

from __future__ import annotations

import pytest
import torch
from sick_losses import normal, subject_of, uniform
from torch import Tensor

from losszoo.doctor.subject.input_kinds import KINDS, Leaf, kind_of, leaves_of
from losszoo.doctor.subject.subject import Subject, make_subject
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import example_inputs

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def zero(*inputs: Tensor) -> Tensor:
    return inputs[0].sum() * 0


def named(**inputs: Tensor) -> dict[str, Leaf]:
    """The leaves of inputs by their names."""
    subject = make_subject(zero, tuple(inputs.values()), tuple(inputs))
    return {leaf.name: leaf for leaf in leaves_of(subject)}


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (normal(8, 3), ("real", -1)),
        (normal(6, 3).softmax(1), ("simplex", -1)),
        (normal(2, 3, 4, 4).softmax(1), ("simplex", 1)),
        (normal(6, 3).log_softmax(1), ("log-probability", -1)),
        (normal(2, 3, 5, 5).log_softmax(1), ("log-probability", 1)),
        (torch.nn.functional.normalize(normal(6, 4), dim=1), ("unit", -1)),
        (torch.linalg.qr(normal(5, 3, 3))[0], ("rotation", -1)),
        (uniform(8), ("probability", -1)),
        (normal(8).exp(), ("positive", -1)),
        (torch.tensor(2.0), ("positive", -1)),
        (normal(6, 4).tanh(), ("bounded", -1)),
        (torch.tensor([1.0, 0.0, 1.0]), ("bits", -1)),
        (torch.tensor([True, False]), ("bool", -1)),
        (LABELS, ("label", -1)),
        (torch.tensor([0, -1, 2]), ("label", -1)),
        (torch.tensor([0, -100, 2]), ("label", -1)),
        (torch.tensor([0, 255, 2]), ("label", -1)),
        (torch.tensor([0, -7, 2]), ("other", -1)),
        (torch.tensor(3), ("other", -1)),
        (torch.tensor([], dtype=torch.int64), ("other", -1)),
        (torch.zeros(0, 3), ("real", -1)),
        # Three numbers of one sign are chance.
        (torch.tensor([0.5, 1.5, 2.5]), ("real", -1)),
        (torch.tensor([0.5, -0.5]), ("real", -1)),
        (normal(8, 3).half(), ("real", -1)),
    ],
)
def test_kind_of_the_numbers(tensor: Tensor, kind: tuple[str, int]) -> None:
    assert kind_of(tensor) == kind


def test_the_signature_knows_better_than_the_numbers() -> None:
    inside = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    targets = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    for expects, kind in (("logits", "real"), ("probabilities", "probability")):
        subject = make_subject(zero, (inside, targets), TABLE["binary"].arguments, "binary", expects)
        assert [leaf.kind for leaf in leaves_of(subject)] == [kind, "bits"]


@pytest.mark.parametrize("signature", TABLE)
def test_every_signature_starts_from_legal_inputs(signature: str) -> None:
    rules = TABLE[signature]
    expects = rules.expects[0]
    subject = make_subject(zero, example_inputs(signature, expects=expects), rules.names, signature, expects)
    leaves = leaves_of(subject)
    assert leaves
    assert all(leaf.kind in KINDS and leaf.legal(leaf.tensor) for leaf in leaves)


def test_labels_range_over_the_scores_beside_them() -> None:
    leaves = named(logits=normal(6, 5), targets=LABELS)
    assert leaves["targets"].classes == 5
    assert leaves["targets"].legal(torch.tensor([4, 0, 0, 0, 0, 0]))
    assert not leaves["targets"].legal(torch.tensor([5, 0, 0, 0, 0, 0]))
    assert named(embeddings=normal(4, 5), labels=LABELS)["labels"].classes == 3


def test_scores_may_be_minus_infinity_only_where_labels_pick_among_them() -> None:
    assert named(logits=normal(6, 3), targets=LABELS)["logits"].logits
    assert named(scores=normal(2, 3, 4), targets=LABELS[:2, None].expand(2, 4))["scores"].logits
    assert not named(logits=normal(6), targets=(LABELS > 0).float())["logits"].logits
    assert not named(embeddings=normal(6, 4), labels=LABELS)["embeddings"].logits
    assert not named(logits=normal(6, 3))["logits"].logits
    assert not named(logits=normal(6, 3).softmax(1), targets=LABELS)["logits"].logits


LEGAL = {
    "probability": (torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.1])),
    "positive": (torch.tensor([0.0, 1e30]), torch.tensor([-1e-9, 1.0])),
    "bounded": (torch.tensor([-1.0, 1.0]), torch.tensor([1.1, 0.0])),
    "bits": (torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0])),
    "simplex": (torch.tensor([[0.0, 1.0]]), torch.tensor([[0.4, 0.4]])),
    "log-probability": (torch.tensor([[0.0, -104.0]]), torch.tensor([[0.1, -1.0]])),
    "unit": (torch.tensor([[0.0, -1.0]]), torch.tensor([[0.0, 0.0]])),
    "rotation": (torch.eye(3), torch.ones(3, 3)),
    "real": (torch.tensor([1e30, -1e30]), None),
}


@pytest.mark.parametrize("kind", LEGAL)
def test_legal_and_illegal_numbers_of_a_kind(kind: str) -> None:
    good, bad = LEGAL[kind]
    leaf = Leaf(0, "x", kind, good)
    assert leaf.legal(good)
    assert bad is None or not leaf.legal(bad)


def test_nan_is_legal_only_where_the_loss_looks_for_it() -> None:
    spoilt = torch.tensor([0.5, torch.nan])
    assert not Leaf(0, "p", "probability", spoilt).legal(spoilt)
    assert Leaf(0, "p", "probability", spoilt, may_be_nan=True).legal(spoilt)
    assert not Leaf(0, "p", "probability", spoilt, may_be_nan=True).legal(torch.tensor([2.0, torch.nan]))


def test_an_ignored_label_is_legal_only_where_the_loss_says_so() -> None:
    assert not Leaf(0, "t", "label", LABELS, classes=3).legal(LABELS * 0 - 100)
    assert Leaf(0, "t", "label", LABELS, classes=3, ignored=-100).legal(LABELS * 0 - 100)
    assert not Leaf(0, "t", "label", LABELS, classes=3, ignored=-100).legal(LABELS * 0 - 1)


def test_integers_that_are_no_labels_stay_as_they_are() -> None:
    lengths = torch.tensor([-7, 12])
    leaf = Leaf(0, "offsets", "other", lengths)
    assert leaf.legal(lengths)
    assert not leaf.legal(lengths + 1)


def trained(subject: Subject) -> list[str]:
    return [leaf.name for leaf in leaves_of(subject) if leaf.index in subject.trained]


def test_what_is_trained_is_told_by_name_by_gradient_and_by_numbers() -> None:
    def loss(predictions: Tensor, target: Tensor, sample_weight: Tensor) -> Tensor:
        return (sample_weight * (predictions - target) ** 2).mean()

    inputs = (normal(6), normal(6, seed=1), uniform(6))
    assert trained(subject_of(loss, *inputs)) == ["predictions"]
    assert trained(subject_of(loss, inputs[0], inputs[1].requires_grad_(), inputs[2])) == ["target"]
    assert trained(
        subject_of(lambda p, q: (p - q).sum(), normal(6, 3).softmax(1), normal(6, 3, seed=1).softmax(1))
    ) == ["p"]
