"""What is searched: a dimension for every parameter of the losses, of the recipe and of the trunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from losszoo.losses.sums.leaves import leaves
from losszoo.registry.params import Param
from losszoo.registry.registry import installed
from losszoo.training.make_plan import Choice
from losszoo.training.models.own_network import is_own, network_options
from losszoo.training.models.trunks import LEGAL as TRUNK
from losszoo.training.models.trunks import TRUNKS, trunk_options
from losszoo.training.settings import LEGAL as RECIPE
from losszoo.tuning.expression import Expression

if TYPE_CHECKING:
    from optuna.trial import Trial

# Sizes cost time: none is searched further than this factor from what the task proposes.
_SIZE_FACTOR = 4
# Where a proposal lies outside the range of the table, the range reaches this factor beyond it.
_BEYOND = 10


@dataclass(frozen=True)
class Dimension:
    """One searched setting: a range of numbers, or choices.

    Args:
        key: ``loss.gamma``, ``loss.focal.gamma``, ``weight.dice``, ``recipe.lr`` or ``model.dim``.
        low: end of the range, included.
        high: end of the range, included.
        log: whether steps are taken in the logarithm.
        whole: whether the numbers are whole.
        choices: instead of a range.
    """

    key: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Trial) -> Any:
        """A value of the trial's; a list as its text, since a storage keeps none."""
        if self.choices:
            return trial.suggest_categorical(self.key, [str(x) if isinstance(x, list) else x for x in self.choices])
        if self.whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)

    def meant(self, value: Any) -> Any:
        """The choice whose text a trial was told."""
        return next((x for x in self.choices if isinstance(x, list) and str(x) == value), value)

    def holds(self, value: Any) -> bool:
        """Whether a value, such as the default, can be told to the sampler."""
        if self.choices:
            return value in self.choices
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (not self.whole or value == int(value))

    def __str__(self) -> str:
        """As ``--search`` takes it: ``0.1:10:log`` or ``16,32``."""
        if self.choices:
            return ",".join(str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in self.choices)
        low, high = (int(end) if self.whole else end for end in (self.low, self.high))
        return f"{low}:{high}:log" if self.log else f"{low}:{high}:linear"


@dataclass(frozen=True)
class Known:
    """A setting that may be searched: what is legal, what the task and the loss propose, and its own range."""

    param: Param | None
    default: Any
    own: Dimension | None


class Settable:
    """Every setting of one loss on one task that may be searched.

    Args:
        chosen: loss, task and settings, checked.
        expression: the loss as text; None for an object, whose parameters are not known.
        fixed: keys that the user set, which are not searched.
        trunks: the trunks that are searched; their common options may be searched too.
    """

    def __init__(
        self,
        chosen: Choice,
        expression: Expression | None,
        fixed: Mapping[str, Any],
        trunks: tuple[str, ...] = (),
    ) -> None:
        self._chosen = chosen
        self._expression = expression
        self._trunks = trunks or (chosen.setup.trunk,)
        found = dict([*self._of_losses(), *self._of_recipe(), *self._of_trunks()])
        self.known = {key: known for key, known in found.items() if key not in fixed}

    def dimensions(self) -> dict[str, Dimension]:
        """What is searched when the user names nothing."""
        return {key: known.own for key, known in self.known.items() if known.own is not None}

    def _of_losses(self) -> Iterator[tuple[str, Known]]:
        if self._expression is None:
            return
        for label, term in self._expression.terms.items():
            if not self._expression.alone:
                yield f"weight.{label}", Known(None, term.scale, None)
            spec = None if ":" in term.call.name else installed().loss(term.call.name)
            for param in spec.params if spec else ():
                key = self._expression.key(label, param.name)
                # What the user wrote is kept, and what is left out on purpose (None) has no place in a range.
                free = param.name not in term.call.arguments and param.default is not None
                default = term.call.arguments.get(param.name, param.default)
                yield key, Known(param, default, dimension(key, param) if free else None)

    def _of_recipe(self) -> Iterator[tuple[str, Known]]:
        for name, param in RECIPE.items():
            proposed = getattr(self._chosen.setup.recipe, name)
            key = f"recipe.{name}"
            drawing = any(leaf.rules.draws_candidates for leaf in leaves(self._chosen.built))
            unfit = name == "sample_rate" and not drawing
            own = None if param.search is None or unfit else _around(key, param, proposed)
            yield key, Known(param, proposed, own)

    def _of_trunks(self) -> Iterator[tuple[str, Known]]:
        setup = self._chosen.setup
        if is_own(setup.trunk):
            for name, default in network_options(setup.trunk).items():
                yield f"model.{name}", Known(None, setup.model.get(name, default), None)
            return
        trunk = Param(name="trunk", type="str", default=setup.trunk, choices=tuple(TRUNKS))
        yield "model.trunk", Known(trunk, setup.trunk, None)
        proposals = {**trunk_options(setup.trunk), **setup.model}
        for name, default in trunk_options(self._trunks[0]).items():
            if all(name in trunk_options(other) for other in self._trunks):
                proposed = proposals.get(name, default)
                yield f"model.{name}", Known(TRUNK[name], proposed, _around(f"model.{name}", TRUNK[name], proposed))


def dimension(key: str, param: Param) -> Dimension | None:
    """The range in which a parameter's owner would search; None where it names none and its choices are not finite."""
    if param.choices or param.type == "bool":
        return Dimension(key, choices=param.choices or (False, True))
    ends = param.search
    if ends is None and param.range is not None:
        typed = [int(end) if param.type == "int" and float(end).is_integer() else end for end in param.range]
        ends = param.range if all(param.complaint(end) is None for end in typed) else None  # both ends are legal
    if ends is None or param.type not in ("float", "int") or ends[0] == ends[1]:
        return None
    return Dimension(key, *ends, log=param.log and ends[0] > 0, whole=param.type == "int")


def _around(key: str, param: Param, proposed: float) -> Dimension | None:
    """The range of the table, near what the task proposes: sizes within a factor, others so that it is inside."""
    own = dimension(key, param)
    if own is None or own.choices:
        return own
    if own.whole and own.log:
        low, high = max(1, proposed // _SIZE_FACTOR), proposed * _SIZE_FACTOR
        if param.name == "batch_size":
            powers = {2**exponent for exponent in range(31) if low <= 2**exponent <= high}
            return Dimension(key, choices=tuple(sorted(powers | {int(proposed)})))
        return Dimension(key, min(max(low, own.low), proposed), max(min(high, own.high), proposed), True, True)
    low = own.low if proposed >= own.low or proposed <= 0 else proposed / _BEYOND
    high = own.high if proposed <= own.high else proposed * (_BEYOND if own.log else 1)
    return Dimension(key, low, high, own.log, own.whole)
