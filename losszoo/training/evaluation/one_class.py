"""Whether predictions tell rows apart at all, and what one class for every row alone would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from losszoo.tasks.metric_choice import PREDICT

if TYPE_CHECKING:
    from losszoo.training.evaluation.scorers import Answers


# Kinds whose rows have one class each.
KINDS = ("binary", "multiclass")


def one_class_of(answers: Answers, names: Sequence[str], part: str) -> dict[str, Any]:
    """The class that every row is predicted as, its share of the rows, and the part; empty where rows are told apart.

    Args:
        answers: of one part, of a kind whose rows have one class each.
        names: of the classes.
        part: its name.

    Example:
        >>> one_class_of({"targets": np.array([0, 0, 0, 1]), "predict": np.zeros(4, int)}, ("no", "yes"), "test")
        {'name': 'no', 'share': 0.75, 'part': 'test'}
    """
    if not answers or not names:
        return {}
    targets, predicted = (np.asarray(answers[name]) for name in ("targets", PREDICT))
    if len(targets) < 2 or (predicted != predicted[0]).any() or (targets == targets[0]).all():
        return {}
    return {"name": names[int(predicted[0])], "share": float((targets == predicted[0]).mean()), "part": part}


def told_of_one_class(found: Mapping[str, Any]) -> str:
    """A note of :func:`one_class_of`, with what may help."""
    part = {"val": "validation"}.get(found["part"], found["part"])
    return (
        f"every {part} row is predicted as {found['name']!r}, which {100 * found['share']:.1f} % of them are; "
        "--class-weight balanced, another --metric, more --epochs or another --loss may tell them apart"
    )


def score_of_one_class(metric: str, supports: Sequence[float]) -> float | None:
    """The most that one class for every row gives, or one score for every row; None of a metric not listed here.

    Args:
        metric: its name.
        supports: rows of each class, of two classes the positive one last.

    Example:
        >>> score_of_one_class("accuracy", [97, 3]), score_of_one_class("f1", [50, 50])
        (0.97, 0.6666666666666666)
    """
    rows = sum(supports)
    shares = [support / rows for support in supports if support] if rows else []
    if len(shares) < 2:
        return None
    # Of a class that is predicted for every row, precision is its share and recall is 1.
    f1 = [2 * share / (1 + share) for share in shares]
    found = {
        "accuracy": max(shares),
        "balanced_accuracy": 1 / len(shares),
        "macro_f1": max(f1) / len(shares),
        "f1_macro": max(f1) / len(shares),
        "f1_micro": max(shares),
        "f1_weighted": max(share * one for share, one in zip(shares, f1, strict=True)),
        "matthews_corrcoef": 0.0,
    }
    if len(supports) == 2:
        found |= {"f1": f1[1], "precision": shares[1], "average_precision": shares[1], "roc_auc": 0.5}
    return found.get(metric)
