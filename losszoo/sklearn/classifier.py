"""A classifier trained with any loss that fits labels."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from losszoo.errors import LosszooError
from losszoo.losses.signatures import TABLE
from losszoo.sklearn.labels import LabelEstimator
from losszoo.sklearn.losses import LABELS, predicting
from losszoo.sklearn.rows import Array
from losszoo.training.evaluation.metrics import labels_of, probabilities_of


def _signature(estimator: LossClassifier) -> str | None:
    """The signature that predicts; None where the loss does not fit, which ``fit`` will say."""
    if hasattr(estimator, "_fitted"):
        return estimator._fitted.prediction.signature
    try:
        return predicting(estimator.loss, estimator._fitting, estimator._default)
    except LosszooError:
        return None


def _has_probabilities(estimator: LossClassifier) -> bool:
    signature = _signature(estimator)
    rules = TABLE[signature] if signature else None
    return rules is None or not rules.has_head or "probabilities" in rules.expects


def _has_scores(estimator: LossClassifier) -> bool:
    signature = _signature(estimator)
    return signature is None or TABLE[signature].has_head


class LossClassifier(ClassifierMixin, LabelEstimator):  # type: ignore[misc]
    """A classifier trained with any loss of labels: of logits, of embeddings, of neighbors.

    Args:
        loss: of the signature multiclass, binary or regression (a network with a head; three classes or more are
            one against the rest for the last two), neighbors (the soft vote of all training rows), or embedding, pair,
            triplet or views (the vote of the nearest training rows).
        others: see :class:`LossEstimator`, and there for the attributes.

    Attributes:
        classes_: the labels, sorted.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = LossClassifier("cross-entropy", epochs=10, random_state=0).fit(X[::2], y[::2])
        >>> model.score(X[1::2], y[1::2]) > 0.9
        True
    """

    _kind: ClassVar[str] = LABELS
    _default: ClassVar[str] = LABELS

    def predict(self, X: Any) -> Array:  # noqa: N803
        """(N,) labels."""
        labels = labels_of(self._outputs(X), "logits").numpy()
        predicted: Array = self.classes_[labels]
        return predicted

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """(N, C) probabilities, in the order of ``classes_``.

        Softmax or sigmoid of the logits, shares of one against the rest, or shares of the neighbors' votes. They are
        what the loss makes of them: those of a hinge loss are in the right order, and no more.
        """
        probabilities: Array = probabilities_of(self._outputs(X, "probabilities")).numpy()
        return probabilities

    @available_if(_has_scores)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Array:  # noqa: N803
        """(N,) for two classes, where the second is predicted above 0, else (N, C): the logits."""
        scores = self._outputs(X)
        if len(self.classes_) == 2:
            scores = scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]
        decided: Array = scores.numpy()
        return decided
