"""The path of a call: inputs checked, function called, values weighed, reduced. Errors take the long way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from losszoo.errors import NotApplicableError, UsageError
from losszoo.losses.arguments import BrokenRule, Inputs, as_mask, check_tensors, real, shape_of, within
from losszoo.losses.configured_loss import ConfiguredLoss, LossInfo
from losszoo.losses.introspection import options_beside, parameters_of
from losszoo.losses.learned import as_numbers, check_learnable
from losszoo.losses.numerics import full_precision, in_float64
from losszoo.losses.older_rows import OlderRows
from losszoo.losses.parameters import in_single
from losszoo.losses.reduction import (
    Policy,
    at_values,
    count_of,
    expand,
    expand_leading,
    in_parts,
    kept,
    over_counts,
    scale,
    weigh,
)
from losszoo.losses.returned_values import (
    as_denominator,
    as_unreduced,
    changed_in_place,
    check_over_batch,
    check_reduced,
    of_everything,
    wrong_shape,
)
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_source import Source
from losszoo.losses.traced import differentiated, seen_whole
from losszoo.losses.unreduced import OverBatch, Unreduced


class Loss(ConfiguredLoss):
    r"""A loss of the zoo: ``loss(*inputs, weight=None, mask=None, denominator=None)``.

    Args:
        function: pure function of the signature that returns unreduced values (a tensor or :class:`Unreduced`), or a
            module called the same way. A function that returns one number has reduced by itself; weights and masks are
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
    # Whether inputs are looked at for a gradient that would leave float32 on its way.
    _multiplies_labels = False

    def __init__(
        self,
        function: Callable[..., Any],
        identity: LossInfo,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        validate: bool | None = None,
    ) -> None:
        super().__init__()
        given, identity = identity.params, replace(identity, params=as_numbers(identity.params))
        self.function = function
        self.identity = identity
        self.policy = policy
        self.validate = validate
        self._rules = TABLE[identity.signature]
        # How many inputs are in order as they come; with optional ones they are always sorted by name.
        self._arity = None if self._rules.optional else len(self._rules.arguments)
        # Whether its function is called with other inputs than the loss.
        self._converts = self._rules.converts
        # Whether the other rows of a batch are the candidates of a row.
        self._over_pairs = self._rules.rows_interact
        taken = parameters_of(function.forward if isinstance(function, nn.Module) else function)
        self._takes_mask = "mask" in taken
        self._unused = [name for name in self._rules.optional if name not in taken and not self._rules.converts]
        self._wide: bool = getattr(function, "__losszoo_wide__", False)
        self._finish: Callable[[Tensor], Tensor] | None = getattr(function, "__losszoo_finish__", None)
        self._sizes = None
        self._class_counts = None
        self._set_on_function = ()
        self._beside = options_beside(self._rules, identity.made_by or function)
        self._defaults = self._known_parameters(identity)
        self._learned = ()
        self._adopt(identity)
        self._learn(given)

    @torch.jit.unused
    def forward(
        self,
        *inputs: Any,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        denominator: float | Tensor | None = None,
        older: OlderRows | None = None,
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
            older: rows of earlier batches, candidates of this one, as :class:`losszoo.MemoryBank` gives them.

        Returns:
            One number, or the unreduced values where ``reduction="none"``.

        Raises:
            UsageError: (a ``ValueError``) an argument breaks the rule of the signature.
        """
        given, call = (*inputs, *named.values()), (inputs, named, weight, mask, older)
        if self._learned and self._validates(tuple(self._parameters.values())):
            self._check_learned()
        try:
            with full_precision(given) if torch._C._is_any_autocast_enabled() else nullcontext():
                if self._multiplies_labels and self._leaves_float32(given):
                    return self._value_in_float64(call, denominator).to(torch.float32)
                value = self._reduced(self._unreduced(*call), denominator)
                if self._wide and self._left_float32(value, given):
                    value = self._value_in_float64(call, denominator).to(value.dtype)
                elif weight is not None and self.policy.reduction == "mean" and _overflowed(value):
                    most = weight.amax()
                    if bool(most > 1):
                        # Only the ratio of weights counts in a mean: weights as large overflow on the way to it.
                        share = None if denominator is None else denominator / most
                        value = self._reduced(self._unreduced(inputs, named, weight / most, mask, older), share)
                return value
        except (BrokenRule, ValueError) as error:
            raise self.identity.named(error) from error

    def _unreduced(
        self,
        args: Inputs,
        named: Mapping[str, Any],
        weight: Tensor | None,
        mask: Tensor | None,
        older: OlderRows | None = None,
    ) -> Unreduced:
        """Values and counts of inputs that are first checked."""
        rules = self._rules
        given = args if len(args) == self._arity and not named else rules.bind(args, named)
        device, plain = None, True
        for x in (*given, weight, mask):
            if isinstance(x, Tensor):
                device = x.device if device is None else device
                plain &= x.layout is torch.strided and x.device == device and not (x.is_nested or x.is_quantized)
        if not plain:
            check_tensors(zip((*rules.names, "weight", "mask"), (*given, weight, mask), strict=True))
        inputs = rules.check(given, self._context)
        elements = rules.element_shape(inputs)
        if mask is not None:
            self._check_maskable()
            mask = expand(rules.spread(given, as_mask(mask)), elements, "mask")
        present = None
        if self._options:
            present = rules.present(inputs, self._options)
            present = None if present is None or seen_whole(present) else present
            mask = present if mask is None else mask if present is None else mask & present
        if weight is None and mask is None:
            return self._answer(inputs, None, None, elements, older)
        if mask is not None:
            inputs = rules.hide(inputs, mask, self._context)
        if weight is not None:
            weight = rules.spread(given, real("weight", weight))
            if not self._over_pairs and not differentiated(weight):
                # Weight 0 is absence, of the gradient too: what stands there is not even computed with. Only the
                # gradient of the weight itself is the value that it would multiply.
                inputs = rules.hide(inputs, expand(weight, elements, "weight") != 0, self._context)
        return self._answer(inputs, mask, weight, elements, older, present)

    def _answer(
        self,
        inputs: Inputs,
        mask: Tensor | None,
        weight: Tensor | None,
        elements: torch.Size,
        older: OlderRows | None,
        present: Tensor | None = None,
    ) -> Unreduced:
        """Values and counts of checked inputs, with mask and weight in them; ``present`` is what options make of it."""
        looking, changes = self._validates(inputs), 0
        if looking:
            self._rules.check_values(inputs, self._context)
        factor = count = None
        if self._options:
            inputs, factor, count = self._rules.weighed(inputs, self._options)
            if factor is not None and not (differentiated(factor) or seen_whole(factor != 0)):
                inputs = self._rules.hide(inputs, (factor != 0).expand(elements), self._context)
        if looking:
            for x in inputs:
                if isinstance(x, Tensor) and not x.is_inference():
                    changes -= x._version
        called = self._rules.function_inputs(inputs, self._context) if self._converts else inputs
        unreduced = self._values(called, mask) if older is None else self._values_with(older, inputs, mask)
        if looking:
            for x in inputs:
                if isinstance(x, Tensor) and not x.is_inference():
                    changes += x._version
            if changes:
                raise changed_in_place()
        if self._reducer is not None and (unreduced.values.ndim == 0 or isinstance(unreduced, OverBatch)):
            raise UsageError("reducer must be left out, as a value of this loss is made of all samples")
        if unreduced.values.ndim == 0:
            if self._rules.is_empty(inputs):
                # One number made of nothing, such as a mean over no sample, is left to the policy.
                flat = inputs[0] if isinstance(inputs[0], Tensor) else torch.zeros(())
                unreduced = Unreduced(flat.sum(), torch.zeros_like(unreduced.values))
            if elements:
                given = None if mask is present else mask
                check_reduced({"weight": weight, "mask": given, "weights of an option": factor}, self.policy.reduction)
                return self._of_everything(unreduced, present, inputs)
        elif isinstance(unreduced, OverBatch):
            given = None if self._takes_mask or mask is present else mask
            check_over_batch({"weight": weight, "mask": given, "weights of an option": factor})
            return unreduced if self._takes_mask else self._of_everything(unreduced, present, inputs)
        elif elements and unreduced.values.shape[0] != elements[0]:
            raise wrong_shape(unreduced.values, elements)
        if mask is not None and not self._takes_mask:
            if mask is present and not self._can_leave_out():
                unreduced = self._of_everything(unreduced, present, inputs)
            else:
                unreduced = kept(unreduced, mask)
        if self._reducer is not None:
            unreduced = self._reducer(unreduced, inputs, mask)
        if factor is not None:
            shape = unreduced.values.shape
            count = None if count is None else at_values(count, shape, elements)
            unreduced = weigh(unreduced, at_values(factor, shape, elements), count)
        return unreduced if weight is None else self._weighed(unreduced, weight, mask, elements)

    def _values(self, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        """What the function returns, as values and counts."""
        required, extra = len(self._rules.arguments), {}
        if len(inputs) > required:
            extra = {n: x for n, x in zip(self._rules.optional, inputs[required:], strict=True) if x is not None}
            for name in filter(extra.__contains__, self._unused):
                raise BrokenRule(name, "be left out, as this loss does not use it", shape_of(extra[name]))
        if mask is not None and self._takes_mask:
            extra["mask"] = mask
        if isinstance(self.function, nn.Module):
            with in_single(self.function):
                return as_unreduced(self.function(*inputs[:required], **extra))
        params = {**self._params, **self._learned_numbers()} if self._learned else self._params
        result = self.function(*inputs[:required], **params, **extra)
        values, counts = result if isinstance(result, Unreduced) else (result, None)
        in_order = isinstance(values, Tensor) and values.is_floating_point() and values.dtype.itemsize >= 4
        if in_order and counts is not None:
            in_order = isinstance(counts, Tensor) and counts.shape == values.shape and counts.dtype == values.dtype
        if not in_order:
            return as_unreduced(result)
        return result if isinstance(result, Unreduced) else Unreduced(values)

    def check_learned(self) -> None:
        """Refuse parameters that are given as an ``nn.Parameter`` and would get another gradient than theirs, or none.

        Raises:
            UsageError: names the parameter and both gradients.
        """

        def value_at(name: str, number: Tensor, seed: int) -> Tensor:
            source = Source(dtype=torch.float64, expects=self.identity.expects, seed=seed)
            value: Tensor = functional_call(self, {name: number}, self._rules.example(source)).sum()
            return value

        for name in self._learned:
            try:
                check_learnable(name, self.identity.params[name], partial(value_at, name))
            except UsageError as error:
                raise self.identity.named(error) from error

    def _values_with(self, older: OlderRows, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        """The older rows stand below the others, and their values are dropped."""
        if not self._over_pairs:
            raise UsageError("older must be left out, as the rows of this loss do not see each other")
        rows, labels = inputs
        older.check(rows, labels)
        count = rows.shape[0]
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(older.rows.shape[0])])
        values, counts = self._values((older.below(rows), older.labels_below(labels)), mask)
        if values.ndim == 0:
            raise UsageError(
                "a loss with a memory bank must return one value per row, so that those of older rows can be left "
                "out, got one number; return unreduced values"
            )
        return Unreduced(values[:count], None if counts is None else counts[:count])

    def _weighed(self, unreduced: Unreduced, weight: Tensor, mask: Tensor | None, elements: torch.Size) -> Unreduced:
        shape = unreduced.values.shape
        mixed = shape != elements and not self._over_pairs
        expanded = (expand_leading if mixed else expand)(weight, shape, "weight")
        left_out = None if mask is None or unreduced.counts is None else unreduced.counts == 0
        return scale(unreduced, self._checked_weight(expanded.to(unreduced.values.dtype), left_out))

    def _reduced(self, unreduced: Unreduced, given: float | Tensor | None) -> Tensor:
        """One number under the policy, or the values; ``given`` replaces the sum of the counts in a mean."""
        values, counts = unreduced
        reduction, last_step = self.policy.reduction, self._finish
        denominator = None if given is None else self._checked_denominator(given, unreduced)
        if reduction == "none":
            if last_step is None:
                return values
            return last_step(values) if counts is None else torch.where(counts > 0, last_step(values), 0.0)
        if counts is None and denominator is None and values.numel() > 0:
            whole = values.mean() if reduction == "mean" else values.sum()
            if _overflowed(whole):
                whole = in_parts(values, values.numel(), reduction)
            return whole if last_step is None else last_step(whole)
        return over_counts(unreduced, denominator, self.policy, last_step)

    def _value_in_float64(self, call: tuple[Any, ...], denominator: float | Tensor | None) -> Tensor:
        inputs, named, weight, mask, older = call
        wider = {name: in_float64(x) for name, x in named.items()}
        unreduced = self._unreduced(tuple(map(in_float64, inputs)), wider, in_float64(weight), mask, older)
        return self._reduced(unreduced, denominator)

    def count(
        self,
        *inputs: Any,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        older: OlderRows | None = None,
        **named: Any,
    ) -> Tensor:
        """What a mean over this batch divides by: sum it over micro-batches or ranks for ``denominator``."""
        try:
            with torch.no_grad(), full_precision((*inputs, *named.values())):
                return count_of(self._unreduced(inputs, named, weight, mask, older))
        except (BrokenRule, ValueError) as error:
            raise self.identity.named(error) from error

    def adds_up(self, *inputs: Any) -> bool:
        """Whether the values of parts of a batch add up to that of the whole, given its ``denominator``."""
        if self.policy.reduction != "mean" or self._finish is not None:
            return False
        if self._reducer is not None and not self._reducer.adds_up:
            return False
        with torch.no_grad(), full_precision(inputs):
            unreduced = self._unreduced(inputs, {}, None, None)
        if isinstance(unreduced, OverBatch):
            return False
        return unreduced.values.ndim > 0 or unreduced.counts is not None

    def _can_leave_out(self) -> bool:
        """Whether a row may be left out: where rows see each other, the loss must know how."""
        return not self._over_pairs or self._takes_mask or self._leaves_rows_out

    def _check_maskable(self) -> None:
        if not self._can_leave_out():
            way = "write it as a row function (losszoo.pairwise), or " if self._rules.forms_pairs else ""
            raise NotApplicableError(
                f"mask must be left out, as the rows of this loss see each other: {way}give it an argument mask"
            )

    def _of_everything(self, unreduced: Unreduced, present: Tensor | None, inputs: Inputs) -> Unreduced:
        """Values that are made of all elements, of which no option leaves one out."""
        if present is None:
            return unreduced
        none = dict.fromkeys(self._options)
        able = [n for n, x in self._options.items() if self._rules.present(inputs, {**none, n: x}) is not None]
        return of_everything(unreduced, present, " and ".join(able))

    def _checked_weight(self, weight: Tensor, left_out: Tensor | None) -> Tensor:
        """The weight, checked to be finite and >= 0 where a value counts."""
        if left_out is not None:
            weight = torch.where(left_out, 0.0, weight)
        if self._validates((weight,)) and not bool((torch.isfinite(weight) & (weight >= 0)).all()):
            offender = weight[~(torch.isfinite(weight) & (weight >= 0))][0].item()
            raise BrokenRule("weight", "be finite and >= 0", f"{offender}")
        return weight

    def _checked_denominator(self, denominator: float | Tensor, unreduced: Unreduced) -> Tensor:
        if unreduced.values.ndim == 0 and unreduced.counts is None:
            check_reduced({"denominator": denominator}, self.policy.reduction)
        if isinstance(unreduced, OverBatch):
            check_over_batch({"denominator": denominator})
        if self.policy.reduction != "mean":
            raise UsageError(f"denominator must go with reduction='mean', got reduction={self.policy.reduction!r}")
        if self._finish is not None:
            raise NotApplicableError(
                "denominator must be left out, as this loss has a last step (finish) after its mean"
            )
        return as_denominator(denominator, unreduced.values, self._validates((unreduced.values,)))

    def _validates(self, tensors: Inputs) -> bool:
        """Whether the numbers of these tensors are checked."""
        # A compiler or a function transform follows operations only: no branch can depend on what a tensor holds.
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return False
        if self.validate is not None:
            return self.validate
        looking = True
        for x in tensors:
            if isinstance(x, Tensor):
                looking &= x.device.type == "cpu"
        return looking

    def _leaves_float32(self, inputs: Inputs) -> bool:
        """Whether the gradient of such inputs leaves the range on its way, though it may come back."""
        return False

    def _left_float32(self, value: Tensor, inputs: Inputs) -> bool:
        """Whether finite inputs gave an infinite value, or one too small for its digits before the last step."""
        if value.dtype != torch.float32 or not value.numel():
            return False
        if not (value.device.type == "cpu" if self.validate is None else self.validate):
            return False
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return False
        limits = torch.finfo(torch.float32)
        low = 0.0 if self._finish is None else (limits.tiny / limits.eps) ** 0.5
        fits = low <= abs(value.item()) <= limits.max if value.ndim == 0 else within(value.abs(), low, limits.max)
        return not fits and all(bool(x.isfinite().all()) for x in inputs if isinstance(x, Tensor))


def _overflowed(total: Tensor) -> bool:
    """Whether a sum is not finite, where the check needs no synchronization."""
    if total.device.type != "cpu" or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return not math.isfinite(total.item())
