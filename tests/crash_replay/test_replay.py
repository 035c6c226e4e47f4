"""Replays of real runs and of loops by hand: the same operation, the same line, and what kind of failure it is."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo import UsageError
from losszoo.common.files import save_atomically
from losszoo.crash_replay.replay import Replay, replay
from losszoo.crash_replay.replayed import replay_apart
from losszoo.losses.sums.sum_loss import Term
from losszoo.training.guard import crash_bundle as bundles
from losszoo.training.guard.crash_bundle import read

OWN = '''
import torch

def ratio(predictions, targets):
    """0 / 0 in every step."""
    gap = (predictions - targets) * 0
    return gap / gap

def narrow(predictions, targets):
    """Beyond the range of half precision, whatever comes."""
    scaled = (predictions + 300).half() ** 2
    return scaled.float() - targets

def steep(predictions, targets):
    """exp of some hundred is finite in float64 alone."""
    return torch.exp(predictions * 0 + 200) + targets

def infinite_slope(predictions, targets):
    return (predictions * 0).abs().sqrt() + targets
'''


Run = Callable[..., Any]


# Of a run on code of one's own.
trusted = partial(replay, trust=True)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A quiet run in a folder of its own, which holds own.py; gives ``guard.first``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)

    def run(loss: Any, task: str = "breast-cancer", **options: Any) -> dict[str, Any]:
        result = losszoo.run(loss, task, out=tmp_path / "runs", **{"epochs": 1, **options})
        first: dict[str, Any] = result.guard["first"]
        assert first["bundle"]
        return first

    return run


def same_place(found: Replay, first: dict[str, Any]) -> bool:
    return (found.reproduced, found.where, found.op, found.source) == (
        True,
        first["where"],
        first["op"],
        first["source"],
    )


@pytest.mark.needs_abalone
def test_the_plain_ratio_on_abalone(run: Run) -> None:
    first = run("nca-ratio", "abalone", epochs=None)
    torch.manual_seed(5)
    chance = torch.get_rng_state()
    found = replay(first["bundle"], examine=False)
    assert same_place(found, first)
    assert found.source is not None
    assert found.source.startswith("exhibits.py:")
    assert (found.kind, found.term, found.findings) == ("float32-overflow", "nca-ratio", ())
    assert found.event["step"] == first["step"]
    assert torch.equal(torch.get_rng_state(), chance)


@pytest.mark.parametrize(
    ("name", "op", "line", "where", "kind"),
    [
        ("ratio", "div", 7, "loss", "structural"),
        ("narrow", "pow", 11, "loss", "half-precision-overflow"),
        ("steep", "exp", 16, "loss", "float32-overflow"),
        ("infinite_slope", "sqrt", 19, "gradient", "structural"),
    ],
)
def test_kinds(run: Run, name: str, op: str, line: int, where: str, kind: str) -> None:
    first = run(f"own.py:{name}", signature="binary", expects="probabilities")
    found = trusted(first["bundle"], examine=False)
    assert same_place(found, first)
    assert (found.op, found.source, found.where, found.kind) == (op, f"own.py:{line}", where, kind)
    assert not found.notes


@pytest.mark.parametrize("loss", ["modern-nca", "contrastive", "triplet", "info-nce", "sup-con", "cross-entropy"])
def test_every_kind_of_batch_is_rebuilt(run: Run, loss: str) -> None:
    """A penalty that is infinite breaks the first step; the other term is as it was then, to the last bit."""
    Path("penalty.py").write_text("def broken(parameters):\n    return sum(p.sum() for p in parameters) / 0.0\n")
    first = run(f"{loss} + penalty.py:broken", set={"model.dropout": 0.5})
    found = trusted(first["bundle"], examine=False)
    assert same_place(found, first)
    assert found.term == "penalty.py:broken"
    then = found.event["terms"][loss]
    values: list[float] = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, value: values.append(value.item()) if str(module).startswith(("Loss", "Pair")) else None
    )
    try:
        trusted(first["bundle"], examine=False)
    finally:
        handle.remove()
    # Watched, a loss over pairs forms the whole matrix, which rounds otherwise.
    assert values[0] == (pytest.approx(then, rel=1e-6) if loss == "modern-nca" else then)


def test_the_term_that_is_bad_is_named(run: Run) -> None:
    first = run("bce + 0.1*own.py:ratio", signature="binary")
    found = trusted(first["bundle"], examine=False)
    assert found.term == "own.py:ratio"
    assert "in the term own.py:ratio" in found.event["detail"]


class Forgetful(nn.Module):
    """NaN the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        self.calls += 1
        return (predictions - targets).square() * (math.nan if self.calls < 2 else 1.0)


