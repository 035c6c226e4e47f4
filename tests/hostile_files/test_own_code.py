"""Code of one's own runs from a file where it is trusted, or named again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_forms import TASK, Cli, refused

import losszoo
from losszoo import UsageError
from losszoo.common.files import write_json

OWN = """
import pathlib
pathlib.Path("ran").touch()
def ratio(predictions, targets):
    gap = (predictions - targets) * 0
    return gap / gap
"""


@pytest.fixture
def own(cli: Cli) -> dict[str, Any]:
    """A run on a loss of one's own, stopped by its guard."""
    Path("own.py").write_text(OWN)
    result = losszoo.run("own.py:ratio", TASK, epochs=1, signature="binary", run_dir="my run")
    Path("my run/result.json").unlink()
    Path("ran").unlink()
    first: dict[str, Any] = result.guard["first"]
    return first


def commands_in(said: str) -> list[list[str]]:
    """The command lines at the end of the sentence, word by word, without the program."""
    told = said.partition("if you trust it: ")[2].strip()
    return [shlex.split(command)[1:] for command in told.split(", or ")]


@pytest.mark.parametrize("what", ["replay", "run"])
def test_the_error_says_the_command_that_works(cli: Cli, own: dict[str, Any], what: str) -> None:
    words = ["replay", own["bundle"], "--no-doctor"] if what == "replay" else ["run", "--resume", "my run"]
    said = refused(cli(*words))
    assert not Path("ran").exists()
    assert "got own.py:ratio: that is code, and would run as you" in said
    commands = commands_in(said)
    assert [command[-2:] for command in commands] == [
        [words[words.index("my run")] if what == "run" else own["bundle"], "--trust"],
        ["--loss", "own.py:ratio"],
    ]
    for command in commands:
        Path("ran").unlink(missing_ok=True)
        answer = cli(*command)
        assert answer.exit_code == 1, answer.output  # it breaks again
        Path("my run/result.json").unlink(missing_ok=True)


def test_the_same_text_and_no_other(cli: Cli, own: dict[str, Any], honest: Path) -> None:
    for text in ("own.py:ratios", "./own.py:ratio", "bce", "evil.py:Loss"):
        assert "loss must be what" in refused(cli("run", "--resume", "my run", "--loss", text))
        assert "loss must be what" in refused(cli("replay", own["bundle"], "--loss", text))
    assert "trust must go with" in refused(cli("run", "--loss", "bce", "--task", TASK, "--trust"))
    with pytest.raises(UsageError, match="trust must go with resume="):
        losszoo.run("bce", TASK, trust=True)
    # A loss of the registry needs neither.
    assert cli("replay", next(honest.glob("bundles/*.pt")), "--no-doctor").exit_code == 1
    assert not Path("ran").exists()


def test_from_python(cli: Cli, own: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"must be registered, got own\.py:ratio"):
        losszoo.replay(own["bundle"], examine=False)
    with pytest.raises(UsageError, match=r"must be registered, got own\.py:ratio"):
        losszoo.run(resume="my run")
    assert losszoo.replay(own["bundle"], examine=False, trust=True).reproduced
    assert losszoo.replay(own["bundle"], examine=False, loss="own.py:ratio").reproduced
    assert losszoo.run(resume="my run", trust=True).status == "stopped-by-guard"
    Path("my run/result.json").unlink()
    assert losszoo.run("own.py:ratio", resume="my run").status == "stopped-by-guard"
    with pytest.raises(UsageError, match=r"loss must be what the run was started with, own\.py:ratio, got 'bce'"):
        losszoo.run("bce", resume="my run")  # although it has ended
    with pytest.raises(UsageError, match="got an object, MSELoss"):
        losszoo.run(torch.nn.MSELoss(), resume="my run")


def test_a_comparison_of_ones_own_goes_on(cli: Cli) -> None:
    """Its loss is on the command line, so a cell that was begun is gone on with."""
    Path("own.py").write_text("def gap(predictions, targets):\n    return (predictions - targets) ** 2\n")
    arguments = ["compare", "--task", TASK, "--loss", "own.py:gap", "--epochs", "1", "--out", "out", "--json"]
    arguments += ["--seeds", "1", "--signature", "regression"]
    first = json.loads(cli(*arguments).stdout)
    folder = Path(first["cells"][0]["folder"])
    record = json.loads((folder / "cell.json").read_text())
    write_json(folder / "cell.json", {**record, "status": "missing"})
    (folder / "run" / "kept").touch()
    answer = cli(*arguments)
    assert answer.exit_code == 0, answer.output
    assert (folder / "run" / "kept").exists()
