"""From names to a plan: everything checked and built, nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from losszoo._version import __version__
from losszoo.common.files import jsonable
from losszoo.common.seeding import Randomness, seed_all
from losszoo.errors import UsageError
from losszoo.losses.sums.data_sizes import set_class_counts, set_sizes
from losszoo.losses.sums.idle import idle_in_run, negative_in_run
from losszoo.losses.sums.leaves import leaves
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.pairs.distributed.collectives import World
from losszoo.registry.compatibility import leaves as calls_of
from losszoo.registry.compatibility import own_names
from losszoo.registry.expressions import parse
from losszoo.registry.registry import installed
from losszoo.tasks.make_task import make_task, owner_of, task_of
from losszoo.tasks.metric_choice import Metric, metrics_of, several
from losszoo.tasks.task import Recipe, Setup, Task
from losszoo.training.build_loss import (
    device_of,
    make_loss,
    make_model,
    make_optimizer,
    shaped_signatures,
    text_of,
    with_dim,
)
from losszoo.training.data.batch_inputs import predicting_signature
from losszoo.training.data.class_weight import as_text, with_class_weight
from losszoo.training.data.prepared_data import Prepared, prepare, proposed
from losszoo.training.data.sampler import WEIGHTED, check_sampler
from losszoo.training.distributed import shared
from losszoo.training.evaluation.scorers import check_metrics
from losszoo.training.gradient_cache import sees_its_part
from losszoo.training.guard.events import Budget
from losszoo.training.guard.guard import Guard
from losszoo.training.models.forward import Precision, make_forward
from losszoo.training.models.own_network import is_own, name_of_network
from losszoo.training.models.squashed import note_of_squashed
from losszoo.training.plan import Plan
from losszoo.training.result_options import RESULT_OPTIONS
from losszoo.training.run_folder.code_digest import digest_of_code
from losszoo.training.run_folder.run_folder import Record
from losszoo.training.run_options import Options
from losszoo.training.settings import Overrides, apply, parse_overrides, split_seed

# Raised whenever run folders of the older number can no longer be resumed.
FORMAT = 4
_MOST_NAMED = 4
# Rows that a network of the user is tried on.
_TRIED = 8
# Options that decide the result, beside those that are resolved into model, recipe, loss and task.
KEPT = ("seed", *RESULT_OPTIONS)


@dataclass(frozen=True)
class Choice:
    """Names resolved, and data read: what is trained on what.

    Args:
        loss: as the user gave it.
        built: the loss as a sum.
        task: the task.
        task_target: "file.py:MyTask", where the user gave it so.
        task_options: its options, the split among them.
        setup: trunk and recipe with the user's changes.
        loss_options: the ``loss.`` settings.
        options: all the others.
        data: of the task, prepared.
        metrics: that judge it; the first decides.
        notes: of the data, and of what will do nothing.
    """

    loss: str | Callable[..., Any]
    built: SumLoss
    task: Task
    task_target: str
    task_options: Mapping[str, Any]
    setup: Setup
    loss_options: Mapping[str, Any]
    options: Options
    data: Prepared
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the run calls its loss."""
        return text_of(self.loss)

    @property
    def asked_metrics(self) -> tuple[Metric, ...]:
        """Those that the kind of the task does not measure by itself, or that come first as the user wants it."""
        asked = several(self.options.metric) or self.metrics[0].function is not None
        return self.metrics if asked else ()

    def _origin_of_task(self) -> dict[str, Any]:
        """Nothing of an installed task; of a table its file; of any other one that the user gives it again."""
        if installed().tasks.get(self.task.spec.name) is self.task.spec:
            return {}
        source = self.task.source()
        if source is not None:
            return {"task_source": jsonable(source)}
        identity = self.task.identity()
        # A class has a name alone; of a DataFrame the rows are known, and have to be the same again.
        return {"task_is_own": True, **({"task_identity": jsonable(identity)} if "sha256" in identity else {})}

    def _asked_metrics(self) -> dict[str, Any]:
        """Names of the metrics that were asked for; nothing where it is the task's own that decides."""
        if not several(self.options.metric):
            return {}
        objects = any(callable(metric.function) for metric in self.metrics)
        return {"metric": [m.name for m in self.metrics], **({"metric_is_object": True} if objects else {})}

    def config(self, world: World | None) -> dict[str, Any]:
        """Everything that decides the result, in plain data."""
        return {
            "format": FORMAT,
            "losszoo": __version__,
            "torch": str(torch.__version__),
            "loss": self.text,
            "task": self.task.spec.name,
            # A file that is read again never says which code to load: the task has to be given again.
            **self._origin_of_task(),
            "task_options": dict(self.task_options),
            "trunk": name_of_network(self.setup.trunk),
            **({"trunk_is_object": True} if not isinstance(self.setup.trunk, str) else {}),
            "model": dict(self.setup.model),
            # A rate that is not set is not written, as in run folders that knew none.
            "recipe": {name: x for name, x in asdict(self.setup.recipe).items() if x is not None},
            **{name: getattr(self.options, name) for name in KEPT},
            **self._asked_metrics(),
            "loss_options": dict(self.loss_options),
            # An object has a name, and nothing that would make it anew.
            "loss_is_object": not isinstance(self.loss, str),
            "code": code_of(self.loss, self.task_target, self.setup.trunk),
            "threads": torch.get_num_threads(),
            "world": world.size if world else 1,
        }


