"""The README says what the code does: its table, its examples, its commands."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import losszoo

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_table_of_losses_is_the_registry() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([\w-]+) \| (.*?)(?: \*Exhibit; use `([\w-]+)`\.\*)? \|$", TEXT, re.MULTILINE)
    announced = [(s.name, s.signature, s.summary, s.stable_twin or "") for s in losszoo.list_losses(plugin="losszoo")]
    assert rows == announced


def test_the_examples_run() -> None:
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_the_first_screen_has_the_two_commands() -> None:
    commands = re.findall(r"```sh\n(.+)\n```", TEXT)[:2]
    assert commands == [
        "pip install -c constraints.txt . && losszoo run --loss nca-stable --task abalone",
        'pip install -c constraints.txt -e ".[test]" && pytest',
    ]


def test_every_command_of_the_readme_names_what_exists() -> None:
    from losszoo.registry.expressions import parse
    from losszoo.registry.fit import check_fit
    from losszoo.registry.registry import installed

    runs = re.findall(r"^losszoo run --loss (?:\"([^\"]+)\"|(\S+)) --task ([\w-]+)", TEXT, re.MULTILINE)
    assert len(runs) >= 6
    for quoted, plain, task in runs:
        check_fit(installed(), parse(quoted or plain), installed().task(task))
