"""A form is tried at one operation on one line, however often the author wrote it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from losszoo.doctor.remedies.spelling import spelling_of
from losszoo.doctor.remedies.substituting import Substituting
from losszoo.doctor.remedies.writing import Remedy
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.authors import place_of
from losszoo.tracing.operations import operation
from losszoo.tracing.tape import Site, Tape


class _Spellings(Tape):
    """How the author wrote an operation of one site."""

    def __init__(self, site: Site) -> None:
        super().__init__(everything=True)
        self.site = site
        self.texts: dict[str | None, None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation(func) == self.site.op and place_of(self.author_frame()) == self.site.place:
            self.texts.setdefault(spelling_of(self.author_frame(), self.site.op, func, args, kwargs or {}).text)
        return super().__torch_function__(func, types, args, kwargs)


class OneSite:
    """The loss with one operation computed in another form.

    Args:
        subject: whose loss.
        site: the operation and its line.
        remedy: the form.
    """

    def __init__(self, subject: Subject, site: Site, remedy: Remedy) -> None:
        self.subject = subject
        spellings = _Spellings(site)
        evaluate(subject, subject.leaves, mode=spellings, gradients=False)
        self._remedies = {(site.op, site.source, text): remedy for text in spellings.texts}
        self.words = ""

    def evaluate(self, leaves: Sequence[Any], dtype: torch.dtype = torch.float32) -> Outcome | None:
        """What the mended loss gives; None where the form was not made, has no words, or raises."""
        mode = Substituting(self._remedies)
        outcome = evaluate(self.subject, leaves, dtype, mode=mode)
        if outcome.values is None or not self._remedies or mode.applied() is None or not all(mode.words.values()):
            return None
        self.words = "; then ".join(dict.fromkeys(text for text in mode.words.values() if text))
        return outcome