def choose(
    loss: str | Callable[..., Any],
    task: str | Task | type[Task],
    options: Options,
    *,
    targets: bool = False,
    calls: bool = True,
) -> Choice:
    """Resolve and check the names; cheap checks first, so that a wrong one costs no second.

    Args:
        loss: a name, expression or target, or an object.
        task: a name, a target, or a task, made or its class.
        options: of the run.
        targets: let the text of the loss name targets: True for what a person has written, False for what a file says.
        calls: call a loss of the user that fits several signatures, to tell which it takes. False where its process is
            to outlive it: whatever it may do, as end the process, it does in its run.
    """
    loss = own_names(loss)
    spec, own = task_of(task)
    metrics = metrics_of(spec, options.metric, owner_of(spec))
    overrides = _with_shorthands(parse_overrides(options.set), options)
    device = device_of(options.device)
    built = make_loss(loss, spec, overrides.loss, options.signature, options.expects, targets=targets, calls=calls)
    built = built.to(device)
    task_options = dict(overrides.task)
    split = split_seed(task_options.pop("split", 0))
    made = make_task(task if own is None else own, task_options)
    proposal = proposed(made, predicting_signature(built.signatures))
    setup = apply(proposal, overrides)
    data = with_class_weight(prepare(made, split, device), as_text(setup.recipe.class_weight), spec, made.class_names)
    drawing = any(leaf.rules.draws_candidates for leaf in leaves(built))
    check_sampler(setup.recipe, data, spec, draws_candidates=drawing)
    unclear = check_metrics(metrics, made, data, predicting_signature(built.signatures))
    setup = with_dim(setup, proposal, data, shaped_signatures(built))
    odd = negative_in_run(built.terms, setup.recipe.epochs)
    if is_own(setup.trunk):  # tried before any folder is made
        tried = make_model(setup.trunk, setup.model, made.numeric, data, shaped_signatures(built))
        _check_last_batch(tried, name_of_network(setup.trunk), setup.recipe, data)
        rows = data.train.first(_TRIED)
        odd += note_of_squashed(tried, leaves(built), name_of_network(setup.trunk), rows)
    target = task if isinstance(task, str) and own is not None else ""
    chosen = {"split": split, **task_options}
    idle = idle_in_run(built.terms, setup.recipe.epochs, steps_of(setup.recipe, data, options))
    twice = _balanced_twice(setup.recipe)
    notes = (*made.notes, *_unlearnable(data, made.class_names), *twice, *idle, *unclear, *odd)
    return Choice(loss, built, made, target, chosen, setup, dict(overrides.loss), options, data, metrics, notes)


def _with_shorthands(overrides: Overrides, options: Options) -> Overrides:
    """What has an option of its own beside ``--set``; it is given by one of them.

    Raises:
        UsageError: it is given by both.
    """
    for name in ("epochs", "class_weight"):
        value = getattr(options, name)
        if value is not None:
            if name in overrides.recipe:
                raise UsageError(f"{name} must be given once, got {name} and recipe.{name}; leave one out")
            overrides = replace(overrides, recipe={**overrides.recipe, name: value})
    if options.model is not None:
        if "trunk" in overrides.model:
            raise UsageError("the network must be given once, got model and model.trunk; leave one out")
        overrides = replace(overrides, model={**overrides.model, "trunk": options.model})
    return overrides


def _balanced_twice(recipe: Recipe) -> tuple[str, ...]:
    if recipe.class_weight is None or recipe.sampler != WEIGHTED:
        return ()
    return (
        f"classes are balanced twice: recipe.sampler={WEIGHTED} draws each class as often, and class weights count the "
        "rows of a class more beside that; leave one of them out",
    )


def _check_last_batch(model: nn.Module, name: str, recipe: Recipe, data: Prepared) -> None:
    """Refuse a last batch that BatchNorm could not take, before the steps until then are taken.

    Raises:
        UsageError: it has one row.
    """
    rows, size = len(data.train), recipe.batch_size
    normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    if normalised and min(rows, size) > 1 and rows % size == 1:
        raise UsageError(
            f"recipe.batch_size must leave no last batch of one row, as network {name} has BatchNorm, got {size} for "
            f"{rows} rows; say --set recipe.batch_size={size + 1 if rows % (size + 1) != 1 else size + 2}"
        )


def _unlearnable(data: Prepared, class_names: Sequence[str]) -> list[str]:
    """A note for each part that holds classes of which training has no row."""
    if not data.classes or data.train.targets.ndim > 1 or installed().kind(data.kind).new_classes:
        return []
    absent = [label for label, count in enumerate(data.class_counts) if not count]
    said = []
    for part in ("val", "test"):
        targets = getattr(data, part).targets
        rows = {label: int((targets == label).sum()) for label in absent}
        named = [f"{class_names[label] if class_names else label} ({count})" for label, count in rows.items() if count]
        if named:
            shown_names = ", ".join([*named[:_MOST_NAMED], *["..."] * (len(named) > _MOST_NAMED)])
            said.append(f"{part} has rows of classes that training has not, which no loss can learn: {shown_names}")
    return said


