"""The base class of a signature: what a loss is called with, and how it is joined to a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from losszoo.losses.arguments import BrokenRule, CheckContext, Inputs
from losszoo.losses.signatures.example_source import Source
from losszoo.losses.signatures.paired_rows import PairedRows
from losszoo.tracing.authors import joins

if TYPE_CHECKING:
    Data = Any  # losszoo.training's prepared data and batch: rooms above this one
    Batch = Any

# What stands where a mask hides a prediction: in the middle of the range, where nothing is infinite.
NEUTRAL = {"logits": 0.0, "probabilities": 0.5, "log-probabilities": 0.0}

# What libraries pass to a loss beside its inputs, and what takes it.
_ADAPTERS = {"num_items_in_batch": "; losszoo.hf_loss(...) makes of a loss what the Trainer of transformers calls"}


class EdgeCase(NamedTuple):
    """Legal inputs at the edge of what may come.

    Args:
        label: what is special, in a few words.
        inputs: of the signature.
        wrong: whether the predictions are surely wrong, so that the gradient must be large.
    """

    label: str
    inputs: Inputs
    wrong: bool = False


class Weighed(NamedTuple):
    """What the options of a signature make of a batch: see :meth:`Signature.weighed`.

    Args:
        inputs: that the function is called with.
        factor: what the values are multiplied by, of :meth:`Signature.element_shape`, with a size of 1 where it is
            alike along a dimension; None for 1.
        counts: what each value counts in a mean, of the same shape; None for 1.
    """

    inputs: Inputs
    factor: Tensor | None = None
    counts: Tensor | None = None


class OptionCase(NamedTuple):
    """Two calls that must give the same value and gradient, for the conformance suite.

    Args:
        label: the rule, in a few words.
        options: the loss is made with them.
        inputs: it is called with them.
        other_options: of the other loss.
        other_inputs: it is called with them.
        rows: (M,), which sample of ``inputs`` each sample of ``other_inputs`` is; one that is named twice has the
            gradient of both, one that is not named has none.
        reductions: that agree.
    """

    label: str
    options: Mapping[str, Any]
    inputs: Inputs
    other_options: Mapping[str, Any]
    other_inputs: Inputs
    rows: Tensor
    reductions: tuple[str, ...] = ("mean", "sum")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What the sizes of ``losszoo bench`` count, such as 8192 or 512x1000.

    Args:
        first: what the first number counts.
        second: what the second one counts; "" where there is none.
        second_default: the usual second number; None for as many as the first.
        usual: sizes where none are asked for.
        wide: whether the inputs have a width (``--dim``).
    """

    first: str = "rows"
    second: str = ""
    second_default: int | None = None
    usual: str = "256,1024,4096"
    wide: bool = False


