"""A grid of scikit-learn over the arguments of a loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from losszoo import UsageError
from losszoo.sklearn import LossClassifier

ROWS = np.random.default_rng(0).normal(size=(60, 4))
LABELS = (ROWS[:, 0] > 0).astype(int)


def test_the_arguments_of_a_loss_are_searched() -> None:
    model = LossClassifier("softmax-focal", epochs=1)
    search = GridSearchCV(model, {"loss__gamma": [0.5, 2.0]}, cv=2).fit(ROWS, LABELS)
    assert search.best_estimator_.loss in ("softmax-focal(gamma=0.5)", "softmax-focal(gamma=2.0)")
    assert model.loss == "softmax-focal"


@pytest.mark.parametrize("loss", ["cross-entropy + 0.1*brier", torch.nn.CrossEntropyLoss()])
def test_a_loss_without_one_name_is_refused_in_words(loss: object) -> None:
    with pytest.raises(UsageError, match="loss__gamma must go with a loss that is one name, got loss="):
        LossClassifier(loss).set_params(loss__gamma=1.0)


def test_a_network_that_is_no_name_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="trunk must be one of"):
        LossClassifier("cross-entropy", epochs=1, trunk=4).fit(ROWS, LABELS)
