"""Every change keeps a tensor of its kind."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from sick_losses import normal, uniform
from torch import Tensor

from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.inputs.probes import Probe
from losszoo.doctor.inputs.tensor_changes import changes_of, copies_of, scores_for
from losszoo.doctor.subject.input_kinds import KINDS, Leaf

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def leaf(kind: str, tensor: Tensor, index: int = 0, name: str = "x", **facts: object) -> Leaf:
    return Leaf(index, name, kind, tensor, **facts)  # type: ignore[arg-type]


LEAVES = [
    leaf("real", normal(6, 3)),
    leaf("real", normal(6)),
    leaf("real", torch.tensor(0.3)),
    leaf("positive", normal(6).exp()),
    leaf("bounded", normal(6, 2).tanh()),
    leaf("probability", uniform(6)),
    leaf("simplex", normal(6, 3).softmax(1)),
    leaf("simplex", normal(6, 3, 2).softmax(1), dim=1),
    leaf("log-probability", normal(6, 3).log_softmax(1)),
    leaf("unit", torch.nn.functional.normalize(normal(6, 3), dim=1)),
    leaf("rotation", torch.eye(3).expand(4, 3, 3)),
    leaf("rotation", torch.eye(2).expand(4, 2, 2)),
    leaf("bits", (normal(6) > 0).float()),
    leaf("bool", normal(6) > 0),
    leaf("complex", torch.complex(normal(6, 3), normal(6, 3, seed=1))),
    leaf("label", LABELS, classes=3),
    leaf("label", torch.tensor([0, -1, 1, 2]), classes=3),
    leaf("label", torch.zeros(4, dtype=torch.int64), classes=1),
    leaf("complex", torch.complex(normal(6), normal(6).flip(0))),
]


def near_one(x: Tensor) -> bool:
    return bool((x - 1).abs().max() < 1e-3)


# What a kind means, said once more and by itself.
MEANS: dict[str, Callable[[Tensor, Leaf], bool]] = {
    "real": lambda x, leaf: bool(torch.isfinite(x).all()),
    "positive": lambda x, leaf: bool((x >= 0).all()),
    "bounded": lambda x, leaf: bool((x.abs() <= 1).all()),
    "probability": lambda x, leaf: bool(((x >= 0) & (x <= 1)).all()),
    "simplex": lambda x, leaf: bool((x >= 0).all()) and near_one(x.sum(leaf.dim)),
    "log-probability": lambda x, leaf: bool((x <= 0).all()),
    "unit": lambda x, leaf: near_one(x.square().sum(-1)),
    "rotation": lambda x, leaf: near_one((x @ x.mT).diagonal(dim1=-2, dim2=-1)),
    "bits": lambda x, leaf: set(x.flatten().tolist()) <= {0.0, 1.0},
    "bool": lambda x, leaf: x.dtype == torch.bool,
    "complex": lambda x, leaf: bool(torch.isfinite(x).all()),
    "label": lambda x, leaf: min(0, int(leaf.tensor.min())) <= int(x.min()) and int(x.max()) < leaf.classes,
}


@pytest.mark.parametrize("given", LEAVES, ids=lambda leaf: f"{leaf.kind}-{leaf.tensor.ndim}")
def test_every_change_is_legal_and_leaves_the_original_alone(given: Leaf) -> None:
    before = given.tensor.clone()
    changes = list(changes_of(given))
    assert len(changes) >= 2
    for label, changed, _ in changes:
        assert MEANS[given.kind](changed, given), label
        assert changed.dtype == given.tensor.dtype, label
        assert label.startswith("x "), label
    assert torch.equal(given.tensor, before)
    assert len({label for label, _, _ in changes}) == len(changes)


def test_every_kind_but_the_last_has_changes() -> None:
    assert {given.kind for given in LEAVES} == set(KINDS) - {"other"}
    assert list(changes_of(leaf("other", torch.tensor([-5, 3])))) == []
    assert list(changes_of(leaf("real", torch.zeros(0, 3)))) == []


def test_nan_comes_only_where_the_loss_looks_for_it() -> None:
    assert not any(bool(x.isnan().any()) for given in LEAVES for _, x, _ in changes_of(given))
    counts = [int(x.isnan().sum()) for _, x, _ in changes_of(leaf("real", normal(6), may_be_nan=True))]
    assert sorted(counts)[-2:] == [1, 6]


def test_an_ignored_label_comes_only_where_the_loss_says_so() -> None:
    changed = [x.tolist() for _, x, _ in changes_of(leaf("label", LABELS, classes=3, ignored=-100))]
    assert [-100] * 6 in changed
    assert [0, *[-100] * 5] in changed
    assert not any(-100 in x.tolist() for _, x, _ in changes_of(leaf("label", LABELS, classes=3)))


@pytest.mark.parametrize("given", [given for given in LEAVES if given.tensor.is_floating_point()], ids=lambda x: x.kind)
def test_a_copy_of_a_neighbour_is_legal(given: Leaf) -> None:
    other = leaf(given.kind, given.tensor.flip(0) if given.tensor.ndim else given.tensor * 2, 1, "y")
    for label, changed, _ in copies_of(given, other):
        assert MEANS[given.kind](changed, given), label
        assert label.endswith(" y")


def test_only_what_is_legal_is_copied() -> None:
    p, x = leaf("probability", uniform(6)), leaf("real", normal(6), 1, "y")
    assert list(copies_of(p, x)) == []
    assert next(label for label, _, _ in copies_of(x, p)) == "y equal to x"
    assert list(copies_of(p, leaf("real", normal(5), 1))) == []
    assert list(copies_of(leaf("label", LABELS), x)) == []


def test_a_neighbour_is_approached_to_one_part_in_1e5() -> None:
    made = copies_of(leaf("real", normal(6)), leaf("real", normal(6, seed=1), 1, "y"))
    changes = {label: tensor for label, tensor, _ in made}
    torch.testing.assert_close(changes["x nearly y"], normal(6, seed=1), rtol=1.1e-5, atol=0)
    torch.testing.assert_close(changes["x the opposite of y"], -normal(6, seed=1))


def test_minus_infinity_only_where_labels_pick_among_logits_and_never_at_the_label() -> None:
    labels = leaf("label", LABELS, 1, "targets", classes=3)
    plain = [x for _, x, _ in scores_for(leaf("real", normal(6, 3)), labels)]
    assert plain
    assert not any(bool(x.isinf().any()) for x in plain)
    (masked,) = [x for _, x, _ in scores_for(leaf("real", normal(6, 3), logits=True), labels) if x.isinf().any()]
    assert bool(torch.isfinite(masked.gather(1, LABELS[:, None])).all())
    assert int(masked.isinf().sum()) == 4
    assert set(masked[masked.isinf()].tolist()) == {-math.inf}


def test_sure_scores_are_right_and_wrong() -> None:
    labels = leaf("label", LABELS, 1, "targets", classes=3)
    for label, scores, _ in scores_for(leaf("real", normal(6, 3)), labels):
        right = bool((scores.argmax(1) == LABELS).all())
        assert right == ("right" in label), label
    (sure, wrong) = [x for _, x, _ in scores_for(leaf("simplex", normal(6, 3).softmax(1)), labels)]
    assert sure.argmax(1).tolist() == LABELS.tolist()
    assert not bool((wrong.argmax(1) == LABELS).any())
    assert bool((sure.sum(1) == 1).all() & (wrong.sum(1) == 1).all())


def test_sure_scores_of_pixels_and_of_bits() -> None:
    pixels = leaf("label", LABELS.view(2, 3), 1, classes=3)
    shapes = {x.shape for _, x, _ in scores_for(leaf("real", normal(2, 3, 3)), pixels)}
    assert shapes == {torch.Size([2, 3, 3])}
    bits = leaf("bits", torch.tensor([0.0, 1.0, 1.0]), 1)
    probabilities = [x.tolist() for _, x, _ in scores_for(leaf("probability", uniform(3)), bits)]
    assert probabilities == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    assert list(scores_for(leaf("real", normal(5)), bits)) == []
    assert list(scores_for(leaf("real", normal(6, 2)), leaf("label", LABELS, 1, classes=3))) == []


def test_ignored_labels_among_the_targets_do_not_break_the_scores() -> None:
    labels = leaf("label", torch.tensor([0, -1, 2]), 1, classes=3)
    assert all(x.shape == (3, 3) for _, x, _ in scores_for(leaf("real", normal(3, 3)), labels))


def test_what_matters_of_a_change_is_a_tag_and_not_its_words() -> None:
    tags = {label: tags for label, _, tags in changes_of(leaf("real", normal(6, 2)))}
    assert {label for label, found in tags.items() if Tag.ENLARGED in found} == {"x times 100", "x times 1000"}
    assert {label for label, found in tags.items() if Tag.IDENTICAL_ROWS in found} == {"x with identical rows"}
    edges = [label for label, _, found in changes_of(leaf("positive", normal(6).abs())) if Tag.EDGE in found]
    assert "x all 0, the edge of its domain" in edges
    assert [
        Tag.NEARLY in found for _, _, found in copies_of(leaf("real", normal(6)), leaf("real", normal(6), 1, "y"))
    ] == [
        False,
        False,
        True,
    ]


def test_far_is_what_the_numbers_are() -> None:
    assert Tag.FAR in Probe("tiny", [torch.tensor([1e-20, 1.0])]).all_tags
    assert Tag.FAR in Probe("huge", [torch.tensor([1e20])]).all_tags
    assert Tag.FAR not in Probe("1e-20", [torch.tensor([0.0, 1e-8, 1e4, torch.inf])]).all_tags
