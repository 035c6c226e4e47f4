"""What scikit-learn does on the same rows: the yardsticks of a comparison. Choices are made on the validation rows.

None of them draws anything that matters: one cell says what a baseline gives with every seed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from losszoo.registry.registry import installed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from losszoo.training.data.prepared_data import Part, Prepared

    Array = npt.NDArray[np.float64]
    Outputs = dict[str, Tensor]

PARTS = ("train", "val", "test")
# Strengths of the penalty that validation chooses from.
_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_TREES = 100


def compute(name: str, given: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of a baseline on a task, by part.

    Args:
        name: one of :data:`NAMES`.
        given: a task whose kind has it among its ``baselines``.
        options: ``set``, of which the ``task.`` settings count.
    """
    import time

    import torch

    from losszoo.tasks.make_task import make_task
    from losszoo.training.data.prepared_data import prepare
    from losszoo.training.settings import parse_overrides, split_seed

    task_options = dict(parse_overrides(options.get("set", ())).task)
    split = split_seed(task_options.pop("split", 0))
    task = make_task(given, task_options)
    data = prepare(task, split, torch.device("cpu"))
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an optimizer that stops early gives a baseline all the same
        metrics = _COMPUTE[name](data, (task.spec.metric, task.spec.direction))
    return {"metrics": metrics, "seconds": round(time.perf_counter() - started, 3)}


def _rows(part: Part) -> Array:
    """One row of numbers for each example."""
    array: Array = part.inputs.double().flatten(1).numpy()
    return array


def _best(candidates: Iterable[Outputs], data: Prepared, deciding: tuple[str, str]) -> dict[str, dict[str, float]]:
    """The metrics of the candidate that is best on validation; of equally good ones the first."""
    from losszoo.training.evaluation.outputs import output_metrics

    metric, direction = deciding
    sign = 1.0 if direction == "max" else -1.0
    best: dict[str, dict[str, float]] = {}
    highest = -math.inf
    for outputs in candidates:
        scores = {part: output_metrics(x, getattr(data, part), data, "probabilities") for part, x in outputs.items()}
        if not best or sign * scores["val"][metric] > highest:
            best, highest = scores, sign * scores["val"][metric]
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


def _logistic(data: Prepared, deciding: tuple[str, str]) -> dict[str, dict[str, float]]:
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

    return _best(candidates(), data, deciding)


def _ridge(data: Prepared, deciding: tuple[str, str]) -> dict[str, dict[str, float]]:
    """The ridge regression at the best strength of its penalty."""
    from sklearn.linear_model import Ridge

    rows, targets = _rows(data.train), data.train.targets.numpy()
    return _best((_outputs(Ridge(alpha=a).fit(rows, targets).predict, data) for a in _STRENGTHS), data, deciding)


def _knn(data: Prepared, deciding: tuple[str, str]) -> dict[str, dict[str, float]]:
    if not data.classes:
        return _best(_knn_regressions(data), data, deciding)
    return _neighbors({part: getattr(data, part).inputs.flatten(1) for part in PARTS}, data, deciding)


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


def _neighbors(
    features: Mapping[str, Tensor], data: Prepared, deciding: tuple[str, str]
) -> dict[str, dict[str, float]]:
    """The nearest training rows vote; in retrieval the rows of a part find each other."""
    from losszoo.training.evaluation.knn import best_k, knn_votes
    from losszoo.training.evaluation.outputs import vote_metrics

    kind = installed().kind(data.kind)
    among = {part: kind.score_features(features[part], getattr(data, part).targets) for part in PARTS}
    if None not in among.values():
        return among
    k = best_k(features, data, deciding)
    votes = {part: knn_votes(features[part], features["train"], data, (k,), own=part == "train")[0] for part in PARTS}
    return {part: vote_metrics(votes[part], getattr(data, part), data) for part in votes}


def _boosting(data: Prepared, deciding: tuple[str, str]) -> dict[str, dict[str, float]]:
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
    return _best(outputs, data, deciding)


def _nca(data: Prepared, deciding: tuple[str, str]) -> dict[str, dict[str, float]]:
    import torch
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    model = NeighborhoodComponentsAnalysis(random_state=0).fit(_rows(data.train), data.train.targets.numpy())
    features = {part: torch.from_numpy(model.transform(_rows(getattr(data, part)))) for part in PARTS}
    return _neighbors(features, data, deciding)


_COMPUTE: Mapping[str, Callable[[Any, tuple[str, str]], dict[str, dict[str, float]]]] = {
    "logistic-regression": _logistic,
    "ridge": _ridge,
    "knn": _knn,
    "gradient-boosting": _boosting,
    "nca-knn": _nca,
}
NAMES = tuple(_COMPUTE)