def test_a_step_that_is_not_reproduced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = Forgetful()
    first = run(loss)
    monkeypatch.setattr(bundles, "versions", lambda: {"losszoo": "9.9", "torch": "9.9", "python": "9.9"})
    loss.calls = 7
    found = replay(first["bundle"], loss=loss)
    assert (found.reproduced, found.where, found.op, found.kind, found.findings) == (False, None, None, None, ())
    assert "keeps outside its state_dict" in found.notes[0]


def test_versions_that_differ_are_told(run: Run) -> None:
    first = run("own.py:ratio", signature="binary")
    content = torch.load(first["bundle"], weights_only=True)
    content["versions"] = {"losszoo": "0.0.1", "torch": "1.0", "python": content["versions"]["python"]}
    content["left_out"] = ["optimizer (300.0 MiB): a bundle holds at most 256 MiB"]
    content["optimizer"] = None
    save_atomically(Path("other.pt"), content)
    notes = trusted("other.pt", examine=False).notes
    assert notes[0].startswith(f"versions differ: losszoo 0.0.1 then, {losszoo.__version__} now; torch 1.0 then, ")
    assert notes[1] == "left out of the bundle: optimizer (300.0 MiB): a bundle holds at most 256 MiB"


def test_a_loss_that_was_an_object(run: Run) -> None:
    def broken(predictions: Tensor, targets: Tensor) -> Tensor:
        return predictions * math.nan

    loss = losszoo.SumLoss([Term("broken", losszoo.create(broken, signature="binary"))])
    first = run(loss)
    with pytest.raises(UsageError, match=r"loss must be given again, .*an object, broken.*replay\(path, loss=\.\.\.\)"):
        replay(first["bundle"])
    assert same_place(replay(first["bundle"], loss=loss, examine=False), first)


def tampered(first: dict[str, Any], **changes: Any) -> Path:
    content = torch.load(first["bundle"], weights_only=True)
    for key, value in changes.items():
        part, _, name = key.partition("__")
        if name:
            content[part][name] = value
        else:
            content[part] = value
    save_atomically(Path("tampered.pt"), content)
    return Path("tampered.pt")


def test_what_cannot_be_rebuilt(run: Run) -> None:
    first = run("own.py:ratio", signature="binary")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"config__task": "nowhere"}, "unknown task 'nowhere'"),
        ({"config__loss": "no-loss"}, "unknown loss 'no-loss'"),
        ({"config__task_options": 3}, "the config of the bundle is damaged"),
        ({"config": {}}, "the config of the bundle is damaged: KeyError"),
        ({"config__trunk": 7}, "trunk must be one of linear, mlp, .*, got 7"),
        (
            {"config__model": {"dim": 3}},
            "the state of the model in the bundle must fit .* replay it with the code that wrote it",
        ),
        ({"model": None}, "must hold the model of its step to be replayed, got none"),
        (
            {"batch": None, "left_out": ["batch (9 MiB): big"]},
            r"must hold the batch of its step to be replayed, got batch \(9 MiB\): big",
        ),
        ({"batch": {}}, "cannot be repeated: KeyError"),
        ({"batch__inputs": torch.zeros(2, 99)}, "the state of the model in the bundle must fit"),
        ({"random": {}}, "cannot be repeated: KeyError"),
        ({"random__torch": torch.zeros(3)}, "cannot be repeated"),
        ({"loss": {"strange": torch.zeros(1)}}, "the state of the loss in the bundle must fit"),
    ]
    for changes, match in cases:
        with pytest.raises(UsageError, match=match):
            trusted(tampered(first, **changes))
    Path("own.py").unlink()
    with pytest.raises(UsageError, match=r"there is no file .*own\.py"):
        trusted(first["bundle"])
    with pytest.raises(UsageError, match="device must be one that this machine has"):
        replay(first["bundle"], device="nowhere")


