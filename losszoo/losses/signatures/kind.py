"""The base class of a kind of task: what its targets are, how they are checked, and what judges a prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from losszoo.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    Data = Any  # losszoo.training's prepared data: a room above this one

Array = npt.NDArray[Any]


class Kind(ABC):
    """One kind of task. A subclass gives ``name``, ``natural``, ``metrics`` and :meth:`score`.

    Instances have no state; the registry makes one.

    Attributes:
        name: kebab-case, unique in the zoo.
        natural: the signature that its tasks naturally feed a loss.
        metrics: what is measured of every part, in this order.
        smaller: those of them of which less is better.
        target_type: what scikit-learn's ``type_of_target`` calls the targets ("binary", "multiclass", "continuous",
            ...): it says which of its scorers judge such a task too, by what :meth:`answers` gives; "" for none.
        takes: further signatures that can be trained on it, beside those whose ``fits`` names it.
        baselines: of those that ``losszoo compare`` computes, the ones that fit.
        labels: whether targets are labels 0..C-1; a task's ``class_names`` or its training rows say how many.
        classes: how many labels there are; 0 where the task says it.
        ignored_label: a label that is no class, and takes no part; None where there is none.
        new_classes: validation and test rows may have labels that training has not.
        trained_without_labels: labels are for the metrics alone, so nothing in training goes by class.
        standardised: targets are numbers that are scaled to mean 0 and deviation 1 for training, each column by itself.
        target_shape: of the targets, in words.
        target_dims: how many dimensions targets have.
        probe: name of the metric that is the accuracy of a linear probe on the features; "" for none.
    """

    name: str = ""
    natural: str = ""
    metrics: tuple[str, ...] = ()
    smaller: tuple[str, ...] = ()
    target_type: str = ""
    takes: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    labels: bool = False
    classes: int = 0
    ignored_label: int | None = None
    new_classes: bool = False
    trained_without_labels: bool = False
    standardised: bool = False
    target_shape: str = "(N,)"
    target_dims: int = 1
    probe: str = ""

    def check_targets(self, where: str, targets: Array) -> None:
        """Refuse targets that are not of this kind. All of them are finite numbers, one or more for each row.

        Args:
            where: task and part, to begin an error with.
            targets: of that part.

        Raises:
            DataError: says which rule they break.
        """
        if targets.ndim != self.target_dims:
            refuse(where, f"targets must have shape {self.target_shape}", f"{targets.shape}")

    @abstractmethod
    def score(self, outputs: Tensor, targets: Tensor, data: Data, expects: str) -> dict[str, float]:
        """The metrics of one part.

        Args:
            outputs: what the signature's ``predict`` gives; shares of the votes of the nearest training rows, (N, C),
                where a loss has no head.
            targets: of the rows, as prepared: standardised where :attr:`standardised`.
            data: the prepared data: ``classes``, ``center`` and ``scale`` of standardised targets, (K,) of several.
            expects: what the outputs are: "logits", "probabilities" or "log-probabilities".
        """

    def predict(self, outputs: Tensor, data: Data, expects: str) -> Tensor:
        """What a trained model predicts of each row, as a person reads it; arguments as of :meth:`score`.

        Returns:
            Labels, int64, where :attr:`labels`; numbers in the unit of the targets where :attr:`standardised`. By
            default the outputs as they are.
        """
        return outputs

    def probabilities(self, outputs: Tensor, data: Data) -> Tensor | None:
        """The probability of each class, (N, C, ...), or of each mask; None where there are none.

        Args:
            outputs: as of :meth:`score`, as probabilities: of softmax or sigmoid, or shares of votes.
            data: the prepared data.
        """
        return None

    def answers(self, outputs: Tensor, targets: Tensor, data: Data, expects: str) -> Mapping[str, Array]:
        """What a metric of one's choice is called with, as numpy arrays, by scikit-learn's words.

        Args:
            outputs: as of :meth:`score`.
            targets: as of :meth:`score`.
            data: as of :meth:`score`.
            expects: as of :meth:`score`.

        Returns:
            "targets" and "predict", in the unit of the task; "decision_function", scores that order the rows; and
            "predict_proba", (N, C), at least where the outputs are probabilities. Nothing where :attr:`target_type` is
            "".
        """
        return {}

    def score_features(self, features: Tensor, targets: Tensor) -> dict[str, float] | None:
        """The metrics of one part where its rows judge each other, as in retrieval; None: training rows vote."""
        return None

    def score_votes(self, votes: Tensor, targets: Tensor, data: Data) -> dict[str, float]:
        """The metrics of shares (N, C) of the votes of training rows."""
        return self.score(votes, targets, data, "probabilities")

    def __repr__(self) -> str:
        return f"<kind {self.name}: {', '.join(self.metrics)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def refuse(where: str, rule: str, came: str) -> NoReturn:
    """Refuse the data of a task.

    Raises:
        DataError: always.
    """
    raise DataError(f"task {where} {rule}, got {came}")


def count_classes(kind: Kind, name: str, class_names: tuple[str, ...], parts: dict[str, Array]) -> int:
    """How many labels there are: as many as have a name, else as training holds.

    Args:
        kind: of the task.
        name: of the task.
        class_names: of the task.
        parts: targets of "train", "val" and "test".
    """
    for part, targets in parts.items():
        if not np.issubdtype(targets.dtype, np.integer):
            refuse(f"{name}: {part} labels", "must be whole numbers", f"dtype {targets.dtype}")
    labels = parts["train"].ravel()
    if kind.ignored_label is not None:
        labels = labels[labels != kind.ignored_label]
    seen = np.unique(labels)
    if len(seen) < 2:
        came = f"only class {seen[0]} ({len(labels)} rows)" if len(seen) else "none"
        refuse(f"{name}: train", "must hold at least two classes", came)
    classes = len(class_names) or kind.classes or int(min(seen.max() + 1, len(labels)))
    for part, targets in parts.items():
        strange = (targets < 0) | (targets >= classes)
        if kind.ignored_label is not None:
            strange &= targets != kind.ignored_label
        if strange.any() and (not kind.new_classes or part == "train"):
            place = tuple(np.argwhere(strange)[0])
            came = f"{targets[place]} in row {place[0]}"
            refuse(f"{name}: {part} labels", f"must be from 0 to {classes - 1}", came)
    return classes
