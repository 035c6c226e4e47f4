"""Tasks with a target for each pixel of a signal, an image or a volume, in a user's own task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score

import losszoo
from losszoo import DataError, Recipe, Setup, Split, Splits, Task, TaskSpec, UsageError
from losszoo.losses.signatures import TABLE
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation.outputs import output_metrics

SIDE = 8


def spec(kind: str, metric: str) -> TaskSpec:
    return TaskSpec(name="bands", target="here:Bands", kind=kind, summary="bands", metric=metric, reference="generated")


class Bands(Task):
    """Inputs whose brightness tells three bands; the first row of pixels is ignored."""

    spec = spec("semantic-segmentation", "mean_iou")

    def __init__(self, *, dimensions: int = 2) -> None:
        self.dimensions = dimensions

    def splits(self, seed: int = 0) -> Splits:
        random = np.random.RandomState(seed)
        return Splits(*(self.part(count, random) for count in (32, 8, 8)))

    def part(self, count: int, random: Any) -> Split:
        labels = np.zeros((count, *[SIDE] * self.dimensions), np.int64)
        labels[:, 3:], labels[:, 6:] = 1, 2
        inputs = labels + 0.1 * random.standard_normal(labels.shape)
        labels[:, 0] = -100
        return Split(inputs[:, None].astype(np.float32), labels)

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=3e-2, batch_size=8, epochs=12, patience=0)
        return Setup(trunk="unet", model={"dim": 8, "width": 8, "depth": 1}, recipe=recipe)


class Masks(Bands):
    """The upper two bands as masks that overlap, with shares between."""

    spec = spec("segmentation", "iou")

    def part(self, count: int, random: Any) -> Split:
        inputs, labels = super().part(count, random)
        masks = np.stack([labels >= 1, labels >= 2], 1).astype(np.float32)
        return Split(inputs, np.where(masks > 0, 0.9, 0.1).astype(np.float32))


def run(loss: str, task: Task, tmp_path: Any) -> Any:
    return losszoo.run(loss, task, out=tmp_path)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("loss", ["dice", "dice(over=batch)", "smooth-segmentation(activation=sigmoid)"])
def test_labels_of_pixels_are_learned(loss: str, dimensions: int, tmp_path: Any) -> None:
    result = run(loss, Bands(dimensions=dimensions), tmp_path)
    assert result.status == "completed"
    assert result.metrics["test"]["accuracy"] > 0.8


@pytest.mark.parametrize("dimensions", [1, 3])
def test_masks_of_signals_and_volumes_are_learned(dimensions: int, tmp_path: Any) -> None:
    assert run("dice", Masks(dimensions=dimensions), tmp_path).metrics["test"]["iou"] > 0.8


@pytest.mark.parametrize("loss", ["cross-entropy", "0.5*dice + 0.5*cross-entropy", "cross-entropy + 0.01*smoothness"])
def test_classes_of_pixels_have_their_usual_losses(loss: str, tmp_path: Any) -> None:
    assert run(loss, Bands(dimensions=1), tmp_path).metrics["test"]["accuracy"] > 0.8


def test_terms_of_one_prediction_share_its_head(tmp_path: Any) -> None:
    # Blind to the targets, smoothness could not learn a head of its own, and it is what predicts.
    result = run("bce + 1e-6*smoothness", Masks(dimensions=1), tmp_path)
    assert result.metrics["test"]["iou"] > 0.8


def test_what_does_not_fit_is_refused(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="bce is a binary loss and does not fit bands, a semantic-segmentation task"):
        run("bce", Bands(), tmp_path)
    wrong = Bands()
    wrong.spec = Masks.spec
    with pytest.raises(DataError, match=r"of pixels, .* are of the kind semantic-segmentation"):
        run("dice", wrong, tmp_path)
    with pytest.raises(UsageError, match="targets of a task must have one to three spatial dimensions, got 4"):
        TABLE["segmentation"].head(3, Data(torch.zeros(1, 2, 2, 2, 2), 2))


class Data:
    """What a head is told of a task."""

    def __init__(self, targets: torch.Tensor, classes: int) -> None:
        self.train, self.classes = Part(targets, targets), classes


@pytest.mark.parametrize("expects", ["logits", "probabilities"])
def test_metrics_leave_ignored_pixels_out(expects: str) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 4, 5, 6, generator=generator)
    targets = torch.randint(-1, 4, (3, 5, 6), generator=generator)
    targets[targets == -1] = -100
    rows = Part(outputs, targets)
    data = Prepared(rows, rows, rows, "semantic-segmentation", 4)
    given = outputs.softmax(1) if expects == "probabilities" else outputs
    kept = targets >= 0
    truth, predicted = targets[kept], outputs.argmax(1)[kept]
    expected = {
        "mean_iou": jaccard_score(truth, predicted, average="macro"),
        "accuracy": accuracy_score(truth, predicted),
    }
    assert output_metrics(given, rows, data, expects) == pytest.approx(expected)
