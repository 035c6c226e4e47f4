"""ARCHITECTURE.md is true: the rooms, their order, and every file that it names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = ROOT / "losszoo"
MAP = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ROOMS = re.findall(r"^\| `(\w+)` \|", MAP.partition("## The path of a name")[0], flags=re.MULTILINE)
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(CORE.rglob("*.py"))
}
# They may name every room: what is public, and how it is started.
FACE = ("losszoo", "losszoo.__main__")


def room(module: str) -> str:
    return module.split(".")[1]


def imports(module: str) -> Iterator[tuple[int, str]]:
    """Line and module of everything of losszoo that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(FILES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names if name.name.partition(".")[0] == "losszoo")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "losszoo":
            for name in node.names:
                inside = f"{node.module}.{name.name}"
                yield node.lineno, inside if inside in FILES else node.module


ARROWS = {module: sorted(set(imports(module))) for module in FILES if module not in FACE}


def test_the_map_names_every_room_once_and_no_other() -> None:
    assert sorted(ROOMS) == sorted({room(module) for module in FILES if module not in FACE})


def test_a_room_imports_only_from_rooms_below_it() -> None:
    back = [
        f"{module}:{line} imports {target}"
        for module, arrows in ARROWS.items()
        for line, target in arrows
        if target not in FACE and ROOMS.index(room(target)) < ROOMS.index(room(module))
    ]
    assert back == []


def test_no_file_imports_the_face_of_the_package() -> None:
    assert [f"{module}:{line}" for module, arrows in ARROWS.items() for line, target in arrows if target in FACE] == []


def test_no_files_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter({module: {target for _, target in arrows} for module, arrows in ARROWS.items()}).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_every_file_that_the_map_names_is_there() -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", MAP)
    assert len(named) > 40
    assert [name for name in named if not any((folder / name).exists() for folder in (CORE, ROOT))] == []


def test_no_name_is_used_for_two_files() -> None:
    names = [path.name for path in FILES.values() if path.name != "__init__.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_folder_is_crowded() -> None:
    count = {folder: len([*folder.glob("*.py")]) - 1 for folder in [CORE, *CORE.rglob("*")] if folder.is_dir()}
    assert {str(folder): files for folder, files in count.items() if files > 15} == {}
