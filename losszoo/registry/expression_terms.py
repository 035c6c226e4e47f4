"""What an expression is made of, and how it is written: ``str`` gives text that is parsed to the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from losszoo.losses.sums.schedules import Schedule, number_text
from losszoo.losses.sums.words import KINDS, WORDS

TOKENS = re.compile(
    r"""(?P<target>(?:(?:[A-Za-z]:(?=[\\/]))?[^\s()*+,="'\[\]:-][^\s()*+,="'\[\]:]*\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[A-Za-z_]\w*(?:-[A-Za-z0-9_]+)*)
      | (?P<string>"[^"]*"|'[^']*')
      | (?P<mark>[()*+,=\[\]-])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Call:
    """A loss by name or target, its arguments, and the losses inside where it combines some."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    inner: tuple[Weighted, ...] = ()
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """Text that is parsed to this call."""
        match = TOKENS.fullmatch(self.name)
        bare = match is not None and match.lastgroup in ("name", "target") and self.name not in KINDS
        name = self.name if bare else _quoted(self.name)
        parts = [str(term) for term in self.inner]
        parts += [f"{key}={_value(value)}" for key, value in self.arguments.items()]
        return f"{name}({', '.join(parts)})" if parts else name


@dataclass(frozen=True)
class Weighted:
    """A loss times a number times schedules."""

    call: Call
    scale: float = 1.0
    schedules: tuple[Schedule, ...] = ()

    def __str__(self) -> str:
        """Text that is parsed to this term."""
        factors = [] if self.scale == 1 else [number_text(self.scale)]
        factors += [str(schedule) for schedule in self.schedules]
        return "*".join([*factors, str(self.call)])


def _quoted(text: str) -> str:
    """A string token; no text of the grammar holds both kinds of quotes."""
    return f"'{text}'" if '"' in text else f'"{text}"'


def _value(value: Any) -> str:
    if isinstance(value, str):
        match = TOKENS.fullmatch(value)
        bare = match is not None and match.lastgroup == "name" and value.lower() not in WORDS
        return value if bare else _quoted(value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(_value(item) for item in value)}]" if isinstance(value, list) else repr(value)
