"""``losszoo.run``: from names to a result. Checks everything, builds the plan, fits it, scores it, writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import losszoo
from losszoo.contract.compose import SumLoss, Term, leaves
from losszoo.contract.loss import Loss
from losszoo.contract.pairwise import PairwiseLoss
from losszoo.errors import UsageError, suggest
from losszoo.factory import create, infer_signature
from losszoo.harness.adapters import Model, make_head, predicting_signature
from losszoo.harness.guard import POLICIES, Budget, Guard
from losszoo.harness.predict import Prediction
from losszoo.harness.prepare import Prepared, prepare
from losszoo.harness.record import Record
from losszoo.harness.result import RunResult
from losszoo.harness.run import Plan, fit
from losszoo.harness.settings import Overrides, apply, make_task, parse_overrides, split_seed
from losszoo.harness.task import Recipe
from losszoo.harness.trunks import build_trunk
from losszoo.registry.expressions import parse
from losszoo.registry.fit import NATURAL, check_fit, example_for, tasks_for
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.registry.targets import resolve

Settings = Iterable[str] | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``losszoo run``.

    Args:
        seed: of weights, batches and draws; >= 0.
        set: ``model.``, ``recipe.``, ``loss.`` and ``task.`` keys.
        epochs: shorthand of ``recipe.epochs``.
        clip_norm: largest gradient norm.
        clip_value: largest absolute gradient entry.
        on_nonfinite: "raise" (stop), "skip" or "rollback".
        out: folder of the run folders.
        device: "cpu", "cuda", ...
        signature: of a loss of one's own.
        expects: of a loss of one's own.
    """

    seed: int = 0
    set: Settings = ()
    epochs: int | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    on_nonfinite: str = "raise"
    out: str | Path = "runs"
    device: str = "cpu"
    signature: str | None = None
    expects: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise UsageError(f"seed must be a whole number in [0, 2^63), however: seed={self.seed!r}")
        if self.on_nonfinite not in POLICIES:
            raise UsageError(
                f"on_nonfinite must be one of {', '.join(POLICIES)}, however: on_nonfinite={self.on_nonfinite!r}"
            )


def run(
    loss: str | Callable[..., Any],
    task: str,
    *,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
    **options: Any,
) -> RunResult:
    """Train a loss on a task and score it. Quiet; the options of the command line are keywords.

    Args:
        loss: a name, expression or target, or a loss, module or function of your own.
        task: name of a task.
        on_epoch: called after every epoch with its line of the history.
        options: see :class:`Options`.

    Raises:
        UsageError: anything that cannot be, before training starts.
        DataError: data that are missing or cannot be learned from.

    Example:
        >>> import tempfile
        >>> result = run("cross-entropy", "digits", epochs=1, out=tempfile.mkdtemp())
        >>> result.status, sorted(result.metrics)
        ('completed', ['test', 'train', 'val'])
    """
    known = Options.__dataclass_fields__
    for key in options:
        if key not in known:
            raise UsageError(f"run has no option {key!r}: {suggest(key, list(known))}")
    with torch.random.fork_rng(devices=[]):
        plan = make_plan(loss, task, Options(**options))
        progress = fit(plan, on_epoch)
        metrics = plan.prediction.score(plan.model, plan.data, ("train", "val", "test"), plan.deciding)
    result = RunResult(
        loss=plan.config["loss"],
        task=task,
        seed=plan.seed,
        status=progress.status,
        metrics=metrics,
        epochs=progress.epoch,
        steps=plan.guard.counts.steps,
        seconds=progress.seconds,
        guard=plan.guard.to_dict(),
        run_dir=str(plan.record.folder),
        stop_reason=progress.stop_reason,
    )
    plan.record.write_json("result.json", result.to_dict())
    return result


