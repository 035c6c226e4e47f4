"""A run, a command line and a study that a stranger has got hold of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hostile_forms import EVIL, TASK, Cli, opened, tune

import losszoo
from losszoo.cli.main import main


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that its guard has stopped, with its bundle; nothing in it is hostile yet."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    stopped = losszoo.run("nca-ratio", TASK, epochs=30, set={"recipe.lr": 3.0}, run_dir=folder)
    assert stopped.guard["first"]["bundle"]
    (folder / "result.json").unlink()
    return folder


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The command line in a folder that a stranger has filled; afterwards nothing must be marked."""
    for name in ("evil.py", "my evil.py"):
        (tmp_path / name).write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("evil", None)
    yield lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))
    assert not Path("marked").exists()


@pytest.fixture
def study(cli: Cli) -> Any:
    """A study of one trial, as its storage holds it."""
    optuna = pytest.importorskip("optuna")
    assert tune(cli).exit_code == 0
    (database,) = Path("tunings").glob("*.db")
    (name,) = optuna.get_all_study_names(f"sqlite:///{database}")
    return opened(name)
