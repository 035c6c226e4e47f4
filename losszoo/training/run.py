"""``losszoo.run``: from names to a result. Checks everything, builds the plan, fits it, scores it, writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losszoo.common.interrupt import Interrupt
from losszoo.common.seeding import isolated, with_threads
from losszoo.errors import UsageError, is_out_of_memory, suggest
from losszoo.pairs.distributed.collectives import World
from losszoo.tasks.tables.read_table import TABLE_OPTIONS
from losszoo.tasks.task import Task
from losszoo.training.build_loss import device_of
from losszoo.training.distributed import agreed, joined
from losszoo.training.evaluation.one_class import KINDS, one_class_of, told_of_one_class
from losszoo.training.evaluation.pca_map import embedding_map
from losszoo.training.evaluation.scorers import per_class
from losszoo.training.loop import OnEpoch, fit
from losszoo.training.make_plan import Choice, build, choose, new_record
from losszoo.training.plan import Plan
from losszoo.training.run_folder.progress import Progress
from losszoo.training.run_folder.resume import Kept, read_run, resume_command
from losszoo.training.run_folder.run_folder import NoRecord, Record, UnwritableError
from losszoo.training.run_folder.trained_files import write_trained
from losszoo.training.run_options import Options
from losszoo.training.run_result import RunResult

if TYPE_CHECKING:
    from losszoo.training.run_folder.mlflow_run import MLflowRun

LossLike = str | Callable[..., Any]


@dataclass(frozen=True)
class Callbacks:
    """What is called while a run goes on; see :func:`run`."""

    on_epoch: OnEpoch | None
    on_stage: Callable[[str], None]
    on_note: Callable[[str], None]


def run(
    loss: LossLike | None = None,
    task: str | Task | type[Task] | None = None,
    *,
    resume: str | Path | None = None,
    trust: bool = False,
    on_epoch: OnEpoch | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_note: Callable[[str], None] = lambda note: None,
    raise_interrupt: bool = True,
    **options: Any,
) -> RunResult:
    """Train a loss on a task and score it. Quiet; the options of the command line are keywords.

    Under ``torchrun`` all processes train one model, and each of them returns the same result; the first one writes.

    Args:
        loss: a name, expression or target, or a loss, module or function of your own.
        task: name of a task, "file.py:MyTask", or a task of your own, made or its class.
        resume: a run folder, instead of loss, task and options: the run resumes where it was killed or
            interrupted, to the same result as if it never had been. One that has ended gives its result. A loss that
            was an object, and a task of your own, have to be given again. A loss by its target ("file.py:MyLoss") is
            code: what the folder says of it is used with ``trust``, or where ``loss`` is the same text.
        trust: with ``resume``, import the loss that the folder names, even if it is not in the registry.
        on_epoch: called after every epoch with its line of the history.
        on_stage: called with what is done now, until the first epoch begins.
        on_note: called, before the first epoch, with each of the result's ``notes``: what was noticed of your data,
            and what will do nothing, such as a term whose weight is 0 throughout.
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
        >>> run(resume=result.run_dir).metrics == result.metrics
        True
    """
    if resume is not None:
        result = _resumed(Path(resume), loss, task, options, trust, Callbacks(on_epoch, on_stage, on_note))
    elif loss is None or task is None:
        raise UsageError(f"run must be given a loss and a task, or resume=, got loss={loss!r}, task={task!r}")
    elif trust:
        raise UsageError("trust must go with resume=, got trust=True: a loss that you name is trusted already")
    else:
        chosen = _options(options)
        with joined(chosen.device) as world, isolated(chosen.seed, device_of(chosen.device)):
            chosen_by = partial(choose, loss, task, chosen, targets=True)
            result = _trained(chosen_by, world, None, Callbacks(on_epoch, on_stage, on_note))
    if result.status == "interrupted" and raise_interrupt:
        raise KeyboardInterrupt(
            f"interrupted; checkpoint and partial result are in {result.run_dir}; run(resume=...) resumes it"
        )
    return result


def _options(options: dict[str, Any]) -> Options:
    known = Options.__dataclass_fields__
    for key in options:
        if key in TABLE_OPTIONS:
            raise UsageError(f"run has no option {key!r}: it is of the task, losszoo.Task.from_table(table, {key}=...)")
        if key not in known:
            raise UsageError(f"run has no option {key!r}: {suggest(key, [*known, 'resume'])}")
    return Options(**options)


def _resumed(
    folder: Path, loss: LossLike | None, task: Any, options: dict[str, Any], trust: bool, callbacks: Callbacks
) -> RunResult:
    """The rest of a run that was killed or interrupted."""
    kept = read_run(folder)
    free = ("checkpoint_seconds", "tensorboard", "mlflow", "model", "metric")
    given = [name for name in options if name not in free]
    again = task is not None and not kept.config.get("task_is_own")
    if again or given:
        named = [*(["task"] if again else []), *given]
        raise UsageError(
            "resume must stand alone, or with loss, model, metric, trust, checkpoint_seconds, tensorboard, "
            f"mlflow and a task of your own, as the run folder holds every setting, got {', '.join(named)}"
        )
    if loss is not None:
        kept.loss(loss)  # refuses another one, of a run that has ended too
    checked = _options(options)
    if "metric" in options:
        kept.metrics(checked.metric)  # alike
    if kept.result is not None:
        return kept.result
    beside = {name: getattr(checked, name) for name in options}
    beside |= {"model": kept.network(checked.model, trust), "metric": kept.metrics(checked.metric)}
    chosen = kept.options(**beside)
    with (
        joined(chosen.device) as world,
        isolated(chosen.seed, device_of(chosen.device)),
        with_threads(kept.config["threads"]),
    ):
        return _trained(partial(kept.chosen, loss, task, chosen, world, trust), world, kept, callbacks)


def _trained(choose_it: Callable[[], Any], world: World | None, kept: Kept | None, callbacks: Callbacks) -> RunResult:
    callbacks.on_stage("reading the data")
    chosen = agreed(world, choose_it)
    for note in chosen.notes if world is None or world.rank == 0 else ():
        callbacks.on_note(note)
    callbacks.on_stage("building the model")
    with ExitStack() as claims:

        def claimed() -> Record:
            record = new_record(chosen) if kept is None else Record(kept.folder)
            return claims.enter_context(record.claimed())

        plan = build(chosen, lambda: _record(claimed, world), world)
        progress = None if kept is None else kept.progress(plan)
        plan.record.write_json("config.json", plan.config)
        callbacks.on_stage("first epoch" if progress is None else f"epoch {progress.epoch + 1}")
        with _goes_on(plan, chosen), _mlflow(plan, chosen.options) as logged:
            told = [callbacks.on_epoch, logged.epoch if logged else None] if plan.first_rank else []
            with _scalars(plan, chosen.options), Interrupt() as interrupt:
                progress = fit(plan, interrupt, partial(_tell, told), progress)
            result = _conclude(plan, progress, tuple(chosen.options.parts)) if plan.first_rank else None
            for note in result.notes[len(plan.notes) :] if result is not None else ():
                callbacks.on_note(note)
            if logged is not None and result is not None:
                logged.end(result)
    shared: RunResult = result if world is None else world.from_first(result)  # type: ignore[assignment]
    return shared


@contextmanager
def _goes_on(plan: Plan, chosen: Choice) -> Iterator[None]:
    """What ends a training before its result says how it goes on; what was written stays."""
    folder, world = plan.record.folder, plan.world
    loss = chosen.loss if isinstance(chosen.loss, str) else ""
    again = f"; to resume it: {resume_command(folder, world.size if world else 1, loss, chosen.task_target)}"
    again = again if folder.name else ""  # an estimator leaves nothing behind
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted at once{again}") from None
    except UnwritableError as error:
        raise UnwritableError(f"{error}{again}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        said = (str(error).splitlines() or [""])[0]
        reason = f" ({said})" if said else ""
        raise UsageError(
            f"a training step takes more memory than there is{reason}; choose a smaller "
            f"recipe.batch_size with --accumulate, or a smaller model{again}"
        ) from error


@contextmanager
def _scalars(plan: Plan, options: Options) -> Iterator[None]:
    """TensorBoard's files, where they are asked for."""
    if not (options.tensorboard and plan.first_rank):
        yield
        return
    from losszoo.training.run_folder.tensorboard import Scalars

    plan.scalars = Scalars(plan.record.folder / "tensorboard", purge_step=plan.guard.counts.steps + 1)
    try:
        yield
    finally:
        plan.scalars.close()


