"""The guard of a training step and the doctor name the same operation and the same line."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor, nn
from ways_to_break import WAYS, Entropy, Way, forward_by_hand

import losszoo


def line_of(way: Way) -> str:
    """Where the culprit stands, by its comment."""
    found: object = type(way.loss) if isinstance(way.loss, nn.Module) else way.loss
    if found is forward_by_hand:
        found = Entropy
    lines, first = inspect.getsourcelines(found)  # type: ignore[arg-type]
    (offset,) = (i for i, text in enumerate(lines) if "# culprit" in text)
    return f"ways_to_break.py:{first + offset}"


def by_guard(way: Way) -> tuple[str | None, str | None]:
    model = nn.ParameterList([torch.tensor(way.input)])
    guard = losszoo.Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), policy="skip", bundles=None)

    def loss() -> Tensor:
        return way.loss(model[0] * 1)

    report = guard.step(loss(), again=loss)
    assert not report.applied
    assert guard.first is not None
    return guard.first.op, guard.first.source


def by_doctor(way: Way) -> tuple[str | None, str | None]:
    found = losszoo.examine(way.loss, example=lambda: (torch.tensor(way.input),), effort=40)
    (finding,) = (finding for finding in found.findings if finding.probe == "ordinary input")
    return finding.op, finding.source


@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")  # torch warns before it gives NaN
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_guard_and_doctor_agree_with_a_person(way: Way) -> None:
    said = way.op, line_of(way)
    assert by_guard(way) == said
    assert by_doctor(way) == said
