"""From what a user names to what can be examined: a callable with an ordinary input."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line, kind_name
from losszoo.creation import create
from losszoo.doctor.inputs.probes import batch_size, select
from losszoo.doctor.measuring import measured
from losszoo.doctor.subject.dtypes import uncompiled
from losszoo.doctor.subject.hints import with_hints
from losszoo.doctor.subject.resource_use import MOST_BYTES, Use, growth, in_gigabytes, numbers_of
from losszoo.doctor.subject.subject import NoValueError, Outcome, Subject, evaluate, make_subject
from losszoo.errors import UsageError, is_out_of_memory
from losszoo.losses.introspection import (
    check_is_loss,
    fitting_signatures,
    infer_signature,
    name_of,
    positional_names,
    unknown_signature,
)
from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import DIM, ROWS, example_inputs
from losszoo.losses.sums.data_sizes import set_sizes
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.registry.expressions import parse
from losszoo.registry.import_target import resolve

Example = Callable[[], Any]

# An input of more numbers than this is cut to so many rows.
_LARGE = 100_000
_ROWS = 16
# Nor may a recorded call hold more bytes than this, where fewer rows hold less.
_CALM = 60_000_000


def subjects_of(
    loss: str | Callable[..., Any], signature: str | None, expects: str | None, example: Example | None, seed: int
) -> list[tuple[str, Subject]]:
    """What is examined, each with its label; the terms of a sum one by one.

    Raises:
        UsageError: nothing of the kind can be called.
    """
    things = _things(loss, signature, expects)
    return [(label, _ready(_subject(thing, label, signature, expects, example, seed))) for label, thing in things]


def _things(loss: str | Callable[..., Any], signature: str | None, expects: str | None) -> list[tuple[str, Any]]:
    """The single losses, ready to be called."""
    if not isinstance(loss, str):
        return _of_object(loss, name_of(loss), {})
    terms = parse(loss)
    calls = [term.call for term in terms]
    if len(terms) == 1 and ":" in calls[0].name:
        return _of_object(resolve(calls[0].name), str(calls[0]), calls[0].arguments)
    if any(":" in call.name for call in calls):
        # A registered term has both already.
        own = [(signature, expects) if ":" in call.name else (None, None) for call in calls]
        return [pair for call, how in zip(calls, own, strict=True) for pair in _things(str(call), *how)]
    if signature or expects:
        create(loss, signature=signature, expects=expects)  # refuses them, as they are registered
    made = create(loss)
    return [(loss, made)] if isinstance(made, Loss) else _terms(made)


def _terms(loss: SumLoss) -> list[tuple[str, Any]]:
    if loss.combiner is not None:
        raise UsageError(
            "a combiner has no input of its own to be examined on: examine the losses inside it one by one"
        )
    single = [term for term in loss.terms if isinstance(term.loss, Loss)]
    inner = [pair for term in loss.terms if isinstance(term.loss, SumLoss) for pair in _terms(term.loss)]
    return [*((term.label, term.loss) for term in single), *inner]


def _of_object(thing: Any, name: str, params: dict[str, Any] | Any) -> list[tuple[str, Any]]:
    if isinstance(thing, SumLoss):
        return _terms(thing)
    check_is_loss(thing, name)
    if hasattr(thing, "__losszoo_row__"):
        return [(name, create(thing, **params))]
    if inspect.isclass(thing):
        return [(name, _made(thing, name, dict(params)))]
    return [(name, functools.partial(thing, **params) if params else thing)]


def _made(kind: type, name: str, params: dict[str, Any]) -> Any:
    try:
        with foreign_code():
            made = kind(**params)
    except (Exception, SystemExit) as error:
        required = _required(kind, params)
        hint = f"it needs {', '.join(required)}: pass {name}({', '.join(f'{key}=...' for key in required)})"
        raise UsageError(
            f"{name} cannot be made with ({', '.join(params)}): {in_one_line(error)}"
            + (f"; {hint}" if required else "")
        ) from error
    if not callable(made):
        raise UsageError(f"a loss must be callable, got {kind_name(made)} from {name}()")
    return made


def _required(kind: type, params: dict[str, Any]) -> list[str]:
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.default is p.empty and p.kind in named and p.name not in params]


def _subject(
    thing: Any, label: str, signature: str | None, expects: str | None, example: Example | None, seed: int
) -> Subject:
    original, remarks = uncompiled(thing), list[str]()
    if original is not thing:
        remarks.append(f"{label} is compiled: the function that torch.compile was given is examined")
    elif isinstance(thing, torch.jit.ScriptFunction | torch.jit.ScriptModule):
        remarks.append(f"{label} is scripted: its operations are not seen; examine what torch.jit.script was given")
    return replace(_of_uncompiled(original, label, signature, expects, example, seed), remarks=tuple(remarks))


def _of_uncompiled(
    thing: Any, label: str, signature: str | None, expects: str | None, example: Example | None, seed: int
) -> Subject:
    if example is not None:
        names = TABLE[signature].arguments if signature else _names(thing)
        return make_subject(thing, _example_inputs(example), names, signature or "", expects or "logits", label, seed)
    if isinstance(thing, Loss):
        signature, expects = thing.identity.signature, thing.identity.expects
    signature = signature or _inferred(thing, label, seed)
    rules = TABLE[signature]
    inputs = example_inputs(signature, expects=expects or "logits", seed=seed)
    if isinstance(thing, Loss):
        set_sizes(thing, classes=ROWS, dim=DIM)  # no case has more labels than rows
    else:
        inputs = inputs[: len(rules.arguments)]
    return make_subject(thing, inputs, rules.names, signature, expects or "logits", label, seed)


def _names(thing: Any) -> tuple[str, ...]:
    """The names of the arguments; without those that say nothing (``*inputs``)."""
    if isinstance(thing, Loss):
        return TABLE[thing.signature].arguments
    try:
        return positional_names(thing)
    except (TypeError, ValueError):
        return ()


def _inferred(thing: Any, label: str, seed: int) -> str:
    """The signature by argument names; where several share them, the only one whose input the loss accepts.

    Raises:
        UsageError: that does not tell, or the loss gives no answer on any of them.
    """
    signature = infer_signature(thing)
    if signature is not None:
        return signature
    candidates = fitting_signatures(thing)
    answers = {name: _answer(thing, name, seed) for name in candidates}
    accepted = [name for name, outcome in answers.items() if outcome.error is None]
    # Of several it may be any where its fault is the same on all: nothing is trained by a value without a gradient.
    if len(accepted) == 1 or (accepted and all(answers[name].is_detached for name in accepted)):
        return accepted[0]
    if candidates and not accepted:
        raise _refused(label, {name: outcome.error for name, outcome in answers.items() if outcome.error})
    ways = f"as in losszoo doctor {label} --signature {{}} (in Python signature='{{}}')"
    said = unknown_signature(thing, label, accepted or candidates, ways)
    raise UsageError(f"{said}; {_OTHERS}")


def _refused(label: str, errors: dict[str, Exception]) -> UsageError:
    """Why a loss cannot be examined on its ordinary inputs, whichever they are: its own fault comes first."""
    for error in errors.values():
        if isinstance(error, NoValueError):
            return UsageError(f"{label}: {error}")
    once = {in_one_line(error): name for name, error in reversed(errors.items())}
    said = "; ".join(f"on {name} it raises {text}" for text, name in reversed(once.items()))
    return UsageError(f"{label} must accept an ordinary input, and {said}; {_OTHERS}")


_OTHERS = (
    "where its inputs are others, give --example FILE:NAME, a function that returns one ordinary tuple of them "
    "(in Python example=)"
)


def _answer(thing: Any, signature: str, seed: int) -> Outcome:
    subject = make_subject(thing, example_inputs(signature, seed=seed), TABLE[signature].arguments, signature)
    return evaluate(subject, subject.leaves)


def _example_inputs(example: Example) -> tuple[Any, ...]:
    try:
        with foreign_code():
            made = example()
    except (Exception, SystemExit) as error:
        raise UsageError(f"the example must return a tuple of inputs, got the error {in_one_line(error)}") from error
    for x in tree_leaves(made):
        if isinstance(x, Tensor) and (x.layout != torch.strided or x.is_meta):
            raise UsageError(f"the example must hold dense tensors with values, got {x.layout} on {x.device}")
    inputs = (made,) if isinstance(made, Tensor) else tuple(made) if isinstance(made, Sequence) else made
    if not isinstance(inputs, tuple) or not inputs:
        raise UsageError(
            "the example must return one ordinary tuple of inputs, got "
            f"{'an empty one' if made == () else f'something of type {type(made).__name__}'}"
        )
    return inputs


def _ready(subject: Subject) -> Subject:
    """The subject with what its code says of its inputs, once it can be called at all.

    Raises:
        UsageError: it raises on its ordinary input, or gives back no floating tensor.
    """
    if not any(isinstance(leaf, Tensor) and leaf.is_floating_point() for leaf in subject.leaves):
        raise UsageError(
            f"the ordinary input of {subject.target} must hold a floating torch tensor, got none; give --example"
        )
    subject = _moderate(subject)
    use = measured(subject, subject.leaves, own_dtype(subject))
    full = use.error is not None and is_out_of_memory(use.error)
    if full or use.held > MOST_BYTES:
        took = in_one_line(use.error) if full and use.error else f"one recorded call takes {in_gigabytes(use.held)}"
        raise UsageError(
            f"the ordinary input of {subject.target} must be smaller: {took}, and the doctor may use "
            f"{in_gigabytes(MOST_BYTES)}; give a smaller --example"
        )
    outcome = evaluate(subject, subject.leaves, own_dtype(subject))
    if outcome.error is not None:
        shapes = ", ".join(f"{tuple(x.shape)}" if isinstance(x, Tensor) else repr(x) for x in subject.leaves)
        raise _refused(subject.target, {shapes: outcome.error}) from outcome.error
    return with_hints(replace(subject, use=_growing(subject, use)))


def _growing(subject: Subject, use: Use) -> Use:
    """With the power with which its memory grows, told by an input twice as large."""
    size = batch_size(subject)
    twice = select(subject, subject.leaves, torch.arange(size).repeat(2))
    if not size or use.held_at(2) > MOST_BYTES:
        return use
    larger = measured(subject, twice, own_dtype(subject))
    return use if larger.error is not None else replace(use, power=growth(use, larger))


def _moderate(subject: Subject) -> Subject:
    """The first rows of a large input, where the loss takes them: thousands of calls are made and recorded."""
    size, numbers = batch_size(subject), numbers_of(subject.leaves)
    if size <= 2 * _ROWS and (numbers <= _LARGE or size <= _ROWS):
        return subject
    count = _ROWS // 2
    found, use = subject, Use(0, 0.0, 1)
    while count < size and (numbers <= _LARGE or count <= _ROWS) and use.held_at(2) <= _CALM:
        fewer = subject.with_leaves(select(subject, subject.leaves, torch.arange(count)))
        larger = measured(fewer, fewer.leaves, own_dtype(fewer))
        if larger.error is not None:
            return subject
        found, use = fewer, replace(larger, power=growth(use, larger))
        count *= 2
    if numbers <= _LARGE and use.held_at(size / batch_size(found)) <= _CALM:
        return subject
    kept = f"the first {batch_size(found)} of {size} rows are examined: each of thousands of calls is recorded"
    return replace(found, remarks=(*found.remarks, kept))


def own_dtype(subject: Subject) -> torch.dtype:
    """What the ordinary input comes in; half precision counts, anything else is float32."""
    found = {x.dtype for x in subject.leaves if isinstance(x, Tensor) and x.is_floating_point()}
    low = sorted((d for d in found if d.itemsize < 4), key=str)
    return low[0] if low else torch.float32
