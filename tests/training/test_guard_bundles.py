"""What a guard finds out about a bad step in a loop of its own, and the bundles that it writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bundled import LABELS, ROWS, fails, healthy, make, root
from torch import Tensor, nn

from losszoo import Guard, NonFiniteError
from losszoo.tracing import first_nonfinite
from losszoo.training.guard import investigate
from losszoo.training.guard.crash_bundle import MOST_BUNDLES, read


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard writes its bundles into the working folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


def log_of_softmax(model: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    probabilities = torch.softmax(1e3 * model(rows), 1)
    return -torch.log(probabilities)[torch.arange(len(labels)), labels].mean()


def line_of(function: Callable[..., Any], offset: int) -> str:
    code = function.__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno + offset}"


def run_guarded(guard: Guard, model: nn.Module, loss: Callable[..., Tensor], steps: int = 3) -> Any:
    """Some good steps, then a bad one."""
    for number in range(steps):
        last = number == steps - 1
        chosen = loss if last else healthy
        report = guard.step(
            chosen(model, ROWS, LABELS),
            batch={"rows": ROWS, "labels": LABELS, "name": "six"},
            again=lambda chosen=chosen: chosen(model, ROWS, LABELS),  # type: ignore[misc]
        )
    return report


def test_a_guard_alone_names_operation_and_line_and_writes_a_bundle(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path / "bundles")
    run_guarded(guard, model, healthy, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chance = torch.get_rng_state()
    report = run_guarded(guard, model, log_of_softmax, 1)
    after = torch.get_rng_state()
    torch.set_rng_state(chance)
    model(ROWS)
    assert torch.equal(torch.get_rng_state(), after)  # as if nothing had been repeated
    first = guard.to_dict()["first"]
    assert (first["where"], first["op"], first["source"]) == ("loss", "softmax", line_of(log_of_softmax, 1))
    content = read(first["bundle"])
    assert content["kind"] == "guard"
    assert content["config"] is None
    assert set(content["versions"]) == {"losszoo", "torch", "python"}
    assert content["left_out"] == []
    assert content["batch"]["name"] == "six"
    assert torch.equal(content["batch"]["rows"], ROWS)
    assert content["event"]["loss"] == report.loss == math.inf
    assert (content["event"]["step"], content["event"]["op"]) == (3, "softmax")
    assert set(content["event"]["gradient_norms"]) == {name for name, _ in model.named_parameters()}
    assert set(content["model"]) == set(before)
    assert all(torch.equal(value, before[name]) for name, value in content["model"].items())
    assert content["optimizer"]["param_groups"][0]["lr"] == 0.1
    assert torch.equal(content["random"]["torch"], chance)


def test_a_bundle_without_batch_or_second_computation(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard([model, nn.Linear(1, 1)], optimizer, "skip", bundles=tmp_path)
    event = guard.step(root(model, ROWS, LABELS)).event
    assert event is not None
    content = read(str(event.bundle))
    assert (event.op, event.where, content["batch"], len(content["model"])) == (None, "gradient", None, 2)
    norms = content["event"]["gradient_norms"]
    assert "0.3.bias" in norms
    assert any(not math.isfinite(norm) for norm in norms.values())


def test_operation_and_line_without_bundles() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, bundles=None)
    with pytest.raises(NonFiniteError, match=rf"first in sqrt at {line_of(root, 1)}"):
        guard.step(root(model, ROWS, LABELS), again=lambda: root(model, ROWS, LABELS))
    assert guard.first is not None
    assert guard.first.bundle is None
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_guard_alone_writes_bundles_into_the_working_folder() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip")
    assert not Path("crash-bundles").exists()
    event = guard.step(root(model, ROWS, LABELS)).event
    assert event is not None
    assert event.bundle == str(Path("crash-bundles") / "step-1.pt")
    assert read(event.bundle)["event"]["where"] == event.where


def test_chance_is_as_it_was_before_the_step(tmp_path: Path) -> None:
    """Only one in a thousand draws breaks this loss, and the second computation draws it again."""
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    torch.manual_seed(3)

    def rarely() -> Tensor:
        return healthy(model, ROWS, LABELS) * torch.log((torch.rand(()) > 0.05).float()).exp().reciprocal()

    for _ in range(200):
        if guard.step(rarely(), again=rarely).event:
            break
    assert guard.first is not None
    assert guard.first.op == "reciprocal"


def test_a_second_computation_that_fails_or_is_finite(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    event = guard.step(root(model, ROWS, LABELS), again=fails(KeyError("gone"))).event
    assert event is not None
    assert "again() raised KeyError: 'gone'" in event.detail
    event = guard.step(root(model, ROWS, LABELS), again=lambda: healthy(model, ROWS, LABELS)).event
    assert event is not None
    assert "when computed again; does again() hold the whole forward pass?" in str(event)
    assert read(str(event.bundle))["event"]["detail"] == event.detail


def test_a_batch_that_is_not_finite(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    bad = ROWS * math.nan
    event = guard.step(
        healthy(model, bad, LABELS), batch=(bad, LABELS), again=lambda: healthy(model, bad, LABELS)
    ).event
    assert event is not None
    assert (event.where, event.op) == ("input", None)
    # A mask of -inf is no bad input where an operation is to blame.
    mask = torch.tensor([-math.inf])
    event = guard.step(root(model, ROWS, LABELS), batch=mask, again=lambda: root(model, ROWS, LABELS)).event
    assert event is not None
    assert (event.where, event.op) == ("gradient", "sqrt")


def test_a_model_of_many_processes_is_not_repeated_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip")
    monkeypatch.setattr(investigate.Watched, "spread", lambda self: True)
    event = guard.step(root(model, ROWS, LABELS), again=fails(AssertionError())).event
    assert event is not None
    assert event.detail.startswith("not repeated, as the model is distributed")


def test_a_healthy_step_pays_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed again, traced, measured by name, copied or written, and the steps are the same."""
    for module, name in (
        (investigate, "first_non_finite"),
        (investigate, "pack"),
        (first_nonfinite, "first_non_finite"),
    ):
        monkeypatch.setattr(module, name, fails(AssertionError(name)))
    monkeypatch.setattr(investigate.Watched, "norms", fails(AssertionError("norms")))
    (model, optimizer), (other, by_hand) = make(), make()
    guard = Guard(model, optimizer, bundles=tmp_path / "bundles")
    torch.manual_seed(1)
    for _ in range(5):
        guard.step(healthy(model, ROWS, LABELS), batch=ROWS, again=fails(AssertionError("again")))
    torch.manual_seed(1)
    for _ in range(5):
        healthy(other, ROWS, LABELS).backward()
        by_hand.step()
        by_hand.zero_grad()
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    assert not (tmp_path / "bundles").exists()


def test_a_guard_writes_a_few(tmp_path: Path) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, "skip", bundles=tmp_path)
    events = [guard.step(root(model, ROWS, LABELS)).event for _ in range(5)]
    assert [bool(event and event.bundle) for event in events] == [True] * MOST_BUNDLES + [False] * 2
