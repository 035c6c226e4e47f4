"""The losses of the zoo as scikit-learn estimators: a network that is trained with any loss that fits.

Nothing is written to disk.
"""

from __future__ import annotations

from losszoo.sklearn.classifier import LossClassifier as LossClassifier
from losszoo.sklearn.regressor import LossRegressor as LossRegressor
from losszoo.sklearn.transformer import LossTransformer as LossTransformer

__all__ = ["LossClassifier", "LossRegressor", "LossTransformer"]
