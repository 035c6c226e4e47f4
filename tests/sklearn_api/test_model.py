"""``model_`` is the whole network: raw rows in, the scores of the documents out."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification, make_regression

from losszoo.sklearn import LossClassifier, LossRegressor, LossTransformer

FEW: dict[str, Any] = {"epochs": 2, "random_state": 0, "dim": 4}
# Large, uneven columns: without their scaling every score would be another one.
SCALES = 10.0 ** np.arange(6) + 3


def rows(classes: int) -> tuple[Any, Any]:
    inputs, targets = make_classification(120, 6, n_informative=4, n_classes=classes, random_state=0)
    return inputs * SCALES + SCALES, targets


@pytest.mark.parametrize(("loss", "classes"), [("cross-entropy", 3), ("bce", 2), ("focal", 3), ("cross-entropy", 2)])
def test_a_classifier_gives_its_logits(loss: str, classes: int) -> None:
    inputs, targets = rows(classes)
    model = LossClassifier(loss, **FEW).fit(inputs, targets)
    logits = model.model_(torch.as_tensor(inputs)).numpy()
    decided = model.decision_function(inputs)
    if classes == 2:
        logits = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(logits, decided, rtol=1e-12)
    assert np.array_equal(
        model.classes_[decided.argmax(1) if classes > 2 else (decided > 0).astype(int)], model.predict(inputs)
    )


def test_columns_that_are_no_numbers_keep_their_place() -> None:
    inputs, targets = rows(3)
    inputs[:, 1] = inputs[:, 1] > inputs[:, 1].mean()
    model = LossClassifier("cross-entropy", numeric=[0, 2, 5], **FEW).fit(inputs, targets)
    probabilities = model.model_(torch.as_tensor(inputs)).softmax(1).numpy()
    np.testing.assert_allclose(probabilities, model.predict_proba(inputs), rtol=1e-12)


def test_a_regressor_gives_numbers_in_the_unit_of_the_targets() -> None:
    inputs, targets = make_regression(100, 6, random_state=0)
    model = LossRegressor("huber", **FEW).fit(inputs * SCALES, targets * 1e3 + 5e4)
    numbers = model.model_(torch.as_tensor(inputs * SCALES))
    assert numbers.shape == (100,)
    np.testing.assert_allclose(numbers.numpy(), model.predict(inputs * SCALES), rtol=1e-12)


@pytest.mark.parametrize("loss", ["nca-stable", "sup-con"])
def test_without_a_head_it_gives_the_embedding(loss: str) -> None:
    inputs, targets = rows(3)
    model = LossTransformer(loss, **FEW).fit(inputs, targets)
    np.testing.assert_allclose(model.model_(torch.as_tensor(inputs)).numpy(), model.transform(inputs), rtol=1e-12)
    assert model.model_.dim == 4


def test_it_is_copied_pickled_and_exported() -> None:
    inputs, targets = rows(3)
    model = LossClassifier("cross-entropy", **FEW).fit(inputs, targets)
    given = torch.as_tensor(inputs)
    expected = model.model_(given)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again.model_(given), expected)
    assert torch.equal(copy.deepcopy(model.model_)(given), expected)
    program = torch.export.export(model.model_, (given,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    assert torch.allclose(program.module()(given[:7]), expected[:7])
