"""What a metric of one's choice says of the answers of a model: scikit-learn's functions, or a function of the user."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import DataError, LosszooError, UsageError
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.kind import Kind
from losszoo.registry.registry import installed
from losszoo.tasks.metric_choice import PREDICT, PROBABILITIES, Metric
from losszoo.tasks.task import Task
from losszoo.training.data.prepared_data import Part, Prepared

Array = npt.NDArray[Any]
# By scikit-learn's words for what an estimator says: "predict", "decision_function", "predict_proba"; and "targets".
Answers = Mapping[str, Array]


class UndefinedError(ValueError):
    """A metric has no value on these rows; the text says why."""


def value_of(metric: Metric, answers: Answers) -> float:
    """The value of a metric that its kind does not measure itself.

    Args:
        metric: of scikit-learn, or of the user.
        answers: to the targets of some rows.

    Raises:
        UndefinedError: it has none on these rows.
        UsageError: a function of the user raises, or gives no number; scikit-learn lacks the metric.
    """
    if callable(metric.function):
        return _value_of_own(metric, answers)
    from sklearn import metrics  # type: ignore[import-untyped, unused-ignore]

    function = getattr(metrics, str(metric.function), None)
    if function is None:
        raise UsageError(f"{metric.name} needs a newer scikit-learn: pip install -U scikit-learn")
    given = answers[metric.needs]
    labels = np.arange(given.shape[1] if given.ndim == 2 else 2)
    if metric.needs == PROBABILITIES and len(labels) == 2:
        given = given[:, 1]
    options = {**metric.options, **({"labels": labels} if metric.by_labels else {})}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            value = float(function(answers["targets"], given, **options))
        except ValueError as error:
            raise UndefinedError(in_one_line(error).removeprefix("ValueError: ")) from error
    if math.isnan(value):
        raise UndefinedError(" ".join(str(told[-1].message).split()) if told else "it is nan")
    return value


def _value_of_own(metric: Metric, answers: Answers) -> float:
    try:
        value = metric.function(answers["targets"], answers[PREDICT])  # type: ignore[operator, misc]
    except (LosszooError, MemoryError):
        raise
    except Exception as error:
        raise UsageError(f"metric {metric.name} raised {in_one_line(error)}") from error
    if not isinstance(value, numbers.Real) and not (isinstance(value, np.ndarray | torch.Tensor) and value.ndim == 0):
        raise UsageError(f"metric {metric.name} must return a number, got {kind_name(value)}")
    if math.isnan(float(value)):
        raise UndefinedError("it returned nan")
    return float(value)


def check_metrics(metrics: Sequence[Metric], task: Task, data: Prepared, signature: str) -> list[str]:
    """Refuse the metrics that have no value here; where that is no more than a gap in the report, a note says so.

    Args:
        metrics: the first one decides.
        task: that they judge.
        data: of the task.
        signature: that predicts.

    Raises:
        UsageError: the loss gives no probabilities, which a metric needs; the kind has no predictions; or as
            :func:`value_of`.
        DataError: the metric that decides has no value on the validation rows.
    """
    kind, rules, notes = installed().kind(data.kind), TABLE[signature], []
    where = f"task {task.spec.name}"
    for metric in (metric for metric in metrics if metric.function is not None):
        if not kind.target_type:
            raise UsageError(f"{where}: metric must be one of {', '.join(kind.metrics)}, got {metric.name}")
        if metric.needs == PROBABILITIES and rules.has_head and "probabilities" not in rules.expects:
            raise UsageError(
                f"{where}: {metric.name} must be given probabilities, got a loss of the signature {signature}, which "
                "has none; choose a metric of labels, or another loss"
            )
        for name in ("val", "test"):
            part: Part = getattr(data, name)
            reason = why_undefined(metric, kind, part, data) if len(part) else ""
            if reason and metric is metrics[0] and name == "val":
                raise DataError(
                    f"{where}: {metric.name}, which decides, must have a value on the validation rows, got none of "
                    f"{len(part)} rows: {reason}; choose another metric, or another split"
                )
            notes += [f"{metric.name} has no value on the {name} rows: {reason}"] if reason else []
    return notes


def why_undefined(metric: Metric, kind: Kind, part: Part, data: Prepared) -> str:
    """Why a metric has no value on some rows even if every answer is right; empty where it has one.

    Raises:
        UsageError: as :func:`value_of`.
    """
    targets = part.targets
    right = targets[:, None] if targets.ndim == 1 else targets
    if data.classes:
        right = F.one_hot(targets.clamp(0, data.classes - 1), data.classes).movedim(-1, 1)
    answers = kind.answers(right.double(), targets, data, "probabilities")
    if not answers:
        return ""
    try:
        value_of(metric, answers)
    except UndefinedError as error:
        return str(error)
    return ""


def per_class(answers: Answers, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Recall, precision, F1 and support of each class, by its name; empty where there are no labels.

    Precision of a class that is never predicted, and recall of one without a row, are 0, as in scikit-learn.
    """
    if not answers or not names:
        return {}
    from sklearn.metrics import precision_recall_fscore_support

    targets, predicted = answers["targets"], answers[PREDICT]
    columns = precision_recall_fscore_support(targets, predicted, labels=np.arange(len(names)), zero_division=0)
    precision, recall, f1, support = columns
    return {
        name: {
            "recall": float(recall[i]),
            "precision": float(precision[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(names)
    }
