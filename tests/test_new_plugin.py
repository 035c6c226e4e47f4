"""``losszoo new-plugin``: what it writes is installed, tested and trained as it says; what cannot be is refused."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from workshop import Workshop, kept_in

from losszoo.cli.main import main


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
def test_what_it_says_works(tmp_path: Path) -> None:
    """The lines below "next:" are pasted, one after the other, into one shell."""
    workshop = Workshop(tmp_path / "code", tmp_path / "venv")
    code, said = workshop.run("losszoo new-plugin tame-errors")
    assert code == 0, said
    head, following = said.split("next:\n")
    assert head.splitlines()[0] == "tame-errors: a package with the loss tame-errors-loss"
    assert {line.strip() for line in head.splitlines()[1:]} == {
        f"tame-errors/{p}" for p in kept_in(tmp_path / "code" / "tame-errors")
    }
    lines = [line.strip() for line in following.splitlines()]
    assert lines[-1].startswith("losszoo run --loss tame-errors-loss --task ")
    code, said = workshop.run(" && ".join([*lines[:-1], f"{lines[-1]} --epochs 2", "losszoo plugins --check"]))
    assert code == 0, said
    assert re.search(r"\d+ passed", said)
    assert "tame-errors-loss on diabetes, seed 0: completed after 2 epochs" in said


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "tidy-losses").mkdir()
    (tmp_path / "tidy-losses" / "README.md").write_text("dear to me")
    done = CliRunner().invoke(main, ["new-plugin", "tidy-losses", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 2
    message = json.loads(done.stdout)["error"]["message"]
    assert (
        message
        == f"the folder must be a new one, got {tmp_path}/tidy-losses, which exists; choose another NAME or --out"
    )
    assert kept_in(tmp_path) == {"tidy-losses/README.md": "dear to me"}


def test_the_document_names_what_was_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["new-plugin", "tame-loss", "--out", str(tmp_path / "a b"), "--json"])
    document = json.loads(done.stdout)
    assert document["loss"] == "tame-loss"
    assert sorted(document["files"]) == sorted(kept_in(Path(document["folder"])))
    assert document["next"][0] == f"cd '{tmp_path}/a b/tame-loss'"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (
            "My_Losses",
            "NAME must be in lower case with dashes between words (a-z, 0-9, -), as my-losses, got 'My_Losses'",
        ),
        ("../up", "NAME must be in lower case with dashes"),
        ("class", "NAME must be free for a package of yours, got class: that is a word of Python; choose another"),
        ("json", "that is a module of Python itself"),
        ("torch", "that is the module torch, which is installed"),
        ("scikit-learn", "that is a distribution that is installed"),
        ("losszoo", "that is the module losszoo, which is installed"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_words(name: str, why: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["new-plugin", name, "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []
