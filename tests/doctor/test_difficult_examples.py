"""Examples on which the loss has no answer: said, and examined around."""

from __future__ import annotations

import pytest
import torch
from examining import LONG
from torch import Tensor
from torch.nn import functional as F

import losszoo


def examined(loss: object, *inputs: object, effort: int = 400) -> losszoo.Examination:
    return losszoo.examine(loss, example=lambda: inputs, effort=effort, budget=LONG)  # type: ignore[arg-type]


def labels(ignored: int) -> Tensor:
    return torch.tensor([0, 2, ignored, 1, 0, 1])


LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def by_one_hot(outputs: Tensor, labels: Tensor) -> Tensor:
    hot = F.one_hot(labels, 3).to(outputs.dtype)
    return -(hot * outputs.log_softmax(1)).sum(1).mean()


def by_gather(logits: Tensor, labels: Tensor) -> Tensor:
    return -logits.log_softmax(1).gather(1, labels[:, None]).mean()


def by_index(logits: Tensor, labels: Tensor) -> Tensor:
    return -logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()


@pytest.mark.parametrize("ignored", [-100, 255])
@pytest.mark.parametrize("loss", [by_one_hot, by_gather, by_index])
def test_a_loss_that_raises_for_an_ignored_label_of_its_example_is_sick(loss: object, ignored: int) -> None:
    found = examined(loss, LOGITS, labels(ignored))
    finding = found.findings[0]
    assert (finding.symptom, finding.probe) == ("raises", "the example")
    assert str(finding.source).startswith("test_difficult_examples.py:")
    assert f"labels != {ignored}" in finding.remedy
    assert finding.verified is (True if loss is by_one_hot else None)
    assert any(f"raises for the label {ignored} of the example" in note for note in found.notes)


def test_the_one_hot_form_that_is_told_gives_an_answer_and_nothing_hot_there() -> None:
    remedy = examined(by_one_hot, LOGITS, labels(255)).findings[0].remedy
    code, where = remedy.removeprefix("write ").split(" instead of ")[0], "labels != 255"
    assert remedy.endswith(f"known = {where}")
    given = labels(255)
    hot = eval(code, {"torch": torch, "labels": given, "known": given != 255})  # noqa: S307
    assert hot.sum(1).tolist() == [1, 1, 0, 1, 1, 1]


def test_without_that_label_it_is_healthy() -> None:
    for loss in (by_one_hot, by_gather, by_index):
        assert not examined(loss, LOGITS, labels(2)).findings


def test_a_loss_that_raises_on_any_labels_is_refused() -> None:
    def strict(logits: Tensor, labels: Tensor) -> Tensor:
        raise RuntimeError("not ready")

    with pytest.raises(losszoo.UsageError, match="not ready"):
        examined(strict, LOGITS, labels(-100))


def test_an_example_with_a_nan_is_examined_around() -> None:
    def mse(predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets).square().mean()

    targets = torch.tensor([1.0, torch.nan, 0.5])
    found = examined(mse, torch.tensor([0.1, 0.2, 0.3]), targets)
    assert not found.findings
    assert "the example holds NaN or infinity in targets: it is examined with 0 in their place" in found.notes


def test_a_nan_that_the_loss_looks_for_stays() -> None:
    def masked(predictions: Tensor, targets: Tensor) -> Tensor:
        known = ~torch.isnan(targets)
        return (predictions - targets)[known].square().sum() / known.sum().clamp(min=1)

    found = examined(masked, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, torch.nan, 0.5]))
    assert not found.findings
    assert not any("examined with 0" in note for note in found.notes)


def test_a_loss_that_is_nan_on_a_finite_example_is_sick_there() -> None:
    def ratio(predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions / targets).sum()

    found = examined(ratio, torch.tensor([0.0, 0.2]), torch.tensor([0.0, 0.5]))
    assert found.findings[0].probe == "ordinary input"
