"""Which metrics judge a task: those of its kind, scikit-learn's scorers by their names, and a function of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from losszoo.common.text import kind_name
from losszoo.errors import UsageError, nearest, suggest
from losszoo.registry.registry import installed
from losszoo.registry.signature_specs import KindSpec
from losszoo.registry.specs import TaskSpec

# A name, a function, or several of them.
Metrics = Any

# What a scorer is called with, in the words of scikit-learn.
PREDICT, SCORES, PROBABILITIES = "predict", "decision_function", "predict_proba"
_ONE_LABEL = ("binary", "multiclass")
_LABELS = (*_ONE_LABEL, "multilabel-indicator")
_NUMBERS = ("continuous", "continuous-multioutput")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: as it stands in results.
        direction: "max" or "min".
        function: name of a function of ``sklearn.metrics``, or a function of the user's; None: the kind measures it.
        needs: what it judges: "predict", "decision_function" or "predict_proba".
        fits: the types of target that it is for, in the words of scikit-learn's ``type_of_target``.
        by_labels: it is told all labels, of which a part may lack some.
        options: further arguments of the function.
    """

    name: str
    direction: str = "max"
    function: str | Callable[..., Any] | None = None
    needs: str = PREDICT
    fits: tuple[str, ...] = ()
    by_labels: bool = False
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _averaged() -> Iterator[Metric]:
    """Those of a class against the others, and their means over the classes."""
    for name in ("f1", "precision", "recall", "jaccard"):
        function = f"{name}_score"
        yield Metric(name, function=function, fits=("binary",))
        for average in ("macro", "micro", "weighted"):
            yield Metric(f"{name}_{average}", function=function, fits=_LABELS, options={"average": average})
        several = {"average": "samples"}
        yield Metric(f"{name}_samples", function=function, fits=("multilabel-indicator",), options=several)


def _of_scores() -> Iterator[Metric]:
    """Those that judge an order or probabilities."""
    yield Metric("roc_auc", "max", "roc_auc_score", SCORES, ("binary", "multilabel-indicator"))
    for way in ("ovr", "ovo"):
        for ending, average in (("", "macro"), ("_weighted", "weighted")):
            options = {"multi_class": way, "average": average}
            yield Metric(f"roc_auc_{way}{ending}", "max", "roc_auc_score", PROBABILITIES, _ONE_LABEL, True, options)
    yield Metric("average_precision", "max", "average_precision_score", SCORES, _LABELS)
    yield Metric("top_k_accuracy", "max", "top_k_accuracy_score", SCORES, ("multiclass",), True)
    yield Metric("log_loss", "min", "log_loss", PROBABILITIES, _ONE_LABEL, True)
    yield Metric("d2_log_loss_score", "max", "d2_log_loss_score", PROBABILITIES, _ONE_LABEL, True)
    yield Metric("brier_score", "min", "brier_score_loss", PROBABILITIES, ("binary",))


def _of_numbers() -> Iterator[Metric]:
    for name, function in (
        ("r2", "r2_score"),
        ("explained_variance", "explained_variance_score"),
        ("d2_absolute_error_score", "d2_absolute_error_score"),
    ):
        yield Metric(name, function=function, fits=_NUMBERS)
    for name in (
        *("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "median_absolute_error"),
        *("mean_absolute_percentage_error", "mean_squared_log_error", "root_mean_squared_log_error"),
    ):
        yield Metric(name, "min", name, fits=_NUMBERS)
    for name in ("max_error", "mean_poisson_deviance", "mean_gamma_deviance"):
        yield Metric(name, "min", name, fits=("continuous",))


# By scikit-learn's names of its scorers, without "neg_": an error is shown as it is, and less of it is better.
SCORERS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("accuracy", function="accuracy_score", fits=_LABELS),
            Metric("balanced_accuracy", function="balanced_accuracy_score", fits=_ONE_LABEL),
            Metric("matthews_corrcoef", function="matthews_corrcoef", fits=_ONE_LABEL),
            *_averaged(),
            *_of_scores(),
            *_of_numbers(),
        )
    }
)
# Other names that the field uses, each with the one of scikit-learn.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        **{f"{a}_{n}": f"{n}_{a}" for n in ("f1", "precision", "recall") for a in ("macro", "micro", "weighted")},
        "acc": "accuracy",
        "balanced_acc": "balanced_accuracy",
        "mcc": "matthews_corrcoef",
        "f1_score": "f1",
        "auc": "roc_auc",
        "auroc": "roc_auc",
        "roc_auc_score": "roc_auc",
        "ap": "average_precision",
        "average_precision_score": "average_precision",
        "logloss": "log_loss",
        "nll": "log_loss",
        "brier": "brier_score",
        "brier_score_loss": "brier_score",
        "mse": "mean_squared_error",
        "rmse": "root_mean_squared_error",
        "mae": "mean_absolute_error",
        "mape": "mean_absolute_percentage_error",
        "medae": "median_absolute_error",
        "r2_score": "r2",
        "msle": "mean_squared_log_error",
        "rmsle": "root_mean_squared_log_error",
    }
)