def steps_of(recipe: Recipe, data: Prepared, options: Options) -> int:
    """How many steps a run takes that nothing ends early."""
    return recipe.epochs * -(-len(data.train) // (recipe.batch_size * options.accumulate))


def make_plan(
    loss: str | Callable[..., Any], task: str | Task | type[Task], options: Options, record: Record | None = None
) -> Plan:
    """Everything that :func:`losszoo.training.loop.fit` needs.

    Args:
        loss: a name, expression or target as a person has written it, or an object.
        task: a name, or a task that is made.
        options: of the run.
        record: where it is written down; None makes a new folder.
    """
    chosen = choose(loss, task, options, targets=True)
    return build(chosen, lambda: record or new_record(chosen))


def new_record(chosen: Choice) -> Record:
    """The run folder that the options ask for."""
    options = chosen.options
    if options.run_dir is not None:
        if Path(options.run_dir, "config.json").exists():
            raise UsageError(
                f"run_dir must be a folder without a run, got {options.run_dir}; resume= resumes the run in it"
            )
        return Record(Path(options.run_dir))
    return Record.fresh(Path(options.out), chosen.task.spec.name, chosen.text, options.seed)


def build(chosen: Choice, record: Callable[[], Record], world: World | None = None) -> Plan:
    """Model, optimizer and guard of what was chosen.

    Args:
        chosen: what is trained.
        record: makes the run folder, once nothing can be refused any more.
        world: the ranks that train together.
    """
    options, task, built, setup = chosen.options, chosen.task, chosen.built, chosen.setup
    device = device_of(options.device)
    signature = predicting_signature(built.signatures)
    data = chosen.data
    # Again, so that the model starts alike whether or not the loss has drawn parameters of its own.
    seed_all(options.seed, device)
    model = make_model(setup.trunk, setup.model, task.numeric, data, shaped_signatures(built)).to(device)
    set_sizes(built, data.classes, model.dim)
    set_class_counts(built, data.class_counts)
    built = shared(built.to(device), world, by_share=options.accumulate == 1)
    optimizer = make_optimizer(model, built, setup.recipe)
    precision = Precision(options.precision, device)
    return Plan(
        task=task,
        data=data,
        model=model,
        loss=built,
        signature=signature,
        recipe=setup.recipe,
        optimizer=optimizer,
        guard=_guard(chosen, model, built, optimizer, precision, world),
        forward=make_forward(model, precision, world, compiled=options.compile),
        randomness=Randomness(options.seed, device),
        record=record(),
        config=chosen.config(world),
        seed=options.seed,
        metrics=chosen.metrics,
        asked_metrics=chosen.asked_metrics,
        notes=(*chosen.notes, *_note_of_rate(setup.recipe, built), *_note_of_parts(model, options)),
        accumulate=options.accumulate,
        world=world,
        checkpoint_seconds=options.checkpoint_seconds,
    )


def _note_of_parts(model: nn.Module, options: Options) -> list[str]:
    if options.accumulate == 1 or not sees_its_part(model):
        return []
    return [
        "accumulate: the network has a BatchNorm, which normalises each batch by its own rows, so a step is not that "
        "of one large batch"
    ]


def _note_of_rate(recipe: Recipe, loss: nn.Module) -> list[str]:
    learns = recipe.loss_lr is None or any(parameter.requires_grad for parameter in loss.parameters())
    return [] if learns else ["recipe.loss_lr has no effect: this loss has no parameters of its own"]


def _guard(
    chosen: Choice,
    model: nn.Module,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    precision: Precision,
    world: World | None,
) -> Guard:
    options = chosen.options
    return Guard(
        [model, loss],
        optimizer,
        options.on_nonfinite,
        options.clip_norm,
        options.clip_value,
        clip=options.clip,
        budget=Budget(steps=steps_of(chosen.setup.recipe, chosen.data, options)),
        bundles=None,  # the run writes bundles of its own, into its folder
        scaler=precision.scaler(),
        ranks=world is not None,
    )


def code_of(loss: Any, *others: Any) -> dict[str, str]:
    """The SHA-256 of every file that a loss, a task or a network is taken from by path: another content is another one.

    The files that it imports from its own folder are part of it (:func:`digest_of_code`).

    Args:
        loss: text or an object.
        others: targets, or anything else, which has no file.
    """
    files = {str(other).rpartition(":")[0] for other in others if isinstance(other, str) and ".py:" in other}
    if isinstance(loss, str):
        calls = calls_of(installed(), parse(loss))
        files |= {call.name.rpartition(":")[0] for call in calls if ".py:" in call.name}
    return {path: digest_of_code(Path(path).expanduser()) for path in sorted(files)}
