"""Completion by click's own protocol: the shell asks the command, which answers from the registry without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import losszoo
from losszoo.cli.main import COMMANDS


def ask(shell: str, line: str) -> list[str]:
    """What the script of a shell reads, for a line that is typed up to its end."""
    words = line.split(" ")
    # bash and zsh send the number of the word, fish the word.
    place = words[-1] if shell == "fish" else str(len(words) - 1)
    asked = {"_LOSSZOO_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": place}
    command = [sys.executable, "-X", "importtime", str(Path(sys.executable).parent / "losszoo")]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert " torch\n" not in done.stderr
    return done.stdout.splitlines()


ABALONE = [f"plain,{task.name}" for task in losszoo.list_tasks() if task.name.startswith("abalone-")]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("losszoo run --loss focal", ["plain,focal", "plain,focal-cross-entropy", "plain,focal-tversky"]),
        ("losszoo compare --loss bce --loss pinb", ["plain,pinball"]),
        ("losszoo tune --task digits-r", ["plain,digits-rare", "plain,digits-retrieval"]),
        ("losszoo suggest ./chu", ["file,./chu"]),
        (
            "losszoo info abalone-",
            ABALONE,
        ),
        ("losszoo sug", ["plain,suggest"]),
    ],
)
def test_bash_completes_names(line: str, answer: list[str]) -> None:
    assert sorted(ask("bash", line)) == sorted(answer)


def test_fish_and_zsh_show_the_summary_too() -> None:
    summary = "Binary cross-entropy with less weight on easy examples."
    assert ask("fish", "losszoo run --loss foca")[0] == f"plain,focal\t{summary}"
    assert ask("zsh", "losszoo run --loss foca")[:3] == ["plain", "focal", summary]


def test_every_command_is_completed() -> None:
    assert ask("bash", "losszoo ") == [f"plain,{name}" for name in COMMANDS]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str) -> None:
    """The lines of docs/completion.md evaluate it; bash older than 4.4 is told so by click."""
    command = [str(Path(sys.executable).parent / "losszoo")]
    asked = {**os.environ, "_LOSSZOO_COMPLETE": f"{shell}_source"}
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
    assert "_LOSSZOO_COMPLETE" in done.stdout
    page = (Path(__file__).parents[2] / "docs" / "completion.md").read_text("utf-8")
    assert f"_LOSSZOO_COMPLETE={shell}_source losszoo" in page
