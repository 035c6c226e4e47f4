"""``losszoo replay``: the step of a crash bundle again, what broke in it, and what the doctor says about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from losszoo.common.plain_data import all_finite
from losszoo.common.seeding import Randomness, isolated
from losszoo.common.text import in_one_line
from losszoo.crash_replay.rebuild_run import Rebuilder
from losszoo.crash_replay.repeat_step import MakeStep, Repetition, detached, kind_of, where_broken
from losszoo.crash_replay.replayed import Replay
from losszoo.errors import LosszooError, UntrustedError, UsageError, untrusted
from losszoo.losses.loss import Loss
from losszoo.tracing.first_nonfinite import first_non_finite_of
from losszoo.training.build_loss import device_of
from losszoo.training.guard.crash_bundle import read, versions

if TYPE_CHECKING:
    from losszoo.doctor.report.examination import Finding


def replay(
    path: str | Path,
    *,
    step: MakeStep | None = None,
    loss: Any = None,
    task: Any = None,
    device: str = "cpu",
    examine: bool = True,
    trust: bool = False,
) -> Replay:
    """Repeat the step of a crash bundle, in this process: neither its time nor its memory is bounded.

    The step runs four times at the most: twice as it was, in float32 and in float64. The doctor tries nothing larger
    than the batch, but computes it in float64 too, keeps every tensor of a recorded call, and begins nothing new after
    two minutes; a call that does not return is not ended. The command ``losszoo replay`` works in a process of its
    own, with hard limits.

    Args:
        path: of the bundle.
        step: for the bundle of a :class:`losszoo.Guard` in a loop of your own: takes the content of the bundle
            and returns a function that computes the loss. It is called once for every repetition, and is to make the
            model anew each time.
        loss: an equal loss, where ``losszoo.run`` was given an object; or the text that the bundle is to hold.
        task: of the run once more, where it was one of your own: a :class:`losszoo.Task`, or "file.py:MyTask". The
            bundle has the rows of the step; its task has their kind, and makes the model. Not of a table, a folder of
            images or an installed task, of which the bundle tells.
        device: to repeat it on.
        examine: hand the arguments of the loss to the doctor.
        trust: import the loss that the bundle names, even if it is not in the registry. Without it, and without the
            same text as ``loss``, a bundle runs no code but that of installed losses.

    Raises:
        UsageError: the file is no bundle, the step cannot be made again, or it needs code that was not asked for.
    """
    *_, found = in_parts(path, step, loss, task, device, examine, trust)
    return found


def in_parts(
    path: str | Path, step: MakeStep | None, loss: Any, task: Any, device: str, examine: bool, trust: bool
) -> Iterator[Replay]:
    """What the repetition gives; then, where it is reproduced, the same with what the doctor says."""
    content = read(path)
    randomness = Randomness(0, device_of(device))
    with isolated(0, randomness.device):
        again = Repetition(content, _maker(content, step, (loss, trust, task), randomness), randomness)
        try:
            replayed = _repeated(str(path), content, again)
        except UntrustedError as error:
            command = f"losszoo replay {shlex.quote(str(path))}"
            raise untrusted(error, path, command, content["config"]["loss"]) from None
        yield replayed
        if replayed.reproduced and examine:
            findings, remarks = _diagnosed(again)
            yield replace(replayed, findings=findings, notes=(*replayed.notes, *remarks))


def _maker(content: dict[str, Any], step: MakeStep | None, given: tuple[Any, ...], randomness: Randomness) -> MakeStep:
    """What makes the step; ``given``: loss, trust and task of :func:`replay`."""
    if step is not None:
        return step
    if content["config"] is None:
        raise UsageError(
            "the bundle of a losszoo.Guard must be replayed with a function that makes its step, got "
            f"step=None; write make_step(bundle), which returns a function that computes the loss, and pass it as "
            f"step=make_step (on the command line, --step file.py:make_step). {holdings(content)}"
        )
    try:
        return Rebuilder(content, randomness, *given).step
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, LosszooError):
            raise
        raise UsageError(f"the config of the bundle is damaged: {in_one_line(error)}") from error


def holdings(content: Mapping[str, Any]) -> str:
    """What a bundle holds, in a sentence."""
    batch = content.get("batch")
    shapes = [f"{tuple(leaf.shape)} {leaf.dtype}" for leaf in tree_leaves(batch) if isinstance(leaf, Tensor)]
    event = content["event"]
    told = {
        "batch": "nothing" if batch is None else f"{type(batch).__name__} of {', '.join(shapes) or 'no tensor'}",
        "model": f"state of {len(content.get('model') or ())} entries",
        "event": f"non-finite {event.get('what') or event.get('where')} in step {event.get('step')}",
    }
    return "The bundle holds " + "; ".join(f"bundle[{name!r}]: {text}" for name, text in told.items())


def _repeated(path: str, content: dict[str, Any], again: Repetition) -> Replay:
    """Repeat, compare, blame, widen."""
    try:
        step = again.step(again.fresh())
        loss = again.watched(step)
        where = where_broken(loss)
        terms = [name for name, value in getattr(step, "terms", {}).items() if where_broken(value)]
        origin = first_non_finite_of(again.ready) if where else None
    except LosszooError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"the step of {path} cannot be repeated: {in_one_line(error)}") from error
    event, notes = content["event"], _differences(content, again)
    bad_input = where is not None and _bad_input(content)
    kind, more = (None, []) if where is None else ("input", []) if bad_input else kind_of(again)
    if where is None:
        notes = [*_excuses(content, again), *notes]
    return Replay(
        bundle=path,
        format=content["format"],
        reproduced=where is not None,
        where="input" if bad_input else where,
        op=origin.op if origin else None,
        source=origin.source if origin else None,
        kind=kind,
        term=" and ".join(terms) or None,
        event=event,
        versions=content["versions"],
        notes=(*notes, *more),
    )


def _bad_input(content: Mapping[str, Any]) -> bool:
    """Of a run, the inputs say it; of a loop of one's own, the guard has said it, for a batch may hold masks."""
    if content["config"] is None:
        return bool(content["event"].get("where") == "input")
    return not all_finite(content["batch"]["inputs"])


