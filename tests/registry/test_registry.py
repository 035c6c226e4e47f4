"""Plugins that are broken in every way we know: each is recorded by its name, and nothing else is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PathDistribution, entry_points
from pathlib import Path
from typing import Any

import pytest
from broken_plugins import CASES, HEAD, HOOK

from losszoo import LosszooError, Param, TaskSpec, UsageError
from losszoo.registry import discovery
from losszoo.registry.plugin_check import target_failures
from losszoo.registry.registry import Registry, build, installed


def install(folder: Path, name: str, body: str) -> None:
    """A package with real metadata, as pip would lay it out."""
    package = folder / f"plugin_{name.replace('-', '_')}"
    package.mkdir()
    (package / "__init__.py").write_text(HEAD + body)
    (package / "late.py").write_text("raise SystemExit(7)")
    (package / "keys.py").write_text("raise KeyboardInterrupt")
    metadata(folder, f"dist-{name}", f"[losszoo]\n{name} = {package.name}\n")


def metadata(
    folder: Path,
    name: str,
    entry_points: str,
    *,
    head: str = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n",
) -> Path:
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(head.format(name))
    (info / "entry_points.txt").write_text(entry_points)
    return info


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, installed side by side."""
    folder = tmp_path_factory.mktemp("site")
    for name, case in CASES.items():
        install(folder, name, case.body)
    return folder


def losszoo(zoo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "losszoo", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(zoo), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, cwd=zoo, capture_output=True, text=True, timeout=1800, check=False)


