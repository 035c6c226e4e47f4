"""A whole field is added by a package of its own: the page is followed to the letter, and makes the example."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from doc_blocks import DOCS, ROOT, blocks
from workshop import Workshop, kept_in, made_by

PAGE = DOCS / "write-a-signature.md"


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "losszoo-survival", tmp_path / "venv")
    wrong = [complaint for block in blocks(PAGE) for complaint in workshop.follow(block)]
    assert not wrong, "\n\n".join(wrong)

    # What it installed works as well as what comes with losszoo, with no line of the core touched.
    def answer(command: str) -> dict[str, object]:
        code, output = workshop.run(f"{command} 2>/dev/null")
        assert code == 0, output
        document: dict[str, object] = json.loads(output)
        return document

    run = answer("losszoo run --loss cox-breslow --task simulated-survival --epochs 3 --json")
    # The true risks have a concordance of about 0.82 on these patients; 0.5 is chance.
    assert run["metrics"]["test"]["concordance"] > 0.75  # type: ignore[index]
    assert answer("losszoo doctor cox-breslow --json")["verdict"] == "healthy"
    assert answer("losszoo info cox-breslow --json")["fits"] == ["simulated-survival"]


def test_the_example_is_what_the_page_makes() -> None:
    assert kept_in(ROOT / "examples" / "losszoo-survival") == made_by([PAGE])
