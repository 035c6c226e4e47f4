"""What is measured: one loss at one size. Plain data, so that it can be sent to a child process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from losszoo.errors import UsageError
from losszoo.losses.signatures import TABLE

_SIZE = re.compile(r"([0-9]+)(?:x([0-9]+))?")
_LARGEST = 10**12

_CLASSES = 10


@dataclass(frozen=True)
class Size:
    """Rows, and a second number where the size was written as ``512x1000``."""

    first: int
    second: int | None = None

    def __str__(self) -> str:
        return str(self.first) if self.second is None else f"{self.first}x{self.second}"

    @property
    def total(self) -> int:
        """Of both numbers: what a plot shows along its axis."""
        return self.first * (self.second or 1)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One loss on inputs of one size.

    Args:
        loss: a name, or a target ("file.py:MyLoss").
        signature: of the table of signatures.
        expects: what the predictions are.
        params: every hyperparameter; those of a target are the given ones.
        given: the hyperparameters that differ from their defaults.
        first: rows, elements or parameters.
        second: classes, candidates or pixels along a side; None where the signature has none.
        dim: width of embeddings.
        classes: of the labels.
        dtype: "float32" or "float64".
        device: where everything stands.
        seed: of the inputs.
    """

    loss: str
    signature: str
    first: int
    expects: str = "logits"
    params: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    second: int | None = None
    dim: int = 64
    classes: int = _CLASSES
    dtype: str = "float32"
    device: str = "cpu"
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the process that measures."""
        return asdict(self)


def parse_sizes(text: str | None, signature: str) -> tuple[Size, ...]:
    """Sizes as they are written on the command line.

    From the smallest up: a peer that is lost at one is not tried at the next.

    Args:
        text: ``"1024,8192"`` or ``"512x1000"``; None takes those that are usual for the signature.
        signature: decides whether there may be a second number.

    Raises:
        UsageError: not a number, below 1, or a second number where the signature has none.

    Example:
        >>> [str(size) for size in parse_sizes("8192,512x1000", "multiclass")]
        ['512x1000', '8192']
    """
    if text is None:
        return parse_sizes(TABLE[signature].sizes.usual, signature)
    sizes = tuple(dict.fromkeys(_parse_size(part.strip(), signature) for part in text.split(",")))
    return tuple(sorted(sizes, key=lambda size: size.first * (second_of(size, signature, None) or 1)))


def _parse_size(text: str, signature: str) -> Size:
    match = _SIZE.fullmatch(text)
    numbers = [int(number) for number in match.groups() if number] if match else []
    if not numbers or not all(1 <= number <= _LARGEST for number in numbers):
        raise UsageError(
            f"sizes must be whole numbers from 1 to 1e12 such as 8192, or 512x1000, with commas between, got {text!r}"
        )
    if len(numbers) == 2 and not TABLE[signature].sizes.second:
        raise UsageError(f"sizes must be one number each for {signature} losses, got {text!r}")
    return Size(*numbers)


def parse_numbers(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers >= 1 with commas between.

    Example:
        >>> parse_numbers("dim", "64,256")
        (64, 256)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,12}", part) and int(part) for part in parts):
        raise UsageError(f"{name} must be whole numbers >= 1 with commas between, got {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))


def second_of(size: Size, signature: str, classes: int | None) -> int | None:
    """The second number of a size, from ``--classes`` or the usual one where it was not written."""
    counts = TABLE[signature].sizes
    if not counts.second:
        return None
    given = classes if counts.second == "classes" else None
    return size.second or given or counts.second_default or size.first


def labels_of(classes: int | None) -> int:
    """How many classes labels are drawn from."""
    return classes or _CLASSES


def axis_of(signature: str, sizes: Sequence[Size]) -> str:
    """What the sizes of a plot count."""
    counts = TABLE[signature].sizes
    return f"{counts.first} x {counts.second}" if any(size.second for size in sizes) else counts.first
