"""The command on losses that hang, die, take all memory, or meet a fault of the doctor: in real processes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAD = """
import os, time
import torch

calls = 0


def make():
    torch.manual_seed(0)
    return (torch.rand(64) + 0.1,)


def loss(x):
    global calls
    calls += 1
"""
# A loop in C, in which Python hears no signal.
IN_C = "sum(range(10**15))"
QUIET = "return x.square().mean()"


def doctor(folder: Path, body: str, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, document and stderr."""
    (folder / "own.py").write_text(HEAD + "".join(f"    {line}\n" for line in body.splitlines()))
    command = [sys.executable, "-m", "losszoo", "doctor", "./own.py:loss", "--example", "./own.py:make", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"time.sleep(1e6)\n{QUIET}", "stopped after 3 s, the time limit (--budget), before one ordinary call"),
        (f"if calls > 20: time.sleep(1e6)\n{QUIET}", "the time limit (--budget)"),
        (f"if calls > 20: {IN_C}\n{QUIET}", "the time limit (--budget), within a call that does not return"),
        (f"if calls > 20: os.abort()\n{QUIET}", "the process that the loss ran in was ended by SIGABRT"),
        (f"if calls > 20: os._exit(0)\n{QUIET}", "the loss has ended the process that it ran in, with exit code 0"),
    ],
    ids=["hangs at once", "hangs", "hangs in C", "aborts", "leaves"],
)
def test_what_never_ends_or_ends_its_process_is_undecided(tmp_path: Path, body: str, said: str) -> None:
    code, document, stderr = doctor(tmp_path, body, "--budget", "3")
    assert (code, document["verdict"], document["findings"]) == (1, "undecided", [])
    assert said in document["notes"][0]
    assert said in " ".join(stderr.split())


def test_a_finding_from_before_the_hang_is_told(tmp_path: Path) -> None:
    body = "if calls > 60: time.sleep(1e6)\nreturn x.detach().square().mean()"
    code, document, _ = doctor(tmp_path, body, "--budget", "10")
    assert (code, document["verdict"], document["complete"]) == (1, "sick", False)
    assert "detached" in document["findings"][0]["cause"]


ROOT_AT_ZERO = "if {crash}\nreturn x.sqrt().sum()"


@pytest.mark.parametrize(
    ("crash", "how"),
    [
        (
            "len(x) == 2 and bool((x == 1).all()): os._exit(3)",
            "the loss has ended the process that it ran in, with exit code 3",
        ),
        ("len(x) == 2 and bool((x == 1).all()): os.abort()", "was ended by SIGABRT"),
        ("len(x) == 2 and bool((x == 1).all()): ctypes.string_at(0)", "was ended by SIGSEGV"),
    ],
)
def test_what_was_found_before_a_crash_is_kept_and_the_crash_told(tmp_path: Path, crash: str, how: str) -> None:
    """The root breaks at 0, which is tried first."""
    code, document, _ = doctor(tmp_path, f"import ctypes\n{ROOT_AT_ZERO.format(crash=crash)}")
    assert (code, document["verdict"], document["complete"]) == (1, "sick", False)
    assert [(f["symptom"], f["op"], f["source"]) for f in document["findings"]] == [
        ("inf-gradient", "sqrt", "own.py:18")
    ]
    assert document["findings"][0]["input"]
    said = document["notes"][0]
    assert how in said
    assert ", at own.py:17, on: two rows, x all 1" in said


def test_a_crash_without_a_finding_is_told_with_what_was_tried(tmp_path: Path) -> None:
    code, document, _ = doctor(tmp_path, f"if len(x) == 2 and bool((x == 1).all()): os._exit(7)\n{QUIET}")
    assert (code, document["verdict"], document["findings"]) == (1, "undecided", [])
    assert "with exit code 7, at own.py:16, on: two rows, x all 1" in document["notes"][0]


def test_the_line_of_a_loop_in_c_is_told(tmp_path: Path) -> None:
    _, document, _ = doctor(tmp_path, f"if calls > 20: {IN_C}\n{QUIET}", "--budget", "2")
    assert "within a call that does not return, at own.py:16" in document["notes"][0]


def test_memory_that_no_counting_foresees_is_bounded(tmp_path: Path) -> None:
    """A hundred gigabytes from below torch: the process is refused them, and nothing is said of the loss."""
    body = f"if calls > 20: bytearray(10**11)\n{QUIET}"
    code, document, _ = doctor(tmp_path, body, "--effort", "300")
    assert (code, document["verdict"], document["findings"]) == (1, "undecided", [])
    assert document["notes"][0].startswith("the memory ended before every input was tried: MemoryError")


NT_XENT = """a, b = x.reshape(2, -1, 4)
z = torch.nn.functional.normalize(torch.cat([a, b]), dim=1)
similarity = z @ z.T / 0.5
others = torch.exp(similarity) * ~torch.eye(len(z), dtype=torch.bool)
positive = torch.exp((z * z.roll(len(a), 0)).sum(1) / 0.5)
return -torch.log(positive / others.sum(1)).mean()"""
CUBE = "return (x[:, None, None] * x[None, :, None] + x[None, None, :]).sigmoid().mean()"


@pytest.mark.skipif(sys.platform != "linux", reason="the largest resident size of children is in other units")
@pytest.mark.parametrize("body", [NT_XENT, CUBE], ids=["nt-xent", "cube"])
def test_an_examination_in_half_precision_takes_little_memory(tmp_path: Path, body: str) -> None:
    """The bound of two gigabytes beyond the start, kept by far; no test before had a child as large."""
    code, _, _ = doctor(tmp_path, body, "--dtype", "float16")
    assert code in (0, 1)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < 2e9


def test_a_fault_of_the_doctor_is_no_verdict_of_the_loss(tmp_path: Path) -> None:
    """Here a loss breaks the doctor from inside: it takes away what the examination is written with."""
    body = f"import losszoo.doctor.examine as e\ne.strips = None\n{QUIET}"
    code, document, stderr = doctor(tmp_path, body, "--effort", "300")
    assert (code, document["verdict"]) == (2, "undecided")
    assert document["error"].startswith("the doctor itself has failed: TypeError: 'NoneType' object is not callable")
    assert "error: the doctor itself has failed" in stderr
    assert "Traceback" not in stderr


def test_a_loss_that_reads_stdin_reads_nothing(tmp_path: Path) -> None:
    code, document, _ = doctor(tmp_path, f"input()\n{QUIET}")
    assert code == 2
    assert "EOFError" in document["error"]["message"]


def test_what_is_scripted_is_examined_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "root.py").write_text("import torch\n\n\ndef root(x):\n    return x.sqrt().mean()\n")
    body = "from root import root\nreturn torch.jit.script(root)(x)"
    code, document, _ = doctor(tmp_path, body, "--effort", "300")
    assert (code, document["findings"][0]["op"], document["findings"][0]["source"]) == (1, "sqrt", "root.py:5")
