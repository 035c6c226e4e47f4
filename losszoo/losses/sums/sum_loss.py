"""Sums of losses with weights, schedules and penalties, every term in sight."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from losszoo.common.text import kind_name, shown
from losszoo.errors import UsageError
from losszoo.losses.parameters import refuse_inside
from losszoo.losses.signatures.signature import Signature, interchangeable
from losszoo.losses.sums.idle import warn_of_idle
from losszoo.losses.sums.schedules import Schedule, number_text
from losszoo.losses.sums.training_clock import Clock
from losszoo.losses.traced import left_out_of_scripts

# What goes to the terms beside their inputs; no label can be one of these words.
_OF_A_CALL = ("weight", "mask", "denominator")


class Summable(nn.Module):
    """What can stand in a sum: ``0.5*a + b`` of losses that are made already."""

    def __init_subclass__(cls) -> None:
        left_out_of_scripts(cls)

    def _as_terms(self) -> tuple[Term, ...]:
        return (Term(str(getattr(self, "identity", type(self).__name__)), self),)

    @property
    def signature(self) -> str:
        """Name of the signature."""
        raise NotImplementedError

    # TorchScript reads every property, and a sum has no such one.
    if TYPE_CHECKING:

        @property
        def rules(self) -> Signature:
            """The signature itself: what the loss is called with, and how a task is joined to it."""

    def __mul__(self, scale: Any) -> SumLoss:
        if isinstance(scale, bool) or not isinstance(scale, Real):
            return NotImplemented
        # A whole number may be too large for a float.
        if not abs(scale) <= sys.float_info.max:  # type: ignore[operator]
            raise UsageError(f"the weight of a loss must be finite, got {shown(scale)}")
        return SumLoss([replace(term, scale=term.scale * float(scale)) for term in self._as_terms()])

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> SumLoss:
        if isinstance(divisor, bool) or not isinstance(divisor, Real):
            return NotImplemented
        if divisor == 0:
            raise UsageError("the weight of a loss must be finite, got a division by 0")
        return self * (1 / divisor)

    def __neg__(self) -> SumLoss:
        return self * -1.0

    def __add__(self, other: Any) -> SumLoss:
        if isinstance(other, int | float) and other == 0:  # what sum() begins with
            return self * 1.0
        return SumLoss([*self._as_terms(), *other._as_terms()]) if isinstance(other, Summable) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> SumLoss:
        return self + -other if isinstance(other, Summable) else NotImplemented


@dataclass(frozen=True)
class Term:
    """One loss of a sum: its label in the log, its weight, and the schedules that multiply the weight."""

    label: str
    loss: Summable
    scale: float = 1.0
    schedules: tuple[Schedule, ...] = ()

    def weight(self, epoch: float, step: int = 0) -> float:
        """The weight at that epoch and step."""
        product = self.scale
        for schedule in self.schedules:
            product *= schedule.at(epoch, step)
        return product

    def __str__(self) -> str:
        factors = [] if self.scale == 1 else [number_text(self.scale)]
        return "*".join([*factors, *map(str, self.schedules), self.label])


class _Weights(dict[str, float]):
    """The weights of a sum: a copy, so that to set one would do nothing."""

    def __setitem__(self, label: str, weight: float) -> None:
        raise UsageError(
            f"the weight of {label} must be set where the loss is made, as in losszoo.create('0.5*{label} + ...'), "
            f"got weights[{label!r}] = {weight!r}, which would do nothing"
        )

    def update(self, *others: Any, **more: Any) -> None:
        for label, weight in dict(*others, **more).items():
            self[label] = weight

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class SumLoss(Summable):
    r"""A weighted sum of losses, made from an expression or from losses: ``0.5*a + b``.

    .. math:: L = \sum_i w_i(\text{epoch}, \text{step}) \, L_i

    Where a weight has a schedule over epochs, call :meth:`set_epoch` at the start of each epoch; a warning says when
    nobody has. Steps are counted: one for every call in training mode with a graph, unless :meth:`set_step` tells them.
    ``state_dict`` holds both.

    Args:
        terms: the losses with their weights.
        combiner: a module that turns the list of weighted terms into one number (``uncertainty``); None adds them. If
            it says ``leaves_out_empty = True``, an empty tensor stands for a term that a batch leaves out.
    """

    # TorchScript would read it at run time.
    if TYPE_CHECKING:
        combiner: nn.Module | None

    def __init__(self, terms: Sequence[Term], combiner: nn.Module | None = None) -> None:
        super().__init__()
        self._terms = _with_unique_labels(terms)
        self.losses = nn.ModuleList(term.loss for term in self._terms)
        # Past the check of misspelt parameters: the miner of a term is nearly its name.
        super().__setattr__("combiner", combiner)  # type: ignore[arg-type]
        self.clock = Clock()

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_inside(self, name, value)
        super().__setattr__(name, value)

    def extra_repr(self) -> str:
        """Shown by ``print(loss)``."""
        return " + ".join(map(str, self._terms))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms, in the order of the expression."""
        return self._terms

    @property
    def signatures(self) -> tuple[str, ...]:
        """The signatures of the terms, each once."""
        return tuple(dict.fromkeys(leaf.signature for _, leaf in self._labelled()))

    @property
    def signature(self) -> str:
        """The one signature that the inputs of a direct call have."""
        rules = {leaf.signature: leaf.rules for _, leaf in self._labelled()}
        own = [name for name, rule in rules.items() if not rule.on_parameters] or list(rules)[:1]
        if len(own) > 1:
            strictest = interchangeable([rules[name] for name in own])
            if strictest is not None:
                return strictest.name
            raise UsageError(
                f"a sum that is called with one tuple of inputs must have one signature, got {' and '.join(own)}; "
                "use loss.evaluate(inputs), which takes inputs by signature"
            )
        return own[0]

    @property
    def epoch(self) -> float:
        """At which schedules over epochs are read; can be set."""
        return self.clock.epoch

    @epoch.setter
    def epoch(self, epoch: float) -> None:
        self.set_epoch(epoch)

    @property
    def step(self) -> int:
        """At which schedules over steps are read in the next call; can be set, as by :meth:`set_step`."""
        return self.clock.step

    @step.setter
    def step(self, step: int) -> None:
        self.set_step(step)

    def set_epoch(self, epoch: float) -> None:
        """The epoch, from 0, at which schedules are read; the losses inside get it too."""
        self.clock.set_epoch(epoch)
        for loss in self.losses:
            loss.set_epoch(epoch)  # type: ignore[operator]

    def set_step(self, step: int) -> None:
        """The step, from 0, at which schedules are read: from now on calls are not counted.

        For a loop that calls the loss several times for one step of the optimizer; tell it before each step.
        """
        self.clock.set_step(step)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term by label, as in the latest call; to be read, as they follow the expression."""
        return _Weights({term.label: self._weight(term, self.clock) for term in self._terms})

    def get_extra_state(self) -> dict[str, Any]:
        """Epoch and step, for ``state_dict``."""
        return self.clock.state()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Epoch and step, from ``load_state_dict``."""
        self.clock.restore(state)

    @torch.jit.unused
    def forward(self, *inputs: Any, parameters: Iterable[Tensor] | None = None, **how: Any) -> Tensor:
        """The total. ``parameters`` feeds the penalties; weight, mask and denominator go to every other term.

        Terms with inputs of their own get them by label, ``loss(mse=(ages, true_ages), mae=(sizes, true_sizes))``: see
        :meth:`evaluate`. A dash of a label is an underscore there.
        """
        by_label = self._by_label(inputs, how)
        if by_label:
            if parameters is not None:
                penalties = [leaf.signature for _, leaf in self._labelled() if leaf.rules.on_parameters]
                by_label |= dict.fromkeys(penalties, (list(parameters),))
            return self.evaluate(by_label, **{name: how[name] for name in _OF_A_CALL if name in how})
        given = list(parameters) if parameters is not None else None
        only_penalties = not self._data_terms
        _ = self.signature  # refuses a sum whose terms are called with different inputs

        def inputs_of(loss: Summable) -> tuple[Any, ...]:
            if not loss.rules.on_parameters or only_penalties:
                return inputs
            if given is None:
                raise UsageError(
                    "a sum with a penalty must be called with parameters=model.parameters(), got parameters=None"
                )
            return (given,)

        return self.combine(self.values(inputs_of, **how))

    def evaluate(self, inputs: Mapping[str, tuple[Any, ...] | None], **how: Any) -> Tensor:
        """The total for inputs given by signature: ``{"multiclass": (logits, targets), "embedding": (z, labels)}``.

        A key may also be the label of a term, where two of one signature have inputs of their own:
        ``{"mse": (ages, true_ages), "mae": (sizes, true_sizes)}``. So may ``weight``, ``mask`` and ``denominator`` be
        mappings by label. ``None`` in place of a tuple leaves the term out of this batch, as where it has no labels.

        Raises:
            UsageError: a term without inputs, inputs without a term, or no term that is left.
        """
        labels = dict(self._labelled())
        known = [*labels, *(term.label for term in self._terms), *(leaf.signature for leaf in labels.values())]
        for key, value in inputs.items():
            if key not in known:
                raise UsageError(
                    f"inputs must be by label or signature ({', '.join(dict.fromkeys(known))}), got {key!r}"
                )
            if value is not None and (not isinstance(value, Sequence) or isinstance(value, str)):
                raise UsageError(f"inputs[{key!r}] must be a tuple of arguments, got {kind_name(value)}")

        def inputs_of(term: Term, leaf: Summable) -> tuple[Any, ...] | None:
            for key in (term.label, leaf.signature):
                if key in inputs:
                    return inputs[key]
            raise UsageError(
                f"inputs must hold those of {term.label}, under {term.label!r} or {leaf.signature!r}, "
                f"got {', '.join(map(repr, inputs)) or 'none'}; None leaves the term out"
            )

        self._check_labels(how)
        clock = self._tick()
        total = self._combined(self._values_at(clock, inputs_of, how, inputs), clock)
        if total is None:
            raise UsageError(f"at least one term of {', '.join(labels)} must have inputs, got None for each")
        return total

    def values(self, inputs_of: Callable[[Any], tuple[Any, ...]], **how: Any) -> dict[str, Tensor]:
        """Every term's own value, unweighted, by label. ``inputs_of`` gives the inputs of a loss.

        ``denominator`` is a number for a sum of one loss of the data, else a mapping by label: the terms of a sum
        count different things. What is a function is asked for each loss, after its inputs.
        """
        self._check_labels(how)
        return self._values_at(self._tick(), lambda _, loss: inputs_of(loss), how)

    def combine(self, values: Mapping[str, Tensor]) -> Tensor:
        """The weighted total of the terms' values, with the weights of the latest call."""
        lacking = [term.label for term in self._terms if term.label not in values]
        if lacking:
            raise UsageError(f"values must hold those of every term, got none of {', '.join(lacking)}")
        total = self._combined(values, self.clock)
        assert total is not None
        return total

    def _by_label(self, inputs: tuple[Any, ...], how: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs that are given by keyword, under the labels of terms."""
        labels = dict.fromkeys([*(term.label for term in self._terms), *dict(self._labelled())])
        keywords = {label.replace("-", "_"): label for label in labels} | {label: label for label in labels}
        if not any(name in keywords for name in how):
            return {}
        if inputs:
            raise UsageError(f"inputs must be by position or by label, got both; the labels are {', '.join(labels)}")
        for name in how:
            if name not in keywords and name not in _OF_A_CALL:
                raise UsageError(f"inputs must be by the label of a term ({', '.join(keywords)}), got {name!r}")
        return {keywords[name]: value for name, value in how.items() if name in keywords}

    def _as_terms(self) -> tuple[Term, ...]:
        if self.combiner is None:
            return self._terms
        name = getattr(getattr(self.combiner, "identity", None), "name", type(self.combiner).__name__)
        return (Term(f"{name}({', '.join(term.label for term in self._terms)})", self),)

    def _check_labels(self, how: Mapping[str, Any]) -> None:
        """What is given by label belongs to a term; the denominator of a label that is no term would be left out."""
        for name, value in how.items():
            for label in value if isinstance(value, Mapping) else ():
                known = [known for known, _ in self._labelled()]
                if label not in known:
                    raise UsageError(f"{name} must be by the label of a term ({', '.join(known)}), got {label!r}")

    def _tick(self) -> Clock:
        if not self.clock.weighed and self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            self.clock.weighed = True
            warn_of_idle(self._terms)
        schedules = [schedule for _, schedule in self._schedules()]
        if schedules:
            by_epoch = any(s.unit == "epochs" and s.kind != "constant" for s in schedules)
            self.clock.tick(training=self.training, by_epoch=by_epoch)
        return self.clock

    def _schedules(self) -> Iterator[tuple[Term, Schedule]]:
        for term in self._terms:
            yield from ((term, schedule) for schedule in term.schedules)
            if isinstance(term.loss, SumLoss):
                yield from term.loss._schedules()

    def _labelled(self) -> Iterator[tuple[str, Summable]]:
        for term in self._terms:
            if isinstance(term.loss, SumLoss):
                yield from term.loss._labelled()
            else:
                yield term.label, term.loss

    @staticmethod
    def _weight(term: Term, clock: Clock) -> float:
        return term.weight(clock.epoch, clock.now)

    def _combined(self, values: Mapping[str, Tensor], clock: Clock) -> Tensor | None:
        """The total of the terms that have a value; None where none has."""
        there = [term for term in self._terms if term.label in values]
        weighted = [_weighted(values[term.label], self._weight(term, clock)) for term in there]
        if not weighted:
            return None
        if self.combiner is not None:
            combined: Tensor = self.combiner(self._in_all_places(there, weighted))
            return combined
        shapes = {tuple(value.shape) for value in weighted if value.ndim > 0}
        if len(shapes) > 1:
            raise UsageError(
                f"the unreduced terms of a sum must have one shape, got {', '.join(map(str, sorted(shapes)))}"
            )
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return total

    def _in_all_places(self, there: Sequence[Term], weighted: Sequence[Tensor]) -> list[Tensor]:
        """What a combiner is called with: one tensor for each term, an empty one of a term that is left out."""
        if len(there) == len(self._terms):
            return list(weighted)
        assert self.combiner is not None
        if not any(getattr(module, "leaves_out_empty", False) for module in self.combiner.modules()):
            lacking = ", ".join(term.label for term in self._terms if term not in there)
            raise UsageError(
                f"{self._as_terms()[0].label} must have inputs for every term, got None for {lacking}; take "
                "batches in which each of them has some"
            )
        known = {term.label: value for term, value in zip(there, weighted, strict=True)}
        return [known.get(term.label, weighted[0].new_empty(0)) for term in self._terms]

    def _values_at(
        self,
        clock: Clock,
        inputs_of: Callable[[Term, Summable], tuple[Any, ...] | None],
        how: Mapping[str, Any],
        whole: Mapping[str, tuple[Any, ...] | None] = MappingProxyType({}),
    ) -> dict[str, Tensor]:
        """The values of the terms that have inputs; ``whole`` has those of sums inside this one, by label."""
        given = how.get("denominator")
        if given is not None and not isinstance(given, Mapping) and self._data_terms > 1:
            raise UsageError(
                f"denominator must be a mapping by label ({', '.join(t.label for t in self._terms)}), as each term has "
                f"its own count, got {given}"
            )
        values = {term.label: self._value(term, clock, inputs_of, how, whole) for term in self._terms}
        return {label: value for label, value in values.items() if value is not None}

    @property
    def _data_terms(self) -> int:
        return sum(not leaf.rules.on_parameters for _, leaf in self._labelled())

    def _value(
        self,
        term: Term,
        clock: Clock,
        inputs_of: Callable[[Term, Summable], tuple[Any, ...] | None],
        how: Mapping[str, Any],
        whole: Mapping[str, tuple[Any, ...] | None],
    ) -> Tensor | None:
        """A term's value; one that is switched off is computed for the log only, so no NaN of it has a gradient."""
        on = self._weight(term, clock) != 0 or not any(self._weight(t, clock) for t in self._terms)
        with contextlib.nullcontext() if on else torch.no_grad():
            loss = term.loss
            if isinstance(loss, SumLoss):
                inner = (lambda *_: whole[term.label]) if term.label in whole else inputs_of
                return loss._combined(loss._values_at(clock, inner, how, whole), clock)
            inputs = inputs_of(term, loss)
            if inputs is None:
                return None
            own = {} if loss.rules.on_parameters else _own(how, term.label, loss)
            value: Tensor = loss(*inputs, **own)
            return value


def _own(how: Mapping[str, Any], label: str, loss: Summable) -> dict[str, Any]:
    """Of weight, mask and denominator what belongs to a term."""
    by_label = {name: value.get(label) if isinstance(value, Mapping) else value for name, value in how.items()}
    by_label = {name: value(loss) if callable(value) else value for name, value in by_label.items()}
    return {name: value for name, value in by_label.items() if value is not None}


def _weighted(value: Tensor, weight: float) -> Tensor:
    """A weight of 0 switches a term off, a NaN or an infinity in it included."""
    return value * weight if weight != 0 else torch.where(torch.isfinite(value), value, 0.0) * 0.0


def _with_unique_labels(terms: Sequence[Term]) -> tuple[Term, ...]:
    seen: dict[str, int] = {}
    unique = []
    for term in terms:
        seen[term.label] = seen.get(term.label, 0) + 1
        label = term.label if seen[term.label] == 1 else f"{term.label} #{seen[term.label]}"
        unique.append(Term(label, term.loss, term.scale, term.schedules))
    return tuple(unique)
