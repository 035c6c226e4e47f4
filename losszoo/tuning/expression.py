"""A loss expression whose parameters and weights are searched, and written back as text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from losszoo.registry.expressions import Call, Weighted, parse


class Expression:
    """An expression whose losses have labels of their own: the second ``focal`` of a sum is ``focal-2``.

    Args:
        text: as the user wrote it.

    Example:
        >>> tuned = Expression("0.7*focal + dice")
        >>> tuned.with_values({"loss.focal.gamma": 1.3, "weight.dice": 0.2})
        '0.7*focal(gamma=1.3) + 0.2*dice'
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._terms = parse(text)
        self.terms: dict[str, Weighted] = {}
        for term in _leaves(self._terms):
            self.terms[self._label(term.call)] = term

    @property
    def alone(self) -> bool:
        """Whether this is one loss, whose parameters ``--set loss.gamma=1`` reaches too."""
        term = self._terms[0]
        return len(self._terms) == 1 and term.scale == 1 and not term.schedules and not term.call.inner

    def key(self, label: str, parameter: str) -> str:
        """What a search calls the parameter of a loss: ``loss.gamma``, or ``loss.focal.gamma`` in a sum."""
        return f"loss.{parameter}" if self.alone else f"loss.{label}.{parameter}"

    def with_values(self, values: Mapping[str, Any]) -> str:
        """The expression with these parameters (``loss.``) and weights (``weight.``) in it."""
        if not values:
            return self.text
        labels = iter(self.terms)
        return " + ".join(str(term) for term in self._filled(self._terms, labels, values)).replace("+ -", "- ")

    def _filled(
        self, terms: tuple[Weighted, ...], labels: Iterator[str], values: Mapping[str, Any]
    ) -> Iterator[Weighted]:
        for term in terms:
            if term.call.inner:
                yield replace(term, call=replace(term.call, inner=tuple(self._filled(term.call.inner, labels, values))))
                continue
            label = next(labels)
            prefix = self.key(label, "")
            new = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
            call = replace(term.call, arguments={**term.call.arguments, **new})
            yield replace(term, call=call, scale=values.get(f"weight.{label}", term.scale))

    def _label(self, call: Call) -> str:
        name = call.name.rpartition(":")[2]
        numbered = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
        return next(label for label in numbered if label not in self.terms)


def _leaves(terms: tuple[Weighted, ...]) -> Iterator[Weighted]:
    for term in terms:
        if term.call.inner:
            yield from _leaves(term.call.inner)
        else:
            yield term
