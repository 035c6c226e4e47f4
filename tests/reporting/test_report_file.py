"""The report as a file: it needs nothing else, and stays small."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_runs import STEPS, comparison, run_folder, write

from losszoo.reporting.report import report

pytest.importorskip("plotly")


class Tags(HTMLParser):
    """All tags of a page; one that is never closed, or closed twice, is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_file_needs_nothing_else(tmp_path: Path) -> None:
    root = comparison(tmp_path)
    path = report(root, doctor=False)
    assert path == root / "report.html"
    text = path.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert text.startswith("<!DOCTYPE html>")
    assert tags.open == []
    assert not {"link", "img", "iframe", "object", "base", "a"} & {tag for tag, _ in tags.seen}
    for _, attributes in tags.seen:
        assert not {"src", "style", "onclick", "onerror"} & attributes.keys()
    identities = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(identities) == len(set(identities))
    assert text.count("plotly.js v") == 1
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]
    assert [p.name for p in root.iterdir() if p.name.startswith(".")] == []


def test_a_page_is_small_whatever_the_runs(tmp_path: Path) -> None:
    steps = 3000
    for i in range(12):
        folder = run_folder(tmp_path / str(i), "digits", f"loss-{i}", 0)
        column = list(range(1, steps + 1))
        write(
            folder / "steps.json",
            dict.fromkeys(STEPS, column),
        )
        write(folder / "history.json", [{"epoch": e, "loss": e, "val": {"accuracy": e}} for e in range(steps)])
    size = report(tmp_path, doctor=False).stat().st_size - report_library()
    assert size < 12 * 6 * 800 * 20


def report_library() -> int:
    from plotly.offline import get_plotlyjs

    return len(get_plotlyjs().encode())
