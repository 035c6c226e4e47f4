"""A peer: another implementation of the same loss."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from losszoo.errors import UsageError

Call = Callable[..., Tensor]


def by_name(*formulas: Call) -> dict[str, Call]:
    """Formulas by the name of their loss, which is that of the function, with dashes."""
    return {formula.__name__.replace("_", "-"): formula for formula in formulas}


class NoAnswerError(UsageError):
    """A peer does not compute this loss, or not with these parameters; says why."""


@dataclass(frozen=True)
class Peer:
    """Another implementation of some of the losses.

    Args:
        name: as in ``--against``.
        distribution: the package that it needs; its version is shown.
        formulas: by loss, ``f(*inputs, **params)``, which returns the mean.
        makers: by loss, ``make(**params)``, which returns such a function; parameters are keyword-only in both.
        different: by loss that it has too, why it cannot be made to compute the same.
    """

    name: str
    distribution: str
    formulas: Mapping[str, Call] = field(default_factory=dict)
    makers: Mapping[str, Callable[..., Call]] = field(default_factory=dict)
    different: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """Of the distribution; None where it is not installed."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def losses(self) -> tuple[str, ...]:
        """Those that it computes."""
        return (*self.formulas, *self.makers)

    def refusal(self, loss: str, given: Mapping[str, Any]) -> str | None:
        """Why the peer cannot compute the loss, as far as known without loading it; None where it may.

        Args:
            loss: name in the zoo.
            given: the hyperparameters that were given; for one that it does not know it has no answer.
        """
        if loss in self.different:
            return f"{self.name} computes something else for {loss}: {self.different[loss]}"
        if loss not in self.losses:
            return f"{self.name} has no {loss}"
        foreign = [name for name in given if name not in self._known(loss)]
        return f"{self.name} has no counterpart of {loss}'s {', '.join(foreign)}" if foreign else None

    def answer(self, loss: str, params: Mapping[str, Any], given: Mapping[str, Any]) -> Call:
        """A function of the inputs with the mean of that loss.

        Args:
            loss: name in the zoo.
            params: every hyperparameter.
            given: those that were given.

        Raises:
            NoAnswerError: it has no such loss, another definition, or no counterpart of a given parameter.
        """
        reason = self.refusal(loss, given)
        if reason is not None:
            raise NoAnswerError(reason)
        options = {name: value for name, value in params.items() if name in self._known(loss)}
        if loss in self.makers:
            return self.makers[loss](**options)
        return lambda *inputs: self.formulas[loss](*inputs, **options)

    def _known(self, loss: str) -> list[str]:
        parameters = inspect.signature({**self.formulas, **self.makers}[loss]).parameters.values()
        return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
