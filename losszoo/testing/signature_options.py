"""What a signature must do with its options: nothing by default, and what its cases say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.losses.arguments import CheckContext
from losszoo.losses.signatures.example_source import Source
from losszoo.losses.signatures.signature import Signature, Weighed
from losszoo.testing.check import require
from losszoo.testing.loss_under_test import NotApplicable


def check_options(signature: Signature) -> None:
    """Its options leave an ordinary batch as it is by default, and a case of its own tries each of them."""
    if not signature.options:
        raise NotApplicable("it has no options")
    usual = {name: option.get("default") for name, option in signature.options.items()}
    for expects in signature.expects:
        inputs = signature.example(Source(expects=expects))
        present, weighed = _with_options(signature, inputs, usual, expects)
        plain = (present is None or bool(present.all())) and weighed.factor is None and weighed.counts is None
        advice = "give the options defaults that leave a batch as it is"
        require(plain, "options must do nothing by default", "elements left out or weighed", advice)
        tried: set[str] = set()
        for case in signature.option_cases(inputs, expects):
            for options, batch in ((case.options, case.inputs), (case.other_options, case.other_inputs)):
                unknown = ", ".join(sorted(set(options) - set(usual)))
                require(not unknown, f"options of the case {case.label!r} must be its own", unknown, "correct the name")
                _with_options(signature, batch, {**usual, **options}, expects)
                tried |= set(options)
        untried = ", ".join(sorted(set(usual) - tried))
        advice = "yield a losszoo.OptionCase that sets it"
        require(not untried, "every option must be tried by option_cases", f"no case for {untried}", advice)


def _with_options(
    signature: Signature, inputs: tuple[Any, ...], options: dict[str, Any], expects: str
) -> tuple[Tensor | None, Weighed]:
    """What the options leave of a batch and make of it, in the shapes that a loss takes."""
    signature.check_options(options)
    context = CheckContext(expects, options.get("ignore_index"))
    checked = signature.check(signature.bind(inputs, {}), context)
    shape, advice = signature.element_shape(checked), "compare it with element_shape"
    present = signature.present(checked, options)
    if present is not None:
        is_mask = isinstance(present, Tensor) and present.dtype == torch.bool and present.shape == shape
        came = f"{present.dtype} {tuple(present.shape)}" if isinstance(present, Tensor) else kind_name(present)
        require(is_mask, f"present must be None or a boolean mask of shape {tuple(shape)}", came, advice)
        checked = signature.hide(checked, present, context)
    signature.check_values(checked, context)
    weighed = signature.weighed(checked, options)
    require(isinstance(weighed, Weighed), "weighed must return a losszoo.Weighed", kind_name(weighed), "return one")
    for name, given in (("factor", weighed.factor), ("counts", weighed.counts)):
        fits = given is None or (
            given.ndim == len(shape) and all(a in (1, b) for a, b in zip(given.shape, shape, strict=True))
        )
        came = "" if given is None else f"shape {tuple(given.shape)}"
        require(fits, f"{name} must have the shape {tuple(shape)}, or 1 for a size", came, advice)
    signature.check_values(signature.check(weighed.inputs, context), context)
    return present, weighed
