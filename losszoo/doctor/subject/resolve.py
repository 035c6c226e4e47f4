"""From what a user names to what can be examined: a callable with an ordinary input."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line, kind_name
from losszoo.creation import create
from losszoo.doctor.losses_in_file import check_names_a_loss
from losszoo.doctor.subject.dtypes import uncompiled
from losszoo.doctor.subject.example_call import Example, call_with
from losszoo.doctor.subject.inference import assumed, signature_subject
from losszoo.doctor.subject.readiness import ready
from losszoo.doctor.subject.subject import Subject, make_subject
from losszoo.errors import UsageError
from losszoo.losses.introspection import (
    check_is_loss,
    name_of,
)
from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import DIM, ROWS, example_inputs
from losszoo.losses.sums.data_sizes import set_sizes
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.registry.expressions import parse
from losszoo.registry.import_target import resolve


def subjects_of(
    loss: str | Callable[..., Any], signature: str | None, expects: str | None, example: Example | None, seed: int
) -> list[tuple[str, Subject]]:
    """What is examined, each with its label; the terms of a sum one by one.

    Raises:
        UsageError: nothing of the kind can be called.
    """
    things = _things(loss, signature, expects)
    return [(label, ready(_subject(thing, label, signature, expects, example, seed))) for label, thing in things]


def _things(loss: str | Callable[..., Any], signature: str | None, expects: str | None) -> list[tuple[str, Any]]:
    """The single losses, ready to be called."""
    if not isinstance(loss, str):
        return _of_object(loss, name_of(loss), {})
    terms = parse(loss)
    calls = [term.call for term in terms]
    if len(terms) == 1 and ":" in calls[0].name:
        check_names_a_loss(calls[0].name)
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
        scripted = isinstance(thing, torch.jit.ScriptFunction)
        how, maker = ("scripted", "torch.jit") if scripted else ("compiled", "torch.compile")
        remarks.append(f"{label} is {how}: the function that {maker} was given is examined")
    elif isinstance(thing, torch.jit.ScriptFunction | torch.jit.ScriptModule):
        remarks.append(f"{label} is scripted: its operations are not seen; examine what torch.jit.script was given")
    subject = _of_uncompiled(original, label, signature, expects, example, seed)
    return replace(subject, remarks=(*remarks, *subject.remarks))


def _of_uncompiled(
    thing: Any, label: str, signature: str | None, expects: str | None, example: Example | None, seed: int
) -> Subject:
    if example is not None:
        made = call_with(thing, example, signature)
        how = (signature or "", expects or "logits", label, seed, made.keywords)
        subject = make_subject(thing, made.inputs, made.names, *how)
        return replace(subject, remarks=(made.remark,) if made.remark else ())
    if isinstance(thing, Loss):
        return _of_the_zoo(thing, label, seed)
    if signature is not None:
        return signature_subject(thing, signature, expects, label, seed)
    return assumed(thing, label, expects, seed)


def _of_the_zoo(loss: Loss, label: str, seed: int) -> Subject:
    name, expects = loss.identity.signature, loss.identity.expects
    inputs = example_inputs(name, expects=expects or "logits", seed=seed)
    set_sizes(loss, classes=ROWS, dim=DIM)  # no case has more labels than rows
    return make_subject(loss, inputs, TABLE[name].names, name, expects or "logits", label, seed)
