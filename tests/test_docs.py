"""Every page does what it shows: its Python runs, its sessions print what they say, its links lead on."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import DOCS, ROOT, blocks

# Followed step by step in an environment of their own: tests/test_plugin_tutorial.py, test_signature_tutorial.py.
TUTORIAL = ("write-a-plugin.md", "more-kinds-of-loss.md", "add-a-task.md", "write-a-signature.md")
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("*.md"))]
# The README has a test file of its own.
RUN_HERE = [page for page in PAGES if page.name not in (*TUTORIAL, "README.md")]

_LINK = re.compile(r"\[[^\]]+\]\((?!https?://|#|mailto:)([^)#\s]+)")


def name_of(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", RUN_HERE, ids=name_of)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one namespace: sessions as doctests, other blocks as they stand."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__page__"}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    said: list[str] = []
    for block in blocks(page):
        if block.language == "pycon":
            examples = doctest.DocTestParser().get_examples(block.text)
            test = doctest.DocTest(examples, {}, str(block), str(page), block.line - 1, None)
            test.globs = names
            runner.run(test, out=said.append, clear_globs=False)
        elif block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
    assert not said, "".join(said)


@pytest.mark.parametrize("page", [DOCS / name for name in TUTORIAL], ids=name_of)
def test_no_python_of_the_tutorial_is_left_out(page: Path) -> None:
    assert all(block.title for block in blocks(page) if block.language in ("python", "toml"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_name_their_language(page: Path) -> None:
    """A block without one would be neither shown in colours nor run."""
    assert all(block.language for block in blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_sessions_show_no_frames(page: Path) -> None:
    """A traceback is shortened to its last line: its frames name files of one machine."""
    assert 'File "' not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_code_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:losszoo|plugins|tasks/losszoo_tasks|tests|benchmarks|examples)/[\w./-]+\.(?:py|md|json))`",
        page.read_text("utf-8"),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_glossary_has_each_word_once_and_is_linked() -> None:
    glossary = (DOCS / "glossary.md").read_text("utf-8")
    words = re.findall(r"^\| ([^|]+?) \|", glossary, re.MULTILINE)
    terms = [word for row in words if row not in ("word", "---") for word in row.split(", ")]
    assert len(terms) == len(set(terms))
    for word in ("exhibit", "stable twin", "finding", "remedy", "probe", "heat strip", "spec", "origin", "empty batch"):
        assert word in terms
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        assert "docs/glossary.md" in (ROOT / page).read_text("utf-8")
