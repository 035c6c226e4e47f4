"""The losses over pairs written out over the whole matrix, by plain torch operations: what the engine must agree with.

Nothing here is taken from the package. Distances are the root of a sum of squared differences, sums of exponentials are
``torch.logsumexp``, and triplets stand in a cube.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """A loss with its similarity, and what its formula is.

    Args:
        name: in the registry.
        row: ``f(logits, positive, negative, **params) -> values`` or ``(values, counts)``.
        params: hyperparameters of the row.
        similarity: of the loss.
        temperature: of the loss; None for one that has none.
        needs: which pairs a row must have.
    """

    name: str
    row: Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    similarity: str = "euclidean"
    temperature: float | None = 0.7
    needs: tuple[str, ...] = ("positive", "negative")

    def __str__(self) -> str:
        said = [self.similarity, *(f"{key}={value}" for key, value in self.params.items())]
        return f"{self.name}({', '.join(said)})"

    @property
    def options(self) -> dict[str, Any]:
        """What ``losszoo.create`` is told."""
        temperature = {} if self.temperature is None else {"temperature": self.temperature}
        return {"similarity": self.similarity, **temperature, **self.params}

    def values(self, rows: Tensor, columns: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Value and count of every row; 0 and 0 where it lacks what it needs."""
        logits = similarities(rows, columns, self.similarity) / (self.temperature or 1.0)
        there = {"positive": positive.any(1), "negative": negative.any(1)}
        valid = torch.ones(len(rows), dtype=torch.bool)
        for need in self.needs:
            valid = valid & there[need]
        if not bool(valid.any()):
            return rows.sum(1) * 0 + columns.sum() * 0, torch.zeros(len(rows), dtype=rows.dtype)
        found = self.row(logits[valid], positive[valid], negative[valid], **self.params)
        values, counts = found if isinstance(found, tuple) else (found, torch.ones_like(found))
        nothing = torch.zeros(len(rows), dtype=rows.dtype)
        return nothing.masked_scatter(valid, values), nothing.masked_scatter(valid, counts.to(rows.dtype))


def similarities(rows: Tensor, columns: Tensor, similarity: str) -> Tensor:
    """(N, M): the larger, the closer. A distance of 0 has the gradient 0."""
    if similarity == "dot":
        return rows @ columns.T
    if similarity == "cosine":
        return F.normalize(rows, eps=0.0) @ F.normalize(columns, eps=0.0).T
    squares = (rows.unsqueeze(1) - columns).square().sum(2)
    if similarity == "squared-euclidean":
        return -squares
    return -torch.where(squares > 0, torch.where(squares > 0, squares, 1.0).sqrt(), 0.0)


def same_and_other(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Positives and negatives among the rows themselves."""
    same = labels.unsqueeze(1) == labels
    return same & ~torch.eye(len(labels), dtype=torch.bool), ~same


def _sum(logits: Tensor, mask: Tensor) -> Tensor:
    """Log of the sum of exponentials under the mask; minus infinity where there is none."""
    whole = torch.logsumexp(logits.masked_fill(~mask, -1e300), 1)
    return torch.where(mask.any(1), whole, -torch.inf)


def _nca(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return _sum(logits, positive | negative) - _sum(logits, positive)


def _nca_stable(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return _sum(logits, negative) - _sum(logits, positive)


def _nca_difference(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    whole = _sum(logits, positive | negative)
    return (_sum(logits, negative) - whole).exp() - (_sum(logits, positive) - whole).exp()


def _nca_epsilon(logits: Tensor, positive: Tensor, negative: Tensor, *, eps: float) -> Tensor:
    whole = _sum(logits, positive | negative)
    same, other = (_sum(logits, mask).sub(whole).exp() + eps for mask in (positive, negative))
    return other.log() - same.log()


def _sup_con(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    logs = logits - _sum(logits, positive | negative).unsqueeze(1)
    return -torch.where(positive, logs, 0.0).sum(1) / positive.sum(1)


def _batch_hard(logits: Tensor, positive: Tensor, negative: Tensor, *, margin: float) -> Tensor:
    near, far = (-logits).masked_fill(~negative, 1e300).amin(1), (-logits).masked_fill(~positive, -1e300).amax(1)
    return (far - near + margin).clamp(min=0.0)


def _semi_hard(logits: Tensor, positive: Tensor, negative: Tensor, *, margin: float) -> tuple[Tensor, Tensor]:
    distances = -logits
    cube = distances.unsqueeze(1).expand(-1, logits.shape[1], -1)
    beyond = negative.unsqueeze(1) & (cube > distances.unsqueeze(2))
    closest = cube.masked_fill(~beyond, 1e300).amin(2)
    furthest = distances.masked_fill(~negative, -1e300).amax(1, keepdim=True)
    chosen = torch.where(beyond.any(2), closest, furthest)
    hinges = (distances - chosen + margin).clamp(min=0.0)
    return torch.where(positive, hinges, 0.0).sum(1), positive.sum(1)


def _every_triplet(
    logits: Tensor, positive: Tensor, negative: Tensor, *, margin: float, average: str
) -> tuple[Tensor, Tensor]:
    hinges = (logits.unsqueeze(1) - logits.unsqueeze(2) + margin).clamp(min=0.0)
    hinges = torch.where(positive.unsqueeze(2) & negative.unsqueeze(1), hinges, 0.0)
    every = positive.sum(1) * negative.sum(1)
    return hinges.sum((1, 2)), (hinges > 0).sum((1, 2)) if average == "nonzero" else every


_ONE = ("positive",)
NCA = Case("nca", _nca, similarity="squared-euclidean", needs=_ONE)
STABLE = Case("nca-stable", _nca_stable)
SUP_CON = Case("sup-con", _sup_con, similarity="cosine", temperature=0.1, needs=_ONE)
HARDEST = Case("triplet-batch-hard", _batch_hard, {"margin": 0.8}, temperature=None)
MODERN = Case("modern-nca", _nca, needs=_ONE)
INFO_NCE = Case("info-nce", _nca, similarity="cosine", temperature=0.1, needs=_ONE)
EMBEDDING = (
    NCA,
    Case("nca", _nca, similarity="euclidean", needs=_ONE),
    STABLE,
    Case("nca-stable", _nca_stable, similarity="dot", temperature=8.0),
    Case("nca-difference", _nca_difference),
    Case("nca-ratio", _nca_stable),
    Case("nca-epsilon", _nca_epsilon, {"eps": 0.01}),
    SUP_CON,
    Case("sup-con", _sup_con, similarity="euclidean", temperature=1.5, needs=_ONE),
    Case("sup-con", _sup_con, similarity="cosine", temperature=0.02, needs=_ONE),
    HARDEST,
    Case("triplet-semi-hard", _semi_hard, {"margin": 0.8}, temperature=None),
    Case("triplet-all", _every_triplet, {"margin": 0.8, "average": "all"}, temperature=None),
    Case("triplet-all", _every_triplet, {"margin": 0.8, "average": "nonzero"}, "cosine", temperature=None),
)
NEIGHBORS = (MODERN, Case("modern-nca", _nca, similarity="cosine", temperature=0.1, needs=_ONE), NCA, STABLE, SUP_CON)
