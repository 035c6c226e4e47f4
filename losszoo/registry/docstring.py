"""What a docstring says of a loss: summary, formula, arguments, reference. Plain text in, plain text out."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORMULA = re.compile(r"^\.\. math::(.*(?:\n(?:[ \t].*)?)*)", re.MULTILINE)
_SECTION = re.compile(r"^(Args|References?):[ \t]*\n((?:(?:[ \t].*)?\n?)*)", re.MULTILINE)
_ARGUMENT = re.compile(r"(\w+)(?: \([^)]*\))?:[ \t]*(.*)")
# ``code`` and :role:`~package.thing` as they are read aloud.
_MARKUP = re.compile(r"``([^`]+)``|:math:`([^`]+)`|:\w+:`~?(?:[\w.]*\.)?([^`.]+)`")


@dataclass(frozen=True)
class Docstring:
    """The parts that a card shows; empty where there is none.

    Args:
        summary: the first line.
        formula: LaTeX of the first ``.. math::``, in one line.
        arguments: by name, each in one line, without markup.
        reference: in one line, without the full stop.
    """

    summary: str
    formula: str
    arguments: dict[str, str]
    reference: str


def read_docstring(text: str) -> Docstring:
    r"""The parts of a docstring whose indentation is removed.

    Example:
        >>> read_docstring("Squared error.\n\n.. math:: (p - t)^2\n\nArgs:\n    delta: see ``huber``.\n").arguments
        {'delta': 'see huber'}
    """
    formula = _FORMULA.search(text)
    sections = {match[1].rstrip("s"): match[2] for match in _SECTION.finditer(text)}
    return Docstring(
        text.partition("\n")[0].strip(),
        _one_line(formula[1]) if formula else "",
        _arguments(sections.get("Arg", "")),
        _spoken(sections.get("Reference", "")),
    )


def _arguments(section: str) -> dict[str, str]:
    """Each entry begins at the section's own indentation, and goes on deeper."""
    lines = [line for line in section.splitlines() if line.strip()]
    depth = min((_indentation(line) for line in lines), default=0)
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        entry = _ARGUMENT.fullmatch(line.strip()) if _indentation(line) == depth else None
        if entry:
            name = entry[1]
        found[name] = f"{found.get(name, '')} {entry[2] if entry else line.strip()}"
    return {name: _spoken(text) for name, text in found.items() if name}


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _spoken(text: str) -> str:
    plain = _MARKUP.sub(lambda match: match[1] or match[2] or match[3], _one_line(text))
    return plain.removesuffix(".")
