"""A transformer: the embedding that a loss of embeddings learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from losszoo.sklearn.labels import LabelEstimator
from losszoo.sklearn.losses import EMBEDDING, LABELS, LossLike, without_head
from losszoo.sklearn.rows import Array
from losszoo.training.build_loss import device_of


@dataclass(eq=False, repr=False)
class LossTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, LabelEstimator):  # type: ignore[misc]
    """An embedding in which rows of one label are near each other; ``dim`` is its width.

    Args:
        loss: of the signature embedding, pair, triplet, views or neighbors. Where it compares by cosine, the embedding
            has length 1.
        others: see :class:`LossEstimator`, and there for the attributes.

    Attributes:
        classes_: the labels, sorted.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> LossTransformer(dim=2, epochs=2, random_state=0).fit(X, y).transform(X).shape
        (1797, 2)
    """

    loss: LossLike = "nca-stable"

    _kind: ClassVar[str] = LABELS
    _default: ClassVar[str] = EMBEDDING

    def _fitting_on(self, kind: str) -> tuple[str, ...]:
        return without_head()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:  # of scikit-learn before 1.6
        return {"requires_y": True, "preserves_dtype": [np.float64, np.float32]}

    def transform(self, X: Any) -> Array:  # noqa: N803
        """(N, dim), in the float type of the inputs."""
        rows = self._rows(X)
        features = self._fitted.embedded(rows, device_of(self.device))
        return np.asarray(features, dtype=rows.dtype)

    @property
    def _n_features_out(self) -> int:
        return self.model_.dim
