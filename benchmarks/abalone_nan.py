"""Why the plain ratio of abalone.py goes NaN: where it stops, and what its batches look like until then."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

import losszoo

# The slope of a / b is a / b^2: with a near 1 it overflows in float32 once b < 1 / sqrt(largest number).
QUOTIENT_LIMIT = -math.log(torch.finfo(torch.float32).max) / 2
# Here a / b itself overflows.
VALUE_LIMIT = -math.log(torch.finfo(torch.float32).max)
# The slope of log p is 1 / p, and a mean over a batch of 32 divides it by 32.
LOG_LIMIT = VALUE_LIMIT - math.log(32)
# Half of the smallest positive number rounds to 0.
UNDERFLOW = math.log(2.0**-150)
LONGEST = 40  # epochs that a form of the ratio is given to stop in
WATCHED = 20  # epochs of growth


@losszoo.pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def ratio_of_logs(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The plain ratio with two logarithms subtracted, where it divides."""
    probabilities = logits.masked_fill(~(positive | negative), -torch.inf).softmax(1)
    same, different = (torch.where(mask, probabilities, 0.0).sum(1) for mask in (positive, negative))
    return different.log() - same.log()


class Form(NamedTuple):
    """A way to write the ratio, and the power of the distance that its softmax takes."""

    loss: str
    power: int = 1


FORMS: Mapping[str, Form] = {
    "quotient": Form("nca-ratio"),
    "quotient, squared distances": Form("nca-ratio(similarity=squared-euclidean)", 2),
    "two logarithms": Form(f"{__file__}:ratio_of_logs"),
}


class Look(NamedTuple):
    """One batch of embeddings, in float64.

    Args:
        norm: root mean square distance from the batch's mean.
        largest: distance of two rows.
        smallest: distance of two rows.
        different: least logarithm, over the rows, of the share that falls on the other classes.
        same: the same of the own class.
    """

    norm: float
    largest: float
    smallest: float
    different: float
    same: float


def look(embeddings: Tensor, labels: Tensor, power: int = 1) -> Look:
    """What the softmax of this batch has to cope with."""
    x = embeddings.detach().double()
    distances = torch.cdist(x, x)
    own = torch.eye(len(x), dtype=torch.bool)
    alike = labels[:, None] == labels[None, :]
    shares = (-(distances**power)).masked_fill(own, -torch.inf).log_softmax(1)
    sums = [shares.masked_fill(~mask, -torch.inf).logsumexp(1) for mask in (~alike, alike & ~own)]
    # A row without a positive, or without a negative, takes no part.
    different, same = (float(part[part.isfinite()].min()) for part in sums)
    spread = float((x - x.mean(0)).square().sum(1).mean().sqrt())
    return Look(spread, float(distances.max()), float(distances[~own].min()), different, same)


def watch_all(seeds: int, plain: Mapping[str, Any], growing: Mapping[str, str]) -> dict[str, Any]:
    """Each form of the ratio until it stops, and how the embedding grows under other losses.

    Args:
        seeds: training seeds, on split 0.
        plain: settings of the plain recipe.
        growing: losses by name.
    """
    limits = {"slope": QUOTIENT_LIMIT, "quotient": VALUE_LIMIT, "logarithm": LOG_LIMIT, "underflow": UNDERFLOW}
    longer = {**plain, "recipe.epochs": LONGEST}
    stops = [stop_of(form, seed, longer) for form in FORMS for seed in range(seeds)]
    longer["recipe.epochs"] = WATCHED
    growth = [
        {"loss": name, "seed": seed, "epochs": by_epoch(watched(loss, seed, longer)[1])}
        for name, loss in growing.items()
        for seed in range(seeds)
    ]
    return {"limits": limits, "longest": LONGEST, "stops": stops, "growth": growth}


def stop_of(form: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Where one run stops, as its guard and the replay of its bundle tell it, and what its batches were like."""
    loss, power = FORMS[form]
    with tempfile.TemporaryDirectory() as out:
        result = losszoo.run(loss, "abalone", seed=seed, out=out, set=settings)
        first = result.guard["first"]
        found = told(first) if first else {}
    steps, looks = watched(loss, seed, settings, power)
    if steps != result.steps:
        raise RuntimeError(f"a watched run must stop where the other does, got {steps} and {result.steps} steps")
    last, before = looks[-1], looks[:-1]
    return {
        "form": form,
        "seed": seed,
        "status": result.status,
        "steps": result.steps,
        **found,
        "last": rounded(last),
        "before": {name: round(min(getattr(x, name) for x in before), 3) for name in ("different", "same")},
    }


def told(first: Mapping[str, Any]) -> dict[str, Any]:
    """The event of the guard, and whether its bundle, replayed, breaks in the same way."""
    again = losszoo.replay(first["bundle"], examine=False)
    kept = {name: first[name] for name in ("step", "epoch", "where", "op", "source")}
    same = again.reproduced and (again.where, again.op, again.source) == (kept["where"], kept["op"], kept["source"])
    return {**kept, "reproduced": same, "kind": again.kind}


def watched(loss: str, seed: int, settings: Mapping[str, Any], power: int = 1) -> tuple[int, list[Look]]:
    """The steps of a run, and a look at the batch of each of them."""
    made, looks = losszoo.create(loss), []

    def watching(embeddings: Tensor, labels: Tensor) -> Tensor:
        looks.append(look(embeddings, labels, power))
        value: Tensor = made(embeddings, labels)
        return value

    with tempfile.TemporaryDirectory() as out:
        result = losszoo.run(watching, "abalone", seed=seed, out=out, set=settings)
    # The guard repeats a bad step, to find the operation.
    return result.steps, looks[: result.steps]


def by_epoch(looks: list[Look]) -> list[dict[str, float]]:
    """The mean spread and the extremes of every epoch."""
    size = len(looks) // WATCHED
    parts = [looks[start : start + size] for start in range(0, len(looks), size)]
    return [
        rounded(
            Look(
                sum(x.norm for x in part) / len(part),
                max(x.largest for x in part),
                min(x.smallest for x in part),
                min(x.different for x in part),
                min(x.same for x in part),
            )
        )
        for part in parts
    ]


def rounded(one: Look) -> dict[str, float]:
    """Three digits after the point."""
    return {name: round(value, 3) for name, value in one._asdict().items()}
