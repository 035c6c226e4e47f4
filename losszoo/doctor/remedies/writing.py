"""A replacement as code: the text that is run in place of an operation is the text that a person is told."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.remedies.source_text import (
    as_index,
    callee,
    elsewhere,
    in_its_place,
    is_plain,
    is_short,
    unparsed,
    written,
)
from losszoo.doctor.remedies.spelling import SpelledTape, Spelling, names_in
from losszoo.tracing.tape import Record

# A line that is longer is no advice.
LONGEST = 400
_SLOT = re.compile(r"\b_(\d+)_\b")
# Arguments of torch's own that say nothing when they are so.
_DEFAULTS = {
    "p": ("fro", 2),
    "keepdim": (False,),
    "_stacklevel": (2, 3),
    "inplace": (False,),
    "reduction": ("mean",),
    "ord": (2,),
    "blank": (0,),
}


class Writing:
    """The code of one replacement. What it reads are slots, ``_0_``: each bound to a value, and to a text to show.

    Args:
        record: the operation to be replaced.
        spelling: of it.
        tape: of what came before.
        frame: the line it stands on.
    """

    def __init__(self, record: Record, spelling: Spelling, tape: SpelledTape, frame: FrameType | None) -> None:
        self.record = record
        self.spelling = spelling
        self.tape = tape
        self.frame = frame
        self._slots: dict[Any, str] = {}
        self._values: dict[str, Any] = {}
        self._shown: dict[str, str] = {}
        self._hints: dict[str, tuple[str, str]] = {}
        self._lets: dict[str, str] = {}

    @property
    def x(self) -> str:
        """The first operand."""
        return self.operand(self.record, 0, "x")

    @property
    def y(self) -> str:
        """The second operand."""
        return self.operand(self.record, 1, "y")

    @property
    def parts(self) -> tuple[str, str]:
        """Left and right operand."""
        first, second = self.operand(self.record, 0, "a"), self.operand(self.record, 1, "b")
        return (second, first) if self.record.is_reversed else (first, second)

    @property
    def rest(self) -> str:
        """The arguments after the first, each behind a comma."""
        return self.rest_of(self.record)

    @property
    def callee(self) -> str:
        """The operation as a function."""
        return callee(self.record)

    def rest_of(self, record: Record, skip: int = 1, without: tuple[str, ...] = ()) -> str:
        """The arguments of an operation after the first ones, each behind a comma."""
        placed = [self.operand(record, i) for i in range(skip, len(record.args))]
        named = [
            f"{key}={self.operand(record, key)}"
            for key, value in record.kwargs.items()
            if key not in without and value is not None and value not in _DEFAULTS.get(key, ())
        ]
        return "".join(f", {text}" for text in (*placed, *named))

    def operand(self, record: Record, position: int | str, hint: str = "x") -> str:
        """One argument of an operation on the tape: a slot, or the plain value itself.

        Args:
            record: the operation.
            position: of a positional argument, or the name of another.
            hint: the name to give it where it has none that could be written there.
        """
        value = record.args[position] if isinstance(position, int) else record.kwargs[position]
        return self._slot(value, record, position, hint)

    def index(self, record: Record) -> str | None:
        """What a tensor is indexed with."""
        values = record.args[1] if isinstance(record.args[1], tuple) else (record.args[1],)
        texts = [
            self._slot(value, record, 1 + i, "index") if isinstance(value, Tensor) else as_index(value)
            for i, value in enumerate(values)
        ]
        return None if any(text is None for text in texts) else ", ".join(map(str, texts))

    def _slot(self, value: Any, record: Record, position: int | str, hint: str) -> str:
        spelling = self._spelling_of(record)
        text = spelling.of(position)
        if text is not None and not (self.frame is not None and spelling.stands_in(self.frame, text)):
            text = None
        if is_plain(value) and text in (None, repr(value)):
            return repr(value)
        # The same tensor is the same slot; equal numbers may mean different things.
        key = id(value) if isinstance(value, Tensor) else (record.index, position)
        slot = self._slots.setdefault(key, f"_{len(self._values)}_")
        self._values[slot] = value
        self._hints.setdefault(slot, (hint, elsewhere(record, spelling.of(position))))
        if text is not None:
            self._shown.setdefault(slot, text)
        return slot

    def let(self, code: str, hint: str) -> str:
        """A name for a part that is used more than once."""
        slot = next((name for name, part in self._lets.items() if part == code), f"_{len(self._values)}_")
        self._values[slot] = None
        self._lets[slot] = code
        self._hints[slot] = (hint, "")
        return slot

    def _spelling_of(self, record: Record) -> Spelling:
        return self.spelling if record is self.record else self.tape.spellings[record.index]

    def compute(self, code: str) -> Any:
        """What the code gives."""
        names: dict[str, Any] = {**self._values, "torch": torch, "math": math}
        for slot, definition in self._lets.items():
            names[slot] = _run(definition, names)
        return _run(code, names)

    def text(self, code: str) -> str:
        """The code with its parts, in slots: the same text is the same computation."""
        return "; ".join([*(f"{slot} = {part}" for slot, part in self._lets.items()), code])

    @property
    def is_pasteable(self) -> bool:
        """Whether the operation stands in the author's line, and every value of the code has a text there."""
        known = all(slot in self._shown or slot in self._lets for slot in self._values)
        return self.spelling.text is not None and known

    def words(self, code: str) -> str | None:
        """What to write instead of what, and where; None where it would be too long to be an advice."""
        names: dict[str, str] = {}
        show = functools.partial(self._show, names, _SLOT.findall(self.text(code)))
        main = unparsed(_SLOT.sub(show, code))
        instead = self.spelling.text or written(
            self.record, [self._name_of(value, names) for value in self.record.args]
        )
        where: list[str] = []
        while len(where) < len(names):  # a definition may need another one
            where.append(self._definition(*list(names.items())[len(where)], show))
        at = f" at {self.record.site.source}" if self.record.site.source else ""
        advice = f"write {in_its_place(main, self.spelling.text)} instead of {instead}{at}"
        advice += f", where {', '.join(where)}" if where else ""
        return advice if len(advice) <= LONGEST else None

    def _show(self, names: dict[str, str], uses: list[str], match: re.Match[str]) -> str:
        """A slot as the author wrote it, or a name that is defined behind the code."""
        slot, shown = match[0], self._shown.get(match[0])
        if shown is not None and (uses.count(match[1]) == 1 or is_short(shown)):
            return f"({shown})"
        if slot not in names:
            hint, taken = self._hints[slot][0], {*names.values(), *self._authors_names()}
            names[slot] = next(n for n in (hint, *(f"{hint}{i}" for i in range(2, 99))) if n not in taken)
        return names[slot]

    def _definition(self, slot: str, name: str, show: Callable[[re.Match[str]], str]) -> str:
        if slot in self._lets:
            return f"{name} = {unparsed(_SLOT.sub(show, self._lets[slot]))}"
        return f"{name} = {self._shown[slot]}" if slot in self._shown else f"{name} is {self._hints[slot][1]}"

    def _authors_names(self) -> set[str]:
        shown = [*self._shown.values(), *([self.spelling.text] if self.spelling.text else [])]
        return {name for text in shown for name in names_in(text)}

    def _name_of(self, value: Any, names: dict[str, str]) -> str:
        slot = self._slots.get(id(value))
        return names.get(slot or "", self._shown.get(slot or "", "x")) if isinstance(value, Tensor) else repr(value)


def _run(code: str, names: dict[str, Any]) -> Any:
    # The code is made of the table's templates; what the author wrote is bound to names and never run.
    return eval(code, names)  # noqa: S307


Make = Callable[[Writing], str | None]


@dataclass(frozen=True)
class Remedy:
    """A way to compute an operation that does not break.

    Args:
        name: short, unique in the table.
        make: writes the code from the operation's operands; None where it does not apply.
    """

    name: str
    make: Make
