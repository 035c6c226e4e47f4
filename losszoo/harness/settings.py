"""``--set`` and everything else that a user may choose, checked before anything is computed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from losszoo.errors import LosszooError, UnknownNameError, UsageError, in_one_line, nearest, shown, suggest
from losszoo.harness.task import Recipe, Setup, Task
from losszoo.harness.trunks import trunk_options
from losszoo.registry.params import Param
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.registry.targets import resolve

GROUPS = ("model", "recipe", "loss", "task")
# What a field of a recipe may be; the defaults are the task's.
LEGAL = {
    param.name: param
    for param in (
        Param(name="optimizer", type="str", default="adamw", choices=("adamw", "adam", "sgd")),
        Param(name="lr", default=1e-3, range=(0, math.inf), bounds="()", search=(1e-4, 3e-2), log=True),
        Param(name="weight_decay", default=1e-4, range=(0, math.inf), search=(1e-5, 1.0), log=True),
        Param(name="batch_size", type="int", default=128, range=(1, math.inf), search=(16, 4096), log=True),
        Param(name="epochs", type="int", default=50, range=(1, math.inf)),
        Param(name="patience", type="int", default=10, range=(0, math.inf)),
        Param(name="sample_rate", default=0.5, range=(0, 1), bounds="(]", search=(0.02, 1.0), log=True),
    )
}


@dataclass(frozen=True)
class Overrides:
    """What the user set, by group."""

    model: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=dict)


def parse_overrides(items: Iterable[str] | Mapping[str, Any]) -> Overrides:
    """From ``["model.dim=64"]`` or ``{"model.dim": 64}`` to values by group.

    Raises:
        UsageError: an item without ``group.key=value``, or a group that does not exist.

    Example:
        >>> parse_overrides(["model.dim=64", "recipe.lr=1e-2"]).model
        {'dim': 64}
    """
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    pairs = items.items() if isinstance(items, Mapping) else [_split(item) for item in items]
    for key, value in pairs:
        group, dot, name = key.partition(".")
        if not dot or not name or group not in GROUPS:
            raise UsageError(f"a setting must start with {', '.join(f'{g}.' for g in GROUPS)}, however: {key}={value}")
        groups[group][name] = value
    return Overrides(**groups)


def _split(item: str) -> tuple[str, Any]:
    key, equals, text = item.partition("=")
    if not equals:
        raise UsageError(f"a setting must be group.key=value (model.dim=64), however: {item!r}")
    return key.strip(), read_value(text.strip())


def read_value(text: str) -> Any:
    """A number, true, false, none or a list of numbers in brackets where the text is one; else the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text.startswith("[") and text.endswith("]"):
        read = [read_value(part.strip()) for part in text[1:-1].split(",")]
        numbers = all(isinstance(number, int | float) and not isinstance(number, bool) for number in read)
        return read if numbers else text
    return text


def task_of(given: Any) -> tuple[TaskSpec, Task | Callable[..., Any] | None]:
    """What a task announces, and the task itself, or its class; None where the registry knows it by name.

    Args:
        given: name of an installed task, "file.py:MyTask", a subclass of :class:`losszoo.Task`, or one that is made.

    Raises:
        UsageError: there is no such task, or one of your own lacks its ``spec``.
    """
    if isinstance(given, str) and ":" not in given:
        return installed().task(given), None
    found = resolve(given) if isinstance(given, str) else given
    made_or_class = isinstance(found, Task) or (isinstance(found, type) and issubclass(found, Task))
    if not made_or_class:
        raise UsageError(f"a task must be a name, a losszoo.Task or its class, got {given!r}")
    spec = getattr(found, "spec", None)
    if not isinstance(spec, TaskSpec):
        name = found.__name__ if isinstance(found, type) else type(found).__name__
        raise UsageError(
            f"{name}.spec must be a losszoo.TaskSpec, got {spec!r}; add to the class, for example: "
            f'spec = losszoo.TaskSpec(name="mine", target="mine:{name}", kind="multiclass", summary="My rows.", '
            'metric="accuracy")'
        )
    return spec, found


