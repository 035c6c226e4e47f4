"""The HTML page: what is in the file, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from hand_made import DIVISION, HEALTHY, HOSTILE, LOG, PATIENTS, RAISES, SCALES, SICK

import losszoo
from losszoo.doctor.report.doctor_page import write_page
from losszoo.doctor.report.examination import Strip
from losszoo.doctor.report.heat_strip_svg import drawings
from losszoo.doctor.report.wording import STATES

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The page is looked at from outside by another file, which clicks and reads.
    "--allow-file-access-from-files",
    "--virtual-time-budget=3000",
    "--dump-dom",
)
# Opens the page in a frame, presses every button, and writes down what is there.
LOOK = """<!DOCTYPE html>
<html><body><iframe src="page.html" id="frame" width="900" height="700"></iframe><pre id="seen">nothing</pre>
<script>
document.getElementById("frame").addEventListener("load", async () => {
  const view = document.getElementById("frame").contentWindow, page = view.document, copied = [];
  const all = (selector) => [...page.querySelectorAll(selector)];
  const texts = (selector) => all(selector).map((element) => element.textContent);
  view.navigator.clipboard.writeText = async (text) => { copied.push(text); };
  const shown = all("button.copy").filter((button) => button.checkVisibility()).length;
  for (const button of all("button.copy")) button.click();
  await new Promise((done) => setTimeout(done, 50));
  const said = texts("button.copy");
  view.navigator.clipboard.writeText = async () => { throw new Error("not allowed"); };
  if (said.length) all("button.copy")[0].click();
  await new Promise((done) => setTimeout(done, 50));
  document.getElementById("seen").textContent = JSON.stringify({
    title: page.title, headings: texts("h1, h2, h3"), rows: all("tbody tr").length, copied, shown, said,
    findings: texts(".finding"), cells: all(".strip .cell").length, tips: texts(".strip .cell title"),
    scripts: all("script").length, images: all("img").length, notes: texts(".notes li"), reach: texts(".reach li"),
    chips: texts(".facts .chip"), footer: texts("footer"), selected: view.getSelection().toString(),
    dead: all("a").filter((a) => !page.querySelector(a.getAttribute("href"))).length,
    widest: page.documentElement.scrollWidth, window: view.innerWidth,
    heights: all(".strip").map((strip) => strip.getBoundingClientRect().height),
    colours: Object.fromEntries(all(".strip .cell").map((cell) => [
      cell.classList[1], view.getComputedStyle(cell.querySelector("rect")).fill])),
  });
});
</script></body></html>
"""


@pytest.fixture
def browse(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes a page, opens it in headless Chromium and says what is there after its script has run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")

    def look(examinations: Any, *more: str, **options: Any) -> dict[str, Any]:
        write_page(examinations, tmp_path / "page.html", **options)
        (tmp_path / "look.html").write_text(LOOK)
        command = [CHROMIUM, *OPTIONS, *more, f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path}/look.html"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=True)
        seen = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        assert seen is not None, done.stderr
        found: dict[str, Any] = json.loads(unescape(seen[1]))
        return found

    return look


def test_a_browser_shows_one_examination(browse: Callable[..., dict[str, Any]]) -> None:
    seen = browse([SICK])
    assert seen["title"] == "./my_loss.py:my_loss: losszoo doctor"
    assert seen["headings"] == [
        "./my_loss.py:my_loss",
        "NaN gradient in float32",
        "Infinite loss in float16",
        "Raises an error in bfloat16",
    ]
    assert seen["cells"] == 45
    assert seen["tips"][:1] == ["|logits| = 0.001 in float32: finite"]
    assert len(set(seen["colours"].values())) == len(STATES)
    assert seen["reach"][0] == "finite up to |logits| = 88.7 in float32"
    assert seen["notes"] == list(SICK.notes)
    assert seen["chips"] == ["sick, 3 findings"]
    for text, finding in zip(seen["findings"], SICK.findings, strict=True):
        assert all(part in text for part in (finding.probe, finding.cause, finding.source or "", finding.op or ""))
    assert [re.search(r"tried, verified|does not cure it|not tried", t)[0] for t in seen["findings"]] == [  # type: ignore[index]
        "tried, verified",
        "does not cure it",
        "not tried",
    ]
    assert f"losszoo {losszoo.__version__}, torch {torch.__version__}" in seen["footer"][0]
    assert seen["widest"] <= seen["window"]
    assert all(height > 60 for height in seen["heights"])


def test_the_button_copies_the_line(browse: Callable[..., dict[str, Any]]) -> None:
    seen = browse([SICK])
    assert seen["copied"] == [LOG.paste, DIVISION.paste, "embeddings = torch.zeros(1, 2)\nlabels = torch.tensor([0])"]
    assert (seen["shown"], seen["said"]) == (3, ["copied"] * 3)
    assert seen["selected"] == LOG.paste  # where the clipboard is refused, the line is selected


def test_a_hostile_name_is_text(browse: Callable[..., dict[str, Any]]) -> None:
    seen = browse([HOSTILE])
    assert seen["headings"][0] == HOSTILE.target.replace("\x1b", "?")
    assert seen["title"] == f"{HOSTILE.target.replace(chr(27), '?')}: losszoo doctor"
    assert (seen["scripts"], seen["images"]) == (1, 0)
    assert seen["copied"] == [HOSTILE.findings[0].paste.replace("\x1b", "?")]
    assert seen["notes"] == list(HOSTILE.notes)


def test_a_browser_shows_an_index_of_many(browse: Callable[..., dict[str, Any]]) -> None:
    seen = browse(PATIENTS, title="every installed loss")
    assert seen["headings"][0] == "every installed loss"
    assert [name for name in seen["headings"] if name in {p.name for p in PATIENTS}] == [p.name for p in PATIENTS]
    assert (seen["rows"], seen["dead"]) == (len(PATIENTS), 0)
    assert seen["chips"] == [
        "3 not as expected",
        "healthy",
        "healthy",
        "sick, 2 findings",
        "exhibit",
        "healthy",
        "exhibit",
        "sick, 1 finding",
        "could not be examined",
    ]


def test_a_dark_page_has_colours_of_its_own(browse: Callable[..., dict[str, Any]]) -> None:
    light, dark = browse([SICK]), browse([SICK], "--blink-settings=preferredColorScheme=0")
    assert light["colours"].keys() == dark["colours"].keys()
    assert light["colours"]["finite"] != dark["colours"]["finite"]


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


@pytest.mark.parametrize("examinations", [[SICK], [HOSTILE], PATIENTS, [HEALTHY, HOSTILE]])
def test_the_file_needs_nothing_else(tmp_path: Path, examinations: Any) -> None:
    path = tmp_path / "page.html"
    write_page(examinations, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in tags.seen}
    for _, attributes in tags.seen:
        assert not {"src", "style", "onclick", "onerror"} & attributes.keys()
        assert attributes.get("href", "#").startswith("#")  # type: ignore[union-attr]
    assert not re.search(r"url\(|@import|https?://", text)
    identities = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(identities) == len(set(identities))
    assert "default-src 'none'" in text
    assert list(tmp_path.iterdir()) == [path]


def test_an_odd_text_can_be_written(tmp_path: Path) -> None:
    odd = replace(SICK, target="a\ud800b\x00", findings=(replace(RAISES, input={}, remedy="", probe=""),), notes=())
    write_page([replace(odd, strips=(), range={})], tmp_path / "page.html")
    assert '<h1 class="name-of">a?b?</h1>' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(losszoo.UsageError, match="the page must go to a file that can be written, got "):
        write_page([SICK], tmp_path / "no" / "page.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(losszoo.UsageError, match="directory"):
        write_page([SICK], tmp_path / "folder.html")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.html"]


def drawn(*strips: Strip) -> ElementTree.Element:
    return ElementTree.fromstring(drawings(replace(SICK, strips=strips)))


def cells(drawing: ElementTree.Element) -> list[tuple[float, float, str]]:
    """Left end, right end and state of every cell."""
    found = []
    for group in drawing.iter("g"):
        if group.get("class", "").startswith("cell "):
            rect = group.find("rect")
            assert rect is not None
            left = float(rect.get("x", "nan"))
            found.append((left, left + float(rect.get("width", "nan")), group.get("class", "").split()[1]))
    return found


def ticks(drawing: ElementTree.Element) -> dict[str, float]:
    """The labels of the axis, each with its place."""
    return {t.text or "": float(t.get("x", "nan")) for t in drawing.iter("text") if t.get("class") == "tick"}


def test_cells_stand_above_their_scale() -> None:
    strip = Strip("float32", "|x|", (1.0, 10.0, 30.0, 1e4), ("finite", "finite", "inaccurate", "non-finite"), 30.0)
    half = Strip("float16", "|x|", (1.0, 30.0), ("finite", "beyond"), None)
    drawing = drawn(strip, half)
    found, labels = cells(drawing), ticks(drawing)
    assert [state for *_, state in found] == [*strip.states, *half.states]
    assert all(a[1] < b[0] for a, b in pairwise(found[:4]))
    for scale, (left, right, _) in zip(("1", "10", "30", "1e4", "1", "30"), found, strict=True):
        assert left < labels[scale] < right


def test_many_cells_have_room_for_their_labels() -> None:
    scales = tuple(10.0**k for k in range(-30, 39))
    labels = ticks(drawn(Strip("float32", "|x|", scales, ("finite",) * 69, None)))
    assert min(b - a for a, b in pairwise(labels.values())) >= 34
    assert "1" in labels
    assert len(labels) > 10


def test_one_scale_and_none() -> None:
    assert len(cells(drawn(Strip("float32", "|x|", (1.0,), ("non-finite",), 0.0)))) == 1
    assert drawings(replace(SICK, strips=(Strip("float32", "|x|", (), (), None),))) == ""
    assert len(SCALES) == 15
