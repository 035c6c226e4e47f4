"""What scikit-learn has renamed since 1.4."""

from __future__ import annotations

from typing import Any

try:
    from sklearn.utils.validation import validate_data as validate_data
except ImportError:  # before 1.6

    def validate_data(estimator: Any, X: Any, y: Any = "no_validation", **checks: Any) -> Any:  # noqa: N803
        """The method of estimators that the function has taken the place of."""
        return estimator._validate_data(X, y, **checks)
