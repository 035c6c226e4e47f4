"""From a trained model to predictions: argmax, threshold, neighbors in the embedding; and their metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.contract.similarity import pairwise_logits, unit
from losszoo.engine.options import Streaming
from losszoo.engine.prepare import geometry
from losszoo.harness import metrics
from losszoo.harness.adapters import HEADED, Model, link, one_hot
from losszoo.harness.prepare import Part, Prepared

# What is measured, by kind of task; the one that decides is among them.
METRICS: Mapping[str, tuple[str, ...]] = {
    "multiclass": ("accuracy",),
    "binary": ("accuracy", "average_precision"),
    "regression": ("rmse", "mae"),
    "segmentation": ("iou",),
    "retrieval": ("recall_at_1", "map_at_r"),
    "views": ("knn_accuracy", "probe_accuracy"),
}
# The numbers of neighbors that validation chooses from.
K_CHOICES = (1, 3, 5, 7, 11, 15, 21, 31, 51)
_CHUNK = 1024


@dataclass(frozen=True)
class Prediction:
    """How a signature predicts on a task.

    Args:
        signature: the one that predicts.
        expects: what its loss expects, so that a threshold stands where the loss put it.
        similarity: of the loss, where it has one; neighbors are looked for by cosine where the loss used it.
        temperature: of a ``neighbors`` loss.
    """

    signature: str
    expects: str = "logits"
    similarity: str = "euclidean"
    temperature: float = 1.0

    @torch.no_grad()
    def score(
        self,
        model: Model,
        data: Prepared,
        parts: tuple[str, ...],
        deciding: tuple[str, str],
        *,
        thorough: bool = True,
    ) -> dict[str, dict[str, float]]:
        """Metrics of the named parts.

        Args:
            model: trunk and heads; put into evaluation mode meanwhile.
            data: the prepared data.
            parts: of "train", "val", "test".
            deciding: (metric, direction) by which k is chosen.
            thorough: also what takes long and decides nothing (the linear probe).
        """
        training = model.training
        model.eval()
        try:
            if not self._by_neighbors:
                return {name: self._scored_outputs(model, data, getattr(data, name)) for name in parts}
            needed = parts if data.kind == "retrieval" else dict.fromkeys(("train", "val", *parts))
            features = {name: self._embed(model, getattr(data, name)) for name in needed}
            return self._scored_features(features, data, parts, deciding, thorough)
        finally:
            model.train(training)

    @torch.no_grad()
    def embedded(self, model: Model, part: Part) -> Tensor | None:
        """The embedding of each row, by which the loss predicts; None where it predicts by a head."""
        if not self._by_neighbors:
            return None
        training = model.training
        model.eval()
        try:
            return self._embed(model, part)
        finally:
            model.train(training)

    @property
    def _by_neighbors(self) -> bool:
        return self.signature not in HEADED

    def _scored_outputs(self, model: Model, data: Prepared, part: Part) -> dict[str, float]:
        head = model.heads[self.signature]
        outputs = [link(head(model(rows)), self.expects, self.signature) for rows in _chunks(part.inputs)]
        return output_metrics(torch.cat(outputs), part, data, self.expects)

    def _scored_features(
        self,
        features: Mapping[str, Tensor],
        data: Prepared,
        parts: tuple[str, ...],
        deciding: tuple[str, str],
        thorough: bool,
    ) -> dict[str, dict[str, float]]:
        if data.kind == "retrieval":
            return {name: retrieval_metrics(features[name], getattr(data, name).targets) for name in parts}
        if self.signature == "neighbors":
            votes = {name: self._soft(features, name, data) for name in parts}
        else:
            k = best_k(features, data, deciding)
            votes = {
                name: knn_votes(features[name], features["train"], data, (k,), own=name == "train")[0] for name in parts
            }
        found = {name: output_metrics(votes[name], getattr(data, name), data, "probabilities") for name in parts}
        if data.kind != "views":
            return found
        probed = probe(features, parts, data) if thorough else {}
        return {
            name: {"knn_accuracy": found[name]["accuracy"]} | ({"probe_accuracy": probed[name]} if thorough else {})
            for name in parts
        }

    def _embed(self, model: Model, part: Part) -> Tensor:
        features = torch.cat([model(rows) for rows in _chunks(part.inputs)])
        return unit(features) if self.similarity == "cosine" else features

    def _soft(self, features: Mapping[str, Tensor], name: str, data: Prepared) -> Tensor:
        """Soft nearest neighbors over all training rows, each training row without itself."""
        targets = data.train.targets
        mixed_of = targets[:, None] if data.kind == "regression" else one_hot(targets, data.classes)
        mixed = [
            torch.softmax(_without_own(logits, block.start if name == "train" else None), 1) @ mixed_of
            for block, logits in self._to_training(features[name], features["train"])
        ]
        return torch.cat(mixed)

    def _to_training(self, queries: Tensor, train: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Logits of each block of queries, in a buffer that the next one takes: no more than the cache holds."""
        prepared = geometry(queries, train, self.similarity, self.temperature, (False, False))
        size = Streaming().block_rows(len(train), queries.dtype, queries.device, softmax=True)
        buffer = queries.new_empty(size, len(train))
        for start in range(0, len(queries), size):
            block = slice(start, min(start + size, len(queries)))
            measure = prepared.measure(block, buffer[: block.stop - start])
            yield block, measure if prepared.sign > 0 else measure.neg_()


def _chunks(inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.split(inputs, _CHUNK)


def probe(features: Mapping[str, Tensor], parts: tuple[str, ...], data: Prepared) -> dict[str, float]:
    """Accuracy of a logistic regression on frozen features: the linear probe. NaN where they are not finite."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    arrays = {name: features[name].cpu().double().numpy() for name in {"train", *parts}}
    if not all(math.isfinite(array.sum()) for array in arrays.values()):
        return dict.fromkeys(parts, math.nan)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-3))
    model.fit(arrays["train"], data.train.targets.cpu().numpy())
    return {
        name: metrics.accuracy(getattr(data, name).targets.cpu().numpy(), model.predict(arrays[name])) for name in parts
    }


def retrieval_metrics(features: Tensor, labels: Tensor) -> dict[str, float]:
    """Recall@1 and MAP@R of every row against all others of its part."""
    rows, truth = features.cpu().numpy(), labels.cpu().numpy()
    return {"recall_at_1": metrics.recall_at_1(rows, truth), "map_at_r": metrics.map_at_r(rows, truth)}
