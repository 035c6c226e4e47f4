"""Files that are read again: a checksum, bounds, and nothing left behind by a write that was killed."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from losszoo import UsageError
from losszoo.common import files
from losszoo.common.files import DamagedError, read_json, remove_stale, save_atomically, temporary_name, write_json
from losszoo.common.plain_data import all_finite, plain, size_of
from losszoo.common.torch_files import load
from losszoo.training.guard.crash_bundle import FORMAT, MOST_VALUES, pack, read
from losszoo.training.run_folder.run_folder import Record

EVENT = {"event": {"step": 1, "epoch": None, "where": "loss"}, "random": {}, "config": None}


@pytest.mark.parametrize("content", [{}, {"a": [1, {"b": 0.1}], "text": "\n}"}, {"sha256": "mine"}, [1, {"a": None}]])
def test_json_is_read_as_it_was_written(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / "a.json", content)
    expected = (
        {key: value for key, value in content.items() if key != "sha256"} if content != [1, {"a": None}] else content
    )
    assert read_json(tmp_path / "a.json", checked=isinstance(content, dict)) == expected
    json.loads((tmp_path / "a.json").read_text())


def test_no_flipped_bit_of_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"mean": 0.25, "seeds": [1, 2], "name": "mse"})
    whole = path.read_bytes()
    for position in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(DamagedError):
            read_json(path)


def test_a_file_that_was_changed_by_hand_is_refused_where_a_run_resumes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"lr": 0.1})
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(
        DamagedError, match="a file that was damaged or changed after it was written: its checksum does not fit"
    ):
        read_json(path, checked=False)
    path.write_text('{"lr": 0.1}')
    assert read_json(path, checked=False) == {"lr": 0.1}
    with pytest.raises(DamagedError, match="not written by this losszoo: it carries no checksum"):
        read_json(path)


@pytest.mark.parametrize("text", ["[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, "[" * 10**6])
def test_deep_json_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DamagedError, match="a file that is nested more than 64 deep"):
        read_json(tmp_path / "a.json", checked=False)


def test_a_large_file_and_a_pipe_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_JSON", 100)
    (tmp_path / "a.json").write_text("[" + "1," * 100 + "1]")
    with pytest.raises(DamagedError, match="a file of 0 MB, where at most 0 are read"):
        read_json(tmp_path / "a.json")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedError, match="no regular file"):
        read_json(tmp_path / "pipe")


# Writes that are killed.

WRITER = """
import sys, time
from pathlib import Path
from losszoo.common.files import temporary_name
temporary_name(Path(sys.argv[1]) / sys.argv[2]).write_bytes(b"half")
print("ready", flush=True)
time.sleep(600)
"""


def killed_write(folder: Path, name: str) -> Path:
    """What a process leaves behind that is killed amid a write; while it lives, nobody removes it."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (left,) = folder.glob(f".{name}.*.part")
    remove_stale(folder)
    assert left.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return left


