"""Sums of losses with weights, schedules and penalties, every term in sight."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.contract.loss import Loss
from losszoo.contract.parameters import refuse_inside
from losszoo.contract.schedules import Schedule
from losszoo.errors import UsageError

# Signatures called with the same two tensors, the later one being the stricter.
_INTERCHANGEABLE = ("binary", "regression", "segmentation")


@dataclass(frozen=True)
class Term:
    """One loss of a sum: its label in the log, its weight, and the schedules that multiply the weight."""

    label: str
    loss: Loss | SumLoss
    scale: float = 1.0
    schedules: tuple[Schedule, ...] = ()

    def weight(self, epoch: float) -> float:
        """The weight at that epoch."""
        product = self.scale
        for schedule in self.schedules:
            product *= schedule.at(epoch)
        return product


class SumLoss(nn.Module):
    r"""A weighted sum of losses, made from an expression.

    .. math:: L = \sum_i w_i(\text{epoch}) \, L_i

    Args:
        terms: the losses with their weights.
        combiner: a module that turns the list of weighted terms into one number (``uncertainty``); None adds them.

    Call :meth:`set_epoch` at the start of an epoch where a weight has a schedule. ``state_dict`` holds the epoch.
    """

    def __init__(self, terms: Sequence[Term], combiner: nn.Module | None = None) -> None:
        super().__init__()
        self._terms = _with_unique_labels(terms)
        self.losses = nn.ModuleList(term.loss for term in self._terms)
        self.combiner = combiner
        self.epoch = 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_inside(self, name, value)
        super().__setattr__(name, value)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms, in the order of the expression."""
        return self._terms

    @property
    def signatures(self) -> tuple[str, ...]:
        """The signatures of the terms, each once."""
        return tuple(dict.fromkeys(leaf.signature for leaf in leaves(self)))

    @property
    def signature(self) -> str:
        """The one signature that the inputs of a direct call have."""
        own = [name for name in self.signatures if name != "penalty"] or ["penalty"]
        if len(own) > 1 and all(name in _INTERCHANGEABLE for name in own):
            return max(own, key=_INTERCHANGEABLE.index)
        if len(own) > 1:
            raise UsageError(
                f"a sum that is called with one tuple of inputs must have one signature, however: {' and '.join(own)}; "
                "use loss.evaluate(inputs), which takes inputs by signature"
            )
        return own[0]

    def set_epoch(self, epoch: float) -> None:
        """The epoch, from 0, at which schedules are read."""
        self.epoch = float(epoch)
        for loss in self.losses:
            if isinstance(loss, SumLoss):
                loss.set_epoch(epoch)

    def get_extra_state(self) -> dict[str, float]:
        """The epoch, for ``state_dict``."""
        return {"epoch": self.epoch}

    def set_extra_state(self, state: Mapping[str, float]) -> None:
        """The epoch, from ``load_state_dict``."""
        self.epoch = float(state["epoch"])

    def forward(self, *inputs: Any, parameters: Iterable[Tensor] | None = None, **how: Any) -> Tensor:
        """The total. ``parameters`` feeds the penalties; weight, mask and denominator go to every other term."""
        given = list(parameters) if parameters is not None else None
        signature = self.signature

        def inputs_of(loss: Loss) -> tuple[Any, ...]:
            if loss.signature != "penalty" or signature == "penalty":
                return inputs
            if given is None:
                raise UsageError(
                    "a sum with a penalty must be called with parameters=model.parameters(), however: parameters=None"
                )
            return (given,)

        return self.combine(self.values(inputs_of, **how))

    def evaluate(self, inputs: Mapping[str, tuple[Any, ...]], **how: Any) -> Tensor:
        """The total for inputs given by signature: ``{"multiclass": (logits, targets), "embedding": (z, labels)}``."""
        return self.combine(self.values(lambda loss: inputs[loss.signature], **how))

    def values(self, inputs_of: Callable[[Loss], tuple[Any, ...]], **how: Any) -> dict[str, Tensor]:
        """Every term's own value, unweighted, by label. ``inputs_of`` gives the inputs of a loss.

        ``denominator`` is a number for a sum of one loss of the data, else a mapping by label: the terms of a sum
        count different things.
        """
        given = how.pop("denominator", None)
        if given is not None and not isinstance(given, Mapping) and self._data_terms > 1:
            raise UsageError(
                f"denominator must be a mapping by label ({', '.join(t.label for t in self._terms)}), as each term has "
                f"its own count, however: denominator={given}"
            )
        return {term.label: self._value(term, inputs_of, {**how, **_own(given, term.label)}) for term in self._terms}

    def combine(self, values: Mapping[str, Tensor]) -> Tensor:
        """The weighted total of the terms' values."""
        weighted = [_weighted(values[term.label], term.weight(self.epoch)) for term in self._terms]
        if self.combiner is not None:
            combined: Tensor = self.combiner(weighted)
            return combined
        shapes = {tuple(value.shape) for value in weighted if value.ndim > 0}
        if len(shapes) > 1:
            raise UsageError(
                f"the unreduced terms of a sum must have one shape, however: {', '.join(map(str, sorted(shapes)))}"
            )
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return total

    @property
    def _data_terms(self) -> int:
        return sum(leaf.signature != "penalty" for leaf in leaves(self))

    def _value(self, term: Term, inputs_of: Callable[[Loss], tuple[Any, ...]], how: Mapping[str, Any]) -> Tensor:
        """A term's value; one that is switched off is computed for the log only, so no NaN of it has a gradient."""
        on = term.weight(self.epoch) != 0 or not any(t.weight(self.epoch) for t in self._terms)
        with contextlib.nullcontext() if on else torch.no_grad():
            loss = term.loss
            if isinstance(loss, SumLoss):
                return loss.combine(loss.values(inputs_of, **how))
            value: Tensor = loss(*inputs_of(loss), **({} if loss.signature == "penalty" else how))
            return value


def _own(denominator: Any, label: str) -> dict[str, Any]:
    if isinstance(denominator, Mapping):
        return {"denominator": denominator[label]} if label in denominator else {}
    return {} if denominator is None else {"denominator": denominator}


def _weighted(value: Tensor, weight: float) -> Tensor:
    """A weight of 0 switches a term off, a NaN or an infinity in it included."""
    return value * weight if weight != 0 else torch.where(torch.isfinite(value), value, 0.0) * 0.0


def leaves(loss: nn.Module) -> list[Loss]:
    """The single losses that a loss is made of: itself, or the leaves of a sum."""
    if isinstance(loss, SumLoss):
        return [leaf for term in loss.terms for leaf in leaves(term.loss)]
    if isinstance(loss, Loss):
        return [loss]
    raise UsageError(f"this must be a loss of the zoo, however: {type(loss).__name__}; pass it through losszoo.create")


def _with_unique_labels(terms: Sequence[Term]) -> tuple[Term, ...]:
    seen: dict[str, int] = {}
    unique = []
    for term in terms:
        seen[term.label] = seen.get(term.label, 0) + 1
        label = term.label if seen[term.label] == 1 else f"{term.label} #{seen[term.label]}"
        unique.append(Term(label, term.loss, term.scale, term.schedules))
    return tuple(unique)