def owner_of(spec: TaskSpec) -> str:
    """Who offers a task: a plugin, or the person who wrote it."""
    known = installed().tasks.get(spec.name) is spec
    return f"task {spec.name} of {installed().origin('task', spec.name)}" if known else f"task {spec.name} of your own"


def registered_task(name: str, where: object) -> str:
    """The name of a task as a file says it, which names code by the registry alone.

    Args:
        name: in the file.
        where: the file, to name it.

    Raises:
        UsageError: it is a target, which would run what is not asked for, or no such task is installed.
    """
    if ":" in name:
        raise UsageError(
            f"a task that a file names must be registered, got {name}: that is code, and would run as you ({where}); "
            "install a plugin that announces it, or start a new run with --task"
        )
    return installed().task(name).name


def make_task(given: Any, options: Mapping[str, Any]) -> Task:
    """A task with its options, its announcement attached.

    Args:
        given: see :func:`task_of`; one that is made takes no options.
        options: the ``task.`` settings, without the split.

    Raises:
        UsageError: it cannot be made; says whose it is, and what it raised.
    """
    spec, found = task_of(given)
    owner = owner_of(spec)
    if isinstance(found, Task):
        if options:
            raise UsageError(f"task. settings must be left out for a task that is made, got {', '.join(options)}")
        return found
    if found is None:
        try:
            found = resolve(spec.target)
        except UsageError as error:
            raise UsageError(f"{owner} cannot be loaded: {error}") from error
    # Looked at before it is called: what is no task is not made.
    if not (inspect.isclass(found) and issubclass(found, Task)):
        came = f"{spec.target} is a {'class' if inspect.isclass(found) else type(found).__name__}"
        raise UsageError(f"{owner} must be a losszoo.Task, however: {came}")
    _check_options(spec.name, owner, found, options)
    try:
        task = found(**options)
    except (LosszooError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        chosen = ", ".join(f"task.{name}={value!r}" for name, value in options.items()) or "no settings"
        raise UsageError(f"{owner} cannot be made with {chosen}: {in_one_line(error)}") from error
    task.spec = spec
    return task


def _check_options(name: str, owner: str, made: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Every option is one that the task has, and what it cannot do without is there."""
    parameters = inspect.signature(made).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    for key in options:
        if key not in known:
            raise UnknownNameError(f"task {name} has no option {key!r}: {suggest(key, ['split', *known])}")
    needed = [p.name for p in parameters if p.name in known and p.default is p.empty and p.name not in options]
    if needed:
        said = " and ".join(f"task.{key}" for key in needed)
        raise UsageError(f"{owner} must be given {said}; say {' '.join(f'--set task.{key}=VALUE' for key in needed)}")


def split_seed(value: Any) -> int:
    """The ``task.split`` key."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise UsageError(f"task.split must be a whole number in [0, 2^32), however: task.split={value!r}")
    return value


def apply(setup: Setup, overrides: Overrides) -> Setup:
    """The task's proposal with the user's changes.

    Raises:
        UsageError: a key that does not exist (with the right ones), or a value that is not legal.
    """
    model = dict(overrides.model)
    trunk = model.pop("trunk", setup.trunk)
    proposed = dict(setup.model) if trunk == setup.trunk else {}
    known = trunk_options(trunk)
    for key in model:
        if key not in known:
            raise UnknownNameError(f"trunk {trunk} has no option {key!r}: {_legal('model', key, ['trunk', *known])}")
    return Setup(trunk=trunk, model={**proposed, **model}, recipe=_recipe(setup.recipe, overrides.recipe))


def _legal(group: str, key: str, known: list[str]) -> str:
    """The nearest keys where any is near, and all as they are written."""
    near = f"{suggest(key, known)}; " if nearest(key, known) else ""
    return f"{near}known: {', '.join(f'{group}.{name}' for name in known)}"


def _recipe(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    for key, value in changes.items():
        if key not in LEGAL:
            raise UnknownNameError(f"there is no recipe.{key}: {_legal('recipe', key, list(LEGAL))}")
        complaint = LEGAL[key].complaint(value)
        if complaint:
            raise UsageError(f"recipe.{key} {complaint}, however: recipe.{key}={shown(value)}")
    return replace(recipe, **changes)
