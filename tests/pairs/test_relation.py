"""Who is positive to whom: labels of every kind, a caller's own relation, and few or no pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from written_out import HARDEST, MODERN, NCA, STABLE, SUP_CON, Case, same_and_other

import losszoo
from losszoo import Streaming, UsageError
from losszoo.pairs import streaming

by_case = pytest.mark.parametrize("case", [NCA, STABLE, SUP_CON, HARDEST], ids=str)
Answer = tuple[Tensor, Tensor]


def drawn(count: int, dim: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator, dtype=torch.float64).requires_grad_()


def must_be(found: Tensor, values: Tensor, counts: Tensor, *leaves: Tensor) -> None:
    """The found mean is that of the values, and so are its gradients."""
    expected = values.sum() / counts.sum().clamp(min=1)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(
        *(torch.autograd.grad(x, leaves, retain_graph=True) for x in (found, expected)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


LABELS: dict[str, list[int]] = {
    "negative": [-1, -5, -1, 0, -5, 3, 3],
    "beyond 2**24": [2**24, 2**24 + 1, 2**24, 2**24 + 1, 2**24 + 2, 2**24 + 2, 0],
    "beyond 2**53": [2**53, 2**53 + 1, 2**53, 2**53 + 1, 2**53 + 2, 2**53 + 2, -(2**53)],
    "the ends of int64": [2**63 - 1, -(2**63), 2**63 - 1, -(2**63), 0, 0, 2**63 - 2],
    "one class": [4] * 7,
    "each its own": [3, 1, 4, 5, 9, 2, 6],
    "one alone": [1, 1, 1, 1, 1, 1, 0],
    "sizes far apart": [0] * 40 + [1] * 2 + [2] + [3] * 3 + [4] * 17,
    "a class per block": [label for label in range(5) for _ in range(3)],
    "one row": [7],
    "two rows of a class": [7, 7],
    "two rows of two classes": [7, 8],
    "no row": [],
}


@by_case
@pytest.mark.parametrize("kind", LABELS)
def test_whole_numbers(case: Case, kind: str, way: Streaming) -> None:
    labels = torch.tensor(LABELS[kind], dtype=torch.int64)
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    rows = drawn(len(labels))
    values, counts = case.values(rows, rows, *same_and_other(shuffled))
    loss = losszoo.create(case.name, streaming=way, **case.options)
    must_be(loss(rows, shuffled), values, counts, rows)
    # A floating number of single precision holds fewer of them.
    single = loss(rows.float(), shuffled).double()
    torch.testing.assert_close(single, values.sum() / counts.sum().clamp(min=1), rtol=1e-5, atol=1e-5)
    assert loss.count(rows, shuffled) == counts.sum()


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.bool])
def test_labels_of_every_integer_type(dtype: torch.dtype, way: Streaming) -> None:
    rows, labels = drawn(8), torch.tensor([0, 1, 1, 0, 0, 1, 1, 1])
    loss = losszoo.create("nca", streaming=way)
    assert torch.equal(loss(rows, labels.to(dtype)), loss(rows, labels))


@by_case
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float32])
def test_multi_hot_labels(case: Case, dtype: torch.dtype, way: Streaming) -> None:
    hot = torch.rand(11, 5, generator=torch.Generator().manual_seed(2)) < 0.3
    hot[4] = False
    rows, shared = drawn(11), (hot.unsqueeze(1) & hot).any(2)
    values, counts = case.values(
        rows, rows, shared & ~torch.eye(11, dtype=torch.bool), ~shared & ~torch.eye(11, dtype=torch.bool)
    )
    must_be(losszoo.create(case.name, streaming=way, **case.options)(rows, hot.to(dtype)), values, counts, rows)


def nearby(rows: Tensor, columns: Tensor) -> Tensor:
    """Numbers that are close."""
    return (rows.unsqueeze(1) - columns).abs() < 0.5


def near_or_far(rows: Tensor, columns: Tensor) -> Answer:
    """Close, far, and some in between that are neither."""
    apart = (rows.unsqueeze(1) - columns).abs()
    return apart < 0.5, apart > 1.5


def in_order(rows: Tensor, columns: Tensor) -> Answer:
    """Not symmetric, and some both positive and negative."""
    return rows.unsqueeze(1) <= columns, rows.unsqueeze(1) >= columns - 0.3


@by_case
@pytest.mark.parametrize("relation", [nearby, near_or_far, in_order])
def test_a_relation_of_ones_own(case: Case, relation: Callable[..., Any], way: Streaming) -> None:
    numbers = torch.linspace(-2.0, 2.0, 13)[torch.randperm(13, generator=torch.Generator().manual_seed(3))]
    answer = relation(numbers, numbers)
    positive, negative = answer if isinstance(answer, tuple) else (answer, ~answer)
    others = ~torch.eye(13, dtype=torch.bool)
    rows = drawn(13)
    values, counts = case.values(rows, rows, positive & others, negative & others)
    loss = losszoo.create(case.name, streaming=way, relation=relation, **case.options)
    must_be(loss(rows, numbers), values, counts, rows)
    mask = torch.arange(13) % 4 != 2
    values, counts = case.values(
        rows[mask], rows[mask], *(x[mask][:, mask] & others[mask][:, mask] for x in (positive, negative))
    )
    must_be(loss(rows, numbers, mask=mask), values, counts, rows)


def test_a_relation_between_queries_and_candidates(way: Streaming) -> None:
    queries, candidates = drawn(6, seed=1), drawn(13, seed=2)
    numbers = torch.linspace(-2.0, 2.0, 19)
    positive, negative = near_or_far(numbers[:6], numbers[6:])
    own = torch.tensor([-1, 12, 3, 3, -1, 0])
    others = own.unsqueeze(1) != torch.arange(13)
    values, counts = MODERN.values(queries, candidates, positive & others, negative & others)
    loss = losszoo.create(
        "nca", similarity="euclidean", temperature=0.7, signature="neighbors", streaming=way, relation=near_or_far
    )
    found = loss(queries, numbers[:6], candidates, numbers[6:], own)
    must_be(found, values, counts, queries, candidates)


def test_a_relation_of_labels_with_several_dimensions(way: Streaming) -> None:
    """Labels may be anything with one entry for each row: here places on a map."""
    rows, places = drawn(9), torch.rand(9, 2, 2, generator=torch.Generator().manual_seed(4))

    def close(some: Tensor, all_of_them: Tensor) -> Tensor:
        return (some.unsqueeze(1) - all_of_them).abs().sum((2, 3)) < 1.2

    near = close(places, places) & ~torch.eye(9, dtype=torch.bool)
    values, counts = NCA.values(rows, rows, near, ~near & ~torch.eye(9, dtype=torch.bool))
    must_be(losszoo.create("nca", streaming=way, relation=close, **NCA.options)(rows, places), values, counts, rows)


def test_the_answer_of_a_relation_is_not_changed(way: Streaming) -> None:
    """It may be a slice of a mask that the caller keeps."""
    everybody = torch.ones(5, 5, dtype=torch.bool)
    kept = everybody.clone()
    places = torch.arange(5)
    loss = losszoo.create("nca-stable", streaming=way, relation=lambda rows, _: (kept[rows], kept[rows]))
    loss(drawn(5), places)
    assert torch.equal(kept, everybody)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([torch.ones(5, 5, dtype=torch.bool)] * 2, "relation must return positive as a boolean .*got a list"),
        (None, r"relation must return positive as a boolean tensor of shape \(\d, 5\), got None"),
        (torch.ones(5, 5), r"relation must return positive as a boolean .*got torch.float32 of shape \(5, 5\)"),
        (torch.ones(2, 2, dtype=torch.bool), r"relation must return positive .*got torch.bool of shape \(2, 2\)"),
        ((torch.ones(5, 5, dtype=torch.bool), 3), "relation must return positive|relation must return negative .*int"),
        (
            (torch.ones(5, 5, dtype=torch.bool),),
            r"relation must return one mask or two, \(positive, negative\), got 1",
        ),
        ((torch.ones(5, 5, dtype=torch.bool),) * 3, "relation must return one mask or two, .*got 3"),
    ],
    ids=["a list", "nothing", "numbers", "shape", "negative", "one", "three"],
)
def test_a_wrong_answer_of_a_relation(answer: Any, message: str, way: Streaming) -> None:
    loss = losszoo.create("nca-stable", streaming=way, relation=lambda rows, columns: answer)
    with pytest.raises(UsageError, match=message):
        loss(drawn(5), torch.arange(5))


def test_what_a_relation_raises_comes_out_as_it_is(way: Streaming) -> None:
    loss = losszoo.create("nca-stable", streaming=way, relation=lambda rows, columns: {}["nothing"])
    with pytest.raises(KeyError, match="nothing"):
        loss(drawn(5), torch.arange(5))


def test_a_relation_goes_with_labels() -> None:
    with pytest.raises(UsageError, match="relation must be left out where the positives are the two views"):
        losszoo.create("info-nce", relation=nearby)
    with pytest.raises(UsageError, match="relation must be a function, got 3"):
        losszoo.create("nca", relation=3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="labels must have one entry for each of the 3 rows"):
        losszoo.create("nca", relation=nearby)(drawn(3), torch.zeros(4))


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("candidates", [0, 1, 6])
@pytest.mark.parametrize("name", ["modern-nca", "triplet-all"])
def test_few_queries_and_candidates(name: str, count: int, candidates: int, way: Streaming) -> None:
    queries, others = drawn(count, seed=1), drawn(candidates, seed=2)
    targets, labels = torch.arange(count) % 2, torch.arange(candidates) % 3
    signature = None if name == "modern-nca" else "neighbors"
    loss = losszoo.create(name, streaming=way, signature=signature)
    value = loss(queries, targets, others, labels)
    slopes = torch.autograd.grad(value, (queries, others))
    assert bool(value.isfinite())
    assert [x.shape for x in slopes] == [queries.shape, others.shape]
    assert all(bool(x.isfinite().all()) for x in slopes)
    if count == 0 or candidates == 0:
        assert value == 0


def test_no_class_in_common(way: Streaming) -> None:
    queries, others = drawn(5, seed=1), drawn(6, seed=2)
    loss = losszoo.create("modern-nca", streaming=way)
    value = loss(queries, torch.full((5,), 9), others, torch.arange(6))
    assert value == 0
    assert loss.count(queries, torch.full((5,), 9), others, torch.arange(6)) == 0


@by_case
@pytest.mark.parametrize("dim", [0, 1])
def test_narrow_embeddings(case: Case, dim: int, way: Streaming) -> None:
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 2])
    rows = drawn(7, dim)
    values, counts = case.values(rows, rows, *same_and_other(labels))
    if dim == 0 and case is SUP_CON:
        values = torch.nan_to_num(values) + 0 * rows.sum()
    found = losszoo.create(case.name, streaming=way, **case.options)(rows, labels)
    must_be(found, values, counts, rows)


@pytest.fixture
def _restored() -> Any:
    before = streaming.TUNING
    yield
    streaming.TUNING = before


@pytest.mark.usefixtures("_restored")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 17),
    classes=st.integers(1, 6),
    size=st.integers(1, 20),
    class_rows=st.integers(1, 9),
    case=st.sampled_from([NCA, STABLE, SUP_CON, HARDEST]),
    seed=st.integers(0, 1000),
)
def test_blocks_of_any_size_agree(count: int, classes: int, size: int, class_rows: int, case: Case, seed: int) -> None:
    rows = drawn(count, seed=seed)
    labels = torch.randint(0, classes, (count,), generator=torch.Generator().manual_seed(seed))
    values, counts = case.values(rows, rows, *same_and_other(labels))
    for sort_from in (0, 1 << 30):
        streaming.TUNING = streaming.Tuning(0, 0, sort_from, class_rows, size, size, 0)
        must_be(losszoo.create(case.name, **case.options)(rows, labels), values, counts, rows)


@pytest.mark.usefixtures("_restored")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 9),
    candidates=st.integers(1, 17),
    size=st.integers(1, 10),
    class_rows=st.integers(1, 5),
    data=st.data(),
)
def test_own_places_of_any_order_agree(count: int, candidates: int, size: int, class_rows: int, data: Any) -> None:
    place = st.lists(st.integers(-1, candidates - 1), min_size=count, max_size=count)
    label = st.integers(0, 3)
    own = torch.tensor(data.draw(place))
    targets = torch.tensor(data.draw(st.lists(label, min_size=count, max_size=count)))
    labels = torch.tensor(data.draw(st.lists(label, min_size=candidates, max_size=candidates)))
    queries, others = drawn(count, seed=1), drawn(candidates, seed=2)
    same, elsewhere = targets.unsqueeze(1) == labels, own.unsqueeze(1) != torch.arange(candidates)
    for case in (MODERN, SUP_CON):
        values, counts = case.values(queries, others, same & elsewhere, ~same & elsewhere)
        signature = None if case is MODERN else "neighbors"
        for sort_from in (0, 1 << 30):
            streaming.TUNING = streaming.Tuning(0, 0, sort_from, class_rows, size, size, 0)
            loss = losszoo.create(case.name, signature=signature, **case.options)
            must_be(loss(queries, targets, others, labels, own), values, counts, queries, others)


def test_one_hot_labels_are_class_labels(way: Streaming) -> None:
    rows, labels = drawn(8), torch.tensor([0, 1, 1, 0, 0, 2, 1, 1])
    loss = losszoo.create("nca-stable", streaming=way)
    torch.testing.assert_close(loss(rows, F.one_hot(labels)), loss(rows, labels))
