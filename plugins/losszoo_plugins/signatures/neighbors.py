"""Queries against candidates that are given beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, PairedRows, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Neighbors(Signature):
    """Queries (N, D) and candidates (M, D), each with labels or numbers; ``own``: the query among the candidates."""

    name = "neighbors"
    arguments = ("queries", "query_targets", "candidates", "candidate_targets")
    optional = ("own",)
    given = ("query_targets", "candidate_targets", "own")
    synonyms: ClassVar = {
        "query_targets": ("query_labels",),
        "candidates": ("support", "references"),
        "candidate_targets": ("candidate_labels", "support_targets", "reference_targets"),
    }
    fits = ("multiclass", "binary", "regression", "retrieval")
    shared = ("candidates", "candidate_targets")
    draws_candidates = True
    predicting = 50.0
    sizes = Sizes(first="queries", second="candidates", wide=True)
    learns = "the nearness of candidates of the own class, against others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        queries, candidates = checks.rows("queries", inputs[0]), checks.rows("candidates", inputs[2])
        if queries.shape[1] != candidates.shape[1]:
            raise checks.BrokenRule("candidates", f"have shape (M, {queries.shape[1]})", checks.shape_of(candidates))
        queries, candidates = _shared.in_one_dtype(queries, candidates)
        targets_of = checks.one_each if context.any_labels else _targets
        query_targets = targets_of("query_targets", inputs[1], queries)
        candidate_targets = targets_of("candidate_targets", inputs[3], candidates)
        if query_targets.dtype != candidate_targets.dtype:
            raise checks.BrokenRule(
                "candidate_targets",
                f"have the dtype of query_targets, {query_targets.dtype}",
                f"{candidate_targets.dtype}",
            )
        own = inputs[4]
        if own is not None:
            own = checks.integers("own", own, queries.shape[:1])
        return queries, query_targets, candidates, candidate_targets, own

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        own, count = inputs[4], inputs[2].shape[0]
        if own is not None and not checks.within(own, -1, count - 1):
            legal = (own >= -1) & (own < count)
            checks.require(legal, "own", f"be -1 or an index of the {count} candidates", own)

    def pairs(self, inputs: tuple[Any, ...]) -> PairedRows:
        queries, query_targets, candidates, candidate_targets, own = inputs
        return PairedRows(queries, query_targets, candidates, candidate_targets, own)

    def example(self, source: Source) -> tuple[Any, ...]:
        """The queries are the first of the candidates, and each leaves its own place out."""
        count = source.second or 2 * source.rows
        candidates = source.normal(count, source.dim)
        targets = source.labels(count)
        own = source.places(source.rows)
        own = torch.where(own < count, own, -1)
        picked = own.clamp(min=0)
        return candidates[picked].clone(), targets[picked], candidates, targets, own

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        queries, targets, candidates, candidate_targets, own = inputs
        for label, changed in _shared.geometry(candidates):
            first = changed[: len(queries)].clone()
            yield EdgeCase(f"candidates: {label}", (first, targets, changed, candidate_targets, own))
        other = torch.full_like(candidate_targets, int(targets.max()) + 1)
        absent = torch.full_like(own, -1)
        yield EdgeCase("no candidate of the own class", (queries, targets, candidates, other, absent))
        yield EdgeCase("no candidate but itself", tuple(x[:1] for x in inputs))
        yield EdgeCase("no candidate", (queries, targets, candidates[:0], candidate_targets[:0], absent))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "own", 4, (("an index of 93", 93), ("an index of -2", -2)))

    def rightness(self, queries: Tensor, targets: Tensor, candidates: Tensor, others: Tensor, own: Tensor) -> Tensor:
        same = targets[:, None] == others[None, :]
        itself = own[:, None] == torch.arange(len(candidates))
        return _shared.nearness(queries, candidates, same & ~itself, ~same)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        features, targets, own = batch.candidates
        size = len(batch.rows)
        return features[:size], targets[:size], features, targets, own


def _targets(name: str, value: Any, of: Tensor) -> Tensor:
    """Numbers or labels, one for each row."""
    if isinstance(value, Tensor) and value.is_floating_point() and value.shape == of.shape[:1]:
        return value.to(of.dtype)
    return checks.integers(name, value, of.shape[:1])