def test_a_killed_write_leaves_nothing_for_ever(tmp_path: Path) -> None:
    left = killed_write(tmp_path, "checkpoint.pt")
    write_json(tmp_path / "other.json", {})
    assert not left.exists()
    left = killed_write(tmp_path, "checkpoint.pt")
    Record(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_what_another_machine_writes_is_left_for_an_hour(tmp_path: Path) -> None:
    mine = temporary_name(tmp_path / "a.json")
    elsewhere = tmp_path / ".a.json.1-2-0123abcd-4026531836.part"
    notes = tmp_path / ".notes.part"
    for path in (mine, elsewhere, notes):
        path.write_bytes(b"half")
    remove_stale(tmp_path)
    assert all(path.exists() for path in (mine, elsewhere, notes))
    os.utime(elsewhere, (time.time() - 4000,) * 2)
    os.utime(notes, (time.time() - 4000,) * 2)
    remove_stale(tmp_path)
    assert [path.exists() for path in (mine, elsewhere, notes)] == [True, False, True]


# Files of torch that no losszoo has written: each has a checksum that fits, as anybody can compute one.


def sealed(path: Path, entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in entries.items():
            archive.writestr(f"a/{name}", content)
    content = path.read_bytes()
    path.write_bytes(content + f"\nlosszoo sha256 {files._digest(content)}\n".encode())
    return path


def pickled(body: bytes) -> bytes:
    """A bundle whose batch is what the operations leave on the stack."""
    content = pickle.dumps({"format": FORMAT, **EVENT}, 2)
    assert content.endswith(b"u.")
    return content[:-1] + b"X\x05\x00\x00\x00batch" + body + b"s."


def nested_lists(levels: int, width: int) -> bytes:
    """The levels are kept in one outer list, so that nothing has to be taken off the stack."""
    body = b"](" + b"](" + b"K\x01" * width + b"e" + b"r" + (1000).to_bytes(4, "little")
    for level in range(levels):
        one = b"j" + (1000 + level).to_bytes(4, "little")
        body += b"](" + one * width + b"e" + b"r" + (1001 + level).to_bytes(4, "little")
    return body + b"e"


def nested_tuples(levels: int, rest: bytes) -> bytes:
    """A tuple of two references to a tuple of two references ..., and what is done with it."""
    body = b"](" + b"K\x01K\x02\x86" + b"r" + (1000).to_bytes(4, "little")
    for level in range(levels):
        one = b"j" + (1000 + level).to_bytes(4, "little")
        body += one + one + b"\x86" + b"r" + (1001 + level).to_bytes(4, "little")
    last = b"j" + (1000 + levels).to_bytes(4, "little")
    return body + b"e" + rest.replace(b"LAST", last)


HOSTILE = {
    "two levels of 40,000": nested_lists(2, 40_000),
    "sixty levels of two": nested_lists(40, 2),
    "a key that is hashed": b"](" + nested_tuples(40, b"") + b"}" + b"j" + (1040).to_bytes(4, "little") + b"K\x01se",
    "a set of it": b"]("
    + nested_tuples(40, b"")
    + b"c__builtin__\nset\n](j"
    + (1040).to_bytes(4, "little")
    + b"e\x85Re",
    "a list that holds itself": b"]q\xfah\xfaa",
    "a deep one": b"]" * 500 + b"a" * 499,
    "numbers without end": b"](" + b"K\x01" * (11 * MOST_VALUES) + b"e",
    "a tensor of a nest": b"ctorch\nFloatTensor\n" + nested_lists(30, 2) + b"\x85R",
    "pairs of an ordered dict": b"ccollections\nOrderedDict\n]](K\x01K\x02ea\x85R",
    "a call": b"cposix\nmkdir\nX\x04\x00\x00\x00evil\x85R",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_pickle_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = sealed(tmp_path / "a.pt", {"data.pkl": pickled(HOSTILE[name]), "version": b"3\n", "byteorder": b"little"})
    with pytest.raises(
        UsageError,
        match=r"a crash bundle .* (would not end|nested more than \d+ deep|more than [\d,]+ values|never loaded);",
    ):
        read(path)
    assert not Path("evil").exists()


def test_an_ordinary_pickle_of_that_form_is_read(tmp_path: Path) -> None:
    entries = {"data.pkl": pickled(nested_lists(1, 3)), "version": b"3\n", "byteorder": b"little"}
    with pytest.raises(UsageError, match="a missing or damaged part 'kind'"):
        read(sealed(tmp_path / "a.pt", entries))
    assert load(tmp_path / "a.pt", 100)["batch"] == [[1, 1, 1], [[1, 1, 1]] * 3]


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    zeros = {"data.pkl": pickled(b"N"), "data/0": bytes(300 * 2**20)}
    path = sealed(tmp_path / "a.pt", zeros, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    with pytest.raises(UsageError, match=r"a file that would unpack to 300 MB from 0\.\d, where torch packs nothing"):
        read(path)


def test_a_directory_without_end_is_not_read(tmp_path: Path) -> None:
    content = b"PK\x03\x04" + b"PK\x01\x02" * 500_001
    (tmp_path / "a.pt").write_bytes(content + f"\nlosszoo sha256 {files._digest(content)}\n".encode())
    with pytest.raises(UsageError, match="got a file of more than 500,000 tensors;"):
        read(tmp_path / "a.pt")


def test_a_batch_that_refers_to_its_parts_is_written_in_linear_time(tmp_path: Path) -> None:
    nest: Any = [torch.ones(2)]
    for _ in range(30):
        nest = [nest, nest]
    assert size_of(nest) == 8
    assert all_finite(nest)
    copied = plain(nest, "batch", [])
    assert copied[0] is copied[1]
    assert copied[0] is not nest[0]


def test_a_batch_of_too_many_values_is_left_out(tmp_path: Path) -> None:
    content = pack("guard", {**EVENT, "batch": [0.5 + i for i in range(MOST_VALUES)], "model": {"w": torch.ones(1)}})
    assert content["batch"] is None
    assert any(line.startswith("batch (") and "200000 values" in line for line in content["left_out"])
    save_atomically(
        tmp_path / "a.pt", pack("guard", {**EVENT, "batch": ["text"] * 1000 + [{"a": [1.5]}] * 1000, "model": None})
    )
    assert len(read(tmp_path / "a.pt")["batch"]) == 2000


def test_a_checkpoint_of_many_tensors_is_read(tmp_path: Path) -> None:
    state = {f"w{number}": torch.full((3,), float(number)) for number in range(2000)}
    save_atomically(tmp_path / "a.pt", {"model": state})
    again = load(tmp_path / "a.pt", 10**6)["model"]
    assert all(torch.equal(again[name], state[name]) for name in state)
    assert torch.equal(torch.load(tmp_path / "a.pt", weights_only=True)["model"]["w7"], state["w7"])


def test_a_damaged_archive_without_a_sentence_of_its_own(tmp_path: Path) -> None:
    source = random.Random(0)
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(3)}, buffer)
    for _ in range(50):
        content = bytearray(buffer.getvalue())
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
        (tmp_path / "a.pt").write_bytes(content + f"\nlosszoo sha256 {files._digest(bytes(content))}\n".encode())
        try:
            load(tmp_path / "a.pt", 1000)
        except DamagedError as error:
            assert str(error)  # noqa: PT017 (a bit of padding changes nothing)
