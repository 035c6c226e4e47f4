"""The README says what the code does: its table, its examples, its commands."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import losszoo

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_table_of_losses_is_the_registry() -> None:
    page = (README.parent / "docs" / "losses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| ([\w-]+) \| (.*?)(?: \*Exhibit; use `([\w-]+)`\.\*)? \|$", page, re.MULTILINE)
    announced = [(s.name, s.signature, s.summary, s.stable_twin or "") for s in losszoo.list_losses(plugin="losszoo")]
    assert rows == announced


def test_the_families_hold_every_loss() -> None:
    section = TEXT.partition("## The losses")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [\w-]+ \| (`.*`) \|$", section, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([\w-]+)`", row)]
    assert named == [spec.name for spec in losszoo.list_losses(plugin="losszoo")]
    assert f"shows all {len(named)}" in section


def test_the_examples_run() -> None:
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_the_doctor_says_what_is_shown(tmp_path: Path) -> None:
    code = re.search(r'```python title="my_loss.py"\n(.*?)```', TEXT, re.DOTALL)
    shown = re.search(r"```text\n(my_loss.py:my_loss, .*?)```", TEXT, re.DOTALL)
    assert code is not None
    assert shown is not None
    (tmp_path / "my_loss.py").write_text(code[1], encoding="utf-8")
    command = [sys.executable, "-m", "losszoo", "doctor", "my_loss.py:my_loss"]
    plain = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    said = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert _without_effort(said.stdout) == _without_effort(shown[1])


def _without_effort(text: str) -> str:
    """How long it took is the machine's."""
    return re.sub(r"inputs tried in [\d.]+ s", "inputs tried", text)


def test_the_first_screen_has_the_two_commands() -> None:
    commands = re.findall(r"```sh\n(.+)\n```", TEXT)[:2]
    assert commands == [
        "pip install -c constraints.txt . && losszoo run --loss nca-stable --task abalone",
        'pip install -c constraints.txt -e ".[test]" && pytest',
    ]


def test_every_command_of_the_readme_names_what_exists() -> None:
    from losszoo.registry.compatibility import check_fit
    from losszoo.registry.expressions import parse
    from losszoo.registry.registry import installed

    runs = re.findall(r"^losszoo run --loss (?:\"([^\"]+)\"|(\S+)) --task ([\w-]+)", TEXT, re.MULTILINE)
    assert len(runs) >= 6
    for quoted, plain, task in runs:
        check_fit(installed(), parse(quoted or plain), installed().task(task))
