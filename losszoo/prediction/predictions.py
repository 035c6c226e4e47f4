"""Predictions of new rows as columns: for a file, a table or a JSON document."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.common.files import write_atomically
from losszoo.errors import UsageError
from losszoo.prediction.trained_model import TrainedModel

Array = npt.NDArray[Any]

ENDINGS = (".csv", ".npy")


@dataclass(frozen=True)
class Predictions:
    """What was predicted.

    Args:
        values: of each row: names of classes, numbers, or maps.
        probabilities: (N, C, ...), where they were asked for.
        classes: names of the classes, or of several outputs; empty without.
        metrics: where the rows say what is right.
        scored: how many rows do.
        notes: of what training has not seen.
        files: paths of the images, which are the first column; empty of other rows.
    """

    values: Array
    probabilities: Array | None = None
    classes: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    scored: int = 0
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def columns(self) -> dict[str, Array]:
        """The files of images, the prediction or each of several outputs, and the probability of each class.

        Raises:
            UsageError: they are maps, which no column holds.
        """
        probabilities = self.probabilities
        if self.values.ndim > 2 or (probabilities is not None and probabilities.ndim > 2):
            raise UsageError(
                f"predictions of each pixel must go into a .npy file, got {self.values.shape}; say --out "
                "predictions.npy"
            )
        files = {"file": np.array(self.files)} if self.files else {}
        found = {**files, **_by_name("prediction", self.values, self.classes)}
        return {**found, **({} if probabilities is None else _by_name("probability", probabilities, self.classes))}


def _by_name(lead: str, values: Array, names: Sequence[str]) -> dict[str, Array]:
    if values.ndim == 1:
        return {lead: values}
    told = names if len(names) == values.shape[1] else [str(place) for place in range(values.shape[1])]
    return {f"{lead}_{name}": column for name, column in zip(told, values.T, strict=True)}


def predict_rows(trained: TrainedModel, rows: Any, *, probabilities: bool = False) -> Predictions:
    """Read rows once, and predict and score them; arguments and errors as of :meth:`TrainedModel.predict`."""
    given = trained.read(rows)
    values = trained.named(given)
    shares = trained.probabilities(given) if probabilities else None
    notes = (*trained.notes, *given.notes)
    found = Predictions(values, shares, trained.class_names, notes=notes, files=given.files)
    targets = trained.targets_in(given)
    if targets is None:
        return found
    if not len(targets.rows):
        return replace(found, notes=(*notes, f"no row has a {trained.target} that can be scored"))
    metrics = trained.scored(given, targets)
    return replace(found, metrics=metrics, scored=len(targets.rows), notes=(*notes, *targets.notes))


def check_out(out: Path, rows: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot, or must not, be written; before anything is computed.

    Raises:
        UsageError: another ending, a file that is there already, or the file of the rows.
    """
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"--out must end with {' or '.join(ENDINGS)}, got {out}")
    if out.exists() and rows.exists() and out.samefile(rows):
        raise UsageError(f"--out must be another file than the rows, got {out} for both")
    if out.exists() and not overwrite:
        raise UsageError(f"--out must be a file that is not there yet, got {out}; --overwrite replaces it")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out must lie in a folder that is there, got {out}; make the folder first")


def write_predictions(predictions: Predictions, out: Path) -> None:
    """Write one row for each row, in their order: as CSV, or as one array of numpy.

    Raises:
        UsageError: they do not fit the ending, or the file cannot be written.
    """
    content = _npy(predictions) if out.suffix.lower() == ".npy" else _csv(predictions.columns())
    try:
        write_atomically(out, content)
    except OSError as error:
        raise UsageError(f"--out must be a file that can be written, got {out} ({error.strerror or error})") from error


def _npy(predictions: Predictions) -> bytes:
    buffer = io.BytesIO()
    chosen = predictions.values if predictions.probabilities is None else predictions.probabilities
    np.save(buffer, chosen, allow_pickle=False)
    return buffer.getvalue()


def _csv(columns: Mapping[str, Array]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue().encode()
