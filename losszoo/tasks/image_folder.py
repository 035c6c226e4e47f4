"""A folder of images, one subfolder for each class: which files there are, and how a file becomes pixels."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.common.files import check_regular
from losszoo.common.text import counted, message_of
from losszoo.errors import DataError, UsageError, suggest
from losszoo.tasks.tables.row_parts import PART_WORDS

Array = npt.NDArray[Any]
Size = tuple[int, int]

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_GRAY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")
# Where the images differ, or are larger than what two convolutions go through quickly.
_LARGEST_SIDE = 128
_USUAL_SIDE = 64
_TURNED = (5, 6, 7, 8)  # of the EXIF tag: height and width change places
_ORIENTATION = 0x0112
_MOST_NAMED = 3


@dataclass(frozen=True)
class Listing:
    """The image files of a folder.

    Args:
        folder: where they lie.
        files: (path, class, part), the part "" where rows are to be drawn.
        classes: their names, in alphabetical order.
        others: files that are no images by their ending.
    """

    folder: Path
    files: tuple[tuple[Path, str, str], ...]
    classes: tuple[str, ...]
    others: tuple[Path, ...]


def list_images(folder: Path) -> Listing:
    """The files, by path; hidden ones are passed by.

    Raises:
        DataError: no such folder, or none with a subfolder of images for each of two classes.
    """
    if not folder.is_dir():
        around = folder.absolute().parent
        beside = [f"{one.name}/" for one in sorted(around.iterdir()) if one.is_dir()] if around.is_dir() else []
        near = f"; {suggest(f'{folder.name}/', beside)}" if beside else ""
        raise DataError(f"a folder of images must be a folder that is there, got {folder}{near}")
    inside = _folders(folder)
    parts = [one for one in inside if one.name.lower() in PART_WORDS]
    parted = bool(parts) and len(parts) == len(inside)
    files: list[tuple[Path, str, str]] = []
    others: list[Path] = [file for file in sorted(folder.iterdir()) if file.is_file() and not _hidden(file)]
    for part in parts if parted else [folder]:
        _refuse_link_above(folder, part)
        word = ("train", "val", "test")[PART_WORDS[part.name.lower()]] if parted else ""
        for one in _folders(part):
            _refuse_link_above(folder, one)
            for file in _below(one):
                (files.append((file, one.name, word)) if file.suffix.lower() in ENDINGS else others.append(file))
    classes = tuple(sorted({name for _, name, _ in files}))
    if len(classes) < 2:
        loose = sum(file.suffix.lower() in ENDINGS for file in others)
        came = f"images of {classes[0]} alone" if classes else f"{counted(loose, 'image')} beside no such subfolder"
        raise DataError(f"{folder} must hold a subfolder with images for each of two classes or more, got {came}")
    if parted:
        _check_parts(folder, files)
    return Listing(folder, tuple(files), classes, tuple(others))


def _refuse_link_above(folder: Path, inside: Path) -> None:
    """A link to where it lies, or above it, would take all other classes, and more, for its own."""
    aim = inside.resolve()
    if inside != folder and aim in (folder.resolve(), *folder.resolve().parents, *inside.absolute().parents):
        raise DataError(
            f"a link in {folder} must lead to a folder of images elsewhere, got {inside.name}, which leads to {aim}, "
            "inside which the link itself lies; remove it"
        )


def _check_parts(folder: Path, files: Sequence[tuple[Path, str, str]]) -> None:
    of_part = {word: {name for _, name, part in files if part == word} for word in ("train", "val", "test")}
    for word in ("train", "test"):
        if not of_part[word]:
            held = ", ".join(part for part, names in of_part.items() if names)
            raise DataError(f"{folder} must hold train/ and test/, each with images, got {held} alone")
    unknown = sorted((of_part["val"] | of_part["test"]) - of_part["train"])
    if unknown:
        raise DataError(f"{folder}/train must hold images of every class, got none of {', '.join(unknown)}")


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _folders(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.iterdir()) if one.is_dir() and not _hidden(one)]


def _below(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


@dataclass(frozen=True)
class Form:
    """What every image becomes.

    Args:
        size: height and width.
        gray: one channel; else red, green and blue.
    """

    size: Size
    gray: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        return (1 if self.gray else 3, *self.size)


def pixels_of(path: Path, form: Form) -> Array:
    """(channels, height, width) bytes: scaled until it fills the size, and cut at the longer sides.

    Raises:
        Exception: of the library that reads images, where it cannot be read.
    """
    from PIL import Image, ImageOps

    with _quiet(), Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode == "F":
            raise ValueError("its pixels are floating numbers")
        if image.mode.startswith("I"):  # 16 bits, of which these are the upper 8
            image = Image.fromarray((np.asarray(image).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
        image = image.convert("L" if form.gray else "RGB")
        height, width = form.size
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), method=Image.Resampling.BILINEAR)
        return np.moveaxis(np.atleast_3d(np.asarray(image)), 2, 0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Of a large image, or of one whose tags are odd, the library warns: it is read all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Looked:
    """What the files are, before any is scaled.

    Args:
        sizes: different (height, width).
        gray: whether no image has colors.
        broken: why a file cannot be read, by its path.
        digest: SHA-256 of all paths and contents.
    """

    sizes: frozenset[Size]
    gray: bool
    broken: dict[Path, str]
    digest: str


def look_at(listing: Listing) -> Looked:
    """Every file once: its content and its header.

    Raises:
        UsageError: Pillow is not installed.
    """
    check_pillow()
    from PIL import Image

    digest, broken = hashlib.sha256(), {}
    sizes, gray = set(), True
    for path, *_ in listing.files:
        digest.update(f"{path.relative_to(listing.folder).as_posix()}\n".encode())
        try:
            check_regular(path)
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
            with _quiet(), Image.open(path) as image:
                turned = image.getexif().get(_ORIENTATION) in _TURNED
                sizes.add((image.width, image.height) if turned else (image.height, image.width))
                gray &= image.mode in _GRAY
        except Exception as error:  # of the library that reads the format
            broken[path] = message_of(error)
    return Looked(frozenset(sizes), gray, broken, digest.hexdigest())


def check_pillow() -> None:
    """Refuse where images cannot be read.

    Raises:
        UsageError: Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise UsageError("Pillow is not installed, and images are read with it: pip install 'losszoo[images]'")


