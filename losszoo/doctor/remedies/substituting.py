"""An operation is computed in another form wherever it is met in a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from losszoo.doctor.remedies.spelling import SpelledTape, Spelling, spelling_of
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.tracing.authors import place_of
from losszoo.tracing.operations import operation, written_by
from losszoo.tracing.tape import Record, Site

# Operation, line, and its text there.
Key = tuple[str, str | None, str | None]


class Substituting(SpelledTape):
    """Computes some operations in another form, and keeps account of it.

    Args:
        remedies: for each operation, the form to compute it in.
    """

    def __init__(self, remedies: Mapping[Key, Remedy]) -> None:
        super().__init__()
        self.remedies = remedies
        self._operations = {op for op, _, _ in remedies}
        self.codes: dict[Key, set[str | None]] = {}
        self.words: dict[Key, str | None] = {}
        self.pasteable = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = operation(func)
        if name in self._operations and written_by(func, args, kwargs) is None:
            spelling = spelling_of(self.author_frame(), name, func, args, kwargs)
            site = Site(name, place_of(self.author_frame()))
            remedy = self.remedies.get((name, site.source, spelling.text))
            if remedy is not None:
                record = Record(len(self.records), site, func, tuple(args), kwargs, None)
                written, result = self._replace(record, spelling, remedy)
                if written is not None:
                    self._write(name, func, args, kwargs, result)
                    return result
        return super().__torch_function__(func, types, args, kwargs)

    def _replace(self, record: Record, spelling: Spelling, remedy: Remedy) -> tuple[str | None, Any]:
        """Run the remedy's code on the operands; None where it has none for them."""
        key = record.site.op, record.site.source, spelling.text
        writing = Writing(record, spelling, self, self.author_frame())
        code = remedy.make(writing)
        self.codes.setdefault(key, set()).add(None if code is None else writing.text(code))
        if code is None:
            return None, None
        self.words.setdefault(key, writing.words(code))
        self.pasteable = self.pasteable and writing.is_pasteable
        return code, writing.compute(code)

    def applied(self) -> dict[Key, str] | None:
        """The code of each form; None unless each was made wherever its operation was met, by one and the same code."""
        found = {key: next(iter(codes)) for key, codes in self.codes.items() if len(codes) == 1}
        whole = found.keys() == self.remedies.keys()
        return {k: c for k, c in found.items() if c is not None} if whole and None not in found.values() else None