def test_candidates_must_be_there(run: Run) -> None:
    Path("penalty.py").write_text("def broken(parameters):\n    return sum(p.sum() for p in parameters) / 0.0\n")
    first = run("modern-nca + penalty.py:broken")
    path = tampered(first, batch__rows=torch.full_like(read(first["bundle"])["batch"]["rows"], 10**6))
    with pytest.raises(UsageError, match=r"must be those of the run, got .* the batch has row 1000000"):
        trusted(path)


# The doctor.


def with_doctor(monkeypatch: pytest.MonkeyPatch, diagnose: Callable[..., Any]) -> None:
    """A doctor that says what it is told to."""
    stand_in = ModuleType("losszoo.doctor.diagnose")
    stand_in.diagnose = diagnose  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "losszoo.doctor.diagnose", stand_in)


def test_the_very_batch_is_handed_to_the_doctor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def diagnose(loss: Any, inputs: Any, *, signature: str, expects: str, target: str) -> tuple[Any, ...]:
        given.append((loss, inputs, (signature, expects), target))
        return ("finding",)

    with_doctor(monkeypatch, diagnose)
    first = run("cross-entropy + own.py:ratio", signature="binary")
    found = trusted(first["bundle"])
    assert found.findings == ("finding",)
    ((loss, inputs, signature, target),) = given  # the healthy term is not examined
    assert (signature, target) == (("binary", "logits"), "own.py:ratio")
    batch = read(first["bundle"])["batch"]
    assert torch.equal(inputs[1], batch["targets"].float())
    assert inputs[0].shape == batch["targets"].shape
    assert not inputs[0].requires_grad
    assert not bool(loss(*inputs).isfinite())
    assert not trusted(first["bundle"], examine=False).findings


def test_a_doctor_that_fails_hides_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnose(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("oh")

    with_doctor(monkeypatch, diagnose)
    first = run("own.py:ratio", signature="binary")
    found = trusted(first["bundle"])
    assert same_place(found, first)
    assert "the doctor could not examine own.py:ratio: ZeroDivisionError: oh" in found.notes[0]
    monkeypatch.setitem(sys.modules, "losszoo.doctor.diagnose", None)
    assert trusted(first["bundle"]).notes == ("the doctor is not installed",)


OWN_TASK = """
import numpy as np
import losszoo

rows = np.random.default_rng(0).normal(size=(60, 3)).astype("f")
of_file = losszoo.Task.from_arrays(rows, np.where(rows[:, 0] > 0, "up", "down"), name="mine")
"""


def test_a_bundle_of_own_arrays_asks_for_them(run: Run) -> None:
    """It said that there was no installed task of that name."""
    Path("task.py").write_text(OWN_TASK)
    first = run("own.py:ratio", "task.py:of_file", signature="binary")
    asked = r"task must be given again, as mine of this run is your own.*losszoo.replay\(path, task=...\)"
    with pytest.raises(UsageError, match=asked):
        trusted(first["bundle"])
    assert same_place(trusted(first["bundle"], task="task.py:of_file", examine=False), first)
    named = {"loss": "own.py:ratio", "task": "task.py:of_file", "step": None, "device": "cpu", "trust": False}
    assert replay_apart(first["bundle"], budget=120, examine=False, **named).reproduced
    task = losszoo.Task.from_arrays([[0.0], [1.0]] * 20, [0, 1] * 20, name="other")
    with pytest.raises(UsageError, match="task must be that of the run, mine, got other"):
        trusted(first["bundle"], task=task)
    with pytest.raises(UsageError, match="task must be left out, as the bundle tells of its task, breast-cancer"):
        trusted(run("own.py:ratio", signature="binary")["bundle"], task=task)
