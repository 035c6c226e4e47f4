"""Which distributions declare a plugin. Their metadata are read one by one: a broken one does not stop the others."""

from __future__ import annotations

import functools
from importlib import metadata
from importlib.metadata import Distribution, EntryPoint

FILE = "entry_points.txt"
UNKNOWN = "unknown distribution"


def declared(group: str) -> tuple[list[EntryPoint], list[tuple[Distribution, Exception]]]:
    """The entry points of a group, and the distributions that name the group in metadata that cannot be read.

    ``importlib.metadata.entry_points`` parses every distribution's file, and fails where one is malformed.
    Here a file that does not hold the group's name is not parsed at all.
    """
    points: list[EntryPoint] = []
    broken: list[tuple[Distribution, Exception]] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
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
    """Whether a distribution of the same name stands before this one on the path: Python imports that one."""
    try:
        return metadata.distribution(name).read_text(FILE) != text
    except metadata.PackageNotFoundError:
        return False