@dataclass(frozen=True)
class NewImages:
    """Images to predict.

    Args:
        pixels: (N, channels, height, width) bytes.
        files: their paths inside the folder, with slashes.
        notes: of those that are left out, or lose their colors.
    """

    pixels: Array
    files: tuple[str, ...]
    notes: tuple[str, ...]


def read_new_images(path: Path, form: Form) -> NewImages:
    """The images in a folder and in those below it, or the one of a file; hidden ones are passed by.

    Raises:
        UsageError: Pillow is not installed.
        DataError: there is none that can be read.
    """
    check_pillow()
    folder = path if path.is_dir() else path.parent
    paths = [file for file in _below(path) if file.suffix.lower() in ENDINGS] if path.is_dir() else [path]
    kept, pixels, broken, colored = [], [], {}, 0
    for file in paths:
        try:
            check_regular(file)
            pixels.append(pixels_of(file, form))
            kept.append(file)
            colored += form.gray and _has_colors(file)
        except Exception as error:  # of the library that reads the format
            broken[file] = message_of(error)
    if not kept:
        came = "; ".join(f"{file.name}: {why}" for file, why in list(broken.items())[:_MOST_NAMED])
        raise DataError(f"{path} must be an image that can be read, or hold some, got {came or 'none'}")
    notes = told_of(folder, "as it cannot be read", list(broken), broken)
    if colored:
        notes += (f"{counted(colored, 'image')} with colors: made gray, as the images of training are",)
    return NewImages(np.stack(pixels), tuple(file.relative_to(folder).as_posix() for file in kept), notes)


def _has_colors(path: Path) -> bool:
    from PIL import Image

    with _quiet(), Image.open(path) as image:
        return image.mode not in _GRAY


def chosen_form(looked: Looked, size: int | Size | None) -> tuple[Form, tuple[str, ...]]:
    """The size that is given; that of the images, where it is one and small; else 64 x 64, and a note."""
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        return Form((height, width), looked.gray), ()
    largest = max(max(one) for one in looked.sizes)
    if len(looked.sizes) == 1 and largest <= _LARGEST_SIDE:
        return Form(next(iter(looked.sizes)), looked.gray), ()
    what = counted(len(looked.sizes), "size") if len(looked.sizes) > 1 else f"{largest} pixels a side"
    note = (
        f"images of {what} are scaled to {_USUAL_SIDE} x {_USUAL_SIDE} and cut at the longer sides; size says another"
    )
    return Form((_USUAL_SIDE, _USUAL_SIDE), looked.gray), (note,)


def told_of(folder: Path, what: str, paths: Sequence[Path], why: dict[Path, str]) -> tuple[str, ...]:
    """A note of files that are left out: how many, and the first by name."""
    if not paths:
        return ()
    named = [f"{path.relative_to(folder)}{f' ({why[path]})' if path in why else ''}" for path in paths[:_MOST_NAMED]]
    more = [f"{len(paths) - len(named)} more"] if len(named) < len(paths) else []
    return (f"left out, {what}: {counted(len(paths), 'file')}, {', '.join([*named, *more])}",)
