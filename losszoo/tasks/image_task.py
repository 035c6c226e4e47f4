"""A folder of images as a task: one subfolder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from losszoo.common.text import counted, in_one_line, kebab, message_of
from losszoo.errors import DataError, UsageError
from losszoo.tasks.dataset_rows import DatasetRows
from losszoo.tasks.image_folder import Form, Size, chosen_form, list_images, look_at, pixels_of, told_of
from losszoo.tasks.own_targets import Targets
from losszoo.tasks.own_task import OwnTask
from losszoo.tasks.tables.row_parts import check_classes, held_out, random_parts
from losszoo.tasks.task import Array, Splits

# Scaled images that stay in memory; more are read from their files each time.
_MOST_BYTES = 2**30
_SIDES = (4, 4096)


class ImageRows(Dataset[Any]):
    """Some of the images, with their labels.

    Args:
        paths: of the files.
        labels: of all images.
        form: of the pixels.
        pixels: of all images; None: read each time.
        rows: which images are meant.
    """

    def __init__(self, paths: Sequence[Path], labels: Array, form: Form, pixels: Array | None, rows: Array) -> None:
        self.paths, self.labels, self.form, self.pixels, self.rows = paths, labels, form, pixels, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[Array, int]:
        at = int(self.rows[row])
        if self.pixels is not None:
            return self.pixels[at], int(self.labels[at])
        try:
            return pixels_of(self.paths[at], self.form), int(self.labels[at])
        except Exception as error:
            raise DataError(f"{self.paths[at]} must be an image as it was, got {in_one_line(error)}") from error


class ImageTask(OwnTask):
    """The images of a folder; see :meth:`losszoo.Task.from_images`.

    Args:
        folder: with a subfolder for each class, or with train/, val/ and test/ that hold those.
        size: height and width, or one number for both.
    """

    bytes_are_pixels = True

    def __init__(self, folder: Path, size: int | Size | None) -> None:
        self.folder, self.size = folder, size
        listing = list_images(folder)
        looked = look_at(listing)
        self.digest, broken = looked.digest, dict(looked.broken)
        if not looked.sizes:
            raise DataError(f"{folder} must hold images that can be read, got none: {next(iter(broken.values()))}")
        form, notes = chosen_form(looked, size)
        room = len(listing.files) * int(np.prod(form.shape)) <= _MOST_BYTES
        kept, pixels = [], []
        for file in listing.files:
            try:
                read = pixels_of(file[0], form) if file[0] not in broken else None
            except Exception as error:  # of the library that reads the format
                broken[file[0]], read = message_of(error), None
            if read is not None:
                kept.append(file)
                pixels += [read] if room else []
        classes = tuple(sorted({name for _, name, _ in kept}))
        if len(classes) < 2:
            raise DataError(f"{folder} must hold images of two classes that can be read, got {', '.join(classes)}")
        self._labels = np.array([classes.index(name) for _, name, _ in kept], np.int64)
        self._parts = np.array([part for _, _, part in kept])
        self._paths, self._form = [path for path, *_ in kept], form
        self._pixels = np.stack(pixels) if room else None
        kind = "binary" if len(classes) == 2 else "multiclass"
        notes += told_of(folder, "as it cannot be read", list(broken), broken)
        notes += told_of(folder, "as it is no image by its ending", listing.others, {})
        targets = Targets(kind, (self._labels,), classes, classes, notes)
        name = kebab(folder.absolute().name, "images")
        self._settle(name, targets, form.shape, len(kept), f"{counted(len(kept), 'image')} of {name}")

    def parts(self, seed: int = 0) -> tuple[Array, Array, Array]:
        """Numbers of the images for training, validation and test."""
        what = f"the images in {self.folder}"
        if not self._parts[0]:
            check_classes(what, self._labels, self.class_names, 3)
            return random_parts(self._labels, len(self._labels), seed)
        train, val, test = (np.flatnonzero(self._parts == part) for part in Splits._fields)
        if not len(val):
            check_classes(f"{what}/train", self._labels[train], self.class_names, 2)
            train, val = held_out(train, self._labels, seed)
        return train, val, test

    def splits(self, seed: int = 0) -> Splits:
        parts = []
        for part, rows in zip(Splits._fields, self.parts(seed), strict=True):
            dataset = ImageRows(self._paths, self._labels, self._form, self._pixels, rows)
            where = f"{self.spec.name}: {part}"
            parts.append(DatasetRows(where, dataset, self._form.shape, self._labels[rows]))
        return Splits(*parts)

    def describe(self, seed: int = 0) -> dict[str, Any]:
        """What the folder holds, in plain data."""
        counts = np.bincount(self._labels, minlength=len(self.class_names)).tolist()
        return {
            **self.spec.to_dict(),
            "rows": {part: len(rows) for part, rows in zip(Splits._fields, self.parts(seed), strict=True)},
            "classes": dict(zip(self.class_names, counts, strict=True)),
            "shape": list(self._form.shape),
            "notes": list(self.notes),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker reads the folder anew, and refuses another content."""
        return _again, (self.folder, self.size, self.digest)

    def identity(self) -> Mapping[str, Any]:
        return {"images": str(self.folder.absolute()), "sha256": self.digest, "size": self.size}

    def source(self) -> Mapping[str, Any]:
        return self.identity()

    def flags(self) -> tuple[str, ...]:
        square = self.size if isinstance(self.size, int | None) else None
        if square != self.size:
            return ()
        return ("--task", f"{self.folder}/", *(("--size", str(square)) if square else ()))


def make_image_task(folder: Any, *, size: Any) -> ImageTask:
    """:meth:`losszoo.Task.from_images`."""
    sides = [size] if isinstance(size, int) and not isinstance(size, bool) else size
    if sides is not None:
        low, high = _SIDES
        whole = isinstance(sides, list | tuple) and all(isinstance(one, int) and low <= one <= high for one in sides)
        if not whole or len(sides) not in (1, 2):
            raise UsageError(f"size must be pixels from {low} to {high}, or (height, width), got {size!r}")
        size = sides[0] if len(sides) == 1 else (sides[0], sides[1])
    if not isinstance(folder, str | Path):
        raise UsageError(f"a folder of images must be given as its path, got {folder!r}")
    return ImageTask(Path(folder).expanduser(), size)


def images_again(source: Mapping[str, Any]) -> ImageTask:
    """The task that :meth:`ImageTask.source` tells of.

    Raises:
        DataError: the folder is gone, or has another content.
        UsageError: the source is damaged.
    """
    size = source.get("size")
    if not isinstance(source.get("images"), str) or not isinstance(size, int | list | tuple | None):
        raise UsageError(f"a folder that a file tells of must have its path and size, got {dict(source)!r}")
    return _again(Path(source["images"]), size, source.get("sha256"))


def _again(folder: Path, size: Any, digest: Any) -> ImageTask:
    if not folder.is_dir():
        raise DataError(f"{folder} must be where it was, got none; put the folder back, or start anew")
    task = make_image_task(folder, size=size)
    if task.digest != digest:
        raise DataError(f"{folder} must hold the images that it held, got others; restore them, or start anew")
    return task
