"""What a study is: everything that decides its trials, checked before anything is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from losszoo.errors import UsageError
from losszoo.harness.files import jsonable, slug
from losszoo.harness.options import Options
from losszoo.harness.planning import Choice, choose
from losszoo.harness.settings import Overrides, parse_overrides
from losszoo.tuning.expression import Expression
from losszoo.tuning.search import read_dimension, split_items
from losszoo.tuning.space import Dimension, Settable
from losszoo.tuning.storage import file_url

FORMAT = 1
# Options of a run that a study passes on to every trial.
RUN_OPTIONS = ("clip_norm", "clip_value", "on_nonfinite", "device", "signature", "expects")
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """The options of ``losszoo tune``.

    Args:
        trials: in all, those of earlier calls and other machines included.
        storage: URL of the study's database; None is an SQLite file in ``out``.
        study: its name; None is made from task and loss.
        seeds: trainings a trial, with seeds 0 and on; its value is their mean.
        splits: splits of the data that each seed is trained on, from ``task.split`` 0 on.
        jobs: processes.
        epochs: shorthand of ``recipe.epochs``.
        set: ``model.``, ``recipe.``, ``loss.`` and ``task.`` keys that are fixed.
        search: ``KEY=LOW:HIGH``, ``KEY=LOW:HIGH:log`` or ``KEY=a,b,c``: replaces a range, or adds one.
        seed: of the sampler.
        timeout: seconds after which no trial is started.
        threads: of torch in each process; None is one where there are several processes, else torch's own.
        out: folder of the study's database and its runs.
        keep: keep the run folders of every trial, not of the best alone.
        clip_norm: of the runs, like all that follow.
    """

    trials: int = 50
    storage: str | None = None
    study: str | None = None
    seeds: int = 1
    splits: int = 1
    jobs: int = 1
    epochs: int | None = None
    set: Iterable[str] | Mapping[str, Any] = ()
    search: Iterable[str] | Mapping[str, str] = ()
    seed: int = 0
    timeout: float | None = None
    threads: int | None = None
    out: str | Path = "tunings"
    keep: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    on_nonfinite: str = "raise"
    device: str = "cpu"
    signature: str | None = None
    expects: str | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "seeds", "splits", "jobs", "threads", "epochs"):
            value = getattr(self, name)
            if value is not None and not (_is_whole(value) and value >= 1):
                raise UsageError(f"{name} must be a whole number >= 1, however: {name}={value!r}")
        if not (_is_whole(self.seed) and 0 <= self.seed <= _LARGEST_SEED):
            raise UsageError(f"seed must be a whole number in [0, 2^32), however: seed={self.seed!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout must be a number of seconds > 0, however: timeout={self.timeout!r}")
        for name in ("study", "storage", "out"):
            if getattr(self, name) is not None and not str(getattr(self, name)).strip():
                raise UsageError(f"{name} must be a name that is not empty, however: {name}={getattr(self, name)!r}")

    def of_runs(self) -> dict[str, Any]:
        """Those that a run takes as they are."""
        return {name: getattr(self, name) for name in RUN_OPTIONS}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
        expression: the loss as text, or None for an object.
        space: what is searched.
        defaults: what task and loss propose for it.
        fixed: what the user set, by key.
        searched: the ranges that the user named, as text.
        identity: everything that decides a trial's value, in plain data: two studies of one name must agree on it.
    """

    loss: str | Callable[..., Any]
    task: str
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
        inside = {key: value for key, value in values.items() if key.startswith(("loss.", "weight."))}
        others = {key: value for key, value in values.items() if key not in inside}
        loss = self.expression.with_values(inside) if self.expression else self.loss
        return loss, {**self.fixed, **others}


def make_study_plan(loss: str | Callable[..., Any], task: str, options: TuneOptions) -> StudyPlan:
    """Check everything, and say what is searched.

    Raises:
        UsageError: an unknown name or key, a range that is not legal, nothing to search.
    """
    fixed = _flat(parse_overrides(options.set))
    searched = split_items(options.search)
    if options.splits > 1 and "task.split" in fixed:
        raise UsageError(f"splits must be 1 where task.split is set, however: splits={options.splits}")
    given = Options(set=fixed, epochs=options.epochs, **options.of_runs())
    chosen = choose(loss, task, given)
    expression = Expression(loss) if isinstance(loss, str) else None
    trunks = _trunks(searched, fixed, chosen)
    settled = {**fixed, **({"recipe.epochs": options.epochs} if options.epochs else {})}
    settable = Settable(chosen, expression, settled, trunks)
    own = expression is not None and any(":" in term.call.name for term in expression.terms.values())
    space = settable.dimensions() | {
        key: read_dimension(key, text, settable.known, settled, own) for key, text in searched.items()
    }
    if not space:
        raise UsageError("there must be something to search, however: everything is set; name a range with --search")
    spec = chosen.task.spec
    defaults = {key: settable.known[key].default for key in space if key in settable.known}
    identity = _identity(chosen, options, space, settled)
    return StudyPlan(
        loss=loss,
        task=spec.name,
        metric=spec.metric,
        direction=spec.direction,
        options=options,
        expression=expression,
        space=space,
        defaults=defaults,
        fixed=fixed,
        searched=searched,
        identity=identity,
    )


def _trunks(searched: Mapping[str, str], fixed: Mapping[str, Any], chosen: Choice) -> tuple[str, ...]:
    """The trunks that are searched, read before their options are known."""
    if "model.trunk" not in searched:
        return ()
    known = Settable(chosen, None, {}).known
    return read_dimension("model.trunk", searched["model.trunk"], known, fixed, own=False).choices


def _flat(overrides: Overrides) -> dict[str, Any]:
    return {f"{group}.{name}": value for group, values in asdict(overrides).items() for name, value in values.items()}


def _identity(
    chosen: Choice, options: TuneOptions, space: Mapping[str, Dimension], fixed: Mapping[str, Any]
) -> dict[str, Any]:
    config = chosen.config(None)
    spec = chosen.task.spec
    plain: dict[str, Any] = jsonable(
        {
            "format": FORMAT,
            "losszoo": config["losszoo"],
            "loss": config["loss"],
            "code": config["code"],
            "task": spec.name,
            "task options": config["task_options"],
            "metric": f"{spec.metric} ({spec.direction})",
            "seeds": options.seeds,
            "splits": options.splits,
            "set": fixed,
            "recipe": config["recipe"],
            "trunk": config["trunk"],
            "model": config["model"],
            **options.of_runs(),
            "search": {key: str(space[key]) for key in sorted(space)},
        }
    )
    return plain
