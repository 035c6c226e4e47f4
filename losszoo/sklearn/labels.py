"""What the estimators of labels share: labels of any type become whole numbers from 0."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from losszoo.errors import UsageError
from losszoo.registry.specs import TaskSpec
from losszoo.sklearn.base import LossEstimator
from losszoo.sklearn.losses import LABELS, TWO_LABELS
from losszoo.sklearn.rows import Array


class LabelEstimator(LossEstimator):
    """Base of the estimators that are trained on labels."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train.

        Args:
            X: (N, columns), finite numbers.
            y: (N,), labels of at least two classes: whole numbers, texts or booleans.
            sample_weight: (N,), how often each row counts, >= 0; a row of weight 0 is absent, its class too where it
                is the only one. None: all alike.

        Raises:
            ValueError: what came cannot be learned from, or a parameter is not legal.
            NonFiniteError: the loss became NaN or infinite, more often than ``on_nonfinite`` allows.
            KeyboardInterrupt: Ctrl-C.
        """
        inputs, labels, weights = self._training_rows(X, y, sample_weight)
        check_classification_targets(labels)
        classes, targets = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise UsageError(f"y must hold at least two classes, got only one class, {classes.tolist()[0]!r}")
        spec = TaskSpec(
            name="rows-with-labels",
            target="losszoo.sklearn.rows:Rows",
            kind=TWO_LABELS if len(classes) == 2 else LABELS,
            summary="The rows of an estimator.",
            metric="accuracy",
        )
        self.classes_: Array = classes
        self._fit(inputs, targets.astype(np.int64), weights, spec, len(classes))
        return self
