"""From a trained model to predictions: argmax, threshold, neighbors in the embedding; and their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.contract.similarity import pairwise_logits, unit
from losszoo.harness import metrics
from losszoo.harness.adapters import HEADED, Model, link, one_hot
from losszoo.harness.prepare import Part, Prepared
from losszoo.harness.task import Array

# The numbers of neighbors that validation chooses from.
K_CHOICES = (1, 3, 5, 7, 11, 15, 21, 31, 51)
_CHUNK = 2048


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
        self, model: Model, data: Prepared, parts: tuple[str, ...], deciding: tuple[str, str]
    ) -> dict[str, dict[str, float]]:
        """Metrics of the named parts.

        Args:
            model: trunk and heads; put into evaluation mode meanwhile.
            data: the prepared data.
            parts: of "train", "val", "test".
            deciding: (metric, direction) by which k is chosen.
        """
        training = model.training
        model.eval()
        try:
            needed = dict.fromkeys(("train", "val", *parts)) if self._by_neighbors else {}
            features = {part: self._embed(model, getattr(data, part)) for part in needed}
            k = self._best_k(features, data, deciding) if self._votes(data) else 0
            return {part: self._one(model, data, part, features, k) for part in parts}
        finally:
            model.train(training)

    @property
    def _by_neighbors(self) -> bool:
        return self.signature not in HEADED

    def _votes(self, data: Prepared) -> bool:
        return self._by_neighbors and self.signature != "neighbors" and data.kind != "retrieval"

    def _one(
        self, model: Model, data: Prepared, name: str, features: Mapping[str, Tensor], k: int
    ) -> dict[str, float]:
        part: Part = getattr(data, name)
        if data.kind == "retrieval":
            return retrieval_metrics(features[name], part.targets)
        if not self._by_neighbors:
            return output_metrics(self._outputs(model, part), part, data, self.expects)
        own = name == "train"
        if self.signature == "neighbors":
            return output_metrics(self._soft(features, name, data), part, data, "probabilities")
        votes = knn_scores(features[name], features["train"], data, (k,), own)[0]
        if data.kind != "views":
            return output_metrics(votes, part, data, "probabilities")
        truth = part.targets.cpu().numpy()
        probed = probe(features["train"], data.train.targets, features[name])
        return {
            "knn_accuracy": metrics.accuracy(truth, votes.argmax(1).cpu().numpy()),
            "probe_accuracy": metrics.accuracy(truth, probed),
        }

    def _outputs(self, model: Model, part: Part) -> Tensor:
        head = model.heads[self.signature]
        return torch.cat(
            [link(head(model(chunk)), self.expects, self.signature) for chunk in part.inputs.split(_CHUNK)]
        )

    def _embed(self, model: Model, part: Part) -> Tensor:
        features = torch.cat([model(chunk) for chunk in part.inputs.split(_CHUNK)])
        return unit(features) if self.similarity == "cosine" else features

    def _best_k(self, features: Mapping[str, Tensor], data: Prepared, deciding: tuple[str, str]) -> int:
        metric, direction = deciding
        choices = tuple(k for k in K_CHOICES if k < len(data.train)) or (1,)
        scored = []
        for k, votes in zip(
            choices, knn_scores(features["val"], features["train"], data, choices, own=False), strict=True
        ):
            measured = output_metrics(votes, data.val, data, "probabilities")
            scored.append((measured.get(metric, measured["accuracy"]), k))
        best = max if direction == "max" else min
        value = best(value for value, _ in scored)
        # Of equally good ones the largest: it is the smoother rule.
        return max(k for score, k in scored if score == value)

    def _soft(self, features: Mapping[str, Tensor], name: str, data: Prepared) -> Tensor:
        """Soft nearest neighbors over all training rows, each training row without itself."""
        weights_of = (
            data.train.targets[:, None]
            if data.kind == "regression"
            else one_hot(data.train.targets, data.classes)
        )
        mixed = []
        for start in range(0, len(features[name]), _CHUNK):
            chunk = features[name][start : start + _CHUNK]
            logits = pairwise_logits(chunk, features["train"], self.similarity, self.temperature)
            if name == "train":
                logits[torch.arange(len(chunk)), torch.arange(start, start + len(chunk))] = -torch.inf
            mixed.append(torch.softmax(logits, 1) @ weights_of)
        return torch.cat(mixed)


def probe(train: Tensor, labels: Tensor, queries: Tensor) -> Array:
    """Labels that a logistic regression on frozen features gives: the linear probe."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-3))
    predicted: Array = model.fit(train.cpu().numpy(), labels.cpu().numpy()).predict(queries.cpu().numpy())
    return predicted


def knn_scores(
    queries: Tensor, train: Tensor, data: Prepared, choices: tuple[int, ...], own: bool
) -> list[Tensor]:
    """Shares of the votes of the k nearest training rows, (N, C), for every k; ``own``: without the row itself.

    Half a vote more goes to the nearest row, so that ties fall to the closer label and not to the smaller one.
    """
    labels = one_hot(data.train.targets, data.classes)
    most = min(max(choices), len(train) - own)
    collected: list[list[Tensor]] = [[] for _ in choices]
    for start in range(0, len(queries), _CHUNK):
        distances = torch.cdist(queries[start : start + _CHUNK], train)
        if own:
            distances[torch.arange(len(distances)), torch.arange(start, start + len(distances))] = torch.inf
        votes = labels[distances.topk(most, largest=False).indices]
        running = votes.cumsum(1)
        for place, k in enumerate(choices):
            used = min(k, most)
            collected[place].append((running[:, used - 1] + votes[:, 0] / 2) / (used + 0.5))
    return [torch.cat(parts) for parts in collected]


def output_metrics(outputs: Tensor, part: Part, data: Prepared, expects: str) -> dict[str, float]:
    """Metrics of outputs: (N, 1) or (N, C) scores, (N, 1) standardised numbers, (N, C, H, W) maps."""
    if data.kind == "regression":
        scale, center = data.scale, data.center
        predicted = (outputs.squeeze(1).double() * scale + center).cpu().numpy()
        truth = (part.targets.double() * scale + center).cpu().numpy()
        return {"rmse": metrics.rmse(truth, predicted), "mae": metrics.mae(truth, predicted)}
    threshold = 0.5 if expects == "probabilities" else 0.0
    if expects == "log-probabilities":
        threshold = float(torch.tensor(0.5).log())
    truth = part.targets.cpu().numpy()
    if data.kind == "segmentation":
        return {"iou": metrics.iou(truth > 0.5, (outputs > threshold).cpu().numpy())}
    if outputs.shape[1] == 1:
        predicted, positive = (outputs[:, 0] > threshold).long(), outputs[:, 0]
    else:
        predicted = outputs.argmax(1)
        positive = outputs[:, 1] - outputs[:, 0]
    found = {"accuracy": metrics.accuracy(truth, predicted.cpu().numpy())}
    if data.kind == "binary":
        found["average_precision"] = metrics.average_precision(
            truth, torch.nan_to_num(positive).cpu().numpy()
        )
    return found


def retrieval_metrics(features: Tensor, labels: Tensor) -> dict[str, float]:
    """Recall@1 and MAP@R of every row against all others of its part."""
    rows, truth = features.cpu().numpy(), labels.cpu().numpy()
    return {"recall_at_1": metrics.recall_at_1(rows, truth), "map_at_r": metrics.map_at_r(rows, truth)}
