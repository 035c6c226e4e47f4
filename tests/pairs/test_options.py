"""What a user may choose of the engine, and what a loss over pairs keeps when it is copied, stored or compiled."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

import losszoo
from losszoo import Streaming, UsageError
from losszoo.pairs import streaming
from losszoo.tracing.whole_matrix import whole_matrix, whole_matrix_wanted

CPU = torch.device("cpu")
LABELS = torch.tensor([0, 1, 0, 1, 0, 2, 1])


def drawn(count: int = 7, dim: int = 3) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("memory", [0, -1, float("inf"), float("nan"), True, "256", None])
def test_a_wrong_budget(memory: Any) -> None:
    with pytest.raises(UsageError, match="memory must be a finite number of MiB > 0, got "):
        Streaming(memory=memory)


@pytest.mark.parametrize("name", ["dense", "compile"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_wrong_choice(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} must be True or False, got {value!r}"):
        Streaming(**{name: value})


def test_a_matrix_at_once_has_no_blocks_to_compile() -> None:
    with pytest.raises(UsageError, match="compile must be False with dense=True, got True"):
        Streaming(dense=True, compile=True)


def test_wrong_ranks() -> None:
    with pytest.raises(UsageError, match="ranks must be one of local, gather, ring, got 'all'"):
        Streaming(ranks="all")


def test_streaming_goes_with_losses_over_pairs() -> None:
    with pytest.raises(UsageError, match=r"streaming must be a losszoo.Streaming, got True"):
        losszoo.create("nca", streaming=True)  # type: ignore[arg-type]
    with pytest.raises(
        UsageError,
        match=r"with a row function over pairs .*got 'huber', which has none",
    ):
        losszoo.create("huber", streaming=Streaming())
    with pytest.raises(UsageError, match="streaming and relation must go with a row function"):
        losszoo.create("huber", relation=lambda rows, columns: rows)
    with pytest.raises(UsageError, match="is a loss of the zoo already and takes no options"):
        losszoo.create(losszoo.create("nca"), streaming=Streaming())


def test_rows_of_a_block_fill_the_budget() -> None:
    """A row of 2**20 pairs takes 7 numbers of 4 bytes a pair for a softmax, and 36 for a row function."""
    columns = 1 << 20
    for memory, softmax, rows in ((56, True, 2), (28, True, 1), (144, False, 1), (1440, False, 10)):
        found = Streaming(memory=memory).block_rows(columns, torch.float32, CPU, softmax=softmax)
        assert found == rows
    assert Streaming(memory=1e6).block_rows(columns, torch.float32, CPU, softmax=True) == streaming.TUNING.cpu_rows
    assert Streaming().block_rows(0, torch.float64, CPU, softmax=False) >= 1
    with pytest.raises(UsageError, match=r"memory must be enough for one row of 1048576 pairs, at least 28\.0 MiB"):
        Streaming(memory=27.9).block_rows(columns, torch.float32, CPU, softmax=True)


def test_a_small_budget_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "TUNING", streaming.Tuning(few=0, few_rows=0, few_both=0, block_pairs=0))
    rows, labels = drawn(200), torch.arange(200) % 3
    for name in ("nca-stable", "triplet-batch-hard"):
        wide, narrow = (losszoo.create(name, streaming=Streaming(memory=x))(rows, labels) for x in (256, 0.04))
        torch.testing.assert_close(wide, narrow)
        slopes = [torch.autograd.grad(x, rows)[0] for x in (wide, narrow)]
        torch.testing.assert_close(*slopes)


def closer_than_two(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    apart = (rows.unsqueeze(1) - columns).abs()
    return apart < 2, apart > 2


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_a_twin_works_alike(twin_of: Any) -> None:
    loss = losszoo.create(
        "nca(temperature=0.5)", reduction="sum", streaming=Streaming(memory=64, dense=True), relation=closer_than_two
    )
    twin = twin_of(loss)
    assert twin.streaming == Streaming(memory=64, dense=True)
    assert twin.relation is closer_than_two
    assert (twin.temperature, twin.similarity) == (0.5, "squared-euclidean")
    rows, numbers = drawn(), torch.arange(7.0)
    assert torch.equal(twin(rows, numbers), loss(rows, numbers))
    assert repr(twin) == repr(loss)


@pytest.mark.parametrize("name", ["sup-con", "triplet-all"])
def test_compiled_with_streaming_and_relation(name: str) -> None:
    torch._dynamo.reset()
    loss = losszoo.create(name, streaming=Streaming(memory=1), relation=closer_than_two)
    rows, numbers = drawn(), torch.arange(7.0)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(rows, numbers)
    expected = loss(rows, numbers)
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(*(torch.autograd.grad(x, rows)[0] for x in (compiled, expected)))


def test_autocast_is_left_outside(way: Streaming) -> None:
    rows = drawn()
    loss = losszoo.create("info-nce", streaming=way)
    expected = loss(rows, rows.flip(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(rows, rows.flip(0))
        half = loss(rows.bfloat16(), rows.flip(0).bfloat16())
    assert torch.equal(found, expected)
    assert half.dtype == torch.float32
    assert torch.autograd.grad(half, rows)[0].dtype == torch.float32


def test_who_watches_sees_every_operation() -> None:
    rows = drawn()
    seen: list[str] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(getattr(function, "__name__", ""))
            return function(*args, **(kwargs or {}))

    expected = losszoo.create("nca-stable")(rows, LABELS)
    with whole_matrix(), Watch():
        assert whole_matrix_wanted()
        found = losszoo.create("nca-stable")(rows, LABELS)
    assert not whole_matrix_wanted()
    torch.testing.assert_close(found, expected)
    assert "cdist" in seen
    with pytest.raises(ZeroDivisionError), whole_matrix():
        _ = 1 / 0
    assert not whole_matrix_wanted()
