"""A learned number of the loss that descent takes out of the domain of an operation: a logarithm of a raw scale."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import MODERATE, symptom_of
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.subject.input_kinds import leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.losses.loss import Loss
from losszoo.tracing.tape import Record, Tape

# Of the effort.
_SHARE = 0.05
_RATE = 0.1
_STEPS = 60
# Descent has ended where no step is longer.
_STILL = 1e-4
# A network inside a loss is no number that it learns.
_MOST_NUMBERS = 4096
_DOMAINS = ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "pow", "lgamma", "digamma", "xlogy")
_KEEPING = (
    *("getitem", "unbind", "squeeze", "unsqueeze", "view", "reshape", "expand", "select", "mul", "div", "sum", "mean"),
    *("to", "float", "clone", "stack", "cat"),
)


@dataclass(frozen=True)
class _Driven:
    """Where descent has led: the loss with its parameters there, the input, and after how many steps."""

    subject: Subject
    leaves: Leaves
    label: str
    steps: int


def look_for_driven_parameters(subject: Subject, search: Search) -> None:
    """Ordinary descent on the loss's own parameters, until a number is NaN."""
    if not learned_numbers(subject):
        return
    enough = search.clock.spent + _SHARE * search.clock.limit
    for label, leaves in _errors(subject):
        driven = _descend(subject, label, leaves) if search.clock.spent + _STEPS < enough else None
        failure = _failure(subject, driven) if driven is not None else None
        if failure is not None:
            search.add(failure)
            return


def learned_numbers(subject: Subject) -> list[nn.Parameter]:
    """The parameters that a loss of the user's own learns, where they are no network."""
    call = subject.call
    learned = [p for p in call.parameters() if p.requires_grad] if isinstance(call, nn.Module) else []
    return [] if isinstance(call, Loss) or sum(p.numel() for p in learned) > _MOST_NUMBERS else learned


def _errors(subject: Subject) -> Iterator[tuple[str, Leaves]]:
    """The example; then smaller errors, as late in training: smaller inputs, predictions nearer to targets."""
    yield "the ordinary input", list(subject.leaves)
    leaves = leaves_of(subject)
    trained = [leaf for leaf in leaves if leaf.index in subject.trained and leaf.kind in ("real", "positive")]
    for words, share in (("tenth", 0.1), ("hundredth", 0.01)):
        smaller, nearer = list(subject.leaves), list(subject.leaves)
        for leaf in trained:
            smaller[leaf.index] = share * leaf.tensor
            others = [x.tensor for x in leaves if x.floating and x is not leaf and x.tensor.shape == leaf.tensor.shape]
            nearer[leaf.index] = others[0] + share * (leaf.tensor - others[0]) if others else smaller[leaf.index]
        yield f"inputs a {words} as large", smaller
        if len(trained) == 1:
            yield f"predictions a {words} as far from their targets", nearer


def _descend(subject: Subject, label: str, leaves: Leaves) -> _Driven | None:
    """Steps of plain descent; None where the loss stays finite, or its parameters leave what is ordinary."""
    module = copy.deepcopy(subject.call)
    assert isinstance(module, nn.Module)
    learned = [p for p in module.parameters() if p.requires_grad]
    moving = replace(subject, call=module)
    for step in range(_STEPS):
        outcome = evaluate(moving, leaves, torch.float32)
        if outcome.error is not None:
            return None
        if symptom_of(outcome) is not None:
            return _Driven(moving, leaves, label, step) if step else None
        gradients = outcome.gradients[len(subject.trained) :]
        if all(gradient is None or bool((gradient.abs() < _STILL).all()) for gradient in gradients):
            return None
        with torch.no_grad():
            for parameter, gradient in zip(learned, gradients, strict=True):
                if gradient is not None:
                    parameter.sub_(_RATE * gradient.to(parameter.dtype))
        if any(bool((p.abs() > MODERATE).any()) for p in learned):
            return None
    return None


def _failure(subject: Subject, driven: _Driven) -> Failure | None:
    """The failure, where the operation at fault gets a parameter itself, which has become negative."""
    symptom = symptom_of(evaluate(driven.subject, driven.leaves, torch.float32))
    culprit = blame(driven.subject, driven.leaves, torch.float32)
    if symptom is None or culprit is None or culprit.record.site.op not in _DOMAINS:
        return None
    x = culprit.record.inputs[0]
    found = parameter_of(driven.subject.call, culprit.tape, x) if bool((x <= 0).any()) else None
    if found is None:
        return None
    name, was, now = _moved(subject, driven, found)
    op = culprit.record.site.op
    taken = f"{driven.steps} steps of descent (rate {_RATE:g}) take {name} from {was:.3g} to {now:.3g}"
    cause = (
        f"{op} of {name}, which is learned and not kept positive: on {driven.label} {taken}, where {op} has no value"
    )
    remedy = (
        f"learn the logarithm: make the parameter log_{found} with its zeros in place of ones, use it instead of "
        f"{op}({found}), and torch.exp(log_{found}) instead of {found}"
        if op.startswith("log")
        else f"keep it positive: torch.nn.functional.softplus of the parameter instead of {found}"
    )
    return Failure(
        driven.subject,
        f"{taken}, on {driven.label}",
        symptom,
        torch.float32,
        driven.leaves,
        None,
        shows=lambda leaves: symptom_of(evaluate(driven.subject, leaves, torch.float32)) == symptom,
        said=(cause, remedy),
        site=culprit.record.site,
    )


def parameter_of(call: object, tape: Tape, x: Tensor) -> str | None:
    """The name of the parameter that a tensor is, or is a part of."""
    record: Record | None = tape.maker(x)
    while record is not None:
        if record.site.op not in _KEEPING or len(record.inputs) != 1:
            return None
        x = record.inputs[0]
        record = tape.maker(x, before=record.index)
    assert isinstance(call, nn.Module)
    named = ((name, p) for name, p in call.named_parameters() if p.requires_grad)
    return next((name for name, p in named if bool(torch.isin(x.detach(), p.detach().to(x.dtype)).all())), None)


def _moved(subject: Subject, driven: _Driven, name: str) -> tuple[str, float, float]:
    """The entry that is least now, in words, and what it was."""
    before, after = (dict(s.call.named_parameters())[name].detach() for s in (subject, driven.subject))  # type: ignore[attr-defined]
    least = int(after.reshape(-1).argmin())
    place = f"{name}[{least}]" if after.numel() > 1 else name
    return place, float(before.reshape(-1)[least]), float(after.reshape(-1)[least])
