"""What a guard says where there is no file: typed, piped, in a cell; and that what it says to do works."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from losszoo import Guard, NonFiniteError, replay

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
# The README's loop, on a loss whose logarithm gets 0. An empty line ends each block, as a prompt wants it.
PLAIN = """\
import torch, losszoo
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
guard = losszoo.Guard(model, optimizer, clip_norm=1.0)
x = torch.ones(8, 4)
report = guard.step(torch.log(model(x) * 0).mean())
"""
TYPED = """\
import torch, losszoo
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
guard = losszoo.Guard(model, optimizer, policy="skip", bundles=None)
x = torch.ones(8, 4)
def forward(z):
    return torch.log(z * 0).mean()

def backward(z):
    return torch.sqrt((z * 0).square()).sum()

def in_place(z):
    h = z * 0
    h.log_()
    return h.mean()

def in_place_backward(z):
    h = (z * 0).square()
    h[:, 0].sqrt_()
    return h.sum()

for step in (forward, backward, in_place, in_place_backward):
    print("SAID", step.__name__, guard.step(step(model(x)), again=lambda: step(model(x))).event)

"""
# The line of each operation in the text above.
LINES = {
    "forward": ("loss", "log", 7),
    "backward": ("gradient", "sqrt", 10),
    "in_place": ("loss", "log", 14),
    "in_place_backward": ("gradient", "sqrt", 19),
}


def python(*arguments: str, stdin: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={**ENVIRONMENT, "IPYTHONDIR": str(folder)},
        check=False,
    )


def said(output: str) -> dict[str, str]:
    return dict(re.findall(r"SAID (\w+) (.*)", output))


def test_piped_code_is_named_by_session_and_line(tmp_path: Path) -> None:
    found = said(python(stdin=TYPED, folder=tmp_path).stdout)
    for name, (where, op, line) in LINES.items():
        assert re.fullmatch(rf"non-finite {where} in step \d; first in {op} at <stdin>:{line}", found[name])


def test_code_of_the_command_line_is_named(tmp_path: Path) -> None:
    found = said(python("-c", TYPED, folder=tmp_path).stdout)
    for name, (where, op, line) in LINES.items():
        assert re.fullmatch(rf"non-finite {where} in step \d; first in {op} at <string>:{line}", found[name])


def test_typed_code_is_named(tmp_path: Path) -> None:
    """At a prompt every block begins with line 1."""
    found = said(python("-i", stdin=TYPED, folder=tmp_path).stdout)
    first = {"forward": 2, "backward": 2, "in_place": 3, "in_place_backward": 3}
    for name, (where, op, _) in LINES.items():
        place = rf"<(stdin|python-input-\d+)>:{first[name]}"
        assert re.fullmatch(rf"non-finite {where} in step \d; first in {op} at {place}", found[name])


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
def test_a_cell_is_named_as_ipython_names_it(tmp_path: Path) -> None:
    done = python("-m", "IPython", "--simple-prompt", "--no-banner", "--quick", stdin=TYPED, folder=tmp_path)
    found = said(done.stdout)
    for name, (where, op, _) in LINES.items():
        assert re.fullmatch(rf"non-finite {where} in step \d; first in {op} at In\[\d+\]:\d", found[name])


def test_code_in_a_file_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TYPED)
    found = said(python("train.py", folder=tmp_path).stdout)
    for name, (where, op, line) in LINES.items():
        assert re.fullmatch(rf"non-finite {where} in step \d; first in {op} at train\.py:{line}", found[name])


@pytest.mark.parametrize("arguments", [(), ("-c", PLAIN), ("train.py",)])
def test_the_error_says_what_to_do_next(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PLAIN)
    done = python(*arguments, stdin="" if arguments else PLAIN, folder=tmp_path)
    assert done.returncode == 1
    error = done.stderr[done.stderr.index("losszoo.errors.NonFiniteError") :].splitlines()
    assert error == [
        "losszoo.errors.NonFiniteError: non-finite loss in step 1",
        "next: guard.step(loss, again=lambda: criterion(model(x), y)) names the operation and the line",
        f"next: losszoo replay {Path('crash-bundles', 'step-1.pt')} --step FILE.py:make_step repeats the step, where "
        "make_step(bundle) returns a function that computes the loss",
    ]


STEP = """\
import torch


def make_step(bundle):
    model = torch.nn.Linear(4, 2)
    model.load_state_dict(bundle["model"])
    return lambda: torch.log(model(torch.ones(8, 4)) * 0).mean()
"""


def test_the_command_in_the_error_works(tmp_path: Path) -> None:
    """With a folder that a shell would part, pasted into a shell, once FILE.py is somebody's file."""
    (tmp_path / "steps.py").write_text(STEP)
    plain = PLAIN.replace("clip_norm=1.0", "clip_norm=1.0, bundles='my bundles'")
    error = python(stdin=plain, folder=tmp_path).stderr
    command = re.search(r"next: losszoo (replay .*) repeats the step", error)
    assert command is not None
    pasted = f'"{sys.executable}" -m losszoo {command[1].replace("FILE.py", "steps.py")} --no-doctor'
    done = subprocess.run(
        pasted, shell=True, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "reproduced" in done.stdout
    assert "first in log at steps.py:7" in done.stdout


def test_nothing_is_advised_that_was_done() -> None:
    layer = nn.Linear(1, 1)
    guard = Guard(layer, torch.optim.SGD(layer.parameters(), lr=0.1), bundles=None)

    def bad() -> Tensor:
        return layer(torch.ones(1, 1)).mul(0).log().sum()

    with pytest.raises(NonFiniteError, match=r"^non-finite loss in step 1; first in log at test_guard_words\.py:\d+$"):
        guard.step(bad(), again=bad)


def test_a_loss_of_the_zoo_is_not_the_line_of_the_zoo(tmp_path: Path) -> None:
    """The mean of a loss is computed in the core, and the line is the one that called it."""
    code = TYPED[: TYPED.index("def forward")] + (
        'loss = losszoo.create("mse")\n'
        "far = torch.full((8, 2), 1e19)\n"
        'print("SAID mse", guard.step(loss(model(x), far), again=lambda: loss(model(x), far)).event)\n'
    )
    found = said(python(stdin=code, folder=tmp_path).stdout).get("mse", "")
    assert not re.search(r"at (loss|compose|reduction|failure|guard|trace)\.py", found)


def test_the_bundle_of_a_spoilt_buffer_says_so(tmp_path: Path) -> None:
    norm = nn.BatchNorm1d(2)
    guard = Guard(norm, torch.optim.SGD(norm.parameters(), lr=0.1), "skip", bundles=tmp_path)
    rows = torch.tensor([[1e20, 0.0], [-1e20, 1.0]])
    event = guard.step(norm(rows).sum(), batch=rows).event
    assert event is not None
    found = replay(str(event.bundle), step=lambda bundle: lambda: norm(bundle["batch"]).sum(), examine=False)
    assert not found.reproduced
    assert found.notes[0] == "loss and gradient were finite in the run, too; not finite was buffer (running_var)"
