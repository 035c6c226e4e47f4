"""What a comparison is asked for, and everything in it that cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Any

from losszoo.common.text import kind_name, listed
from losszoo.errors import UsageError, suggest
from losszoo.registry.compatibility import check_fit, own_names
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.metric_choice import judged, name_of_metric, several
from losszoo.tasks.tables.read_table import TABLE_OPTIONS, is_table
from losszoo.training.result_options import ResultOptions

# The options of a run that decide its result, with their defaults.
DECIDING: Mapping[str, Any] = MappingProxyType(
    {"set": (), "epochs": None, "class_weight": None, "model": None, "metric": (), **asdict(ResultOptions())}
)
# Options of a run that may differ without another result.
FREE: Mapping[str, Any] = MappingProxyType({"tensorboard": False, "mlflow": False})
_MOST_SEEDS = 10_000
_MOST_PROBLEMS = 40
# A loss that is named by where it lies: file.py:NAME, package.module:NAME.
_OWN = re.compile(r"\w:[A-Za-z_]")


@dataclass(frozen=True)
class CompareRequest:
    """The arguments of :func:`losszoo.compare`; ``options`` are those of :func:`losszoo.run`."""

    losses: Sequence[str]
    tasks: Sequence[Any]
    seeds: int | Sequence[int] = 5
    baselines: bool = False
    jobs: int | None = None
    backend: str = "local"
    address: str | None = None
    timeout: float | None = None
    threads: int = 1
    out: Path = Path("comparisons")
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What can be computed.

    Args:
        tasks: their specs.
        given: each task as it was given, by its name.
        losses: texts, each once.
        seeds: of the runs.
        notes: what was merged.
    """

    tasks: tuple[TaskSpec, ...]
    given: Mapping[str, Any]
    losses: tuple[str, ...]
    seeds: tuple[int, ...]
    notes: tuple[str, ...]


def check(request: CompareRequest) -> Checked:
    """The members of a comparison, all of them fit for each other.

    Raises:
        UsageError: everything in it that is unknown, unreadable, unfit or not legal, in one list.
    """
    problems: list[str] = []
    notes: list[str] = []
    seeds = _seeds(request.seeds, problems)
    known = [*DECIDING, *FREE]
    of_task = "it is of the task, losszoo.Task.from_table(table, {}=...)"
    problems += [
        f"compare has no option {key!r}: {of_task.format(key) if key in TABLE_OPTIONS else suggest(key, known)}"
        for key in request.options
        if key not in known
    ]
    if isinstance(request.threads, bool) or not isinstance(request.threads, int) or request.threads < 1:
        problems.append(f"threads must be a whole number >= 1, got {request.threads!r}")
    losses = [_with_names(loss) for loss in _distinct("loss", request.losses, _loss_key, problems, notes)]
    tasks, given = _tasks(request.tasks, problems, notes)
    tasks = _judged(tasks, request.options.get("metric"), problems)
    if request.options.get("model") is not None and not isinstance(request.options["model"], str):
        problems.append(
            "model must be given as text, from which every worker makes it, got "
            f"{kind_name(request.options['model'])}; write file.py:NAME"
        )
    _check_building(_fitting(losses, tasks, problems), given, request, problems)
    _refuse(problems)
    return Checked(tuple(tasks), given, tuple(losses), tuple(seeds), tuple(notes))


def _tasks(members: Any, problems: list[str], notes: list[str]) -> tuple[list[TaskSpec], dict[str, Any]]:
    """The specs of the tasks, and each as it was given, by its name. Text without a colon is a name."""
    several = listed(members)
    members = [members] if several is None else several
    texts = [member for member in members if isinstance(member, str)]
    texts = _distinct("task", texts, str.strip, problems, notes) if texts else []
    given: dict[str, Any] = {}
    specs = []
    if not members:
        problems.append("a comparison must have a task, got none")
    for member in [*texts, *(m for m in members if not isinstance(m, str))]:
        try:
            spec = _spec_of(member)
        except UsageError as error:
            problems.append(str(error))
            continue
        if spec.name in given:
            problems.append(f"tasks must have different names, got {spec.name} twice; rename one")
            continue
        given[spec.name] = member
        specs.append(spec)
    return specs, given


def _judged(tasks: list[TaskSpec], asked: Any, problems: list[str]) -> list[TaskSpec]:
    """The specs with the metric that decides."""
    specs: list[TaskSpec] = []
    try:
        own = [name_of_metric(member) for member in several(asked) if callable(member)]
    except UsageError as error:
        problems.append(str(error))
        return specs
    if own:
        problems.append(f"metric of a comparison must be given by name, got the function {own[0]}")
        return specs
    for spec in tasks:
        try:
            specs.append(judged(spec, asked, f"task {spec.name}"))
        except UsageError as error:
            problems.append(str(error))
    return specs


