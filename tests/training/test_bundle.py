"""Crash bundles by themselves, and as a guard in somebody's own loop writes them."""

from __future__ import annotations

import collections
import errno
import math
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from losszoo import Guard, NonFiniteError, UsageError
from losszoo.common.files import save_atomically
from losszoo.common.plain_data import all_finite, plain, size_of
from losszoo.tracing import first_nonfinite
from losszoo.training.guard import crash_bundle as bundles
from losszoo.training.guard import investigate
from losszoo.training.guard.crash_bundle import FORMAT, MOST_BUNDLES, Bundles, pack, read

ROWS, LABELS = torch.linspace(-1, 1, 12).view(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])
EVENT = {"event": {"step": 1, "epoch": None, "where": "loss"}, "random": {}, "config": None}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard writes its bundles into the working folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


def packed(**parts: Any) -> dict[str, Any]:
    return pack("guard", {**EVENT, **parts})


def make() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def healthy(model: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(rows), labels)


def log_of_softmax(model: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    probabilities = torch.softmax(1e3 * model(rows), 1)
    return -torch.log(probabilities)[torch.arange(len(labels)), labels].mean()


def root(model: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    return torch.sqrt((model(rows) * 0).square()).sum()


def line_of(function: Callable[..., Any], offset: int) -> str:
    return f"test_bundle.py:{function.__code__.co_firstlineno + offset}"


# What a nest becomes.


class Odd:
    """Something that no bundle holds."""


Point = collections.namedtuple("Point", "x y")


def test_a_nest_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    nest = {
        "tensor": torch.ones(2, 3),
        "mask": [torch.tensor([True]), (1, 2.5, "text", b"bytes", None, True)],
        "array": np.arange(3.0),
        "number": np.float32(0.5),
        "half": torch.ones(2).half(),
        4: {"deep": [torch.zeros(0)]},
        "parameter": nn.Parameter(torch.ones(1)),
    }
    save_atomically(tmp_path / "b.pt", packed(batch=nest))
    batch = read(tmp_path / "b.pt")["batch"]
    assert batch["mask"][1] == (1, 2.5, "text", b"bytes", None, True)
    assert torch.equal(batch["array"], torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
    assert (batch["number"], batch["half"].dtype, batch[4]["deep"][0].shape) == (0.5, torch.float16, (0,))
    assert type(batch["parameter"]) is Tensor
    assert not batch["parameter"].requires_grad


def test_what_cannot_be_kept_is_described() -> None:
    lost: list[str] = []
    cycle: list[Any] = []
    cycle.append(cycle)
    kept = plain({"meta": [Odd(), Point(1, torch.ones(1))], ("a", 1): np.array([None])}, "batch", lost)
    assert kept["meta"][0] == "<Odd>"
    assert kept["meta"][1] == (1, torch.ones(1))
    assert kept["('a', 1)"] == "<ndarray>"
    assert lost[0] == "batch.meta.0 (a Odd): only tensors and plain data are kept"
    assert len(lost) == 2
    assert "<list>" in str(plain(cycle, "batch", lost))
    assert plain(torch.ones(2, device="meta"), "batch", lost) == "<Tensor>"


def test_a_view_does_not_bring_its_whole_storage(tmp_path: Path) -> None:
    save_atomically(tmp_path / "b.pt", packed(batch=torch.zeros(10**6)[:10]))
    assert (tmp_path / "b.pt").stat().st_size < 10_000


def test_sizes_and_finiteness() -> None:
    sparse = torch.sparse_coo_tensor([[0]], [1.0], (1000,), check_invariants=True)
    assert size_of({"a": torch.zeros(3), "b": [np.zeros(2), b"xyz", 5], "c": sparse}) == 12 + 16 + 3 + 4
    assert all_finite([torch.ones(1), torch.tensor([1]), "nan", math.nan])
    assert not all_finite({"a": (torch.ones(1), torch.tensor([math.nan]))})


# The bound.


@pytest.mark.parametrize(
    ("most", "gone"), [(700, []), (500, ["optimizer"]), (300, ["optimizer", "model"]), (50, [*bundles.DISPENSABLE])]
)
def test_a_bundle_is_bounded(monkeypatch: pytest.MonkeyPatch, most: int, gone: list[str]) -> None:
    monkeypatch.setattr(bundles, "MOST_BYTES", most)
    parts = {"optimizer": torch.zeros(50), "model": torch.zeros(50), "loss": torch.zeros(12), "batch": torch.zeros(40)}
    content = packed(**parts)
    assert [name for name in parts if content[name] is None] == gone
    assert [line.split()[0] for line in content["left_out"]] == gone
    assert all("a bundle holds at most" in line for line in content["left_out"])


# What is no bundle.


def a_bundle(folder: Path) -> Path:
    path = folder / "step-1.pt"
    save_atomically(path, packed(batch=torch.ones(100), model={"weight": torch.zeros(3)}))
    return path


def test_truncated_anywhere(tmp_path: Path) -> None:
    whole = a_bundle(tmp_path).read_bytes()
    source = random.Random(0)
    cut = tmp_path / "cut.pt"
    for size in [0, 1, 3, 4, 30, len(whole) - 1, *(source.randrange(len(whole)) for _ in range(40))]:
        cut.write_bytes(whole[:size])
        with pytest.raises(UsageError, match=r"got (an empty file|a file that is cut off)"):
            read(cut)


def test_damaged_anywhere(tmp_path: Path) -> None:
    whole = a_bundle(tmp_path).read_bytes()
    source = random.Random(0)
    path = tmp_path / "damaged.pt"
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[source.randrange(len(whole))] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"damaged\.pt must be a crash bundle"):
            read(path)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (os.mkdir, ("evil",))


def test_foreign_files_are_refused_and_nothing_in_them_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("other.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    Path("text.pt").write_text("not a bundle")
    Path("pickle.pt").write_bytes(pickle.dumps(Evil()))
    torch.save(packed(), "bare.pt")
    for name, content in {
        "evil": {"event": Evil(), "format": FORMAT},
        "state": {"weight": torch.ones(1)},
        "list": [1, 2],
        "event": {**packed(), "event": 3},
        "old": {**packed(), "format": 1},
        "odd": {**packed(), "format": "2"},
    }.items():
        save_atomically(Path(f"{name}.pt"), content)
    expected = {
        "other.zip": "not written by this losszoo: it carries no checksum",
        "bare.pt": "it carries no checksum",
        "text.pt": "got no file of torch; pass a file bundles/step-N.pt",
        "pickle.pt": "got no file of torch",
        "evil.pt": "objects that could run code, which are never loaded",
        "state.pt": r"another file of torch \(a dict of 'weight'\)",
        "list.pt": r"another file of torch \(a list\)",
        "event.pt": "a missing or damaged part 'event'",
        "old.pt": f"must be of format {FORMAT}, got format 1 in old.pt; replay it with the version",
        "odd.pt": "another file of torch",
        "nowhere.pt": "there is no file nowhere.pt",
        ".": "got a folder",
        "a\0b": "(cannot be read|there is no file)",
        "x" * 300: "cannot be read: File name too long",
    }
    for name, match in expected.items():
        with pytest.raises(UsageError, match=match):
            read(name)
    assert not Path("evil").exists()


def test_a_file_too_large_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_bundle(tmp_path)
    monkeypatch.setattr(bundles, "MOST_BYTES", -bundles._OVERHEAD)
    monkeypatch.setattr(bundles, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(UsageError, match=r"must be a crash bundle .* got 0 MiB, where a bundle has at most -64 MiB"):
        read(path)


# Writing.


def test_a_few_are_enough_and_none_is_written_over(tmp_path: Path) -> None:
    for _ in range(2):
        folder = Bundles(tmp_path / "deep" / "bundles")
        assert [folder.write(packed(), 7) is None for _ in range(5)] == [False, False, False, True, True]
        assert not folder.wanted()
    names = {path.name for path in (tmp_path / "deep" / "bundles").iterdir()}
    assert names == {f"step-7{suffix}.pt" for suffix in ("", "-1", "-2", "-3", "-4", "-5")}


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (RuntimeError("[enforce fail] unexpected pos\nframe #0"), "unexpected pos"),
    ],
)
def test_a_full_disk_hides_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(torch, "save", fails(error))
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    with pytest.warns(RuntimeWarning, match=rf"bundle of step 1 could not be written to .*{said}.*not affected"):
        report = guard.step(root(model, ROWS, LABELS), again=lambda: root(model, ROWS, LABELS))
    assert report.event is not None
    assert (report.event.where, report.event.op, report.event.bundle) == ("gradient", "sqrt", None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model, optimizer = make()
    guard = Guard(model, optimizer, bundles=tmp_path / "file" / "bundles")
    with (
        pytest.warns(RuntimeWarning, match="could not be written"),
        pytest.raises(NonFiniteError, match="non-finite loss in step 1"),
    ):
        guard.step(healthy(model, ROWS, LABELS) * math.nan)


def test_a_state_that_cannot_be_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = make()
    monkeypatch.setattr(optimizer, "state_dict", fails(ZeroDivisionError("sharded")))
    guard = Guard(model, optimizer, "skip", bundles=tmp_path / "bundles")
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: sharded"):
        assert guard.step(root(model, ROWS, LABELS), again=lambda: root(model, ROWS, LABELS)).event.op == "sqrt"  # type: ignore[union-attr]
    assert not (tmp_path / "bundles").exists()


# A guard in a loop of one's own.


def run_guarded(guard: Guard, model: nn.Module, loss: Callable[..., Tensor], steps: int = 3) -> Any:
    """Some good steps, then a bad one."""
    for number in range(steps):
        last = number == steps - 1
        chosen = loss if last else healthy
        report = guard.step(
            chosen(model, ROWS, LABELS),
            batch={"rows": ROWS, "labels": LABELS, "name": "six"},
            again=lambda chosen=chosen: chosen(model, ROWS, LABELS),  # type: ignore[misc]
        )
    return report


def test_a_guard_alone_names_operation_and_line_and_writes_a_bundle(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path / "bundles")
    run_guarded(guard, model, healthy, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chance = torch.get_rng_state()
    report = run_guarded(guard, model, log_of_softmax, 1)
    after = torch.get_rng_state()
    torch.set_rng_state(chance)
    model(ROWS)
    assert torch.equal(torch.get_rng_state(), after)  # as if nothing had been repeated
    first = guard.to_dict()["first"]
    assert (first["where"], first["op"], first["source"]) == ("loss", "softmax", line_of(log_of_softmax, 1))
    content = read(first["bundle"])
    assert content["kind"] == "guard"
    assert content["config"] is None
    assert set(content["versions"]) == {"losszoo", "torch", "python"}
    assert content["left_out"] == []
    assert content["batch"]["name"] == "six"
    assert torch.equal(content["batch"]["rows"], ROWS)
    assert content["event"]["loss"] == report.loss == math.inf
    assert (content["event"]["step"], content["event"]["op"]) == (3, "softmax")
    assert set(content["event"]["gradient_norms"]) == {name for name, _ in model.named_parameters()}
    assert set(content["model"]) == set(before)
    assert all(torch.equal(value, before[name]) for name, value in content["model"].items())
    assert content["optimizer"]["param_groups"][0]["lr"] == 0.1
    assert torch.equal(content["random"]["torch"], chance)


def test_a_bundle_without_batch_or_second_computation(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard([model, nn.Linear(1, 1)], optimizer, "skip", bundles=tmp_path)
    event = guard.step(root(model, ROWS, LABELS)).event
    assert event is not None
    content = read(str(event.bundle))
    assert (event.op, event.where, content["batch"], len(content["model"])) == (None, "gradient", None, 2)
    norms = content["event"]["gradient_norms"]
    assert "0.3.bias" in norms
    assert any(not math.isfinite(norm) for norm in norms.values())


def test_operation_and_line_without_bundles() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, bundles=None)
    with pytest.raises(NonFiniteError, match=rf"first in sqrt at {line_of(root, 1)}"):
        guard.step(root(model, ROWS, LABELS), again=lambda: root(model, ROWS, LABELS))
    assert guard.first is not None
    assert guard.first.bundle is None
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_guard_alone_writes_bundles_into_the_working_folder() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip")
    assert not Path("crash-bundles").exists()
    event = guard.step(root(model, ROWS, LABELS)).event
    assert event is not None
    assert event.bundle == str(Path("crash-bundles") / "step-1.pt")
    assert read(event.bundle)["event"]["where"] == event.where


def test_chance_is_as_it_was_before_the_step(tmp_path: Path) -> None:
    """Only one in a thousand draws breaks this loss, and the second computation draws it again."""
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    torch.manual_seed(3)

    def rarely() -> Tensor:
        return healthy(model, ROWS, LABELS) * torch.log((torch.rand(()) > 0.05).float()).exp().reciprocal()

    for _ in range(200):
        if guard.step(rarely(), again=rarely).event:
            break
    assert guard.first is not None
    assert guard.first.op == "reciprocal"


def test_a_second_computation_that_fails_or_is_finite(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    event = guard.step(root(model, ROWS, LABELS), again=fails(KeyError("gone"))).event
    assert event is not None
    assert "again() raised KeyError: 'gone'" in event.detail
    event = guard.step(root(model, ROWS, LABELS), again=lambda: healthy(model, ROWS, LABELS)).event
    assert event is not None
    assert "when computed again; does again() hold the whole forward pass?" in str(event)
    assert read(str(event.bundle))["event"]["detail"] == event.detail


def test_a_batch_that_is_not_finite(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    bad = ROWS * math.nan
    event = guard.step(
        healthy(model, bad, LABELS), batch=(bad, LABELS), again=lambda: healthy(model, bad, LABELS)
    ).event
    assert event is not None
    assert (event.where, event.op) == ("input", None)
    # A mask of -inf is no bad input where an operation is to blame.
    mask = torch.tensor([-math.inf])
    event = guard.step(root(model, ROWS, LABELS), batch=mask, again=lambda: root(model, ROWS, LABELS)).event
    assert event is not None
    assert (event.where, event.op) == ("gradient", "sqrt")


def test_a_model_of_many_processes_is_not_repeated_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip")
    monkeypatch.setattr(investigate.Watched, "spread", lambda self: True)
    event = guard.step(root(model, ROWS, LABELS), again=fails(AssertionError())).event
    assert event is not None
    assert event.detail.startswith("not repeated, as the model is distributed")


def test_a_healthy_step_pays_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed again, traced, measured by name, copied or written, and the steps are the same."""
    for module, name in (
        (investigate, "first_non_finite"),
        (investigate, "pack"),
        (first_nonfinite, "first_non_finite"),
    ):
        monkeypatch.setattr(module, name, fails(AssertionError(name)))
    monkeypatch.setattr(investigate.Watched, "norms", fails(AssertionError("norms")))
    (model, optimizer), (other, by_hand) = make(), make()
    guard = Guard(model, optimizer, bundles=tmp_path / "bundles")
    torch.manual_seed(1)
    for _ in range(5):
        guard.step(healthy(model, ROWS, LABELS), batch=ROWS, again=fails(AssertionError("again")))
    torch.manual_seed(1)
    for _ in range(5):
        healthy(other, ROWS, LABELS).backward()
        by_hand.step()
        by_hand.zero_grad()
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    assert not (tmp_path / "bundles").exists()


def test_a_guard_writes_a_few(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    events = [guard.step(root(model, ROWS, LABELS)).event for _ in range(5)]
    assert [bool(event and event.bundle) for event in events] == [True] * MOST_BUNDLES + [False] * 2
