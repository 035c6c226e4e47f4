"""What the estimators of labels share: labels of any type become whole numbers from 0."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets

from losszoo.errors import UsageError
from losszoo.registry.specs import TaskSpec
from losszoo.sklearn.base import LossEstimator
from losszoo.sklearn.losses import LABEL_SETS, LABELS, TWO_LABELS
from losszoo.sklearn.rows import Array, columns_of


class LabelEstimator(LossEstimator):
    """Base of the estimators that are trained on labels."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train.

        Args:
            X: (N, columns), finite numbers.
            y: (N,), labels of at least two classes: whole numbers, texts or booleans. Of a classifier also (N, K) of 0
                and 1: whether the row has each of K labels.
            sample_weight: (N,), how often each row counts, >= 0; a row of weight 0 is absent, its class too where it
                is the only one. None: all alike.

        Raises:
            ValueError: what came cannot be learned from, or a parameter is not legal.
            NonFiniteError: the loss became NaN or infinite, more often than ``on_nonfinite`` allows.
            KeyboardInterrupt: Ctrl-C.
        """
        if self._kind_of_several and columns_of(y) > 1:
            return self._fit_label_sets(X, y, sample_weight)
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

    def _fit_label_sets(self, X: Any, y: Any, sample_weight: Any) -> Self:  # noqa: N803
        inputs, given, weights = self._training_rows(X, y, sample_weight, multi_output=True)
        labels: Array = sparse.csr_array(given).toarray() if sparse.issparse(given) else given
        strange = labels[~np.isin(labels, (0, 1))]
        if strange.size:
            raise UsageError(
                "y of several columns must hold 0 and 1, whether the row has the label of each column, got "
                f"{strange[:1].tolist()[0]!r}; fit one estimator for each column of classes"
            )
        spec = TaskSpec(
            name="rows-with-sets-of-labels",
            target="losszoo.sklearn.rows:Rows",
            kind=LABEL_SETS,
            summary="The rows of an estimator.",
            metric="macro_f1",
        )
        self.classes_ = np.arange(labels.shape[1])
        self._fit(inputs, labels.astype(np.int64), weights, spec, classes=0)
        return self
