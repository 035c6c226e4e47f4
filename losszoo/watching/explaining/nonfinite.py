"""A loss or gradient that is not finite: whose fault it is, and the inputs to keep."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from losszoo.common.seeding import Randomness, isolated
from losszoo.common.text import in_one_line
from losszoo.doctor.diagnose import diagnose
from losszoo.doctor.report.examination import Finding
from losszoo.tracing.authors import Place
from losszoo.tracing.finite_check import spoilt
from losszoo.tracing.first_nonfinite import first_non_finite
from losszoo.tracing.tape import Site
from losszoo.training.guard.crash_bundle import Bundles, pack
from losszoo.watching.criteria import Call
from losszoo.watching.explaining.broken_batch import broken_batch
from losszoo.watching.explaining.loss_statements import Again, argument_names, call_again, loss_again, ranks_wait

# Evaluations, and seconds, that the doctor may spend on one batch.
_EFFORT, _SECONDS = 1500, 60.0


@dataclass(frozen=True)
class Explained:
    """What is known of a number that is not finite.

    Args:
        cause: in a sentence.
        remedy: what cures it.
        findings: of the doctor.
        site: operation and line, where the doctor does not name them.
        place: the line that has called the criterion.
        inputs: of the criterion, by name.
    """

    cause: str
    remedy: str = ""
    findings: tuple[Finding, ...] = ()
    site: Site | None = None
    place: Place | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """What there is at the moment in which it is found.

    Args:
        frame: of the user's code that has called backward.
        line: of it, at that time.
        calls: of criteria, since the last step.
        names: of the parameters.
        of_gradient: the loss itself was finite.
        first_broken: the first operation of this step that gave what is not finite, where every one was looked at.
    """

    frame: FrameType | None
    line: int
    calls: Sequence[Call]
    names: Mapping[str, Tensor]
    of_gradient: bool
    first_broken: Site | None = None


def explain(scene: Scene) -> Explained:
    """Whose fault it is: the batch, a parameter, the network, or else the criterion, which the doctor diagnoses."""
    with isolated(0, torch.device("cpu")), torch.enable_grad():
        candidates = list(_candidates(scene))
        finite = [again for again in candidates if not any(spoilt(again.inputs))]
        for again in finite:
            findings = _diagnosed(again)
            if findings:
                first = findings[0]
                return Explained(first.cause, first.remedy, findings, place=again.place, inputs=again.named())
        inputs = candidates[0].named() if candidates else {}
        return _before_the_loss(scene, inputs, bool(finite), bool(candidates))


def _candidates(scene: Scene) -> Iterator[Again]:
    """Criteria that can be called again, the innermost first."""
    for call in scene.calls:  # what a function calls stands before it
        if scene.of_gradient or any(spoilt(call.result)):
            function = partial(call.function, **call.kwargs) if call.kwargs else call.function
            yield Again(function, call.args, argument_names(call.function, len(call.args)), call.place, call.name)
    if scene.frame is None:
        return
    try:
        again = call_again(scene.frame, scene.line)
    except (Exception, SystemExit):  # its arguments cannot be computed once more
        again = None
    if again is not None:
        yield again
    sound = not any(spoilt(list(scene.names.values())))
    for whole in (False, True):
        again = loss_again(scene.frame, scene.line, whole=whole, direct=sound)
        if again is not None and again.inputs:
            yield again


def _diagnosed(again: Again) -> tuple[Finding, ...]:
    """The doctor's words on this call, on this batch."""
    inputs = tree_map(_leaf, again.inputs)
    try:
        return diagnose(again.function, inputs, target=again.target, effort=_EFFORT, budget=_SECONDS)
    except (Exception, SystemExit):  # by itself it does not run: another candidate may
        return ()


