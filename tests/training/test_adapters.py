"""What each signature is fed: heads, pairs, triplets, views and candidates drawn from a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tiny, labelled, prepared, table
from torch import Tensor, nn

import losszoo
from losszoo import UsageError
from losszoo.losses.signatures import TABLE
from losszoo.registry.registry import installed
from losszoo.training.data.batch_inputs import Batch, Model, Step, make_head, partners, predicting_signature
from losszoo.training.data.prepared_data import Prepared
from losszoo.training.data.sampler import shuffled
from losszoo.training.run_folder.progress import Epoch

LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 0, 2, 0, 0]
MASKS = (np.random.default_rng(0).random((12, 1, 4, 4)).astype(np.float32), np.ones((12, 1, 4, 4), np.float32))
DATA = {
    "multiclass": labelled(LABELS),
    "binary": labelled([label % 2 for label in LABELS]),
    "regression": (table(12), np.arange(12, dtype=np.float32)),
    "segmentation": MASKS,
    "retrieval": labelled(LABELS),
    "views": labelled(LABELS),
}
# Width of the head: classes, one yes or no, one number.
WIDTHS = {
    ("multiclass", "multiclass"): 3,
    ("binary", "multiclass"): 3,
    ("regression", "multiclass"): 3,
    ("multiclass", "binary"): 2,
    ("binary", "binary"): 1,
    ("regression", "binary"): 2,
    ("regression", "regression"): 1,
}


def arguments(step: Step, signature: str, expects: str) -> tuple[Any, ...]:
    """What a loss of this signature is called with on this batch."""
    rules = TABLE[signature]
    return tuple(rules.loss_inputs(Batch(step, rules, expects)))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data_of(kind: str) -> Prepared:
    return prepared(kind, DATA[kind], DATA[kind], DATA[kind])


def step_of(kind: str, rows: list[int], signature: str = "embedding", rate: float = 1.0, seed: int = 0) -> Step:
    """A step whose features are the inputs themselves."""
    data = data_of(kind)
    head = make_head(TABLE[signature], 1 if kind == "segmentation" else 3, data)
    model = Model(nn.Identity(), {} if head is None else {signature: head})
    return Step(model, Tiny(kind), data, torch.tensor(rows, dtype=torch.long), rate, generator(seed))


@pytest.mark.parametrize(("signature", "kind"), WIDTHS)
def test_width_of_the_head(signature: str, kind: str) -> None:
    head = make_head(TABLE[signature], 7, data_of(kind))
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (7, WIDTHS[signature, kind])


@pytest.mark.parametrize("signature", ["segmentation", "binary"])
def test_head_of_a_map(signature: str) -> None:
    head = make_head(TABLE[signature], 7, data_of("segmentation"))
    assert isinstance(head, nn.Conv2d)
    assert head(torch.zeros(2, 7, 4, 4)).shape == (2, 1, 4, 4)


@pytest.mark.parametrize("signature", ["embedding", "pair", "triplet", "views", "neighbors", "penalty"])
def test_others_have_no_head(signature: str) -> None:
    assert make_head(TABLE[signature], 7, data_of("multiclass")) is None


@pytest.mark.parametrize("rows", [[3], [0, 3], list(range(12)), [1, 4, 7]], ids=len)
@pytest.mark.parametrize(("kind", "signature"), [(kind, name) for kind in DATA for name in installed().taken_by(kind)])
def test_what_is_fed_is_what_the_signature_asks_for(kind: str, signature: str, rows: list[int]) -> None:
    """On every kind of task that it fits, down to a batch of one row and to one of one class."""
    step = step_of(kind, rows, signature)
    given = arguments(step, signature, "logits")
    row = TABLE[signature]
    checked = row.check(row.bind(given, {}), _context())
    row.check_values(checked, _context())
    if signature not in ("pair", "triplet", "distances", "order"):
        assert len(checked[0]) == len(rows)


def _context() -> Any:
    return losszoo.checks.CheckContext("logits")


def test_numbers_and_one_hot_targets() -> None:
    step = step_of("multiclass", [2, 3], "regression")
    predictions, targets = arguments(step, "regression", "logits")
    torch.testing.assert_close(predictions, step.model.heads["regression"](step.inputs))
    assert targets.tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    predictions, targets = arguments(step_of("binary", [1, 3], "binary"), "binary", "logits")
    assert (predictions.shape, targets.tolist()) == ((2,), [1.0, 0.0])


def test_penalties_get_trunk_and_head() -> None:
    step = step_of("multiclass", [0], "multiclass")
    (parameters,) = arguments(step, "penalty", "logits")
    assert [tuple(p.shape) for p in parameters] == [(3, 3), (3,)]


@pytest.mark.parametrize("seed", range(5))
def test_partners_have_the_same_or_another_label_and_are_never_oneself(seed: int) -> None:
    labels = torch.tensor([*LABELS, 7])  # 7 has no partner of its own label
    same, other = partners(labels, generator(seed))
    assert same[:, 0].tolist() == list(range(12))
    assert other[:, 0].tolist() == list(range(13))
    assert bool((labels[same[:, 0]] == labels[same[:, 1]]).all())
    assert bool((same[:, 0] != same[:, 1]).all())
    assert bool((labels[other[:, 0]] != labels[other[:, 1]]).all())


def test_every_partner_is_drawn_now_and_then() -> None:
    labels, source = torch.tensor([0, 0, 0, 1, 1]), generator()
    drawn = [partners(labels, source) for _ in range(200)]
    of_first = [int(same[0, 1]) for same, _ in drawn]
    # Half each: 100 of 200, deviation 7.
    assert 70 < of_first.count(1) < 130
    assert of_first.count(1) + of_first.count(2) == 200
    assert {int(other[0, 1]) for _, other in drawn} == {3, 4}


@pytest.mark.parametrize(("labels", "same", "other"), [([], 0, 0), ([4], 0, 0), ([4, 4], 2, 0), ([4, 5], 0, 2)])
def test_partners_where_there_are_few(labels: list[int], same: int, other: int) -> None:
    tables = partners(torch.tensor(labels, dtype=torch.long), generator())
    assert [table.shape for table in tables] == [(same, 2), (other, 2)]


def test_pairs_say_whether_they_belong_together() -> None:
    step = step_of("multiclass", list(range(12)))
    first, second, same = arguments(step, "pair", "logits")
    assert len(first) == 24
    assert same.tolist() == [1.0] * 12 + [0.0] * 12
    for one, two, belongs in zip(_labels(step, first), _labels(step, second), same.tolist(), strict=True):
        assert (one == two) == bool(belongs)
    assert not bool((first == second).all(1).any())


def test_triplets_are_of_rows_that_have_both() -> None:
    step = step_of("multiclass", [0, 3, 1, 2, 5])  # row 1 alone has label 1
    anchors, positives, negatives = (_labels(step, part) for part in arguments(step, "triplet", "logits"))
    assert anchors == [0, 0, 2, 2]
    assert positives == anchors
    assert all(one != two for one, two in zip(anchors, negatives, strict=True))


def _labels(step: Step, features: Tensor) -> list[int]:
    """The label of each row, found by its features, which are all different."""
    return [int(step.targets[(step.inputs == row).all(1)].item()) for row in features]


def test_views_are_two_and_random() -> None:
    step = step_of("views", list(range(12)))
    queries, keys = arguments(step, "views", "logits")
    assert queries.shape == keys.shape == (12, 3)
    assert not torch.equal(queries, keys)
    again, _ = arguments(step_of("views", list(range(12))), "views", "logits")
    assert torch.equal(queries, again)
    other, _ = arguments(step_of("views", list(range(12)), seed=1), "views", "logits")
    assert not torch.equal(queries, other)


@pytest.mark.parametrize(("rate", "candidates"), [(1.0, 12), (0.5, 8), (0.01, 5)])
def test_candidates_are_the_batch_and_a_share_of_the_others(rate: float, candidates: int) -> None:
    rows = [7, 1, 10, 4]
    step = step_of("multiclass", rows, "neighbors", rate)
    queries, query_targets, features, targets, own = arguments(step, "neighbors", "logits")
    assert own.tolist() == [0, 1, 2, 3]
    assert torch.equal(features[own], queries)
    assert torch.equal(targets[own], query_targets)
    assert query_targets.tolist() == [LABELS[row] for row in rows]
    assert features.shape == (candidates, 3)
    assert len(features.unique(dim=0)) == candidates  # nobody twice
    assert _labels(step_of("multiclass", list(range(12))), features) == targets.tolist()


def test_a_batch_of_everybody_is_its_own_candidates() -> None:
    step = step_of("multiclass", list(range(12)), "neighbors", 0.5)
    assert len(arguments(step, "neighbors", "logits")[2]) == 12


@pytest.mark.parametrize("signature", ["binary", "segmentation"])
def test_links_of_one_output(signature: str) -> None:
    logits = torch.tensor([[-1000.0, 0.0, 1000.0]])
    assert torch.equal(TABLE[signature].link(logits, "logits"), logits)
    assert TABLE[signature].link(logits, "probabilities").tolist() == [[0.0, 0.5, 1.0]]
    logs = TABLE[signature].link(logits, "log-probabilities")[0]
    assert logs.tolist() == pytest.approx([-1000.0, -0.6931472, 0.0])


def test_links_over_classes() -> None:
    logits = torch.tensor([[0.0, 1000.0], [1.0, 1.0]])
    assert TABLE["multiclass"].link(logits, "probabilities").tolist() == [[0.0, 1.0], [0.5, 0.5]]
    torch.testing.assert_close(
        TABLE["multiclass"].link(logits, "log-probabilities"), torch.tensor([[-1000.0, 0.0], [-0.6931472, -0.6931472]])
    )


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        (("penalty", "embedding"), "embedding"),
        (("embedding", "multiclass"), "multiclass"),
        (("views", "pair"), "pair"),
        (("regression", "neighbors"), "regression"),
        (("binary", "segmentation"), "segmentation"),
    ],
)
def test_which_of_several_predicts(signatures: tuple[str, ...], expected: str) -> None:
    assert predicting_signature(signatures) == expected


def test_a_penalty_predicts_nothing() -> None:
    with pytest.raises(UsageError, match="a penalty must stand in a sum with a loss of the data"):
        predicting_signature(("penalty",))


@pytest.mark.parametrize(("size", "sizes"), [(5, [5, 5, 2]), (11, [11, 1]), (12, [12]), (100, [12])])
def test_batches_hold_every_row_once(size: int, sizes: list[int]) -> None:
    parts = list(Epoch(shuffled(data_of("multiclass").train, generator())).batches(size))
    assert [len(part) for part in parts] == sizes
    assert sorted(torch.cat(parts).tolist()) == list(range(12))
    assert torch.cat(parts).tolist() != list(range(12))
