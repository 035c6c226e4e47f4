"""``losszoo.run``: from names to a result. Checks everything, builds the plan, fits it, scores it, writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

import losszoo
from losszoo.contract.sizes import set_sizes
from losszoo.errors import UsageError, suggest
from losszoo.harness.adapters import predicting_signature
from losszoo.harness.build import device_of, make_loss, make_model, make_optimizer, make_prediction, text_of
from losszoo.harness.guard import POLICIES, Budget, Guard
from losszoo.harness.interrupt import Interrupt
from losszoo.harness.plan import Plan
from losszoo.harness.predict import METRICS
from losszoo.harness.prepare import prepare
from losszoo.harness.randomness import isolated, seed_all
from losszoo.harness.record import Record
from losszoo.harness.result import RunResult
from losszoo.harness.run import Progress, fit
from losszoo.harness.settings import apply, make_task, parse_overrides, split_seed
from losszoo.harness.task import Setup
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec

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
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            raise UsageError(f"seed must be a whole number in [0, 2^32), however: seed={self.seed!r}")
        if self.on_nonfinite not in POLICIES:
            raise UsageError(
                f"on_nonfinite must be one of {', '.join(POLICIES)}, however: on_nonfinite={self.on_nonfinite!r}"
            )


def run(
    loss: str | Callable[..., Any],
    task: str,
    *,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
    raise_interrupt: bool = True,
    **options: Any,
) -> RunResult:
    """Train a loss on a task and score it. Quiet; the options of the command line are keywords.

    Args:
        loss: a name, expression or target, or a loss, module or function of your own.
        task: name of a task.
        on_epoch: called after every epoch with its line of the history.
        raise_interrupt: raise KeyboardInterrupt when Ctrl-C or SIGTERM has ended the run and everything is saved;
            False returns the partial result, with the status "interrupted".
        options: see :class:`Options`.

    Raises:
        UsageError: anything that cannot be, before training starts.
        DataError: data that are missing or cannot be learned from.
        KeyboardInterrupt: it was interrupted; checkpoint and partial result are in the run folder.

    On a machine that others use too, set ``GOMP_SPINCOUNT=3000`` before torch is imported, as the command line does:
    torch's threads otherwise wait for each other in busy loops, which slows such a run down tenfold.

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
    chosen = Options(**options)
    with isolated(chosen.seed, device_of(chosen.device)):
        plan = make_plan(loss, task, chosen)
        with Interrupt() as interrupt:
            result = _conclude(plan, fit(plan, interrupt, on_epoch))
    if result.status == "interrupted" and raise_interrupt:
        raise KeyboardInterrupt(f"interrupted; checkpoint and partial result are in {result.run_dir}")
    return result


def _conclude(plan: Plan, progress: Progress) -> RunResult:
    """Score the best state, and write the result down."""
    metrics = plan.prediction.score(plan.model, plan.data, ("train", "val", "test"), plan.deciding)
    result = RunResult(
        loss=plan.config["loss"],
        task=plan.task.spec.name,
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
    _check_metric(spec)
    overrides = parse_overrides(options.set)
    if options.epochs is not None and "epochs" in overrides.recipe:
        raise UsageError("epochs must be given once, however: epochs and recipe.epochs are both set")
    if options.epochs is not None:
        overrides = replace(overrides, recipe={**overrides.recipe, "epochs": options.epochs})
    device = device_of(options.device)
    built = make_loss(loss, spec, overrides.loss, options.signature, options.expects).to(device)
    signature = predicting_signature(built.signatures)
    task_options = dict(overrides.task)
    split = split_seed(task_options.pop("split", 0))
    task = make_task(task_name, task_options)
    setup = apply(task.setup(signature), overrides)
    data = prepare(task, split, device)
    # Again, so that the model starts alike whether or not the loss has drawn parameters of its own.
    seed_all(options.seed, device)
    model = make_model(setup.trunk, setup.model, task.numeric, data, built.signatures).to(device)
    set_sizes(built, data.classes, model.dim)
    optimizer = make_optimizer(model, built.to(device), setup.recipe)
    steps = setup.recipe.epochs * -(-len(data.train) // setup.recipe.batch_size)
    clipping = options.clip_norm, options.clip_value
    # The run writes bundles of its own, into its folder.
    guard = Guard([model, built], optimizer, options.on_nonfinite, *clipping, budget=Budget(steps=steps), bundles=None)
    text = text_of(loss)
    config = _config(text, task_name, {"split": split, **task_options}, setup, options)
    config["loss_options"] = dict(overrides.loss)
    # An object has a name, and nothing that would make it anew.
    config["loss_is_object"] = not isinstance(loss, str)
    record = Record(Path(options.out), task_name, text, options.seed)
    record.write_json("config.json", config)
    prediction = make_prediction(built, signature)
    return Plan(task, data, model, built, prediction, setup.recipe, optimizer, guard, record, config, options.seed)


def _config(text: str, task: str, task_options: Mapping[str, Any], setup: Setup, options: Options) -> dict[str, Any]:
    """Everything that decides the result, in plain data."""
    kept = ("seed", "clip_norm", "clip_value", "on_nonfinite", "device", "signature", "expects")
    return {
        "losszoo": losszoo.__version__,
        "torch": str(torch.__version__),
        "loss": text,
        "task": task,
        "task_options": dict(task_options),
        "trunk": setup.trunk,
        "model": dict(setup.model),
        "recipe": asdict(setup.recipe),
        **{name: getattr(options, name) for name in kept},
    }


def _check_metric(spec: TaskSpec) -> None:
    known = METRICS[spec.kind]
    if spec.metric not in known:
        owner = installed().origin("task", spec.name)
        raise UsageError(
            f"task {spec.name} of {owner}: metric of a {spec.kind} task must be one of {', '.join(known)}, "
            f"however: metric={spec.metric!r}"
        )
