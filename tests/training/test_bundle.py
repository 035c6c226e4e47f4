"""Crash bundles by themselves, and as a guard in somebody's own loop writes them."""

from __future__ import annotations

import collections
import errno
import math
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundled import LABELS, ROWS, fails, healthy, make, root
from torch import Tensor, nn

from losszoo import Guard, NonFiniteError, UsageError
from losszoo.common.files import save_atomically
from losszoo.common.plain_data import all_finite, plain, size_of
from losszoo.training.guard import crash_bundle as bundles
from losszoo.training.guard.crash_bundle import FORMAT, Bundles, pack, read

EVENT = {"event": {"step": 1, "epoch": None, "where": "loss"}, "random": {}, "config": None}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard writes its bundles into the working folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


def packed(**parts: Any) -> dict[str, Any]:
    return pack("guard", {**EVENT, **parts})


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


def test_a_few_are_enough_and_none_is_written_over(tmp_path: Path) -> None:
    for _ in range(2):
        folder = Bundles(tmp_path / "deep" / "bundles")
        assert [folder.write(packed(), 7) is None for _ in range(5)] == [False, False, False, True, True]
        assert not folder.wanted()
    names = {path.name for path in (tmp_path / "deep" / "bundles").iterdir()}
    assert names == {f"step-7{suffix}.pt" for suffix in ("", "-1", "-2", "-3", "-4", "-5")}


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