def _differences(content: Mapping[str, Any], again: Repetition) -> list[str]:
    """What is not as it was when the bundle was written."""
    then, now = content["versions"], versions()
    other = [f"{name} {then[name]} then, {now[name]} now" for name in now if then.get(name) not in (None, now[name])]
    left_out = [f"left out of the bundle: {line}" for line in content["left_out"]]
    return [*([f"versions differ: {'; '.join(other)}"] if other else []), *left_out]


def _excuses(content: Mapping[str, Any], again: Repetition) -> list[str]:
    """Why a step may have gone well this time."""
    if content["event"].get("what"):
        return [f"loss and gradient were finite in the run, too; not finite was {content['event']['what']}"]
    then, now = "cuda" if "cuda" in content["random"] else "cpu", again.randomness.device.type
    excuses = [f"the step failed on {then}, and was repeated on {now}"] if then != now else []
    return [
        *excuses,
        "what a loss or model keeps outside its state_dict, and random numbers from another source than torch, "
        "are not restored",
    ]


def _diagnosed(again: Repetition) -> tuple[tuple[Finding, ...], list[str]]:
    """The doctor's findings on the arguments of every loss that breaks on them by itself."""
    if not again.calls:
        return (), [
            "the step called no losszoo.Loss, and the doctor examines only those here; losszoo doctor takes any target"
        ]
    findings: list[Finding] = []
    notes: list[str] = []
    tried = [(loss, inputs, _alone(loss, inputs)) for loss, inputs in again.calls if _are_finite(inputs)]
    # A loss that is called more than once, as on parts of a batch, is examined where it first breaks.
    broken = {loss: inputs for loss, inputs, where in reversed(tried) if isinstance(where, str)}
    for loss, inputs in broken.items():
        found, said = _diagnose(loss, tree_map(_plain_tensor, inputs))
        findings += found
        notes += said
    raised = {str(loss.identity): error for loss, _, error in tried if isinstance(error, BaseException)}
    if not broken and raised:
        notes += [f"{name} is not examined: by itself it raises {in_one_line(e)}" for name, e in raised.items()]
    elif not broken and len(tried) == len(again.calls):
        notes.append("the loss is finite on its arguments: the failure is outside of it, in the model")
    elif not broken:
        notes.append("the arguments of the loss are not finite: the failure is before it, in the model")
    return tuple(findings), notes


def _plain_tensor(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _are_finite(inputs: tuple[Any, ...]) -> bool:
    return all(all_finite(value) for value in inputs)


def _alone(loss: Loss, inputs: tuple[Any, ...]) -> str | BaseException | None:
    """Where the loss breaks, called on these inputs and nothing else; or what it raises then."""
    try:
        with torch.enable_grad():
            return where_broken(loss(*tree_map(detached, inputs)))
    except (Exception, SystemExit) as error:  # called by name or with more than its inputs, which is not remembered
        return error


def _diagnose(loss: Loss, inputs: tuple[Any, ...]) -> tuple[tuple[Finding, ...], list[str]]:
    name = str(loss.identity)
    how: dict[str, Any] = {"signature": loss.signature, "expects": loss.identity.expects, "target": name}
    try:
        from losszoo.doctor.diagnose import diagnose  # the doctor is asked only after a failure
    except ImportError:
        return (), ["the doctor is not installed"]
    try:
        return tuple(diagnose(loss, inputs, **how)), []
    except (Exception, SystemExit) as error:  # what was found out so far is worth more
        return (), [f"the doctor could not examine {name}: {in_one_line(error)}"]
