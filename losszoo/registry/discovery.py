"""Which distributions declare a plugin. Their metadata are read one by one: a broken one does not stop the others.

``importlib.metadata`` knows every form that metadata can have. To import it takes a fifth of the time of
``losszoo list``, as it loads Python's e-mail, sockets and archives. Folders that are as pip writes them are read here.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

FILE = "entry_points.txt"
UNKNOWN = "unknown distribution"
_TARGET = re.compile(r"[\w.]+(:[\w.]+)?")
# Header lines as e-mail has them, which may continue on indented ones.
_HEADERS = re.compile(r"([!-9;-~]+:.*(\n[ \t].*)*(\n|$))+")
_FIELD = re.compile(r"^(name|version): ?(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
# What importlib.metadata takes for no file too.
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class Declared:
    """An entry point as ``importlib.metadata.EntryPoint``, with name and version of its distribution.

    Args:
        name: of the entry point.
        value: "package.module" or "package.module:object".
        owner: name and version of the distribution.
    """

    def __init__(self, name: str, value: str, owner: tuple[str, str]) -> None:
        self.name, self.value, self.owner = name, value, owner

    def load(self) -> Any:
        """The object that it names."""
        module, _, attributes = self.value.partition(":")
        return functools.reduce(getattr, filter(None, attributes.split(".")), importlib.import_module(module))


class _UncommonError(Exception):
    """Something that is left to importlib.metadata."""


def declared(group: str) -> tuple[list[Declared | EntryPoint], list[tuple[Distribution, Exception]]]:
    """The entry points of a group, and the distributions that name the group in metadata that cannot be read."""
    try:
        return list(_common(group)), []
    except _UncommonError:
        return _any(group)


def owner_of(point: Declared | EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that declares an entry point."""
    if isinstance(point, Declared):
        return point.owner
    return name_and_version(point.dist) if point.dist else (UNKNOWN, "")


def _common(group: str) -> Iterator[Declared]:
    """Of folders on the path, each with its ``NAME-VERSION.dist-info``."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        raise _UncommonError
    names, declaring = [], {}
    for folder in _folders():
        for child in _children(folder):
            stem, _, kind = child.lower().rpartition(".")
            if kind in ("dist-info", "egg-info"):
                names.append(re.sub(r"[-_.]+", "_", stem.partition("-")[0]))
                place = os.path.join(folder, child)
                if (text := _text(os.path.join(place, FILE))) and group in text:
                    declaring[place] = names[-1], text
    for place, (name, text) in declaring.items():
        if names.count(name) > 1 or not place.endswith(".dist-info"):  # one may stand before the other
            raise _UncommonError
        owner = _owner(_text(os.path.join(place, "METADATA")) or "")
        for entry, value in _entries(text, group):
            yield Declared(entry, value, owner)


def _folders() -> list[str]:
    """The path, each entry once. What is no text, such as bytes, is passed over: Python imports nothing from there."""
    return [entry for entry in dict.fromkeys(sys.path) if isinstance(entry, str)]


def _children(folder: str) -> list[str]:
    """What is in a folder of the path; of one that is not there, nothing."""
    if folder.endswith(".egg"):
        raise _UncommonError
    try:
        return os.listdir(folder or ".")
    except FileNotFoundError:
        return []
    except OSError:  # an archive
        raise _UncommonError from None


def _text(path: str) -> str | None:
    """What a file holds; None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except _ABSENT:
        return None
    except (OSError, UnicodeDecodeError):
        raise _UncommonError from None


def _entries(text: str, group: str) -> Iterator[tuple[str, str]]:
    """Names and values of a group."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[]")
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or (section == group and not _TARGET.fullmatch(value)):
            raise _UncommonError
        if section == group:
            yield name, value


def _owner(metadata: str) -> tuple[str, str]:
    """Name and version of a distribution."""
    head = metadata.partition("\n\n")[0]
    found: dict[str, str] = {}
    for key, value in _FIELD.findall(head):
        found.setdefault(key.lower(), value)
    name, version = (found.get(key, "") for key in ("name", "version"))
    written = re.fullmatch(r"[\w.-]+", name) and re.fullmatch(r"[\w.!+-]+", version)
    if not written or not _HEADERS.fullmatch(head):
        raise _UncommonError
    return name, version


def _any(group: str) -> tuple[list[Declared | EntryPoint], list[tuple[Distribution, Exception]]]:
    """Of whatever importlib.metadata finds.

    Its ``entry_points`` parses every distribution's file, and fails where one is malformed. Here a file that does not
    hold the group's name is not parsed at all.
    """
    from importlib import metadata

    points: list[Declared | EntryPoint] = []
    broken: list[tuple[Distribution, Exception]] = []
    seen: set[str] = set()
    for distribution in metadata.distributions(path=_folders()):
        try:
            text = distribution.read_text(FILE) or ""
            found = list(distribution.entry_points.select(group=group)) if group in text else []
        except Exception as error:  # undecodable or malformed metadata are the distribution's fault, and recorded
            broken.append((distribution, error))
            continue
        name = name_and_version(distribution)[0] if found else UNKNOWN
        if name == UNKNOWN or (name not in seen and not _shadowed(name, text)):
            seen.add(name)
            points += found
    return points, broken


@functools.cache
def name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Name and version of a distribution; both may be missing in a broken one."""
    try:
        fields = distribution.metadata  # parsed at every access
        found = [(fields.get_all(key) or [""])[0] for key in ("Name", "Version")]
    except Exception:
        found = ["", ""]
    return found[0] or UNKNOWN, found[1]


def _shadowed(name: str, text: str) -> bool:
    """Whether a distribution of the same name stands before this one on the path: Python imports that one.

    One that cannot be read is recorded, and hides no other.
    """
    from importlib import metadata

    first = next(iter(metadata.distributions(name=name, path=_folders())), None)
    try:
        return first is not None and first.read_text(FILE) != text
    except (OSError, UnicodeDecodeError):
        return False
