"""A network among the arguments of a loss whose parameters get no gradient."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.silent.gradients.lost_gradient import NUMBERS, has_derivative, why_lost
from losszoo.doctor.silent.recorded_call import Recording, recorded, tensors
from losszoo.doctor.subject.subject import Leaves, Subject
from losszoo.tracing.tape import Record

_FACTORS = (1.0, -0.7, 1.9)


def look_for_untrained_networks(subject: Subject, search: Search) -> None:
    """Finds that no network among the arguments is trained by the value, on the ordinary input and on others."""
    networks = [i for i, x in enumerate(subject.leaves) if isinstance(x, nn.Module)]
    recording = recorded(subject, subject.leaves, torch.float32) if networks else None
    if recording is None or not _parameters(recording) or any(_trains(subject, x) for x in _others(subject)):
        return
    record = _cut(recording, _parameters(recording))
    if record is None:
        return
    names = " and ".join(dict.fromkeys(_name(subject, index) for index in networks))
    why = _second(record) if record.site.op == "grad" else why_lost(record)
    detached = not any(x.requires_grad for x in tensors(record.result))
    if detached and record.site.op not in ("grad", *NUMBERS):  # a teacher, without a graph on purpose
        search.note(f"{names} gets no gradient, which may be meant: {why}, at {record.site.source}")
        return
    remedy = "use a smooth activation (tanh, softplus, SiLU), and create_graph=True where a derivative is trained"
    failure = Failure(
        *(subject, "ordinary input", "no-gradient", torch.float32, subject.leaves, None),
        shows=lambda leaves: not _trains(subject, leaves),
        said=(f"no gradient reaches {names}: {why}", remedy),
        site=record.site,
    )
    search.add(failure)


def _others(subject: Subject) -> Iterator[Leaves]:
    for factor in _FACTORS:
        yield [x * factor if isinstance(x, Tensor) and x.is_floating_point() else x for x in subject.leaves]


def _parameters(recording: Recording) -> list[Tensor]:
    """Of the networks that the call got, those that are learned."""
    networks = [x for x in recording.given if isinstance(x, nn.Module)]
    return [p for network in networks for p in network.parameters() if p.requires_grad]


def _trains(subject: Subject, leaves: Leaves) -> bool:
    """Whether any parameter gets a gradient that is not 0; also where that cannot be told."""
    recording = recorded(subject, leaves, torch.float32)
    if recording is None:
        return True
    return any(has_derivative(recording.values, parameter) for parameter in _parameters(recording))


def _cut(recording: Recording, parameters: list[Tensor]) -> Record | None:
    """The last operation that gets what depends on the parameters with a gradient, and gives what does not."""
    lives = set(map(id, parameters))
    found = None
    for record in recording.tape.records:
        if not lives.intersection(map(id, tensors((record.args, record.kwargs)))):
            continue
        living = [x for x in tensors(record.result) if any(has_derivative(x, p) for p in parameters)]
        lives.update(map(id, living))
        if not living and tensors(record.result):
            found = record
    return found


def _second(record: Record) -> str:
    """Why a derivative that the loss takes itself has none."""
    if not any(x.requires_grad for x in tensors(record.result)):
        return "grad gives a derivative that is detached from the graph, as create_graph=True is missing"
    return "the derivative that grad gives does not depend on the parameters: that of a ReLU is piecewise constant"


def _name(subject: Subject, index: int) -> str:
    return subject.names[min(index, len(subject.names) - 1)]
