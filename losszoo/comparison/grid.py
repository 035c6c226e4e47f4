"""The cells of a comparison: which there are, where they lie, and what decides their results."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo._version import __version__
from losszoo.common.files import jsonable, slug
from losszoo.comparison.baselines import NAMES
from losszoo.comparison.cell import Cell
from losszoo.comparison.compare_options import DECIDING, FREE, Checked, CompareRequest, check
from losszoo.registry.compatibility import leaves
from losszoo.registry.expressions import parse
from losszoo.registry.registry import OWN_DISTRIBUTION, installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.metric_choice import metrics_of

# Options that came later, and stand in the config of a cell only where they are given.
_LATER = ("model", "class_weight")


@dataclass(frozen=True)
class Grid:
    """What is computed.

    Args:
        members: tasks, losses and seeds.
        cells: by task and seed, so that every loss has a first result soon; baselines last.
        notes: what the user should know of it.
    """

    members: Checked
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]


def make_grid(request: CompareRequest) -> Grid:
    """The cells of a comparison.

    Raises:
        UsageError: everything in it that is unknown, unreadable, unfit or not legal, in one list.
    """
    members = check(request)
    cells: list[Cell] = []
    notes = list(members.notes)
    for task in members.tasks:
        cells += [
            _loss_cell(loss, task, seed, request, members.given[task.name])
            for seed in members.seeds
            for loss in members.losses
        ]
        if request.baselines:
            fitting = installed().kinds[task.kind].baselines
            cells += [
                _baseline_cell(name, task, request, members.given[task.name]) for name in NAMES if name in fitting
            ]
            left_out = ", ".join(name for name in NAMES if name not in fitting)
            notes += [f"baselines that do not fit {task.name}, a {task.kind} task: {left_out}"] if left_out else []
    return Grid(members, tuple(cells), tuple(notes))


def _loss_cell(loss: str, task: TaskSpec, seed: int, request: CompareRequest, given: Any) -> Cell:
    deciding = {key: request.options.get(key, default) for key, default in DECIDING.items()}
    # A cell of an earlier version has no such parts.
    deciding = {key: value for key, value in deciding.items() if value is not None or key not in _LATER}
    model = deciding.get("model")
    metric = _metric(task, deciding.pop("metric"))
    deciding |= metric
    code: dict[str, str] = {}
    if ".py:" in f"{loss} {model}":
        from losszoo.training.make_plan import code_of

        code = code_of(loss, model)
    config = {
        **_versions(request),
        "loss": loss,
        **_named(task, given),
        "seed": seed,
        **deciding,
        "set": _settings(request.options.get("set", ())),
        "code": code,
        "plugins": _plugins(loss, task),
    }
    defaults = {**DECIDING, **FREE}
    options = {key: value for key, value in request.options.items() if value != defaults[key]} | metric
    folder = _folder(request, task, loss) / f"seed-{seed}"
    return Cell(task.name, loss, seed, "loss", config, options, folder, given)


def _baseline_cell(name: str, task: TaskSpec, request: CompareRequest, given: Any) -> Cell:
    settings = {key: value for key, value in _settings(request.options.get("set", ())).items() if key[:5] == "task."}
    metric = _metric(task, request.options.get("metric"))
    config = {**_versions(request), "baseline": name, **_named(task, given), "set": settings, **metric}
    config["scikit-learn"] = importlib.metadata.version("scikit-learn")
    folder = request.out / slug(task.name) / f"baseline-{name}" / "seed-0"
    return Cell(task.name, name, 0, "baseline", config, {"set": settings, **metric}, folder, given)


def _metric(task: TaskSpec, asked: Any) -> dict[str, list[str]]:
    """What was asked for, by the names of the results; nothing where the task's own metric decides."""
    return {"metric": [metric.name for metric in metrics_of(task, asked)]} if asked else {}


def _named(task: TaskSpec, given: Any) -> dict[str, Any]:
    """The name of a task, and of one that is not installed what tells it from others of that name."""
    if given == task.name:
        return {"task": task.name}
    from losszoo.tasks.make_task import identity_of

    return {"task": task.name, "task_source": jsonable(identity_of(given))}


def _versions(request: CompareRequest) -> dict[str, Any]:
    torch = importlib.metadata.version("torch")
    return {"losszoo": __version__, "torch": torch, "threads": request.threads}


def _settings(given: Any) -> dict[str, Any]:
    """By key, so that the order in which they are given does not count."""
    if not given:
        return {}
    from losszoo.training.settings import GROUPS, parse_overrides

    groups = parse_overrides(given)
    return {f"{group}.{key}": value for group in GROUPS for key, value in sorted(getattr(groups, group).items())}


def _plugins(loss: str, task: TaskSpec) -> dict[str, str]:
    """The distributions of others, whose code decides the result too."""
    registry = installed()
    named = [("loss", call.name) for call in leaves(registry, parse(loss)) if call.name in registry.losses]
    known = registry.tasks.get(task.name)
    named += [("task", task.name)] if known is not None and known.target == task.target else []
    origins = [registry.origin(*member) for member in named]
    return {o.distribution: o.version for o in origins if o.distribution != OWN_DISTRIBUTION}


def _folder(request: CompareRequest, task: TaskSpec, loss: str) -> Path:
    """A name to read, and six digits for what it cannot hold."""
    digits = hashlib.sha256(loss.encode()).hexdigest()[:6]
    return request.out / slug(task.name) / f"{slug(loss)}-{digits}"
