"""The inputs that are tried: legal, repeatable, simple ones first."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sick_losses import normal, subject_of, uniform
from torch import Tensor

from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.gradient_search import pushes
from losszoo.doctor.inputs.probes import (
    batch_size,
    combined,
    is_separable,
    ordinary,
    outliers,
    rows,
    select,
    structural,
)
from losszoo.doctor.subject.input_kinds import leaves_of
from losszoo.doctor.subject.subject import Subject, make_subject
from losszoo.losses.introspection import positional_names
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import edge_cases, example_inputs

MOST = 3000
FEW = ("one row, ", "two rows, ", "the same row twice, ")

# A distance that has a gradient is read as a number.
pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor:UserWarning")


def zero(*inputs: Tensor) -> Tensor:
    return inputs[0].sum() * 0


def of_signature(name: str) -> Subject:
    rules = TABLE[name]
    inputs = example_inputs(name, expects=rules.expects[0])
    return make_subject(zero, inputs, rules.names, name, rules.expects[0])


MIXED = subject_of(
    lambda p, target, weight: (weight * (p - target) ** 2).mean(),
    uniform(6),
    (normal(6) > 0).float(),
    uniform(6, seed=1) * 3,
)


@pytest.mark.parametrize("name", [*TABLE, "mixed"])
def test_every_probe_is_legal_and_the_ordinary_input_stays(name: str) -> None:
    subject = MIXED if name == "mixed" else of_signature(name)
    before = [x.clone() for x in subject.leaves]
    leaves = leaves_of(subject)
    probes = [p for p in itertools.islice(structural(subject), MOST) if not p.label.startswith(FEW)]
    assert len(probes) > 15
    for probe in probes:
        for leaf in leaves:
            x = probe.leaves[leaf.index]
            assert x.dtype == leaf.tensor.dtype, probe.label
            assert leaf.legal(x), f"{probe.label}: {leaf.name} of {leaf.kind}"
    assert all(torch.equal(a, b) for a, b in zip(before, subject.leaves, strict=True))


def test_changes_of_chosen_rows_are_legal_for_the_whole_input() -> None:
    probes = [p for p in combined(MIXED) if p.label.startswith(FEW)]
    assert len(probes) > 20
    for probe in probes:
        for leaf in leaves_of(MIXED):
            assert leaf.legal(probe.leaves[leaf.index]), f"{probe.label}: {leaf.name} of {leaf.kind}"


def test_the_first_probe_is_the_input_as_given() -> None:
    assert [torch.equal(a, b) for a, b in zip(ordinary(MIXED).leaves, MIXED.leaves, strict=True)] == [True] * 3


def test_single_changes_come_before_pairs_and_every_label_says_what_was_done() -> None:
    labels = [probe.label for probe in itertools.islice(structural(MIXED), MOST)]
    single = next(i for i, label in enumerate(labels) if label == "one row")
    assert not any(", " in label for label in labels[: single // 2])
    assert "p equal to target" in labels
    assert "everything all 0" in labels
    assert all(labels)


def test_the_same_seed_draws_the_same_probes() -> None:
    first, second = ([p.label for p in structural(of_signature("triplet"))] for _ in range(2))
    assert first == second


def test_rows_are_chosen_from_every_tensor_of_the_batch() -> None:
    probes = {probe.label: probe for probe in rows(MIXED)}
    assert batch_size(MIXED) == 6
    assert [len(x) for x in probes["one row"].leaves] == [1, 1, 1]
    twice = probes["the same row twice"].leaves[0]
    assert twice.tolist() == [MIXED.leaves[0][0].item()] * 2
    assert len(probes["every row twice"].leaves[2]) == 12


def test_the_batch_is_what_most_tensors_share() -> None:
    subject = subject_of(lambda a, b, prototypes: a.sum(), normal(6, 4), normal(6), normal(3, 4))
    assert batch_size(subject) == 6
    chosen = select(subject, subject.leaves, torch.tensor([0]))
    assert [len(x) for x in chosen] == [1, 1, 3]
    assert batch_size(subject_of(lambda x: x, torch.tensor(1.0))) == 0
    assert list(rows(subject_of(lambda x: x, torch.tensor(1.0)))) == []


def test_what_is_no_tensor_stays() -> None:
    subject = subject_of(lambda x, n, extra: x.sum(), normal(6), 3, {"name": None, "y": normal(6, seed=1)})
    assert all(p.leaves[1] == 3 for p in structural(subject))


def outlier_labels(loss: Callable[[Tensor, Tensor], Tensor]) -> list[str]:
    subject = make_subject(loss, (normal(6), normal(6, seed=1)), positional_names(loss))
    return [probe.label for probe in outliers(subject)]


def test_no_outlier_where_the_rows_meet() -> None:
    assert outlier_labels(lambda a, b: (a - b).softmax(0).square().mean()) == []
    assert outlier_labels(lambda a, b: (a - b).mean().square()) == []
    assert "a with an outlier of 1e20" in outlier_labels(lambda a, b: (a - b).square().mean())


def test_an_outlier_of_a_prediction_beside_a_given_target() -> None:
    assert outlier_labels(lambda a, target: (a - target).square().mean()) == ["a with an outlier of 1e20"]


def test_separability_is_measured_on_the_gradient() -> None:
    subject = subject_of(lambda a, target: (a - target).square().mean(), normal(6), normal(6, seed=1))
    first, second = leaves_of(subject)
    assert is_separable(subject, first)
    assert not is_separable(subject, second)  # it is not trained


@pytest.mark.parametrize(("name", "expects"), [(name, expects) for name in TABLE for expects in TABLE[name].expects])
def test_a_battery_is_of_its_signature_and_legal(name: str, expects: str) -> None:
    rules = TABLE[name]
    inputs = example_inputs(name, expects=expects)
    subject = make_subject(zero, inputs, rules.names, name, expects)
    cases = {case.label: case.inputs for case in edge_cases(name, expects)}
    assert len(cases) >= 3
    for label, batch in cases.items():
        assert len(inputs) <= len(batch) <= len(rules.names), label
        flat = torch.utils._pytree.tree_leaves(batch)
        for leaf in leaves_of(subject):
            x = flat[leaf.index]
            assert not bool(x.isnan().any()), label
            if x.dtype != leaf.tensor.dtype:
                continue  # another form of the argument, as labels beside maps
            if leaf.kind in ("probability", "log-probability", "bits", "label") and "excluded" not in label:
                limit = leaf.classes + len(x) if leaf.kind == "label" else 1
                assert bool((x <= limit).all()), label
                assert leaf.kind != "probability" or bool((x >= 0).all()), label


def test_minus_infinity_never_stands_at_the_target() -> None:
    for label, (logits, targets), _ in edge_cases("multiclass"):
        if len(logits):
            assert bool(torch.isfinite(logits.gather(1, targets[:, None])).all()), label


def pushed(loss: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, Tensor]:
    """Where the pushes end, by operation."""
    return {p.label.split(" at ")[0].rpartition(" ")[2]: p.leaves[0] for p in pushes(subject_of(loss, x), Effort())}


@pytest.mark.parametrize(
    ("loss", "op", "reached"),
    [
        (lambda x: torch.log((x.square().sum() - 3).abs()), "log", lambda x: x.square().sum() - 3),
        (lambda x: x[0] / (x.sin().sum() - 0.7), "div", lambda x: x.sin().sum() - 0.7),
        (lambda x: 1 / (x.exp().sum() - 9), "div", lambda x: x.exp().sum() - 9),
        (lambda x: torch.acos(x[0].sin()), "acos", lambda x: 1 - x[0].sin().abs()),
        (lambda x: x[1] / (x[0] - 0.25), "div", lambda x: x[0] - 0.25),
        (lambda x: torch.exp(x.sum()), "exp", lambda x: x.sum() - 100),
        (lambda x: torch.exp(x.square().sum()), "exp", lambda x: (100 - x.square().sum()).clamp(min=0)),
    ],
)
def test_pushes_reach_the_singularity(loss: Any, op: str, reached: Callable[[Tensor], Tensor]) -> None:
    end = pushed(loss, normal(6) * 2)[op]
    assert abs(reached(end).item()) < 1e-4


def test_pushes_stay_inside_the_domain_and_move_only_what_is_trained() -> None:
    def loss(p: Tensor, target: Tensor) -> Tensor:
        return (target * torch.log(p / 2 + 0.25)).sum() + torch.log(2 - p).sum()

    target = (normal(6) > 0).float()
    for probe in pushes(subject_of(loss, uniform(6), target), Effort()):
        assert bool(((probe.leaves[0] >= 0) & (probe.leaves[0] <= 1)).all())
        assert torch.equal(probe.leaves[1], target)


def test_nothing_to_push_where_nothing_is_singular() -> None:
    assert list(pushes(subject_of(lambda x: x.square().mean(), normal(6)), Effort())) == []
    assert list(pushes(subject_of(lambda x: x.log().mean(), normal(6, 3).softmax(1)), Effort())) == []
