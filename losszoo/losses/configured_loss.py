"""What a loss is, apart from its call: its name, and its parameters as attributes that can be set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from losszoo.errors import UsageError, usage_error_like
from losszoo.losses.arguments import BrokenRule, CheckContext
from losszoo.losses.introspection import parameters_of
from losszoo.losses.learned import scalar
from losszoo.losses.parameters import attributes_of, defaults_of, refuse_misspelt, remake, set_attribute
from losszoo.losses.reducing.reducers import Reducer, reducer_of
from losszoo.losses.reduction import Policy
from losszoo.losses.signatures.signature import Signature
from losszoo.losses.sums.sum_loss import Summable
from losszoo.losses.sums.training_clock import as_count
from losszoo.losses.sums.words import OF_ALL


@dataclass(frozen=True)
class LossInfo:
    """The identity of a loss: shown in its errors and its ``repr``.

    Args:
        name: as in the registry, or the target the user gave.
        signature: name of one that is installed.
        expects: what the predictions are.
        owner: plugin and distribution, in words; "" for a user's own.
        params: hyperparameters it was made with.
        check: refuses hyperparameters that are not legal; None where no ranges are known.
        made_by: makes the function from its hyperparameters, where that is a class; None for a function and for an
            object of the user's.
    """

    name: str
    signature: str
    expects: str = "logits"
    owner: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] | None = field(default=None, repr=False, compare=False)
    made_by: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def named(self, error: Exception) -> UsageError:
        """The error with the name of the loss, and whose it is."""
        owner = f" (a loss of {self.owner})" if self.owner else ""
        argument = error.argument if isinstance(error, BrokenRule | UsageError) else ""
        return usage_error_like(error)(f"{self.name}: {error}{owner}", argument=argument)

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.params.items())
        return f"{self.name}({given})" if given else self.name


class ConfiguredLoss(Summable):
    """The parameters of a loss are attributes: ``loss.gamma = 0.5`` takes effect, is checked, and is shown."""

    # TorchScript would read these at run time, and knows no such types.
    if TYPE_CHECKING:
        function: Callable[..., Any]
        identity: LossInfo
        policy: Policy
        _rules: Signature
        # Names and defaults of what can be set; nothing is checked before they are known.
        _defaults: dict[str, Any]
        # What the function is called with.
        _params: dict[str, Any]
        # Options of the signature that the function does not have itself: their defaults, and their values.
        _beside: dict[str, Any]
        _options: dict[str, Any]
        _context: CheckContext
        # Told by set_class_counts: training rows of each class.
        _class_counts: list[float] | None
        # Told by set_sizes to a function whose sizes come from the data.
        _sizes: tuple[int, int] | None
        _set_on_function: tuple[str, ...]
        # Names of the parameters that are learned, each a parameter of this module.
        _learned: tuple[str, ...]
        # Which values count in the reduction; None: all.
        _reducer: Reducer | None

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Also a state whose names still begin with ``core.``, as the function was once called."""
        for name in [name for name in state_dict if name.startswith(f"{prefix}core.")]:
            state_dict[f"{prefix}function.{name.removeprefix(f'{prefix}core.')}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _known_parameters(self, identity: LossInfo) -> dict[str, Any]:
        """Names and defaults of the parameters that the function is called or made with."""
        if identity.made_by is not None:
            own = defaults_of(identity.made_by, of_class=True)
        elif isinstance(self.function, nn.Module):
            return {}
        else:
            own = defaults_of(self.function, of_class=False)
            own = {name: default for name, default in own.items() if name not in self._rules.optional}
        return {**dict.fromkeys(identity.params), **own, **self._beside}

    def _adopt(self, identity: LossInfo) -> None:
        """Take over the parameters of an identity."""
        try:
            self._rules.check_options({name: x for name, x in identity.params.items() if name in self._rules.options})
        except (BrokenRule, ValueError) as error:
            raise identity.named(error) from error
        self.identity = identity
        self._reducer = reducer_of({name: x for name, x in identity.params.items() if self._is_of_all(name)})
        called = identity.made_by is None and not isinstance(self.function, nn.Module)
        self._params = self._own(identity.params) if called else {}
        if called and self._asks_for_counts(identity):
            self._params["class_counts"] = self._class_counts
        self._options = {name: identity.params.get(name, default) for name, default in self._beside.items()}
        ignored = getattr(self, "ignore_index", None)
        self._context = CheckContext(identity.expects, ignored if isinstance(ignored, int) else None)

    def set_class_counts(self, counts: Sequence[float]) -> None:
        """Tell how many training rows each class has: to a parameter ``class_counts`` that nobody has given.

        A module of your own that has a ``set_class_counts`` is told too.
        """
        self._class_counts = list(counts)
        told = getattr(self.function, "set_class_counts", None)
        if callable(told):
            told(self._class_counts)
        self._adopt(self.identity)

    def _asks_for_counts(self, identity: LossInfo) -> bool:
        known = self._class_counts is not None and "class_counts" in self._defaults
        return known and identity.params.get("class_counts") is None

    def _learn(self, given: Mapping[str, Any]) -> None:
        """Keep what was given as an ``nn.Parameter``, so that it is trained, saved and moved.

        Raises:
            UsageError: an option of the signature, or a class that does not keep it itself.
        """
        learned = {name: x for name, x in given.items() if isinstance(x, nn.Parameter)}
        if isinstance(self.function, nn.Module):
            kept = {id(x) for x in self.function.parameters()}
            learned = {name: x for name, x in learned.items() if id(x) not in kept}
        for name, parameter in learned.items():
            if name in self._beside or isinstance(self.function, nn.Module):
                whose = "an option of its signature" if name in self._beside else "which its class does not keep"
                raise UsageError(
                    f"{self.identity.name}: {name}, {whose}, must be a number, got an nn.Parameter, which would not "
                    f"be learned; pass {name}.detach()"
                )
            self._parameters[name] = parameter
        self._learned = tuple(learned)

    def _learned_numbers(self) -> dict[str, Tensor]:
        """What is learned, as it is computed with."""
        return {name: scalar(self._parameters[name]) for name in self._learned}  # type: ignore[arg-type]

    def _check_learned(self) -> None:
        """A step of the optimizer may have left the legal range; NaN is left to a guard.

        Raises:
            UsageError: as where the loss is made.
        """
        if self.identity.check is not None:
            numbers = {name: float(x.detach()) for name, x in self._learned_numbers().items()}
            known = {name: x for name, x in numbers.items() if x == x}
            self.identity.check({**self.identity.params, **known})

    def _own(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Those that the function is called or made with."""
        return {name: x for name, x in params.items() if name not in self._beside and not self._is_of_all(name)}

    def _is_of_all(self, name: str) -> bool:
        """Whether a parameter is one of every loss, that the function does not have itself."""
        return name in OF_ALL and name not in parameters_of(self.identity.made_by or self.function)

    def __getattr__(self, name: str) -> Any:
        """A parameter of the loss; of a module that is called, what stands there."""
        if name.startswith("_") or name in self.__dict__.get("_modules", ()):
            return super().__getattr__(name)
        if name in self.__dict__.get("_learned", ()):
            return self._parameters[name]
        if name not in self.__dict__.get("_defaults", ()):
            function = self.__dict__.get("function", self.__dict__.get("_modules", {}).get("function"))
            return getattr(function, name) if name in attributes_of(function) else super().__getattr__(name)
        if self.identity.made_by is not None and name not in self._beside and name in attributes_of(self.function):
            return getattr(self.function, name)
        value = self.identity.params.get(name, self._defaults[name])
        return self._class_counts if value is None and name == "class_counts" else value

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter takes effect; a name that is nearly that of one is refused; anything else is an attribute."""
        defaults = self.__dict__.get("_defaults")
        own = name in self.__dict__ or name in self._modules
        # What shards or casts parameters puts others in their place.
        own |= name in self._parameters and isinstance(value, nn.Parameter)
        if defaults is None or name.startswith("_") or own:
            super().__setattr__(name, value)
        elif name in defaults:
            self._set_parameter(name, value)
        elif hasattr(type(self), name):
            super().__setattr__(name, value)
        elif name in attributes_of(self.function):
            set_attribute(self.function, name, value)
            self._set_on_function = (*(n for n in self._set_on_function if n != name), name)
        else:
            learned = self.function._parameters if isinstance(self.function, nn.Module) else ()
            if name in learned:
                raise UsageError(
                    f"{self.identity.name}: {name} is learned; set loss.function.{name}, in place, instead"
                )
            refuse_misspelt(name, [*defaults, *attributes_of(self.function), *learned], self.identity.name)
            super().__setattr__(name, value)

    def _set_parameter(self, name: str, value: Any) -> None:
        if name in self._learned:
            raise UsageError(f"{self.identity.name}: {name} is learned; set loss.{name}.data, in place, instead")
        if isinstance(value, nn.Parameter):
            raise UsageError(
                f"{self.identity.name}: {name} must be given where the loss is made to be learned, "
                f"losszoo.create(..., {name}=...), as an optimizer would not know of it"
            )
        if hasattr(type(self), name):
            raise UsageError(
                f"{self.identity.name}: {name} must be given where the loss is made; loss.{name} is another attribute"
            )
        before, after = self.identity.params, {**self.identity.params, name: value}
        if self.identity.check is not None:
            self.identity.check(after)
        if self.identity.made_by is not None and name not in self._beside:
            try:
                remake(self.function, self._made, before, after)
            except (UsageError, TypeError, ValueError) as error:
                raise UsageError(f"{self.identity.name}: {name} cannot be set to {value!r}: {error}") from error
        self._adopt(replace(self.identity, params=after))

    def _made(self, params: Mapping[str, Any]) -> Any:
        """A function of the same class, and of the same sizes."""
        function = self.identity.made_by(**self._own(params))  # type: ignore[misc]
        if self._sizes is not None:
            function.set_sizes(*self._sizes)
        if self._class_counts is not None and hasattr(function, "set_class_counts"):
            function.set_class_counts(self._class_counts)
        return function

    @property
    def signature(self) -> str:
        """Name of the signature."""
        return self.identity.signature

    @property
    def rules(self) -> Signature:
        """The signature itself: what the loss is called with, and how a task is joined to it."""
        return self._rules.shaped(self.shape) if self._rules.shaped_by else self._rules

    @property
    def shape(self) -> dict[str, Any]:
        """The parameters that decide what its head gives."""
        return {name: getattr(self, name) for name in self._rules.shaped_by if name in self.parameter_names}

    def extra_repr(self) -> str:
        """Shown by ``print(loss)``."""
        own = "".join(f", {name}={getattr(self.function, name)!r}" for name in self._set_on_function)
        return f"{self.identity}{own}, reduction={self.policy.reduction!r}, empty={self.policy.empty!r}"

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """What can be set: ``loss.gamma = 0.5``."""
        return tuple(dict.fromkeys([*self._defaults, *attributes_of(self.function), "reduction", "empty"]))

    @property
    def reduction(self) -> str:
        """ "mean", "sum" or "none"; can be set."""
        return self.policy.reduction

    @reduction.setter
    def reduction(self, value: str) -> None:
        self.policy = replace(self.policy, reduction=value)

    def set_epoch(self, epoch: float) -> None:
        """The epoch, from 0, as for a sum whose weights follow it, so that one training loop does for any loss.

        A module of your own that has a ``set_epoch`` is told. Nothing else in a single loss depends on the epoch.
        """
        as_count("epoch", epoch)
        told = getattr(self.function, "set_epoch", None)
        if callable(told):
            told(epoch)

    def set_step(self, step: int) -> None:
        """The step, from 0; else as :meth:`set_epoch`."""
        as_count("step", step)
        told = getattr(self.function, "set_step", None)
        if callable(told):
            told(step)

    @property
    def empty(self) -> str:
        """The result for an empty batch; can be set."""
        return self.policy.empty

    @empty.setter
    def empty(self, value: str) -> None:
        self.policy = replace(self.policy, empty=value)
