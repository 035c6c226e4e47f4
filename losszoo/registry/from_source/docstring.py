"""What a docstring says of a loss: summary, formula, arguments, reference. Plain text in, plain text out."""

from __future__ import annotations

_MATH = ".. math::"
_SECTIONS = ("Arg", "Return", "Raise", "Yield", "Attribute", "Example", "Note", "Reference")


class Docstring:
    """The parts that a card shows; empty where there is none.

    Args:
        summary: the first line.
        formula: LaTeX of the first ``.. math::``, in one line.
        description: what else stands before the first section, in one line; mathematics as ``$...$``.
        arguments: by name, each in one line, without markup.
        reference: in one line, without the full stop.
    """

    def __init__(self, summary: str, formula: str, description: str, arguments: dict[str, str], reference: str) -> None:
        self.summary, self.formula, self.description = summary, formula, description
        self.arguments, self.reference = arguments, reference


def read_docstring(text: str) -> Docstring:
    r"""The parts of a docstring whose indentation is removed.

    Example:
        >>> read_docstring("Squared error.\n\n.. math:: (p - t)^2\n\nArgs:\n    delta: see ``huber``.\n").arguments
        {'delta': 'see huber'}
    """
    summary, _, rest = text.partition("\n")
    parts: dict[str, list[str]] = {"formula": [], "": [], "Arg": [], "Reference": []}
    section = place = ""
    for line in rest.split("\n"):
        if line and not line[0].isspace():  # an indented or empty line continues
            heading = line.rstrip().removesuffix(":").removesuffix("s")
            if line.rstrip().endswith(":") and heading in _SECTIONS:
                section = place = heading
                continue
            begins = line.startswith(_MATH) and not parts["formula"] and not section
            place, line = ("formula", line.removeprefix(_MATH)) if begins else (section, line)
        parts.setdefault(place, []).append(line)
    return Docstring(
        summary.strip(),
        _one_line(parts["formula"]),
        _spoken(parts[""]),
        _arguments(parts["Arg"]),
        _spoken(parts["Reference"]).removesuffix("."),
    )


def _arguments(section: list[str]) -> dict[str, str]:
    """Each entry begins at the indentation of the section, and continues on deeper lines."""
    depth = min((_indentation(line) for line in section if line.strip()), default=0)
    found: dict[str, list[str]] = {}
    name = ""
    for line in section:
        head, colon, text = line.strip().partition(":")
        if _indentation(line) == depth and colon and head.partition(" ")[0].isidentifier():
            name, line = head.partition(" ")[0], text
        found.setdefault(name, []).append(line)
    return {name: _spoken(lines).removesuffix(".") for name, lines in found.items() if name}


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _one_line(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _spoken(lines: list[str]) -> str:
    """``code`` and :role:`~package.thing` as they are read aloud; mathematics between dollars."""
    text = _one_line(lines)
    if "`" not in text:
        return text
    parts = text.replace("``", "`").split("`")
    for place in range(1, len(parts), 2):
        before, _, role = parts[place - 1].removesuffix(":").rpartition(":")
        if parts[place - 1].endswith(":") and role.isidentifier():
            parts[place - 1] = before
            inside = parts[place]
            parts[place] = f"${inside}$" if role == "math" else inside.removeprefix("~").rpartition(".")[2]
    return "".join(parts)
