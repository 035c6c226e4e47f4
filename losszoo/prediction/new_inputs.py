"""New rows, as a person gives them, as a trained network takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from losszoo.common.files import check_regular
from losszoo.common.text import counted, in_one_line, kind_name
from losszoo.errors import DataError, UsageError
from losszoo.losses.signatures.kind import refuse
from losszoo.registry.registry import installed
from losszoo.tasks.dataset_rows import pixels_of
from losszoo.tasks.image_folder import ENDINGS as IMAGES
from losszoo.tasks.image_folder import Form, read_new_images
from losszoo.tasks.tables.new_rows import TableForm
from losszoo.tasks.tables.read_table import ENDINGS, is_table
from losszoo.training.data.prepared_data import Prepared, check_finite, target_tensor

Array = npt.NDArray[Any]

# Gray; red, green and blue.
_CHANNELS = (1, 3)


@dataclass(frozen=True)
class NewInputs:
    """Rows to predict.

    Args:
        inputs: (N, ...), as the task gives them: those of a table encoded, and none of them scaled.
        notes: of what training has not seen.
        frame: the table that they come from; None of arrays.
        files: paths of images inside their folder; empty of anything else.
    """

    inputs: Array
    notes: tuple[str, ...] = ()
    frame: Any = None
    files: tuple[str, ...] = ()


def read_inputs(rows: Any, name: str, data: Prepared, form: TableForm | None) -> NewInputs:
    """The rows, checked.

    Args:
        rows: of a table: a DataFrame or the path of a file; else an array, a tensor or the path of a .npy file; of
            pixels also that of an image, or of a folder of images.
        name: of the task.
        data: for the shape of an input.
        form: of a table; None for arrays.

    Raises:
        UsageError: a column is missing, or it is no such thing.
        DataError: another shape, no row, or what is no finite number: names row and column.
    """
    if form is not None:
        if isinstance(rows, np.ndarray | Tensor | list) or (isinstance(rows, str | Path) and not is_table(str(rows))):
            came = str(rows) if isinstance(rows, str | Path) else kind_name(rows)
            raise UsageError(
                f"rows of {name}, a table, must be a DataFrame or a file that ends with {', '.join(ENDINGS)}, got "
                f"{came}: columns are known by their names"
            )
        frame = form.read(rows)
        encoded = form.encoded(frame)
        check_finite(f"{name}: new inputs", encoded.inputs)
        return NewInputs(encoded.inputs, encoded.notes, frame)
    shape = data.train.shape
    pixels = data.bytes_are_pixels and len(shape) == 3 and shape[0] in _CHANNELS
    if pixels and isinstance(rows, str | Path) and Path(rows).suffix.lower() != ".npy":
        return _images(Path(rows), name, Form((shape[1], shape[2]), gray=shape[0] == 1))
    inputs = _array(rows, name)
    if inputs.ndim < 1 or inputs.shape[1:] != shape:
        refuse(f"{name}: new inputs", f"must have shape (N, {', '.join(map(str, shape))})", f"{inputs.shape}")
    if not len(inputs):
        refuse(f"{name}: new inputs", "must hold some rows", "none")
    if np.iscomplexobj(inputs):
        refuse(f"{name}: new inputs", "must be real numbers", f"dtype {inputs.dtype}")
    check_finite(f"{name}: new inputs", inputs)
    return NewInputs(pixels_of(inputs) if data.bytes_are_pixels else inputs)


def _images(path: Path, name: str, form: Form) -> NewInputs:
    if not path.exists():
        raise DataError(f"rows to predict must be a file or folder that is there, got {path}")
    if path.is_file() and path.suffix.lower() not in IMAGES:
        raise UsageError(
            f"rows of {name}, whose inputs are images, must be an array, a .npy file, a folder of images or an image "
            f"that ends with {', '.join(IMAGES)}, got {path}"
        )
    found = read_new_images(path, form)
    return NewInputs(pixels_of(found.pixels), found.notes, files=found.files)


def _array(rows: Any, name: str) -> Array:
    if isinstance(rows, Tensor):
        return rows.detach().cpu().numpy() if rows.dtype != torch.bfloat16 else rows.detach().cpu().float().numpy()
    if not isinstance(rows, str | Path):
        return np.asarray(rows)
    path = Path(rows)
    if path.suffix.lower() != ".npy":
        raise UsageError(f"rows of {name}, whose inputs are arrays, must be an array or a .npy file, got {path}")
    if not path.exists():
        raise DataError(f"rows to predict must be a file that is there, got {path}")
    check_regular(path)
    try:
        return np.asarray(np.load(path, allow_pickle=False))  # an array of objects would be code
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} must be an array of numpy, got one that cannot be read: {in_one_line(error)}"
        ) from error


@dataclass(frozen=True)
class NewTargets:
    """What the rows are known to be.

    Args:
        rows: which of them are known.
        targets: of those, as metrics take them.
        notes: of the rows that are left out.
    """

    rows: Array
    targets: Tensor
    notes: tuple[str, ...] = ()


def given_targets(given: Any, name: str, data: Prepared, rows: int) -> NewTargets:
    """Targets of arrays, one for each row, as those of training.

    Raises:
        DataError: another number of them, a label that is no class, or what is no finite number.
    """
    kind = installed().kind(data.kind)
    targets = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    where = f"{name}: new targets"
    if targets.shape[:1] != (rows,):
        refuse(where, f"must be one for each of {counted(rows, 'row')}", f"shape {targets.shape}")
    check_finite(where, targets)
    kind.check_targets(f"{name}: new", targets)
    shape = tuple(data.train.targets.shape[1:])
    if targets.shape[1:] != shape:
        refuse(where, f"must have shape (N, {', '.join(map(str, shape))}), as in training", f"{targets.shape}")
    if data.classes:
        strange = (targets < 0) | (targets >= data.classes) | (targets != np.round(targets))
        strange &= targets != kind.ignored_label if kind.ignored_label is not None else True
        if strange.any() and not kind.new_classes:
            came = targets[strange].flat[0]
            refuse(where, f"must be labels from 0 to {data.classes - 1}", f"{came}")
    return NewTargets(np.arange(rows), target_tensor(targets, kind, data.classes, data.center, data.scale))


def labels_of(given: Any, classes: Array, name: str) -> Array:
    """Labels from 0 of targets as training held them.

    Raises:
        DataError: one is none of the classes.
    """
    targets = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if classes.dtype.kind == "U" and targets.dtype.kind in "iu":
        return targets  # no word is a number: these are labels already
    labels = np.full(targets.shape, -1, np.int64)
    values = np.array([x.decode() if isinstance(x, bytes) else x for x in targets.ravel().tolist()], dtype=object)
    for label, value in enumerate(classes.tolist()):
        labels[(values == value).reshape(targets.shape)] = label
    if (labels < 0).any():
        came, known = values[(labels < 0).ravel()][0], ", ".join(map(str, classes.tolist()))
        refuse(f"{name}: new targets", f"must be among the classes of training, {known}", f"{came!r}")
    return labels


def with_targets(frame: Any, given: Any, form: TableForm, name: str) -> Any:
    """A table with the targets of its rows in their columns.

    Raises:
        DataError: another number of them.
    """
    targets = given.detach().cpu().numpy() if isinstance(given, Tensor) else given
    if len(np.shape(targets)) == 0 or len(targets) != len(frame):
        rows = counted(len(frame), "row")
        refuse(f"{name}: new targets", f"must be one for each of {rows}", f"shape {np.shape(targets)}")
    names = [target.name for target in form.targets]
    if len(names) == 1:
        return frame.assign(**{names[0]: list(np.ravel(np.asarray(targets)))})
    columns = np.asarray(targets)
    if columns.shape != (len(frame), len(names)):
        refuse(f"{name}: new targets", f"must have shape ({len(frame)}, {len(names)})", f"{columns.shape}")
    return frame.assign(**dict(zip(names, columns.T.tolist(), strict=True)))


def targets_in(frame: Any, name: str, form: TableForm, class_names: tuple[str, ...], data: Prepared) -> NewTargets:
    """Targets in their columns of a table; rows without one, or of a class that training has not, are left out.

    Raises:
        DataError: what is no finite number, or not of the kind; names the column or the task.
    """
    kind, column = installed().kind(data.kind), " or no ".join(target.name for target in form.targets)
    if not data.classes:
        numbers = form.numbers(frame)
        rows = np.flatnonzero(~np.isnan(numbers.reshape(len(numbers), -1)).any(1))
        left_out, why = len(numbers) - len(rows), f"no {column}"
        targets = numbers[rows]
        kind.check_targets(f"{name}: new", targets)
    else:
        labels = form.labels(frame, class_names)
        rows = np.flatnonzero(labels >= 0)
        left_out, why = len(labels) - len(rows), f"no {column}, or one that is none of the classes"
        targets = labels[rows]
    notes = (f"{counted(left_out, 'row')} with {why}: not scored",) if left_out else ()
    return NewTargets(rows, target_tensor(targets, kind, data.classes, data.center, data.scale), notes)


def targets_by_folder(files: Sequence[str], class_names: tuple[str, ...], data: Prepared) -> NewTargets | None:
    """The class of each image whose outermost folder has the name of one; None where no image has."""
    folders = [file.partition("/")[0] if "/" in file else "" for file in files]
    rows = np.flatnonzero([folder in class_names for folder in folders])
    if not len(rows):
        return None
    left_out = len(files) - len(rows)
    notes = (f"{counted(left_out, 'image')} in no folder of a class: not scored",) if left_out else ()
    labels = np.array([class_names.index(folders[row]) for row in rows], np.int64)
    kind = installed().kind(data.kind)
    return NewTargets(rows, target_tensor(labels, kind, data.classes, data.center, data.scale), notes)
