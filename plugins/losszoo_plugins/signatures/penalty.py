"""A penalty on parameters, which needs no data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Penalty(Signature):
    """The parameters of a model, as tensors of any shapes."""

    name = "penalty"
    arguments = ("parameters",)
    synonyms: ClassVar = {"parameters": ("params", "model_parameters")}
    on_parameters = True
    sizes = Sizes(first="parameters", usual="10000,100000,800000")

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        try:
            tensors = [inputs[0]] if isinstance(inputs[0], Tensor) else list(inputs[0])
        except TypeError:
            came = checks.shape_of(inputs[0])
            raise checks.BrokenRule("parameters", "be an iterable of tensors", came) from None
        checks.check_tensors(("parameters", tensor) for tensor in tensors)
        return ([checks.floating("parameters", tensor) for tensor in tensors],)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        return torch.Size(())

    def is_empty(self, inputs: tuple[Any, ...]) -> bool:
        return not any(x.numel() for x in inputs[0])

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        raise checks.BrokenRule("mask", "be left out: a penalty is one value", checks.shape_of(mask))

    def example(self, source: Source) -> tuple[Any, ...]:
        if source.measured:
            return ([source.normal(source.rows)],)
        return ([source.normal(source.dim, source.rows), source.normal(source.dim)],)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        (parameters,) = inputs
        for value in (0.0, 1e-30, 1e10):
            yield EdgeCase(f"every parameter {value:g}", ([torch.full_like(p, value) for p in parameters],))
        yield EdgeCase("one row of each", ([p[:1] for p in parameters],))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield "parameters", "a number", (3,)
        yield "parameters", "whole numbers", ([torch.ones(2, dtype=torch.int64)],)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return (batch.parameters,)
