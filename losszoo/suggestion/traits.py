"""What the training rows show, of all that losses are made for. Which loss is made for what, its tags say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from losszoo.suggestion.class_order import order_of
from losszoo.suggestion.out_of_fold import Predicted, contradicted, predict_labels, predict_numbers, why_not
from losszoo.suggestion.suggestion import Trait

Array = npt.NDArray[Any]

# Tags of losses, by the trait that such losses are made for: the whole of what connects the two.
TAGS: Mapping[str, tuple[str, ...]] = {
    "imbalance": ("imbalance", "long-tail"),
    "order": ("ordinal",),
    "label noise": ("noisy-labels", "label-noise"),
    "outliers": ("robust", "heavy-tails"),
    "skew": ("relative", "log-scale"),
    "counts": ("counts",),
    "new classes": ("metric",),
}
# The largest class has so many times the rows of the smallest.
_UNBALANCED = 4.0
# Of the labels; clean data of bundled tasks stay below.
_NOISY = 0.05
# Robust standard deviations, of which normal errors exceed five once in two million, and Laplace errors in 0.6 %.
_FAR, _OFTEN = 5.0, 0.01
_MAD_TO_DEVIATION = 1.4826
_SKEWED = 1.0
# Of the largest target, after all were standardised in float32 and scaled back. Whole numbers need it well below 1.
_ROUNDING, _WHOLE = 1e-6, 0.01
_FEWEST_ERRORS = 20


def traits_of(data: Any, kind: Any, names: Sequence[str], groups: Array | None = None) -> tuple[list[Trait], list[str]]:
    """The traits, and notes of what could not be looked at.

    Args:
        data: as prepared for training; only the training rows are read.
        kind: of the task.
        names: of the classes.
        groups: (N,), which training rows belong together; None where none do.
    """
    targets = data.train.targets.cpu().numpy()
    if kind.new_classes:
        text = "validation and test rows are of classes that training has not: rows are compared, not classified"
        return [*_imbalance(targets, data.classes, names, seen=True), _trait("new classes", True, text)], []
    reason = why_not(data.train.shape, targets, data.classes, groups)

    def inputs(rows: Array) -> Array:
        read = data.train.batch(torch.from_numpy(rows), torch.Generator()).inputs
        flat: Array = read.flatten(1).cpu().numpy()
        return flat

    if kind.standardised:
        predicted = None if reason else predict_numbers(inputs, targets, groups)
        notes = [f"the errors of a model: not looked at, {reason}"] if reason else []
        # Several outputs have a unit each, and so no shape in common.
        shape = _shape(targets, data.center, data.scale) if targets.ndim == 1 else []
        return [_outliers(targets, predicted), *shape], notes
    if data.classes:
        predicted = None if reason else predict_labels(inputs, targets, data.classes, groups)
        if predicted is not None and not len(predicted.targets):
            predicted, reason = None, "each class is in one group of rows alone"
        notes = [f"labels that a model contradicts: not looked at, {reason}"] if reason else []
        noise = [] if predicted is None else [_label_noise(predicted)]
        return [*_imbalance(targets, data.classes, names), *_order(names, predicted), *noise], notes
    return _rare_positives(targets), []


def _trait(name: str, present: bool, text: str, **numbers: float) -> Trait:
    return Trait(name, bool(present), text, TAGS[name], {key: float(value) for key, value in numbers.items()})


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _imbalance(targets: Array, classes: int, names: Sequence[str], *, seen: bool = False) -> list[Trait]:
    """Of the labels; where other classes are to come, of those that were seen."""
    counts = np.bincount(targets[targets >= 0].ravel(), minlength=classes)
    places = np.flatnonzero(counts) if seen else np.arange(classes)
    rare, often = places[counts[places].argmin()], places[counts[places].argmax()]
    ratio = counts[often] / max(counts[rare], 1)
    share = counts[rare] / counts.sum()
    text = (
        f"the rarest class, {names[rare]}, has {_percent(share)} of the training labels; the largest, {names[often]}, "
        f"has {ratio:.3g} times as many"
    )
    if counts[rare] == counts[often]:
        text = f"every class has the same number of training labels, {counts[rare]}"
    return [_trait("imbalance", ratio >= _UNBALANCED, text, rarest=share, ratio=ratio)]


def _rare_positives(targets: Array) -> list[Trait]:
    """Of yes and no for each pixel, or for each of several labels; of other targets nothing is known."""
    if not np.isin(targets, (0, 1)).all():
        return []
    share = targets.mean(axis=0) if targets.ndim == 2 else targets.mean(keepdims=True)
    rarest = float(np.minimum(share, 1 - share).min())
    whose = "the targets of the label where it is rarest" if targets.ndim == 2 else "all targets"
    text = f"the rarer answer is {_percent(rarest)} of {whose}"
    return [_trait("imbalance", rarest * (_UNBALANCED + 1) <= 1, text, rarest=rarest)]


def _order(names: Sequence[str], predicted: Predicted | None) -> list[Trait]:
    """The names tell of an order; whether numbers are amounts or mere names, the errors of a model may tell."""
    found = order_of(names)
    if found is None:
        return []
    order, told_by = found
    if told_by != "numbers":
        shown = " < ".join(order) if len(order) <= 6 else f"{order[0]} < {order[1]} < ... < {order[-1]}"
        return [_trait("order", True, f"the classes have an order: {shown}")]
    text = "the labels are whole numbers: an order, unless they are mere names"
    steps = np.empty(0) if predicted is None else _steps([order.index(name) for name in names], predicted)
    if len(steps) < _FEWEST_ERRORS:
        return [_trait("order", True, text)]
    # In a random order of C classes two of them are neighbours with probability 2/C.
    near, chance = float((steps == 1).mean()), 2 / len(names)
    ordered = near > chance + 2 * np.sqrt(chance * (1 - chance) / len(steps))
    told = f"{100 * near:.0f} % of the errors of a model are to a neighbour, in a random order {100 * chance:.0f} %"
    verdict = "they look ordered" if ordered else "no sign of an order"
    return [_trait("order", ordered, f"{text}; {told}: {verdict}", near=near)]


def _steps(places: Sequence[int], predicted: Predicted) -> Array:
    """How many classes apart label and prediction are, of each row on which the two differ."""
    apart: Array = np.abs(np.array(places)[predicted.values.argmax(1)] - np.array(places)[predicted.targets])
    return apart[apart > 0]


def _label_noise(predicted: Predicted) -> Trait:
    share = float(contradicted(predicted).mean())
    text = (
        f"about {_percent(share)} of the labels are contradicted with confidence by a model that has not seen them (an "
        "estimate by cross-validation: wrong labels and classes that overlap look alike)"
    )
    return _trait("label noise", share >= _NOISY, text, share=share)


def _outliers(targets: Array, predicted: Predicted | None) -> Trait:
    """Of the errors of a model: a target may be spread far, and yet be explained by the inputs."""
    values = targets.ravel() if predicted is None else predicted.targets - predicted.values
    what = "of the targets" if predicted is None else "of the errors of a model by cross-validation"
    far = far_share(values)
    text = (
        f"{_percent(far)} {what} are beyond {_FAR:g} robust standard deviations (median absolute deviation; "
        f"Laplace errors: 0.6 %, normal ones: none)"
    )
    return _trait("outliers", far >= _OFTEN, text, far=far)


def far_share(values: Array) -> float:
    """Share of values further from the median than five robust standard deviations.

    Example:
        >>> far_share(np.array([0.0, 1.0, 2.0, 3.0, 100.0]))
        0.2
    """
    away = np.abs(values - np.median(values))
    scale = _MAD_TO_DEVIATION * np.median(away)
    return float((away > _FAR * scale).mean()) if scale else 0.0


def _shape(targets: Array, center: float, scale: float) -> list[Trait]:
    """Of targets that are not below 0: amounts of very different size, and counts."""
    zero = (np.float32(0) - np.float32(center)) / np.float32(scale)  # as a target of 0 was standardised
    if targets.min() < zero:
        return []
    values = targets.astype(np.float64).ravel() * scale + center
    zeros, deviation = float((targets == zero).mean()), values.std()
    skew = float(((values - values.mean()) ** 3).mean() / deviation**3) if deviation else 0.0
    sign = f"no target is below 0, {_percent(zeros)} are 0" if zeros else "all targets are > 0"
    found = [_trait("skew", skew >= _SKEWED, f"{sign}; skewness {skew:.2g}", skewness=skew, zeros=zeros)]
    rounding = _ROUNDING * np.abs(values).max()
    if rounding < _WHOLE and (np.abs(values - np.round(values)) <= rounding).all():
        found.append(_trait("counts", True, "all targets are whole numbers >= 0: counts, or amounts in whole units"))
    return found
