"""What an editor shows of a loss as a function: its arguments with their types, and its text."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Iterator
from typing import Any

from losszoo.registry.params import Param
from losszoo.registry.registry import installed
from losszoo.registry.specs import LossSpec

# What a loss is called with, beside its inputs.
OF_A_CALL = {"weight": "Tensor | None", "mask": "Tensor | None", "denominator": "float | Tensor | None"}
# What it is made with, beside its own parameters; the last two are of losses over pairs.
OF_MAKING = {
    "reduction": ('Literal["mean", "sum", "none"]', "mean"),
    "empty": ('Literal["zero", "nan", "raise"]', "zero"),
    "validate": ("bool | None", None),
    "streaming": ("Streaming | None", None),
    "relation": ("Callable[..., Any] | None", None),
}
_OF_PAIRS = ("streaming", "relation")
_TYPES = {"float": "float", "int": "int", "bool": "bool", "str": "str", "floats": "Floats"}
_WIDTH = 112


def inputs_of(spec: LossSpec) -> tuple[str, ...]:
    """Names of the inputs."""
    signature = installed().signatures[spec.signature]
    return (*signature.arguments, *signature.optional)


def keyword_of(param: str) -> str:
    """A parameter as it is given here: a name of the call, such as the weight of a sample, means the call's."""
    if param == "weight":
        return "class_weight"
    return f"{param}_" if param in (*OF_A_CALL, *OF_MAKING) else param


def signature_of(spec: LossSpec) -> inspect.Signature:
    """Inputs by position or name; everything else by name."""
    keywords = [*_parameters(spec), *_of_making(spec)]
    keywords += [_keyword(name, None, annotation) for name, annotation in OF_A_CALL.items()]
    return inspect.Signature([*_inputs(spec), *keywords], return_annotation="Tensor")


def _inputs(spec: LossSpec) -> Iterator[inspect.Parameter]:
    signature = installed().signatures[spec.signature]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name in signature.arguments:
        annotation = "Tensor | Iterable[Tensor]" if signature.on_parameters else "Tensor"
        yield inspect.Parameter(name, kind, annotation=annotation)
    for name in signature.optional:
        yield inspect.Parameter(name, kind, default=None, annotation="Tensor | None")


def _parameters(spec: LossSpec) -> Iterator[inspect.Parameter]:
    for param in spec.params:
        annotation = _TYPES[param.type]
        if param.choices:
            annotation = f"Literal[{', '.join(_quoted(choice) for choice in param.choices)}]"
        if param.default is None:
            annotation += " | None"
        yield _keyword(keyword_of(param.name), param.default, annotation)


def _of_making(spec: LossSpec) -> Iterator[inspect.Parameter]:
    over_pairs = spec.param("similarity") is not None
    for name, (annotation, default) in OF_MAKING.items():
        if over_pairs or name not in _OF_PAIRS:
            yield _keyword(name, default, annotation)


def _keyword(name: str, default: Any, annotation: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def written(value: Any) -> str:
    """A default as it is written in Python."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return f'"{text}"'


def described(spec: LossSpec) -> str:
    """The text: what the loss says of itself, and what a call takes."""
    parts = [spec.summary]
    if spec.formula:
        parts.append(_filled(f".. math:: {spec.formula}"))
    if spec.description:
        parts.append(_filled(spec.description, ""))
    parts.append("\n".join(["Args:", *(textwrap.indent(_filled(line), "    ") for line in _arguments(spec))]))
    parts.append('Returns:\n    One number; with reduction="none" the values.')
    if spec.reference:
        parts.append("Reference:\n" + textwrap.indent(_filled(spec.reference, ""), "    "))
    return "\n\n".join(parts) + "\n"


def _arguments(spec: LossSpec) -> Iterator[str]:
    names = inputs_of(spec)
    yield f"{', '.join(names)}: of the signature {spec.signature}."
    for param in spec.params:
        yield f"{keyword_of(param.name)}: {_said(param)}"
    yield 'reduction: "mean", "sum" or "none".'
    yield 'empty: what a reduction over nothing gives: "zero", "nan" or "raise".'
    yield "validate: look at the numbers of the inputs too; None does so on the CPU."
    if spec.param("similarity") is not None:
        yield "streaming: how the pairs are worked through."
        yield "relation: who is positive to whom, instead of equal labels."
    yield "weight: >= 0, one number per value or per sample; a mean divides by their sum."
    yield "mask: boolean, or integers of 0 and 1; False takes no part."
    yield "denominator: replaces the count that a mean divides by."


def _said(param: Param) -> str:
    said = param.summary.rstrip(".") or param.type
    return f"{said}. Legal: {param.interval}." if param.interval and not param.choices else f"{said}."


def _filled(text: str, indent: str = "    ") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
