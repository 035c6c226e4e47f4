"""Losses that give back more than a tensor, and losses that are called by name or with a whole batch."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from examining import FEW
from torch import Tensor, nn
from torch.nn import functional

import losszoo
from losszoo import UsageError
from losszoo.doctor.report.examination import Examination
from losszoo.doctor.subject.subject import evaluate, make_subject


@dataclass
class Output:
    loss: Tensor | None = None
    logits: Tensor | None = None


class ModelOutput(OrderedDict[str, Any]):
    """As in transformers: a dict with its keys as fields."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


Losses = namedtuple("Losses", "logits loss")


def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.rand(6) * 4, torch.rand(6) * 4


def log_rate(rates: Tensor, counts: Tensor) -> Tensor:
    return (rates - counts * torch.log(rates)).mean()


def calm(rates: Tensor, counts: Tensor) -> Tensor:
    return (rates - counts).square().mean()


SHAPES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "dict": (lambda x: {"mse": x.detach(), "loss": x}, '["loss"]'),
    "total": (lambda x: {"parts": {"a": x * 0.5}, "total_loss": x}, '["total_loss"]'),
    "nested": (lambda x: {"losses": {"total": x, "part": x.detach()}}, '["losses"]["total"]'),
    "tuple": (lambda x: (x, {"part": x.detach()}), "[0]"),
    "outputs first": (lambda x: (torch.zeros(4, 3), x), "[1]"),
    "namedtuple": (lambda x: Losses(torch.zeros(4), x), ".loss"),
    "dataclass": (lambda x: Output(x, torch.zeros(3)), ".loss"),
    "namespace": (lambda x: SimpleNamespace(logits=torch.zeros(3), loss=x), ".loss"),
    "model output": (lambda x: ModelOutput(loss=x, logits=torch.zeros(3)), '["loss"]'),
    "one scalar": (lambda x: {"count": 3, "nll": x}, '["nll"]'),
    "parts": (lambda x: {"loss_box": x, "loss_class": x * 0.5, "accuracy": x.detach()}, ""),
    "list": (lambda x: [x, x * 0.5], ""),
}
TAKEN = {"parts": "['loss_box'] + ['loss_class']", "list": "[0] + [1]"}


def examined(loss: Any, example: Callable[[], Any], effort: int = FEW) -> Examination:
    return losszoo.examine(loss, example=example, effort=effort, budget=600.0)


@pytest.mark.parametrize("name", SHAPES)
def test_the_loss_inside_an_answer(name: str) -> None:
    wrapped, code = SHAPES[name]

    def loss(rates: Tensor, counts: Tensor) -> Any:
        return wrapped(log_rate(rates, counts))

    found = examined(loss, pair)
    (finding,) = [f for f in found.findings if f.op == "log"]
    assert finding.verified is True
    taken = TAKEN.get(name, code.replace('"', "'"))
    assert any(note.startswith((f"{taken} of the ", f"{taken} of a")) for note in found.notes)
    pasted = run(finding.paste, loss)
    assert not torch.isfinite(pasted if code else next(iter(TAKEN_FIRST[name](pasted))))


TAKEN_FIRST: dict[str, Callable[[Any], Any]] = {"parts": lambda answer: answer.values(), "list": lambda answer: answer}


def run(paste: str, loss: Any) -> Any:
    return eval(paste, {"torch": torch, "loss": loss, getattr(loss, "__name__", "loss"): loss})  # noqa: S307


@pytest.mark.parametrize("name", SHAPES)
def test_a_healthy_loss_stays_healthy_in_any_answer(name: str) -> None:
    wrapped, _ = SHAPES[name]
    assert not examined(lambda rates, counts: wrapped(calm(rates, counts)), pair).findings


def test_a_tensor_is_taken_without_a_word() -> None:
    assert examined(calm, pair).notes == ()


@pytest.mark.parametrize("answer", [0.5, None, {"loss": 0.5}, (1, 2), {}, "text"], ids=str)
def test_an_answer_without_a_tensor_is_refused(answer: Any) -> None:
    with pytest.raises(UsageError, match="a loss must return a floating tensor"):
        examined(lambda rates, counts: answer, pair)


def by_name(*, rates: Tensor, counts: Tensor) -> Tensor:
    return log_rate(rates, counts)


def any_names(**batch: Tensor) -> Tensor:
    return log_rate(batch["rates"], batch["counts"])


def whole_batch(batch: dict[str, Tensor]) -> Tensor:
    return log_rate(batch["rates"], batch["counts"])


def whole_list(outputs: list[Tensor]) -> Tensor:
    return log_rate(outputs[0], outputs[1]) + outputs[2].mean()


class Criterion(nn.Module):
    def forward(self, rates: Tensor, counts: Tensor, scale: float = 2.0) -> Tensor:
        return scale * log_rate(rates, counts)


def as_dict() -> dict[str, Tensor]:
    return dict(zip(("rates", "counts"), pair(), strict=True))


CALLS: dict[str, tuple[Any, Callable[[], Any], str]] = {
    "keyword-only": (by_name, as_dict, "the loss is called with rates=, counts="),
    "any names": (any_names, as_dict, "the loss is called with rates=, counts="),
    "module": (Criterion(), lambda: {"counts": pair()[1], "rates": pair()[0]}, "called with counts=, rates="),
    "with a number": (Criterion(), lambda: {**as_dict(), "scale": 3.0}, "called with rates=, counts=, scale="),
    "batch": (whole_batch, lambda: {**as_dict(), "epoch": 3}, "it is passed as batch"),
    "batch in a tuple": (whole_batch, lambda: (as_dict(),), ""),
    "list": (whole_list, lambda: [*pair(), torch.randn(3)], "the list of the example is passed as one argument"),
}


@pytest.mark.parametrize("name", CALLS)
def test_any_call(name: str) -> None:
    loss, example, said = CALLS[name]
    found = examined(loss, example)
    (finding,) = [f for f in found.findings if f.op == "log"]
    assert said in " ".join(found.notes)
    assert not torch.isfinite(run(finding.paste, loss))


def test_the_keys_of_a_batch_tell_what_is_given() -> None:
    def loss(batch: dict[str, Tensor]) -> Tensor:
        return functional.mse_loss(batch["student"], batch["teacher"].sqrt())

    torch.manual_seed(0)
    batch = {"teacher": torch.rand(8), "student": torch.randn(8)}
    assert not examined(loss, lambda: batch).findings  # the root of a teacher's 0 has no gradient that counts


def test_a_model_among_the_inputs_computes_in_the_dtype_of_the_call() -> None:
    def loss(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(model(x)[:, 0], target)

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    subject = make_subject(loss, (model, torch.randn(4, 3), torch.randn(4)), ("model", "x", "target"))
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        outcome = evaluate(subject, subject.leaves, dtype)
        assert outcome.values is not None
        assert outcome.values.dtype == dtype
    assert model.weight.dtype == torch.float32
    assert not examined(loss, lambda: subject.inputs).findings


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (dict, "must have the names of the arguments"),
        (lambda: {"x": torch.ones(2)}, r"the names of the arguments, rates, counts, got x"),
        (lambda: (torch.zeros(0, 3), torch.zeros(0)), r"at least one number, got \(0, 3\), \(0,\)"),
        (lambda: 3, "got something of type int"),
        (tuple, "got an empty one"),
    ],
)
def test_an_example_that_fits_no_call_is_refused(example: Callable[[], Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        examined(log_rate, example)