@contextmanager
def _mlflow(plan: Plan, options: Options) -> Iterator[MLflowRun | None]:
    """A run of MLflow, where it is asked for."""
    if not (options.mlflow and plan.first_rank):
        yield None
        return
    from losszoo.training.run_folder.mlflow_run import MLflowRun

    logged = MLflowRun(plan.config, plan.record.folder)
    try:
        yield logged
    except BaseException:
        logged.killed()
        raise


def _tell(told: list[OnEpoch | None], line: Mapping[str, Any]) -> None:
    for tell in told:
        if tell is not None:
            tell(line)


def _record(make: Callable[[], Record], world: World | None) -> Record:
    """The run folder; only the first rank writes, and tells the others where, or why it cannot."""
    if world is None:
        return make()
    record, failure = None, None
    if world.rank == 0:
        try:
            record = make()
        except UsageError as error:  # the others wait for this rank: they are callbacks before it is raised
            failure = error
    folder, said = world.from_first((str(record.folder) if record else "", str(failure) if failure else ""))
    if failure is not None:
        raise failure
    if said:
        raise UsageError(f"the first rank must be able to write, got the error {said}")
    return record or NoRecord(folder)


def _conclude(plan: Plan, progress: Progress, parts: tuple[str, ...]) -> RunResult:
    """Score the best state, and write the result down."""
    judged, known = plan.prediction.judge(plan.model, plan.data, parts, plan.deciding, answered=True)
    classes = tuple(plan.task.class_names or [str(label) for label in range(plan.data.classes)])
    part = next((name for name in ("test", "val") if name in judged), "")
    single = one_class_of(judged[part].answers, classes, part) if part and plan.data.kind in KINDS else {}
    result = RunResult(
        loss=plan.config["loss"],
        task=plan.task.spec.name,
        seed=plan.seed,
        status=progress.status,
        metrics={part: found.metrics for part, found in judged.items()},
        epochs=progress.epoch,
        steps=plan.guard.counts.steps,
        seconds=progress.seconds,
        guard=plan.guard.to_dict(),
        run_dir=str(plan.record.folder),
        stop_reason=progress.stop_reason,
        notes=(*plan.notes, *_without_best(plan, progress), *([told_of_one_class(single)] if single else [])),
        one_class=single,
        class_names=tuple(plan.task.class_names),
        per_class=per_class(judged["test"].answers, classes) if plan.data.classes and "test" in judged else {},
    )
    write_trained(plan, progress, known)
    features = plan.prediction.embedded(plan.model, plan.data.test) if "test" in parts else None
    if features is not None:
        plan.record.write_json("embedding.json", embedding_map(features, plan.data.test.targets, classes))
    plan.record.write_json("result.json", result.to_dict())
    return result


def _without_best(plan: Plan, progress: Progress) -> list[str]:
    """Where the metric that decides was never a number, no epoch was the best."""
    metric, _ = plan.deciding
    if not len(plan.data.val) or not progress.history or progress.best is not None:
        return []
    return [f"{metric} was no number on the validation rows after any epoch, so the state after the last one is scored"]
