"""``losszoo watch`` around any script: exit codes, streams, tracebacks, and what it leaves alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import forking
import pytest
from running import faults, watched

BROKEN = """
import torch
net = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.05)
for step in range(4):
    x = torch.ones(4, 3)
    loss = torch.log(net(x) * 0).sum() if step == 1 else net(x).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", float(net.weight.detach().sum()))
"""


def write(folder: Path, text: str, name: str = "script.py") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def losszoo(folder: Path, *arguments: str, **options: Any) -> Any:
    return forking.run([sys.executable, "-m", "losszoo", *arguments], timeout=300, cwd=folder, **options)


def test_the_script_finds_its_arguments_its_folder_and_stdin(tmp_path: Path) -> None:
    text = "import sys, helper\nprint(sys.argv, __name__, __file__, helper.x, sys.path[0])\nprint(input())\n"
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", text)
    write(tmp_path / "inner", "x = 5\n", "helper.py")
    (tmp_path / "line").write_text("from stdin\n")
    with (tmp_path / "line").open() as line:
        done = losszoo(tmp_path, "watch", "inner/script.py", "--epochs", "3", "-x", stdin=line)
    first, second = done.stdout.splitlines()
    assert first == f"['inner/script.py', '--epochs', '3', '-x'] __main__ inner/script.py 5 {tmp_path / 'inner'}"
    assert (second, done.returncode) == ("from stdin", 0)
    assert "never calls backward" in done.stderr


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("import os\nos._exit(7)\n", 7, "without a word"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", 137, "without a word"),
        ("import signal\nsignal.raise_signal(signal.SIGINT)\n", 130, "KeyboardInterrupt"),
        ('print "hello"\n', 1, "SyntaxError"),
    ],
    ids=["_exit", "killed", "interrupted", "python 2"],
)
def test_the_end_of_the_script_is_the_end_of_the_command(text: str, code: int, said: str, tmp_path: Path) -> None:
    done = losszoo(tmp_path, "watch", str(write(tmp_path, text)))
    assert done.returncode == code
    assert said in done.stderr
    assert "losszoo/watching" not in done.stderr


@pytest.mark.parametrize("given", ["nothing.py", "."])
def test_what_is_no_script_is_refused(given: str, tmp_path: Path) -> None:
    done = losszoo(tmp_path, "watch", given)
    assert done.returncode == 2
    assert done.stderr.startswith("error: SCRIPT must be a file")


def test_a_script_that_exits_by_itself_keeps_its_code(tmp_path: Path) -> None:
    assert watched(write(tmp_path, "import sys\nsys.exit(3)\n"), tmp_path)[0] == 3
    assert watched(write(tmp_path, "raise SystemExit('words')\n"), tmp_path)[0] == 1
    code, records, end = watched(write(tmp_path, "raise ValueError('my own')\n"), tmp_path)
    assert (code, records, end["ended"]) == (1, [], "raised")


def test_json_is_one_document_and_the_page_is_escaped(tmp_path: Path) -> None:
    text = BROKEN.replace("loss = ", "loss = '<script>' and ")
    done = losszoo(tmp_path, "watch", "--json", "--html", "page.html", str(write(tmp_path, text)), "<b>")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert (document["verdict"], document["ended"], document["steps"]) == ("faulty", "stopped", 1)
    (fault,) = document["faults"]
    assert (fault["kind"], fault["op"], fault["source"]) == ("inf-loss", "log", "script.py:7")
    assert fault["diagnosis"][0]["paste"]
    assert Path(fault["bundle"]).parent == tmp_path / "losszoo-watch"
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_skip_leaves_out_the_step_and_note_goes_on(tmp_path: Path) -> None:
    script = write(tmp_path, BROKEN)
    code, records, end = watched(script, tmp_path, "skip")
    assert (code, end["ended"], end["steps"]) == (0, "ended", 4)
    assert [fault["kind"] for fault in faults(records)] == ["inf-loss"]
    checked = write(tmp_path, BROKEN + "import sys\nsys.exit(0 if net.weight.isfinite().all() else 9)\n")
    assert watched(checked, tmp_path, "skip")[0] == 0
    code, records, end = watched(checked, tmp_path, "note")
    assert (code, end["steps"]) == (9, 4)
    assert faults(records)[0]["kind"] == "inf-loss"


def test_a_bundle_that_cannot_be_written_is_told_and_the_script_goes_on(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("no folder")
    _, records, end = watched(write(tmp_path, BROKEN), tmp_path, "note")
    assert end["ended"] == "ended"
    assert faults(records)[0]["bundle"] is None
    assert any("could not be written" in record.get("note", "") for record in records)


def test_a_bundle_holds_the_inputs_of_the_criterion(tmp_path: Path) -> None:
    loss = BROKEN.partition("loss = ")[2].partition("\n")[0]
    text = BROKEN.replace(loss, "mine(net(x), torch.ones(4, 1) * (step != 1))")
    text = text.replace("net = ", "def mine(p, y):\n    return torch.log(p.abs() * y).sum()\nnet = ")
    _, records, _ = watched(write(tmp_path, text), tmp_path)
    from losszoo.training.guard.crash_bundle import read

    (fault,) = faults(records)
    content = read(fault["bundle"])
    assert {name: tuple(value.shape) for name, value in content["batch"].items()} == {"p": (4, 1), "y": (4, 1)}
    assert content["event"]["op"] == "log"


def test_processes_of_the_script_are_left_alone(tmp_path: Path) -> None:
    text = """
import os, torch, torch.multiprocessing as mp
def work(rank, queue):
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    queue.put(rank)
if __name__ == "__main__":
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, (queue,), nprocs=1)
    assert queue.get() == 0
    child = os.fork()
    if child == 0:
        (torch.nn.Linear(2, 1)(torch.ones(1, 2)).sum() * float("nan")).backward()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
    code, records, end = watched(write(tmp_path, text), tmp_path)
    assert (code, faults(records), end["backwards"]) == (0, [], 0)
    (note,) = (record["note"] for record in records if "note" in record)
    assert "are not watched; call losszoo.watch() at the top" in note


def test_a_fault_is_told_though_the_script_swallows_everything(tmp_path: Path) -> None:
    text = BROKEN.replace(
        "    loss.backward()\n", "    try:\n        loss.backward()\n    except BaseException:\n        continue\n"
    )
    code, records, end = watched(write(tmp_path, text), tmp_path)
    assert (code, end["ended"], end["stopped"]) == (0, "ended", True)
    assert [fault["kind"] for fault in faults(records)] == ["inf-loss"]
