"""Which loss fits which task: decided from the specs, before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from losszoo.common.text import shown
from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.losses.sums.idle import refuse_idle
from losszoo.losses.sums.words import MINERS, REDUCERS
from losszoo.registry.expressions import Call, Weighted, parse
from losszoo.registry.params import Param
from losszoo.registry.registry import Registry, installed
from losszoo.registry.specs import LossSpec, TaskSpec

L = TypeVar("L")

# The tag of a loss that is made of other losses: uncertainty(bce, dice).
COMBINER = "combiner"
# The tag of a loss that does not look at the targets: a term of a sum.
REGULARIZER = "regularizer"
# What the core does for every loss over pairs: it divides by the temperature, so it can learn it; it chooses the pairs.
LEARNED_TEMPERATURE = "learned_temperature"
OF_PAIRS = {
    "miner": Param(name="miner", type="str", default="all", choices=MINERS),
    "miner_margin": Param(name="miner_margin", default=0.1, range=(0.0, float("inf")), bounds="[)"),
}
# What it does for every loss: it reduces the values.
OF_EVERY_LOSS = {
    "reducer": Param(name="reducer", type="str", default="all", choices=REDUCERS),
    "reducer_share": Param(name="reducer_share", default=0.3, range=(0.0, 1.0), bounds="(]"),
}


def check_params(spec: LossSpec, arguments: Mapping[str, Any], owner: str) -> None:
    """Every argument is a parameter of the loss and in its range.

    Raises:
        UsageError: names the loss, its owner, the rule and the value.
    """
    for name, value in arguments.items():
        param = spec.param(name) or _beside(spec, name)
        if name == "miner" and callable(value) and param is not None:
            continue
        if param is None:
            near = suggest(name, [p.name for p in spec.params]) if spec.params else "it takes none"
            raise UsageError(f"{spec.name} has no parameter {name!r}: {near} (a loss of {owner})", argument=name)
        complaint = param.complaint(value)
        if complaint:
            rule = f"{spec.name}: {name} {complaint}, got {shown(value)} (a loss of {owner})"
            raise UsageError(rule, argument=name)


def _beside(spec: LossSpec, name: str) -> Param | None:
    """What the core does for a loss that does not announce it."""
    if spec.param("similarity") is None:
        return OF_EVERY_LOSS.get(name)
    if name == LEARNED_TEMPERATURE and spec.param("temperature") is not None:
        return Param(name=LEARNED_TEMPERATURE, type="bool", default=False)
    return OF_PAIRS.get(name) or OF_EVERY_LOSS.get(name)


def tasks_for(registry: Registry, signature: str) -> list[str]:
    """Names of the tasks that a loss of that signature can be trained on by itself."""
    return [name for name, task in registry.tasks.items() if registry.fits(signature, task.kind)]


def fitting_tasks(registry: Registry, signature: str) -> str:
    """The same in words."""
    return ", ".join(tasks_for(registry, signature)) or "no task that is installed"


def losses_for(registry: Registry, task: TaskSpec) -> list[str]:
    """Names of the losses that can be trained on a task by themselves."""
    return [name for name, loss in registry.losses.items() if registry.fits(loss.signature, task.kind)]


def check_fit(registry: Registry, terms: tuple[Weighted, ...], task: TaskSpec) -> None:
    """Every registered loss of an expression fits the task and has legal parameters; not all are penalties or idle.

    Raises:
        UsageError: names the loss, why it does not fit, and the tasks that it does fit.
    """
    refuse_idle(terms)
    calls = list(leaves(registry, terms))
    names = [call.name for call in calls]
    for call in calls:
        if ":" not in call.name:
            _check_one(registry, call.name, task)
            check_params(registry.loss(call.name), call.arguments, str(registry.origin("loss", call.name)))
    known = [registry.loss(name).signature for name in names if ":" not in name]
    if len(known) == len(names) and all(map(registry.penalizes, known)):
        raise UsageError(
            "a penalty must stand in a sum with a loss of the data, got "
            f"{' + '.join(names)} alone; try {example_for(registry, task)} + 1e-4*{names[0]}"
        )


def _check_one(registry: Registry, name: str, task: TaskSpec) -> None:
    signature = registry.loss(name).signature
    if registry.penalizes(signature) or registry.fits(signature, task.kind):
        return
    article = "an" if signature.startswith("e") else "a"
    raise UsageError(
        f"{name} is {article} {signature} loss and does not fit {task.name}, a {task.kind} task; "
        f"it fits {fitting_tasks(registry, signature)}. "
        f"{task.name} takes losses of {', '.join(registry.taken_by(task.kind))}, such as {example_for(registry, task)}"
    )


def example_for(registry: Registry, task: TaskSpec) -> str:
    """A stable loss that fits, to name in an error."""
    baseline = baseline_of(registry, task)
    return "a loss" if baseline is None else baseline.name


def baseline_of(registry: Registry, task: TaskSpec) -> LossSpec | None:
    """The first stable loss of the signature that is natural to a task; one that only regularizes is none."""
    natural = registry.kinds[task.kind].natural if task.kind in registry.kinds else ""
    able = (spec for spec in registry.losses.values() if spec.signature == natural and spec.status == "stable")
    return next((spec for spec in able if REGULARIZER not in spec.tags), None)


def targets_of(terms: tuple[Weighted, ...]) -> list[str]:
    """The targets in an expression, each once: all that would be imported, and not looked up in the registry.

    Example:
        >>> from losszoo.registry.expressions import parse
        >>> targets_of(parse("bce + 2*uncertainty(a.py:X, os:system(dice))"))
        ['a.py:X', 'os:system']
    """
    found = [name for term in terms for name in (term.call.name, *targets_of(term.call.inner)) if ":" in name]
    return list(dict.fromkeys(found))


def _known(registry: Registry, name: str, terms: tuple[Weighted, ...]) -> LossSpec:
    """The loss of that name; an unknown one beside a file may be the beginning of its path."""
    try:
        return registry.loss(name)
    except UnknownNameError as error:
        parts = [term.call.name for term in terms]
        if parts[-1] == name or ".py:" not in parts[-1]:
            raise
        path = "+".join(parts)
        raise UnknownNameError(f"{error}; a path with a + in it must be in quotes: --loss '\"{path}\"'") from None


def own_names(loss: L) -> L:
    """An expression with the losses' own names in place of aliases, for a result to say; an object as it is.

    Raises:
        UsageError: the text is not of the grammar.
    """
    if not isinstance(loss, str):
        return loss
    registry, text = installed(), str(loss)
    for call in sorted(_calls(parse(text)), key=lambda call: call.position, reverse=True):
        if call.name in registry.aliases and text.startswith(call.name, call.position):
            end = call.position + len(call.name)
            text = text[: call.position] + registry.own_name(call.name) + text[end:]
    return text  # type: ignore[return-value]


def _calls(terms: tuple[Weighted, ...]) -> Iterator[Call]:
    for term in terms:
        yield term.call
        yield from _calls(term.call.inner)


def leaves(registry: Registry, terms: tuple[Weighted, ...], alone: bool = False) -> Iterator[Call]:
    """The losses of the data and of the parameters, without those that only combine others.

    Args:
        registry: knows which losses combine others.
        terms: of the expression.
        alone: let a combiner stand without losses inside, as in Python, where it is called with their values.
    """
    for term in terms:
        name, inner = term.call.name, term.call.inner
        combines = ":" not in name and COMBINER in _known(registry, name, terms).tags
        if combines and not inner and not alone:
            raise UsageError(f"{name} must have losses inside, got none; write {name}(loss, another loss)")
        if inner:
            yield from leaves(registry, inner, alone)
        else:
            yield term.call
