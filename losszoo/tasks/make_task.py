"""From a name, a target, a class or an object to a task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UnknownNameError, UsageError, suggest
from losszoo.registry.import_target import resolve
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.metric_choice import judged
from losszoo.tasks.tables.read_table import digest_of, is_table
from losszoo.tasks.task import Task


def task_of(given: Any) -> tuple[TaskSpec, Task | Callable[..., Any] | None]:
    """The spec of a task, and the task itself, or its class; None where the registry knows it by name.

    Args:
        given: name of an installed task, "file.py:MyTask", a subclass of :class:`losszoo.Task`, or one that is made.

    Raises:
        UsageError: there is no such task, or one of your own lacks its ``spec``.
    """
    if isinstance(given, str) and is_table(given):
        raise UsageError(
            f"a table must be given with its target, got {given}; say --target COLUMN, or in Python "
            f"losszoo.Task.from_table({given!r}, target=...)"
        )
    if isinstance(given, str) and ":" not in given:
        return installed().task(given), None
    task = resolve(given) if isinstance(given, str) else given
    made_or_class = isinstance(task, Task) or (isinstance(task, type) and issubclass(task, Task))
    if not made_or_class:
        came = f"{given}, {_described(task)}" if isinstance(given, str) else repr(given)
        raise UsageError(f"a task must be a name, a losszoo.Task or a subclass of it, got {came}")
    spec = getattr(task, "spec", None)
    if not isinstance(spec, TaskSpec):
        name = task.__name__ if isinstance(task, type) else type(task).__name__
        raise UsageError(
            f"{name}.spec must be a losszoo.TaskSpec, got {spec!r}; add to the class, for example: "
            f'spec = losszoo.TaskSpec(name="mine", target="mine:{name}", kind="multiclass", summary="My rows.", '
            'metric="accuracy")'
        )
    kinds = list(installed().kinds)
    if spec.kind not in kinds:
        raise UsageError(
            f"{owner_of(spec)}: kind must be one of {', '.join(kinds)}, got {spec.kind!r}; {suggest(spec.kind, kinds)}"
        )
    return judged(spec, owner=owner_of(spec)), task


def _described(found: Any) -> str:
    if isinstance(found, type):
        return f"a class without that base; write class {found.__name__}(losszoo.Task)"
    return f"of type {type(found).__name__}"


def flags_of(given: Any) -> tuple[str, ...]:
    """How a task that was given is named on the command line; empty where it cannot be."""
    if isinstance(given, str):
        return "--task", given
    return given.flags() if isinstance(given, Task) else ()


def check_can_be_sent(given: Any) -> None:
    """Refuse a task that no other process could make.

    Raises:
        UsageError: its class is one of the script that runs.
    """
    kind = given if isinstance(given, type) else type(given)
    if not isinstance(given, str) and kind.__module__ == "__main__":
        raise UsageError(
            f"a task must be given so that another process can make it, got {kind.__name__} of this script; write "
            f"file.py:{kind.__name__}"
        )


def needs_code(given: Any) -> bool:
    """Whether a task has to be given again, as a file that tells of it would have to name code."""
    if isinstance(given, Task):
        return given.source() is None
    return not isinstance(given, str) or ":" in given


def identity_of(given: Any) -> Mapping[str, Any]:
    """What tells a task that is not installed from another one of its name, in plain data."""
    if isinstance(given, Task):
        return given.identity()
    if isinstance(given, str):
        path = Path(given.rpartition(":")[0]).expanduser()
        return {"target": given, **({"sha256": digest_of(path)} if path.is_file() else {})}
    return {"class": given.__qualname__}


def owner_of(spec: TaskSpec) -> str:
    """The owner of a task: a plugin, or the user."""
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
            "install a plugin that offers it, or start a new run with --task"
        )
    return installed().task(name).name


def task_from(config: Mapping[str, Any], where: object) -> str | Task:
    """The task of which a file tells: an installed one by its name, or one from a table of the user.

    Args:
        config: of a run.
        where: the file, to name it.

    Raises:
        UsageError: see :func:`registered_task`.
        DataError: the table has changed.
    """
    source = config.get("task_source")
    if source is None:
        return registered_task(config["task"], where)
    from losszoo.tasks.tables.table_task import table_again

    return table_again(source)


def make_task(given: Any, options: Mapping[str, Any]) -> Task:
    """A task with its options and its spec.

    Args:
        given: see :func:`task_of`; one that is made takes no options.
        options: the ``task.`` settings, without the split.

    Raises:
        UsageError: it cannot be made; says whose it is, and what it raised.
    """
    spec, task = task_of(given)
    owner = owner_of(spec)
    if isinstance(task, Task):
        if options:
            raise UsageError(f"task. settings must be left out for a task that is made, got {', '.join(options)}")
        return task
    if task is None:
        try:
            task = resolve(spec.target)
        except UsageError as error:
            raise UsageError(f"{owner} cannot be loaded: {error}") from error
    # Looked at before it is called: what is no task is not made.
    if not (inspect.isclass(task) and issubclass(task, Task)):
        came = f"a {'class' if inspect.isclass(task) else type(task).__name__} at {spec.target}"
        raise UsageError(f"{owner} must be a losszoo.Task, got {came}")
    _check_options(spec.name, owner, task, options)
    try:
        task = task(**options)
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
