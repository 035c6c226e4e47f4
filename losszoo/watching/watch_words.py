"""A fault, and the end of a script, in words: for the terminal, a notebook and the page alike."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from losszoo.common.text import counted, printable
from losszoo.doctor.report.wording import ADVICE, TRIED

_LONGEST = 1200


def headline(fault: Mapping[str, Any]) -> str:
    """``The loss is NaN at step 7``."""
    rank = f"rank {fault['rank']}: " if fault["rank"] else ""
    return f"{rank}{fault['headline']}, after {counted(fault['step'], 'step')}"


def place(fault: Mapping[str, Any]) -> str:
    """``exp at vae.py:14``."""
    return printable(" at ".join(filter(None, (fault["op"], fault["source"]))))


def facts(fault: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of what is known: cause, input, remedy, bundle."""
    first = fault["diagnosis"][0] if fault["diagnosis"] else None
    if fault["called_at"] and fault["called_at"] != fault["source"]:
        yield "called", f"from {fault['called_at']}"
    yield "cause", fault["cause"]
    if first and first["paste"]:
        paste = first["paste"]
        yield "input", paste if len(paste) <= _LONGEST else f"{paste[:_LONGEST]}... (--json holds all)"
    if fault["remedy"]:
        tried = f" ({TRIED[first['verified']]})" if first else ""
        yield ADVICE[first["verified"] if first else None], fault["remedy"].rstrip(". ") + tried
    if fault["bundle"]:
        yield "bundle", fault["bundle"]


def summary(numbers: Mapping[str, Any], faults: int, code: int) -> str:
    """What the script did, in a line."""
    did = f"{counted(numbers.get('steps') or 0, 'step')}, {counted(numbers.get('backwards') or 0, 'backward')}"
    found = counted(faults, "fault") if faults else "nothing found"
    ends = {
        "stopped": "stopped",
        "raised": "the script raised an error",
        "interrupted": "interrupted",
        "died": f"the script ended without a word, exit code {code}",
    }
    ended = ends.get(numbers.get("ended", "died"), f"exit code {code}" if code else "")
    return f"{did}: {found}" + (f"; {ended}" if ended else "")


def plain_lines(record: Mapping[str, Any], width: int = 80) -> Iterator[str]:
    """A fault or a note as lines of text."""
    if "note" in record:
        yield from _hang("losszoo watch: note: ", printable(record["note"]), width)
        return
    fault = record["fault"]
    yield f"losszoo watch: {headline(fault)}"
    if fault["source"]:
        yield f"  {place(fault)}"
    if fault["code"]:
        yield f"    {printable(fault['code'])}"
    for name, text in facts(fault):
        yield from _hang(f"  {name.ljust(7)} ", printable(text), width)


def _hang(lead: str, text: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, max(width - len(lead), 30), break_long_words=False, break_on_hyphens=False)
    return [(lead if not i else " " * len(lead)) + line for i, line in enumerate(lines)]
