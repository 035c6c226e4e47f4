"""The page of the suite lists the rules as they are."""

from __future__ import annotations

from doc_blocks import DOCS

from losszoo.testing import list_checks


def test_the_page_lists_every_rule() -> None:
    lines = (DOCS / "conformance.md").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line.startswith("| `check_")]
    assert listed == [f"| `{check.name}` | {check.rule} |" for check in list_checks()]
