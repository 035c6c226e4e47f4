"""What a study is: everything that decides its trials, checked before anything is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from losszoo.common.files import flattened, jsonable, slug
from losszoo.errors import UsageError
from losszoo.registry.compatibility import own_names
from losszoo.tasks.make_task import check_can_be_sent
from losszoo.training.make_plan import Choice, choose
from losszoo.training.run_options import Options
from losszoo.training.settings import parse_overrides
from losszoo.tuning.expression import Expression
from losszoo.tuning.search_options import read_dimension, split_items
from losszoo.tuning.space import Dimension, Settable
from losszoo.tuning.storage import file_url
from losszoo.tuning.tuning_options import TuneOptions

FORMAT = 3


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


@dataclass(frozen=True)
class StudyPlan:
    """One study, checked.

    Args:
        loss: as the user gave it.
        task: its name.
        metric: that decides, on the validation rows.
        direction: "max" or "min".
        options: of the command line.
        given: the task as it was given: its name, a target, or a task that is made.
        expression: the loss as text, or None for an object.
        space: what is searched.
        defaults: what task and loss propose for it.
        fixed: what the user set, by key.
        searched: the ranges that the user named, as text.
        identity: everything that decides a trial's value, in plain data: two studies of one name must agree on it.
    """

    loss: str | Callable[..., Any]
    task: str
    given: Any
    metric: str
    direction: str
    options: TuneOptions
    expression: Expression | None
    space: Mapping[str, Dimension]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any]
    searched: Mapping[str, str]
    identity: Mapping[str, Any] = field(repr=False)

    @property
    def loss_text(self) -> str:
        """What the study calls its loss."""
        text: str = self.identity["loss"]
        return text

    @property
    def study_name(self) -> str:
        """The user's, or made from task and loss."""
        return self.options.study or f"{slug(self.task)}-{slug(self.loss_text)}-{_digest(self.loss_text)}"

    @property
    def folder(self) -> Path:
        """Where the runs go; a study's name may hold anything."""
        safe = slug(self.study_name)
        return Path(self.options.out) / (safe if safe == self.study_name else f"{safe}-{_digest(self.study_name)}")

    @property
    def trainings(self) -> list[tuple[dict[str, Any], int]]:
        """The ``set`` of the split, and the seed, of every training of a trial."""
        several = self.options.splits > 1
        splits = [{"task.split": split} if several else {} for split in range(self.options.splits)]
        return [(split, seed) for split in splits for seed in range(self.options.seeds)]

    @property
    def storage(self) -> str:
        """The URL of the database."""
        return self.options.storage or file_url(self.folder.with_name(f"{self.folder.name}.db"))

    def filled(self, values: Mapping[str, Any]) -> tuple[str | Callable[..., Any], dict[str, Any]]:
        """The loss and the ``set`` of a run with these values of the searched keys."""
        values = {key: self.space[key].meant(value) if key in self.space else value for key, value in values.items()}
        inside = {key: value for key, value in values.items() if key.startswith(("loss.", "weight."))}
        others = {key: value for key, value in values.items() if key not in inside}
        loss = self.expression.with_values(inside) if self.expression else self.loss
        return loss, {**self.fixed, **others}


def make_study_plan(loss: str | Callable[..., Any], task: Any, options: TuneOptions) -> StudyPlan:
    """Check everything, and say what is searched.

    Raises:
        UsageError: an unknown name or key, a range that is not legal, nothing to search.
    """
    loss = own_names(loss)
    if options.jobs > 1:
        check_can_be_sent(task)
    fixed = flattened(asdict(parse_overrides(options.set)))
    if options.splits > 1 and "task.split" in fixed:
        raise UsageError(f"splits must be 1 where task.split is set, got {options.splits}")
    chosen = choose(
        loss, task, Options(set=fixed, epochs=options.epochs, **options.of_runs()), targets=True, calls=False
    )
    expression = Expression(loss) if isinstance(loss, str) else None
    shorthands = {"recipe.epochs": options.epochs, "recipe.class_weight": options.class_weight}
    settled = {**fixed, **{key: value for key, value in shorthands.items() if value is not None}}
    searched = split_items(options.search)
    space, defaults = _searched(chosen, expression, settled, searched)
    spec, deciding = chosen.task.spec, chosen.metrics[0]
    return StudyPlan(
        loss=loss,
        task=spec.name,
        given=task,
        metric=deciding.name,
        direction=deciding.direction,
        options=options,
        expression=expression,
        space=space,
        defaults=defaults,
        fixed=fixed,
        searched=searched,
        identity=_identity(chosen, options, space, settled),
    )


def _searched(
    chosen: Choice, expression: Expression | None, settled: Mapping[str, Any], named: Mapping[str, str]
) -> tuple[dict[str, Dimension], dict[str, Any]]:
    """What is searched, with the ranges that the user named, and what task and loss propose for it."""
    settable = Settable(chosen, expression, settled, _trunks(named, settled, chosen))
    own = expression is not None and any(":" in term.call.name for term in expression.terms.values())
    space = settable.dimensions() | {
        key: read_dimension(key, text, settable.known, settled, own) for key, text in named.items()
    }
    if not space:
        raise UsageError("a search must have at least one key, got none: everything is set; name a range with --search")
    return space, {key: settable.known[key].default for key in space if key in settable.known}


def _trunks(searched: Mapping[str, str], fixed: Mapping[str, Any], chosen: Choice) -> tuple[str, ...]:
    """The trunks that are searched, read before their options are known."""
    if "model.trunk" not in searched:
        return ()
    known = Settable(chosen, None, {}).known
    return read_dimension("model.trunk", searched["model.trunk"], known, fixed, own=False).choices


def _identity(
    chosen: Choice, options: TuneOptions, space: Mapping[str, Dimension], fixed: Mapping[str, Any]
) -> dict[str, Any]:
    config = chosen.config(None)
    spec, deciding = chosen.task.spec, chosen.metrics[0]
    plain: dict[str, Any] = jsonable(
        {
            "format": FORMAT,
            "losszoo": config["losszoo"],
            "loss": config["loss"],
            "code": config["code"],
            "task": spec.name,
            **{key: config[key] for key in ("task_source", "task_is_own", "task_identity") if key in config},
            "task options": config["task_options"],
            "seeds": options.seeds,
            "splits": options.splits,
            "set": fixed,
            "recipe": config["recipe"],
            "trunk": config["trunk"],
            "model": config["model"],
            **options.of_runs(),
            # Those that are only reported decide no trial.
            "metric": f"{deciding.name} ({deciding.direction})",
            **({"model": config["trunk"]} if options.model is not None else {}),
            "search": {key: str(space[key]) for key in sorted(space)},
        }
    )
    return plain
