"""A file from a stranger writes nothing elsewhere: links and pipes in the place of files are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_forms import TASK, Cli, refused, tune


def precious(folder: Path) -> dict[str, bytes]:
    """Somebody's files, with the names that a run, a comparison or a tuning would write or remove."""
    folder.mkdir(exist_ok=True)
    for name in ("step-9.pt", "cell.json", "lock", "hung.txt"):
        folder.joinpath(name).write_text(f"precious {name}")
    return everything_in(folder)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("part", ["bundles", "tensorboard"])
def test_a_resumed_run_writes_nothing_elsewhere(cli: Cli, honest: Path, part: str) -> None:
    shutil.copytree(honest, "run")
    shutil.rmtree(f"run/{part}", ignore_errors=True)
    before = precious(Path("elsewhere"))
    Path("run", part).symlink_to(Path("elsewhere").resolve())
    assert f"{part} must lie where it is named, got a link to" in refused(cli("run", "--resume", "run"))
    assert everything_in(Path("elsewhere")) == before


@pytest.mark.parametrize("part", ["lock", "hung.txt", "run", "seed", "loss", "task"])
def test_a_comparison_writes_nothing_elsewhere(cli: Cli, part: str) -> None:
    arguments = ["compare", "--task", TASK, "--loss", "bce", "--epochs", "1", "--out", "out", "--json"]
    arguments += ["--seeds", "1", "--timeout", "600"]
    folder = Path(json.loads(cli(*arguments).stdout)["cells"][0]["folder"])
    (folder / "cell.json").unlink()
    before = precious(Path("elsewhere"))
    places = {"seed": folder, "loss": folder.parent, "task": folder.parent.parent}
    place = places.get(part, folder / part)
    target = Path("elsewhere", part) if place.suffix or part == "lock" else Path("elsewhere")
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(target.resolve())
    document = json.loads(cli(*arguments).stdout)
    assert everything_in(Path("elsewhere")) == before
    # What is written anew takes the place of a link; any other one is refused.
    assert document["cells"][0]["status"] == ("done" if part == "hung.txt" else "failed")


def test_a_trial_writes_nothing_elsewhere(cli: Cli, study: Any) -> None:
    before = precious(Path("elsewhere"))
    (folder,) = Path("tunings").glob("*/trial-0")
    folder.with_name("trial-1").symlink_to(Path("elsewhere").resolve())
    assert "must lie where it is named" in refused(tune(cli, trials=2))
    assert everything_in(Path("elsewhere")) == before


@pytest.mark.parametrize("name", ["checkpoint.pt", "config.json", "result.json"])
def test_a_pipe_is_not_waited_for(honest: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(honest, tmp_path / "run")
    (tmp_path / "run" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "run" / name)
    resume = [sys.executable, "-m", "losszoo", "run", "--resume", str(tmp_path / "run")]
    done = subprocess.run(resume, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, "got a pipe, a device or a folder, which is no regular file;" in done.stderr) == (2, True)