class Signature(ABC):
    """What losses of one kind are called with. One subclass in one file is all that the zoo knows of it.

    A subclass gives ``name``, ``arguments``, :meth:`check`, :meth:`example` and :meth:`loss_inputs`; the rest has
    defaults. Instances have no state; the registry makes one.

    Attributes:
        name: kebab-case, unique in the zoo.
        arguments: in the order of a call.
        optional: arguments that may be left out; they follow the others.
        given: arguments that come from the data: never trained, never asked for a gradient.
        synonyms: other names of the arguments in the field, by argument.
        fits: kinds of task that it can be trained on.
        expects: what a loss may expect its predictions to be; the first is the usual one.
        shared: arguments that do not have one row per sample, such as candidates.
        rows_interact: the value of a row depends on the other rows, which are its candidates.
        on_parameters: a penalty on parameters, which needs no data.
        any_shape: samples may have further dimensions; one value per element.
        two_ways: over pairs of two views of the same things, in both directions; the positive is the same place. There
            may be columns below those of the rows: on the way back they are left out.
        draws_candidates: in training it is given rows drawn from all training rows, and predicts from them.
        against: name of the signature in which its row functions meet other candidates than their own batch.
        stricter_than: signatures called with the same tensors, whose inputs need not be as strict as here; in a sum
            with them this one says what is passed.
        predicting: where a sum holds several signatures, the one with the largest number predicts.
        options: parameters that every loss of the signature has beside its own, by name: the fields of
            :class:`losszoo.Param`, in literals, with None for an end that is open. A loss that has one of that name
            itself is given it; see :meth:`present` and :meth:`weighed`.
        shaped_by: names of parameters of a loss that decide its head, or what is predicted from its outputs; see
            :meth:`shaped`.
        sizes: what ``bench`` counts.
        learns: what ten steps of training must raise, in words; see :meth:`rightness`.
    """

    name: ClassVar[str] = ""
    arguments: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    given: ClassVar[tuple[str, ...]] = ()
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fits: ClassVar[tuple[str, ...]] = ()
    expects: ClassVar[tuple[str, ...]] = ("logits",)
    shared: ClassVar[tuple[str, ...]] = ()
    rows_interact: ClassVar[bool] = False
    on_parameters: ClassVar[bool] = False
    any_shape: ClassVar[bool] = False
    two_ways: ClassVar[bool] = False
    draws_candidates: ClassVar[bool] = False
    against: ClassVar[str] = ""
    stricter_than: ClassVar[tuple[str, ...]] = ()
    predicting: ClassVar[float] = 50.0
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    shaped_by: ClassVar[tuple[str, ...]] = ()
    sizes: ClassVar[Sizes] = Sizes()
    learns: ClassVar[str] = ""

    # The inputs of a loss

    @abstractmethod
    def check(self, inputs: Inputs, context: CheckContext) -> Inputs:
        """Shapes and dtypes: the inputs in the dtype that is computed in, or a ``losszoo.checks.BrokenRule``."""

    def check_values(self, inputs: Inputs, context: CheckContext) -> None:  # noqa: B027 (every number is legal)
        """What must look at the numbers: labels in range, probabilities in [0, 1]."""

    def element_shape(self, inputs: Inputs) -> torch.Size:
        """The shape of what a mask may select from: by default one element per sample."""
        shape: torch.Size = inputs[0].shape
        return shape if self.any_shape else shape[:1]

    def hide(self, inputs: Inputs, mask: Tensor, context: CheckContext) -> Inputs:
        """The inputs with harmless values wherever the mask, of :meth:`element_shape`, is False."""
        neutral = NEUTRAL[context.expects]
        kept = []
        for argument, x in zip(self.names, inputs, strict=True):
            if argument in self.arguments and argument not in self.shared:
                fill = 0.0 if argument in self.given else neutral
                wide = mask.reshape((*mask.shape, *[1] * (x.ndim - mask.ndim)))
                x = torch.where(wide, x, torch.full((), fill, dtype=x.dtype, device=x.device))
            kept.append(x)
        return tuple(kept)

    def is_empty(self, inputs: Inputs) -> bool:
        """Whether the batch is empty, so that a mean is not defined."""
        return self.element_shape(inputs).numel() == 0

    def spread(self, inputs: Inputs, chosen: Tensor) -> Tensor:
        """A mask or weight as it comes, at the rows that :meth:`check` makes of ``inputs``, which are as they came."""
        return chosen

    def function_inputs(self, inputs: Inputs, context: CheckContext) -> Inputs:
        """What the function of a loss is called with: the inputs, checked and masked, in the one form that it knows.

        Where inputs come in several forms, as labels or as maps, a loss is written for one of them.
        """
        return inputs

    # Its options

    def check_options(self, options: Mapping[str, Any]) -> None:  # noqa: B027 (every value is legal)
        """What the range of an option does not say: a ``losszoo.checks.BrokenRule`` where one is not legal."""

    def present(self, inputs: Inputs, options: Mapping[str, Any]) -> Tensor | None:
        """A mask of :meth:`element_shape`, False where an option leaves an element out; None where none can."""
        return None

    def weighed(self, inputs: Inputs, options: Mapping[str, Any]) -> Weighed:
        """What the options make of inputs that are checked: other inputs, and what their values are multiplied by."""
        return Weighed(inputs)

    def option_cases(self, inputs: Inputs, expects: str) -> Iterable[OptionCase]:
        """Calls with options, and without, that must agree; made from an ordinary batch, for the conformance suite."""
        return ()

    def __init_subclass__(cls) -> None:
        joins(cls)

    def bind(self, args: Inputs, named: Mapping[str, Any]) -> Inputs:
        """Positional and named inputs in order; optional ones that were left out are None."""
        names = self.names
        if len(args) == len(names) and not named:
            return args
        if len(args) > len(names):
            raise BrokenRule("inputs", f"be {', '.join(names)}", f"{len(args)} of them")
        values = dict(zip(names, args, strict=False))
        for key, value in named.items():
            if key not in names or key in values:
                came = f"{key}{' twice' if key in values else ''}{_ADAPTERS.get(key, '')}"
                raise BrokenRule("inputs", f"be {', '.join(names)}", came)
            values[key] = value
        missing = [name for name in self.arguments if name not in values]
        if missing:
            raise BrokenRule("inputs", f"be {', '.join(self.arguments)}", f"none for {', '.join(missing)}")
        return tuple(values.get(name) for name in names)

    def pairs(self, inputs: Inputs) -> PairedRows:
        """How the inputs form pairs, where row functions over pairs (:func:`losszoo.pairwise`) can be given them."""
        raise NotImplementedError(f"{self.name} forms no pairs")

    def remembered(self, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
        """Rows and labels (or None) that a memory bank keeps as candidates of later batches."""
        raise NotImplementedError(f"{self.name} keeps no rows")

    # Batches to try a loss on

    @abstractmethod
    def example(self, source: Source) -> Inputs:
        """An ordinary batch of ``source.rows`` samples: moderate numbers, every class present, nothing degenerate."""

    def edge_cases(self, inputs: Inputs, expects: str) -> Iterable[EdgeCase | tuple[Any, ...]]:
        """(label, inputs) at the edge of what may legally come, made from an ordinary batch.

        A third entry, True, says that the predictions are surely wrong. One sample and none are tried by the core.
        """
        return ()

    def misshapen(self, inputs: Inputs) -> Iterator[tuple[str, str, Inputs]]:
        """(argument, what is wrong, inputs) of wrong shapes and types: each must be refused by its name."""
        yield "inputs", "one too many", (*inputs, *inputs, *inputs)
        yield "inputs", "none", ()
        for place, name in enumerate(self.arguments):
            yield name, "a list", replaced(inputs, place, [1.0])
            if name not in self.given:
                yield name, "whole numbers", replaced(inputs, place, inputs[place].long())
            if name in self.shared:
                if inputs[place].ndim > 1:
                    yield name, "one column less", replaced(inputs, place, inputs[place][:, :-1])
                elif place > 0:
                    yield name, "one row less", replaced(inputs, place, inputs[place][:-1])
            elif place > 0:
                yield name, "one row less", replaced(inputs, place, inputs[place][:-1])
            if inputs[place].ndim > 1 and place == 0:
                yield name, "one dimension only", replaced(inputs, place, inputs[place].flatten())

    def illegal_values(self, inputs: Inputs, expects: str) -> Iterable[tuple[str, str, Inputs]]:
        """(argument, what is wrong, inputs) of numbers out of range: each must be refused by its name."""
        return ()

    def rightness(self, *inputs: Any) -> Tensor:
        """How right the predictions are, as one number that training must raise; see ``learns``."""
        raise NotImplementedError(f"{self.name} says of no prediction how right it is")

    def rows_of(self, inputs: Inputs, rows: Any) -> Inputs:
        """The samples of these indices (or slice) only."""
        picked = (
            x if name in self.shared or not isinstance(x, Tensor) else x[rows]
            for name, x in zip(self.names, inputs, strict=False)
        )
        return tuple(picked)

    def leaf_kinds(self, expects: str) -> Mapping[str, str]:
        """What the numbers of an argument may be, where an example does not show it: "real", "probability", ...

        For the doctor; by default it looks at the numbers of the example.
        """
        return {}

    # How a task is joined to it

    def head(self, width: int, data: Data) -> nn.Module | None:
        """The module from features of that width to predictions; None where a loss works on the features."""
        return None

    @abstractmethod
    def loss_inputs(self, batch: Batch) -> Inputs:
        """What a loss is called with in training: see :class:`losszoo.Batch`."""

    def shaped(self, params: Mapping[str, Any]) -> Signature:
        """The signature of a loss with these values of :attr:`shaped_by`, which its head and prediction follow."""
        return self

    def anchors(self, batch: Batch) -> Tensor | None:
        """Which row of the batch each sample of :meth:`loss_inputs` is about, (M,): its weight counts.

        None: sample i is about row i.
        """
        return None

    def predict(self, outputs: Tensor, data: Data) -> Tensor:
        """What the metrics of the task's kind judge, of the outputs of the head as the loss expects them."""
        return outputs

    def link(self, outputs: Tensor, expects: str) -> Tensor:
        """The outputs of the head as a loss expects them: logits, probabilities or log-probabilities."""
        if expects == "logits":
            return outputs
        if expects == "log-probabilities":
            return torch.nn.functional.logsigmoid(outputs)
        return torch.sigmoid(outputs)

    # What follows from the above

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All arguments, the optional ones last."""
        return (*self.arguments, *self.optional)

    @cached_property
    def trained(self) -> tuple[int, ...]:
        """Places of the arguments that come out of a model, and so get a gradient."""
        return tuple(place for place, name in enumerate(self.names) if name not in self.given)

    @cached_property
    def per_sample(self) -> tuple[int, ...]:
        """Places of the arguments that have one row per sample."""
        return () if self.on_parameters else tuple(i for i, name in enumerate(self.names) if name not in self.shared)

    @cached_property
    def has_head(self) -> bool:
        """Whether its losses predict by a head, and not from the rows nearby."""
        return type(self).head is not Signature.head

    @cached_property
    def converts(self) -> bool:
        """Whether a function is called with other inputs than the loss."""
        return type(self).function_inputs is not Signature.function_inputs

    @cached_property
    def forms_pairs(self) -> bool:
        """Whether row functions over pairs can be given its inputs."""
        return type(self).pairs is not Signature.pairs

    @cached_property
    def keeps_rows(self) -> bool:
        """Whether a memory bank can keep its rows."""
        return type(self).remembered is not Signature.remembered

    def __repr__(self) -> str:
        return f"<signature {self.name}: {', '.join(self.names)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def replaced(inputs: Inputs, place: int, value: Any) -> Inputs:
    """The inputs with another one at a place."""
    return (*inputs[:place], value, *inputs[place + 1 :])


def predicting_of(signatures: Sequence[Signature]) -> Signature | None:
    """The one that predicts where a sum holds several; None where all are penalties."""
    able = [signature for signature in signatures if not signature.on_parameters]
    return max(able, key=lambda signature: signature.predicting, default=None)


def interchangeable(signatures: Sequence[Signature]) -> Signature | None:
    """The strictest of several that are called with the same tensors; None where they are not."""
    for signature in signatures:
        if all(other is signature or other.name in signature.stricter_than for other in signatures):
            return signature
    return None
