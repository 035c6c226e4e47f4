"""Entry points are those of importlib.metadata, which is loaded only where metadata are not as pip writes them."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from losszoo.registry.discovery import UNKNOWN, declared, owner_of

GROUP = "losszoo"
HEAD = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n\nName: not this one\n"


def put(folder: Path, name: str, entries: str, *, head: str = HEAD, kind: str = "dist-info") -> Path:
    info = folder / f"{name.replace('-', '_')}-1.0.{kind}"
    info.mkdir(parents=True)
    (info / ("METADATA" if kind == "dist-info" else "PKG-INFO")).write_text(head.format(name))
    (info / "entry_points.txt").write_text(entries)
    return folder


def told(group: str = GROUP) -> list[tuple[str, str, str, str]]:
    return sorted((point.name, point.value, *owner_of(point)) for point in declared(group)[0])


def by_importlib(group: str = GROUP) -> list[tuple[str, str, str, str]]:
    points = importlib.metadata.entry_points(group=group)
    owners = [(p, p.dist.metadata) for p in points if p.dist is not None]
    # A missing header: None of importlib.metadata, a KeyError of the package importlib_metadata, which takes its place.
    first = {"Name": UNKNOWN, "Version": ""}
    return sorted((p.name, p.value, *((m.get_all(key) or [first[key]])[0] for key in first)) for p, m in owners)


def test_what_is_installed_here() -> None:
    assert told() == by_importlib()
    assert ("metric", "losszoo_plugins.metric", "losszoo", importlib.metadata.version("losszoo")) in told()


def archive(folder: Path) -> list[Path]:
    put(folder / "inside", "zipped", "[losszoo]\nz = json\n")
    with zipfile.ZipFile(folder / "some.zip", "w") as file:
        for path in (folder / "inside").rglob("*"):
            file.write(path, path.relative_to(folder / "inside"))
    return [folder / "some.zip"]


LAYOUTS: dict[str, Callable[[Path], list[Path]]] = {
    "as pip writes it": lambda f: [
        put(f, "my-plugin", "# ours\n[console_scripts]\nx = y:z\n\n[losszoo]\na = json\n b=json.decoder:JSONDecoder\n"),
        put(f / "more", "other", "[losszoo.more]\nc = json\n[losszoo]\n"),
    ],
    "a folder that is not there": lambda f: [f / "nowhere", put(f, "here", "[losszoo]\na = json\n")],
    "a folder twice": lambda f: [put(f, "here", "[losszoo]\na = json\n"), f],
    "extras": lambda f: [put(f, "extra", "[losszoo]\na = json [more, less]\n")],
    "spaces about the colon": lambda f: [put(f, "wide", "[losszoo]\na = json : loads\n")],
    "a header that is none": lambda f: [put(f, "odd", "[losszoo]\na = json\n", head="Summary: a\n\x0b\n" + HEAD)],
    "an empty line before the headers": lambda f: [put(f, "late", "[losszoo]\na = json\n", head="\n" + HEAD)],
    "a header in capitals": lambda f: [
        put(f, "loud", "[losszoo]\na = json\n", head="NAME: loud\nName: b\nVersion: 1\n")
    ],
    "a name of two lines": lambda f: [put(f, "wide", "[losszoo]\na = json\n", head="Name: wide\n more\nVersion: 1\n")],
    "an egg": lambda f: [put(f, "old", "[losszoo]\na = json\n", kind="egg-info")],
    "an archive": archive,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_lies_on_the_path(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(folder) for folder in LAYOUTS[layout](tmp_path)])
    found = by_importlib()
    assert told() == sorted(set(found))
    for point in declared(GROUP)[0]:
        assert point.load().__name__.startswith(("json", "JSON", "loads"))


@pytest.mark.parametrize("entry", [b"/nowhere", Path("/nowhere"), None])
def test_an_entry_of_the_path_that_is_no_text_is_passed_over(
    entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "here", "[losszoo]\na = json [extra]\n")
    monkeypatch.setattr(sys, "path", [entry, str(tmp_path)])
    assert told() == [("a", "json [extra]", "here", "1.0")]


def test_a_broken_copy_of_a_distribution_does_not_stop_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [put(tmp_path / name, "twice", "[losszoo]\na = json\n") for name in ("first", "second")]
    (folders[0] / "twice-1.0.dist-info" / "entry_points.txt").write_bytes(b"[losszoo]\na = \xff\n")
    monkeypatch.setattr(sys, "path", [*map(str, folders)])
    assert told() == [("a", "json", "twice", "1.0")]
    assert [type(error) for _, error in declared(GROUP)[1]] == [UnicodeDecodeError]


def test_a_finder_that_knows_distributions_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = put(tmp_path, "hidden", "[losszoo]\na = json\n")

    class Finder(importlib.metadata.DistributionFinder):
        def find_spec(self, *_: Any) -> None:
            return None

        def find_distributions(self, context: Any = None) -> Any:
            context = importlib.metadata.DistributionFinder.Context(path=[str(hidden)])
            return importlib.metadata.MetadataPathFinder.find_distributions(context)

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert ("a", "json", "hidden", "1.0") in told()


def test_the_package_importlib_metadata_changes_nothing() -> None:
    """It takes the place of Python's own finder of distributions as soon as any library imports it."""
    pytest.importorskip("importlib_metadata")
    script = (
        "import importlib_metadata\nfrom losszoo.registry.discovery import declared, owner_of\n"
        "print(sorted((p.name, p.value, *owner_of(p)) for p in declared('losszoo')[0]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout == f"{told()}\n", done.stderr


def test_importlib_metadata_is_not_loaded_for_what_pip_writes(tmp_path: Path) -> None:
    put(tmp_path, "plain", "[losszoo]\na = json\n")
    script = (
        "import sys\nfrom losszoo.registry.discovery import declared\n"
        f"sys.path[:] = [{str(tmp_path)!r}]\nsys.meta_path[:] = sys.meta_path[-3:]\n"
        "print([point.name for point in declared('losszoo')[0]], 'importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['a'] False\n"
