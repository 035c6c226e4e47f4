"""A study whose database was damaged is refused, or is what it was."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from quick_study import plan_of, quick

from losszoo.errors import UsageError
from losszoo.tuning import study

PAGE = 4096


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of six trials; everything is in the database file itself."""
    folder = tmp_path_factory.mktemp("tunings")
    quick(str(folder), trials=6)
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def content(folder: Path) -> Any:
    """All that a tuning takes from its trials."""
    found = study.open_study(plan_of(str(folder)))
    trials = found.get_trials()
    told = [(t.number, t.state, t.values, t.params, t.user_attrs, t.intermediate_values) for t in trials]
    return told, found.direction, found.user_attrs


def test_no_damage_of_a_study_is_read_in_silence(tuned: Path, tmp_path: Path) -> None:
    whole = content(tuned)
    source, refused = random.Random(0), 0
    for trial in range(60):
        folder = Path(shutil.copytree(tuned, tmp_path / str(trial)))
        (path,) = folder.glob("*.db")
        damaged = bytearray(path.read_bytes())
        if trial % 3:
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        else:
            start = source.randrange(len(damaged) // 512) * 512
            damaged[start : start + 512] = bytes(512)
        path.write_bytes(damaged)
        try:
            again = content(folder)
        except UsageError:
            refused += 1
        else:
            assert again == whole, trial  # free space, or what no tuning reads
    assert refused > 5


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE trial_values SET value = value + 0.001 WHERE trial_id = 2",
            r"got trial 1 without a checksum that fits;",
        ),
        (
            "UPDATE trial_params SET param_value = param_value * 2 WHERE trial_id = 3",
            r"got trial 2 without a checksum that fits;",
        ),
        ("UPDATE trial_user_attributes SET value_json = '[' WHERE key = 'values'", r"got the error JSONDecodeError"),
        ("UPDATE trials SET state = 'COMPLETF' WHERE trial_id = 3", r"got the error LookupError"),
        ("DELETE FROM trials WHERE trial_id = 4", r"got trial 3 without a checksum that fits;"),
    ],
)
def test_what_was_changed_is_named(tuned: Path, tmp_path: Path, statement: str, said: str) -> None:
    folder = Path(shutil.copytree(tuned, tmp_path / "changed"))
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    with pytest.raises(UsageError, match=rf"must be as it was written.*{said}.*restore the database from a copy"):
        quick(str(folder), trials=7)
