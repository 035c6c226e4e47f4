"""What scikit-learn does on the same rows: the yardsticks of a comparison. Choices are made on the validation rows.

None of them draws anything that matters: one cell says what a baseline gives with every seed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from losszoo.registry.registry import installed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from losszoo.tasks.metric_choice import Metric
    from losszoo.training.data.prepared_data import Part, Prepared
    from losszoo.training.evaluation.outputs import Judged

    Array = npt.NDArray[np.float64]
    Outputs = dict[str, Tensor]
    Metrics = Sequence[Metric]
    Found = dict[str, Judged]

PARTS = ("train", "val", "test")
# Strengths of the penalty that validation chooses from.
_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_TREES = 100


def compute(name: str, given: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of a baseline on a task, by part.

    Args:
        name: one of :data:`NAMES`.
        given: a task whose kind has it among its ``baselines``.
        options: ``set``, of which the ``task.`` settings count, and ``metric``.
    """
    import time

    import torch

    from losszoo.tasks.make_task import make_task
    from losszoo.tasks.metric_choice import metrics_of
    from losszoo.training.data.prepared_data import prepare
    from losszoo.training.evaluation.scorers import per_class
    from losszoo.training.settings import parse_overrides, split_seed

    task_options = dict(parse_overrides(options.get("set", ())).task)
    split = split_seed(task_options.pop("split", 0))
    task = make_task(given, task_options)
    data = prepare(task, split, torch.device("cpu"))
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an optimizer that stops early gives a baseline all the same
        judged = _COMPUTE[name](data, metrics_of(task.spec, options.get("metric", ())))
    metrics = {part: found.metrics for part, found in judged.items()}
    classes = tuple(task.class_names or map(str, range(data.classes))) if data.classes else ()
    document = {"metrics": metrics, "per_class": per_class(judged["test"].answers, classes)}
    return {**document, "seconds": round(time.perf_counter() - started, 3)}


def _rows(part: Part) -> Array:
    """One row of numbers for each example."""
    array: Array = part.inputs.double().flatten(1).numpy()
    return array


def _best(candidates: Iterable[Outputs], data: Prepared, metrics: Metrics) -> Found:
    """The metrics of the candidate that is best on validation; of equally good ones the first."""
    from losszoo.training.evaluation.outputs import judge_outputs

    first = metrics[0]
    sign = 1.0 if first.direction == "max" else -1.0
    best: Found = {}
    highest = -math.inf
    for outputs in candidates:
        scores = {
            part: judge_outputs(x, getattr(data, part), data, "probabilities", metrics, answered=part == "test")
            for part, x in outputs.items()
        }
        value = sign * scores["val"].metrics[first.name]
        if not best or value > highest or math.isnan(highest):
            best, highest = scores, value
    return best


def _outputs(predict: Callable[[Array], Any], data: Prepared, classes: Iterable[int] = ()) -> Outputs:
    """What a fitted model says of every part."""
    return {part: _tensor(predict(_rows(getattr(data, part))), data, classes) for part in PARTS}


def _tensor(predicted: Any, data: Prepared, classes: Iterable[int]) -> Tensor:
    """(N, C) probabilities, 0 for classes that training does not hold; (N, 1) numbers, or (N, K) of several outputs."""
    import torch

    tensor = torch.as_tensor(predicted)
    if not data.classes:
        return tensor.reshape(len(tensor), -1)
    full = tensor.new_zeros(len(tensor), data.classes)
    full[:, list(classes)] = tensor
    return full


def _logistic(data: Prepared, metrics: Metrics) -> Found:
    """The logistic regression, of several labels one for each, at the best strength of its penalty."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    rows, targets = _rows(data.train), data.train.targets.numpy()

    def candidates() -> Iterator[Outputs]:
        for strength in _STRENGTHS:
            model = LogisticRegression(C=strength, max_iter=2000)
            if data.classes:
                model.fit(rows, targets)
                yield _outputs(model.predict_proba, data, model.classes_.tolist())
            else:
                labels = OneVsRestClassifier(model).fit(rows, targets)
                # Of a single label it gives both sides, no and yes.
                yield {part: x[:, -targets.shape[1] :] for part, x in _outputs(labels.predict_proba, data).items()}

    return _best(candidates(), data, metrics)


def _ridge(data: Prepared, metrics: Metrics) -> Found:
    """The ridge regression at the best strength of its penalty."""
    from sklearn.linear_model import Ridge

    rows, targets = _rows(data.train), data.train.targets.numpy()
    return _best((_outputs(Ridge(alpha=a).fit(rows, targets).predict, data) for a in _STRENGTHS), data, metrics)


def _knn(data: Prepared, metrics: Metrics) -> Found:
    if not data.classes:
        return _best(_knn_regressions(data), data, metrics)
    return _neighbors({part: getattr(data, part).inputs.flatten(1) for part in PARTS}, data, metrics)


def _knn_regressions(data: Prepared) -> Iterator[Outputs]:
    """A training row does not vote for itself."""
    from sklearn.neighbors import KNeighborsRegressor

    from losszoo.training.evaluation.knn import K_CHOICES

    for k in K_CHOICES:
        if k < len(data.train):
            model = KNeighborsRegressor(k).fit(_rows(data.train), data.train.targets.numpy())
            outputs = _outputs(model.predict, data)
            outputs["train"] = _tensor(model._y[model.kneighbors(return_distance=False)].mean(1), data, ())
            yield outputs


def _neighbors(features: Mapping[str, Tensor], data: Prepared, metrics: Metrics) -> Found:
    """The nearest training rows vote; in retrieval the rows of a part find each other."""
    from losszoo.training.evaluation.knn import best_k, knn_votes
    from losszoo.training.evaluation.outputs import Judged, judge_votes

    kind = installed().kind(data.kind)
    among = {part: kind.score_features(features[part], getattr(data, part).targets) for part in PARTS}
    told = {part: Judged(found) for part, found in among.items() if found is not None}
    if len(told) == len(PARTS):
        return told
    first = metrics[0]
    k = best_k(features, data, (first.name, first.direction), metrics)
    votes = {part: knn_votes(features[part], features["train"], data, (k,), own=part == "train")[0] for part in PARTS}
    return {part: judge_votes(votes[part], getattr(data, part), data, metrics, part == "test") for part in votes}


def _boosting(data: Prepared, metrics: Metrics) -> Found:
    """As many trees as are best on validation."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {"max_iter": _TREES, "early_stopping": False, "random_state": 0}
    numbers = not data.classes
    kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    model = kind(**settings).fit(_rows(data.train), data.train.targets.numpy())
    staged = model.staged_predict if numbers else model.staged_predict_proba
    classes = () if numbers else model.classes_.tolist()
    stages = zip(*(staged(_rows(getattr(data, part))) for part in PARTS), strict=True)
    outputs = (
        {part: _tensor(said, data, classes) for part, said in zip(PARTS, stage, strict=True)} for stage in stages
    )
    return _best(outputs, data, metrics)


def _nca(data: Prepared, metrics: Metrics) -> Found:
    import torch
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    model = NeighborhoodComponentsAnalysis(random_state=0).fit(_rows(data.train), data.train.targets.numpy())
    features = {part: torch.from_numpy(model.transform(_rows(getattr(data, part)))) for part in PARTS}
    return _neighbors(features, data, metrics)


_COMPUTE: Mapping[str, Callable[[Any, Sequence[Any]], Any]] = {
    "logistic-regression": _logistic,
    "ridge": _ridge,
    "knn": _knn,
    "gradient-boosting": _boosting,
    "nca-knn": _nca,
}
NAMES = tuple(_COMPUTE)