def _leaf(value: Any) -> Any:
    return value.detach().clone().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def _before_the_loss(scene: Scene, inputs: Mapping[str, Any], loss_is_finite: bool, known: bool) -> Explained:
    site, module = _in_network(scene)
    if site is not None:
        within = f" in {module}" if module else ""
        what = f"the derivative of {site.op}" if scene.of_gradient else site.op
        cause = f"{what}{within} is the first that is not finite"
        if module:
            cause = f"the network makes it, before the loss: {cause}"
        return Explained(cause, "look at what this line is given", site=site, place=site.place, inputs=inputs)
    broken = [name for name, parameter in scene.names.items() if any(spoilt(parameter))]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        cause = f"parameter {broken[0]}{more} is not finite any more: an earlier step has spoilt it"
        remedy = "clip the gradient (torch.nn.utils.clip_grad_norm_) or lower the learning rate"
        return Explained(cause, remedy, inputs=inputs)
    batch = broken_batch(scene.frame, scene.calls)
    if batch is not None:
        return Explained(batch, "look for it where the data are read: torch.isfinite(x).all()", inputs=inputs)
    if ranks_wait() and scene.of_gradient:
        return Explained("it comes from the network, or from another rank, whose loss is not finite", inputs=inputs)
    if loss_is_finite:
        return Explained("the criterion is finite on its inputs by itself", inputs=inputs)
    if known:
        return Explained("what the criterion is given is not finite already", inputs=inputs)
    seen = scene.first_broken
    if seen is not None:
        cause = f"{seen.op} is the first operation of this step that gave what is not finite"
        return Explained(cause, "look at what this line is given", site=seen, place=seen.place)
    return Explained("what has made it cannot be computed again from here: its operation is not known")


def _in_network(scene: Scene) -> tuple[Site | None, str]:
    """The operation of the network that first gave what is not finite, and its module."""
    own = scene.frame
    again = loss_again(own, scene.line, through_network=True, whole=scene.of_gradient) if own is not None else None
    kept = [call for call in scene.calls if call.own]
    if ranks_wait():
        return None, ""
    if kept and (again is None or not again.inputs):
        again = Again(partial(kept[-1].function, **kept[-1].kwargs), kept[-1].args, ())
    if again is None:
        return None, ""
    first: list[str] = []
    names = {id(m): n for root in _modules(own) for n, m in root.named_modules()}

    def note(module: nn.Module, args: Any, result: Any) -> None:
        if not first and any(spoilt(result)) and not any(spoilt(args)):
            first.append(f"{names.get(id(module), '')} ({type(module).__name__})".strip())

    def step() -> Tensor:
        loss = again.function(*again.inputs)
        return loss.sum() if isinstance(loss, Tensor) else loss

    handle = nn.modules.module.register_module_forward_hook(note)
    gradients = {id(p): (p, p.grad) for p in scene.names.values()}
    try:
        site = first_non_finite(step)
    except (Exception, SystemExit):  # the step cannot be repeated from here
        site = None
    finally:
        handle.remove()
        for parameter, gradient in gradients.values():
            parameter.grad = gradient
    return site, first[0] if first else ""


def _modules(frame: FrameType | None) -> Iterator[nn.Module]:
    values = {**frame.f_globals, **frame.f_locals}.values() if frame is not None else ()
    return (value for value in list(values) if isinstance(value, nn.Module))


def write_bundle(bundles: Bundles, explained: Explained, event: Mapping[str, Any], say: Any) -> str | None:
    """The criterion's inputs as a crash bundle; a disk that refuses it is told, and the script goes on."""
    if not explained.inputs or not bundles.wanted():
        return None

    def content() -> dict[str, Any]:
        random = Randomness(0, torch.device("cpu")).state()
        told = {"event": dict(event), "batch": dict(explained.inputs), "model": None, "random": random, "config": None}
        return pack("guard", told)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            collected = bundles.collect(content, int(event["step"]))
            path = bundles.write(collected, int(event["step"])) if collected else None
        except OSError as error:
            path = None
            say(f"the bundle could not be written: {in_one_line(error)}")
    for warning in warned:
        say(str(warning.message))
    return str(path) if path else None