@pytest.fixture(scope="module")
def told(zoo: Path) -> dict[str, Any]:
    """What ``losszoo plugins --json --check`` says of them."""
    done = losszoo(zoo, "plugins", "--json", "--check")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.count("chatter") == 2
    for how in ("by os.write", "by a child", "by C", "at exit"):
        assert (f"spoilt {how}" in done.stdout, f"spoilt {how}" in done.stderr) == (False, True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", CASES)
def test_every_plugin_is_told_what_is_wrong(told: dict[str, Any], name: str) -> None:
    case = CASES[name]
    plugin = next(p for p in told["plugins"] if p["entry_point"] == name)
    failures = [f for f in told["failures"] if f["entry_point"] == name]
    assert plugin["losses"] == list(case.losses)
    assert all((f["distribution"], f["version"]) == (f"dist-{name}", "1.0") for f in [plugin, *failures])
    if case.stage:
        assert any(f["stage"] == case.stage and case.said in f["reason"] for f in failures), failures
        assert all("\n" not in f["reason"] for f in failures)
    else:
        assert failures == []


def test_nothing_else_is_stopped(zoo: Path) -> None:
    listed = losszoo(zoo, "list", "--json")
    names = {loss["name"]: loss["distribution"] for loss in json.loads(listed.stdout)}
    own = {name for name in installed().losses if installed().origin("loss", name).distribution == "losszoo"}
    assert {name for name, owner in names.items() if owner == "losszoo"} == own
    assert {name for case in CASES.values() for name in case.losses} <= set(names)
    assert "plugin problems; see: losszoo plugins" in listed.stderr
    ran = losszoo(zoo, "run", "--loss", "good-loss", "--task", "diabetes", "--epochs", "1", "--out", "runs", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["status"]) == (0, "completed"), ran.stderr


def test_the_page_for_people_names_the_owner(zoo: Path) -> None:
    done = losszoo(zoo, "plugins")
    assert done.returncode == 0
    assert "spoilt" not in done.stdout
    assert "nothing is broken" not in done.stdout
    assert re.search("good +dist-good 1.0 +1 loss\n", done.stdout)
    assert "  plugin clash, dist-clash 1.0\n    loss bce: the name belongs to plugin classification" in done.stdout


# Without the signatures that come with losszoo no loss is legal.
OURS = list(entry_points(group="losszoo", name="signatures"))


def points(folder: Path, name: str) -> list[Any]:
    return list(PathDistribution(folder / f"dist_{name.replace('-', '_')}-1.0.dist-info").entry_points)


def test_entry_points_of_no_distribution_and_of_none_twice(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(zoo)
    nameless = metadata(zoo, "nameless", "[losszoo]\nnameless = plugin_good\n", head="")
    registry = build([*OURS, *points(zoo, "good"), *points(zoo, "good"), *PathDistribution(nameless).entry_points])
    assert str(registry.plugins[1]) == "plugin good, dist-good 1.0"
    assert [f.origin.distribution for f in registry.failures] == ["unknown distribution"]
    assert "belongs to plugin good, dist-good 1.0" in str(registry.failures[0])
    assert target_failures(registry) == []


def test_unreadable_metadata_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata(tmp_path, "malformed", "[losszoo]\nno equals sign\n")
    metadata(tmp_path, "undecodable", "")
    (tmp_path / "undecodable-1.0.dist-info" / "entry_points.txt").write_bytes(b"[losszoo]\nx = \xff\n")
    for name in ("nameless", "anonymous"):
        metadata(tmp_path, name, f"[losszoo]\n{name} = no_such_module\n", head="")
    metadata(tmp_path, "unrelated", "[other]\nmalformed too, but none of ours\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = installed.__wrapped__()
    told = {f.origin.distribution: f.reason for f in registry.failures if f.stage == "metadata"}
    assert set(told) == {"malformed", "undecodable"}
    assert told["malformed"].startswith("cannot be read: TypeError")
    assert told["undecodable"].startswith("cannot be read: UnicodeDecodeError")
    assert {"nameless", "anonymous"} <= {origin.entry_point for origin in registry.plugins}
    assert set(installed().losses) <= set(registry.losses)


def test_a_broken_torch_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(LosszooError, match="nothing can be loaded: torch cannot be imported: ModuleNotFoundError"):
        target_failures(installed())


def test_the_first_distribution_of_a_name_on_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, entry in (("first", "[losszoo]\nnew = json\n"), ("second", "[losszoo]\nold = json\n")):
        (tmp_path / folder).mkdir()
        metadata(tmp_path / folder, "twice", entry)
    for folder in ("second", "first"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert [p.name for p in discovery.declared("losszoo")[0] if p.value == "json"] == ["new"]


def test_ctrl_c_stops_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "interrupted", "import signal\nsignal.raise_signal(signal.SIGINT)")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        build(points(tmp_path, "interrupted"))
    assert signal.getsignal(signal.SIGINT) is before


WAITS = """
import pathlib, time
while not pathlib.Path("go on").exists():
    time.sleep(0.05)
"""


def test_a_plugin_that_hangs_is_named(tmp_path: Path) -> None:
    """It goes on once the test has read which one is waited for."""
    install(tmp_path, "slow", WAITS + HOOK + "return [spec('slow-loss')]")
    command = [sys.executable, "-m", "losszoo", "list", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        (tmp_path / "go on").touch()
        out, _ = process.communicate(timeout=120)
    assert said == "plugin slow, dist-slow 1.0 is still being loaded after 5 s; Ctrl-C ends the waiting\n"
    assert "slow-loss" in {loss["name"] for loss in json.loads(out)}


def test_specs_raise_for_everybody_else() -> None:
    """Only while a registry collects them do they keep their fault."""
    with pytest.raises(UsageError, match="name of a task must be kebab-case"):
        TaskSpec(name="Bad Name", target="a:C", kind="regression", summary="s", metric="rmse")
    with pytest.raises(TypeError, match="tpye"):
        Param(name="k", tpye="int")  # type: ignore[call-arg]


def test_plugins_load_in_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "threaded", "raise KeyboardInterrupt")
    with ThreadPoolExecutor() as pool:
        registry = pool.submit(build, points(tmp_path, "threaded")).result()
    assert "KeyboardInterrupt" in registry.failures[0].reason


def test_a_hook_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "counting", HOOK + "\n    k = 0\n    while True: yield spec(f'n{(k := k + 1)}')")
    registry = build([*OURS, *points(tmp_path, "counting")])
    assert len(registry.losses) == 10_000
    assert [f.reason for f in registry.failures] == ["losszoo_losses must return at most 10000 specs, got more"]


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(LookupError, match=r"unknown loss 'focl': did you mean focal\? \(losszoo list shows all\)"):
        installed().loss("focl")
    with pytest.raises(ValueError, match=r"unknown task 'zzz': known: abalone, .* \(losszoo tasks shows all\)"):
        installed().task("zzz")
    with pytest.raises(LookupError, match="unknown loss 'x': nothing of this kind is installed"):
        Registry().loss("x")


def test_ours_are_sound() -> None:
    ours = [f for f in [*installed().failures, *target_failures(installed())] if f.origin.distribution == "losszoo"]
    assert ours == []
