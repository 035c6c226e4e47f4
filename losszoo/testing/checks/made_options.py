"""Hyperparameters: announced as they are, refused where they are wrong, and working where they are legal."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.errors import NotApplicableError
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import Batch
from losszoo.registry.compatibility import COMBINER
from losszoo.registry.import_target import resolve
from losszoo.registry.params import Param
from losszoo.registry.specs import LossSpec
from losszoo.testing.check import check, require
from losszoo.testing.checks.bad_arguments import must_refuse
from losszoo.testing.equal import agree
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import are_finite, value_and_gradients

_UNANNOUNCED = "it is in no registry"
_NAMESAKE = "return one value per sample; a parameter with the name of an option must do the same"


@check()
def check_announced_parameters(subject: Subject) -> None:
    """The parameters that are announced are those of the function, with its defaults."""
    if subject.spec is None:
        raise NotApplicable(_UNANNOUNCED)
    announced = {param.name: param.default for param in subject.spec.params}
    taken = keywords_of(subject.spec)
    advice = "make params of the LossSpec and keywords of the function alike"
    require(announced == taken, f"the parameters must be {taken}", f"{announced} in the spec", advice)


def keywords_of(spec: LossSpec) -> dict[str, Any]:
    """Keywords and defaults of a target, those that losszoo adds to a row function included."""
    target, rules = resolve(spec.target), TABLE[spec.signature]
    called = target.__init__ if inspect.isclass(target) else target
    given = {"self", "mask", *rules.optional}
    # A decorator may take a keyword of the function itself, with a default of its own.
    parameters = (
        inspect.signature(called).parameters | inspect.signature(called, follow_wrapped=False).parameters
    ).values()
    keywords = {name: option.get("default") for name, option in rules.options.items()}
    keywords |= {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in given}
    row = getattr(target, "__losszoo_row__", None)
    if row is not None:
        keywords["similarity"] = row.similarity
        keywords |= {} if row.temperature is None else {"temperature": row.temperature}
        keywords |= {"learned_temperature": True} if row.learned_temperature else {}
        keywords |= {"symmetric": row.symmetric} if rules.two_ways and not row.both_views else {}
    return keywords


@check()
def check_wrong_options(subject: Subject) -> None:
    """A parameter out of its range, one that there is not, and an unknown reduction are refused by their names."""
    must_refuse("reduction", "an unknown one", lambda: subject.make("average"))
    must_refuse("empty", "an unknown one", lambda: subject.make(empty="nothing"))
    if isinstance(subject.target, nn.Module):
        return  # made already, so it takes no parameters
    for param in subject.spec.params if subject.spec else ():
        for value in _illegal(param):
            options = {param.name: value}
            must_refuse(param.name, repr(value), lambda options=options: subject.make(**options))  # type: ignore[misc]
    advice = "name every keyword: **options swallows misspelt ones"
    must_refuse("no_such_parameter", "an unknown one", lambda: subject.make(no_such_parameter=1), advice)


def _illegal(param: Param) -> Iterator[Any]:
    if param.choices:
        yield "no-such-choice"
    if param.range is None or param.type not in ("float", "int"):
        return
    low, high = param.range
    number = int if param.type == "int" else float
    yield from (number(value) for value in (low - 1, high + 1) if math.isfinite(value))


@check(without=(COMBINER,), because="its parameters are those of other losses")
def check_legal_options(subject: Subject) -> None:
    """At every legal end, search end and choice of its parameters the loss and its gradient are finite."""
    if subject.spec is None or isinstance(subject.target, nn.Module):
        raise NotApplicable("it is made already" if subject.spec else _UNANNOUNCED)
    cases = [(param.name, value) for param in subject.spec.params for value in _extremes(param)]
    if not cases:
        raise NotApplicable("no parameter has an end or a choice")
    for name, value in cases:
        loss = subject.make(**{name: value})
        result, gradients = value_and_gradients(loss, subject.batch(), subject.signature)
        gradient = "" if result.isnan() or result.isinf() else " and a gradient that is not finite"
        came = f"the value {result.item()}{gradient} with {name}={value!r}"
        advice = "narrow the range in the Param (bounds='()' leaves out its ends), or treat the end in the loss"
        rule = "value and gradient must be finite wherever a parameter is legal"
        require(are_finite(result, gradients), rule, came, advice)


def _extremes(param: Param) -> Iterator[Any]:
    yield from param.choices
    if param.type == "bool":
        yield from (False, True)
    if param.type in ("float", "int"):
        number = int if param.type == "int" else float
        ends = {float(end) for pair in (param.range, param.search) if pair for end in pair if math.isfinite(end)}
        yield from (number(end) for end in sorted(ends) if param.complaint(number(end)) is None)


@check(concerns=lambda signature: bool(signature.options), because="its signature has no options")
def check_signature_options(subject: Subject) -> None:
    """The options of the signature do what it says: calls that must agree do, in value and gradient."""
    inputs = subject.batch()
    for case in TABLE[subject.signature].option_cases(inputs, subject.expects):
        for reduction in case.reductions:
            label = f"{case.label}: the {reduction}"
            value, gradients = _with_options(subject, case.options, case.inputs, reduction)
            expected, others = _with_options(subject, case.other_options, case.other_inputs, reduction)
            agree(label, value, "the same", expected, _NAMESAKE)
            for gradient, other in zip(gradients, others, strict=True):
                placed = torch.zeros_like(gradient).index_add(0, case.rows, other)
                agree(f"{label}'s gradient", gradient, "the same", placed, _NAMESAKE)


def _with_options(
    subject: Subject, options: Mapping[str, Any], inputs: Batch, reduction: str
) -> tuple[Tensor, list[Tensor]]:
    loss = subject.make(reduction)
    for name, value in options.items():
        if name not in loss.parameter_names:
            raise NotApplicable(f"it is made already, without {name}")
        setattr(loss, name, value)
    try:
        return value_and_gradients(loss, inputs, subject.signature)
    except NotApplicableError as error:
        raise NotApplicable(str(error)) from error
