"""A trained model that predicts: everything that a run folder tells of it, without its data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from losszoo.common.foreign_code import level_of_user
from losszoo.common.seeding import with_threads
from losszoo.errors import DataError, UsageError
from losszoo.losses.signatures import TABLE
from losszoo.prediction.export import export_network
from losszoo.prediction.new_inputs import (
    NewInputs,
    NewTargets,
    given_targets,
    labels_of,
    read_inputs,
    targets_by_folder,
    targets_in,
    with_targets,
)
from losszoo.registry.registry import installed
from losszoo.tasks.tables.new_rows import TableForm, class_values
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import Part, Prepared, checked_weights
from losszoo.training.evaluation.knn import Known
from losszoo.training.evaluation.outputs import predictions_of, probabilities_of
from losszoo.training.evaluation.predict import Prediction
from losszoo.training.evaluation.trained_network import TrainedNetwork

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Parts:
    """What a trained model is made of.

    Args:
        network: trunk and heads, in evaluation.
        prediction: how the loss predicts.
        data: shape, unit and scaling of the data.
        known: the training rows, where they vote.
        form: of a table.
        held: what the targets held for each label; empty: not told.
        threads: that the run computed with; others give other last digits.
    """

    network: Model
    prediction: Prediction
    data: Prepared
    known: Known | None
    form: TableForm | None
    held: tuple[str | float | bool, ...]
    threads: int


class TrainedModel:
    """What a run has learned; :func:`losszoo.load_run` gives it.

    Rows to predict are given as the task of the run had them. Of a table: a DataFrame, or the path of a CSV, TSV or
    Parquet file with the same columns; they are found by their names, further ones are ignored, and the target is not
    needed. Of any other task: an array or tensor (N, ...), or the path of a .npy file; of images also the path of one,
    or of a folder, whose images are taken in the order of their paths. What :meth:`read` gives is taken too. A word
    that training rows do not have is no reason to refuse a row: it is predicted, and a warning says how many there are.

    Attributes:
        folder: of the run.
        loss: text of the loss.
        task: name of the task.
        kind: of the task.
        metric: that decided which epoch is the best.
        class_names: of the labels, in their order; empty without.
        classes: what :meth:`predict` gives for each label: words, numbers or booleans as the targets held them, the
            labels from 0 of an installed task; None without classes.
        target: the column that is predicted, of a table, several joined by ", "; else "".
        input_names: of the inputs of :attr:`model`, of a table; else empty.
        model: the network as a ``torch.nn.Module`` in evaluation, from :meth:`inputs` to the logits of its head, to
            numbers in the unit of the targets, or to the embedding where the loss has no head. It scales itself.
        notes: of what is unusual about the run.
    """

    def __init__(
        self,
        folder: Path,
        loss: str,
        task: str,
        metric: str,
        class_names: tuple[str, ...],
        parts: Parts,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.folder, self.loss, self.task, self.metric = folder, loss, task, metric
        self.class_names, self.notes = class_names, notes
        self._parts = parts
        data, form = parts.data, parts.form
        self.kind = data.kind
        self.target = ", ".join(target.name for target in form.targets) if form else ""
        self.input_names = form.encoding.names if form else ()
        self.classes = _classes(parts, class_names) if data.classes else None
        self.model = TrainedNetwork(parts.network, parts.prediction, data, data.scaling)

    def __repr__(self) -> str:
        return f"<trained model of {self.loss} on {self.task}, {self.folder}>"

    def predict(self, X: Any) -> Array:  # noqa: N803
        """(N,) classes as :attr:`classes` has them, numbers in the unit of the targets, or masks (N, C, ...).

        Of several targets (N, K): True where a row has a label, or a number of each output.

        Raises:
            UsageError: a column is missing, or the loss makes no predictions.
            DataError: rows that cannot be predicted; names row and column.
        """
        return self.predicted(self._warned(X))

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """(N, C) probabilities of the classes, of each of several labels, or (N, C, ...) of pixels.

        Softmax or sigmoid of the logits, or shares of the votes of training rows; raises as :meth:`predict`.
        """
        return self.probabilities(self._warned(X))

    def embed(self, X: Any) -> Array:  # noqa: N803
        """(N, D) features of the trunk, of length 1 where the loss compares by cosine; raises as :meth:`predict`."""
        parts = self._parts
        with with_threads(parts.threads):
            return parts.prediction.features(parts.network, self._scaled(self._warned(X))).numpy()

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, float]:  # noqa: N803
        """The metrics of the run on rows that are known. Raises as :meth:`predict`.

        Args:
            X: the rows.
            y: their targets, as those of training held them. Left out of a table, they stand in its columns of the
                targets, and of a folder of images they are the names of its subfolders.
            sample_weight: (N,), how often each row counts; None: once. Not where rows find each other (retrieval), or
                a linear probe judges them.
        """
        given = self._warned(X)
        if y is None:
            targets = self.targets_in(given)
            if targets is None:
                raise UsageError(f"y must be given, as the rows of {self.task} have no {self.target or 'target'}")
        else:
            targets = self._given_targets(given, y)
        if not len(targets.rows):
            raise DataError(f"{self.target} must be known in some rows, got none")
        for note in targets.notes:
            warnings.warn(note, stacklevel=level_of_user())
        if sample_weight is None:
            return self.scored(given, targets)
        weights = checked_weights(sample_weight, f"{self.task}: sample_weight", len(given.inputs))[targets.rows]
        if not weights.any():
            raise DataError(f"sample_weight must be above 0 in some row with a {self.target or 'target'}, got none")
        return self.scored(given, targets, torch.from_numpy(weights))

    def inputs(self, X: Any) -> Array:  # noqa: N803
        """What :attr:`model` and an exported program take, (N, ...); raises as :meth:`predict`.

        Float32, or float64 where a column lies so far from 0, as seconds since 1970 do, that float32 would lose its
        differences. Of a table the columns are encoded, and named in :attr:`input_names`.
        """
        return self._warned(X).inputs.astype(self._parts.data.scaling.dtype_of_inputs)

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write :attr:`model` as a program that needs no losszoo.

        Args:
            path: ".pt2" for :func:`torch.export.load`, ".onnx" for ONNX. Any number of rows is one call.
            overwrite: replace a file that is there.

        Returns:
            The path.

        Raises:
            UsageError: another ending, a file that is there already, packages that are missing, or a network that
                cannot be exported; says why.
        """
        data = self._parts.data
        rows = data.train.inputs.to(torch.from_numpy(np.zeros(0, data.scaling.dtype_of_inputs)).dtype)
        return export_network(self.model, rows, Path(path), overwrite=overwrite)

    def read(self, X: Any) -> NewInputs:  # noqa: N803
        """The rows, checked and encoded, for several calls; raises as :meth:`predict`.

        Returns:
            A value that each method takes for its rows. Its ``files`` are the paths of images inside their folder, in
            the order of the rows; its ``notes`` say what is unusual, and are not warned of again.
        """
        return read_inputs(X, self.task, self._parts.data, self._parts.form)

    # What the command line calls, where rows are read once and notes are printed.

    def predicted(self, given: NewInputs) -> Array:
        """See :meth:`predict`."""
        found = self._found(given)
        return found if self.classes is None or found.dtype.kind == "f" else self.classes[found]

    def named(self, given: NewInputs) -> Array:
        """The same with the names of the classes, where they have any other than their numbers."""
        found, names = self._found(given), self.class_names
        if not names or found.dtype.kind != "i":
            return found
        numbers = self.classes is not None and self.classes.dtype.kind in "if" and _are_numbers(names, self.classes)
        return self.classes[found] if self.classes is not None and numbers else np.array(names)[found]

    def _found(self, given: NewInputs) -> Array:
        """Labels, numbers or masks; what a kind leaves as it is, are numbers."""
        parts = self._parts
        expects = "probabilities" if parts.prediction.by_neighbors else parts.prediction.expects
        return predictions_of(self._judged(given), parts.data, expects).cpu().numpy()

    def probabilities(self, given: NewInputs) -> Array:
        """See :meth:`predict_proba`."""
        rules = TABLE[self._parts.prediction.signature]
        able = not rules.has_head or "probabilities" in rules.expects
        found = probabilities_of(self._judged(given, probabilities=True), self._parts.data) if able else None
        if found is None:
            raise UsageError(
                f"probabilities must come from a loss and a task that have some, got {self.loss} on {self.task}, a "
                f"{self.kind} task; predict gives its predictions"
            )
        return found.cpu().numpy()

    def targets_in(self, given: NewInputs) -> NewTargets | None:
        """The targets that a table holds beside its inputs, or folders of images by their names; None without."""
        form = self._parts.form
        if given.files:
            return targets_by_folder(given.files, self.class_names, self._parts.data)
        if form is None or not all(target.name in given.frame.columns for target in form.targets):
            return None
        return targets_in(given.frame, self.task, form, self.class_names, self._parts.data)

    def _given_targets(self, given: NewInputs, y: Any) -> NewTargets:
        parts = self._parts
        if parts.form is not None:
            frame = with_targets(given.frame, y, parts.form, self.task)
            return targets_in(frame, self.task, parts.form, self.class_names, parts.data)
        labels = labels_of(y, self.classes, self.task) if parts.held and self.classes is not None else y
        return given_targets(labels, self.task, parts.data, len(given.inputs))

    def scored(self, given: NewInputs, targets: NewTargets, weights: Tensor | None = None) -> dict[str, float]:
        """See :meth:`score`; ``weights`` are of the rows with a target."""
        parts = self._parts
        together = parts.prediction.by_neighbors and parts.known is None
        if weights is not None and (together or installed().kind(self.kind).probe):
            raise UsageError(
                f"sample_weight must be left out on {self.task}, a {self.kind} task, whose metrics take none"
            )
        inputs = self._scaled(replace(given, inputs=given.inputs[targets.rows]))
        known_rows = Part(inputs, targets.targets, weights)
        with with_threads(parts.threads):
            return parts.prediction.score_rows(parts.network, parts.data, known_rows, parts.known)

    def _warned(self, X: Any) -> NewInputs:  # noqa: N803
        if isinstance(X, NewInputs):
            return X
        given = self.read(X)
        for note in given.notes:
            warnings.warn(note, stacklevel=level_of_user())
        return given

    def _scaled(self, given: NewInputs) -> Tensor:
        return torch.from_numpy(self._parts.data.scaling(given.inputs))

    def _judged(self, given: NewInputs, *, probabilities: bool = False) -> Tensor:
        """What the kind makes predictions of."""
        parts = self._parts
        if parts.prediction.by_neighbors and parts.known is None:
            raise UsageError(
                f"predictions must come from a head, or from training rows of the same labels, got {self.loss} on "
                f"{self.task}, a {self.kind} task whose rows find each other; embed gives their embedding"
            )
        judged = parts.prediction.probabilities if probabilities else parts.prediction.judged
        with with_threads(parts.threads):
            return judged(parts.network, parts.data, self._scaled(given), parts.known)


def _classes(parts: Parts, names: tuple[str, ...]) -> Array:
    held: Any = parts.held
    if not held:
        held = class_values(parts.form.targets[0].holds, names) if parts.form else np.arange(parts.data.classes)
    if any(not isinstance(value, str | int | float) for value in parts.held):
        raise TypeError("a class that is no word and no number")
    if len(held) != parts.data.classes:
        raise ValueError(f"{len(held)} names of {parts.data.classes} classes")
    return np.array(held)


def _are_numbers(names: tuple[str, ...], values: Array) -> bool:
    """Whether classes have no other names than their numbers."""
    return all(name in (str(value), f"{value:.0f}") for name, value in zip(names, values.tolist(), strict=True))
