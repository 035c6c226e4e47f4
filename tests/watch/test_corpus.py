"""Scripts with one planted fault each are told with its line; of healthy scripts nothing is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import CORPUS, faults, watched

PLANTED = sorted((CORPUS / "planted").glob("*.py"))
HEALTHY = sorted((CORPUS / "healthy").glob("*.py"))


@pytest.mark.parametrize("script", HEALTHY, ids=lambda path: path.stem)
def test_a_healthy_script_is_not_accused(script: Path, tmp_path: Path) -> None:
    code, records, _ = watched(script, tmp_path)
    assert faults(records) == []
    assert code == 0
    assert not [note for record in records if "could not be made" in (note := record.get("note", ""))]


@pytest.mark.parametrize("script", PLANTED, ids=lambda path: path.stem)
def test_a_planted_fault_is_told_with_its_line(script: Path, tmp_path: Path) -> None:
    text = script.read_text("utf-8")
    kinds = re.match(r"# fault: (\S+)", text)[1].split("/")  # type: ignore[index]
    lines = {f"{script.name}:{n}" for n, line in enumerate(text.split("\n"), 1) if "# here" in line}
    _, records, _ = watched(script, tmp_path)
    told = faults(records)
    assert [fault["kind"] for fault in told if fault["kind"] in kinds and fault["source"] in lines], told
    # One cause is told once.
    assert {fault["kind"] for fault in told} <= set(kinds)