# What a kind that is not installed may call its metric.
_ERRORS = ("loss", "error")


def several(asked: Metrics) -> tuple[Any, ...]:
    """The metrics that were asked for, whether one, several or none.

    Raises:
        UsageError: something that is neither a name nor a function.

    Example:
        >>> several("f1_macro"), several(["f1_macro", "log_loss"]), several(None)
        (('f1_macro',), ('f1_macro', 'log_loss'), ())
    """
    if asked is None:
        return ()
    members = tuple(asked) if isinstance(asked, Sequence) and not isinstance(asked, str) else (asked,)
    for member in members:
        if not isinstance(member, str) and not callable(member):
            raise UsageError(
                f"metric must be a name, a function of targets and predictions, or a list of such, got "
                f"{kind_name(member)}"
            )
    return members


def name_of_metric(asked: Any) -> str:
    """What a metric that was asked for is called."""
    return asked if isinstance(asked, str) else str(getattr(asked, "__name__", type(asked).__name__))


def metrics_of(spec: TaskSpec, asked: Metrics = (), owner: str = "") -> tuple[Metric, ...]:
    """The metrics that judge a task, each once; the first decides.

    Args:
        spec: of the task, whose own metric it is where nothing is asked for.
        asked: names, functions, or one of them.
        owner: begins an error.

    Raises:
        UsageError: one that the kind of the task does not have; lists those that it has.
    """
    members = several(asked) or (spec.metric,)
    found = {metric.name: metric for metric in (_metric(spec, member, owner) for member in members)}
    return tuple(found.values())


def judged(spec: TaskSpec, asked: Metrics = (), owner: str = "") -> TaskSpec:
    """The spec with the metric that decides, and its direction.

    Results of others that were judged by another metric are left out.
    """
    first = metrics_of(spec, asked, owner)[0]
    if (first.name, first.direction) == (spec.metric, spec.direction):
        return spec
    same = first.name == spec.metric
    return replace(spec, metric=first.name, direction=first.direction, published=spec.published if same else ())


def fitting_metrics(kind: KindSpec) -> list[str]:
    """All that judge a kind of task by name, its own first."""
    return [*kind.metrics, *(n for n, m in SCORERS.items() if kind.target_type in m.fits and _own(kind, n) is None)]


def less_is_better(name: str) -> bool:
    """Whether less of a metric is better, of which only the name is known.

    Example:
        >>> less_is_better("log_loss"), less_is_better("accuracy")
        (True, False)
    """
    found = SCORERS.get(_canonical(name))
    if found is not None:
        return found.direction == "min"
    return name in _ERRORS or any(name in kind.smaller for kind in installed().kinds.values())


def same_metric(asked: str, names: Sequence[str]) -> str | None:
    """The one of several names that means what was asked for.

    Example:
        >>> same_metric("macro_f1", ["accuracy", "f1_macro"])
        'f1_macro'
    """
    return next((name for name in names if name == asked or _canonical(name) == _canonical(asked)), None)


def _metric(spec: TaskSpec, asked: Any, owner: str) -> Metric:
    kind = installed().kinds[spec.kind]
    if not isinstance(asked, str):
        return Metric(name_of_metric(asked), function=asked)
    own = _own(kind, asked)
    if own is not None:
        # A kind of an earlier plugin does not say of which metrics less is better; the spec of its task does.
        less = own in kind.smaller or (own == spec.metric and spec.direction == "min")
        return Metric(own, "min" if less else "max")
    found = SCORERS.get(_canonical(asked))
    if found is not None and kind.target_type in found.fits:
        return found
    known = fitting_metrics(kind)
    near = f"; {suggest(asked, known)}" if nearest(asked, known) else ""
    raise UsageError(
        f"{owner}{': ' if owner else ''}metric of a {kind.name} task must be one of {', '.join(known)}, got "
        f"{asked!r}{near}"
    )


def _own(kind: KindSpec, name: str) -> str | None:
    """The name under which a kind measures it itself."""
    return name if name in kind.metrics else same_metric(name, kind.metrics)


def _canonical(name: str) -> str:
    plain = name.strip().lower().replace("-", "_").removeprefix("neg_")
    return SYNONYMS.get(plain, plain)