def _spec_of(given: Any) -> TaskSpec:
    """The spec of a task. Only one that is not installed has to be made, or imported, with torch.

    Raises:
        UsageError: there is none, or no other process could make it.
    """
    if isinstance(given, str) and ":" not in given and not is_table(given):
        return installed().task(given)
    from losszoo.tasks.make_task import check_can_be_sent, task_of

    spec = task_of(given)[0]
    check_can_be_sent(given)
    return spec


def parse_seeds(text: str) -> int | tuple[int, ...]:
    """``5`` is how many, ``3,7,11`` and ``3,`` are which.

    Raises:
        UsageError: neither.

    Example:
        >>> parse_seeds("5"), parse_seeds("3,7"), parse_seeds("3,")
        (5, (3, 7), (3,))
    """
    parts = text.split(",")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"seeds must be how many (5) or which (3,7,11), got {text!r}")
    numbers = tuple(int(part) for part in parts)
    return numbers if "," in text else numbers[0]


def _seeds(given: int | Sequence[int], problems: list[str]) -> list[int]:
    if isinstance(given, Integral) and not isinstance(given, bool):
        if 1 <= int(given) <= _MOST_SEEDS:
            return list(range(int(given)))
        problems.append(f"seeds must be from 1 to {_MOST_SEEDS}, got {given}")
        return []
    seeds = list(dict.fromkeys(listed(given) or ()))
    legal = all(isinstance(seed, Integral) and not isinstance(seed, bool) and 0 <= int(seed) < 2**32 for seed in seeds)
    if not seeds or not legal:
        rule = "how many, or a list of whole numbers in [0, 2^32)"
        problems.append(f"seeds must be {rule}, got {given!r}")
    return [int(seed) for seed in seeds] if legal else []


def _distinct(
    what: str, given: Sequence[Any], key: Callable[[str], str], problems: list[str], notes: list[str]
) -> list[str]:
    """Each member once; one that is written in two ways is one."""
    several = listed(given)
    given = [given] if several is None else several
    if not given:
        problems.append(f"a comparison must have a {what}, got none")
    found: dict[str, str] = {}
    for member in given:
        if not isinstance(member, str):
            came = f"{kind_name(member)} {getattr(member, '__name__', '')}".strip()
            problems.append(
                f"a {what} must be given as text, from which every worker makes it, got {came}; {_NAMES[what]}"
            )
            continue
        same = key(member)
        if same in found:
            notes.append(f"{what} {member.strip()} is given twice; it is compared once")
        found.setdefault(same, member.strip())
    return list(found.values())


_NAMES = {"loss": "write file.py:NAME", "task": "write the name of an installed task"}


def _with_names(loss: str) -> str:
    """A loss with the registry's names for aliases; text that cannot be read stays, to be refused with the rest."""
    try:
        return own_names(loss)
    except UsageError:
        return loss


def _loss_key(text: str) -> str:
    try:
        return " + ".join(map(str, parse(own_names(text))))
    except UsageError:
        return text.strip()


def _fitting(losses: Iterable[str], tasks: Sequence[TaskSpec], problems: list[str]) -> list[tuple[str, TaskSpec]]:
    """Pairs of a readable, known loss and a task that it fits."""
    pairs = []
    for loss in losses:
        try:
            terms = parse(loss)
        except UsageError as error:
            problems.append(str(error))
            continue
        for task in tasks:
            try:
                check_fit(installed(), terms, task)
                pairs.append((loss, task))
            except UsageError as error:
                problems.append(str(error))
    return pairs


def _check_building(
    pairs: Iterable[tuple[str, TaskSpec]], given: Mapping[str, Any], request: CompareRequest, problems: list[str]
) -> None:
    """What only those can tell who make a loss and a task; torch is imported where there is something to tell."""
    defaults = {**DECIDING, **FREE}
    chosen = {key: value for key, value in request.options.items() if key in defaults and value != defaults[key]}
    pairs = [(loss, task) for loss, task in pairs if chosen or _OWN.search(loss)]
    if not pairs:
        return
    from losszoo.training.make_plan import choose
    from losszoo.training.run_options import Options

    for loss, task in pairs:
        try:
            choose(loss, given[task.name], Options(**chosen), targets=True, calls=False)
        except UsageError as error:
            problems.append(str(error))


def _refuse(problems: list[str]) -> None:
    """One error for all of them."""
    problems = list(dict.fromkeys(problems))
    if not problems:
        return
    if len(problems) == 1:
        raise UsageError(problems[0])
    shown = problems[:_MOST_PROBLEMS]
    more = [f"and {len(problems) - len(shown)} more"] if len(shown) < len(problems) else []
    lines = "".join("\n  - " + "\n    ".join(problem.split("\n")) for problem in [*shown, *more])
    raise UsageError(f"nothing is started, as the grid holds what cannot be run:{lines}")
