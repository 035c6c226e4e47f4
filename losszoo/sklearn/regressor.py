"""A regressor trained with any loss that fits numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from losszoo.registry.specs import TaskSpec
from losszoo.sklearn.base import LossEstimator, check_range
from losszoo.sklearn.losses import NUMBERS
from losszoo.sklearn.rows import Array
from losszoo.training.evaluation.metrics import numbers_of

_SPEC = TaskSpec(
    name="rows-with-numbers",
    target="losszoo.sklearn.rows:Rows",
    kind=NUMBERS,
    summary="The rows of an estimator.",
    metric="rmse",
    direction="min",
)


class LossRegressor(RegressorMixin, LossEstimator):  # type: ignore[misc]
    """A regressor trained with any loss of numbers; the targets are scaled to mean 0 and deviation 1 meanwhile.

    Args:
        loss: of the signature regression (a network with a head), or neighbors (the soft mean of the training rows).
        others: see :class:`LossEstimator`, and there for the attributes.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = LossRegressor("huber", epochs=10, random_state=0).fit(X[::2], y[::2])
        >>> model.score(X[1::2], y[1::2]) > 0.3
        True
    """

    _kind: ClassVar[str] = NUMBERS
    _default: ClassVar[str] = NUMBERS

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train.

        Args:
            X: (N, columns), finite numbers.
            y: (N,), finite numbers.
            sample_weight: (N,), how often each row counts, >= 0; a row of weight 0 is absent. None: all alike.

        Raises:
            ValueError: what came cannot be learned from, or a parameter is not legal.
            NonFiniteError: the loss became NaN or infinite, more often than ``on_nonfinite`` allows.
            KeyboardInterrupt: Ctrl-C.
        """
        inputs, numbers, weights = self._training_rows(X, y, sample_weight, y_numeric=True)
        check_range("y", numbers)
        self._fit(inputs, np.asarray(numbers, dtype=np.float64), weights, _SPEC, classes=0)
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """(N,) numbers, float64."""
        outputs = self._outputs(X)
        predicted: Array = numbers_of(outputs, self._fitted.data).numpy()
        return predicted