def make_plan(loss: str | Callable[..., Any], task_name: str, options: Options) -> Plan:
    """Everything checked and built, nothing trained; cheap checks first, so that a wrong name costs no second."""
    spec = installed().task(task_name)
    overrides = parse_overrides(options.set)
    if options.epochs is not None:
        overrides = replace(overrides, recipe={**overrides.recipe, "epochs": options.epochs})
    device = _device(options.device)
    built = _make_loss(loss, spec, overrides, options)
    signature = predicting_signature(built.signatures)
    task_options = dict(overrides.task)
    split = split_seed(task_options.pop("split", 0))
    task = make_task(task_name, task_options)
    setup = apply(task.setup(signature), overrides)
    data = prepare(task, split, device)
    torch.manual_seed(options.seed)
    model = _make_model(setup.trunk, setup.model, task.numeric, data, built).to(device)
    built.to(device)
    optimizer = make_optimizer(model, built, setup.recipe)
    text = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    steps = setup.recipe.epochs * -(-len(data.train) // setup.recipe.batch_size)
    guard = Guard(
        [model, built],
        optimizer,
        options.on_nonfinite,
        options.clip_norm,
        options.clip_value,
        budget=Budget(steps=steps),
    )
    config = {
        "losszoo": losszoo.__version__,
        "torch": torch.__version__,
        "loss": text,
        "loss_options": dict(overrides.loss),
        "task": task_name,
        "task_options": {"split": split, **task_options},
        "seed": options.seed,
        "trunk": setup.trunk,
        "model": dict(setup.model),
        "recipe": asdict(setup.recipe),
        "clip_norm": options.clip_norm,
        "clip_value": options.clip_value,
        "on_nonfinite": options.on_nonfinite,
        "device": str(device),
    }
    record = Record(Path(options.out), task_name, text, options.seed)
    record.write_json("config.json", config)
    return Plan(
        task=task,
        data=data,
        model=model,
        loss=built,
        prediction=_prediction(built, signature),
        recipe=setup.recipe,
        optimizer=optimizer,
        guard=guard,
        record=record,
        config=config,
        seed=options.seed,
    )


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(
            f"device must be one that this machine has, however: device={name!r} ({said})"
        ) from None
    return device


def _make_loss(
    loss: str | Callable[..., Any], spec: TaskSpec, overrides: Overrides, options: Options
) -> SumLoss:
    """The loss as a sum, even of one term; refused where it does not fit the task."""
    if isinstance(loss, str):
        terms = parse(loss)
        check_fit(installed(), terms, spec)
        own = [term.call.name for term in terms if ":" in term.call.name]
        signature = options.signature or (_natural(resolve(own[0]), spec) if own else None)
    else:
        signature = options.signature or (None if isinstance(loss, Loss | SumLoss) else _natural(loss, spec))
    made = create(loss, signature=signature, expects=options.expects, **overrides.loss)
    for leaf in leaves(made):
        if leaf.signature != "penalty" and not spec.fits(leaf.signature):
            raise UsageError(
                f"{leaf.identity.name} is a {leaf.signature} loss and does not fit {spec.name}, a {spec.kind} task; it fits "
                f"{', '.join(tasks_for(installed(), leaf.signature))}. Try {example_for(installed(), spec)}, or say --signature"
            )
    return made if isinstance(made, SumLoss) else SumLoss([Term(str(made.identity), made)])


def _natural(thing: Any, spec: TaskSpec) -> str:
    """The signature of a loss of one's own: read off its argument names, else what the task naturally feeds."""
    return infer_signature(thing) or NATURAL[spec.kind]


def _make_model(
    trunk: str, options: Mapping[str, Any], numeric: int | None, data: Prepared, loss: SumLoss
) -> Model:
    built = build_trunk(trunk, tuple(data.train.inputs.shape[1:]), numeric, **options)
    heads = {name: make_head(name, built.dim, data) for name in loss.signatures}
    return Model(built, {name: head for name, head in heads.items() if head is not None})


def make_optimizer(model: nn.Module, loss: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; parameters that a loss learns are not decayed."""
    groups = [{"params": list(model.parameters()), "weight_decay": recipe.weight_decay}]
    learned = list(loss.parameters())
    if learned:
        groups.append({"params": learned, "weight_decay": 0.0})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, fused=True)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, fused=True)


def _prediction(loss: SumLoss, signature: str) -> Prediction:
    """How the predicting term predicts: what it expects, and the similarity and temperature that it was trained with."""
    leaf = next(leaf for leaf in leaves(loss) if leaf.signature == signature)
    if isinstance(leaf, PairwiseLoss):
        return Prediction(signature, leaf.identity.expects, leaf.similarity)
    params = leaf.identity.params
    return Prediction(
        signature,
        leaf.identity.expects,
        params.get("similarity", "euclidean"),
        params.get("temperature", 1.0),
    )
