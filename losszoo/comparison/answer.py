"""The answer of a comparison in one sentence for each task: which is best, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from losszoo.common.text import counted
from losszoo.comparison.row import Row
from losszoo.comparison.statistics import seeds_to_tell
from losszoo.registry.specs import TaskSpec
from losszoo.training.evaluation.one_class import KINDS, score_of_one_class

_MOST_NAMES = 3
# Means over seeds of equal numbers differ by rounding.
_SAME = 1e-9


def answer_of(task: TaskSpec, rows: Sequence[Row]) -> str:
    """Which row is best on a task, by how much, and from which others these seeds do not tell it apart.

    Args:
        task: of the rows.
        rows: of the losses and baselines; published results are of other splits, and are not compared.
    """
    best = next((row for row in rows if row.leads), None)
    if best is None:
        return f"no row has a number for {task.metric} on {task.name}"
    if nothing := _no_better_than_one_class(task, rows):
        return nothing
    others = sorted((row for row in rows if row is not best and row.difference is not None), key=_gap)
    close = [row for row in others if not _is_behind(row, task)]
    parts = [f"{best.label} {'leads' if close or not others else 'is best'} on {task.name} with {_score(task, best)}"]
    if not others:
        parts.append("there is no other row to compare it with")
    elif close:
        parts.append(f"it is not told apart from {_names(close)}")
        parts.append(_doubt(task, best, close[0]))
    else:
        parts.append(_lead(task, others[0]))
    if best.kind == "baseline" and (first := next((row for row in others if row.kind == "loss"), None)):
        # Both of the two named above may be baselines.
        parts.append(
            f"the best loss is {first.label}" + ("" if first is (close or others)[0] else _beside(task, first))
        )
    if lacking := [row for row in rows if row.mean is None]:
        parts.append(f"without a result: {_names(lacking)}")
    return "; ".join(parts)


def _no_better_than_one_class(task: TaskSpec, rows: Sequence[Row]) -> str:
    """Said instead of a leader where no loss is better than one class for every row; "" where one is."""
    losses = [row for row in rows if row.kind == "loss" and row.mean is not None]
    counts = [[found["support"] or 0 for found in row.per_class.values()] for row in losses if row.per_class]
    if task.kind not in KINDS or not counts:
        return ""
    single = score_of_one_class(task.metric, counts[0])
    if single is None or any(row.mean is not None and row.mean > single + _SAME for row in losses):
        return ""
    parts = [
        f"no loss is better on {task.name} than one class for every row, which gives {task.metric} {single:.4f}",
        f"the best, {losses[0].label}, has {_score(task, losses[0])}",
    ]
    if baseline := next((row for row in rows if row.kind == "baseline" and row.mean is not None), None):
        parts.append(f"{baseline.label} has {_score(task, baseline)}")
    parts.append("--class-weight balanced, another --metric, more --epochs or other losses may help")
    if lacking := [row for row in rows if row.mean is None]:
        parts.append(f"without a result: {_names(lacking)}")
    return "; ".join(parts)


def answer_of_ranks(ranks: Mapping[str, float], tasks: int) -> str:
    """Who has the best mean rank over several tasks; "" of one task."""
    if not ranks:
        return ""
    lowest = min(ranks.values())
    first = [name for name, rank in ranks.items() if math.isclose(rank, lowest)]
    return f"over {tasks} tasks the best mean rank, {lowest:.2f}, is that of {' and '.join(first)}"


def _gap(row: Row) -> float:
    return math.inf if row.difference is None else abs(row.difference.mean)


def _is_behind(row: Row, task: TaskSpec) -> bool:
    """Whether the interval says that it is worse than the best. One of few seeds may be better on those."""
    gap = row.difference
    return gap is not None and gap.apart and (gap.mean < 0) == (task.direction == "max")


def _score(task: TaskSpec, row: Row) -> str:
    said = f"{task.metric} {row.mean:.4f}"
    if row.kind == "baseline":
        return said
    return f"{said} over {row.n} of {row.asked} seeds" if row.n < row.asked else f"{said} over {counted(row.n, 'seed')}"


def _names(rows: Sequence[Row]) -> str:
    names = [row.label if row.n in (0, row.asked) else f"{row.label} ({row.n} of {row.asked} seeds)" for row in rows]
    more = [f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *more])


def _beside(task: TaskSpec, row: Row) -> str:
    """By how much a row differs from the best: what the table says, with the sign of the table."""
    gap = row.difference
    if gap is None:
        return ""
    interval = "" if gap.low is None else f" (95 % interval {gap.low:+.4f} to {gap.high:+.4f})"
    return f", {gap.mean:+.4f} to the best{interval}"


def _lead(task: TaskSpec, second: Row) -> str:
    """Of the best, which the intervals tell apart from all others."""
    gap = second.difference
    if gap is None or gap.low is None or gap.high is None:
        return ""
    low, high = sorted((abs(gap.low), abs(gap.high)))
    side = "above" if task.direction == "max" else "below"
    return (
        f"{abs(gap.mean):.4f} {side} {_names([second])}, the nearest (95 % interval {low:.4f} to {high:.4f}, "
        f"{counted(gap.n, 'seed')})"
    )


def _doubt(task: TaskSpec, best: Row, nearest: Row) -> str:
    """Why the seeds do not tell the nearest row from the best, and how many would."""
    gap = nearest.difference
    if gap is None:
        return ""
    if best.kind == nearest.kind == "baseline":
        return f"{nearest.label} differs by {gap.mean:+.4f}, and no seed changes a baseline"
    if gap.n == 1:
        return f"{nearest.label} differs by {gap.mean:+.4f} with one seed, which has no interval; take more seeds"
    if gap.low is None or gap.high is None:
        return f"{nearest.label} differs by {gap.mean:+.4f} with each of {gap.n} seeds, so there is no interval"
    said = f"{nearest.label} differs by {gap.mean:+.4f} (95 % interval {gap.low:+.4f} to {gap.high:+.4f})"
    if gap.apart:
        return f"{said} on the {gap.n} seeds that it has"
    seeds = seeds_to_tell(gap)
    if seeds is None:
        return f"{said}, so little that no number of seeds worth training would tell"
    return f"{said}; about {seeds} seeds would tell, if the difference is as large as it looks"
