"""A classifier trained with any loss that fits labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from losszoo.errors import LosszooError, UsageError
from losszoo.losses.signatures import TABLE
from losszoo.sklearn.labels import LabelEstimator
from losszoo.sklearn.losses import LABEL_SETS, LABELS, predicting
from losszoo.sklearn.rows import Array
from losszoo.training.data.class_weight import BALANCED, as_text
from losszoo.training.evaluation.outputs import predictions_of, probabilities_of


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


@dataclass(eq=False, repr=False)
class LossClassifier(ClassifierMixin, LabelEstimator):  # type: ignore[misc]
    """A classifier trained with any loss of labels: of logits, of embeddings, of neighbors.

    Args:
        loss: of the signature multiclass, binary or regression (a network with a head; three classes or more are
            one against the rest for the last two), neighbors (the soft vote of all training rows), or embedding, pair,
            triplet or views (the vote of the nearest training rows). With y (N, K) of 0 and 1, several labels for each
            row, of the signature binary.
        class_weight: how often the rows of each class count: "balanced" (n / (C * count) of the training rows), or
            weights by label, where a label that is not named has 1. None: all alike. Not with several labels.
        others: see :class:`LossEstimator`, and there for the attributes.

    Attributes:
        classes_: the labels, sorted; with y (N, K) the numbers of its columns.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = LossClassifier("cross-entropy", epochs=10, random_state=0).fit(X[::2], y[::2])
        >>> model.score(X[1::2], y[1::2]) > 0.9
        True
    """

    class_weight: Any = field(default=None, kw_only=True)

    _kind: ClassVar[str] = LABELS
    _default: ClassVar[str] = LABELS
    _kind_of_several: ClassVar[str] = LABEL_SETS

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._takes_several
        return tags

    def _more_tags(self) -> dict[str, Any]:  # of scikit-learn before 1.6
        return {"multilabel": self._takes_several}

    @property
    def _has_label_sets(self) -> bool:
        """Whether it was trained with y (N, K)."""
        return self._fitted.data.kind == LABEL_SETS

    @property
    def _class_weight(self) -> str | None:
        given = self.class_weight
        if not isinstance(given, Mapping):
            if given is not None and not (isinstance(given, str) and given == BALANCED):
                raise UsageError(f"class_weight must be None, 'balanced' or weights by label, got {given!r}")
            return given
        places = {label: place for place, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in given if label not in places]
        # As in scikit-learn: a fold may lack a rare class; where all of its own have a weight, no name is wrong.
        if unknown and not places.keys() <= given.keys():
            known = ", ".join(map(repr, places))
            raise UsageError(f"class_weight must be by the labels of y, {known}, got {unknown[0]!r}")
        return as_text({places[label]: weight for label, weight in given.items() if label in places})

    def predict(self, X: Any) -> Array:  # noqa: N803
        """(N,) labels; (N, K) of 0 and 1 where it was trained with several labels for each row."""
        labels = predictions_of(self._outputs(X), self._fitted.data, "logits").long().numpy()
        predicted: Array = labels if self._has_label_sets else self.classes_[labels]
        return predicted

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """(N, C) probabilities, in the order of ``classes_``.

        Softmax or sigmoid of the logits, shares of one against the rest, or shares of the neighbors' votes. They are
        what the loss makes of them: those of a hinge loss are in the right order, and no more. With several labels for
        each row (N, K), a probability of each label.
        """
        shares = probabilities_of(self._outputs(X, "probabilities"), self._fitted.data)
        assert shares is not None  # of every kind of labels
        probabilities: Array = shares.numpy()
        return probabilities

    @available_if(_has_scores)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Array:  # noqa: N803
        """(N,) for two classes, where the second is predicted above 0, else (N, C) or (N, K): the logits."""
        scores = self._outputs(X)
        if len(self.classes_) == 2 and not self._has_label_sets:
            scores = scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]
        decided: Array = scores.numpy()
        return decided
