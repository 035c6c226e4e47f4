"""From a trained model to predictions: argmax, threshold, neighbors in the embedding; and their metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import whose
from losszoo.losses.signatures.signature import Signature
from losszoo.losses.similarity import unit
from losszoo.pairs.kernels import geometry
from losszoo.pairs.streaming import Streaming
from losszoo.registry.registry import installed
from losszoo.tasks.metric_choice import Metric
from losszoo.training.data.batch_inputs import Model, one_hot
from losszoo.training.data.prepared_data import CHUNK, Part, Prepared
from losszoo.training.evaluation import metrics
from losszoo.training.evaluation.knn import Known, best_k, knn_votes, without_own
from losszoo.training.evaluation.outputs import Judged, judge_outputs, judge_votes


@dataclass(frozen=True)
class Prediction:
    """How a signature predicts on a task.

    Args:
        signature: the one that predicts.
        expects: what its loss expects, so that a threshold stands where the loss put it.
        similarity: of the loss, where it has one; neighbors are looked for by cosine where the loss used it.
        temperature: of a ``neighbors`` loss.
        metrics: that were asked for, beside those of the kind.
        shape: parameters of the loss that decide what its outputs are.
    """

    signature: str
    expects: str = "logits"
    similarity: str = "euclidean"
    temperature: float = 1.0
    metrics: tuple[Metric, ...] = ()
    shape: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rules(self) -> Signature:
        """The signature, as the parameters of the loss shape it."""
        return TABLE[self.signature].shaped(self.shape)

    def judge(
        self,
        model: Model,
        data: Prepared,
        parts: tuple[str, ...],
        deciding: tuple[str, str],
        *,
        thorough: bool = True,
        answered: bool = False,
    ) -> tuple[dict[str, Judged], Known | None]:
        """Metrics of the named parts, NaN for a part without rows; and the training rows, where they vote.

        Args:
            model: trunk and heads; put into evaluation mode meanwhile.
            data: the prepared data.
            parts: of "train", "val", "test".
            deciding: (metric, direction) by which k is chosen.
            thorough: also what takes long and decides nothing (the linear probe).
            answered: the answers too, where the kind has them.
        """
        filled = tuple(name for name in parts if len(getattr(data, name)))
        kind = installed().kind(data.kind)
        names = (*(metric.name for metric in self.metrics), *kind.metrics)
        nothing = {name: Judged(dict.fromkeys(names, math.nan)) for name in parts if name not in filled}
        if not filled:
            return nothing, None
        with _evaluated(model):
            if not self.by_neighbors:
                return nothing | {n: self._judged_head(model, data, getattr(data, n), answered) for n in filled}, None
            features = {name: self._embedded(model, getattr(data, name)) for name in filled}
            among = {name: kind.score_features(features[name], getattr(data, name).targets) for name in filled}
            told = {name: Judged(found) for name, found in among.items() if found is not None}
            if len(told) == len(filled):
                return nothing | told, None
            for name in ("train", "val"):
                if name not in features:
                    features[name] = self._embedded(model, getattr(data, name))
            known = self._known(features, data, deciding)
            votes = self._judged_votes(features, known, data, filled, answered)
            probed = kind.probe and (thorough or kind.probe == deciding[0])
            return nothing | (_with_probe(votes, features, data) if probed else votes), known

    def score_rows(self, model: Model, data: Prepared, rows: Part, known: Known | None) -> dict[str, float]:
        """Metrics of rows that are in none of the parts; arguments as of :meth:`outputs`."""
        with _evaluated(model):
            if not self.by_neighbors:
                return self._judged_head(model, data, rows).metrics
            features = self._embedded(model, rows)
            kind = installed().kind(data.kind)
            if known is None:
                return kind.score_features(features, rows.targets) or {}
            data, named = replace(data, test=rows), {"train": known.features, "test": features}
            votes = self._judged_votes(named, known, data, ("test",))
            return (_with_probe(votes, named, data) if kind.probe else votes)["test"].metrics

    def known(self, model: Model, data: Prepared, deciding: tuple[str, str]) -> Known | None:
        """The training rows as :meth:`outputs` asks for them; None where it does not."""
        if not self.by_neighbors:
            return None
        with _evaluated(model):
            features = {name: self._embedded(model, getattr(data, name)) for name in ("train", "val")}
            return self._known(features, data, deciding)

    def outputs(self, model: Model, data: Prepared, inputs: Tensor, known: Known | None = None) -> Tensor:
        """What is predicted of each row.

        Args:
            model: trunk and heads; put into evaluation mode meanwhile.
            data: for the kind of the task, and for the targets of the training rows.
            inputs: (N, ...), prepared.
            known: of :meth:`known`, for signatures without a head.

        Returns:
            (N, 1) or (N, C) scores as the loss expects them, (N, 1) standardised numbers, (N, C, H, W) maps of a head;
            without one, (N, C) shares of the training rows' labels, or (N, 1) means of their numbers.
        """
        with _evaluated(model):
            if known is None:
                return self._head(model, inputs)
            return self._mixed(self._embed(model, inputs), known, data)

    def embedded(self, model: Model, part: Part) -> Tensor | None:
        """The embedding of each row, by which the loss predicts; None where it predicts by a head."""
        if not self.by_neighbors:
            return None
        with _evaluated(model):
            return self._embedded(model, part)

    def features(self, model: Model, inputs: Tensor) -> Tensor:
        """The features of each row, of length 1 where the loss compares by cosine."""
        with _evaluated(model):
            return self._embed(model, inputs)

    @property
    def by_neighbors(self) -> bool:
        """Whether it predicts from the training rows nearby, and not by a head."""
        return not TABLE[self.signature].has_head

    def _head(self, model: Model, inputs: Tensor) -> Tensor:
        return self._linked(self._raw(model, inputs), self.expects)

    def _raw(self, model: Model, inputs: Tensor) -> Tensor:
        head = model.heads[self.signature]
        return torch.cat([head(model(rows)) for rows in torch.split(inputs, CHUNK)])

    def _linked(self, raw: Tensor, expects: str) -> Tensor:
        rules = self.rules
        return torch.cat([rules.link(rows, expects) for rows in torch.split(raw, CHUNK)])

    def _embed(self, model: Model, inputs: Tensor) -> Tensor:
        features = torch.cat([model(rows) for rows in torch.split(inputs, CHUNK)])
        return unit(features) if self.similarity == "cosine" else features

    def _embedded(self, model: Model, part: Part) -> Tensor:
        return torch.cat([self._embed(model, chunk.inputs) for chunk in part.chunks()])

    def _known(self, features: Mapping[str, Tensor], data: Prepared, deciding: tuple[str, str]) -> Known:
        k = 0 if TABLE[self.signature].draws_candidates else best_k(features, data, deciding, self.metrics)
        return Known(features["train"], k)

    def _mixed(self, features: Tensor, known: Known, data: Prepared, own: bool = False) -> Tensor:
        """From the targets of the training rows; ``own``: the rows are those, and none of them sees itself."""
        if TABLE[self.signature].draws_candidates:
            return self._soft(features, known.features, data, own)
        return knn_votes(features, known.features, data, (known.k,), own)[0]

    def judged(self, model: Model, data: Prepared, inputs: Tensor, known: Known | None = None) -> Tensor:
        """What the kind of the task makes predictions of, and its metrics judge; arguments as of :meth:`outputs`."""
        outputs = self.outputs(model, data, inputs, known)
        return outputs if self.by_neighbors else self._of_signature(outputs, data)

    def probabilities(self, model: Model, data: Prepared, inputs: Tensor, known: Known | None = None) -> Tensor:
        """The same as probabilities, of a signature that has some: as metrics of probabilities judge them."""
        if self.by_neighbors:
            return self.outputs(model, data, inputs, known)
        with _evaluated(model):
            return self._shares(self._raw(model, inputs), data)

    def _shares(self, raw: Tensor, data: Prepared) -> Tensor:
        # In float64: a probability near 0 keeps its logarithm.
        return self._of_signature(self._linked(raw.double(), "probabilities"), data)

    def _of_signature(self, outputs: Tensor, data: Prepared) -> Tensor:
        with whose(self.signature, "predict"):
            return self.rules.predict(outputs, data)

    def _judged_head(self, model: Model, data: Prepared, part: Part, answered: bool = False) -> Judged:
        # The targets come with the rows: a Dataset may draw both.
        found = [(self._raw(model, chunk.inputs), chunk.targets) for chunk in part.chunks()]
        raw, targets = (torch.cat(tensors) for tensors in zip(*found, strict=True))
        outputs = self._of_signature(self._linked(raw, self.expects), data)
        shares = partial(self._shares, raw, data) if "probabilities" in TABLE[self.signature].expects else None
        told = Part(outputs, targets, part.weights)
        return judge_outputs(outputs, told, data, self.expects, self.metrics, shares, answered)

    def _judged_votes(
        self,
        features: Mapping[str, Tensor],
        known: Known,
        data: Prepared,
        parts: tuple[str, ...],
        answered: bool = False,
    ) -> dict[str, Judged]:
        votes = {name: self._mixed(features[name], known, data, own=name == "train") for name in parts}
        return {name: judge_votes(votes[name], getattr(data, name), data, self.metrics, answered) for name in parts}

    def _soft(self, queries: Tensor, train: Tensor, data: Prepared, own: bool) -> Tensor:
        """Soft nearest neighbors over all training rows, each as often as its weight."""
        targets, weights = data.train.targets, data.train.weights_with(data.class_weights)
        mixed_of = one_hot(targets, data.classes).to(queries.dtype) if data.classes else targets[:, None]
        prepared = geometry(queries, train, self.similarity, self.temperature, (False, False))
        size = Streaming().block_rows(len(train), queries.dtype, queries.device, softmax=True)
        # The logits of each block of queries, in a buffer that the next one takes: no more than the cache holds.
        buffer = queries.new_empty(size, len(train))
        mixed = []
        for start in range(0, len(queries), size):
            block = slice(start, min(start + size, len(queries)))
            scores = prepared.scores(block, buffer[: block.stop - start])
            logits = scores if prepared.sign > 0 else scores.neg_()
            logits = logits if weights is None else logits.add_(weights.log())
            mixed.append(torch.softmax(without_own(logits, start if own else None), 1) @ mixed_of)
        return torch.cat(mixed)


def _with_probe(votes: Mapping[str, Judged], features: Mapping[str, Tensor], data: Prepared) -> dict[str, Judged]:
    metric, probed = installed().kind(data.kind).probe, probe(features, tuple(votes), data)
    return {name: replace(found, metrics={**found.metrics, metric: probed[name]}) for name, found in votes.items()}


@contextmanager
def _evaluated(model: Model) -> Iterator[None]:
    """A block in which the model is in evaluation mode, and no graph is recorded."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


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
