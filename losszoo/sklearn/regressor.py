"""A regressor trained with any loss that fits numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin

from losszoo.errors import UsageError
from losszoo.registry.specs import TaskSpec
from losszoo.sklearn.base import LossEstimator, check_range
from losszoo.sklearn.losses import NUMBERS, OUTPUTS
from losszoo.sklearn.rows import Array, columns_of
from losszoo.training.evaluation.metrics import numbers_of

_SPEC = TaskSpec(
    name="rows-with-numbers",
    target="losszoo.sklearn.rows:Rows",
    kind=NUMBERS,
    summary="The rows of an estimator.",
    metric="rmse",
    direction="min",
)
# Outputs may have units of their own, of which only r2, the score of a regressor, has none.
_SPEC_OF_SEVERAL = replace(_SPEC, name="rows-with-several-numbers", kind=OUTPUTS, metric="r2", direction="max")


class LossRegressor(RegressorMixin, LossEstimator):  # type: ignore[misc]
    """A regressor trained with any loss of numbers; the targets are scaled to mean 0 and deviation 1 meanwhile.

    Args:
        loss: of the signature regression (a network with a head), or neighbors (the soft mean of the training rows).
            With y (N, K), several numbers for each row, of the signature regression.
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
    _kind_of_several: ClassVar[str] = OUTPUTS

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self._takes_several
        return tags

    def _more_tags(self) -> dict[str, Any]:  # of scikit-learn before 1.6
        return {"multioutput": self._takes_several}

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train.

        Args:
            X: (N, columns), finite numbers.
            y: (N,) or (N, K), finite numbers.
            sample_weight: (N,), how often each row counts, >= 0; a row of weight 0 is absent. None: all alike.

        Raises:
            ValueError: what came cannot be learned from, or a parameter is not legal.
            NonFiniteError: the loss became NaN or infinite, more often than ``on_nonfinite`` allows.
            KeyboardInterrupt: Ctrl-C.
        """
        if sparse.issparse(y):
            raise UsageError("y of a regressor must be dense, got a sparse matrix; give y.toarray()")
        several = columns_of(y) > 1
        inputs, numbers, weights = self._training_rows(X, y, sample_weight, y_numeric=True, multi_output=several)
        check_range("y", numbers)
        spec = _SPEC_OF_SEVERAL if several else _SPEC
        self._fit(inputs, np.asarray(numbers, dtype=np.float64), weights, spec, classes=0)
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """(N,) numbers, or (N, K) where it was trained with several for each row, float64."""
        outputs = self._outputs(X)
        predicted: Array = numbers_of(outputs, self._fitted.data).numpy()
        return predicted
