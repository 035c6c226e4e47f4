"""The module that the zoo puts around a pure function: checks, precision, masks, weights, reduction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.errors import UsageError
from losszoo.losses.arguments import BrokenRule, Context, Inputs, as_mask, check_tensors, real, within
from losszoo.losses.introspection import parameters_of
from losszoo.losses.parameters import (
    attributes_of,
    defaults_of,
    in_single,
    refuse_misspelt,
    remake,
    set_attribute,
)
from losszoo.losses.reduction import Policy, count_of, expand, expand_leading, keep, reduce, scale
from losszoo.losses.returned_values import (
    as_denominator,
    as_unreduced,
    check_reduced,
    check_shape,
    check_untouched,
    versions,
)
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.signature import Signature
from losszoo.losses.sums.sum_loss import Summable
from losszoo.losses.traced import differentiated, traced
from losszoo.losses.unreduced import Unreduced


@dataclass(frozen=True)
class Identity:
    """Who a loss is: shown in its errors and its ``repr``.

    Args:
        name: as in the registry, or the target the user gave.
        signature: name of one that is installed.
        expects: what the predictions are.
        owner: plugin and distribution, in words; "" for a user's own.
        params: hyperparameters it was made with.
        check: refuses hyperparameters that are not legal; None where nobody has said what is.
        made_by: makes the core from its hyperparameters, where that is a class; None for a function and for an
            object of the user's.
    """

    name: str
    signature: str
    expects: str = "logits"
    owner: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] | None = field(default=None, repr=False, compare=False)
    made_by: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.params.items())
        return f"{self.name}({given})" if given else self.name


class Loss(Summable):
    r"""A loss of the zoo: ``loss(*inputs, weight=None, mask=None, denominator=None)``.

    Args:
        core: pure function of the signature that returns unreduced values (a tensor or :class:`Unreduced`), or a
            module called the same way. A core that returns one number has reduced by itself; weights and masks are
            then refused, not ignored.
        identity: name, signature, what it expects.
        policy: reduction and empty policy.
        validate: look at the numbers too (labels in range, probabilities in [0, 1]). None: only on the CPU, where
            it waits for nothing. Under ``torch.compile`` and ``torch.func`` there are no numbers to look at.

    A parameter is an attribute: ``loss.gamma = 0.5`` takes effect, is checked as in :func:`losszoo.create`, and is
    shown. So are ``reduction`` and ``empty``.
    """

    # Whether values of the other rows depend on a row, and the loss knows how to leave one out.
    _leaves_rows_out = False

    def __init__(
        self,
        core: Callable[..., Any],
        identity: Identity,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        validate: bool | None = None,
    ) -> None:
        super().__init__()
        self.core = core
        self.identity = identity
        self._rules = TABLE[identity.signature]
        self.policy = policy
        self.validate = validate
        self._takes_mask = "mask" in parameters_of(core.forward if isinstance(core, nn.Module) else core)
        self._wide: bool = getattr(core, "__losszoo_wide__", False)
        self._finish: Callable[[Tensor], Tensor] | None = getattr(core, "__losszoo_finish__", None)
        # Told by set_sizes to a core whose sizes come from the data.
        self._sizes: tuple[int, int] | None = None
        self._set_on_core: tuple[str, ...] = ()
        self._defaults = self._known_parameters(identity)
        self._adopt(identity)

    def _known_parameters(self, identity: Identity) -> dict[str, Any]:
        """Names and defaults of the parameters that the core is called or made with."""
        if identity.made_by is not None:
            return {**defaults_of(identity.made_by, of_class=True), **dict.fromkeys(identity.params)}
        if isinstance(self.core, nn.Module):
            return {}
        optional = self._rules.optional
        known = {**defaults_of(self.core, of_class=False), **dict.fromkeys(identity.params)}
        return {name: default for name, default in known.items() if name not in optional}

    def _adopt(self, identity: Identity) -> None:
        """Take over the parameters of an identity."""
        self.identity = identity
        called = identity.made_by is None and not isinstance(self.core, nn.Module)
        self._params = dict(identity.params) if called else {}
        ignored = getattr(self, "ignore_index", None)
        self._context = Context(identity.expects, ignored if isinstance(ignored, int) else None)

    def __getattr__(self, name: str) -> Any:
        """A parameter of the loss; of a module that is called, what stands there."""
        if name.startswith("_") or name in self.__dict__.get("_modules", ()):
            return super().__getattr__(name)
        if name not in self.__dict__.get("_defaults", ()):
            core = self.__dict__.get("core", self.__dict__.get("_modules", {}).get("core"))
            return getattr(core, name) if name in attributes_of(core) else super().__getattr__(name)
        if self.identity.made_by is not None and name in attributes_of(self.core):
            return getattr(self.core, name)
        return self.identity.params.get(name, self._defaults[name])

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter takes effect; a name that is nearly that of one is refused; anything else is an attribute."""
        defaults = self.__dict__.get("_defaults")
        if defaults is None or name.startswith("_") or name in self.__dict__ or name in self._modules:
            super().__setattr__(name, value)
        elif name in defaults:
            self._set_parameter(name, value)
        elif hasattr(type(self), name):
            super().__setattr__(name, value)
        elif name in attributes_of(self.core):
            set_attribute(self.core, name, value)
            self._set_on_core = (*(n for n in self._set_on_core if n != name), name)
        else:
            learned = self.core._parameters if isinstance(self.core, nn.Module) else ()
            if name in learned:
                raise UsageError(f"{self.identity.name}: {name} is learned; set loss.core.{name}, in place, instead")
            refuse_misspelt(name, [*defaults, *attributes_of(self.core), *learned], self.identity.name)
            super().__setattr__(name, value)

    def _set_parameter(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise UsageError(
                f"{self.identity.name}: {name} must be given where the loss is made; loss.{name} is its own"
            )
        before, after = self.identity.params, {**self.identity.params, name: value}
        if self.identity.check is not None:
            self.identity.check(after)
        if self.identity.made_by is not None:
            try:
                remake(self.core, self._made, before, after)
            except (UsageError, TypeError, ValueError) as error:
                raise UsageError(f"{self.identity.name}: {name} cannot be set to {value!r}: {error}") from error
        self._adopt(replace(self.identity, params=after))

    def _made(self, params: Mapping[str, Any]) -> Any:
        """A core of the same class, and of the same sizes."""
        core = self.identity.made_by(**params)  # type: ignore[misc]
        if self._sizes is not None:
            core.set_sizes(*self._sizes)
        return core

    @property
    def signature(self) -> str:
        """Name of the signature."""
        return self.identity.signature

    @property
    def rules(self) -> Signature:
        """The signature itself: what the loss is called with, and how a task is joined to it."""
        return self._rules

    def extra_repr(self) -> str:
        """Shown by ``print(loss)``."""
        own = "".join(f", {name}={getattr(self.core, name)!r}" for name in self._set_on_core)
        return f"{self.identity}{own}, reduction={self.policy.reduction!r}, empty={self.policy.empty!r}"

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """What can be set: ``loss.gamma = 0.5``."""
        return tuple(dict.fromkeys([*self._defaults, *attributes_of(self.core), "reduction", "empty"]))

    @property
    def reduction(self) -> str:
        """ "mean", "sum" or "none"; can be set."""
        return self.policy.reduction

    @reduction.setter
    def reduction(self, value: str) -> None:
        self.policy = replace(self.policy, reduction=value)

    @property
    def empty(self) -> str:
        """What a reduction over nothing gives; can be set."""
        return self.policy.empty

    @empty.setter
    def empty(self, value: str) -> None:
        self.policy = replace(self.policy, empty=value)

    @torch.jit.unused
    def forward(
        self,
        *inputs: Any,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: float | Tensor | None = None,
        **named: Any,
    ) -> Tensor:
        """The loss of one batch.

        Args:
            inputs: as the signature says, by position or by name.
            weight: >= 0, of the shape of the values, or one that broadcasts to it as in torch, or their leading
                dimensions (one number per sample); refused where both readings differ, as (N,) for (N, N). A mean
                divides by the sum of weights.
            mask: the same shapes; boolean, or integers of 0 and 1. False takes no part, whatever stands there.
            denominator: replaces the mean's own count (see :meth:`count`), for gradient accumulation and data
                parallel training.

        Returns:
            One number, or the unreduced values where ``reduction="none"``.

        Raises:
            UsageError: (a ``ValueError``) an argument breaks the rule of the signature.
        """
        given = (*inputs, *named.values())
        try:
            with full_precision(given):
                if self._leaves_float32(given):
                    return self._value_in_float64(inputs, named, weight, mask, denominator).to(torch.float32)
                value = self._value(inputs, named, weight, mask, denominator)
                if self._wide and self._left_float32(value, given):
                    value = self._value_in_float64(inputs, named, weight, mask, denominator).to(value.dtype)
                return value
        except (BrokenRule, ValueError) as error:
            raise UsageError(f"{self.identity.name}: {error}{self._owner()}") from error

    def _value(
        self,
        inputs: Inputs,
        named: Mapping[str, Any],
        weight: Tensor | None,
        mask: Tensor | None,
        denominator: float | Tensor | None,
    ) -> Tensor:
        unreduced = self._unreduced(inputs, named, weight, mask)
        if denominator is not None:
            denominator = self._checked_denominator(denominator, unreduced)
        return reduce(unreduced, self.policy, denominator, self._finish)

    def _value_in_float64(self, inputs: Inputs, named: Mapping[str, Any], weight: Tensor | None, *how: Any) -> Tensor:
        wider = {name: in_float64(x) for name, x in named.items()}
        return self._value(tuple(map(in_float64, inputs)), wider, in_float64(weight), *how)

    def count(self, *inputs: Any, weight: Tensor | None = None, mask: Tensor | None = None, **named: Any) -> Tensor:
        """What a mean over this batch divides by: sum it over micro-batches or ranks for ``denominator``."""
        try:
            with torch.no_grad(), full_precision((*inputs, *named.values())):
                return count_of(self._unreduced(inputs, named, weight, mask))
        except (BrokenRule, ValueError) as error:
            raise UsageError(f"{self.identity.name}: {error}{self._owner()}") from error

    def adds_up(self, *inputs: Any) -> bool:
        """Whether the values of parts of a batch add up to that of the whole, given its ``denominator``."""
        if self.policy.reduction != "mean" or self._finish is not None:
            return False
        with torch.no_grad(), full_precision(inputs):
            found = self._unreduced(inputs, {}, None, None)
        return found.values.ndim > 0 or found.counts is not None

    def _unreduced(
        self, args: Inputs, named: Mapping[str, Any], weight: Tensor | None, mask: Tensor | None
    ) -> Unreduced:
        rules = self._rules
        given = rules.bind(args, named)
        check_tensors(zip((*rules.names, "weight", "mask"), (*given, weight, mask), strict=True))
        inputs = rules.check(given, self._context)
        elements = rules.element_shape(inputs)
        element_mask = None
        if mask is not None:
            self._check_maskable()
            element_mask = expand(as_mask(mask), elements, "mask")
            inputs = rules.hide(inputs, element_mask, self._context)
        weight = None if weight is None else real("weight", weight)
        if weight is not None and not rules.rows_interact and not differentiated(weight):
            # Weight 0 is absence, of the gradient too: what stands there is not even computed with. Only the slope of
            # the weight itself is the value that it would multiply.
            inputs = rules.hide(inputs, expand(weight, elements, "weight") != 0, self._context)
        return self._answer(inputs, element_mask, weight, elements)

    def _answer(self, inputs: Inputs, mask: Tensor | None, weight: Tensor | None, elements: torch.Size) -> Unreduced:
        """Values and counts of checked inputs, with mask and weight in them."""
        unreduced = self._checked_values(inputs, mask, elements)
        if unreduced.values.ndim == 0 and elements:
            check_reduced({"weight": weight, "mask": mask}, self.policy.reduction)
        if mask is not None and not self._takes_mask:
            unreduced = keep(unreduced, self._value_mask(mask, unreduced.values))
        if weight is None:
            return unreduced
        shape = unreduced.values.shape
        mixed = shape != elements and not self._rules.rows_interact
        expanded = (expand_leading if mixed else expand)(weight, shape, "weight")
        left_out = None if mask is None or unreduced.counts is None else unreduced.counts == 0
        return scale(unreduced, self._checked_weight(expanded.to(unreduced.values.dtype), left_out))

    def _checked_values(self, inputs: Inputs, mask: Tensor | None, elements: torch.Size) -> Unreduced:
        """The core's answer, after the checks of its inputs and before those of what it gave back."""
        looking = self._looks_at(inputs)
        if looking:
            self._rules.check_values(inputs, self._context)
        before = versions(inputs) if looking else []
        unreduced = self._values(inputs, mask)
        if looking:
            check_untouched(before, inputs)
        check_shape(unreduced.values, elements)
        if unreduced.values.ndim == 0 and self._rules.is_empty(inputs):
            # One number made of nothing, such as a mean over no sample, is left to the policy.
            flat = inputs[0] if isinstance(inputs[0], Tensor) else torch.zeros(())
            return Unreduced(flat.sum(), torch.zeros_like(unreduced.values))
        return unreduced

    def _check_maskable(self) -> None:
        if self._rules.rows_interact and not (self._takes_mask or self._leaves_rows_out):
            raise UsageError(
                "mask must be left out, as the rows of this loss see each other: write it as a row function "
                "(losszoo.pairwise), or give it an argument mask"
            )

    def _values(self, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        """The core's answer, as values and counts."""
        extra = {"mask": mask} if self._takes_mask and mask is not None else {}
        required = len(self._rules.arguments)
        for name, value in zip(self._rules.optional, inputs[required:], strict=True):
            extra |= {} if value is None else {name: value}
        with in_single(self.core):
            return as_unreduced(self.core(*inputs[:required], **self._params, **extra))

    def _value_mask(self, element_mask: Tensor, values: Tensor) -> Tensor:
        """The mask at the shape of the values; a loss that mixes elements can only leave out whole samples."""
        if element_mask.shape == values.shape:
            return element_mask
        samples = element_mask.flatten(1) if element_mask.ndim > 1 else element_mask.unsqueeze(1)
        whole = samples.all(1)
        if not traced() and not bool((whole == samples.any(1)).all()):
            raise UsageError("mask must select whole samples, as this loss mixes the elements of a sample")
        return expand_leading(whole, values.shape, "mask")

    def _checked_weight(self, weight: Tensor, left_out: Tensor | None) -> Tensor:
        """Finite and >= 0, whatever stands where a value is left out."""
        if left_out is not None:
            weight = torch.where(left_out, 0.0, weight)
        if self._looks_at((weight,)) and not bool((torch.isfinite(weight) & (weight >= 0)).all()):
            offender = weight[~(torch.isfinite(weight) & (weight >= 0))][0].item()
            raise UsageError(f"weight must be finite and >= 0, however: weight holds {offender}")
        return weight

    def _checked_denominator(self, denominator: float | Tensor, unreduced: Unreduced) -> Tensor:
        if unreduced.values.ndim == 0 and unreduced.counts is None:
            check_reduced({"denominator": denominator}, self.policy.reduction)
        if self.policy.reduction != "mean":
            raise UsageError(f"denominator must go with reduction='mean', however: reduction={self.policy.reduction!r}")
        if self._finish is not None:
            raise UsageError(
                "denominator must be left out, as parts of this loss do not add up: it ends in a last step"
            )
        return as_denominator(denominator, unreduced.values, self._looks_at((unreduced.values,)))

    def _looks_at(self, inputs: Inputs) -> bool:
        if traced():
            return False
        if self.validate is None:
            return all(x.device.type == "cpu" for x in inputs if isinstance(x, Tensor))
        return self.validate

    def _leaves_float32(self, inputs: Inputs) -> bool:
        """Whether the gradient of such inputs leaves the range on its way, though it may come back."""
        return False

    def _left_float32(self, value: Tensor, inputs: Inputs) -> bool:
        """Whether finite inputs gave what is infinite, or before its last step too small to have digits."""
        if value.dtype != torch.float32 or not self._looks_at((value,)) or not value.numel():
            return False
        limits = torch.finfo(value.dtype)
        low = 0.0 if self._finish is None else (limits.tiny / limits.eps) ** 0.5
        fits = low <= abs(value.item()) <= limits.max if value.ndim == 0 else within(value.abs(), low, limits.max)
        if fits:
            return False
        return all(bool(x.isfinite().all()) for x in inputs if isinstance(x, Tensor))

    def _owner(self) -> str:
        return f" (a loss of {self.identity.owner})" if self.identity.owner else ""


def in_float64(x: Any) -> Any:
    """A floating tensor in float64; anything else as it is."""
    return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x


def full_precision(inputs: Inputs) -> AbstractContextManager[Any]:
    """Autocast off: it would run the products of a loss in half precision again."""
    device = next((x.device.type for x in inputs if isinstance(x, Tensor)), "cpu")
    on = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else nullcontext()
