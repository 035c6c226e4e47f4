"""The report's page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from made_runs import EVENT, HOSTILE, PLANE, cell, comparison, result, run_folder, write

from losszoo.reporting.report import report

pytest.importorskip("plotly")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # The page is looked at from outside by another file, which clicks and reads.
    "--allow-file-access-from-files",
    "--window-size=1200,3000",
    "--virtual-time-budget=20000",
    "--dump-dom",
)
# Opens the page in a frame, waits for its plots, and writes down what the given script returns.
LOOK = """<!DOCTYPE html>
<html><body style="margin:0"><iframe src="page.html" id="frame" width="%(width)s" height="3000"></iframe>
<pre id="seen">nothing</pre>
<script>
document.getElementById("frame").addEventListener("load", async () => {
  const view = document.getElementById("frame").contentWindow, page = view.document, broken = [];
  view.addEventListener("error", (event) => broken.push(event.message));
  const all = (selector, within = page) => [...within.querySelectorAll(selector)];
  const texts = (selector, within = page) => all(selector, within).map((element) => element.textContent);
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  const undrawn = () => all(".plot").filter((plot) => !plot.querySelector(".main-svg"));
  const until = async (true_now) => { for (let i = 0; i < 200 && !true_now(); i++) await wait(50); };
  const first = all(".plot")[0];
  await until(() => !undrawn().includes(first));  // drawn because it is seen
  view.dispatchEvent(new view.Event("beforeprint"));  // on paper all are seen
  await until(() => !undrawn().length);
  const hover = async (id, curve, point) => {
    const plot = page.getElementById(id);
    view.Plotly.Fx.hover(plot, [{ curveNumber: curve, pointNumber: point }]);
    await wait(100);
    return texts(".hovertext", plot);
  };
  const shown = (id) => page.getElementById(id).data.filter((trace) => trace.visible);
  const lines = (id) => all(".scatterlayer .trace path.js-line", page.getElementById(id)).length;
  const key = (name) => all(".key").find((button) => button.textContent === name);
  const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
  const rows = (table) => all("tbody tr", all("table")[table]).map(cells);
  let seen = {};
  try { %(script)s } catch (error) { broken.push(String(error)); }
  const links = all("a").filter((a) => !a.getAttribute("href")?.startsWith("#") && a.getAttribute("href"));
  document.getElementById("seen").textContent = JSON.stringify({ ...seen, broken, undrawn: undrawn().length,
    pwned: "pwned" in view, scripts: all("script").length, images: all("body img").length, links: links.length,
    widest: page.documentElement.scrollWidth, window: view.innerWidth, title: page.title });
});
</script></body></html>
"""
Browse = Callable[..., dict[str, Any]]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Writes a report, opens it in headless Chromium and says what a script finds there."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")

    def look(folder: Path, script: str, *more: str, width: int = 1200, **options: Any) -> dict[str, Any]:
        report(folder, tmp_path / "page.html", doctor=False, **options)
        (tmp_path / "look.html").write_text(LOOK % {"script": script, "width": width})
        command = [CHROMIUM, *OPTIONS, *more, f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path}/look.html"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        seen = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        assert seen is not None, done.stderr
        found: dict[str, Any] = json.loads(unescape(seen[1]))
        assert (found["broken"], found["undrawn"], found["pwned"], found["scripts"]) == ([], 0, False, 3)
        return found

    return look


def test_the_leaderboard_is_read_and_sorted(browse: Browse, tmp_path: Path) -> None:
    root = comparison(tmp_path / "runs", "abalone")
    for loss, value in (("better", 0.5), ("worse", 0.6)):
        cell(root, "digits", loss, 0, value)
    seen = browse(
        root,
        """
        seen.before = rows(0); seen.ranks = texts(".ranks li");
        const sort = (i) => { all("table:first-of-type th button")[i].click(); return rows(0).map((row) => row[0]); };
        seen.heads = texts("table:first-of-type th").slice(0, 9);
        seen.up = sort(7); seen.down = sort(7); seen.names = sort(0);
        seen.sorted = all("th[aria-sort]").map((th) => th.textContent + th.getAttribute("aria-sort"));
        """,
    )
    assert seen["heads"] == ["loss", "test accuracy", "±", "", "to the best", "n", "non-finite", "seconds", "peak MB"]
    ours = [row for row in seen["before"] if row[5]]
    assert ours == [
        ["better", "0.9200", "0.0200", "", "", "3", "0", "3.0", "102"],
        ["knn (baseline)", "0.8500", "", "", "-0.0700 [-0.1197, -0.0203]", "1", "", "0.1", "100"],
        ["worse", "0.6200", "0.0200", "", "-0.3000 [-0.3497, -0.2503]", "3", "6", "3.0", "102"],
        ["broken 1 without result", "", "", "", "", "0", "0", "", ""],
    ]
    assert seen["ranks"] == ["better 1.50", "worse 1.50"]
    values = [float(row[1]) for row in seen["before"] if row[1]]
    assert values == sorted(values, reverse=True)  # published results stand in their places
    assert len(values) > 3
    assert seen["up"][0] == "knn (baseline)"
    assert seen["down"][-1] == seen["up"][-1]  # what has no number is last either way
    assert seen["names"][0] == "better"
    assert seen["sorted"] == ["lossascending"]


def test_a_legend_entry_hides_its_traces(browse: Browse, tmp_path: Path) -> None:
    seen = browse(
        comparison(tmp_path / "runs"),
        """
        const ids = ["loss", "metric", "norms", "cost"].map((name) => `task-1-${name}`);
        const count = () => ids.map((id) => [shown(id).length, new Set(shown(id).map((t) => t.name)).size]);
        seen.drawn = lines("task-1-metric");
        seen.before = count();
        key("worse").click(); await wait(200);
        seen.pressed = key("worse").getAttribute("aria-pressed");
        seen.after = count(); seen.still = lines("task-1-metric");
        seen.left = shown("task-1-metric").map((t) => t.name);
        key("worse").click(); await wait(200);
        seen.again = count();
        key("better").dispatchEvent(new view.MouseEvent("dblclick")); await wait(200);
        seen.alone = [...new Set(shown("task-1-cost").map((t) => t.name))];
        key("better").dispatchEvent(new view.MouseEvent("dblclick")); await wait(200);
        all("[data-view=seeds]")[0].click(); await wait(200);
        seen.seeds = shown("task-1-metric").map((t) => t.name).sort();
        seen.keys = texts(".keys").length; key("cat").click(); await wait(200);
        seen.classes = shown("task-1-classes-1").map((t) => t.name);
        """,
    )
    assert seen["before"] == [[4, 3], [4, 3], [6, 2], [3, 3]]  # a line and a band each; clipped and bad steps marked
    assert seen["pressed"] == "false"
    assert seen["after"] == [[2, 2], [2, 2], [3, 1], [2, 2]]
    assert "worse" not in seen["left"]
    assert (seen["drawn"], seen["still"]) == (4, 2)
    assert seen["again"] == seen["before"]
    assert seen["alone"] == ["better"]
    assert seen["seeds"] == [f"{loss}, seed {seed}" for loss, seed in product(("better", "worse"), range(3))]
    assert seen["classes"] == ["dog"]


def test_hostile_text_is_text(browse: Browse, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for i, name in enumerate(HOSTILE):
        told = {**EVENT, "op": name, "source": name, "where": name}
        guard = {"nonfinite": 1, "skipped": 0, "rollbacks": 0, "clipped": 0, "first": told}
        record = result(name, name, 0, 0.5, guard=guard)
        record["metrics"]["test"] = {name: 0.5}
        folder = cell(
            root / str(i), name.replace("/", "")[:20] if i != 4 else "odd", name, 0, 0.5, task=name, result=record
        )
        write(folder / "run" / "history.json", [{"epoch": 0, "loss": 1.0, "val": {name: 0.5}}])
        write(folder / "run" / "embedding.json", {**PLANE, "classes": [name, "dog"]})
        cell(root / str(i), f"failed-{i}", name, 1, None, task=name, status=name, error={"type": name, "message": name})
    write(root / "9" / "cell.json", HOSTILE[0])
    seen = browse(
        root,
        """
        seen.names = texts(".leaderboard .name-of"); seen.keys = texts(".key .name-of"); seen.hovers = [];
        seen.tasks = texts("h2.name-of"); seen.errors = texts(".said"); seen.source = texts("td.plain");
        const bold = (plot) => all("[style*=bold], a, image", plot).length;
        seen.bold = 0; seen.axes = [];
        for (const plot of all(".plot")) {
          seen.hovers.push(await hover(plot.id, 0, 0)); seen.bold += bold(plot);
          if (plot.id.endsWith("-cost")) seen.axes.push(texts(".ytitle", plot)[0]);
        }
        """,
        title=HOSTILE[1],
    )
    shown = ["".join(c if c.isprintable() else "?" for c in name) for name in HOSTILE]
    tasks = sorted(HOSTILE)
    order = [HOSTILE.index(task) for task in tasks]
    assert seen["tasks"] == [shown[i] for i in order]
    assert set(seen["names"]) == set(shown)
    assert set(shown) <= set(seen["keys"])
    assert set(seen["errors"]) == {f"{name}: {name}" for name in shown}
    assert set(shown) <= set(seen["source"])
    assert seen["axes"] == [f"test {shown[i]}".replace("_", " ") for i in order]
    hovered = " ".join(text for texts in seen["hovers"] for text in texts)
    assert all(name in hovered for name in shown)
    assert (seen["bold"], seen["images"], seen["links"]) == (0, 0, 0)
    assert seen["title"] == f"{shown[1]}: losszoo report"


def test_a_regression_has_a_colour_bar(browse: Browse, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", "diabetes", "nca", 0)
    write(folder / "embedding.json", {**PLANE, "targets": [1.5, 2.5, 3.5, 4.5], "classes": []})
    seen = browse(folder, 'seen.bars = all(".colorbar").length; seen.tip = await hover("task-1-classes-0", 0, 3);')
    assert (seen["bars"], seen["tip"]) == (1, ["target 4.500"])


def test_a_narrow_and_a_dark_page(browse: Browse, tmp_path: Path) -> None:
    root = comparison(tmp_path / "runs")
    script = """
        seen.ink = view.getComputedStyle(page.querySelector(".xtitle")).fill;
        seen.line = shown("task-1-cost")[0].marker.color;
    """
    light = browse(root, script, width=360)
    dark = browse(root, script, "--blink-settings=preferredColorScheme=0")
    assert light["widest"] <= light["window"]
    assert (light["ink"], light["line"]) != (dark["ink"], dark["line"])
